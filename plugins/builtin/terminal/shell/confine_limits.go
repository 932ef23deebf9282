//go:build linux || darwin

package shell

import "syscall"

// addressSpare is the address space that Go's runtime takes without using it.
const addressSpare = 4 << 30

// confine has the system hold this process to limits: address space, no file of
// the host longer than nothing, no dump of memory. It is the second barrier, so
// systems that refuse a limit are no error.
func confine(l Limits) error {
	set := func(what int, most uint64) {
		var now syscall.Rlimit
		if syscall.Getrlimit(what, &now) == nil {
			now.Cur = min(now.Max, most)
			_ = syscall.Setrlimit(what, &now)
		}
	}
	set(syscall.RLIMIT_CORE, 0)
	set(syscall.RLIMIT_FSIZE, 0)
	if !raceEnabled {
		set(syscall.RLIMIT_AS, uint64(l.Memory)+addressSpare)
	}
	return nil
}
