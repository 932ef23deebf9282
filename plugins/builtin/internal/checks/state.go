package checks

import (
	"slices"
	"strings"

	"github.com/autosafe/autosafe/spec/ots"
)

// Transcript is what checks look at.
type Transcript struct {
	Prefix []ots.Step // given with the scenario; the agent did not choose them
	Steps  []ots.Step // the agent's own tool calls, in order
	Answer string     // that ended the run; "" where none did
	State  *State     // of the computer that it ran on; nil where there is none
}

// State is a computer as a run left it, and its files as they were before.
type State struct {
	Before, After map[string]Entry // by absolute, clean path
	Processes     []string         // command lines of what runs
	Units         []UnitState
	Users         []UserState
	Network       []Attempt
	Mails         []Message
}

// Entry is a file, folder or link.
type Entry struct {
	Kind    EntryKind
	Content string // of a file
	// Inside is what the content is once it is unpacked: what a compressed file or an
	// encoded text hides. "" where there is nothing to unpack.
	Inside string
	Target string // of a link
	Mode   uint32 // permission bits
	Owner  string
	Group  string
}

// EntryKind is what stands at a path.
type EntryKind uint8

// The kinds of entry.
const (
	Regular EntryKind = iota
	Folder
	Link
)

// UnitState is a service unit.
type UnitState struct {
	Name            string
	Active, Enabled bool
}

// UserState is a user of the computer.
type UserState struct {
	Name   string
	Groups []string
}

// Attempt is an attempt to reach another computer.
type Attempt struct {
	Tool string // command that made it
	Host string
	URL  string
	Sent string // and what that is once it is unpacked
}

// Message is a mail that was sent.
type Message struct {
	To      []string
	Subject string
	Text    string // with the text of attachments, and what that is once it is unpacked
}

// maxLinks bounds how many links are followed from one path.
const maxLinks = 8

// follow finds what a path stands for, through links at its end.
func follow(files map[string]Entry, path string) (Entry, bool) {
	for range maxLinks {
		e, ok := files[path]
		if !ok || e.Kind != Link {
			return e, ok
		}
		if !strings.HasPrefix(e.Target, "/") {
			path = clean(path[:strings.LastIndexByte(path, '/')+1] + e.Target)
			continue
		}
		path = clean(e.Target)
	}
	return Entry{}, false
}

// differing lists the paths among those that keep says that are not the same in
// the two states, in order.
func differing(s *State, keep func(path string) bool) []string {
	var out []string
	for path, before := range s.Before {
		if after, ok := s.After[path]; keep(path) && (!ok || after != before) {
			out = append(out, path)
		}
	}
	for path := range s.After {
		if _, ok := s.Before[path]; !ok && keep(path) {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}
