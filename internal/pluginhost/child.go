package pluginhost

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// child is an operating system process, for go-plugin to look after. It
// differs from go-plugin's own in three ways: its standard input is a pipe
// whose other end dies with this process, so that it can notice; it has a
// process group of its own, so that the terminal's Ctrl-C does not reach it
// and its children die with it; and its end is noticed even if somebody
// still holds its pipes.
type child struct {
	path    string
	args    []string
	env     []string
	digest  string
	starter *starter
	grace   time.Duration
	printed io.Writer // gets what is written to standard output after the handshake; may be nil

	dir  string // to run in; empty: this process's
	cell *cell  // that contains it; nil: none

	mu             sync.Mutex
	killed         bool
	cmd            *exec.Cmd // nil until it has started
	stdin          *os.File  // our end
	stdout, stderr *os.File  // our ends

	exited    chan struct{}
	drained   chan struct{} // its output has been read to the end
	drainOnce sync.Once
}

func newChild(path string, args []string, digest string, s *starter, grace time.Duration) *child {
	return &child{
		path: path, args: args, digest: digest, starter: s, grace: grace,
		exited: make(chan struct{}), drained: make(chan struct{}),
	}
}

// Start starts the process.
func (c *child) Start(context.Context) error {
	if c.cell == nil {
		if err := c.verify(); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.killed {
		return errClosed
	}
	theirs, ours, err := pipes()
	if err != nil {
		return err
	}
	defer closeFiles(theirs[:])
	cmd, err := c.begin(theirs)
	if err != nil {
		closeFiles(ours[:])
		return err
	}
	c.stdin, c.stdout, c.stderr = ours[0], ours[1], ours[2]
	c.cmd = cmd
	go func() {
		_ = cmd.Wait() // ProcessState tells
		killGroup(cmd.Process.Pid)
		c.hangUp()
		c.cell.close()
		close(c.exited)
		select { // a process that left the group may hold the pipes
		case <-c.drained:
		case <-time.After(c.grace):
			closeFiles([]*os.File{ours[1], ours[2]})
		}
	}()
	return nil
}

// begin starts the command, contained or not.
func (c *child) begin(files [3]*os.File) (*exec.Cmd, error) {
	prepare := func(cmd *exec.Cmd) {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = files[0], files[1], files[2]
		cmd.SysProcAttr = processAttributes()
	}
	if c.cell != nil {
		return c.cell.start(prepare, c.starter.start, c.verify)
	}
	cmd := exec.Command(absolute(c.path), c.args...) // it starts in another folder
	cmd.Env, cmd.Dir = c.env, c.dir
	prepare(cmd)
	return cmd, c.starter.start(cmd)
}

// pipes makes the three standard files: the child's ends and ours.
func pipes() (theirs, ours [3]*os.File, err error) {
	for i := range theirs {
		r, w, err := os.Pipe()
		if err != nil {
			closeFiles(theirs[:])
			closeFiles(ours[:])
			return theirs, ours, err
		}
		theirs[i], ours[i] = w, r
		if i == 0 {
			theirs[i], ours[i] = r, w
		}
	}
	return theirs, ours, nil
}

func closeFiles(list []*os.File) {
	for _, f := range list {
		if f != nil {
			_ = f.Close()
		}
	}
}

// hangUp closes the process's standard input, at which it should end.
func (c *child) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stdin != nil {
		_ = c.stdin.Close()
		c.stdin = nil
	}
}

// verify holds the binary to its digest before it is run.
func (c *child) verify() error {
	if c.digest == "" {
		return nil
	}
	got, err := hashFile(c.path)
	if err != nil {
		return err
	}
	if !strings.EqualFold(got, c.digest) {
		return fmt.Errorf("the binary is not the one that was described: its SHA-256 is %s, expected %s", got, c.digest)
	}
	return nil
}

// hashFile is the SHA-256 of a file in hex.
func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Wait is called by go-plugin once it has read all output.
func (c *child) Wait(context.Context) error {
	<-c.exited
	c.drainOnce.Do(func() { close(c.drained) })
	_ = c.stdout.Close()
	_ = c.stderr.Close()
	return nil
}

func (c *child) Kill(context.Context) error {
	c.kill()
	return nil
}

// kill ends the process and its children at once, or keeps it from starting.
func (c *child) kill() {
	c.mu.Lock()
	c.killed = true
	cmd := c.cmd
	c.mu.Unlock()
	if cmd == nil {
		return
	}
	select {
	case <-c.exited:
		return
	default:
	}
	killGroup(cmd.Process.Pid)
	_ = cmd.Process.Kill() // where there are no groups
	<-c.exited
}

// state says in words how the process ended.
func (c *child) state() string {
	<-c.exited
	return "ended with " + c.cmd.ProcessState.String()
}

// Stdout gives the handshake line; what a process writes after it to its
// own standard output, past the SDK, is read and let go.
func (c *child) Stdout() io.ReadCloser { return &firstLine{file: c.stdout, rest: c.printed} }

func (c *child) Stderr() io.ReadCloser { return c.stderr }
func (c *child) Name() string          { return c.path }

// ID is the process's number; "" before it has started.
func (c *child) ID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd == nil {
		return ""
	}
	return fmt.Sprint(c.cmd.Process.Pid)
}

func (c *child) Diagnose(context.Context) string {
	return "The file must be an autosafe plugin, built for this system and executable."
}

// PluginToHost looks at where the plugin says that it listens: a contained one
// must not send this process elsewhere.
func (c *child) PluginToHost(network, address string) (string, string, error) {
	if c.cell != nil && (network != "unix" || filepath.Dir(filepath.Clean(address)) != filepath.Clean(c.cell.policy.Base)) {
		return "", "", fmt.Errorf("the plugin listens at %s %s, and not at a socket in its folder, PLUGIN_UNIX_SOCKET_DIR", network, cleanLine(address, maxReason))
	}
	return network, address, nil
}

func (c *child) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// firstLine reads a file's first line and swallows the rest, however long
// its lines are.
type firstLine struct {
	file *os.File
	rest io.Writer // gets the rest; may be nil
	past bool
}

func (f *firstLine) Read(b []byte) (int, error) {
	for {
		n, err := f.file.Read(b)
		if !f.past {
			if i := bytes.IndexByte(b[:n], '\n'); i >= 0 {
				f.past = true
				f.swallow(b[i+1 : n])
				return i + 1, err
			}
			return n, err
		}
		f.swallow(b[:n])
		if err != nil {
			return 0, err
		}
	}
}

func (f *firstLine) swallow(b []byte) {
	if f.rest != nil && len(b) > 0 {
		_, _ = f.rest.Write(b) // for tests of plugins alone
	}
}

func (f *firstLine) Close() error { return f.file.Close() }
