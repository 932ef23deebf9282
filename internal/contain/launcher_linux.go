package contain

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Files that the launcher gets beside the three standard ones.
const (
	policyFD = 3 + iota
	reportFD
	socketFD // to hand listening sockets over
)

// Names of the launcher's two forms, as its only argument behind the caller's.
const (
	withNamespaces    = "namespaces"
	withoutNamespaces = "plain"
)

// Launch is the launcher's main: it shuts this process in and becomes the
// program. It returns an exit code if it cannot.
//
// Everything here is done to one thread, which execve makes the whole process.
func Launch(args []string) int {
	runtime.LockOSThread()
	for fd := policyFD; fd <= socketFD; fd++ {
		unix.CloseOnExec(fd)
	}
	out := os.NewFile(reportFD, "report")
	var said report
	err := launch(len(args) > 0 && args[0] == withNamespaces, &said, out)
	said.Error = err.Error()
	said.Refused = errors.As(err, new(*refusedError))
	_ = json.NewEncoder(out).Encode(said) // the host sees the end of the process too
	return 1
}

// refusedError is a namespace that cannot be used.
type refusedError struct{ err error }

func (e *refusedError) Error() string { return "namespaces: " + e.err.Error() }

// launch returns only if it fails.
func launch(namespaces bool, said *report, out io.Writer) error {
	var o order
	if err := json.NewDecoder(os.NewFile(policyFD, "policy")).Decode(&o); err != nil {
		return fmt.Errorf("the launcher was not told what to start: %w", err)
	}
	p := &o.Policy
	p.proxyPort = o.ProxyPort
	if namespaces {
		if err := enter(&o); err != nil {
			return &refusedError{err}
		}
	}
	if err := os.Chdir(p.Work()); err != nil {
		return err
	}
	if err := setLimits(p, namespaces); err != nil {
		return err
	}
	missing, err := restrict(p, namespaces)
	if err != nil {
		return err
	}
	said.Missing = missing
	if err := dropPrivileges(); err != nil {
		return err
	}
	filter, err := denials(filterFor{network: len(p.Net) > 0, namespaces: namespaces})
	switch {
	case errors.Is(err, errNoFilter):
		said.Missing = append(said.Missing, err.Error())
	case err != nil:
		return err
	default:
		if err := setFilter(filter, 0); err != nil {
			said.Missing = append(said.Missing, "system calls are not filtered: the kernel lacks seccomp ("+err.Error()+")")
		}
	}
	if err := json.NewEncoder(out).Encode(said); err != nil {
		return err
	}
	if err := syscall.Exec(p.Path, append([]string{p.Path}, p.Args...), p.Env); err != nil {
		return fmt.Errorf("%s: %w%s", p.Path, err, interpreterHint(p.Path, err))
	}
	return nil
}

// interpreterHint says why a program that is there is not found.
func interpreterHint(path string, err error) string {
	if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EACCES) {
		return ""
	}
	f, ferr := os.Open(path)
	if ferr != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, 200)
	n, _ := io.ReadFull(f, head)
	line, _, _ := strings.Cut(string(head[:n]), "\n")
	if interpreter, ok := strings.CutPrefix(line, "#!"); ok {
		return fmt.Sprintf(" (it is a script for %s, which it must be able to read: grant its folder, or install it below /usr)", strings.TrimSpace(interpreter))
	}
	return ""
}

// setLimits bounds what the program can take. Processes and threads are
// counted for the user, so that they are bounded only where the user is one of
// the program's own namespace.
func setLimits(p *Policy, namespaces bool) error {
	limits := map[int]uint64{
		unix.RLIMIT_CORE:   0,
		unix.RLIMIT_NOFILE: 4096,
		unix.RLIMIT_FSIZE:  256 << 30,
	}
	if namespaces {
		limits[unix.RLIMIT_NPROC] = 4096
	}
	if p.Memory > 0 && !unbounded {
		limits[unix.RLIMIT_DATA] = uint64(p.Memory)
	}
	for what, most := range limits {
		var now syscall.Rlimit
		if err := syscall.Getrlimit(what, &now); err != nil {
			return fmt.Errorf("limits: %w", err)
		}
		now.Max = min(now.Max, most)
		now.Cur = min(now.Cur, now.Max)
		if err := syscall.Setrlimit(what, &now); err != nil {
			return fmt.Errorf("limits: %w", err)
		}
	}
	return nil
}

// dropPrivileges gives up every capability for good, also those that root
// would get back from execve, and has the program die with who started it.
func dropPrivileges() error {
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		// It needs a capability itself, and it may be a newer kernel's number:
		// what matters is what is left in the end.
		_ = unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
	}
	const noRoot = 1<<0 | 1<<1 | 1<<2 | 1<<3 | 1<<5 | 1<<6 | 1<<7 // SECBIT_NOROOT and the like, locked
	_ = unix.Prctl(unix.PR_SET_SECUREBITS, noRoot, 0, 0, 0)
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	none := [2]unix.CapUserData{}
	if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	return unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
}
