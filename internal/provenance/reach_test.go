package provenance

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
)

// collect drops what is not to be kept from the cache.
func (k *kitchen) collect(keep func(cache.Kind, cache.Digest) bool) {
	k.t.Helper()
	if err := k.store.Close(); err != nil {
		k.t.Fatal(err)
	}
	k.open()
	_, err := k.store.Collect(context.Background(), cache.CollectOptions{Keep: keep, Before: time.Now().Add(time.Hour)})
	if err != nil {
		k.t.Fatal(err)
	}
	k.store.Close()
	k.open()
}

func (k *kitchen) reach(builds ...Build) *Reached {
	k.t.Helper()
	r, err := Reach(context.Background(), k.store, builds)
	if err != nil {
		k.t.Fatal(err)
	}
	return r
}

// TestReachIsEnough: a cache of which only what a build reaches is kept still
// has all of it, down to each row's calls, and makes it again without a call.
func TestReachIsEnough(t *testing.T) {
	k := newKitchen(t)
	old := k.build()
	editPrompt(k)
	editRow(k)
	kept := k.build()
	if err := SetTag(k.store, "keep", kept.ID); err != nil {
		t.Fatal(err)
	}
	before := k.lineage(kept, "dataset.d", "a.1")
	r := k.reach(*kept)
	if len(r.Lost) > 0 {
		t.Error(r.Lost)
	}
	k.collect(r.Has)

	builds, err := List(k.store)
	if diff := cmp.Diff([]string{kept.ID}, ids(builds)); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if b, err := Find(k.store, "", "keep"); err != nil || b.ID != kept.ID {
		t.Error("the tag is gone", err)
	}
	if diff := cmp.Diff(before, k.lineage(kept, "dataset.d", "a.1")); diff != "" {
		t.Error(diff)
	}
	if again := k.build(); again.ID != kept.ID {
		t.Errorf("it is made again as %s with %+v", again.ID, again.Calls)
	}
	if _, err := Lineage(context.Background(), k.store, old, "dataset.d", "a.1"); !errors.As(err, new(*GoneError)) {
		t.Errorf("the old build is still there: %v", err)
	}
	lost := k.reach(*old).Lost
	if len(lost) == 0 || lost[0].Build != old.ID {
		t.Error("nothing of the old build is missed")
	}
}

// TestHistoryWithAGap: what came before a build that was collected is still
// found, for why and for the next build.
func TestHistoryWithAGap(t *testing.T) {
	k := newKitchen(t)
	first := k.build()
	k.files["main.hcl"] += "# between\n"
	k.build()
	editPrompt(k)
	third := k.build()
	k.collect(k.reach(*first, *third).Has)
	r := k.why("simulator.act.runs", "")
	if r.Before == nil || r.Before.ID != first.ID || r.After == nil || r.After.ID != third.ID || len(r.Parts) != 2 {
		t.Errorf("%+v", r)
	}
	k.collect(k.reach(*first).Has) // the head is gone, too
	if last, ok, err := Last(k.store, first.Recipe.Dir); err != nil || !ok || last.ID != first.ID {
		t.Errorf("the last build is %v, %v", last, err)
	}
	if b := k.build(); b.Previous != first.ID {
		t.Errorf("the build after a collection follows %q", b.Previous)
	}
	k.files["main.hcl"], k.files["prompts/act.tmpl"] = mainFile, promptFile
	again := k.build()
	k.collect(func(kind cache.Kind, d cache.Digest) bool { return d != headKey(first.Recipe.Dir) })
	if b := k.build(); b.ID != again.ID {
		t.Error("a build that did nothing is recorded for want of a head")
	}
}

// TestReachIsNoMore: what only another build rests on is not in it.
func TestReachIsNoMore(t *testing.T) {
	k := newKitchen(t)
	one := k.build()
	r1 := k.reach(*one)
	editPrompt(k)
	two := k.build()
	r2, both := k.reach(*two), k.reach(*one, *two)
	count := func(r *Reached) map[cache.Kind]int {
		n := map[cache.Kind]int{}
		r.All(func(kind cache.Kind, d cache.Digest) bool {
			n[kind]++
			if !r.Has(kind, d) || !both.Has(kind, d) {
				t.Errorf("%s %s is and is not reached", kind, d)
			}
			return true
		})
		for kind := range n {
			if n[kind] != r.Count(kind) {
				t.Errorf("%s: %d, not %d", kind, r.Count(kind), n[kind])
			}
		}
		return n
	}
	n1, n2 := count(r1), count(r2)
	// Ten tasks of one call each by the agent, five of which are judged twice
	// for each of two answers; the judge's calls are shared.
	if n1[cache.Rows] != 10 || n2[cache.Rows] != 10 || both.Count(cache.Rows) != 20 {
		t.Errorf("rows: %d, %d, %d", n1[cache.Rows], n2[cache.Rows], both.Count(cache.Rows))
	}
	if n1[cache.Calls] != 16 || n2[cache.Calls] != 16 || both.Count(cache.Calls) != 26 {
		t.Errorf("calls: %d, %d, %d", n1[cache.Calls], n2[cache.Calls], both.Count(cache.Calls))
	}
	if r1.Has(cache.Builds, buildKey(two.ID)) || !r2.Has(cache.Builds, buildKey(two.ID)) || !r2.Has(cache.Builds, headKey(two.Recipe.Dir)) {
		t.Error("records of builds")
	}
}

// TestBundle: what is reached, carried to another cache, makes the build
// there without a call, and brings its record.
func TestBundle(t *testing.T) {
	k := newKitchen(t)
	b := k.build()
	var bundle bytes.Buffer
	if _, err := k.store.Export(context.Background(), &bundle, k.reach(*b).All); err != nil {
		t.Fatal(err)
	}
	k.store.Close()
	store, err := cache.Open(filepath.Join(k.dir, "other"), cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	k.store = store
	if _, err := store.Import(context.Background(), &bundle); err != nil {
		t.Fatal(err)
	}
	again := k.build()
	if again.ID != b.ID {
		t.Errorf("made again as %s with %+v", again.ID, again.Calls)
	}
	for _, s := range again.Steps {
		if s.Status != engine.StatusHit {
			t.Errorf("%s: %s", s.Address, s.Status)
		}
	}
}

// TestReachOfDamage: each kind gone in turn is told as lost, or not needed.
func TestReachOfDamage(t *testing.T) {
	for _, c := range []struct {
		kind cache.Kind
		lost bool
	}{{cache.Steps, true}, {cache.Blobs, true}, {cache.Rows, false}, {cache.Calls, false}} {
		k := newKitchen(t)
		b := k.build()
		k.lose(c.kind)
		if r := k.reach(*b); len(r.Lost) > 0 != c.lost {
			t.Errorf("without %s: %v", c.kind, r.Lost)
		}
	}
}

// TestCallsOfOutputs has an output make calls: they are counted, reached and
// worth something.
func TestCallsOfOutputs(t *testing.T) {
	k := newKitchen(t)
	plain := *k.build()
	asked := k.reach(plain).Count(cache.Calls)
	k.outputAsks = true
	if err := os.RemoveAll(filepath.Join(k.dir, "recipe", "dist")); err != nil {
		t.Fatal(err)
	}
	b := *k.build()
	rows := b.Outputs[0].Rows
	if rows == 0 || b.Calls.Made != rows {
		t.Fatalf("%d calls for %d rows", b.Calls.Made, rows)
	}
	r := k.reach(b)
	if n := r.Count(cache.Calls); len(r.Lost) > 0 || int64(n) != int64(asked)+rows {
		t.Errorf("%d calls are reached, %d by the rows, %d by the output; lost %v", n, asked, rows, r.Lost)
	}
	u, err := Usage(context.Background(), k.store, []Build{b})
	if err != nil || u.Reused != int64(asked) || u.Calls != int64(asked)+rows {
		t.Errorf("%+v, %v", u, err)
	}
	k.collect(r.Has)
	if again := k.reach(b); len(again.Lost) > 0 || again.Count(cache.Calls) != r.Count(cache.Calls) {
		t.Errorf("after a collection: %v", again.Lost)
	}
	stored := 0
	if err := k.store.Each(cache.Calls, func(cache.Digest, []byte) error { stored++; return nil }); err != nil || stored != r.Count(cache.Calls) {
		t.Errorf("%d calls are stored, %v", stored, err)
	}
}

func TestUsage(t *testing.T) {
	k := newKitchen(t)
	first := *k.build()
	k.edit("main.hcl", "temperature = 0.5", "temperature = 0.7")
	second := *k.build()
	u, err := Usage(context.Background(), k.store, []Build{first, second})
	if err != nil {
		t.Fatal(err)
	}
	for i := range u.Models { // sums of many small numbers
		u.Models[i].WorthUSD = float64(int(u.Models[i].WorthUSD*1e6 + 0.5))
	}
	u.WorthUSD, u.PaidUSD, u.SavedUSD = 0, 0, 0
	want := &UsageReport{
		Builds: 2, Calls: 26, InputTokens: 2600, OutputTokens: 260, Unpriced: 6,
		Models: []ModelUsage{
			{Endpoint: "http://127.0.0.1:1/v1", Model: "agent-1", Calls: 20, InputTokens: 2000, OutputTokens: 200, WorthUSD: 2400, Priced: true},
			{Endpoint: "http://127.0.0.1:1/v1", Model: "judge-1", Calls: 6, InputTokens: 600, OutputTokens: 60},
		},
		Made: 26, Reused: 6,
	}
	if diff := cmp.Diff(want, u); diff != "" {
		t.Error(diff)
	}
}
