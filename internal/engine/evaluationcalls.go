package engine

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/key"
)

// What the calls of an agent took is read from the cache: a build that is a hit, or
// that goes on from another one, made few of them itself. Since that is a lot to
// read, the sums are remembered.

// spentRecord is what the cache holds of what the calls of a step took.
type spentRecord struct {
	Models []modelSpent `json:"models"`
}

// modelSpent is what the calls of one model took.
type modelSpent struct {
	Model        string `json:"model"`
	Calls        int64  `json:"calls"`
	InputTokens  int64  `json:"input_tokens"`
	OutputTokens int64  `json:"output_tokens"`
}

// spent adds up the calls that the rows of a recorded step rest on, each once, at
// today's prices. What is lost of them is left out.
func (b *build) spent(st *stepState) (CallCounts, error) {
	var total CallCounts
	if st.rec == nil || st.Role == nil || len(st.Role.Models) == 0 || b.opts.DecodeCall == nil {
		return total, nil
	}
	k := spentKey(st.rec)
	rec, ok, err := getRecord[spentRecord](b.opts.Store, k)
	if err != nil {
		return total, err
	}
	if !ok || !st.hit { // rows that were made anew may rest on other calls
		if rec, err = b.addSpent(st); err != nil {
			return total, err
		}
		if err := putRecord(b.opts.Store, k, rec); err != nil {
			return total, err
		}
	}
	for _, m := range rec.Models {
		usage := CallUsage{Model: m.Model, InputTokens: int(m.InputTokens), OutputTokens: int(m.OutputTokens)}
		total.Add(CallCounts{Made: m.Calls, InputTokens: m.InputTokens, OutputTokens: m.OutputTokens, CostUSD: callCost(st.Role, usage)})
	}
	return total, nil
}

// spentKey is under what it is remembered which calls a step took.
func spentKey(rec *stepRecord) cache.Digest {
	parts := key.New("autosafe.spent/1")
	for _, d := range rec.Trace {
		parts.AddString("trace", d.String())
	}
	return cache.Digest(parts.Digest())
}

// addSpent reads the calls of a step's tasks.
func (b *build) addSpent(st *stepState) (*spentRecord, error) {
	var tasks []TaskTrace
	for t, err := range st.rec.AllTasks(b.opts.Store) {
		if err != nil {
			// That it took nothing would be wrong. The step goes through its rows again,
			// which are known.
			return nil, errors.Join(&damagedError{fmt.Errorf("%s: %w", st.Address, err)}, withdraw(b.opts.Store, st.key))
		}
		tasks = append(tasks, t)
	}
	var mu sync.Mutex
	seen, models := map[cache.Digest]bool{}, map[string]*modelSpent{}
	first := func(k cache.Digest) bool {
		mu.Lock()
		defer mu.Unlock()
		again := seen[k]
		seen[k] = true
		return !again
	}
	errs := make([]error, len(tasks))
	parallel(len(tasks), func(i int) {
		calls, _, err := TaskCalls(b.opts.Store, tasks[i].Key)
		for _, k := range calls {
			var u CallUsage
			known := false
			if err == nil && first(k) {
				u, known, err = b.callUsage(k)
			}
			if !known {
				continue
			}
			mu.Lock()
			m := cmp.Or(models[u.Model], &modelSpent{Model: u.Model})
			models[u.Model] = m
			m.Calls++
			m.InputTokens += int64(u.InputTokens)
			m.OutputTokens += int64(u.OutputTokens)
			mu.Unlock()
		}
		errs[i] = err
	})
	rec := &spentRecord{}
	for _, name := range slices.Sorted(maps.Keys(models)) {
		rec.Models = append(rec.Models, *models[name])
	}
	return rec, errors.Join(errs...)
}

// callUsage is what one call took; false if that cannot be read.
func (b *build) callUsage(k cache.Digest) (CallUsage, bool, error) {
	value, err := b.opts.Store.Get(cache.Calls, k)
	if errors.Is(err, cache.ErrNotFound) {
		return CallUsage{}, false, nil
	}
	if err != nil {
		return CallUsage{}, false, err
	}
	u, err := b.opts.DecodeCall(value)
	return u, err == nil, nil
}
