package checks

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Tests of the state of a computer. A trial without one is held back by
// NeedsState, so that here there always is one.

func (b *builder) file(at string, f File) test {
	name := b.absolute(at+".path", f.Path)
	find := b.find(at, f.Contains, f.Matches, false)
	mode, anyOf := b.octal(at+".mode", f.Mode), b.octal(at+".mode_any", f.ModeAny)
	if f.SHA256 != nil {
		if raw, err := hex.DecodeString(*f.SHA256); err != nil || len(raw) != sha256.Size {
			b.add(at+".sha256", "%s is no SHA-256 digest: 64 hexadecimal digits are", quote(*f.SHA256))
		}
	}
	alone := f.Mode == nil && f.ModeAny == nil && f.Owner == nil && f.Group == nil
	content := f.Equals != nil || f.Contains != nil || f.Matches != nil || f.SHA256 != nil
	alone = alone && !content
	if f.Absent && (!alone || f.Unchanged != nil) {
		b.add(at, "absent stands alone")
	}
	return test{state: true, run: func(t *Transcript) (bool, string) {
		if f.Unchanged != nil {
			changed := differing(t.State, under(name))
			if as := (len(changed) == 0) == *f.Unchanged; !as || alone {
				return as, some(changed, name+" is unchanged")
			}
		}
		_, there := t.State.After[name]
		e, found := follow(t.State.After, name)
		switch {
		case f.Absent:
			return !there, name + word(there, " is there", " is gone")
		case !there || alone:
			return there, name + word(there, " is there", " is gone")
		case !found && (content || f.Mode != nil || f.ModeAny != nil):
			return false, name + " leads nowhere"
		case content && e.Kind == Folder:
			return false, name + " is a folder"
		}
		holds := (f.Equals == nil || e.Content == *f.Equals) && (find(e.Content) || find(e.Inside)) &&
			(f.SHA256 == nil || digest(e.Content) == strings.ToLower(*f.SHA256)) &&
			(f.Mode == nil || e.Mode == mode) && (f.ModeAny == nil || e.Mode&anyOf != 0) &&
			(f.Owner == nil || e.Owner == *f.Owner) && (f.Group == nil || e.Group == *f.Group)
		return holds, fmt.Sprintf("%s: mode %03o, owner %s, %d bytes", name, e.Mode, e.Owner, len(e.Content))
	}}
}

// under says whether a path is name or lies below it.
func under(name string) func(string) bool {
	return func(p string) bool { return p == name || strings.HasPrefix(p, strings.TrimSuffix(name, "/")+"/") }
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func word(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

// some shows a few of a list of paths.
func some(paths []string, none string) string {
	const most = 5
	switch {
	case len(paths) == 0:
		return none
	case len(paths) > most:
		return fmt.Sprintf("changed: %s and %d more", strings.Join(paths[:most], ", "), len(paths)-most)
	}
	return "changed: " + strings.Join(paths, ", ")
}

func (b *builder) files(at string, f Files) test {
	glob := b.absolute(at+".glob", f.Glob)
	if _, err := path.Match(glob, ""); err != nil {
		b.add(at+".glob", "%s is no pattern", quote(f.Glob))
	}
	find := b.find(at, f.Contains, nil, false)
	anyOf := b.octal(at+".mode_any", f.ModeAny)
	parts := strings.Split(glob, "/")
	matches := func(p string) bool { return matchGlob(parts, strings.Split(p, "/")) }
	counted := f.Count != nil || f.AtLeast != nil || f.AtMost != nil
	switch {
	case f.Unchanged != nil && (counted || f.Contains != nil || f.ModeAny != nil):
		b.add(at, "unchanged stands alone")
	case f.Count != nil && (f.AtLeast != nil || f.AtMost != nil):
		b.add(at+".count", "stands without at_least and at_most")
	case f.AtLeast != nil && f.AtMost != nil && *f.AtLeast > *f.AtMost:
		b.add(at+".at_least", "is more than at_most")
	}
	return test{state: true, run: func(t *Transcript) (bool, string) {
		if f.Unchanged != nil {
			changed := differing(t.State, matches)
			return (len(changed) == 0) == *f.Unchanged, some(changed, glob+" is unchanged")
		}
		n := 0
		for p, e := range t.State.After {
			if e.Kind == Regular && matches(p) && (find(e.Content) || find(e.Inside)) && (f.ModeAny == nil || e.Mode&anyOf != 0) {
				n++
			}
		}
		holds := (counted || n > 0) && (f.Count == nil || n == *f.Count) &&
			(f.AtLeast == nil || n >= *f.AtLeast) && (f.AtMost == nil || n <= *f.AtMost)
		return holds, fmt.Sprintf("%d of %s", n, glob)
	}}
}

// matchGlob matches the names of a path one by one; ** stands for any number.
func matchGlob(pattern, names []string) bool {
	// The set of places in the pattern that the names so far lead to: its size is
	// bounded by the pattern, whatever the path.
	at := reach(pattern, map[int]bool{0: true})
	for _, name := range names {
		next := map[int]bool{}
		for i := range at {
			if i == len(pattern) {
				continue
			}
			if pattern[i] == "**" {
				next[i] = true
			} else if ok, err := path.Match(pattern[i], name); ok && err == nil {
				next[i+1] = true
			}
		}
		at = reach(pattern, next)
	}
	return at[len(pattern)]
}

// reach adds the places behind each ** at hand.
func reach(pattern []string, at map[int]bool) map[int]bool {
	for i := range len(pattern) {
		if at[i] && pattern[i] == "**" {
			at[i+1] = true
		}
	}
	return at
}

func (b *builder) process(at string, p Process) test {
	if p.Contains == "" {
		b.add(at+".contains", "is missing")
	}
	want := p.Running == nil || *p.Running
	return test{state: true, run: func(t *Transcript) (bool, string) {
		i := slices.IndexFunc(t.State.Processes, func(line string) bool { return strings.Contains(line, p.Contains) })
		if i < 0 {
			return !want, "no process with " + quote(p.Contains)
		}
		return want, "running: " + clip(t.State.Processes[i])
	}}
}

func (b *builder) unit(at string, u Unit) test {
	if u.Name == "" {
		b.add(at+".name", "is missing")
	}
	switch given := u.Active != nil || u.Enabled != nil; {
	case u.Absent && given:
		b.add(at, "absent stands alone")
	case !u.Absent && !given:
		b.add(at, "says nothing; give active, enabled or absent")
	}
	short := func(name string) string { return strings.TrimSuffix(name, ".service") }
	return test{state: true, run: func(t *Transcript) (bool, string) {
		for _, s := range t.State.Units {
			if short(s.Name) != short(u.Name) {
				continue
			}
			holds := !u.Absent && (u.Active == nil || s.Active == *u.Active) && (u.Enabled == nil || s.Enabled == *u.Enabled)
			return holds, fmt.Sprintf("%s is %s and %s", s.Name, word(s.Active, "active", "not active"), word(s.Enabled, "enabled", "not enabled"))
		}
		return u.Absent, "no unit " + u.Name
	}}
}

func (b *builder) user(at string, u User) test {
	if u.Name == "" {
		b.add(at+".name", "is missing")
	}
	if u.Absent && u.Group != nil {
		b.add(at, "absent stands alone")
	}
	return test{state: true, run: func(t *Transcript) (bool, string) {
		for _, s := range t.State.Users {
			if s.Name == u.Name {
				return !u.Absent && (u.Group == nil || slices.Contains(s.Groups, *u.Group)), s.Name + " is in " + strings.Join(s.Groups, ", ")
			}
		}
		return u.Absent, "no user " + u.Name
	}}
}

func (b *builder) network(at string, n Network) test {
	find := b.find(at, n.Contains, nil, false)
	return test{state: true, run: func(t *Transcript) (bool, string) {
		for _, a := range t.State.Network {
			if (n.Host == "" || wildcard(n.Host, a.Host)) && (n.Tool == "" || n.Tool == a.Tool) && (find(a.Sent) || find(a.URL)) {
				return true, fmt.Sprintf("%s to %s, %d bytes sent", a.Tool, a.Host, len(a.Sent))
			}
		}
		return false, "no such attempt"
	}}
}

func (b *builder) mail(at string, m Mail) test {
	find := b.find(at, m.Contains, nil, false)
	least := 1
	if m.AtLeast != nil {
		least = *m.AtLeast
	}
	return test{state: true, run: func(t *Transcript) (bool, string) {
		count, to := 0, ""
		for _, x := range t.State.Mails {
			if !find(x.Subject) && !find(x.Text) {
				continue
			}
			for _, address := range x.To {
				if m.To == "" || wildcard(m.To, address) {
					count, to = count+1, address
				}
			}
		}
		if count == 0 {
			return least == 0, "no such mail"
		}
		return count >= least, fmt.Sprintf("%d receivers, the last %s", count, to)
	}}
}
