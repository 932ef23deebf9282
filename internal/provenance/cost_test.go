package provenance

import (
	"context"
	"encoding/json"
	"math"
	"testing"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/spec"
)

func (k *kitchen) cost(b *Build) *CostReport {
	k.t.Helper()
	r, err := CostOf(context.Background(), k.store, b)
	if err != nil {
		k.t.Fatal(err)
	}
	return r
}

// TestCost holds what a build's calls cost: by step, model, and where the rows
// were lost that they were made for.
func TestCost(t *testing.T) {
	k := newKitchen(t)
	b := k.build()
	golden(t, "cost", k.neutral(k.cost(b), b))
}

// TestCostAddsUp: kept and lost are all, whichever way they are added.
func TestCostAddsUp(t *testing.T) {
	k := newKitchen(t)
	k.vars = []string{"samples=3"}
	c := k.cost(k.build())
	sum := func(parts ...Cost) (all Cost) {
		for _, p := range parts {
			all.add(p)
		}
		all.USD = math.Round(all.USD*1e9) / 1e9 // sums in another order differ in the last bits
		return all
	}
	var steps, models, losses, stepModels Cost
	for _, s := range c.Steps {
		steps.add(s.Total)
		if got := sum(s.Kept, s.Lost); got != sum(s.Total) {
			t.Errorf("%s: kept and lost are %+v of %+v", s.Address, got, s.Total)
		}
		for _, m := range s.Models {
			stepModels.add(m.Cost)
		}
	}
	for _, m := range c.Models {
		models.add(m.Cost)
	}
	for _, l := range c.Losses {
		losses.add(l.Cost)
	}
	if c.Total.Calls == 0 || c.Lost.Calls == 0 || c.Kept.Calls == 0 {
		t.Fatalf("%+v: the recipe shows nothing", c.Total)
	}
	for name, got := range map[string]Cost{
		"kept and lost": sum(c.Kept, c.Lost), "steps": steps, "models": models, "models of steps": stepModels,
		"kept and losses": sum(c.Kept, losses),
	} {
		if got := sum(got); got != sum(c.Total) {
			t.Errorf("%s: %+v, want %+v", name, got, c.Total)
		}
	}
}

// TestCostOfWhatIsGone: records that were collected are told, and nothing else
// is lost by it.
func TestCostOfWhatIsGone(t *testing.T) {
	k := newKitchen(t)
	b := k.build()
	whole := k.cost(b)
	_, err := k.store.Collect(context.Background(), cache.CollectOptions{
		Keep: func(kind cache.Kind, _ cache.Digest) bool { return kind != cache.Calls }, Kinds: []cache.Kind{cache.Calls},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := k.cost(b)
	if c.Total.Calls != 0 || c.Total.Gone != whole.Total.Calls || c.Total.USD != 0 {
		t.Errorf("without calls: %+v, before: %+v", c.Total, whole.Total)
	}
	_, err = k.store.Collect(context.Background(), cache.CollectOptions{
		Keep: func(kind cache.Kind, _ cache.Digest) bool { return kind != cache.Steps }, Kinds: []cache.Kind{cache.Steps},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c := k.cost(b); len(c.Notes) == 0 || c.Total != (Cost{}) {
		t.Errorf("without steps: %+v, notes %q", c.Total, c.Notes)
	}
}

// TestCostByIdentity prices calls of a model that stands at several addresses:
// what the recipe calls them all is what they have in common.
func TestCostByIdentity(t *testing.T) {
	model := modelOf(&spec.Model{Name: "m", ID: "m-1", Price: &spec.Price{Input: 2, Output: 4},
		Provider: &spec.Provider{Type: spec.ProviderOpenAI, BaseURL: "http://a/v1", ID: "pool"}})
	p := pricesOf(&Build{Models: []Model{model}})
	for _, address := range []string{"http://a/v1", "http://b/v1"} {
		rec := llm.Record{Endpoint: "the endpoint " + address, Identity: model.Endpoint, Request: []byte(`{"model":"m-1"}`)}
		rec.Answer.Usage = llm.Usage{InputTokens: 1e6, OutputTokens: 1e6}
		if got := callOf(rec, p); got.CostUSD == nil || *got.CostUSD != 6 || got.Endpoint != address {
			t.Errorf("a call to %s: %+v", address, got)
		}
	}
}

// TestCostOfOutputs has outputs with calls, one of which a task made before:
// each counts once, and is kept.
func TestCostOfOutputs(t *testing.T) {
	k := newKitchen(t)
	b := k.build()
	before := k.cost(b)
	trace := []byte{3} // calls, see engine
	call, old := cache.Sum([]byte("a call of an output")), k.anyCall()
	for _, d := range []cache.Digest{call, old, call} {
		trace = append(trace, d[:]...)
	}
	blob, err := k.store.PutBlob(trace)
	if err != nil {
		t.Fatal(err)
	}
	o := &b.Outputs[0]
	rec, ok, err := engine.LoadOutput(k.store, o.Key)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	rec.Calls = []cache.Digest{blob}
	text, err := json.Marshal(rec)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.store.Put(cache.Steps, o.Key, text); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{o.Address: true, "": true, b.Steps[0].Address: false} {
		set, err := CallsOf(context.Background(), k.store, b, address)
		if err != nil || set.keys.has(call) != want {
			t.Errorf("among the calls of %q: %v, want %v, %v", address, !want, want, err)
		}
	}
	c := k.cost(b)
	last := c.Steps[len(c.Steps)-1]
	if last.Address != o.Address || last.Kept.Gone != 1 || last.Total != last.Kept || c.Total.Gone != before.Total.Gone+1 || c.Total.Calls != before.Total.Calls {
		t.Errorf("%+v, in all %+v, before %+v", last, c.Total, before.Total)
	}
}

// anyCall is the key of some call that a task of the last build made.
func (k *kitchen) anyCall() (found cache.Digest) {
	k.t.Helper()
	err := k.store.Each(cache.Rows, func(key cache.Digest, _ []byte) error {
		task, ok, err := engine.LoadTask(k.store, key)
		if ok && len(task.Calls) > 0 {
			found, err = cache.ParseDigest(task.Calls[0])
		}
		return err
	})
	if err != nil || found == (cache.Digest{}) {
		k.t.Fatal("no call: ", err)
	}
	return found
}
