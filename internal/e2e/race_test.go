//go:build race

package e2e

// raceFlag has the binary look for races where the tests do.
const raceFlag = "-race"
