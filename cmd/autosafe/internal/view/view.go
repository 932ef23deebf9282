// Package view shows what commands have to say: results on standard output,
// progress and problems on standard error, as text for people or as JSON
// lines for scripts. Nothing that a model, a plugin or a file has said
// reaches a terminal before Clean has seen it.
//
// It decides nothing and knows no exit codes.
package view

import (
	"encoding/json"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
	"golang.org/x/term"

	"github.com/autosafe/autosafe/internal/engine"
)

// Options say where a View writes, and how.
type Options struct {
	Stdout, Stderr io.Writer
	JSON           bool   // JSON lines on Stdout
	Quiet          bool   // no progress
	Progress       string // auto, tty, plain, none
	Color          bool
	Version        string
}

// View is safe for use by many goroutines.
type View struct {
	opts     Options
	mu       sync.Mutex
	progress progress
	began    bool // the first JSON line has been written
}

// New gives a view.
func New(opts Options) *View {
	v := &View{opts: opts}
	switch {
	case opts.Quiet || opts.JSON || opts.Progress == "none":
		v.progress = silent{}
	case opts.Progress == "tty" || opts.Progress != "plain" && isTerminal(opts.Stderr):
		v.progress = newLive(opts.Stderr, opts.Color)
	default:
		v.progress = &plain{w: opts.Stderr}
	}
	return v
}

// WantColor says whether to colour what goes to w: on a terminal that is not
// dumb, unless NO_COLOR is set or the user does not want it.
func WantColor(w io.Writer, environ []string, never bool) bool {
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if name == "NO_COLOR" && value != "" || name == "TERM" && value == "dumb" {
			return false
		}
	}
	return !never && isTerminal(w)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// width is the number of columns to write in.
func width(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			return n
		}
	}
	return 80
}

// formatVersion is the version of the JSON lines. Fields may be added to it.
const formatVersion = "1.0"

// line writes one JSON line, and before the first one what format it is in.
func (v *View) line(value any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	enc := json.NewEncoder(v.opts.Stdout)
	enc.SetEscapeHTML(false)
	if !v.began {
		v.began = true
		enc.Encode(map[string]string{"type": "version", "format_version": formatVersion, "autosafe": v.opts.Version})
	}
	enc.Encode(value)
}

// Diagnostics shows problems, each with the lines that it is about.
func (v *View) Diagnostics(files map[string]*hcl.File, diags hcl.Diagnostics) {
	if len(diags) == 0 {
		return
	}
	if v.opts.JSON {
		for _, d := range diags {
			v.line(diagnosticLine(files, d))
		}
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.progress.clear()
	w := hcl.NewDiagnosticTextWriter(cleaner{v.opts.Stderr, v.opts.Color}, files, uint(min(width(v.opts.Stderr), 100)), v.opts.Color)
	w.WriteDiagnostics(diags)
}

type diagnostic struct {
	Type     string    `json:"type"`
	Severity string    `json:"severity"`
	Summary  string    `json:"summary"`
	Detail   string    `json:"detail,omitempty"`
	Range    *hclRange `json:"range,omitempty"`
	Snippet  string    `json:"snippet,omitempty"`
}

type hclRange struct {
	Filename string `json:"filename"`
	Start    pos    `json:"start"`
	End      pos    `json:"end"`
}

type pos struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

func diagnosticLine(files map[string]*hcl.File, d *hcl.Diagnostic) diagnostic {
	out := diagnostic{Type: "diagnostic", Severity: "error", Summary: d.Summary, Detail: d.Detail}
	if d.Severity == hcl.DiagWarning {
		out.Severity = "warning"
	}
	if r := d.Subject; r != nil {
		out.Range = &hclRange{r.Filename, pos(r.Start), pos(r.End)}
		if f := files[r.Filename]; f != nil && r.CanSliceBytes(f.Bytes) {
			first, _, _ := strings.Cut(string(f.Bytes[r.Start.Byte-(r.Start.Column-1):]), "\n")
			if r.Start.Column-1 <= r.Start.Byte {
				out.Snippet = first
			}
		}
	}
	return out
}

// Valid says whether a recipe passed.
func (v *View) Valid(ok bool, steps int) {
	switch {
	case v.opts.JSON:
		v.line(map[string]any{"type": "validate", "valid": ok, "steps": steps})
	case ok && !v.opts.Quiet:
		v.printf("The recipe is valid: %s.\n", plural(int64(steps), "step"))
	}
}

// Formatted names a file that was changed, or would be.
func (v *View) Formatted(file string) {
	if v.opts.JSON {
		v.line(map[string]string{"type": "formatted", "file": file})
		return
	}
	v.printf("%s\n", Clean(file))
}

// PrintVersion shows the version.
func (v *View) PrintVersion() {
	const protocols = "1"
	if v.opts.JSON {
		v.line(map[string]any{"type": "autosafe", "version": v.opts.Version, "protocols": []int{1}, "go": runtime.Version(), "platform": runtime.GOOS + "_" + runtime.GOARCH})
		return
	}
	v.printf("autosafe %s (plugin protocol %s, %s, %s/%s)\n", v.opts.Version, protocols, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// Event shows what happens in a build.
func (v *View) Event(ev engine.Event) {
	if v.opts.JSON {
		if l := eventLine(ev); l != nil {
			v.line(l)
		}
		return
	}
	if n := ev.Notice; n != nil {
		v.Notify(n.Summary, n.Detail)
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.progress.event(ev)
}

// Notify shows a message that is not about a place in the recipe.
func (v *View) Notify(summary, detail string) {
	if v.opts.JSON {
		v.line(map[string]string{"type": "notice", "summary": summary, "detail": detail})
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.progress.clear()
	io.WriteString(v.opts.Stderr, Clean(summary)+": "+Clean(detail)+"\n")
}

// Damaged tells of damage in the cache.
func (v *View) Damaged(kind, what string) {
	v.Notify("Cache damage ("+kind+")", what)
}

// EndProgress takes the progress display away.
func (v *View) EndProgress() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.progress.end()
}

// PluginLog is where plugins' log lines go.
func (v *View) PluginLog() io.Writer { return pluginLog{v} }

type pluginLog struct{ v *View }

func (p pluginLog) Write(b []byte) (int, error) {
	p.v.mu.Lock()
	defer p.v.mu.Unlock()
	p.v.progress.clear()
	_, err := io.WriteString(p.v.opts.Stderr, CleanLines(string(b)))
	return len(b), err
}

// Suggest is a did-you-mean for given, or "".
func (v *View) Suggest(given string, known []string) string { return DidYouMean(given, known) }

// DidYouMean finds the known name closest to given and asks about it, with a
// space in front. It is empty where nothing is close.
func DidYouMean(given string, known []string) string {
	best, distance := "", len(given)/3+2
	for _, k := range known {
		if d := levenshtein.Distance(given, k, nil); d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return " Did you mean " + Quote(best) + "?"
}
