//go:build race

package shell

// raceEnabled says that the race detector takes address space without end.
const raceEnabled = true
