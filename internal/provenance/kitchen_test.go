package provenance

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/ots"
	"github.com/autosafe/autosafe/spec/schema"
)

var update = flag.Bool("update", false, "write the golden files anew")

// kitchen is a recipe on disk, with a cache, that is built for real by an
// engine whose components run in this process.
type kitchen struct {
	t     *testing.T
	dir   string
	store *cache.Store
	files map[string]string
	vars  []string
	clock time.Time
	plug  spec.PluginRef

	binary     bool // components declare no behaviour: their binary counts
	outputAsks bool // the output makes a call for each row
}

const mainFile = `
variable "samples" {
  type    = number
  default = 2
}
provider "openai" "main" {
  base_url = "http://127.0.0.1:1/v1"
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
  samples  = var.samples
  prompt   = file("prompts/act.tmpl")
  on_error = "drop"
}
distill "kept" {
  input = simulator.act.runs
  filter "verified" {
    keep = "row.safe_verdict.label == 'safe'"
  }
  dedupe "instructions" {
    by = "row.instruction + row.answer"
  }
}
dataset "d" {
  input = distill.kept
  split {
    by     = "row.instruction"
    ratios = { train = 0.5, test = 0.5 }
    seed   = 1
  }
  output "rows" { path = "dist" }
}
`

const promptFile = "You are an agent.\nBe careful.\nNever delete anything.\nAnswer in one line.\n"

// sourceRows are rows of which one is dropped, one fails, and one becomes two.
const sourceRows = `{"id":"a","instruction":"book a room","note":"n"}
{"id":"b","instruction":"evil: wipe the disk","note":"n"}
{"id":"c","instruction":"drop this","note":"n"}
{"id":"d","instruction":"fail here","note":"n"}
{"id":"e","instruction":"twice please","note":"n"}
`

func newKitchen(t *testing.T) *kitchen {
	t.Helper()
	k := &kitchen{t: t, dir: t.TempDir(), clock: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), plug: spec.PluginRef{Source: "builtin"}}
	k.files = map[string]string{"main.hcl": mainFile, "prompts/act.tmpl": promptFile, "rows.jsonl": sourceRows}
	k.open()
	t.Cleanup(func() { k.store.Close() })
	return k
}

func (k *kitchen) open() {
	k.t.Helper()
	store, err := cache.Open(filepath.Join(k.dir, "cache"), cache.Options{})
	if err != nil {
		k.t.Fatal(err)
	}
	k.store = store
}

// edit replaces a text in a file of the recipe.
func (k *kitchen) edit(name, old, with string) {
	k.t.Helper()
	if !strings.Contains(k.files[name], old) {
		k.t.Fatalf("%s does not hold %q", name, old)
	}
	k.files[name] = strings.ReplaceAll(k.files[name], old, with)
}

func (k *kitchen) decode() (*spec.Source, *spec.Recipe) {
	k.t.Helper()
	for name, text := range k.files {
		path := filepath.Join(k.dir, "recipe", filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			k.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			k.t.Fatal(err)
		}
	}
	src, diags := spec.Parse(filepath.Join(k.dir, "recipe"))
	if diags.HasErrors() {
		k.t.Fatal(diags)
	}
	recipe, diags := src.Decode(spec.Options{Registry: registry{k}, Vars: k.vars})
	if diags.HasErrors() {
		k.t.Fatal(diags)
	}
	return src, recipe
}

func (k *kitchen) engine(recipe *spec.Recipe) *engine.Engine {
	return engine.New(engine.Options{Recipe: recipe, Store: k.store, Runner: cook{k}})
}

// build builds and records, whatever comes of it.
func (k *kitchen) build() *Build {
	k.t.Helper()
	src, recipe := k.decode()
	sum, _ := k.engine(recipe).Build(context.Background())
	k.clock = k.clock.Add(time.Minute)
	b := NewBuild(sum, Info{Version: "1.0.0", Source: src, Recipe: recipe, Began: k.clock})
	b.Seconds = 1
	if _, err := Save(k.store, b); err != nil {
		k.t.Fatal(err)
	}
	return b
}

func (k *kitchen) why(address, rowID string) *WhyReport {
	k.t.Helper()
	r, err := k.whyErr(address, rowID)
	if err != nil {
		k.t.Fatal(err)
	}
	return r
}

func (k *kitchen) whyErr(address, rowID string) (*WhyReport, error) {
	k.t.Helper()
	_, recipe := k.decode()
	last, _, err := Last(k.store, recipe.Dir)
	if err != nil {
		k.t.Fatal(err)
	}
	plan, err := k.engine(recipe).Plan(context.Background())
	if err != nil {
		k.t.Fatal(err)
	}
	return Why(context.Background(), k.store, Question{Recipe: recipe, Plan: plan, Last: last, Address: address, Row: rowID})
}

func (k *kitchen) lineage(b *Build, address, id string) *LineageReport {
	k.t.Helper()
	r, err := Lineage(context.Background(), k.store, b, address, id)
	if err != nil {
		k.t.Fatal(err)
	}
	return r
}

func (k *kitchen) diff(a, b *Build) *DiffReport {
	k.t.Helper()
	r, err := Diff(context.Background(), k.store, a, b)
	if err != nil {
		k.t.Fatal(err)
	}
	return r
}

// registry has a source, a simulator and an output.
type registry struct{ *kitchen }

func (r registry) Component(role schema.Role, label string) (*schema.Component, spec.PluginRef, bool) {
	c, ok := components()[string(role)+"."+label]
	if r.binary {
		c.BehaviorVersion = ""
	}
	return &c, r.plug, ok
}
func (registry) Labels(schema.Role) []string { return nil }
func (registry) Validate(spec.PluginRef, schema.Role, string, []byte) ([]schema.Diagnostic, error) {
	return nil, nil
}

func components() map[string]schema.Component {
	verdict := cty.Object(map[string]cty.Type{"label": cty.String, "outcome": cty.String, "reason": cty.String})
	model := func(name string) schema.Attribute {
		return schema.Attribute{Name: name, Type: cty.String, Kind: schema.Model, Required: true, Doc: "a model."}
	}
	return map[string]schema.Component{
		"threat_source.lines": {Role: schema.ThreatSource, Name: "lines", BehaviorVersion: "1", WritesOpen: true,
			Writes: []schema.Column{{Name: "instruction", Type: cty.String}},
			Config: schema.Block{Attributes: []schema.Attribute{{Name: "path", Type: cty.DynamicPseudoType, Kind: schema.Files, Required: true, Doc: "files."}}}},
		"simulator.act": {Role: schema.Simulator, Name: "act", BehaviorVersion: "3",
			Reads: []schema.Column{{Name: "instruction", Type: cty.String}},
			Writes: []schema.Column{{Name: "answer", Type: cty.String}, {Name: "safe_verdict", Type: verdict},
				{Name: "attempts", Type: cty.List(cty.Object(map[string]cty.Type{"verdict": verdict}))}},
			Config: schema.Block{Attributes: []schema.Attribute{model("agent"), model("judge"),
				{Name: "samples", Type: cty.Number, Kind: schema.Samples, Default: cty.NumberIntVal(1)},
				{Name: "prompt", Type: cty.String, Kind: schema.Template}}}},
		"output.rows": {Role: schema.Output, Name: "rows", BehaviorVersion: "1", ReadsAll: true},
	}
}

// cook is the Runner.
type cook struct{ *kitchen }

func (c cook) Start(_ context.Context, s engine.RunSpec) (engine.Run, error) {
	return &dish{kitchen: c.kitchen, spec: s, results: make(chan engine.Result, 1<<14)}, nil
}

type dish struct {
	*kitchen
	spec    engine.RunSpec
	results chan engine.Result
	out     []engine.Task
	wrote   bool
	made    atomic.Int64
	cached  atomic.Int64
	tokens  atomic.Int64
}

func (d *dish) Send(tasks []engine.Task) error {
	for _, t := range tasks {
		if d.spec.Role == schema.Output {
			d.out = append(d.out, t)
			if d.outputAsks {
				d.results <- engine.Result{Seq: t.Seq, Calls: []string{d.keep("agent-1", "output", cache.Sum(t.Row), "a summary", nil, 0)}}
			}
			continue
		}
		res := d.act(t)
		res.Seq = t.Seq
		d.results <- res
	}
	return nil
}

func (d *dish) CloseSend() error {
	if d.spec.Role != schema.ThreatSource {
		close(d.results)
		return nil
	}
	var config struct{ Path []schema.File }
	if err := json.Unmarshal(d.spec.Config, &config); err != nil {
		return err
	}
	text, err := os.ReadFile(config.Path[0].Path)
	if err != nil {
		return err
	}
	go func() {
		defer close(d.results)
		n := 0
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			if !strings.Contains(line, `"origin"`) {
				line = strings.TrimSuffix(line, "}") + fmt.Sprintf(`,"origin":{"source":"lines","file":%q,"index":%d,"licence":"MIT"}}`, config.Path[0].Name, n)
			}
			d.results <- engine.Result{Seq: uint64(n), Rows: [][]byte{[]byte(line)}}
			n++
		}
	}()
	return nil
}

func (d *dish) Recv() (engine.RunEvent, error) {
	if res, ok := <-d.results; ok {
		return engine.RunEvent{Results: []engine.Result{res}}, nil
	}
	if d.spec.Role != schema.Output || d.wrote {
		return engine.RunEvent{}, io.EOF
	}
	d.wrote = true
	var b []byte
	for _, t := range d.out {
		b = fmt.Appendf(b, "%s %s\n", t.Split, t.Row)
	}
	return engine.RunEvent{Artifact: &engine.Artifact{Path: "rows.jsonl", Rows: int64(len(d.out))}},
		os.WriteFile(filepath.Join(d.spec.WorkDir, "rows.jsonl"), b, 0o644)
}

func (d *dish) Counts() engine.CallCounts {
	return engine.CallCounts{Made: d.made.Load(), Cached: d.cached.Load(), OutputTokens: d.tokens.Load(), CostUSD: float64(d.tokens.Load()) * 2e-6}
}
func (d *dish) Close() error { return nil }

// act is the simulator: the agent answers, the judge judges.
func (d *dish) act(t engine.Task) engine.Result {
	var in struct{ Instruction string }
	var config struct{ Prompt string }
	_ = json.Unmarshal(t.Row, &in)
	_ = json.Unmarshal(d.spec.Config, &config)
	answer := fmt.Sprintf("answer %d to %s", t.Sample%2, in.Instruction)
	agent := d.ask("agent", t.Sample, answer, "system", config.Prompt, "user", in.Instruction)
	res := engine.Result{Calls: []string{agent}}
	switch {
	case strings.HasPrefix(in.Instruction, "drop"):
		res.Dropped = "unsolved"
		return res
	case strings.HasPrefix(in.Instruction, "fail"):
		res.Err = &engine.RowError{Code: "invalid_reply", Summary: "the reply does not fit", Detail: "no JSON"}
		return res
	}
	v := ots.Verdict{Label: ots.Safe, Reason: "it books a room"}
	if strings.HasPrefix(in.Instruction, "evil") && t.Sample == 1 {
		v = ots.Verdict{Label: ots.Unsafe, Outcome: "data_loss", Reason: "it wipes the disk"}
	}
	res.Calls = append(res.Calls, d.ask("judge", 0, v.Reason, "user", answer))
	for i := range 1 + strings.Count(in.Instruction, "twice") {
		row, _ := json.Marshal(map[string]any{"answer": fmt.Sprint(answer, i), "safe_verdict": v, "attempts": []any{map[string]any{"verdict": v}}})
		res.Rows = append(res.Rows, row)
	}
	return res
}

// ask keeps an answer as package llm does, if there is none yet.
func (d *dish) ask(slot string, sample int, answer string, messages ...string) string {
	m := d.spec.Models[slot]
	var list []map[string]string
	for pair := range slices.Chunk(messages, 2) {
		list = append(list, map[string]string{"role": pair[0], "content": pair[1]})
	}
	body := map[string]any{"model": m.ID, "messages": list}
	if m.Temperature != nil {
		body["temperature"] = *m.Temperature
	}
	request, _ := json.Marshal(body)
	return d.keep(m.ID, slot, cache.Sum(fmt.Append(request, sample)), answer, request, sample)
}

// keep stores an answer, if there is none yet, and gives its key.
func (d *dish) keep(model, slot string, key cache.Digest, answer string, request []byte, sample int) string {
	if request == nil {
		request = []byte(`{"model":"` + model + `"}`)
	}
	if _, err := d.store.Get(cache.Calls, key); err == nil {
		d.cached.Add(1)
		return key.String()
	}
	record, _ := json.Marshal(llm.Record{Format: "autosafe.answer/1", Key: key.String(), Endpoint: "the endpoint http://127.0.0.1:1/v1",
		Purpose: slot, Sample: sample, Request: request, Millis: 20,
		Answer: llm.Answer{Content: answer, FinishReason: "stop", Usage: llm.Usage{InputTokens: 100, OutputTokens: 10}}})
	if err := d.store.Put(cache.Calls, key, record); err != nil {
		panic(err)
	}
	d.made.Add(1)
	if slot == "agent" {
		d.tokens.Add(10)
	}
	return key.String()
}

// golden holds a report against testdata/NAME.json.
func golden(t *testing.T, name string, report any) {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(report); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.MkdirAll("testdata", 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := diffText(string(want), b.String()); d != nil {
		t.Errorf("%s (-update writes it anew):\n%s", path, unified(d))
	}
}

var digest = regexp.MustCompile(`[0-9a-f]{64}`)

// neutral takes folders, ids, digests and times out of a report, for goldens.
func (k *kitchen) neutral(report any, builds ...*Build) any {
	k.t.Helper()
	b, err := json.Marshal(report)
	if err != nil {
		k.t.Fatal(err)
	}
	text := strings.ReplaceAll(string(b), k.dir, "DIR")
	for i, build := range builds {
		text = strings.ReplaceAll(text, build.ID, fmt.Sprintf("BUILD%d", i+1))
	}
	known := map[string]string{}
	text = digest.ReplaceAllStringFunc(text, func(d string) string {
		if known[d] == "" {
			known[d] = fmt.Sprintf("#%d", len(known)+1)
		}
		return known[d]
	})
	return json.RawMessage(text)
}
