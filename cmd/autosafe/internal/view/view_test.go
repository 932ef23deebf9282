package view

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// a View that writes to memory
func newTestView(opts Options) (v *View, stdout, stderr *bytes.Buffer) {
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	opts.Stdout, opts.Stderr, opts.Version = stdout, stderr, "1.2.3"
	return New(opts), stdout, stderr
}

// everything has a view show all there is, with hostile text wherever text
// comes from elsewhere.
func everything(v *View, text string) {
	recipe := &spec.Recipe{Steps: []*spec.Step{
		{Address: "threat_source.x." + text, Kind: spec.RoleStep, Role: &spec.RoleBody{Component: &schema.Component{Role: schema.ThreatSource, Doc: text + ". " + text}},
			Columns: spec.Columns{List: []schema.Column{{Name: text}}, Open: true}},
		{Address: "distill.d", Kind: spec.DistillStep, Distill: []*spec.Op{{Kind: spec.OpFilter, Name: text}}},
	}}
	recipe.Steps[1].Inputs = recipe.Steps[:1]
	sum := &engine.Summary{Type: "summary", Error: text, Steps: []engine.StepSummary{
		{Address: recipe.Steps[0].Address, RowsIn: 3, RowsOut: 1, RowsFailed: 1, Dropped: map[string]int64{text: 1}, Failed: map[string]int64{text: 1}},
		{Address: "distill.d", RowsIn: 3, RowsOut: 2, Dropped: map[string]int64{"filter." + text: 1}},
	}, Outputs: []engine.OutputSummary{{Address: text, Path: "/tmp/" + text, Format: text, Splits: map[string]int64{text: 1}, Skipped: map[string]int64{text: 2}}}}
	v.Order(addressesOf(recipe))
	for _, s := range sum.Steps {
		v.Event(engine.Event{Started: &engine.StepStarted{Address: s.Address}})
		v.Event(engine.Event{Progress: &engine.StepProgress{Address: s.Address}})
		v.Event(engine.Event{Finished: &s})
	}
	v.Event(engine.Event{Failed: &engine.RowFailed{Address: text, Row: text, Error: &engine.RowError{Code: text, Summary: text, Detail: text}}})
	v.Event(engine.Event{Notice: &engine.Notice{Summary: text, Detail: text}})
	v.Event(engine.Event{Output: &sum.Outputs[0]})
	v.Notify(text, text)
	v.Damaged(text, text)
	v.PluginLog().Write([]byte(text))
	v.EndProgress()

	src := []byte("block \"x\" {\n  a = \"" + text + "\"\n}\n")
	place := hcl.Range{Filename: text + ".hcl", Start: hcl.Pos{Line: 2, Column: 3, Byte: 14}, End: hcl.Pos{Line: 2, Column: 20, Byte: 60}}
	v.Diagnostics(map[string]*hcl.File{place.Filename: {Bytes: src, Nav: nav(text)}}, hcl.Diagnostics{
		{Severity: hcl.DiagError, Summary: text, Detail: text + "\n  " + text, Subject: &place},
		{Severity: hcl.DiagWarning, Summary: text, Detail: text, Subject: &hcl.Range{Filename: text}},
		{Severity: hcl.DiagError, Summary: text},
	})
	v.Recipe(recipe)
	formats := []GraphFormat{GraphDOT, GraphMermaid}
	if v.opts.JSON {
		formats = []GraphFormat{GraphJSON}
	}
	for _, format := range formats {
		v.Graph(recipe, format)
	}
	v.Plan(&engine.Plan{Steps: []engine.StepPlan{{Address: text, Reason: text}}, Outputs: []engine.OutputPlan{{Path: text, Reason: text}},
		Total: engine.Work{Calls: engine.Range{High: 2}, Unpriced: []string{text}, UnpricedTuned: []string{text}, UnpricedTrainings: []string{text}}}, PlanNotes{File: text, Limit: 1})
	reports(v, text)
	v.Row(text, row.Row{}.WithString("id", text).WithString(strings.ToValidUTF8(text, "?"), strings.Repeat(text, 3)))
	v.Formatted(text)
	v.Summary(sum, recipe)
}

type nav string

func (n nav) ContextString(int) string { return string(n) }

func addressesOf(r *spec.Recipe) (list []string) {
	for _, s := range r.Steps {
		list = append(list, s.Address)
	}
	return list
}

func TestNothingWildReachesTheTerminal(t *testing.T) {
	ours := []string{"\x1b[1;31m", "\x1b[1;33m", "\x1b[0m"}
	drawing := []string{"\x1b[?7l", "\x1b[?7h", "\x1b[K", "\x1b[J", "\r\x1b[1A", "\r\x1b[2A", "\r\x1b[3A"}
	tests := map[string]struct {
		opts    Options
		allowed []string // on standard error
		results []string // on standard output
	}{
		"plain":   {Options{Progress: ProgressPlain}, nil, nil},
		"quiet":   {Options{Quiet: true}, nil, nil},
		"colour":  {Options{Progress: ProgressPlain, Color: true}, ours, nil},
		"results": {Options{Progress: ProgressPlain, OutColor: true}, nil, []string{bold, faint, red, green, yellow, plain0}},
		"tty":     {Options{Progress: ProgressTTY, Color: true}, append(ours, drawing...), nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v, stdout, stderr := newTestView(tt.opts)
			everything(v, strings.NewReplacer("\n", "").Replace(hostile))
			if w := wild(stdout.String(), tt.results...); w != "" {
				t.Errorf("standard output holds %s", w)
			}
			if w := wild(stderr.String(), tt.allowed...); w != "" {
				t.Errorf("standard error holds %s", w)
			}
			if !strings.Contains(stdout.String(), `\x1b]8;;`) || !strings.Contains(stderr.String(), `\x1b]8;;`) {
				t.Error("the text was not shown at all")
			}
		})
	}
}

// JSON lines are for scripts, but end up on terminals too.
func TestJSONLines(t *testing.T) {
	v, stdout, stderr := newTestView(Options{JSON: true})
	everything(v, strings.ToValidUTF8(hostile, "?"))
	if w := wild(stdout.String()); w != "" {
		t.Errorf("standard output holds %s", w)
	}
	if w := wild(stderr.String()); w != "" {
		t.Errorf("standard error holds %s", w)
	}
	lines := strings.Split(strings.TrimSuffix(stdout.String(), "\n"), "\n")
	for i, l := range lines {
		var line struct{ Type, Summary string }
		if err := json.Unmarshal([]byte(l), &line); err != nil || line.Type == "" {
			t.Errorf("line %d: %v: %s", i+1, err, l)
		}
		if line.Type == "diagnostic" && line.Summary != strings.ToValidUTF8(hostile, "?") {
			t.Errorf("the text was changed: %q", line.Summary)
		}
	}
	if want := `{"type":"version","format_version":"1.0","autosafe":"1.2.3"}`; lines[0] != want {
		t.Errorf("the first line is %s", lines[0])
	}
	v.Exit(1) // the summary was the last line
	if got := strings.TrimSpace(stdout.String()); strings.Contains(got, "exit_error") {
		t.Error("a line after the last")
	}
}

func TestExit(t *testing.T) {
	v, stdout, _ := newTestView(Options{JSON: true})
	v.Exit(1)
	v.Exit(1)
	want := `{"type":"version","format_version":"1.0","autosafe":"1.2.3"}` + "\n" + `{"type":"exit_error","code":1}` + "\n"
	if stdout.String() != want {
		t.Errorf("got %s", stdout)
	}
	v, stdout, _ = newTestView(Options{})
	v.Exit(1)
	if stdout.Len() > 0 {
		t.Errorf("without -json: %s", stdout)
	}
}

const source = `distill "training" {
	input = reflector.retry.safe # a tab, and wide characters: 日本
	filter "日本" { keep = "row.instructoin != '' && row.trajectory.all(s, row.tools.exists(t, t.name == s.action.tool)) && row.x" }
}
`

// place is the range of text in source.
func place(t *testing.T, text string) *hcl.Range {
	t.Helper()
	at := strings.Index(source, text)
	if at < 0 {
		t.Fatalf("no %q", text)
	}
	before := source[:at]
	line := strings.Count(before, "\n") + 1
	column := len([]rune(before[strings.LastIndex(before, "\n")+1:])) + 1
	return &hcl.Range{Filename: "recipe.hcl",
		Start: hcl.Pos{Line: line, Column: column, Byte: at}, End: hcl.Pos{Line: line, Column: column + len([]rune(text)), Byte: at + len(text)}}
}

func testDiagnostics(t *testing.T) (map[string]*hcl.File, hcl.Diagnostics) {
	file, diags := hclsyntax.ParseConfig([]byte(source), "recipe.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	behind := hcl.Range{Filename: "recipe.hcl", Start: hcl.Pos{Line: 9, Column: 1, Byte: 9999}, End: hcl.Pos{Line: 9, Column: 1, Byte: 9999}}
	return map[string]*hcl.File{"recipe.hcl": file}, hcl.Diagnostics{
		{Severity: hcl.DiagError, Summary: "Unknown column", Subject: place(t, "instructoin"),
			Detail: "No step in front gives a column \"instructoin\". Did you mean \"instruction\"? The columns are:\n  id instruction trajectory tools"},
		{Severity: hcl.DiagWarning, Summary: "Unused", Detail: "This input is not used.", Subject: place(t, "reflector.retry.safe")},
		{Severity: hcl.DiagError, Summary: "At the end", Subject: place(t, "row.x")},
		{Severity: hcl.DiagError, Summary: "Behind the end", Subject: &behind},
		{Severity: hcl.DiagError, Summary: "Cache unusable", Detail: "The cache folder cannot be made."},
	}
}

func TestDiagnostics(t *testing.T) {
	files, diags := testDiagnostics(t)
	for name, p := range map[string]printer{
		"diagnostics.txt":    {},
		"diagnostics-60.txt": {width: 60},
		"diagnostics-20.txt": {width: 20, color: true},
	} {
		var b strings.Builder
		p.b, p.files = &b, files
		for _, d := range diags {
			p.diagnostic(d)
		}
		golden(t, name, b.String())
	}
	v, stdout, stderr := newTestView(Options{JSON: true})
	v.Diagnostics(files, diags)
	golden(t, "diagnostics.jsonl", stdout.String())
	if stderr.Len() > 0 {
		t.Errorf("standard error: %s", stderr)
	}
}

func TestSummary(t *testing.T) {
	recipe := &spec.Recipe{Steps: []*spec.Step{{Address: "distill.training", Distill: []*spec.Op{
		{Kind: spec.OpFilter, Name: "verified"}, {Kind: spec.OpFilter, Name: "grounded"}, {Kind: spec.OpDedupe, Name: "instructions"},
	}}}}
	reasons := map[string]int64{}
	for _, r := range strings.Fields("a b c d e f g h i j") {
		reasons["reason_"+r] = 1
	}
	sum := &engine.Summary{Seconds: 3723, Offline: true, Steps: []engine.StepSummary{
		{Address: "threat_source.catalog.pairs", Status: engine.StatusHit, RowsOut: 330},
		{Address: "simulator.trajectory.scenarios", Status: engine.StatusRun, RowsIn: 330, RowsOut: 16489, RowsHit: 12, RowsFailed: 3, Seconds: 3701,
			Dropped: map[string]int64{"no_action": 8}, Failed: map[string]int64{"invalid_reply": 2, "refused": 1},
			Calls: engine.CallCounts{Made: 1234567, CostUSD: 1234.5}},
		{Address: `simulator.trajectory.other["with a key that is so long that it fits in no column"]`, Status: engine.StatusRun, RowsIn: 10, Dropped: reasons, Seconds: 0.3},
		{Address: "distill.training", Status: engine.StatusRun, RowsIn: 16489, RowsOut: 12000, Seconds: 61,
			Dropped: map[string]int64{"dedupe.instructions": 4400, "filter.verified": 89}},
		{Address: "dataset.agent_safety", Status: engine.StatusSkipped},
	}, Calls: engine.CallCounts{Made: 1234567, Cached: 5, Retried: 2, Failed: 1, InputTokens: 99, OutputTokens: 1000, CostUSD: 1234.5},
		Outputs: []engine.OutputSummary{
			{Path: "dist/openai", Format: "openai_sft", Rows: 12000, Files: 2, Splits: map[string]int64{"train": 10800, "test": 1200}, Status: engine.StatusHit},
			{Path: "dist/dpo", Format: "trl_dpo", Rows: 90, Files: 2, Splits: map[string]int64{"train": 80, "test": 10}, Skipped: map[string]int64{"no_trigger": 11910}},
		}}
	for name, width := range map[string]int{"summary.txt": 0, "summary-80.txt": 80, "summary-40.txt": 40} {
		var b strings.Builder
		funnel(&b, sum.Steps, operations(recipe), width)
		totals(&b, sum)
		outputs(&b, sum, width)
		golden(t, name, b.String())
	}
	v, stdout, _ := newTestView(Options{})
	v.Summary(&engine.Summary{Steps: []engine.StepSummary{}}, nil)
	if stdout.Len() > 0 {
		t.Errorf("of nothing: %s", stdout)
	}
}

// Where rows were lost on the way, how many each operation saw is not known.
func TestFunnelOfFailedRows(t *testing.T) {
	ops := map[string][]*spec.Op{"distill.d": {{Kind: spec.OpFilter, Name: "f"}}}
	var b strings.Builder
	funnel(&b, []engine.StepSummary{{Address: "distill.d", RowsIn: 10, RowsOut: 7, RowsFailed: 1,
		Dropped: map[string]int64{"filter.f": 2}, Failed: map[string]int64{"expression_error": 1}, Seconds: 1}}, ops, 0)
	want := `Step                  In  Out  Dropped  Failed   Time
distill.d             10    7        2       1  1.0 s
    filter.f                         2
    expression_error                         1
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFailedRowsAreBounded(t *testing.T) {
	for _, opts := range []Options{{Progress: ProgressPlain}, {Quiet: true}} {
		v, _, stderr := newTestView(opts)
		for range 12 {
			v.Event(engine.Event{Failed: &engine.RowFailed{Address: "judge.rubric.risk", Row: "r1", Error: &engine.RowError{Code: "refused", Summary: "the model refused", Detail: strings.Repeat("x", 1000)}}})
		}
		v.EndProgress()
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		if len(lines) != 6 || lines[5] != "… and 7 more rows failed" {
			t.Fatalf("%q", lines)
		}
		if !strings.HasPrefix(lines[0], "judge.rubric.risk: row r1 failed (refused): the model refused: xxx") || columns(lines[0]) > 400 {
			t.Errorf("%q", lines[0])
		}
	}
}

func TestRow(t *testing.T) {
	r, err := row.Parse([]byte(`{"id":"r1","n":12345678901234567890,"long":{"list":[` + strings.Repeat(`"some text",`, 12) + `"end"],"big":12345678901234567890}}`))
	if err != nil {
		t.Fatal(err)
	}
	v, stdout, _ := newTestView(Options{})
	v.Row("x", r)
	golden(t, "row.txt", stdout.String())
}

func TestMermaidAndDOT(t *testing.T) {
	r := &spec.Recipe{Steps: []*spec.Step{{Address: `judge.x["<b> & \ #quot;"]`}, {Address: "b"}}}
	r.Steps[1].Inputs = r.Steps[:1]
	if want := "flowchart TD\n  n0[\"judge.x[#quot;#lt;b#gt; #amp; \\ #35;quot;#quot;]\"]\n  n1[\"b\"]\n  n0 --> n1\n"; mermaid(r) != want {
		t.Errorf("mermaid gives %s", mermaid(r))
	}
	if want := `n0 [label = "judge.x[\"<b> & \\ #quot;\"]"];`; !strings.Contains(dot(r), want) {
		t.Errorf("dot gives %s", dot(r))
	}
}

func TestDidYouMean(t *testing.T) {
	known := []string{"build", "validate", "show"}
	for given, want := range map[string]string{"buld": ` Did you mean "build"?`, "valdate": ` Did you mean "validate"?`, "xyzzy-plugh": "", "": ""} {
		if got := DidYouMean(given, known); got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
}
