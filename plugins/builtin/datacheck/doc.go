// Package datacheck holds files of data to the formats that the built-in
// outputs write: each row by the format's validator, and rows against each
// other. It reads files of any size in little memory.
//
// It changes nothing, and has no format of its own: those are in package
// export. Whether files are the ones that a build made is not its question.
package datacheck
