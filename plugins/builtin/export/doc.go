// Package export holds what the built-in outputs share: which rows may become
// training rows, how a row reads as a conversation, and how lines are written,
// a file per split. It also holds a validator for each training format.
//
// The validators are written apart from the code that makes the lines: they
// read the finished text alone and refuse whatever they do not know. Each
// output passes every line through its validator before writing it, and so
// may a test of a whole pipeline.
//
// The package is not an output itself, and nothing here looks at rows that
// are only stored (outputs "rows" and "parquet" take any row).
package export
