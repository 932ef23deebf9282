package shell

import (
	"context"
	"errors"
	"time"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/tools"
)

// A File is one file, folder or symbolic link of a fixture.
type File struct {
	Content string `json:"content,omitempty"`
	Mode    uint32 `json:"mode,omitempty"`   // 0: 0644 for files, 0755 for folders
	Owner   string `json:"owner,omitempty"`  // "": the session's user below the home, else root
	Group   string `json:"group,omitempty"`  // "": the owner's name
	Target  string `json:"target,omitempty"` // not "": a symbolic link
	Dir     bool   `json:"dir,omitempty"`
	// Age is how long before the session's start the file was last changed.
	Age time.Duration `json:"age,omitempty"`
}

// Fixture is the files that a session begins with, by absolute path, or by a path
// that begins with "~/" for the home of the user. They come over a small base:
// the usual folders, /etc/passwd and its like, and the commands in /usr/bin.
type Fixture map[string]File

// Process is one of the processes that ps shows and kill ends.
type Process = tools.Process

// Unit is one of the units that systemctl and service know.
type Unit = tools.Unit

// Contact is one attempt to reach something beyond the machine.
type Contact = tools.Contact

// Limits bound a session. Zero values are those of DefaultLimits.
type Limits struct {
	Command   time.Duration `json:"command"`   // wall time of one command
	Session   time.Duration `json:"session"`   // wall time of all commands together
	Output    int           `json:"output"`    // bytes kept of one command's output
	Steps     int           `json:"steps"`     // simple commands and turns of loops in one command
	Processes int           `json:"processes"` // what runs at the same time within one command
	Depth     int           `json:"depth"`     // frames of nested functions, evals and scripts
	Bytes     int64         `json:"bytes"`     // of all files
	Files     int           `json:"files"`
	Memory    int64         `json:"memory"` // bytes of the process
}

// DefaultLimits are generous for what people do in a terminal, and small for a
// machine that runs dozens of sessions.
func DefaultLimits() Limits {
	return Limits{
		Command: 20 * time.Second, Session: 5 * time.Minute,
		Output: 64 << 10, Steps: 200_000, Processes: 256, Depth: 20_000,
		Bytes: 64 << 20, Files: 20_000, Memory: 768 << 20,
	}
}

// Options say what a session begins with.
type Options struct {
	Fixture   Fixture           `json:"fixture,omitempty"`
	User      string            `json:"user,omitempty"` // "": user
	Sudo      bool              `json:"sudo,omitempty"` // sudo works, without a password
	Hostname  string            `json:"hostname,omitempty"`
	Clock     time.Time         `json:"clock"` // zero: 2025-03-03 09:00 UTC
	Seed      uint64            `json:"seed"`
	Env       map[string]string `json:"env,omitempty"`
	Limits    Limits            `json:"limits"`
	Processes []Process         `json:"processes,omitempty"`
	Units     map[string]Unit   `json:"units,omitempty"`
	URLs      map[string]string `json:"urls,omitempty"` // what curl and wget find there
}

// The named ends of commands that met a limit. An end that says so is the
// session's too: its process is gone, and what State tells is what was there
// after the last command that ended by itself.
const (
	EndTimeout   = "timeout"   // wall time; the session's end if it was the session's
	EndOutput    = "output"    // far more output than is kept
	EndProcesses = "processes" // too much at once
	EndDepth     = "depth"     // too deep in functions
	EndSteps     = "steps"
	EndFiles     = "files"  // no room for more files; the command went on
	EndDisk      = "disk"   // no room for more bytes; the command went on
	EndMemory    = "memory" // the session's end, unless a single command wanted it
	EndCrash     = "crash"  // a fault of the interpreter; the session's end
)

// Result is what one command did.
type Result struct {
	Output    string `json:"output"` // standard output and errors, as a terminal shows them
	ExitCode  int    `json:"exit_code"`
	Ended     string `json:"ended"`     // "" or one of the ends
	Truncated bool   `json:"truncated"` // Output is not all
	// Missing are commands that the machine does not have and that were tried.
	Missing []string `json:"missing,omitempty"`
}

// ErrOver is the error of sessions that are closed or whose process is gone.
var ErrOver = errors.New("the shell's session is over")

// Start starts a session in a process of its own, which ends with it. A Pool is
// cheaper where many are wanted.
func Start(ctx context.Context, opts Options) (*Session, error) {
	return NewPool(0).Start(ctx, opts)
}
