// Package oracle holds a test: it builds random recipes with the engine, the
// cache and the model client, edits them at random and builds again. After
// every edit an independent model of a build, which knows nothing of keys,
// caches, flows or threads, says what the outputs hold, how many rows each
// step yields, drops and fails, which tasks must run and which calls must be
// made. The plan must say the same beforehand.
//
// It has no code of its own. A failure prints the seed that repeats it:
//
//	go test ./internal/engine/oracle -oracle.seed=N -oracle.cases=1
//
// and -oracle.cases=N tries more than the tests do by themselves.
package oracle
