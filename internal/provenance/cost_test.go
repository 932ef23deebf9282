package provenance

import (
	"context"
	"math"
	"testing"

	"github.com/autosafe/autosafe/cache"
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
