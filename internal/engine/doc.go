// Package engine builds a recipe: it derives keys, finds what the cache
// already holds, runs the rest and writes the outputs.
//
// The flow, and the order to read the files in:
//
//	engine.go   Build: steps in order, each a hit or a goroutine
//	lookup.go   which steps are built, and what the cache has of them
//	keys.go     what a step's and a row's key are made of
//	record.go   what is stored under those keys
//	flow.go     how rows pass from step to step: an append-only log per step,
//	            written in chunks (chunk.go) and followed by readers (reader.go)
//	pipeline.go work on many rows at once that keeps their order
//	roles.go    a step run by a plugin
//	source.go   a threat source, which has no input
//	blocks.go   what it sent before need not be sent again
//	rows.go     every other component, row by row: what is known, what is sent
//	results.go  what comes back
//	emit.go     what is passed on of it
//	reuse.go    what became of whole chunks of rows, remembered too
//	tasks.go    equal tasks, of which one runs
//	order.go    results come in any order and leave in the order of the input
//	stop.go     how steps wait for each other, and how a build ends
//	distill.go  filters, dedupe, balance, sample, limit; mix.go: mix; scenarios.go:
//	            those of an evaluation
//	dataset.go  the split, and outputs that must be written
//	card.go     their files, moved into place and described
//	documents.go what stands beside the outputs
//	evaluation.go figures of trials, by an Evaluator (evaluator.go), and asserts;
//	            evaluationkey.go: what they are keyed by; report.go: their report
//	made.go     what documents and reports share: files that the host makes
//	trace.go    what became of each task, for those who ask later
//	plan.go     Plan: the same decisions without running anything
//	dry.go      what a plan has in place of runs and of the cache
//	reason.go   why a step is not what it was
//	estimate.go what its model calls will take, by history.go or by declaration
//	show.go     the rows of a step as they are
//
// It knows blocks, rows and keys. It does not know HCL syntax, processes,
// models or terminals: components run behind the Runner interface, and what
// happens is told through Event.
package engine
