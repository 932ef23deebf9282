package provenance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
)

func ids(builds []Build) (list []string) {
	for _, b := range builds {
		list = append(list, b.ID)
	}
	return list
}

func TestRecordOfABuild(t *testing.T) {
	k := newKitchen(t)
	b := k.build()
	if !b.OK || !isID(b.ID) {
		t.Fatalf("build %q: %s", b.ID, b.Error)
	}
	stored, ok, err := Last(k.store, k.dir+"/recipe")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	for i := range stored.Steps {
		stored.Steps[i].Seconds = 0
	}
	golden(t, "build", k.neutral(stored, stored))
	for _, f := range stored.Recipe.Files {
		content, err := k.store.Blob(f.Digest)
		if err != nil || len(content) == 0 || strings.Contains(string(content), "sk-secret") {
			t.Errorf("%s: %v: %s", f.Name, err, content)
		}
	}
	for i, s := range stored.Steps {
		if s.StepSummary.Key != b.Steps[i].Key {
			t.Errorf("%s has lost its key", s.Address)
		}
	}
}

// TestNothingDoneIsNotRecorded: a build that made no call, wrote nothing and
// came to the same gets the id of the one before; anything else is a build of
// its own.
func TestNothingDoneIsNotRecorded(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*kitchen)
		same bool
	}{
		{"nothing", func(*kitchen) {}, true},
		{"a moment later", func(k *kitchen) { k.clock = k.clock.AddDate(1, 0, 0) }, true},
		{"the cache opened again", func(k *kitchen) { k.store.Close(); k.open() }, true},
		{"a comment", func(k *kitchen) { k.files["main.hcl"] += "# so\n" }, false},
		{"a secret", func(k *kitchen) { k.edit("main.hcl", "sk-secret-0123456789", "sk-other-9876543210") }, true},
		{"a variable", func(k *kitchen) { k.vars = []string{"samples=1"} }, false},
		{"a filter that keeps the same", func(k *kitchen) { k.edit("main.hcl", "== 'safe'", "!= 'unsafe'") }, false},
		{"an output that was removed", func(k *kitchen) { os.Remove(filepath.Join(k.dir, "recipe", "dist", "rows.jsonl")) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKitchen(t)
			first := k.build()
			c.edit(k)
			second := k.build()
			if (first.ID == second.ID) != c.same {
				t.Errorf("builds %s and %s", first.ID, second.ID)
			}
			builds, err := List(k.store)
			want := []string{second.ID, first.ID}
			if c.same {
				want = want[1:]
			}
			if diff := cmp.Diff(want, ids(builds)); diff != "" || err != nil {
				t.Error(err, diff)
			}
		})
	}
}

func TestFind(t *testing.T) {
	k := newKitchen(t)
	var builds []*Build
	for i := range 3 {
		k.files["main.hcl"] += fmt.Sprintf("# %d\n", i)
		builds = append(builds, k.build())
	}
	dir := k.dir + "/recipe"
	for name, id := range map[string]string{"first": builds[0].ID, "release/1.0": builds[1].ID} {
		if err := SetTag(k.store, name, id); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ dir, name, want string }{
		{dir, builds[1].ID, builds[1].ID},
		{dir, builds[1].ID[:6], builds[1].ID},
		{dir, "last", builds[2].ID},
		{dir, "last~0", builds[2].ID},
		{dir, "last~2", builds[0].ID},
		{"", "last~1", builds[1].ID},
		{dir, "first", builds[0].ID},
		{dir, "release/1.0", builds[1].ID},
		{dir, "last~3", ""},
		{dir, "last~-1", ""},
		{dir, "last~x", ""},
		{t.TempDir(), "last", ""},
		{dir, "", ""},
		{dir, builds[1].ID[:3], ""},
		{dir, "0000", ""},
		{dir, "\x1b[2J", ""},
	} {
		b, err := Find(k.store, c.dir, c.name)
		switch {
		case c.want == "" && !errors.As(err, new(*NotFoundError)):
			t.Errorf("%q: %v, %v", c.name, b, err)
		case c.want != "" && (err != nil || b.ID != c.want):
			t.Errorf("%q: %v, want %s", c.name, err, c.want)
		}
	}
}

func TestAmbiguousBeginning(t *testing.T) {
	k := newKitchen(t)
	for _, id := range []string{"abcd00000001", "abcd00000002"} {
		if err := put(k.store, buildKey(id), Build{Format: recordFormat, ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	var e *AmbiguousError
	if _, err := Find(k.store, "", "abcd"); !errors.As(err, &e) || len(e.IDs) != 2 {
		t.Error(err)
	}
	if b, err := Find(k.store, "", "abcd00000001"); err != nil || b.ID != "abcd00000001" {
		t.Error(err)
	}
}

func TestTags(t *testing.T) {
	k := newKitchen(t)
	b := k.build()
	for _, name := range []string{"", "last", "last~1", b.ID, b.ID[:4], "cafe", "a b", "-x", "\x1b[2J", strings.Repeat("x", 200)} {
		if err := SetTag(k.store, name, b.ID); err == nil {
			t.Errorf("%q is taken for a tag", name)
		}
	}
	if err := SetTag(k.store, "v1", "000000000000"); !errors.As(err, new(*NotFoundError)) {
		t.Error(err)
	}
	for _, name := range []string{"v1", "v2"} {
		if err := SetTag(k.store, name, b.ID); err != nil {
			t.Fatal(err)
		}
	}
	if err := RemoveTag(k.store, "v1"); err != nil {
		t.Fatal(err)
	}
	if err := RemoveTag(k.store, "v1"); err == nil {
		t.Error("a tag is removed twice")
	}
	tags, err := Tags(k.store)
	if diff := cmp.Diff(map[string]string{"v2": b.ID}, tags); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

// TestForeignRecords: what is damaged, of another format, or under a key that
// is not its own is left out, and hides nothing else.
func TestForeignRecords(t *testing.T) {
	k := newKitchen(t)
	b := k.build()
	for name, value := range map[string]string{
		buildOf("other"): `{"format":99,"id":"000000000001"}`,
		buildOf("text"):  "no JSON \x00\xff",
		buildOf("list"):  "[[[[",
		buildOf("liar"):  `{"format":1,"id":"` + b.ID + `"}`,
		buildOf("bad"):   `{"format":1,"id":"../../etc"}`,
		"tag\x00x":       `{"format":1,"tag":"y","build":"` + b.ID + `"}`,
		"tag\x00z":       `{"format":1,"tag":7}`,
		"head\x00/other": `{"format":1,"head":"/other","build":"000000000009"}`,
	} {
		if err := k.store.Put(cache.Builds, cache.Sum([]byte(name)), []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	builds, err := List(k.store)
	if diff := cmp.Diff([]string{b.ID}, ids(builds)); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if tags, err := Tags(k.store); len(tags) != 0 || err != nil {
		t.Error(tags, err)
	}
	if _, ok, err := Last(k.store, "/other"); ok || err != nil {
		t.Error(ok, err)
	}
	if last, ok, err := Last(k.store, "/elsewhere", b.addresses()...); !ok || err != nil || last.ID != b.ID {
		t.Error("a recipe that moved has lost its builds", err)
	}
	if _, err := Reach(context.Background(), k.store, builds); err != nil {
		t.Error(err)
	}
}

// TestHostileBuild: a record from elsewhere may say anything; whatever is
// asked of it comes to an end.
func TestHostileBuild(t *testing.T) {
	k := newKitchen(t)
	good := k.build()
	ctx := context.Background()
	_, recipe := k.decode()
	plan, err := k.engine(recipe).Plan(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(b *Build){
		"circles":         func(b *Build) { b.Steps[0].Inputs = []string{"distill.kept"}; b.Steps[0].Kind = "distill" },
		"itself":          func(b *Build) { b.Steps[2].Inputs = []string{"distill.kept"} },
		"datasets":        func(b *Build) { b.Steps[3].Inputs = []string{"dataset.d"} },
		"unknown inputs":  func(b *Build) { b.Steps[1].Inputs = []string{"no.such", "\x00"} },
		"unknown kinds":   func(b *Build) { b.Steps[0].Kind, b.Steps[1].Kind = "", "\x1b" },
		"samples":         func(b *Build) { b.Steps[1].Samples = -1 << 60 },
		"no operations":   func(b *Build) { b.Steps[2].Distill = nil },
		"another's keys":  func(b *Build) { b.Steps[1].Key, b.Steps[2].Key = b.Steps[2].Key, b.Steps[1].Key },
		"the same step":   func(b *Build) { b.Steps = append(b.Steps, b.Steps...) },
		"its own past":    func(b *Build) { b.Previous = b.ID },
		"odd models":      func(b *Build) { b.Models[0].Part = "{" },
		"odd variables":   func(b *Build) { b.Recipe.Variables = map[string]string{"\x00": "{"} },
		"missing outputs": func(b *Build) { b.Outputs = append(b.Outputs, Output{}) },
	} {
		t.Run(name, func(t *testing.T) {
			bad, ok := decodeBuild(mustJSON(t, good))
			if !ok {
				t.Fatal("the record is not read")
			}
			spoil(bad)
			if bad, ok = decodeBuild(mustJSON(t, bad)); !ok {
				t.Fatal("the record is not read")
			}
			for _, s := range good.Steps {
				for _, id := range []string{"a", "a.1", "b.1", "c", "zz"} {
					_, _ = Lineage(ctx, k.store, bad, s.Address, id)
					_, _ = Why(ctx, k.store, Question{Recipe: recipe, Plan: plan, Last: bad, Address: s.Address, Row: id})
				}
				_, _, _ = Finished(k.store, bad, s.Address)
			}
			if _, err := Diff(ctx, k.store, good, bad); err != nil {
				t.Error(err)
			}
			if _, err := Reach(ctx, k.store, []Build{*bad}); err != nil {
				t.Error(err)
			}
			if _, err := Usage(ctx, k.store, []Build{*bad}); err != nil {
				t.Error(err)
			}
		})
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func buildOf(id string) string { return "build\x00" + id }

// TestLastSteps: what a build that failed did not come to is as the build
// before left it.
func TestLastSteps(t *testing.T) {
	k := newKitchen(t)
	good := k.build()
	k.edit("main.hcl", `keep = "row.safe_verdict`, `keep = "1 / 0 > 0 && row.safe_verdict`)
	bad := k.build()
	if bad.OK || bad.Previous != good.ID {
		t.Fatalf("%v after %s", bad.OK, bad.Previous)
	}
	if again := k.build(); again.ID != bad.ID {
		t.Error("the same failure is recorded twice")
	}
	last, _, err := Last(k.store, k.dir+"/recipe")
	if err != nil {
		t.Fatal(err)
	}
	lookup := LastSteps(k.store, last)
	for _, s := range good.Steps[:3] {
		if got, ok := lookup(s.Address); !ok || got != (engine.LastStep{Key: s.Key}) {
			t.Errorf("%s: %v %v", s.Address, got, ok)
		}
	}
	for address, want := range map[string]string{"simulator.act.runs": bad.ID, "distill.kept": good.ID, "dataset.d": good.ID, "distill.none": ""} {
		b, ok, err := Finished(k.store, last, address)
		if err != nil || ok != (want != "") || ok && b.ID != want {
			t.Errorf("%s was finished by %v, %v", address, b, err)
		}
	}
	if _, ok := lookup("distill.none"); ok {
		t.Error("a step that never was")
	}
	if _, ok := LastSteps(k.store, nil)("distill.kept"); ok {
		t.Error("a step of no build")
	}
}

// TestHistoryEndsOnce: where the build before is gone, all builds are read to
// find another, once and not for each step that is asked about.
func TestHistoryEndsOnce(t *testing.T) {
	k := newKitchen(t)
	b := k.build()
	b.Previous = "000000000001"
	h := newHistory(k.store, b)
	if at := h.at(1); at != nil || h.err != nil {
		t.Fatal(at, h.err)
	}
	older := *b
	older.ID, older.Previous, older.Time = "000000000001", "", b.Time.AddDate(-1, 0, 0)
	if err := put(k.store, buildKey(older.ID), &older); err != nil {
		t.Fatal(err)
	}
	if h.at(1) != nil {
		t.Error("it was looked for again")
	}
	if at := newHistory(k.store, b).at(1); at == nil || at.ID != older.ID {
		t.Error("it is not found at all")
	}
}

// TestLastOutput finds an output of the last build by its address.
func TestLastOutput(t *testing.T) {
	out := func(dataset, format string, n byte) Output {
		return Output{OutputSummary: engine.OutputSummary{Address: dataset, Format: format}, Key: cache.Digest{n}}
	}
	last := &Build{Outputs: []Output{
		out("dataset.a", "rows", 1), out("dataset.b", "rows", 2), out("dataset.a", "trl_dpo", 3), out("dataset.a", "rows", 4), out("dataset.c", "rows", 0),
	}}
	for address, want := range map[string]byte{
		"dataset.a.output.rows": 1, "dataset.a.output.rows.2": 4, "dataset.a.output.trl_dpo": 3, "dataset.b.output.rows": 2,
		"dataset.a.output.rows.3": 0, "dataset.c.output.rows": 0, "dataset.d.output.rows": 0,
	} {
		dataset, _, _ := strings.Cut(address, outputSep)
		got, ok := lastOutput(last, dataset, address)
		if ok != (want != 0) || got.Key != (cache.Digest{want}) {
			t.Errorf("%s: %v, %v", address, got.Key, ok)
		}
	}
	if _, ok := lastOutput(nil, "dataset.a", "dataset.a.output.rows"); ok {
		t.Error("an output of no build")
	}
}
