// Package engine builds a recipe: it derives keys, finds what the cache
// already holds, runs the rest and writes the outputs.
//
// The flow, and the order to read the files in:
//
//	engine.go   Build and Plan: steps in order, each a hit or a goroutine
//	keys.go     what a step's and a row's key are made of
//	record.go   what is stored under those keys
//	flow.go     how rows pass from step to step: an append-only log per step
//	roles.go    a step run by a plugin
//	source.go   a threat source, which has no input
//	rows.go     every other component, row by row
//	order.go    results come in any order and leave in the order of the input
//	distill.go  filters, dedupe, balance, sample, limit
//	dataset.go  the split, and outputs that must be written
//	card.go     their files, moved into place and described
//	plan.go     the same decisions without running anything
//
// It knows blocks, rows and keys. It does not know HCL syntax, processes,
// models or terminals: components run behind the Runner interface, and what
// happens is told through Event.
package engine
