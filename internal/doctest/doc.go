// Package doctest keeps the documents true: the pages of docs/reference are
// made from the code they describe, the recipes in the guides are checked as
// recipes, the plugin of the plugin guide is built and run, and links lead
// somewhere. It has tests only and is imported by nobody.
//
//	go test ./internal/doctest -update
//
// writes docs/reference anew.
package doctest
