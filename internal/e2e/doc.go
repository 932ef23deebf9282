// Package e2e holds tests of the whole: they run the autosafe binary as a
// user would, against an endpoint that counts what it is asked (package
// llmtest), and look at exit codes, the summary, the files written and the
// processes started.
//
// It has no code of its own. What a single package does, that package tests.
package e2e
