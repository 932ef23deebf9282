// Package contain starts programs that are not trusted: with a root folder of
// their own, no network but what was granted, no privileges, and limits. The
// program is started through a launcher, which is this binary once more: it
// shuts itself in, says how far it came, and becomes the program.
//
// Several layers hold the same wall, since no kernel has all of them:
// namespaces (files, processes, network, shared memory), Landlock (files,
// signals, abstract sockets, ports), seccomp (system calls), limits. Only
// Linux has them. It knows nothing of plugins.
package contain

import "path/filepath"

// Policy is what a contained program is and may do.
type Policy struct {
	Path string   // the program
	Args []string // its arguments
	Env  []string // its whole environment

	// Base is an empty folder of the program's own, which exists and which the
	// caller removes. Its subfolder Work is the program's working folder.
	Base string
	// Read are files and folders that the program may read, and Write folders
	// that it may change. All paths are absolute.
	Read, Write []string
	// Net are the places that it may connect to.
	Net []Target

	// Memory bounds its data in bytes; 0 does not.
	Memory int64

	proxyPort string // on the loopback, through which named places are reached; empty: there is none
}

// Work is the program's working folder.
func (p *Policy) Work() string { return filepath.Join(p.Base, workFolder) }

// order is what the launcher is told.
type order struct {
	Policy
	UID, GID  int // of the user outside, whom the launcher does not know
	ProxyPort string
}

// Target is a place in the network.
type Target struct{ Host, Port string }

// Folders in Policy.Base.
const (
	workFolder = "work" // the program's working folder, TMPDIR and HOME
	rootFolder = "root" // where the launcher builds what the program sees
)

// report is what the launcher says of itself.
type report struct {
	Error   string   // why it gave up; empty: the program runs
	Refused bool     // Error is about namespaces: without them it may work
	Missing []string // what the kernel has not, in words
}

// Level says how much of the containment there is.
type Level struct {
	None       bool     // nothing holds the program
	Namespaces bool     // it sees no file, process or network but its own
	Missing    []string // what is not enforced, in words; empty: all is
}

// Full says that everything is enforced.
func (l Level) Full() bool { return !l.None && len(l.Missing) == 0 }
