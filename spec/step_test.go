package spec

import (
	"fmt"
	"strings"
	"testing"
)

const offlineModelText = `
provider "offline" "demo" { seed = 7 }
model "m" { provider = provider.offline.demo }
`

func addresses(steps []*Step) string {
	var list []string
	for _, s := range steps {
		list = append(list, s.Address)
	}
	return strings.Join(list, " ")
}

func find(t *testing.T, r *Recipe, addr string) *Step {
	t.Helper()
	for _, s := range r.Steps {
		if s.Address == addr {
			return s
		}
	}
	t.Fatalf("no step %s among %s", addr, addresses(r.Steps))
	return nil
}

func TestForEach(t *testing.T) {
	r := decodeText(t, offlineModelText+`
threat_source "catalog" "by" {
  for_each = toset(["web", "finance"])
  domains  = [each.key]
  seed     = length(each.value)
}
simulator "instructions" "cases" {
  for_each = threat_source.catalog.by
  enabled  = each.key != "none"
  input    = each.value
  model    = model.m
}
distill "all" { input = threat_source.catalog.by }
distill "some" { input = [simulator.instructions.cases["web"], threat_source.catalog.by["finance"]] }
simulator "instructions" "models" {
  for_each = { a = model.m }
  input    = distill.all
  model    = each.value
}
dataset "d" {
  for_each = threat_source.catalog.by
  input    = each.value
  output "rows" { path = "dist/${each.key}" }
  output "rows" { path = "more/${each.key}" }
}
`, Options{})
	for addr, inputs := range map[string]string{
		`simulator.instructions.cases["web"]`:     `threat_source.catalog.by["web"]`,
		`simulator.instructions.cases["finance"]`: `threat_source.catalog.by["finance"]`,
		`distill.all`:                        `threat_source.catalog.by["finance"] threat_source.catalog.by["web"]`,
		`distill.some`:                       `simulator.instructions.cases["web"] threat_source.catalog.by["finance"]`,
		`simulator.instructions.models["a"]`: `distill.all`,
		`dataset.d["web"]`:                   `threat_source.catalog.by["web"]`,
	} {
		if got := addresses(find(t, r, addr).Inputs); got != inputs {
			t.Errorf("%s has inputs %s, want %s", addr, got, inputs)
		}
	}
	source := find(t, r, `threat_source.catalog.by["finance"]`)
	if source.Seed != 7 || string(source.Role.Config) != `{"domains":["finance"],"outcomes":null}` || source.Name != "by" {
		t.Errorf("%s: seed %d, config %s", source.Address, source.Seed, source.Role.Config)
	}
	outputs := find(t, r, `dataset.d["web"]`).Dataset.Outputs
	if outputs[0].Address != `dataset.d["web"].output.rows` || outputs[1].Address != `dataset.d["web"].output.rows.2` || outputs[1].Path != "more/web" {
		t.Errorf("outputs %s at %s, %s", outputs[0].Address, outputs[1].Address, outputs[1].Path)
	}
}

// TestOrder checks that inputs come first however the blocks stand.
func TestOrder(t *testing.T) {
	r := decodeText(t, `
distill "a" { input = distill.b }
distill "b" { input = [distill.c, threat_source.catalog.z] }
distill "c" { input = threat_source.catalog.z }
threat_source "catalog" "z" {}
`, Options{})
	if got := addresses(r.Steps); got != "threat_source.catalog.z distill.c distill.b distill.a" {
		t.Errorf("order %s", got)
	}
}

func TestDisabled(t *testing.T) {
	r := decodeText(t, `
variable "more" { default = false }
provider "openai" "main" { api_key = env("NOT_SET") }
model "m" {
  provider = provider.openai.main
  name     = env("NOT_SET_EITHER")
}
threat_source "catalog" "a" {}
threat_source "catalog" "b" { enabled = var.more }
threat_source "catalog" "c" {
  for_each = toset(["x", "y"])
  enabled  = each.key == "y"
}
simulator "instructions" "off" {
  enabled = var.more
  input   = threat_source.catalog.b
  model   = model.m
  prompt  = file("not/there")
}
distill "d" { input = [threat_source.catalog.a, threat_source.catalog.b, threat_source.catalog.c, simulator.instructions.off] }
`, Options{})
	if got := addresses(r.Steps); got != `threat_source.catalog.a threat_source.catalog.c["y"] distill.d` {
		t.Errorf("steps %s", got)
	}
	if len(r.Models) != 0 {
		t.Errorf("%d models are in use", len(r.Models))
	}
}

// TestUnusedBlocksAreChecked: what is wrong whatever the environment holds is
// reported, though no step uses the model.
func TestUnusedBlocksAreChecked(t *testing.T) {
	got := failText(t, `
provider "openai" "main" {
  api_key = env("NOT_SET")
  retries = "many"
}
model "m" {
  provider    = provider.openai.main
  name        = env("NOT_SET")
  temperature = "hot"
}
`, Options{})
	if !strings.Contains(got, `"retries" takes`) || !strings.Contains(got, `"temperature" takes`) || strings.Contains(got, "NOT_SET is") {
		t.Error(got)
	}
}

func TestPolicies(t *testing.T) {
	for text, want := range map[string]string{
		``:                  "fail 0 0 0",
		`max_failures = 3`:  "fail 3 0 0",
		`on_error = "drop"`: "drop -1 0 0",
		"on_error = \"drop\"\n  max_failures = 0":   "drop 0 0 0",
		"seed = 9007199254740992\n  generation = 2": "fail 0 9007199254740992 2",
		"seed = null\n  on_error = null":            "fail 0 0 0",
	} {
		for _, block := range []string{`threat_source "catalog" "a" {`, "distill \"a\" {\n  input = threat_source.catalog.z"} {
			r := decodeText(t, "threat_source \"catalog\" \"z\" {}\n"+block+"\n  "+text+"\n}\n", Options{})
			for _, s := range r.Steps {
				got := fmt.Sprintf("%s %d %d %d", s.OnError, s.MaxFailures, s.Seed, s.Generation)
				if s.Name == "a" && got != want {
					t.Errorf("%s %q: %s, want %s", block, text, got, want)
				}
			}
		}
	}
}

// TestColumns checks how columns flow through steps.
func TestColumns(t *testing.T) {
	r := decodeText(t, offlineModelText+`
threat_source "catalog" "closed" {}
threat_source "jsonl" "open" { path = "recipe.hcl" }
threat_source "jsonl" "mapped" {
  path = ["*.hcl"]
  map  = { instruction = "record.prompt", "odd name" = "1 + 1" }
}
distill "union" { input = [threat_source.catalog.closed, threat_source.jsonl.mapped] }
distill "wide" { input = [threat_source.catalog.closed, threat_source.jsonl.open] }
judge "rubric" "quality" {
  input  = distill.union
  model  = model.m
  prompt = "Score {{ .row.instruction }}"
  schema = {
    type = "object"
    properties = {
      score = { type = "integer" }
      tags  = { type = "array", items = { type = "string" } }
      free  = { type = ["string", "null"] }
      any   = {}
    }
  }
}
judge "rubric" "whole" {
  input = distill.wide
  model = model.m
}
distill "last" {
  input = judge.rubric.quality
  filter "x" { keep = "row.quality.score > 2 && row.quality.tags.all(t, t != row.quality.free)" }
}
`, Options{})
	for addr, want := range map[string]string{
		"threat_source.catalog.closed": "[domain id outcome toolkits tools] false",
		"threat_source.jsonl.open":     "[id] true",
		"threat_source.jsonl.mapped":   "[id instruction odd name] false",
		"distill.union":                "[domain id instruction odd name outcome toolkits tools] false",
		"distill.wide":                 "[domain id outcome toolkits tools] true",
		"judge.rubric.quality":         "[domain id instruction odd name outcome quality toolkits tools] false",
	} {
		c := find(t, r, addr).Columns
		if got := fmt.Sprint(c.Names(), c.Open); got != want {
			t.Errorf("%s has %s, want %s", addr, got, want)
		}
	}
	if col, _ := find(t, r, "distill.union").Columns.Column("instruction"); !col.Optional {
		t.Error("a column that one input lacks is not optional")
	}
	quality, whole := find(t, r, "judge.rubric.quality"), find(t, r, "judge.rubric.whole")
	if got := fmt.Sprintln(quality.Role.Reads, quality.Role.ReadsAll, quality.Role.BlockColumn); got != "[instruction] false quality\n" {
		t.Errorf("quality reads %s", got)
	}
	if whole.Role.Reads != nil || !whole.Role.ReadsAll {
		t.Errorf("whole reads %v, all %t", whole.Role.Reads, whole.Role.ReadsAll)
	}
	col, _ := quality.Columns.Column("quality")
	if got := col.Type.GoString(); got != `cty.Object(map[string]cty.Type{"any":cty.DynamicPseudoType, "free":cty.String, "score":cty.Number, "tags":cty.List(cty.String)})` {
		t.Errorf("quality has the type %s", got)
	}
}

// TestConditionalReference: references may be chosen by conditions.
func TestConditionalReference(t *testing.T) {
	text := offlineModelText + `
variable "big" { default = true }
model "big" {
  provider = provider.offline.demo
  name     = "big-1"
}
threat_source "catalog" "a" {}
simulator "instructions" "i" {
  input = threat_source.catalog.a
  model = var.big ? model.big : model.m
}
`
	for value, want := range map[string]string{"true": "big-1", "false": "offline-1"} {
		r := decodeText(t, text, Options{Vars: []string{"big=" + value}})
		if got := r.Models; len(got) != 1 || got[0].ID != want || got[0].Provider.Identity() != "offline/1 seed=7" {
			t.Errorf("big = %s: %s", value, asJSON(got))
		}
	}
}
