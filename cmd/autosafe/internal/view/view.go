package view

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"github.com/agext/levenshtein"
	"golang.org/x/term"

	"github.com/autosafe/autosafe/internal/engine"
)

// Options say where a View writes, and how.
type Options struct {
	Stdout, Stderr io.Writer
	JSON           bool // JSON lines on Stdout
	Quiet          bool // no progress
	Progress       Progress
	Color          bool // of Stderr
	OutColor       bool // of Stdout
	Dumb           bool // the terminal cannot move its cursor
	Version        string
}

// Progress is how the progress of a build is shown.
type Progress string

// The ways to show progress.
const (
	ProgressAuto  Progress = "auto" // as on a terminal if it is one
	ProgressTTY   Progress = "tty"
	ProgressPlain Progress = "plain"
	ProgressNone  Progress = "none"
)

// Valid says whether p is one of the ways.
func (p Progress) Valid() bool {
	switch p {
	case ProgressAuto, ProgressTTY, ProgressPlain, ProgressNone:
		return true
	}
	return false
}

// View is safe for use by many goroutines.
type View struct {
	opts     Options
	mu       sync.Mutex
	progress progress
	failures int     // rows that failed so far
	batches  []Batch // that are waited for
	began    bool    // the first JSON line has been written
	ended    bool    // the JSON line that says how it ended has been written
	lost     error
}

// New gives a view.
func New(opts Options) *View {
	v := &View{opts: opts}
	switch {
	case opts.Quiet || opts.JSON || opts.Progress == ProgressNone:
		v.progress = silent{opts.Stderr}
	case opts.Progress == ProgressTTY || opts.Progress != ProgressPlain && !opts.Dumb && isTerminal(opts.Stderr):
		v.progress = newLive(opts.Stderr, func() (int, int) { return size(opts.Stderr) })
	default:
		v.progress = plain{opts.Stderr}
	}
	return v
}

// WantColor says whether to colour what goes to w: on a terminal that is not
// dumb, unless NO_COLOR is set or the user does not want it.
func WantColor(w io.Writer, environ []string, never bool) bool {
	for _, kv := range environ {
		if name, value, _ := strings.Cut(kv, "="); name == "NO_COLOR" && value != "" {
			return false
		}
	}
	return !never && !IsDumb(environ) && isTerminal(w)
}

// IsDumb says whether the terminal is one that only prints.
func IsDumb(environ []string) bool {
	for _, kv := range environ {
		if kv == "TERM=dumb" {
			return true
		}
	}
	return false
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// size is the number of columns and lines of a terminal; it guesses for what
// is none.
func size(w io.Writer) (columns, lines int) {
	if f, ok := w.(*os.File); ok {
		if c, l, err := term.GetSize(int(f.Fd())); err == nil && c > 0 && l > 0 {
			return c, l
		}
	}
	return 80, 24
}

// widthOf is how wide text for w may be: 0, as it comes, where w is no
// terminal.
func widthOf(w io.Writer) int {
	if !isTerminal(w) {
		return 0
	}
	columns, _ := size(w)
	return columns
}

func (v *View) outWidth() int { return widthOf(v.opts.Stdout) }
func (v *View) errWidth() int { return widthOf(v.opts.Stderr) }

// result writes to standard output.
func (v *View) result(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, err := io.WriteString(v.opts.Stdout, text)
	v.note(err)
}

// note keeps the first error of writing a result, with v.mu held. A closed
// pipe has nobody to tell.
func (v *View) note(err error) {
	if v.lost == nil && !errors.Is(err, syscall.EPIPE) {
		v.lost = err
	}
}

// Lost is why results did not all get to standard output, if so.
func (v *View) Lost() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.lost
}

// message writes whole lines to standard error, above the progress display.
func (v *View) message(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.progress.message(text)
}

// Notify shows a message that is not about a place in the recipe.
func (v *View) Notify(summary, detail string) {
	if v.opts.JSON {
		v.line(notice{"notice", summary, detail})
		return
	}
	text := Clean(summary)
	if detail != "" {
		text += ": " + Clean(detail)
	}
	v.message(strings.Join(wrap(text, v.errWidth()-1), "\n") + "\n")
}

// Damaged tells of damage in the cache.
func (v *View) Damaged(kind, what string) {
	v.Notify("Cache damage ("+kind+")", what)
}

// PluginLog is where plugins' log lines go. They go to standard error even
// with -json.
func (v *View) PluginLog() io.Writer { return pluginLog{v} }

type pluginLog struct{ v *View }

func (p pluginLog) Write(b []byte) (int, error) {
	text := CleanLines(string(b))
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	p.v.message(text)
	return len(b), nil
}

// failuresShown bounds how many failed rows are told one by one.
const failuresShown = 5

// Order says in which order steps are shown.
func (v *View) Order(addresses []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if l, ok := v.progress.(*live); ok {
		l.order = nil
		for _, a := range addresses {
			l.order = append(l.order, Clean(a))
		}
	}
}

// Event shows what happens in a build.
func (v *View) Event(ev engine.Event) {
	switch {
	case v.opts.JSON:
		if l := eventLine(ev); l != nil {
			v.line(l)
		}
	case ev.Notice != nil:
		v.Notify(ev.Notice.Summary, ev.Notice.Detail)
	case ev.Failed != nil:
		v.rowFailed(ev.Failed)
	default:
		v.mu.Lock()
		defer v.mu.Unlock()
		v.progress.event(ev)
	}
}

// rowFailed tells of a failed row, whatever the user wants to see of progress.
func (v *View) rowFailed(f *engine.RowFailed) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.failures++; v.failures <= failuresShown {
		v.progress.message(fmt.Sprintf("%s: row %s failed (%s): %s\n",
			Clean(f.Address), Clean(f.Row), Clean(f.Error.Code), clip(Clean(f.Error.Error()), 300)))
	}
}

// EndProgress takes the progress display away.
func (v *View) EndProgress() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.progress.end()
	if more := v.failures - failuresShown; more > 0 {
		v.progress.message(fmt.Sprintf("… and %s failed\n", plural(int64(more), "more row")))
		v.failures = 0
	}
}

// Valid says whether a recipe passed.
func (v *View) Valid(ok bool, steps int) {
	switch {
	case v.opts.JSON:
		v.lastLine(validLine{"validate", ok, steps})
	case ok && !v.opts.Quiet:
		v.result("The recipe is valid: " + plural(int64(steps), "step") + ".\n")
	}
}

// Formatted names a file that was changed, or would be.
func (v *View) Formatted(file string) {
	if v.opts.JSON {
		v.line(formattedLine{"formatted", file})
		return
	}
	v.result(Clean(file) + "\n")
}

// FormatDone says how many files were looked at and how many were changed, or
// would be.
func (v *View) FormatDone(files, changed int) {
	if v.opts.JSON {
		v.lastLine(formatLine{"fmt", files, changed})
	}
}

// PrintVersion shows the version.
func (v *View) PrintVersion(protocols ...int) {
	if v.opts.JSON {
		v.line(versionLine{"autosafe", v.opts.Version, protocols, runtime.Version(), runtime.GOOS + "_" + runtime.GOARCH})
		return
	}
	v.result(fmt.Sprintf("autosafe %s (plugin protocol %s, %s, %s/%s)\n", v.opts.Version,
		strings.Trim(fmt.Sprint(protocols), "[]"), runtime.Version(), runtime.GOOS, runtime.GOARCH))
}

// DidYouMean finds the known name closest to given and asks about it, with a
// space in front. It is empty where nothing is close.
func DidYouMean(given string, known []string) string {
	best, distance := "", len(given)/3+2
	for _, k := range known {
		if d := levenshtein.Distance(given, k, nil); d > 0 && d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return " Did you mean " + Quote(best) + "?"
}
