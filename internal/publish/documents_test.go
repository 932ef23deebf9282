package publish_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/provenance"
	"github.com/autosafe/autosafe/internal/publish"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGoldens holds every document of a small dataset.
func TestGoldens(t *testing.T) {
	s := newShop(t)
	s.build()
	for _, name := range []string{"README.md", "croissant.json", "SHA256SUMS", "provenance.intoto.json", "lineage.jsonl", "plots/outcomes.svg", "plots/classes.svg", "plots/yield.svg"} {
		golden(t, name, s.read(name))
	}
	for name, text := range s.tree() {
		if strings.Contains(text, "sk-secret") || strings.Contains(text, s.dir) {
			t.Errorf("%s holds a secret or a path of the machine", name)
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", filepath.FromSlash(name))
	if *update {
		write(t, path, got)
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not as testdata has it (-update writes it anew):\n%s", name, firstDifference(string(want), got))
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		var a, b string
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			return fmt.Sprintf("line %d:\n- %s\n+ %s", i+1, a, b)
		}
	}
	return ""
}

// TestSums holds the checksums, the statement and the notes to the files.
func TestSums(t *testing.T) {
	s := newShop(t)
	s.build()
	files := s.tree()
	var listed []string
	for line := range strings.Lines(files["SHA256SUMS"]) {
		sum, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if sum != hexSum(files[name]) {
			t.Errorf("SHA256SUMS: %s has another digest", name)
		}
		listed = append(listed, name)
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if name != "SHA256SUMS" && name != "autosafe.json" {
			all = append(all, name)
		}
	}
	if !slices.Equal(listed, all) {
		t.Errorf("SHA256SUMS lists %v, want %v", listed, all)
	}
	st, err := publish.ParseStatement([]byte(files[publish.StatementName]))
	if err != nil {
		t.Fatal(err)
	}
	var subjects []string
	for _, r := range st.Subject {
		if r.SHA256() != hexSum(files[r.Name]) {
			t.Errorf("the statement has another digest of %s", r.Name)
		}
		subjects = append(subjects, r.Name)
	}
	if want := slices.DeleteFunc(all, func(n string) bool { return n == publish.StatementName }); !slices.Equal(subjects, want) {
		t.Errorf("the statement speaks of %v, want %v", subjects, want)
	}
}

func hexSum(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

// TestNames holds what is looked for before a build to what is written.
func TestNames(t *testing.T) {
	s := newShop(t)
	s.build()
	_, _, recipe := s.engine("1.2.3")
	names := publish.New(nil).Names(recipe.Steps[len(recipe.Steps)-1].Dataset.Card)
	for name := range s.tree() {
		if strings.HasPrefix(name, "rows/") || strings.HasPrefix(name, "sft/") || name == engine.NoteName {
			continue
		}
		if !slices.Contains(names, name) {
			t.Errorf("%s is written, and was not foretold", name)
		}
	}
}

// TestSameBytes builds again with nothing to do, from an empty cache, and
// elsewhere: the documents stay as they are.
func TestSameBytes(t *testing.T) {
	s := newShop(t)
	s.build()
	first := s.tree()
	sum := s.build()
	if s.ran.Load() != 0 || len(changed(first, s.tree())) > 0 {
		t.Errorf("a build with nothing to do ran %d components and changed %v", s.ran.Load(), changed(first, s.tree()))
	}
	last := sum.Outputs[len(sum.Outputs)-1]
	if last.Format != "card" || last.Status != engine.StatusHit || last.Files != 8 {
		t.Errorf("the documents: %+v", last)
	}
	for _, again := range []string{"empty", "moved"} {
		s.open("cache-" + again)
		if again == "moved" {
			if err := os.RemoveAll(s.path("")); err != nil {
				t.Fatal(err)
			}
		}
		s.build()
		if c := changed(first, s.tree()); len(c) > 0 || s.asked.Load() == 0 {
			t.Errorf("%s: %v changed; %d asked", again, c, s.asked.Load())
		}
	}
}

func changed(a, b map[string]string) []string {
	var names []string
	for name := range a {
		if b[name] != a[name] {
			names = append(names, name)
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// TestCardOnly changes what the card says: nothing else is made again.
func TestCardOnly(t *testing.T) {
	s := newShop(t)
	s.build()
	first := s.tree()
	s.edit(`"Rows of a shop."`, `"Rows of our shop."`)
	e, _, _ := s.engine("1.2.3")
	plan, err := e.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if o := plan.Outputs[len(plan.Outputs)-1]; !plan.Changes() || o.Status != engine.StatusNew || o.Address != "dataset.d.output.card" {
		t.Errorf("the plan has %+v", o)
	}
	s.build()
	if s.ran.Load() != 0 || s.asked.Load() != 0 {
		t.Errorf("%d components ran and %d calls were made for a word in the card", s.ran.Load(), s.asked.Load())
	}
	if got, want := changed(first, s.tree()), []string{"README.md", "SHA256SUMS", "autosafe.json", "croissant.json", "provenance.intoto.json"}; !slices.Equal(got, want) {
		t.Errorf("changed: %v, want %v", got, want)
	}
	if plan, err = e.Plan(t.Context()); err != nil || plan.Changes() {
		t.Errorf("after the build the plan has changes (%v)", err)
	}
}

// TestFollowsRows changes rows: the documents tell of it.
func TestFollowsRows(t *testing.T) {
	s := newShop(t)
	s.build()
	before := s.read("README.md")
	s.edit(`keep = "true"`, `keep = "row.id != 'a.0'"`)
	s.build()
	after := s.read("README.md")
	if before == after || !strings.Contains(after, "`filter.all` 1 of 12 (8.3 %)") {
		t.Errorf("the yield is not told:\n%s", after)
	}
	s.edit(`"dist/sft"`, `"dist/chat"`)
	s.build()
	if text := s.read("README.md"); !strings.Contains(text, `path: "chat/train.jsonl"`) || strings.Contains(text, "sft/train") {
		t.Errorf("the output's new place is not told")
	}
}

// TestEmpty leaves no row: the documents say so.
func TestEmpty(t *testing.T) {
	s := newShop(t)
	s.edit(`keep = "true"`, `keep = "false"`)
	s.edit(`"dist/sft"`, `"dist/splits"`) // a name that Croissant's splits have
	s.build()
	text := s.read("README.md")
	if !strings.Contains(text, "| Rows | 0 |") || !strings.Contains(text, "`filter.all` 11 of 12 (91.7 %)") || strings.Contains(text, "NaN") || strings.Contains(text, "configs:") {
		t.Errorf("the card of no rows:\n%s", text)
	}
	if files := s.tree(); files["plots/outcomes.svg"] != "" || files["lineage.jsonl"] != "" || files["plots/yield.svg"] == "" {
		t.Errorf("%v", slices.Sorted(maps.Keys(files)))
	}
	s.edit(`keep = "false"`, `keep = "true"`)
	s.build()
	if text := s.read("README.md"); !strings.Contains(text, `- config_name: "splits_2"`) {
		t.Errorf("the output's name is not told from that of the splits:\n%s", text)
	}
}

// TestHeals loses what the cache remembered of steps: it is made again, of the
// answers that are there, and the documents say the same.
func TestHeals(t *testing.T) {
	s := newShop(t)
	sum := s.build()
	first := s.tree()
	loseTrace := func(k cache.Digest, rec *engine.StepRecord) {
		rec.Trace[0] = cache.Sum([]byte("a blob that is gone"))
		text, err := json.Marshal(rec)
		if err == nil {
			err = s.store.Put(cache.Steps, k, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	loseTask := func(_ cache.Digest, rec *engine.StepRecord) {
		for task, err := range rec.AllTasks(s.store) {
			if err != nil {
				t.Fatal(err)
			}
			if err := s.store.Put(cache.Rows, task.Key, nil); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	for _, tt := range []struct {
		name, step string
		lose       func(cache.Digest, *engine.StepRecord)
	}{
		{"the trace of a component", "simulator.act.runs", loseTrace},
		{"the trace of a distill step", "distill.kept", loseTrace},
		{"the outcome of a task", "judge.grade.mild", loseTask},
	} {
		i := slices.IndexFunc(sum.Steps, func(st engine.StepSummary) bool { return st.Address == tt.step })
		rec, ok, err := engine.LoadStep(s.store, sum.Steps[i].Key)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		tt.lose(sum.Steps[i].Key, rec)
		if err := os.Remove(s.path("README.md")); err != nil {
			t.Fatal(err)
		}
		s.build()
		if c := changed(first, s.tree()); len(c) > 0 || s.asked.Load() > 0 {
			t.Errorf("%s: %v changed, and %d calls were made", tt.name, c, s.asked.Load())
		}
	}
}

// TestForeign meets files that are not ours.
func TestForeign(t *testing.T) {
	s := newShop(t)
	write(t, s.path("README.md"), "mine\n")
	_, err := s.tryBuild()
	var refused *engine.RunError
	if !errors.As(err, &refused) || refused.Code != "foreign_file" || s.asked.Load() != 0 {
		t.Fatalf("%v, after %d calls", err, s.asked.Load())
	}
	if s.read("README.md") != "mine\n" {
		t.Error("a file of the user's was overwritten")
	}
	if err := os.Remove(s.path("README.md")); err != nil {
		t.Fatal(err)
	}
	write(t, s.path("notes.txt"), "mine too\n")
	s.build()
	first := s.tree()

	// An edited document is ours still, and a lost one is made again.
	write(t, s.path("README.md"), "edited\n")
	if err := os.Remove(s.path("croissant.json")); err != nil {
		t.Fatal(err)
	}
	sum := s.build()
	if c := changed(first, s.tree()); len(c) > 0 || sum.Outputs[2].Status != engine.StatusRun || sum.Outputs[0].Status != engine.StatusHit {
		t.Errorf("%v differ; %+v", c, sum.Outputs)
	}

	// What is not asked for any more goes, but for what was changed.
	s.edit("lineage        = true", "")
	s.build()
	if files := s.tree(); files["lineage.jsonl"] != "" || files["notes.txt"] != "mine too\n" {
		t.Errorf("the lineage stayed, or somebody's notes went: %v", slices.Sorted(maps.Keys(files)))
	}
}

// TestLineage holds the lineage to what provenance tells of each row.
func TestLineage(t *testing.T) {
	s := newShop(t)
	e, src, recipe := s.engine("1.2.3")
	sum, err := e.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := provenance.NewBuild(sum, provenance.Info{Version: "1.2.3", Source: src, Recipe: recipe})
	if _, err := provenance.Save(s.store, b); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for line := range strings.Lines(s.read("lineage.jsonl")) {
		var got struct {
			ID     string
			Source struct {
				Step string
				Row  int64
			}
			Path []struct {
				Step  string
				Task  string
				Calls []string
			}
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		if seen[got.ID]++; seen[got.ID] > 1 {
			continue
		}
		want, err := provenance.Lineage(t.Context(), s.store, b, "dataset.d", got.ID)
		if err != nil {
			t.Fatal(err)
		}
		hops := want.Path[1:] // without the dataset
		source := hops[len(hops)-1]
		if source.Address != got.Source.Step || source.Position != got.Source.Row {
			t.Errorf("%s comes from %s %d, not %s %d", got.ID, source.Address, source.Position, got.Source.Step, got.Source.Row)
		}
		for i, h := range slices.Backward(hops[:len(hops)-1]) {
			g := got.Path[len(hops)-2-i]
			if g.Step != h.Address {
				t.Errorf("%s: %s in place of %s", got.ID, g.Step, h.Address)
			}
			if h.Task == nil {
				continue
			}
			var calls []string
			for _, c := range h.Task.Calls {
				calls = append(calls, c.Key)
			}
			if g.Task != h.Task.Key || !slices.Equal(g.Calls, calls) {
				t.Errorf("%s in %s: %s %v, want %s %v", got.ID, g.Step, g.Task, g.Calls, h.Task.Key, calls)
			}
		}
	}
	if len(seen) != 11 {
		t.Errorf("%d rows, want 11: %v", len(seen), seen)
	}
}

// TestWhoJudged takes away the step that gives verdicts: then they came with the
// rows, and the card says that it does not know who gave them.
func TestWhoJudged(t *testing.T) {
	s := newShop(t)
	s.build()
	if text := s.read("README.md"); !strings.Contains(text, "\nGiven by `judge-1`, without people.") || !strings.Contains(text, "What is safe was decided by `judge-1`") {
		t.Errorf("with a judge:\n%s", text)
	}
	s.edit("input = simulator.act.runs", "input = threat_source.lines.src")
	s.rows = `{"id":"a","instruction":"x","outcome":"bias\u202e\u200b","safe_verdict":{"label":"safe"}}
{"id":"b","instruction":"y","outcome":"bias","safe_verdict":{"label":"safe"},"trigger_verdict":{"label":"odd"}}
`
	s.build()
	text := s.read("README.md")
	for _, want := range []string{
		"These verdicts came with the rows of `threat_source.lines.src`; which model or person gave them is not known here.",
		"| the unsafe action (trigger) | 1 | 0 of 1 (0.0 %) | 0 of 1 (0.0 %) | 0 of 1 (0.0 %) | 1 of 1 (100.0 %) |",
		"Verdicts that came with the rows of `threat_source.lines.src` were taken as they are.",
		"2 of 2 (100.0 %) rows rest on records of others",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in the card:\n%s", want, text)
		}
	}
	if strings.Contains(text, "What is safe was decided by") {
		t.Errorf("the card says who decided:\n%s", text)
	}
	if plot := s.read("plots/outcomes.svg"); strings.ContainsAny(plot, "\u202e\u200b") {
		t.Errorf("the plot holds what changes how text is shown:\n%q", plot)
	}
}
