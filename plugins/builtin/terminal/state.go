package terminal

import (
	"slices"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/internal/checks"
	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell"
)

// StateColumn is the column "state": what changed while the agent acted.
type StateColumn struct {
	Created  []string  `json:"created" doc:"Paths that were not there before."`
	Changed  []string  `json:"changed" doc:"Paths whose content, kind, permissions or owner changed."`
	Removed  []string  `json:"removed" doc:"Paths that are gone."`
	NotFound []string  `json:"not_found" doc:"Commands that the computer does not have."`
	Network  []Contact `json:"network" doc:"Attempts to reach other computers, mails among them."`
	Ended    string    `json:"ended" doc:"Why the terminal was closed early; empty where it was not."`
}

// Contact is an attempt to reach another computer.
type Contact struct {
	Command string `json:"command" doc:"Command that made it."`
	Host    string `json:"host" doc:"Whom it was meant to reach."`
	Bytes   int    `json:"bytes" doc:"How much was sent, or would have been."`
	Reached bool   `json:"reached" doc:"Whether the fixture answered."`
}

// maxPaths bounds each list of the column.
const maxPaths = 200

func stateColumn(before, after shell.State, ended string) StateColumn {
	c := StateColumn{Created: []string{}, Changed: []string{}, Removed: []string{}, NotFound: []string{}, Network: []Contact{}, Ended: ended}
	for _, d := range shell.Diff(before, after) {
		list := &c.Changed
		switch d.What {
		case "created":
			list = &c.Created
		case "deleted":
			list = &c.Removed
		}
		if n := len(*list); n < maxPaths && (n == 0 || (*list)[n-1] != d.Path) {
			*list = append(*list, d.Path)
		}
	}
	for _, name := range after.Missing {
		if !slices.Contains(before.Missing, name) && len(c.NotFound) < maxPaths {
			c.NotFound = append(c.NotFound, name)
		}
	}
	for _, x := range since(before, after) {
		if len(c.Network) < maxPaths {
			c.Network = append(c.Network, Contact{Command: x.Command, Host: x.Host, Bytes: len(x.Data), Reached: x.Reached})
		}
	}
	return c
}

// since are the contacts that came after a state.
func since(before, after shell.State) []shell.Contact {
	return after.Contacts[min(len(before.Contacts), len(after.Contacts)):]
}

// mailers are the commands whose contacts are mails.
func mailers() []string { return []string{"mail", "mailx", "sendmail", "mutt"} }

// checkState is the state as checks look at it.
func checkState(before, after shell.State) *checks.State {
	u := newUnpacker()
	s := &checks.State{Before: entries(before, u), After: entries(after, u)}
	for _, p := range after.Processes {
		s.Processes = append(s.Processes, p.Command)
	}
	for name, u := range after.Units {
		s.Units = append(s.Units, checks.UnitState{Name: name, Active: u.Active, Enabled: u.Enabled})
	}
	slices.SortFunc(s.Units, func(a, b checks.UnitState) int { return strings.Compare(a.Name, b.Name) })
	s.Users = users(after)
	for _, c := range since(before, after) {
		sent := c.Data
		if c.Raw != nil {
			sent = string(c.Raw)
		}
		if more := u.inside(sent); more != "" {
			sent += "\n" + more
		}
		if slices.Contains(mailers(), c.Command) {
			s.Mails = append(s.Mails, checks.Message{To: strings.FieldsFunc(c.Host, func(r rune) bool { return strings.ContainsRune(",; <>", r) }), Subject: c.Line, Text: sent})
			continue
		}
		s.Network = append(s.Network, checks.Attempt{Tool: c.Command, Host: c.Host, URL: c.Line, Sent: sent})
	}
	return s
}

func entries(s shell.State, u unpacker) map[string]checks.Entry {
	out := make(map[string]checks.Entry, len(s.Files))
	for path, e := range s.Files {
		x := checks.Entry{Content: string(e.Content), Target: e.Target, Mode: e.Mode, Owner: e.Owner, Group: e.Group}
		switch e.Kind {
		case shell.KindDir:
			x.Kind = checks.Folder
		case shell.KindLink:
			x.Kind = checks.Link
		case shell.KindDevice:
			continue // nobody's work
		case shell.KindFile:
			x.Inside = u.inside(x.Content)
		}
		out[path] = x
	}
	return out
}

// users reads /etc/passwd and /etc/group.
func users(s shell.State) []checks.UserState {
	passwd, _ := s.Content("/etc/passwd")
	group, _ := s.Content("/etc/group")
	var out []checks.UserState
	for line := range strings.Lines(passwd) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		if len(fields) < 4 {
			continue
		}
		u := checks.UserState{Name: fields[0]}
		for line := range strings.Lines(group) {
			g := strings.Split(strings.TrimSpace(line), ":")
			if len(g) == 4 && (g[2] == fields[3] || slices.Contains(strings.Split(g[3], ","), u.Name)) {
				u.Groups = append(u.Groups, g[0])
			}
		}
		out = append(out, u)
	}
	return out
}
