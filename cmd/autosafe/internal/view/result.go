package view

import (
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

func (v *View) printf(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	fmt.Fprintf(v.opts.Stdout, format, args...)
}

// Summary shows how a build ended: the yield funnel, calls, and outputs.
func (v *View) Summary(sum *engine.Summary) {
	if v.opts.JSON {
		v.line(sum)
		return
	}
	if len(sum.Steps) == 0 {
		return
	}
	var b strings.Builder
	funnel(&b, sum.Steps)
	c := sum.Calls
	fmt.Fprintf(&b, "\nModel calls: %s made, %s from the cache", count(c.Made), count(c.Cached))
	if c.Retried > 0 {
		fmt.Fprintf(&b, ", %s retried", count(c.Retried))
	}
	if c.Failed > 0 {
		fmt.Fprintf(&b, ", %s failed", count(c.Failed))
	}
	if c.Made > 0 {
		fmt.Fprintf(&b, "; %s tokens in, %s out", count(c.InputTokens), count(c.OutputTokens))
	}
	if c.CostUSD > 0 {
		fmt.Fprintf(&b, "; $%.4f", c.CostUSD)
	}
	fmt.Fprintf(&b, ". %.1f s.\n", sum.Seconds)
	outputs(&b, sum)
	v.printf("%s", b.String())
}

// funnel is a table of what became of the rows, step by step.
func funnel(w io.Writer, steps []engine.StepSummary) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "STEP\tSTATUS\tIN\tOUT\tFAILED\tLEFT OUT")
	for _, s := range steps {
		in := "-"
		if s.RowsIn > 0 {
			in = count(s.RowsIn)
		}
		failed := "-"
		if s.RowsFailed > 0 {
			failed = count(s.RowsFailed) + " (" + counts(s.Failed) + ")"
		}
		left := counts(s.Dropped)
		if left == "" {
			left = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", Clean(s.Address), s.Status, in, count(s.RowsOut), failed, left)
	}
	t.Flush()
}

// counts lists numbers by name, the largest first.
func counts(m map[string]int64) string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool {
		if m[names[i]] != m[names[j]] {
			return m[names[i]] > m[names[j]]
		}
		return names[i] < names[j]
	})
	for i, name := range names {
		names[i] = Clean(name) + " " + count(m[name])
	}
	return strings.Join(names, ", ")
}

func outputs(w io.Writer, sum *engine.Summary) {
	if len(sum.Outputs) == 0 {
		return
	}
	fmt.Fprintln(w, "\nOutputs:")
	for _, o := range sum.Outputs {
		state := ""
		if o.Status == engine.StatusHit {
			state = ", unchanged"
		}
		fmt.Fprintf(w, "  %s\n    %s: %s (%s) in %s%s\n", Clean(o.Path), Clean(o.Format),
			plural(o.Rows, "row"), counts(o.Splits), plural(int64(o.Files), "file"), state)
		if len(o.Skipped) > 0 {
			fmt.Fprintf(w, "    left out: %s\n", counts(o.Skipped))
		}
		fmt.Fprintf(w, "    sha256 %s\n", o.SHA256)
	}
	if sum.Offline {
		fmt.Fprintln(w, "\nThese rows come from the offline model, a scripted stand-in. They show the\npipeline; do not train on them.")
	}
}

// Plan shows what a build would do.
func (v *View) Plan(p *engine.Plan) {
	if v.opts.JSON {
		v.line(struct {
			Type    string `json:"type"`
			Changes bool   `json:"changes"`
			*engine.Plan
		}{"plan", p.Changes(), p})
		return
	}
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "STEP\tSTATUS\tROWS\tTO RUN\tWHY")
	for _, s := range p.Steps {
		rows, miss := "?", "?"
		if s.Known {
			rows, miss = count(s.RowsIn), count(s.RowsMiss)
			if s.RowsIn == 0 {
				rows, miss = "-", "-"
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", Clean(s.Address), s.Status, rows, miss, Clean(s.Reason))
	}
	for _, o := range p.Outputs {
		fmt.Fprintf(t, "%s\t%s\t\t\t%s\n", Clean(o.Address), o.Status, Clean(o.Reason))
	}
	t.Flush()
	if p.Changes() {
		b.WriteString("\nRun autosafe build to do this.\n")
	} else {
		b.WriteString("\nNothing to do: everything is built and in place.\n")
	}
	v.printf("%s", b.String())
}

// Recipe lists a recipe's steps and the columns of their rows.
func (v *View) Recipe(r *spec.Recipe) {
	if v.opts.JSON {
		for _, s := range r.Steps {
			v.line(stepLine(s))
		}
		return
	}
	var b strings.Builder
	for _, s := range r.Steps {
		fmt.Fprintf(&b, "%s\n", Clean(s.Address))
		if inputs := inputNames(s); len(inputs) > 0 {
			fmt.Fprintf(&b, "    from     %s\n", Clean(strings.Join(inputs, ", ")))
		}
		if s.Role != nil {
			fmt.Fprintf(&b, "    is       %s\n", Clean(firstSentence(s.Role.Component.Doc)))
		}
		for _, op := range s.Distill {
			fmt.Fprintf(&b, "    %-8s %s\n", op.Kind, Clean(op.Name))
		}
		var names []string
		for _, c := range s.Columns.List {
			names = append(names, c.Name)
		}
		if s.Columns.Open {
			names = append(names, "…")
		}
		fmt.Fprintf(&b, "    columns  %s\n", Clean(strings.Join(names, " ")))
	}
	v.printf("%s", b.String())
}

func firstSentence(s string) string {
	if i := strings.Index(s, ". "); i >= 0 {
		return s[:i+1]
	}
	return s
}

type stepJSON struct {
	Type    string   `json:"type"`
	Address string   `json:"address"`
	Kind    string   `json:"kind"`
	Inputs  []string `json:"inputs"`
	Columns []string `json:"columns"`
	Open    bool     `json:"open,omitempty"`
}

func stepLine(s *spec.Step) stepJSON {
	out := stepJSON{Type: "step", Address: s.Address, Kind: stepKind(s), Inputs: inputNames(s), Columns: []string{}, Open: s.Columns.Open}
	for _, c := range s.Columns.List {
		out.Columns = append(out.Columns, c.Name)
	}
	return out
}

func stepKind(s *spec.Step) string {
	if s.Role != nil {
		return string(s.Role.Component.Role)
	}
	return string(s.Kind)
}

func inputNames(s *spec.Step) []string {
	names := []string{}
	for _, in := range s.Inputs {
		names = append(names, in.Address)
	}
	return names
}

// Row shows one row: as it is with -json, else column by column.
func (v *View) Row(r row.Row) {
	if v.opts.JSON {
		v.printf("%s\n", r.Bytes())
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", Clean(r.String("id")))
	for _, name := range r.Names() {
		if name == "id" {
			continue
		}
		value, _ := r.Column(name)
		fmt.Fprintf(&b, "  %s: %s\n", Clean(name), indented(value))
	}
	v.printf("%s\n", b.String())
}

// indented shows a JSON value on as many lines as it needs.
func indented(value []byte) string {
	if len(value) < 100 {
		return Clean(string(value))
	}
	var any any
	if json.Unmarshal(value, &any) != nil {
		return Clean(string(value))
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("  ", "  ")
	if enc.Encode(any) != nil {
		return Clean(string(value))
	}
	return CleanLines(strings.TrimSpace(b.String()))
}

// Graph prints a recipe's graph.
func (v *View) Graph(r *spec.Recipe, format string) {
	var b strings.Builder
	switch format {
	case "json":
		for _, s := range r.Steps {
			v.line(stepLine(s))
		}
		return
	case "mermaid":
		b.WriteString("flowchart TD\n")
		for i, s := range r.Steps {
			fmt.Fprintf(&b, "  n%d[\"%s\"]\n", i, strings.ReplaceAll(Clean(s.Address), `"`, "#quot;"))
		}
		edges(r, func(from, to int) { fmt.Fprintf(&b, "  n%d --> n%d\n", from, to) })
	default:
		b.WriteString("digraph recipe {\n  rankdir = TB;\n  node [shape = box];\n")
		for i, s := range r.Steps {
			fmt.Fprintf(&b, "  n%d [label = %s];\n", i, strconv.Quote(Clean(s.Address)))
		}
		edges(r, func(from, to int) { fmt.Fprintf(&b, "  n%d -> n%d;\n", from, to) })
		b.WriteString("}\n")
	}
	v.printf("%s", b.String())
}

func edges(r *spec.Recipe, f func(from, to int)) {
	index := map[*spec.Step]int{}
	for i, s := range r.Steps {
		index[s] = i
		for _, in := range s.Inputs {
			f(index[in], i)
		}
	}
}

// eventLine is an event as a JSON line; progress of running steps is left to
// terminals.
func eventLine(ev engine.Event) any {
	switch {
	case ev.Started != nil:
		return struct {
			Type string `json:"type"`
			*engine.StepStarted
		}{"step_started", ev.Started}
	case ev.Failed != nil:
		return struct {
			Type string `json:"type"`
			*engine.RowFailed
		}{"row_failed", ev.Failed}
	case ev.Finished != nil:
		return struct {
			Type string `json:"type"`
			*engine.StepSummary
		}{"step", ev.Finished}
	case ev.Output != nil:
		return struct {
			Type string `json:"type"`
			*engine.OutputSummary
		}{"output", ev.Output}
	case ev.Notice != nil:
		return struct {
			Type string `json:"type"`
			*engine.Notice
		}{"notice", ev.Notice}
	}
	return nil
}

// count writes a number with thousands apart.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return count(n) + " " + what + "s"
}
