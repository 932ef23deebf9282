package publish_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/internal/provenance"
	"github.com/autosafe/autosafe/internal/publish"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/ots"
	"github.com/autosafe/autosafe/spec/schema"
)

// shop is a recipe on disk with a cache, built by an engine whose components
// run in this process.
type shop struct {
	t      *testing.T
	dir    string
	store  *cache.Store
	recipe string
	rows   string
	asked  atomic.Int64 // answers that were not in the cache
	ran    atomic.Int64 // components started
}

const shopRecipe = `
variable "count" {
  type    = number
  default = 2
}
provider "openai" "main" {
  base_url = "https://models.example/v1"
  api_key  = "sk-secret-0123456789"
}
model "agent" {
  provider    = provider.openai.main
  name        = "agent-1"
  temperature = 0.5
  price {
    input  = 1
    output = 2
  }
}
model "judge" {
  provider = provider.openai.main
  name     = "judge-1"
}
threat_source "lines" "src" {
  path = "rows.jsonl"
}
simulator "act" "runs" {
  input    = threat_source.lines.src
  agent    = model.agent
  judge    = model.judge
  samples  = var.count
  on_error = "drop"
}
judge "grade" "strict" {
  input = simulator.act.runs
  model = model.judge
}
judge "grade" "mild" {
  input = judge.grade.strict
  model = model.agent
}
distill "kept" {
  input = judge.grade.mild
  filter "verified" {
    keep = "row.safe_verdict.label == 'safe'"
  }
  filter "all" {
    keep = "true"
  }
}
dataset "d" {
  input = distill.kept
  split {
    by     = "row.instruction"
    ratios = { train = 0.6, test = 0.4 }
    seed   = 1
  }
  card {
    path           = "dist"
    pretty_name    = "A | shop's rows"
    licence        = "cc-by-4.0"
    language       = ["en", "fr"]
    description    = "Rows of a shop."
    intended_use   = "Tests."
    limitations    = "It is small."
    creator        = { name = "Ada", url = "https://ada.example" }
    url            = "https://data.example/shop"
    tags           = ["shop"]
    date_published = "2026-11-21"
    lineage        = true
  }
  output "rows" { path = "dist/rows" }
  output "safe_sft" { path = "dist/sft" }
}
`

// shopRows are rows of which one is dropped, one fails, one becomes two, and one
// must not be trained on.
const shopRows = `{"id":"a","instruction":"book a room","outcome":"data_loss","kind":"scenario","scenario_class":"N-N"}
{"id":"b","instruction":"evil: wipe the disk","outcome":"data_loss","kind":"scenario","scenario_class":"M-N"}
{"id":"c","instruction":"drop this","outcome":"ethics","kind":"scenario","scenario_class":"N-N"}
{"id":"d","instruction":"fail here","outcome":"ethics","kind":"scenario","scenario_class":"N-N"}
{"id":"e","instruction":"twice please","outcome":"ethics","kind":"scenario","scenario_class":"N-M"}
{"id":"f","instruction":"held back","outcome":"bias|<b>\u0001","kind":"ordinary","origin":{"source":"bench","file":"held.json","index":0,"licence":"GPL-3.0","eval_only":true}}
{"id":"g","instruction":"say hello","outcome":"ethics","kind":"ordinary"}
`

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{t: t, dir: t.TempDir(), recipe: shopRecipe, rows: shopRows}
	s.open("cache")
	t.Cleanup(func() { s.store.Close() })
	return s
}

func (s *shop) open(name string) {
	s.t.Helper()
	if s.store != nil {
		s.store.Close()
	}
	store, err := cache.Open(filepath.Join(s.dir, name), cache.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.store = store
}

// edit replaces a text in the recipe.
func (s *shop) edit(old, with string) {
	s.t.Helper()
	if !strings.Contains(s.recipe, old) {
		s.t.Fatalf("the recipe does not hold %q", old)
	}
	s.recipe = strings.ReplaceAll(s.recipe, old, with)
}

func (s *shop) engine(version string) (*engine.Engine, *spec.Source, *spec.Recipe) {
	s.t.Helper()
	dir := filepath.Join(s.dir, "recipe")
	write(s.t, filepath.Join(dir, "main.hcl"), s.recipe)
	write(s.t, filepath.Join(dir, "rows.jsonl"), s.rows)
	src, diags := spec.Parse(dir)
	if diags.HasErrors() {
		s.t.Fatal(diags)
	}
	recipe, diags := src.Decode(spec.Options{Registry: registry{}})
	if diags.HasErrors() {
		s.t.Fatal(diags)
	}
	docs := publish.New(func() (publish.Options, error) {
		return publish.Options{Store: s.store, Version: version, Recipe: provenance.RecipeOf(src, recipe), Lock: cache.Sum([]byte("lock"))}, nil
	})
	return engine.New(engine.Options{Recipe: recipe, Store: s.store, Runner: counter{s}, Documents: docs}), src, recipe
}

// build builds, and gives the summary.
func (s *shop) build() *engine.Summary {
	s.t.Helper()
	sum, err := s.tryBuild()
	if err != nil {
		s.t.Fatal(err)
	}
	return sum
}

func (s *shop) tryBuild() (*engine.Summary, error) {
	e, _, _ := s.engine("1.2.3")
	s.asked.Store(0)
	s.ran.Store(0)
	return e.Build(context.Background())
}

func (s *shop) path(name string) string {
	return filepath.Join(s.dir, "recipe", "dist", filepath.FromSlash(name))
}

func (s *shop) read(name string) string {
	s.t.Helper()
	b, err := os.ReadFile(s.path(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

// tree is every file below the card's folder.
func (s *shop) tree() map[string]string {
	s.t.Helper()
	files := map[string]string{}
	root := s.path("")
	err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(root, path)
		files[filepath.ToSlash(rel)] = string(b)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return files
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// registry has the components of the shop.
type registry struct{}

func (registry) Component(role schema.Role, label string) (*schema.Component, spec.PluginRef, bool) {
	c, ok := components()[string(role)+"."+label]
	return &c, spec.PluginRef{Source: "builtin"}, ok
}
func (registry) Labels(schema.Role) []string { return nil }
func (registry) Validate(spec.PluginRef, schema.Role, string, []byte) ([]schema.Diagnostic, error) {
	return nil, nil
}

func components() map[string]schema.Component {
	verdict := cty.Object(map[string]cty.Type{"label": cty.String, "outcome": cty.String, "reason": cty.String})
	score := cty.Object(map[string]cty.Type{"score": cty.Number, "reason": cty.String})
	model := func(name string) schema.Attribute {
		return schema.Attribute{Name: name, Type: cty.String, Kind: schema.Model, Required: true, Doc: "a model."}
	}
	text := []schema.Column{{Name: "instruction", Type: cty.String}}
	return map[string]schema.Component{
		"threat_source.lines": {Role: schema.ThreatSource, Name: "lines", BehaviorVersion: "1", WritesOpen: true, Writes: text,
			Config: schema.Block{Attributes: []schema.Attribute{{Name: "path", Type: cty.DynamicPseudoType, Kind: schema.Files, Required: true, Doc: "files."}}}},
		"simulator.act": {Role: schema.Simulator, Name: "act", BehaviorVersion: "3", Reads: text,
			Writes: []schema.Column{{Name: "safe_verdict", Type: verdict}, {Name: "trigger_verdict", Type: verdict},
				{Name: "attempts", Type: cty.List(cty.Object(map[string]cty.Type{"verdict": verdict}))}},
			Config: schema.Block{Attributes: []schema.Attribute{model("agent"), model("judge"),
				{Name: "samples", Type: cty.Number, Kind: schema.Samples, Default: cty.NumberIntVal(1)}}}},
		"judge.grade": {Role: schema.Judge, Name: "grade", BehaviorVersion: "2", Reads: text, Writes: []schema.Column{{Name: schema.BlockName, Type: score}},
			Config: schema.Block{Attributes: []schema.Attribute{model("model")}}},
		"output.rows":     {Role: schema.Output, Name: "rows", BehaviorVersion: "1", ReadsAll: true},
		"output.safe_sft": {Role: schema.Output, Name: "safe_sft", BehaviorVersion: "1", ReadsAll: true},
	}
}

// counter is the Runner.
type counter struct{ *shop }

func (c counter) Start(_ context.Context, s engine.RunSpec) (engine.Run, error) {
	c.ran.Add(1)
	return &run{shop: c.shop, spec: s, results: make(chan engine.Result, 1<<12), lines: map[string][]byte{}, count: map[string]int64{}}, nil
}

type run struct {
	*shop
	spec    engine.RunSpec
	results chan engine.Result
	mu      sync.Mutex
	lines   map[string][]byte // of an output, by split
	count   map[string]int64
}

func (r *run) Send(tasks []engine.Task) error {
	for _, t := range tasks {
		res := engine.Result{}
		switch {
		case r.spec.Role == schema.Output:
			res.Dropped = r.put(t)
			if res.Dropped == "" {
				continue
			}
		case r.spec.Role == schema.Judge:
			res = r.grade(t)
		default:
			res = r.act(t)
		}
		res.Seq = t.Seq
		r.results <- res
	}
	return nil
}

// put writes a row; safe_sft has no place for those held back.
func (r *run) put(t engine.Task) (dropped string) {
	line := append(t.Row[:len(t.Row):len(t.Row)], '\n')
	if r.spec.Component == "safe_sft" {
		var in struct{ Origin ots.Origin }
		_ = json.Unmarshal(t.Row, &in)
		if in.Origin.EvalOnly {
			return "eval_only"
		}
		line = []byte(`{"messages":[],"n":1,"share":0.5,"sure":true}` + "\n")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines[t.Split] = append(r.lines[t.Split], line...)
	r.count[t.Split]++
	return ""
}

func (r *run) CloseSend() error {
	defer close(r.results)
	if r.spec.Role != schema.ThreatSource {
		return nil
	}
	n := 0
	for line := range strings.Lines(r.rows) {
		if line = strings.TrimSpace(line); !strings.Contains(line, `"origin"`) {
			line = strings.TrimSuffix(line, "}") + fmt.Sprintf(`,"origin":{"source":"lines","file":"rows.jsonl","index":%d,"licence":"MIT"}}`, n)
		}
		r.results <- engine.Result{Seq: uint64(n), Rows: [][]byte{[]byte(line)}}
		n++
	}
	return nil
}

func (r *run) Recv() (engine.RunEvent, error) {
	if res, ok := <-r.results; ok {
		return engine.RunEvent{Results: []engine.Result{res}}, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for split, text := range r.lines {
		delete(r.lines, split)
		name := split + ".jsonl"
		return engine.RunEvent{Artifact: &engine.Artifact{Path: name, Rows: r.count[split], MediaType: "application/jsonl"}},
			os.WriteFile(filepath.Join(r.spec.WorkDir, name), text, 0o644)
	}
	return engine.RunEvent{}, io.EOF
}

func (r *run) Counts() engine.CallCounts { return engine.CallCounts{} }
func (r *run) Close() error              { return nil }

// act is the simulator: the agent answers, the judge judges.
func (r *run) act(t engine.Task) engine.Result {
	var in struct{ Instruction string }
	_ = json.Unmarshal(t.Row, &in)
	res := engine.Result{Calls: []string{r.ask("agent", t.Sample, in.Instruction)}}
	switch {
	case strings.HasPrefix(in.Instruction, "drop"):
		res.Dropped = "unsolved"
		return res
	case strings.HasPrefix(in.Instruction, "fail"):
		res.Err = &engine.RowError{Code: "invalid_reply", Summary: "the reply does not fit"}
		return res
	}
	safe := ots.Verdict{Label: ots.Safe, Reason: "it does no harm"}
	bad := ots.Verdict{Label: ots.Unsafe, Outcome: "data_loss", Reason: "it harms"}
	if strings.HasPrefix(in.Instruction, "evil") && t.Sample == 1 {
		safe = ots.Verdict{Label: ots.Invalid, Reason: "?"}
	}
	res.Calls = append(res.Calls, r.ask("judge", t.Sample, in.Instruction))
	row, _ := json.Marshal(map[string]any{"safe_verdict": safe, "trigger_verdict": bad, "attempts": []any{map[string]any{"verdict": bad}, map[string]any{"verdict": safe}}})
	for range 1 + strings.Count(in.Instruction, "twice") {
		res.Rows = append(res.Rows, row)
	}
	return res
}

// grade is a judge: two blocks of it differ in one row.
func (r *run) grade(t engine.Task) engine.Result {
	var in struct{ Instruction string }
	_ = json.Unmarshal(t.Row, &in)
	score := 2
	if strings.HasPrefix(in.Instruction, "say") && strings.HasSuffix(r.spec.Address, "strict") {
		score = 1
	}
	row := fmt.Appendf(nil, `{"$block":{"reason":"r","score":%d}}`, score)
	return engine.Result{Rows: [][]byte{row}, Calls: []string{r.ask("model", 0, r.spec.Address+in.Instruction)}}
}

// ask keeps an answer as package llm does, if there is none yet.
func (r *run) ask(slot string, sample int, text string) string {
	m := r.spec.Models[slot]
	request, _ := json.Marshal(map[string]any{"model": m.ID, "messages": []any{map[string]string{"role": "user", "content": text}}})
	k := cache.Sum(fmt.Append(request, sample))
	if _, err := r.store.Get(cache.Calls, k); err == nil {
		return k.String()
	}
	r.asked.Add(1)
	record, _ := json.Marshal(llm.Record{Format: "autosafe.answer/1", Key: k.String(), Endpoint: "the endpoint " + m.Provider.BaseURL, Identity: m.Provider.Identity(),
		Purpose: slot, Sample: sample, Request: request, Millis: 20,
		Answer: llm.Answer{Content: "an answer", FinishReason: "stop", Usage: llm.Usage{InputTokens: 1000, OutputTokens: 100, Estimated: m.ID == "judge-1"}}})
	if err := r.store.Put(cache.Calls, k, record); err != nil {
		panic(err)
	}
	return k.String()
}
