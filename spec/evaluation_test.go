package spec

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

// summariseEvaluation writes out what an evaluation says beside its steps.
func summariseEvaluation(b *strings.Builder, s *Step) {
	e := s.Evaluation
	if e == nil {
		return
	}
	fmt.Fprintf(b, "  protocol %s, scenarios %s, baseline %q, verdict %s, samples %d, k %v, confidence %v, resamples %d, seed %d\n",
		e.Protocol, e.Scenarios.Address, e.Baseline, e.Verdict, e.Samples, e.K, e.Confidence, e.Resamples, e.Seed)
	for _, a := range e.Agents {
		model := "-"
		if a.Model != nil {
			model = a.Model.Name
		}
		fmt.Fprintf(b, "  agent %s with %s: %s, %s\n", a.Name, model, a.Trial.Address, a.Last.Address)
	}
	for _, j := range e.Judges {
		model := "-"
		if j.Model != nil {
			model = j.Model.Name
		}
		fmt.Fprintf(b, "  judge %s %s with %s, counts %t\n", j.Component, j.Name, model, j.Counts)
	}
	for _, g := range e.Groups {
		fmt.Fprintf(b, "  group %s by %s\n", g.Name, exprText(g.By))
	}
	for _, m := range e.Metrics {
		fmt.Fprintf(b, "  metric %s = %s where %s: %s\n", m.Name, exprText(m.Value), exprText(m.Where), m.Doc)
	}
	for _, a := range e.Asserts {
		fmt.Fprintf(b, "  assert %s that %s of %v: %s\n", a.Name, exprText(a.That), a.That.Paths(), a.Message)
	}
	for _, r := range e.References {
		fmt.Fprintf(b, "  reference %s of %s: %v %v\n", r.Name, r.Source, r.Values, r.By)
	}
	if e.Report != nil {
		fmt.Fprintf(b, "  %s %q -> %s\n", e.Report.Address, e.Title, e.Report.Path)
	}
}

// TestEvaluation decodes an evaluation with all that it may have.
func TestEvaluation(t *testing.T) {
	r := decodeDir(t, "testdata/evaluation", Options{})
	golden(t, "testdata/evaluation/summary.txt", summary(r))
	want := `evaluation.next_action.safety.scenarios
evaluation.next_action.safety.agent.plain
evaluation.next_action.safety.agent.plain.judge.gpt
evaluation.next_action.safety.agent.plain.judge.claude
evaluation.next_action.safety.agent.naive
evaluation.next_action.safety.agent.naive.judge.gpt
evaluation.next_action.safety.agent.naive.judge.claude
evaluation.next_action.safety.agent.tuned
evaluation.next_action.safety.agent.tuned.judge.gpt
evaluation.next_action.safety.agent.tuned.judge.claude
evaluation.next_action.safety`
	if got := addresses(r.Steps); !strings.Contains(got, strings.ReplaceAll(want, "\n", " ")) {
		t.Errorf("steps %s", got)
	}
}

// TestEvaluationTwin decodes the same recipe from JSON syntax.
func TestEvaluationTwin(t *testing.T) {
	native := summary(decodeDir(t, "testdata/evaluation", Options{}))
	if got := summary(decodeDir(t, "testdata/evaluation_twin", Options{})); got != native {
		t.Errorf("got:\n%s\nwant:\n%s", got, native)
	}
}

// TestEvaluationChecked decodes the recipe with the notes of an earlier time, as
// it was and edited: what an edit does not concern is not checked again, and a
// mistake is found whatever the notes say.
func TestEvaluationChecked(t *testing.T) {
	tests := []struct{ name, old, new, asked string }{
		{"nothing", "", "", ""},
		{"a metric", "Trials without a call.", "Trials with no call.", ""},
		{"a metric's value", "row.action.tool == ''", "row.action.tool != ''", ""},
		{"an assert", "> 0.2", "> 0.3", ""},
		{"a judge", "repeats = 3", "repeats = 5", "action action action action action action"},
		{"the last judge", "counts = false", "repeats = 5", "action action action"},
		{"an agent", "guard = \"reminder\"", "guard = \"none\"", "action action next_action"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := copyRecipe(t, "testdata/evaluation")
			before, _ := again(t, dir, nil)
			editFile(t, filepath.Join(dir, "recipe.hcl"), tt.old, tt.new)
			after, names := again(t, dir, before.Checked)
			if names != tt.asked {
				t.Errorf("asked %q, want %q", names, tt.asked)
			}
			fresh, _ := again(t, dir, nil)
			if summary(after) != summary(fresh) || !bytes.Equal(after.Checked, fresh.Checked) {
				t.Error("the recipe differs from that of a decode without notes")
			}
		})
	}
	dir := copyRecipe(t, "testdata/evaluation")
	before, _ := again(t, dir, nil)
	for _, edit := range []struct{ old, new string }{
		{"metric \"cautious\"", "metric \"careful\""}, // an assert and a reference name it
		{"agent \"naive\"", "agent \"guarded\""},
		{"judge \"action\" \"gpt\"", "judge \"action\" \"gtp\""},
		{"samples      = 5", "samples      = 1"}, // which takes sec@3 away
	} {
		dir := copyRecipe(t, "testdata/evaluation")
		if strings.HasPrefix(edit.old, "samples") {
			editFile(t, filepath.Join(dir, "recipe.hcl"), "metrics.tuned.sec_at_1", "metrics.tuned.sec_at_3")
		}
		editFile(t, filepath.Join(dir, "recipe.hcl"), edit.old, edit.new)
		src, _ := Parse(dir)
		if _, diags := src.Decode(Options{Registry: fakeRegistry{}, Checked: before.Checked}); !diags.HasErrors() {
			t.Errorf("%s passes", edit.new)
		}
	}
}

// evaluated is a recipe with one evaluation block.
func evaluated(head, body string) string {
	return `
provider "openai" "main" {
  base_url = "https://api.example.com/v1"
}
model "m" {
  provider = provider.openai.main
  name     = "m-1"
}
model "j" {
  provider = provider.openai.main
  name     = "j-1"
}
threat_source "catalog" "pairs" {}
threat_source "catalog" "more" {
  domains = ["web"]
}
simulator "instructions" "cases" {
  input = threat_source.catalog.pairs
  model = model.m
}
simulator "instructions" "others" {
  input = threat_source.catalog.more
  model = model.m
}
dataset "whole" {
  input = [simulator.instructions.cases, simulator.instructions.others]
  output "rows" { path = "dist/whole" }
}
evaluation "next_action" "e" {
` + head + body + "\n}\n"
}

const (
	inputCases = "  input = simulator.instructions.cases\n  model = model.m\n"
	oneAgent   = "  agent \"plain\" {}\n"
)

// TestEvaluationValues checks defaults, and what takes their place.
func TestEvaluationValues(t *testing.T) {
	two := oneAgent + "  agent \"other\" { guard = \"reminder\" }\n"
	tests := []struct{ name, head, body, want string }{
		{"defaults", inputCases, oneAgent, "plain majority 1 [1] 0.95 2000 e"},
		{"samples", inputCases, oneAgent + "  samples = 4", "plain majority 4 [1 3] 0.95 2000 e"},
		{"k", inputCases, oneAgent + "  samples = 4\n  k = [4, 2, 2]", "plain majority 4 [2 4] 0.95 2000 e"},
		{"first agent", inputCases, two, "plain majority 1 [1] 0.95 2000 e"},
		{"baseline", inputCases, two + "  baseline = \"other\"", "other majority 1 [1] 0.95 2000 e"},
		{"no baseline", inputCases, two + "  baseline = null", " majority 1 [1] 0.95 2000 e"},
		{"empty baseline", inputCases, two + "  baseline = \"\"", " majority 1 [1] 0.95 2000 e"},
		{"others", inputCases, oneAgent + "  verdict = \"all\"\n  confidence = 0.9\n  resamples = 500\n  report { path = \"dist/r\" }", "plain all 1 [1] 0.9 500 e"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := find(t, decodeText(t, evaluated(tt.head, tt.body), Options{}), "evaluation.next_action.e").Evaluation
			if got := fmt.Sprint(e.Baseline, " ", e.Verdict, " ", e.Samples, e.K, e.Confidence, e.Resamples, " ", e.Title); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// TestEvaluationInput checks which rows become scenarios.
func TestEvaluationInput(t *testing.T) {
	const cases, both = "simulator.instructions.cases", "simulator.instructions.cases simulator.instructions.others"
	for input, want := range map[string]string{
		"input = simulator.instructions.cases":                                  cases,
		"input = [simulator.instructions.cases, simulator.instructions.others]": both,
		"input = dataset.whole":                                                 both,
		"input = dataset.whole\n split = \"train\"":                             both,
		"input = dataset.whole\n split = null":                                  both,
	} {
		s := find(t, decodeText(t, evaluated(input, "\n  model = model.m\n"+oneAgent), Options{}), "evaluation.next_action.e")
		scenarios := s.Evaluation.Scenarios
		if op := scenarios.Distill[0]; addresses(scenarios.Inputs) != want || op.Split != nil || op.Of != "" || op.N != 0 || op.Kind != OpScenarios {
			t.Errorf("%s: inputs %s, %+v", input, addresses(scenarios.Inputs), op)
		}
		if _, ok := scenarios.Columns.Column("scenario"); !ok {
			t.Errorf("%s: columns %v", input, scenarios.Columns.Names())
		}
		if whole := strings.Contains(input, "dataset"); (s.Evaluation.Dataset != nil) != whole {
			t.Errorf("%s: dataset %v", input, s.Evaluation.Dataset)
		}
	}
}

// TestEvaluationAgents: what stands in the evaluation block holds for agents
// that do not have it themselves, and null is as good as nothing at all.
func TestEvaluationAgents(t *testing.T) {
	r := decodeText(t, evaluated(inputCases, `
  guard = "reminder"
  tool "shared" { reply = "s" }

  agent "plain" {}
  agent "own" {
    model = model.j
    guard = "none"
    tool "own" { reply = "o" }
  }
  agent "unset" { guard = null }
`), Options{})
	for name, want := range map[string]string{
		"plain": `m {"guard":"reminder","model":"model","prompt":"Act on {{ .instruction }}.","samples":1,"tool":[{"reply":"s","tool":"shared"}]}`,
		"own":   `j {"guard":"none","model":"model","prompt":"Act on {{ .instruction }}.","samples":1,"tool":[{"reply":"o","tool":"own"}]}`,
		"unset": `m {"guard":"none","model":"model","prompt":"Act on {{ .instruction }}.","samples":1,"tool":[{"reply":"s","tool":"shared"}]}`,
	} {
		role := find(t, r, "evaluation.next_action.e.agent."+name).Role
		if got := role.Models["model"].Name + " " + string(role.Config); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestEvaluationEnabled: what is not enabled is not there, and not evaluated.
func TestEvaluationEnabled(t *testing.T) {
	text := strings.ReplaceAll(evaluated(inputCases, `
  samples = 2

  agent "plain" {}
  agent "tuned" {
    enabled = ON
    model   = model.tuned
    prompt  = file("prompts/tuned.tmpl")
  }
  judge "action" "first" {
    enabled = ON
    model   = model.tuned
  }
  judge "action" "second" {
    model = model.j
  }
  human "alice" {
    enabled = ON
    path    = "labels/alice.csv"
  }
  group "outcome" {
    enabled = ON
    by      = "row.outcome"
  }
  metric "own" {
    enabled = ON
    value   = "row.first.label == 'safe'"
  }
  assert "own" {
    enabled = ON
    that    = "metrics.tuned.own.value > 0.5"
  }
  reference "paper" {
    source = "A table"
    values = {
      plain = { sec_at_1 = 0.2, sec_at_5 = 0.1, own = 0.3, pass_hat_3 = null }
      tuned = { sec_at_1 = 0.7, sec_at_5_unbiased = 0.5 }
    }
  }
  reference "other" {
    enabled = ON
    source  = "Another table"
    values  = {}
  }
  report {
    enabled = ON
    path    = "dist/report"
  }
`), "ON", "var.on") + `
variable "on" {}
finetune "openai" "t" {
  enabled    = var.on
  input      = dataset.trained
  provider   = provider.openai.main
  base_model = "b"
}
dataset "trained" {
  input = simulator.instructions.others
  output "openai_sft" { path = "dist/trained" }
}
model "tuned" { provider = finetune.openai.t }
`
	dir := writeRecipe(t, text)
	steps := func(r *Recipe) string {
		s := strings.ReplaceAll(addresses(r.Steps), "evaluation.next_action.e", "e")
		return s[strings.Index(s, "e.scenarios"):]
	}
	r := decodeDir(t, dir, Options{Vars: []string{"on=false"}})
	if got := steps(r); got != "e.scenarios e.agent.plain e.agent.plain.judge.second e" {
		t.Errorf("steps %s", got)
	}
	e := find(t, r, "evaluation.next_action.e").Evaluation
	if len(e.Humans)+len(e.Metrics)+len(e.Asserts) != 0 || e.Report != nil || len(e.Groups) != 2 || fmt.Sprint(e.References[0].Values) != "map[plain:map[sec_at_1:0.2]]" || len(e.References) != 1 {
		t.Errorf("%+v", e)
	}
	writeFile(t, filepath.Join(dir, "labels", "alice.csv"), "")
	writeFile(t, filepath.Join(dir, "prompts", "tuned.tmpl"), "Act.")
	src, _ := Parse(dir)
	r, diags := src.Decode(Options{Registry: fakeRegistry{}, Vars: []string{"on=true"}})
	if len(diags) != 1 || diags[0].Summary != "Agent judges itself" {
		t.Fatal(diags)
	}
	if got := steps(r); got != "e.scenarios e.agent.plain e.agent.plain.judge.first e.agent.plain.judge.second e.agent.tuned e.agent.tuned.judge.first e.agent.tuned.judge.second e" {
		t.Errorf("steps %s", got)
	}
	e = find(t, r, "evaluation.next_action.e").Evaluation
	if len(e.Humans)+len(e.Metrics)+len(e.Asserts)+len(e.Groups) != 4 || e.Report == nil || len(e.References) != 2 || fmt.Sprint(e.References[0].Values) != "map[plain:map[own:0.3 sec_at_1:0.2] tuned:map[sec_at_1:0.7]]" {
		t.Errorf("%+v", e)
	}
}

// TestEvaluationForEach: an evaluation with keys makes all its steps for each.
func TestEvaluationForEach(t *testing.T) {
	text := evaluated(`
  for_each  = { a = model.m, b = model.j }
  input     = simulator.instructions.cases
  enabled   = ENABLED
  model     = each.value
  scenarios = length(each.key)
`, `
  agent "plain" {}
  judge "rubric" "quality" {
    model  = model.third
    prompt = "${each.key} {{ .row.instruction }}"
  }
  metric "own" { value = "row.instruction == '${each.key}'" }
  assert "own" { that = "metrics.plain.own.value > 0.5" }
  report { path = "dist/${each.key}" }
`) + `
model "third" {
  provider = provider.openai.main
  name     = "third-1"
}
distill "all" { input = evaluation.next_action.e }
distill "b" { input = evaluation.next_action.e["b"] }
`
	r := decodeText(t, strings.Replace(text, "ENABLED", "true", 1), Options{})
	for _, key := range []string{"a", "b"} {
		addr := fmt.Sprintf("evaluation.next_action.e[%q]", key)
		e := find(t, r, addr).Evaluation
		if e.Report.Path != "dist/"+key || e.Report.Address != addr+".report" || e.Metrics[0].Value.Text() != "row.instruction == '"+key+"'" {
			t.Errorf("%s: %s at %s, %s", addr, e.Report.Path, e.Report.Address, e.Metrics[0].Value.Text())
		}
		if op := find(t, r, addr+".scenarios").Distill[0]; op.N != 1 {
			t.Errorf("%d scenarios", op.N)
		}
		judge := find(t, r, addr+".agent.plain.judge.quality")
		if addresses(judge.Inputs) != addr+".agent.plain" || !strings.Contains(string(judge.Role.Config), key+" {{") {
			t.Errorf("%s of %s: %s", judge.Address, addresses(judge.Inputs), judge.Role.Config)
		}
	}
	if got := addresses(find(t, r, "distill.all").Inputs); got != `evaluation.next_action.e["a"] evaluation.next_action.e["b"]` {
		t.Errorf("figures of %s", got)
	}
	if got := addresses(find(t, r, "distill.b").Inputs); got != `evaluation.next_action.e["b"]` {
		t.Errorf("figures of %s", got)
	}
	r = decodeText(t, strings.Replace(text, "ENABLED", `each.key == "b"`, 1), Options{})
	if got := addresses(r.Steps); strings.Contains(got, `["a"]`) || !strings.Contains(got, `["b"].agent.plain.judge.quality evaluation`) {
		t.Errorf("steps %s", got)
	}
}

// TestEvaluationOfEach: an evaluation for each of several datasets.
func TestEvaluationOfEach(t *testing.T) {
	r := decodeText(t, strings.Replace(evaluated(`
  for_each = dataset.by
  input    = each.value
  split    = each.key == "web" ? "test" : "train"
  model    = model.m
`, oneAgent), `dataset "whole" {`, `dataset "by" {
  for_each = toset(["web", "finance"])
  input    = simulator.instructions.cases
  split {
    ratios = { train = 0.5, test = 0.5 }
    seed   = length(each.key)
  }
  output "rows" { path = "dist/by/${each.key}" }
}
dataset "whole" {`, 1), Options{})
	for key, split := range map[string]string{"web": "test", "finance": "train"} {
		op := find(t, r, fmt.Sprintf("evaluation.next_action.e[%q].scenarios", key)).Distill[0]
		if op.Of != split || op.Split.Seed != int64(len(key)) || op.Split.By == nil {
			t.Errorf("%s: %+v of %+v", key, op, op.Split)
		}
	}
}

// oddJudges has judges that no evaluation can have, and an evaluation of a plugin.
type oddJudges struct{ fakeRegistry }

func (r oddJudges) Component(role schema.Role, label string) (*schema.Component, PluginRef, bool) {
	name, ours := strings.CutPrefix(label, "acme_")
	if !ours || role != schema.Judge && role != schema.Evaluation {
		return r.fakeRegistry.Component(role, label)
	}
	c, _, ok := r.fakeRegistry.Component(role, name)
	switch label {
	case "acme_rubric":
		c.Writes = c.Writes[:0]
	case "acme_action":
		c.Config.Attributes = append(c.Config.Attributes, schema.Attribute{Name: countsArgument, Type: cty.Bool})
	}
	return c, PluginRef{Name: "acme", Source: "github.com/acme/autosafe-plugin-acme", Version: "1.0.0", Digest: "00"}, ok
}

// TestEvaluationPlugins: components of plugins are named with the plugin's name,
// and a judge that an evaluation can do nothing with cannot be used.
func TestEvaluationPlugins(t *testing.T) {
	acme := strings.Replace(evaluated(inputCases, oneAgent), `evaluation "next_action"`, `evaluation "acme_next_action"`, 1)
	s := find(t, decodeText(t, acme, Options{Registry: oddJudges{}}), "evaluation.acme_next_action.e.agent.plain")
	if s.Role.Plugin.Name != "acme" || s.Role.Component.Name != "next_action" {
		t.Errorf("%+v of %+v", s.Role.Component, s.Role.Plugin)
	}
	lacking := strings.Replace(acme, "input = simulator.instructions.cases\n  model = model.m\n  agent", "input = threat_source.catalog.pairs\n  model = model.m\n  agent", 1)
	if got := failText(t, lacking, Options{Registry: oddJudges{}}); !strings.Contains(got, `evaluation "acme_next_action" reads the column "instruction"`) {
		t.Error(got)
	}
	for judge, want := range map[string]string{"action": `has an argument "counts" of its own`, "rubric": "writes no column that is named after its"} {
		clash := evaluated(inputCases, oneAgent+"  judge \"acme_"+judge+"\" \"x\" { model = model.j }\n")
		if got := failText(t, clash, Options{Registry: oddJudges{}}); !strings.Contains(got, want) {
			t.Error(got)
		}
	}
}

// TestEvaluationHumans finds the files of people's labels.
func TestEvaluationHumans(t *testing.T) {
	dir := writeRecipe(t, evaluated(inputCases, oneAgent+`
  human "alice" { path = "labels/alice.csv" }
  human "others" { path = ["labels/*.jsonl"] }
`))
	for _, name := range []string{"alice.csv", "bob.jsonl", "carol.jsonl"} {
		writeFile(t, filepath.Join(dir, "labels", name), "")
	}
	humans := find(t, decodeDir(t, dir, Options{}), "evaluation.next_action.e").Evaluation.Humans
	if len(humans) != 2 || humans[0].Name != "alice" || len(humans[0].Files) != 1 || len(humans[1].Files) != 2 || humans[1].Files[1].Name != "labels/carol.jsonl" {
		t.Errorf("%+v", humans)
	}
}

// TestEvaluationFigures: a dataset can have an evaluation's figures as its rows.
func TestEvaluationFigures(t *testing.T) {
	r := decodeText(t, evaluated(inputCases, oneAgent)+`
dataset "figures" {
  input = evaluation.next_action.e
  output "rows" { path = "dist/figures" }
}
`, Options{})
	got := fmt.Sprint(find(t, r, "dataset.figures").Columns.Names())
	if got != "[agent gain gain_high gain_low group high hits id key low method metric n note p type value]" {
		t.Error(got)
	}
}

// TestEvaluationMetrics: the names hang on k alone, and the recipe's come last.
func TestEvaluationMetrics(t *testing.T) {
	got := EvaluationMetrics([]int{1, 3}, []string{"mine"})
	if !slices.Equal(got[:7], []string{"sec_at_1", "sec_at_3", "sec_at_1_unbiased", "sec_at_3_unbiased", "pass_hat_1", "pass_hat_3", "unsafe_rate"}) || got[len(got)-1] != "mine" {
		t.Error(got)
	}
	if sorted := slices.Sorted(slices.Values(got)); len(slices.Compact(sorted)) != len(got) {
		t.Errorf("%v has a name twice", got)
	}
}

// TestAssertPaths: an assert says which figures it reads, and which it asks for.
func TestAssertPaths(t *testing.T) {
	for that, want := range map[string]string{
		"metrics.tuned.f1.value > metrics.plain.f1.value":           "[plain.f1.value tuned.f1.value] []",
		"has(metrics.plain.f1.p) && metrics.plain.f1.p < 0.1":       "[plain.f1.p] [plain.f1.p]",
		"!has(metrics.plain.f1.p) || metrics.tuned.f1.p < 0.1":      "[plain.f1.p tuned.f1.p] [plain.f1.p]",
		"metrics['plain'].f1.low > 0.1":                             "[plain.f1.low] []",
		"metrics.plain == metrics.tuned":                            "[plain tuned] []",
		"[metrics.plain.f1].exists(f, f.value > 0.5)":               "[plain.f1] []",
		"[metrics.plain, metrics.tuned].all(a, a.f1.value > 0.5)":   "[plain tuned] []",
		"metrics.plain.f1.value > 0.5 && metrics.plain.f1.n >= 100": "[plain.f1.n plain.f1.value] []",
		"1 < 2": "[] []",
	} {
		e, err := CompileAssert(that, []string{"plain", "tuned"}, []string{"f1"})
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(e.Paths(), e.Asked()); got != want {
			t.Errorf("%s: %s, want %s", that, got, want)
		}
	}
}

// TestAssert evaluates asserts over figures: one that is not there fails the
// assert, unless the assert asks whether it is.
func TestAssert(t *testing.T) {
	figures := testRow{
		"plain": `{"sec_at_1":{"value":0.25,"low":0.1,"high":0.4,"n":8,"gain":null,"p":null},"useful_rate":{"value":null,"n":0},"kappa":null}`,
		"tuned": `{"sec_at_1":{"value":1,"low":0.6,"high":1,"n":8,"gain":0.75,"gain_low":0.4,"gain_high":1,"p":0.01}}`,
	}
	tests := []struct{ that, want string }{
		{"metrics.tuned.sec_at_1.value > metrics.plain.sec_at_1.high", "true"},
		{"metrics.tuned.sec_at_1.value - metrics.plain.sec_at_1.value == 0.75", "true"},
		{"metrics.plain.sec_at_1.n >= 9", "false"},
		{"metrics.plain.useful_rate.value < 0.5", `expression "metrics.plain.useful_rate.value" (agent "plain"): it has no value`},
		{"metrics.plain.useful_rate.value == 0", "it has no value"},
		{"metrics.plain.useful_rate.value == null", "it has no value"},
		{"metrics.plain.sec_at_1.gain >= 0.0", "it has no value"},
		{"metrics.plain.sec_at_1.gain_low >= 0.0", "it has no value"}, // absent
		{"metrics.plain.kappa.value >= 0.0", "it has no value"},       // of a figure that is null
		{"metrics.tuned.kappa.value >= 0.0", "it has no value"},       // of one that is absent
		{"metrics['plain'].useful_rate.value >= 0.0", "it has no value"},
		{"[metrics.plain, metrics.tuned].all(a, a.useful_rate.value >= 0.0)", "it has no value"},
		{"has(metrics.plain.useful_rate.value)", "false"},
		{"has(metrics.tuned.kappa.value) || has(metrics.tuned.kappa)", "false"},
		{"has(metrics.tuned.sec_at_1.p) && metrics.tuned.sec_at_1.p < 0.05", "true"},
		{"!has(metrics.plain.useful_rate.value) || metrics.plain.useful_rate.value > 0.5", "true"},
		{"has(metrics.plain.useful_rate.value) ? metrics.plain.useful_rate.value > 0.5 : false", "false"},
		{"metrics.plain.useful_rate.value > 0.5 || metrics.tuned.sec_at_1.value > 0.5", "true"}, // whatever it is
		{"metrics.plain.useful_rate.value > 0.5 && metrics.tuned.sec_at_1.value > 0.5", "it has no value"},
		{"metrics.nobody.sec_at_1.value > 0.5", "Unknown agent"},
		{"metrics.plain.sec_at_9.value > 0.5", "Unknown metric"},
		{"metrics.plain.sec_at_1.val > 0.5", "Unknown figure"},
		{"metrics.plain.sec_at_1.value", "true or false"},
	}
	for _, tt := range tests {
		got := ""
		e, err := CompileAssert(tt.that, []string{"plain", "tuned"}, EvaluationMetrics([]int{1}, nil))
		if err == nil {
			var ok bool
			ok, err = e.EvalBool(figures)
			got = fmt.Sprint(ok)
		}
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s, want %s", tt.that, got, tt.want)
		}
	}
}
