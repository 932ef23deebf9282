// Package archtest keeps the shape of the code: which package may import
// which, who alone may use a library, and the few rules of style that a
// compiler does not know. It has tests only and is imported by nobody.
//
// A new package needs a line in the table of rules_test.go.
package archtest
