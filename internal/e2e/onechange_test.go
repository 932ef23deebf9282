package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// processesOf is how many plugin processes a build says it started.
func processesOf(t testing.TB, r result) int {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	var s struct {
		Processes *int `json:"plugin_processes"`
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &s); err != nil || s.Processes == nil {
		t.Fatalf("the summary does not say how many processes were started: %v", err)
	}
	return *s.Processes
}

// TestOneChangedRow edits a source of some thousand rows by a row: exactly that
// row's calls are made. A changed filter makes none, and no component works but
// the outputs'.
func TestOneChangedRow(t *testing.T) {
	t.Parallel()
	const n = 2000
	p := small(t, start(t, llmtest.Options{Identity: steady}), n)
	// One model a row, so that a row's calls can be told beforehand.
	p.write(recipe, strings.NewReplacer("input = judge.rubric.clarity", "input = judge.rubric.quality",
		smallRecipe[strings.Index(smallRecipe, "judge \"rubric\" \"clarity\""):strings.Index(smallRecipe, "distill")], "").Replace(smallRecipe))
	first := p.mustBuild()
	wantAsked(t, p, map[string]int{"critic": n})
	lines := strings.SplitAfter(strings.TrimSuffix(numbered(n), "\n"), "\n")
	lines[n-1] += "\n"
	source := func(lines ...string) { p.write("asks.jsonl", strings.Join(lines, "")) }
	const quality, good = "judge.rubric.quality", "distill.good"

	for _, tt := range []struct {
		name  string
		apply func()
		calls int
		hits  int64 // of the judge's rows
		idle  bool  // the outputs stay
	}{
		{"changed", func() { lines[700] = `{"instruction":"Another.","number":700}` + "\n"; source(lines...) }, 1, n - 1, false},
		{"a column that the judge does not read", func() { lines[9] = `{"instruction":"Ask number 9.","number":9000}` + "\n"; source(lines...) }, 0, n, false},
		{"added in front", func() { source(append([]string{`{"instruction":"First.","number":-1}` + "\n"}, lines...)...) }, 1, n, false},
		{"gone again", func() { source(lines...) }, 0, n, false},
		{"written otherwise", func() { source(strings.ReplaceAll(strings.Join(lines, ""), `","number"`, `",  "number"`)) }, 0, n, true},
		{"the last two swapped", func() { source(append(lines[:n-2:n-2], lines[n-1], lines[n-2])...) }, 0, n, false},
	} {
		p.server.Reset()
		tt.apply()
		got := p.mustBuild().sum
		st := got.step(t, quality)
		if len(p.requests()) != tt.calls || got.Calls.Made != int64(tt.calls) || st.RowsHit != tt.hits {
			t.Errorf("%s: %d calls, want %d; %d hits, want %d", tt.name, len(p.requests()), tt.calls, st.RowsHit, tt.hits)
		}
		if idle := got.Outputs[0].Status == "hit"; idle != tt.idle {
			t.Errorf("%s: the output is a %s", tt.name, got.Outputs[0].Status)
		}
	}
	p.server.Reset()
	if idle := p.mustBuild(); processesOf(t, idle) != 0 || processesOf(t, first) == 0 {
		t.Errorf("%d processes for nothing to do, %d for the first build", processesOf(t, idle), processesOf(t, first))
	}

	for _, tt := range []struct {
		name, keep string
		processes  int
		output     string
	}{
		{"another filter", "row.quality.score >= 2", 1, "run"},
		{"another one that keeps the same", "row.quality.score > 1", 0, "hit"},
		{"the first again", "row.quality.score >= 1", 1, "run"},
	} {
		text := p.read(recipe)
		from := strings.Index(text, "keep = ")
		p.write(recipe, text[:from]+"keep = \""+tt.keep+"\""+text[from+strings.Index(text[from:], "\n"):])
		got := p.mustBuild()
		if len(p.requests()) > 0 || got.sum.step(t, quality).Status != "hit" || got.sum.Outputs[0].Status != tt.output || processesOf(t, got) != tt.processes {
			t.Errorf("%s: %d calls, %s, the output is a %s, %d processes", tt.name, len(p.requests()), statuses(got.sum), got.sum.Outputs[0].Status, processesOf(t, got))
		}
		if st := got.sum.step(t, good); st.RowsIn != n {
			t.Errorf("%s: %+v", tt.name, st)
		}
	}
}
