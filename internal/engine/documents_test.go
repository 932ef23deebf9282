package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/internal/key"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// clerk makes documents: of how many rows there are, and what it is told.
type clerk struct {
	says  string
	extra bool // a second file
	wrote int
	err   error
}

func (c *clerk) Names(*spec.Card) []string { return []string{"README.md"} }

func (c *clerk) Parts(*spec.Card) (key.List, error) {
	var list key.List
	list.AddString("says", c.says)
	return list, nil
}

func (c *clerk) Write(_ context.Context, d *Dataset, dir string) ([]Artifact, error) {
	c.wrote++
	if c.err != nil {
		return nil, c.err
	}
	text := c.says + "\n"
	rows := map[string]int{}
	for r, err := range d.All() {
		if err != nil {
			return nil, err
		}
		rows[r.Split]++
	}
	for _, s := range d.Steps {
		text += fmt.Sprintf("%s %d\n", s.Address, s.Record.Rows)
	}
	for _, o := range d.Outputs {
		text += fmt.Sprintf("%s %d files, rows %v of %d\n", o.Path, len(o.Record.Files), rows, d.Rows)
	}
	names := []string{"README.md"}
	if c.extra {
		names = append(names, "more/extra.txt")
	}
	var files []Artifact
	for _, name := range names {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			return nil, err
		}
		files = append(files, Artifact{Path: name})
	}
	return files, nil
}

// documented builds the pipe with a card, and says what became of it.
func documented(t *testing.T, p *pipe, c *clerk) (*Summary, error) {
	t.Helper()
	return documentedEngine(p, c).Build(t.Context())
}

func documentedEngine(p *pipe, c *clerk) *Engine {
	r := p.recipe()
	data := r.Steps[len(r.Steps)-1].Dataset
	data.Outputs[0].Path = "dist/rows"
	data.Card = &spec.Card{Output: spec.OutputBody{
		Address: "dataset.d.output.card", Path: "dist",
		Role: spec.RoleBody{Component: &schema.Component{Role: schema.Output, Name: spec.CardFormat}},
	}}
	return New(Options{Recipe: r, Store: p.store, Runner: p.fake, Documents: c})
}

func mustDocument(t *testing.T, p *pipe, c *clerk) OutputSummary {
	t.Helper()
	sum, err := documented(t, p, c)
	if err != nil {
		t.Fatal(err)
	}
	return sum.Outputs[len(sum.Outputs)-1]
}

// TestDocuments writes documents once, again when what they tell of changed, and
// never otherwise.
func TestDocuments(t *testing.T) {
	p := newPipe(t, `{"id":"a","n":1}`, `{"id":"b","n":2}`)
	c := &clerk{says: "one"}
	readme := filepath.Join(p.dir, "dist", "README.md")
	step := func(what string, wrote int, status Status) {
		t.Helper()
		before := c.wrote
		out := mustDocument(t, p, c)
		if c.wrote-before != wrote || out.Status != status || out.Format != spec.CardFormat || out.Address != "dataset.d" {
			t.Errorf("%s: written %d times, want %d; %+v", what, c.wrote-before, wrote, out)
		}
		text, err := os.ReadFile(readme)
		if err != nil || !strings.HasPrefix(string(text), c.says+"\n") || !strings.Contains(string(text), "of 4\n") {
			t.Errorf("%s: %q, %v", what, text, err)
		}
	}
	step("at first", 1, StatusRun)
	p.fake.taken()
	step("nothing to do", 0, StatusHit)
	c.says = "two"
	step("other text", 1, StatusRun)
	c.says = "one"
	step("the text before", 1, StatusRun) // it is known, yet not in place
	if err := os.Remove(readme); err != nil {
		t.Fatal(err)
	}
	step("a lost file", 1, StatusRun)
	if err := os.WriteFile(readme, []byte("edited"), 0o666); err != nil {
		t.Fatal(err)
	}
	step("an edited file", 1, StatusRun)
	if started, _ := p.fake.taken(); len(started) > 0 {
		t.Errorf("components were started for documents: %v", started)
	}
	c.extra = true
	c.says = "with more"
	step("a second file", 1, StatusRun)
	extra := filepath.Join(p.dir, "dist", "more", "extra.txt")
	if _, err := os.Stat(extra); err != nil {
		t.Error(err)
	}
	c.extra = false
	c.says = "with less"
	step("none again", 1, StatusRun)
	if _, err := os.Stat(extra); err == nil {
		t.Error("a file that is written no more stayed")
	}
	p.filter = "row.big > 0" // keeps the same rows, by another step
	step("another step", 1, StatusRun)
}

// TestDocumentsRefused meets a file of the user's before anything runs, and says
// so in the plan.
func TestDocumentsRefused(t *testing.T) {
	p := newPipe(t, `{"id":"a","n":1}`)
	c := &clerk{says: "one"}
	readme := filepath.Join(p.dir, "dist", "README.md")
	if err := os.MkdirAll(filepath.Dir(readme), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(readme, []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	plan, err := documentedEngine(p, c).Plan(t.Context())
	if err != nil || len(plan.Refusals) != 1 {
		t.Fatalf("the plan refuses %v (%v)", plan.Refusals, err)
	}
	_, err = documented(t, p, c)
	var refused *RunError
	if !errors.As(err, &refused) || refused.Code != "foreign_file" || refused.Address != "dataset.d.output.card" {
		t.Fatalf("%v", err)
	}
	if started, _ := p.fake.taken(); len(started) > 0 || c.wrote > 0 {
		t.Errorf("started %v, written %d times", started, c.wrote)
	}
	if text, _ := os.ReadFile(readme); string(text) != "mine" {
		t.Error("a file of the user's was overwritten")
	}
}

// TestDocumentsFail keeps the outputs when documents cannot be made.
func TestDocumentsFail(t *testing.T) {
	p := newPipe(t, `{"id":"a","n":1}`)
	c := &clerk{says: "one", err: errors.New("no ink")}
	sum, err := documented(t, p, c)
	if err == nil || !strings.Contains(err.Error(), "no ink") || sum.OK || len(sum.Outputs) != 1 {
		t.Fatalf("%v, %+v", err, sum)
	}
	if left, _ := filepath.Glob(filepath.Join(p.dir, "dist", workPrefix+"*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	c.err = nil
	if out := mustDocument(t, p, c); out.Status != StatusRun {
		t.Errorf("%+v", out)
	}
}

// TestTaskCalls reads what the whole record has.
func TestTaskCalls(t *testing.T) {
	p := newPipe(t, `{"id":"a","n":1}`)
	k := strings.Repeat("ab", 32)
	p.fake.work = func(t Task) Result {
		r := echo(t)
		r.Calls = []string{k, "a plugin may name anything"}
		return r
	}
	sum, err := p.engine().Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rec, ok, err := LoadStep(p.store, sum.Steps[1].Key)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	for task, err := range rec.AllTasks(p.store) {
		if err != nil {
			t.Fatal(err)
		}
		calls, ok, err := TaskCalls(p.store, task.Key)
		if err != nil || !ok || len(calls) != 1 || calls[0].String() != k {
			t.Errorf("%v %v %v", calls, ok, err)
		}
	}
	if _, ok, err := TaskCalls(p.store, [32]byte{1}); ok || err != nil {
		t.Errorf("a task that is not there: %v, %v", ok, err)
	}
}
