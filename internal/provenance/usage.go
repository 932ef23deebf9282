package provenance

import (
	"cmp"
	"context"
	"slices"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
)

// Usage tells what the stored answers are worth, and what the recorded builds
// saved by them: the calls that each rests on, less those that it made. It
// reads every stored call once, and the tasks of every step of the builds.
func Usage(ctx context.Context, store *cache.Store, builds []Build) (*UsageReport, error) {
	u := &usage{
		ctx: ctx, store: store, UsageReport: &UsageReport{Builds: len(builds)},
		prices: prices{}, cost: map[[16]byte]float64{}, models: map[[2]string]*ModelUsage{}, steps: map[cache.Digest]worth{},
	}
	newest := make([]*Build, len(builds))
	for i := range builds {
		newest[i] = &builds[i]
	}
	slices.SortStableFunc(newest, func(a, b *Build) int { return b.Time.Compare(a.Time) })
	u.prices = pricesOf(newest...)
	if err := u.calls(); err != nil {
		return nil, err
	}
	for _, b := range newest {
		if err := u.build(b); err != nil {
			return nil, err
		}
	}
	return u.UsageReport, nil
}

// usage is a Usage at work.
type usage struct {
	*UsageReport
	ctx    context.Context
	store  *cache.Store
	prices prices
	cost   map[[16]byte]float64 // of the stored calls, by the front of the key
	models map[[2]string]*ModelUsage
	steps  map[cache.Digest]worth
}

// worth is what calls cost.
type worth struct {
	calls int64
	usd   float64
}

// calls adds up what is stored.
func (u *usage) calls() error {
	err := u.store.Each(cache.Calls, func(k cache.Digest, value []byte) error {
		if u.Calls%1024 == 0 && u.ctx.Err() != nil {
			return u.ctx.Err()
		}
		call, err := llm.DecodeOutline(value)
		if err != nil {
			u.Unread++
			return nil
		}
		u.add(k, call)
		return nil
	})
	for _, m := range u.models {
		u.Models = append(u.Models, *m)
	}
	slices.SortFunc(u.Models, func(a, b ModelUsage) int {
		return cmp.Or(cmp.Compare(a.Endpoint, b.Endpoint), cmp.Compare(a.Model, b.Model))
	})
	return err
}

func (u *usage) add(k cache.Digest, call llm.Outline) {
	tokens := call.Usage
	usd, priced := u.prices.cost(cmp.Or(call.Identity, call.Endpoint), call.Model, tokens)
	id := [2]string{address(call.Endpoint), call.Model}
	m := u.models[id]
	if m == nil {
		m = &ModelUsage{Endpoint: id[0], Model: call.Model, Priced: priced}
		u.models[id] = m
	}
	u.Calls++
	m.Calls++
	u.InputTokens += int64(tokens.InputTokens)
	m.InputTokens += int64(tokens.InputTokens)
	u.OutputTokens += int64(tokens.OutputTokens)
	m.OutputTokens += int64(tokens.OutputTokens)
	u.cost[[16]byte(k[:16])] = usd
	if !priced {
		u.Unpriced++
		return
	}
	u.WorthUSD += usd
	m.WorthUSD += usd
}

// build adds what a build paid, and what it would have paid without answers
// from before.
func (u *usage) build(b *Build) error {
	var rests worth
	for i := range b.Steps {
		w, err := u.step(b.Steps[i].Key)
		if err != nil {
			return err
		}
		rests.calls += w.calls
		rests.usd += w.usd
	}
	for i := range b.Outputs {
		w, err := u.output(b.Outputs[i].Key)
		if err != nil {
			return err
		}
		rests.calls += w.calls
		rests.usd += w.usd
	}
	u.Made += b.Calls.Made
	u.PaidUSD += b.Calls.CostUSD
	u.Reused += max(0, rests.calls-b.Calls.Made)
	u.SavedUSD += max(0, rests.usd-b.Calls.CostUSD)
	return nil
}

// step adds up the calls that a step's tasks rest on. What cannot be read
// counts for nothing.
func (u *usage) step(k cache.Digest) (worth, error) {
	if w, ok := u.steps[k]; ok || k == (cache.Digest{}) {
		return w, nil
	}
	var w worth
	rec, ok, err := engine.LoadStep(u.store, k)
	if err != nil || !ok {
		return w, err
	}
	seen := map[[16]byte]bool{} // equal calls of a step are one
	for t, err := range rec.AllTasks(u.store) {
		if err != nil {
			break
		}
		if u.ctx.Err() != nil {
			return w, u.ctx.Err()
		}
		task, ok, err := engine.LoadTask(u.store, t.Key)
		if err != nil {
			return w, err
		}
		if !ok {
			continue
		}
		for _, c := range task.Calls {
			if d, err := cache.ParseDigest(c); err == nil {
				u.addCall(&w, d, seen)
			}
		}
	}
	u.steps[k] = w
	return w, nil
}

// output adds up the calls that an output made.
func (u *usage) output(k cache.Digest) (worth, error) {
	if w, ok := u.steps[k]; ok || k == (cache.Digest{}) {
		return w, nil
	}
	var w worth
	rec, ok, err := engine.LoadOutput(u.store, k)
	if err != nil || !ok {
		return w, err
	}
	seen := map[[16]byte]bool{}
	for d, err := range rec.AllCalls(u.store) {
		if err != nil {
			break
		}
		u.addCall(&w, d, seen)
	}
	u.steps[k] = w
	return w, nil
}

// addCall adds a stored call, unless it was seen.
func (u *usage) addCall(w *worth, d cache.Digest, seen map[[16]byte]bool) {
	id := [16]byte(d[:16])
	if usd, stored := u.cost[id]; stored && !seen[id] {
		seen[id] = true
		w.calls++
		w.usd += usd
	}
}
