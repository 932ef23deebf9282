//go:build !race

package contain

// unbounded: the launcher's limit of memory holds.
const unbounded = false
