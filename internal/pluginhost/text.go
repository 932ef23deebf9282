package pluginhost

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Bounds of texts that come from plugins.
const (
	maxLine   = 2 << 10  // of a log line
	maxDetail = 16 << 10 // of an error's detail
	maxReason = 200      // of a summary or a reason
	tailLines = 12       // last words kept of a process
	logBudget = 4 << 20  // bytes logged of one process
)

// cleanText makes foreign text harmless: no control characters but newlines,
// no invalid UTF-8, not too long.
func cleanText(s string, limit int) string {
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t':
			return ' '
		case r == utf8.RuneError, unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return '\uFFFD'
		}
		return r
	}, s)
}

// cleanLine is cleanText for a single line.
func cleanLine(s string, limit int) string {
	return strings.TrimSpace(strings.ReplaceAll(cleanText(s, limit), "\n", " "))
}

// lineLog writes whole lines of many processes to one writer.
type lineLog struct {
	mu  sync.Mutex
	out io.Writer
}

func (l *lineLog) line(text string) {
	if l.out == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = io.WriteString(l.out, text+"\n") // a log that cannot be written is no reason to stop
}

// output takes in what a process writes to standard error, a line at a time:
// the last lines are kept to say how it died, and all go to the log until
// the process has written too much.
type output struct {
	log     *lineLog
	name    string
	secrets *strings.Replacer // nil: there are none

	mu      sync.Mutex
	partial []byte
	tail    []string
	written int
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(b)
	for len(b) > 0 {
		line, rest, found := bytes.Cut(b, []byte("\n"))
		if room := maxLine - len(o.partial); room > 0 {
			o.partial = append(o.partial, line[:min(room, len(line))]...)
		}
		b = rest
		if found {
			o.line()
		}
	}
	return n, nil
}

// line takes the line that is complete.
func (o *output) line() {
	text := logText(o.partial)
	if o.secrets != nil {
		text = o.secrets.Replace(text)
	}
	o.partial = o.partial[:0]
	if text == "" {
		return
	}
	o.tail = append(o.tail, text)
	if len(o.tail) > tailLines {
		o.tail = slices.Delete(o.tail, 0, 1)
	}
	before := o.written
	o.written += len(text)
	switch {
	case o.written <= logBudget:
		o.log.line(o.name + ": " + text)
	case before <= logBudget:
		o.log.line(o.name + ": it writes too much; the rest is not shown")
	}
}

// last gives the last lines.
func (o *output) last() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.partial) > 0 {
		o.line()
	}
	return strings.Join(o.tail, "\n")
}

// logText reads a line of JSON log, or takes any other line as it is.
func logText(line []byte) string {
	var entry map[string]any
	if len(line) == 0 || line[0] != '{' || json.Unmarshal(line, &entry) != nil {
		return cleanLine(string(line), maxLine)
	}
	message, ok := entry["@message"].(string)
	if !ok {
		return cleanLine(string(line), maxLine)
	}
	level, _ := entry["@level"].(string)
	var b strings.Builder
	fmt.Fprintf(&b, "[%s] %s", level, message)
	keys := make([]string, 0, len(entry))
	for k := range entry {
		if !strings.HasPrefix(k, "@") {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		fmt.Fprintf(&b, " %s=%v", k, entry[k])
	}
	return cleanLine(b.String(), maxLine)
}

// wire makes text fit for the protocol, which takes UTF-8 alone.
func wire(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
