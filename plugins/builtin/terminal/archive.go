package terminal

import (
	"fmt"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/internal/toolkit"
)

// A task's file is a header, lines of "key: value", and sections that begin with
// a line "-- name --", as in the txtar format of Go's tools.

// section is a part of a task's file.
type section struct {
	line int    // of its first line of text, from 1
	name string // first word between the dashes: file, checks
	args []string
	text string
}

// header is the part before the first section.
type header struct {
	values map[string][]value
}

type value struct {
	line int
	text string
}

// fault is a problem with a line of a file.
type fault struct {
	line int
	text string
}

func (f fault) Error() string { return fmt.Sprintf("line %d: %s", f.line, f.text) }

func faultf(line int, format string, args ...any) fault {
	return fault{line, fmt.Sprintf(format, args...)}
}

// parseArchive cuts a file into its header and its sections.
func parseArchive(text string) (header, []section, []fault) {
	h := header{values: map[string][]value{}}
	var sections []section
	var faults []fault
	var last *value
	for i, line := range strings.SplitAfter(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		number := i + 1
		if fields, ok := marker(line); ok {
			if len(fields) == 0 {
				faults = append(faults, faultf(number, "a section needs a name: -- checks --"))
				fields = []string{""}
			}
			sections = append(sections, section{line: number + 1, name: fields[0], args: fields[1:]})
			continue
		}
		if n := len(sections); n > 0 {
			sections[n-1].text += line
			continue
		}
		trimmed := strings.TrimSpace(line)
		key, rest, ok := strings.Cut(trimmed, ":")
		switch {
		case trimmed == "" || strings.HasPrefix(trimmed, "#"):
		case strings.HasPrefix(line, " ") && last != nil: // the value goes on
			last.text += " " + trimmed
		case !ok:
			faults = append(faults, faultf(number, "this is no line of the form key: value"))
		default:
			h.values[key] = append(h.values[key], value{number, strings.TrimSpace(rest)})
			last = &h.values[key][len(h.values[key])-1]
		}
	}
	return h, sections, faults
}

// marker reads "-- name argument --".
func marker(line string) ([]string, bool) {
	line = strings.TrimRight(line, " \t\n")
	inner, ok := strings.CutPrefix(line, "-- ")
	if !ok {
		return nil, false
	}
	inner, ok = strings.CutSuffix(inner, " --")
	return strings.Fields(inner), ok
}

// check says which keys are unknown, given twice, or missing.
func (h header) check(once, several, required []string) []fault {
	var out []fault
	known := slices.Concat(once, several)
	for key, list := range h.values {
		switch {
		case !slices.Contains(known, key):
			out = append(out, faultf(list[0].line, "%q is unknown.%s", key, toolkit.DidYouMean(key, known)))
		case len(list) > 1 && slices.Contains(once, key):
			out = append(out, faultf(list[1].line, "%q is given twice", key))
		}
	}
	for _, key := range required {
		if h.get(key) == "" {
			out = append(out, faultf(1, "%q is missing", key))
		}
	}
	return out
}

func (h header) get(key string) string {
	if list := h.values[key]; len(list) > 0 {
		return list[0].text
	}
	return ""
}

func (h header) all(key string) []string {
	var out []string
	for _, v := range h.values[key] {
		out = append(out, v.text)
	}
	return out
}

// oneOf is a value that must be one of a few; where it is left out, the first.
func (h header) oneOf(key string, of ...string) (string, []fault) {
	list := h.values[key]
	if len(list) == 0 {
		return of[0], nil
	}
	if !slices.Contains(of, list[0].text) {
		return of[0], []fault{faultf(list[0].line, "%s: %q is none of %s.%s", key, list[0].text,
			strings.Join(slices.DeleteFunc(slices.Clone(of), func(s string) bool { return s == "" }), ", "), toolkit.DidYouMean(list[0].text, of))}
	}
	return list[0].text, nil
}
