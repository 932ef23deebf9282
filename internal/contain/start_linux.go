package contain

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Supported says that this system can contain programs at all.
const Supported = true

// Launcher starts contained programs. Self is this binary, and Argument what
// has it call Launch.
type Launcher struct {
	Self, Argument string
	// Plain has it try no namespaces: they were refused before.
	Plain bool
}

// Process is a contained program that was started.
type Process struct {
	*exec.Cmd
	Level   Level
	Refused bool // namespaces were; they will be the next time too

	net *carrier
}

// Start starts a program. Prepare sets the command's three standard files and
// its attributes, and start runs it. Check is called while the launcher makes
// ready; if it fails, the launcher ends without having started the program. A
// command that is given up is waited for here.
func (l Launcher) Start(p Policy, prepare func(*exec.Cmd), start func(*exec.Cmd) error, check func() error) (*Process, error) {
	for _, dir := range []string{workFolder, rootFolder} {
		if err := os.MkdirAll(filepath.Join(p.Base, dir), 0o700); err != nil {
			return nil, err
		}
	}
	if l.Plain {
		return l.plain(p, prepare, start, check)
	}
	proc, err := l.attempt(p, withNamespaces, prepare, start, check)
	var refused *refusedError
	if !errors.As(err, &refused) {
		return proc, err
	}
	proc, err = l.plain(p, prepare, start, check)
	if err != nil {
		return nil, err
	}
	proc.Refused = true
	proc.Level.Missing = append([]string{"other programs' processes, files' names and sockets are not hidden, and modes and times of your files can be changed: " + refused.Error()}, proc.Level.Missing...)
	return proc, nil
}

// plain starts a program without namespaces.
func (l Launcher) plain(p Policy, prepare func(*exec.Cmd), start func(*exec.Cmd) error, check func() error) (*Process, error) {
	if !slices.ContainsFunc(p.Net, Target.proxied) {
		return l.attempt(p, withoutNamespaces, prepare, start, check)
	}
	c := newCarrier()
	address, err := c.proxy(p.Net)
	if err != nil {
		c.close()
		return nil, err
	}
	_, p.proxyPort, _ = net.SplitHostPort(address)
	p.Env = append(slices.Clone(p.Env), proxyEnv(address)...)
	proc, err := l.attempt(p, withoutNamespaces, prepare, start, check)
	if err != nil {
		c.close()
		return nil, err
	}
	proc.net = c
	return proc, nil
}

func (l Launcher) attempt(p Policy, form string, prepare func(*exec.Cmd), start func(*exec.Cmd) error, check func() error) (*Process, error) {
	var theirs, ours [3]*os.File // as the launcher numbers them
	defer closeAll(theirs[:])
	var err error
	open := func(i int, r, w *os.File, perr error) {
		theirs[i], ours[i] = r, w
		if err == nil {
			err = perr
		}
	}
	r, w, perr := os.Pipe()
	open(policyFD-3, r, w, perr)
	r, w, perr = os.Pipe()
	open(reportFD-3, w, r, perr)
	a, b, perr := socketPair()
	open(socketFD-3, a, b, perr)
	defer func() { closeAll(ours[:]); closeAll(theirs[:]) }()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(l.Self, l.Argument, form)
	cmd.Env = []string{}
	cmd.ExtraFiles = theirs[:]
	prepare(cmd)
	if form == withNamespaces {
		cmd.SysProcAttr.Cloneflags |= cloneFlags
		cmd.SysProcAttr.AmbientCaps = launcherCaps()
	}
	if err := start(cmd); err != nil {
		if form == withNamespaces && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EACCES)) {
			return nil, &refusedError{fmt.Errorf("they cannot be made here (%w)", plainError(err))}
		}
		return nil, err
	}
	closeAll(theirs[:])
	if err := check(); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, err
	}
	go func(policy io.WriteCloser) {
		_ = json.NewEncoder(policy).Encode(order{p, os.Geteuid(), os.Getegid(), p.proxyPort}) // or else the launcher says so
		_ = policy.Close()
	}(ours[policyFD-3])
	ours[policyFD-3] = nil
	said, err := readReport(ours[reportFD-3])
	if err != nil {
		_ = cmd.Wait()
		return nil, err
	}
	proc := &Process{Cmd: cmd, Level: Level{Namespaces: form == withNamespaces, Missing: said.Missing}}
	if form == withNamespaces && len(p.Net) > 0 {
		if proc.net, err = takeListeners(ours[socketFD-3], p.Net); err != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			return nil, err
		}
	}
	return proc, nil
}

// plainError is an error without the path of this binary.
func plainError(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// readReport reads all that the launcher says, until it has become the
// program.
func readReport(from io.Reader) (report, error) {
	var last report
	seen := false
	for dec := json.NewDecoder(from); ; {
		var r report
		if err := dec.Decode(&r); err != nil {
			break // the end, or a launcher that was killed
		}
		last, seen = r, true
	}
	switch {
	case !seen:
		return last, errors.New("the launcher ended without a word")
	case last.Refused:
		return last, &refusedError{errors.New(last.Error)}
	case last.Error != "":
		return last, errors.New(last.Error)
	}
	return last, nil
}

// Close ends what carries the program's connections. It may be called twice,
// and of a nil process.
func (p *Process) Close() {
	if p != nil {
		p.net.close()
	}
}

func socketPair() (a, b *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "socket"), os.NewFile(uintptr(fds[1]), "socket"), nil
}

// takeListeners takes the sockets that the launcher listens on.
func takeListeners(from *os.File, targets []Target) (*carrier, error) {
	oob := make([]byte, unix.CmsgSpace(4*maxTargets))
	_, n, _, _, err := unix.Recvmsg(int(from.Fd()), make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("taking the sockets over: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return nil, errors.New("the launcher handed no sockets over")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, err
	}
	c := newCarrier()
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "listener")
		l, err := net.FileListener(f)
		_ = f.Close() // it was duplicated
		if err != nil || i >= len(targets) {
			c.close()
			return nil, fmt.Errorf("taking the sockets over: %w", err)
		}
		c.carry(l, targets[i])
	}
	return c, nil
}

func closeAll(list []*os.File) {
	for i, f := range list {
		if f != nil {
			_ = f.Close()
			list[i] = nil
		}
	}
}

// Hide keeps other processes of the same user from looking into this one: its
// memory, its environment, its files. The kernel then also writes no core of
// it, and its files in /proc are root's.
func Hide() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }

// Shut keeps this process, a program of ours, from the network and from what
// leads round that, with all of its threads. Where the kernel has no filters,
// nothing happens.
func Shut() {
	if unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != nil {
		return
	}
	if filter, err := denials(filterFor{namespaces: true}); err == nil {
		_ = setFilter(filter, unix.SECCOMP_FILTER_FLAG_TSYNC)
	}
}
