//go:build race

package contain

// unbounded: the race detector takes terabytes of addresses, and who is built
// with it starts others that are.
const unbounded = true
