package provenance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/spec"
)

// TestWhy edits one thing after a build and holds what is said of it, before
// the next build and after it, against goldens.
func TestWhy(t *testing.T) {
	for _, c := range []struct {
		name    string
		edit    func(*kitchen)
		address string
		row     string
		built   bool // ask after the next build
	}{
		{"prompt_pending", editPrompt, "simulator.act.runs", "a.1", false},
		{"prompt_upstream", editPrompt, "dataset.d", "", false},
		{"prompt_upstream_row", editPrompt, "distill.kept", "a.1", false},
		{"prompt_built", editPrompt, "simulator.act.runs", "a.1", true},
		{"row_pending", editRow, "distill.kept", "", false},
		{"row_built", editRow, "distill.kept", "a.0", true},
		{"row_built_task", editRow, "simulator.act.runs", "a", true},
		{"row_built_source", editRow, "threat_source.lines.src", "a", true},
		{"row_unchanged", editRow, "simulator.act.runs", "e.1-1", true},
		{"row_dropped", editRow, "simulator.act.runs", "c.1", true},
		{"filter_added", func(k *kitchen) {
			k.edit("main.hcl", "  dedupe", "  filter \"new\" {\n    keep = \"row.answer.size() > 0 && row.answer.size() < 100\"\n  }\n  dedupe")
		}, "distill.kept", "b.1", false},
		{"filter_edited", func(k *kitchen) { k.edit("main.hcl", "== 'safe'", "!= 'safe'") }, "distill.kept", "b.1", true},
		{"split", func(k *kitchen) { k.edit("main.hcl", "train = 0.5, test = 0.5", "train = 0.9, test = 0.1") }, "dataset.d", "", false},
		{"split_built", func(k *kitchen) { k.edit("main.hcl", "train = 0.5, test = 0.5", "train = 0.9, test = 0.1") }, "dataset.d", "", true},
		{"samples", func(k *kitchen) { k.vars = []string{"samples=3"} }, "simulator.act.runs", "b", false},
		{"step_between", func(k *kitchen) {
			k.edit("main.hcl", "  input = distill.kept", "  input = distill.more")
			k.files["more.hcl"] = "distill \"more\" {\n  input = distill.kept\n  limit \"one\" { max = 1 }\n}\n"
		}, "dataset.d", "", false},
		{"nothing", func(*kitchen) {}, "simulator.act.runs", "a.0", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKitchen(t)
			builds := []*Build{k.build()}
			c.edit(k)
			if c.built {
				builds = append(builds, k.build())
			}
			r := k.why(c.address, c.row)
			r.Status, r.Reason = "", "" // the plan's own words
			for i := range r.Outputs {
				r.Outputs[i].Status, r.Outputs[i].Reason = "", ""
			}
			golden(t, "why_"+c.name, k.neutral(r, builds...))
		})
	}
}

func editPrompt(k *kitchen) {
	k.edit("prompts/act.tmpl", "Be careful.", "Be very careful.")
	k.edit("main.hcl", "temperature = 0.5", "temperature = 0.7")
}

func editRow(k *kitchen) { k.edit("rows.jsonl", "book a room", "book two rooms") }

// TestWhyBeforeAnyBuild: there is nothing to compare with, which is said.
func TestWhyBeforeAnyBuild(t *testing.T) {
	k := newKitchen(t)
	r := k.why("simulator.act.runs", "")
	if !r.Pending || r.Before != nil || len(r.Parts)+len(r.Causes) > 0 || len(r.Notes) != 1 {
		t.Errorf("%+v", r)
	}
}

func TestWhyOfWhatIsNotThere(t *testing.T) {
	k := newKitchen(t)
	k.build()
	if _, err := k.whyErr("distill.none", ""); err == nil {
		t.Error("a step that is not there is explained")
	}
	for _, address := range []string{"simulator.act.runs", "distill.kept", "threat_source.lines.src", "dataset.d"} {
		if _, err := k.whyErr(address, "no\x1bsuch"); !errors.As(err, new(*NoRowError)) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestWhyBackToAnEarlierState: what is asked for was made two builds ago.
func TestWhyBackToAnEarlierState(t *testing.T) {
	k := newKitchen(t)
	k.build()
	editPrompt(k)
	last := k.build()
	k.files["prompts/act.tmpl"] = promptFile
	k.edit("main.hcl", "temperature = 0.7", "temperature = 0.5")
	r := k.why("simulator.act.runs", "")
	if r.Pending || r.Before == nil || r.Before.ID != last.ID || r.After != nil || len(r.Parts) != 2 {
		t.Errorf("%+v", r)
	}
}

// TestWhyFindsTheBuildThatChangedIt: builds that left the step alone are
// passed over.
func TestWhyFindsTheBuildThatChangedIt(t *testing.T) {
	k := newKitchen(t)
	first := k.build()
	editPrompt(k)
	second := k.build()
	for _, text := range []string{"# one\n", "# two\n"} {
		k.files["main.hcl"] += text
		k.build()
	}
	r := k.why("simulator.act.runs", "")
	if r.Pending || r.Before == nil || r.Before.ID != first.ID || r.After == nil || r.After.ID != second.ID {
		t.Errorf("%+v", r)
	}
}

// TestWhyWithoutWhatIsStored: whatever is gone is said, and nothing breaks.
func TestWhyWithoutWhatIsStored(t *testing.T) {
	for _, kind := range []cache.Kind{cache.Steps, cache.Rows, cache.Calls, cache.Blobs, cache.Builds} {
		t.Run(kind.String(), func(t *testing.T) {
			k := newKitchen(t)
			k.build()
			editPrompt(k)
			editRow(k)
			last := k.build()
			k.lose(kind)
			for _, s := range last.Steps {
				for _, id := range []string{"", "a", "a.1", "b.1", "e.1-1", "zz"} {
					if _, err := k.whyErr(s.Address, id); err != nil && !errors.As(err, new(*NoRowError)) {
						t.Errorf("%s %s: %v", s.Address, id, err)
					}
				}
			}
		})
	}
}

// TestWhyOfAnotherPlugin: the plugin's version and what of its code counts are
// told.
func TestWhyOfAnotherPlugin(t *testing.T) {
	k := newKitchen(t)
	k.binary, k.plug = true, spec.PluginRef{Source: "github.com/acme/p", Version: "1.0.0", Digest: "00aa"}
	k.build()
	k.plug.Version, k.plug.Digest = "1.1.0", "00bb"
	r := k.why("simulator.act.runs", "")
	i := slices.IndexFunc(r.Parts, func(p PartDiff) bool { return p.Kind == PartCode })
	if i < 0 || r.Parts[i].Before != "version 1.0.0, binary 00aa" || r.Parts[i].After != "version 1.1.0, binary 00bb" {
		t.Errorf("%+v", r.Parts)
	}
}

// TestPartKinds: each part is shown in the way that fits it.
func TestPartKinds(t *testing.T) {
	for _, c := range []struct {
		name, before, after string
		want                PartKind
	}{
		{"code", "behavior 1", "binary 00ff", PartCode},
		{"input", "00", "01", PartInput},
		{"config.prompt", "be careful", "be very careful", PartText},
		{"config.prompt", "be careful", `"quoted"`, PartText},
		{"config.mix", `{"a":0.1}`, `{"a":0.2}`, PartJSON},
		{"config.rules", `"one"`, `"two"`, PartJSON},
		{"model.agent", `{}`, `{"model":"m"}`, PartJSON},
		{"op.0.filter", `{"keep":"true"}`, `{"keep":"false"}`, PartJSON},
		{"map.instruction", "record.a", "record.b", PartText},
		{"files.path", "\"a\" 00\n", "\"a\" 01\n", PartFiles},
		{"files.path", "\"a\" 00\nnonsense\n\"", "\x00", PartFiles},
		{"seed", "1", "2", PartPlain},
		{"reads", "a,b", "a,c", PartPlain},
	} {
		d := diffPart(c.name, []byte(c.before), []byte(c.after))
		if d.Kind != c.want || d.Change != changeChanged {
			t.Errorf("%s from %q to %q: %s", c.name, c.before, c.after, d.Kind)
		}
		shown := map[PartKind]bool{
			PartText: d.Text != nil, PartJSON: len(d.Values) > 0, PartFiles: d.Files != nil,
			PartCode: d.Before != d.After, PartInput: d.Before != d.After, PartPlain: d.Before != d.After,
		}
		if !shown[d.Kind] {
			t.Errorf("%s from %q to %q: nothing to show", c.name, c.before, c.after)
		}
	}
}

// TestDiffJSON compares values place by place.
func TestDiffJSON(t *testing.T) {
	long := strings.Repeat("word ", 30)
	for _, c := range []struct{ name, before, after, want string }{
		{"equal", `{"a":[1,2]}`, `{"a":[1,2]}`, ""},
		{"a number", `{"temperature":0.5}`, `{"temperature":0.7}`, "temperature 0.5 -> 0.7"},
		{"added", `{}`, `{"a":{"b":null}}`, `a  -> {"b":null}`},
		{"null is not nothing", `{"a":null}`, `{}`, "a null -> "},
		{"another type", `{"a":[1]}`, `{"a":{"b":1}}`, `a [1] -> {"b":1}`},
		{"an element in front", `["b","c"]`, `["a","b","c"]`, `[0]  -> "a"`},
		{"an element changed", `{"l":[{"x":1},{"x":2}]}`, `{"l":[{"x":1},{"x":3}]}`, "l[1].x 2 -> 3"},
		{"odd names", `{"a b":{"":1}}`, `{"a b":{"":2}}`, `["a b"][""] 1 -> 2`},
		{"large numbers", `12345678901234567890`, `12345678901234567891`, " 12345678901234567890 -> 12345678901234567891"},
		{"long texts", `{"p":"` + long + `x"}`, `{"p":"` + long + `y"}`, "p +1 -1"},
		{"no JSON", "a {", "b {", ` "a {" -> "b {"`},
	} {
		var got []string
		for _, v := range diffJSON([]byte(c.before), []byte(c.after)) {
			if v.Text != nil {
				got = append(got, fmt.Sprintf("%s +%d -%d", v.Path, v.Text.Added, v.Text.Removed))
				continue
			}
			got = append(got, v.Path+" "+v.Before+" -> "+v.After)
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	many := `[` + strings.Repeat("1,", 200) + `1]`
	if list := diffJSON([]byte(many), []byte(strings.ReplaceAll(many, "1", "2"))); len(list) != maxValues+1 {
		t.Errorf("%d places", len(list))
	}
}

// lose takes all records of a kind from the cache, but for the builds that
// the test holds.
func (k *kitchen) lose(kind cache.Kind) {
	k.t.Helper()
	k.collect(func(other cache.Kind, _ cache.Digest) bool { return other != kind })
}
