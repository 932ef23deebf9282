package tools

import (
	"os"
	"strings"
)

const (
	createFlag = os.O_CREATE
	truncFlag  = os.O_TRUNC
	appendFlag = os.O_APPEND
)

// flags are the options of a call, by the first of their names, and what is left.
type flags struct {
	values map[string][]string
	order  []string // names as they came
	args   []string
}

func (f flags) has(name string) bool { return len(f.values[name]) > 0 }

// get is the last value of an option.
func (f flags) get(name string) string {
	if v := f.values[name]; len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

// last is which of some options came last.
func (f flags) last(names ...string) string {
	last := ""
	for _, n := range f.order {
		for _, name := range names {
			if n == name {
				last = n
			}
		}
	}
	return last
}

// parse reads options. Spec names them, separated by spaces: each as its names,
// separated by commas, "=" at the end if it takes a value, "?" if it may after
// "=". A "+" in front of all says that options end at the first argument.
func (c *Call) parse(spec string) (flags, bool) {
	spec, first := strings.CutPrefix(spec, "+")
	kinds, canon := map[string]byte{}, map[string]string{}
	for _, entry := range strings.Fields(spec) {
		kind := byte(' ')
		if end := entry[len(entry)-1]; end == '=' || end == '?' {
			kind, entry = end, entry[:len(entry)-1]
		}
		names := strings.Split(entry, ",")
		for _, name := range names {
			kinds[name], canon[name] = kind, names[0]
		}
	}
	f := flags{values: map[string][]string{}}
	add := func(name, value string) {
		f.values[canon[name]] = append(f.values[canon[name]], value)
		f.order = append(f.order, canon[name])
	}
	for rest := c.Args; len(rest) > 0; {
		arg := rest[0]
		rest = rest[1:]
		switch {
		case arg == "--":
			f.args = append(f.args, rest...)
			return f, true
		case strings.HasPrefix(arg, "--"):
			name, value, with := strings.Cut(arg[2:], "=")
			name = complete(name, kinds)
			kind, ok := kinds[name]
			if !ok {
				c.errf("unrecognized option '%s'", arg)
				return f, false
			}
			if kind == '=' && !with {
				if len(rest) == 0 {
					c.errf("option '--%s' requires an argument", name)
					return f, false
				}
				value, rest = rest[0], rest[1:]
			}
			add(name, value)
		case len(arg) > 1 && arg[0] == '-':
			var ok bool
			if rest, ok = c.cluster(arg[1:], rest, kinds, add); !ok {
				return f, false
			}
		default:
			f.args = append(f.args, arg)
			if first {
				f.args = append(f.args, rest...)
				return f, true
			}
		}
	}
	return f, true
}

// cluster reads short options that stand together.
func (c *Call) cluster(letters string, rest []string, kinds map[string]byte, add func(name, value string)) ([]string, bool) {
	for i := range len(letters) {
		name := letters[i : i+1]
		kind, ok := kinds[name]
		if !ok {
			c.errf("invalid option -- '%s'", name)
			return rest, false
		}
		if kind == '?' {
			add(name, letters[i+1:])
			return rest, true
		}
		if kind != '=' {
			add(name, "")
			continue
		}
		if value := letters[i+1:]; value != "" {
			add(name, value)
		} else if len(rest) > 0 {
			add(name, rest[0])
			rest = rest[1:]
		} else {
			c.errf("option requires an argument -- '%s'", name)
			return rest, false
		}
		return rest, true
	}
	return rest, true
}

// complete is the long option that a beginning stands for, if that is plain.
func complete(name string, kinds map[string]byte) string {
	if _, ok := kinds[name]; ok || len(name) < 2 {
		return name
	}
	found := name
	for k := range kinds {
		if len(k) > 1 && strings.HasPrefix(k, name) {
			if found != name {
				return name
			}
			found = k
		}
	}
	return found
}
