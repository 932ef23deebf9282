//go:build linux && (amd64 || arm64)

package contain

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// The filter is assembled with golang.org/x/net/bpf, which the Go project
// keeps up. The libraries for seccomp either need cgo and a C library
// (libseccomp-golang) or are one company's (elastic/go-seccomp-bpf); what they
// would add, names of system calls, golang.org/x/sys has.
//
// It is a list of what is refused, not of what is allowed: languages' runtimes
// take up new system calls with every release, and what guards files, network
// and other processes is elsewhere. What is refused here is what leads round
// that: kernel interfaces that Landlock does not see, and those through which
// kernels are attacked.

// Offsets in struct seccomp_data.
const (
	offsetCall = 0
	offsetArch = 4
	offsetArgs = 16 // eight bytes each, the lower half first
)

// filterFor says what a program is given, and so what is not refused.
type filterFor struct {
	network bool // sockets of TCP
	// namespaces keep it from others. Without them, its forks stay in the
	// group that is killed, and it gets at no memory that the user's programs
	// share, and not at their limits.
	namespaces bool
}

var errNoFilter = errors.New("system calls are not filtered: autosafe has no filter for " + runtime.GOARCH)

const (
	allow  = unix.SECCOMP_RET_ALLOW
	refuse = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	absent = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
)

// newNamespaces are the flags of clone that make one.
const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// denials makes the filter.
func denials(f filterFor) ([]bpf.Instruction, error) {
	arch, foreign := machine()
	if arch == 0 {
		return nil, errNoFilter
	}
	prog := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: arch, SkipTrue: 1},
		bpf.RetConstant{Val: refuse}, // 32-bit calls have other numbers
		bpf.LoadAbsolute{Off: offsetCall, Size: 4},
	}
	if foreign != 0 { // x32 on amd64
		prog = append(prog, bpf.JumpIf{Cond: bpf.JumpLessThan, Val: foreign, SkipTrue: 1}, bpf.RetConstant{Val: refuse})
	}
	refused := append(refusedCalls(), refusedHere()...)
	if !f.namespaces {
		refused = append(refused, unix.SYS_SETSID, unix.SYS_SETPGID,
			unix.SYS_SHMGET, unix.SYS_SHMAT, unix.SYS_SEMGET, unix.SYS_MSGGET, unix.SYS_MQ_OPEN)
	}
	for _, nr := range refused {
		prog = append(prog, on(nr, bpf.RetConstant{Val: refuse})...)
	}
	// The arguments of clone3 are in memory, which a filter cannot see; where
	// it is absent, libraries use clone.
	prog = append(prog, on(unix.SYS_CLONE3, bpf.RetConstant{Val: absent})...)
	prog = append(prog, on(unix.SYS_CLONE,
		bpf.LoadAbsolute{Off: offsetArgs, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: newNamespaces, SkipFalse: 1},
		bpf.RetConstant{Val: refuse},
		bpf.RetConstant{Val: allow},
	)...)
	prog = append(prog, on(unix.SYS_IOCTL, // what puts words into a terminal's mouth
		bpf.LoadAbsolute{Off: offsetArgs + 8, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.TIOCSTI, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.TIOCLINUX, SkipTrue: 1},
		bpf.RetConstant{Val: refuse},
		bpf.RetConstant{Val: allow},
	)...)
	if !f.namespaces {
		prog = append(prog, on(unix.SYS_PRLIMIT64,
			bpf.LoadAbsolute{Off: offsetArgs, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 1}, // its own
			bpf.RetConstant{Val: refuse},
			bpf.RetConstant{Val: allow},
		)...)
	}
	prog = append(prog, on(unix.SYS_SOCKET, socketRule(f.network)...)...)
	return append(prog, bpf.RetConstant{Val: allow}), nil
}

// socketRule allows sockets in the file system, and TCP if there is a network:
// no datagrams, no raw sockets, no other families, and not MPTCP, of which
// Landlock knows nothing.
func socketRule(network bool) []bpf.Instruction {
	prog := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArgs, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.AF_UNIX, SkipTrue: 1},
		bpf.RetConstant{Val: allow},
	}
	if network {
		prog = append(prog,
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.AF_INET, SkipTrue: 1},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.AF_INET6, SkipTrue: 7},
			bpf.LoadAbsolute{Off: offsetArgs + 8, Size: 4},
			bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf}, // without SOCK_CLOEXEC and the like
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SOCK_STREAM, SkipTrue: 4},
			bpf.LoadAbsolute{Off: offsetArgs + 16, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 1},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_TCP, SkipTrue: 1},
			bpf.RetConstant{Val: allow},
		)
	}
	return append(prog, bpf.RetConstant{Val: refuse})
}

// on has a system call end with some instructions. Others skip them, with the
// call's number still loaded.
func on(nr int, then ...bpf.Instruction) []bpf.Instruction {
	jump := bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(nr), SkipTrue: uint8(len(then))}
	return append([]bpf.Instruction{jump}, then...)
}

// refusedCalls are refused on every architecture.
func refusedCalls() []int {
	return []int{
		// Other processes' memory and files.
		unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_GETFD, unix.SYS_KCMP, unix.SYS_PROCESS_MADVISE,
		// Namespaces and mounts.
		unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT,
		unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_OPEN_TREE_ATTR, unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR,
		unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_FANOTIFY_INIT, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD,
		// Work that the kernel does in the program's place, past this filter.
		unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
		// The kernel itself.
		unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_PERSONALITY,
		unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
		unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
		unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_SYSLOG, unix.SYS_VHANGUP,
		unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_ADJTIMEX, unix.SYS_CLOCK_ADJTIME,
		unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME,
	}
}

// setFilter puts a filter over this thread and what it becomes, and with the
// flag SECCOMP_FILTER_FLAG_TSYNC over all threads.
func setFilter(prog []bpf.Instruction, flags uintptr) error {
	raw, err := bpf.Assemble(prog)
	if err != nil {
		return fmt.Errorf("assembling the filter: %w", err)
	}
	list := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		list[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	fprog := unix.SockFprog{Len: uint16(len(list)), Filter: &list[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&fprog)))
	runtime.KeepAlive(list)
	if errno != 0 {
		return errno
	}
	return nil
}
