package publish

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
)

// calls are the model calls that a dataset rests on. Each is held in 32 bytes.
type calls struct {
	keys    []cache.Digest // in order, each once
	byModel []modelCalls   // in order of endpoint and name
	lost    int64          // of keys, that are no longer stored
}

// modelCalls are the calls of one model.
type modelCalls struct {
	endpoint, model string
	n               int64
	usage           usage
	estimated       int64 // calls whose endpoint did not report tokens
}

// usage are tokens of many calls.
type usage struct{ input, cached, output int64 }

// gatherCalls finds the calls of all steps and outputs.
func gatherCalls(ctx context.Context, store *cache.Store, d *engine.Dataset) (*calls, error) {
	c := &calls{}
	for i := range d.Steps {
		if err := c.addStep(ctx, store, &d.Steps[i]); err != nil {
			return nil, err
		}
	}
	for _, o := range d.Outputs {
		for k, err := range o.Record.AllCalls(store) {
			if err != nil {
				return nil, &engine.LostError{Key: o.Key, Err: fmt.Errorf("%s: %w", o.Address, err)}
			}
			c.keys = append(c.keys, k)
		}
	}
	c.settle()
	return c, c.weigh(ctx, store)
}

// addStep finds the calls of a step.
func (c *calls) addStep(ctx context.Context, store *cache.Store, s *engine.DatasetStep) error {
	n := int64(0)
	for t, err := range s.Record.AllTasks(store) {
		if err != nil {
			return lost(s, err)
		}
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		keys, err := callsOf(store, s, t)
		if err != nil {
			return err
		}
		c.keys = append(c.keys, keys...)
		if n%(1<<16) == 0 {
			c.settle()
		}
	}
	if n == 0 && s.Record.Tasks > 0 && s.Role != nil && len(s.Inputs) > 0 {
		return lost(s, errors.New("it was made before tasks were remembered"))
	}
	return nil
}

// callsOf are the calls of a task. One that failed in a way that may pass is
// not remembered, and has none.
func callsOf(store *cache.Store, s *engine.DatasetStep, t engine.TaskTrace) ([]cache.Digest, error) {
	keys, ok, err := engine.TaskCalls(store, t.Key)
	if err == nil && !ok && t.Rows > 0 {
		err = lost(s, fmt.Errorf("the outcome of the task %s is gone", t.Key))
	}
	return keys, err
}

// lost is the error for what is no longer known of a step.
func lost(s *engine.DatasetStep, err error) error {
	return &engine.LostError{Key: s.Key, Err: fmt.Errorf("%s: %w", s.Address, err)}
}

// settle leaves each key once, in order.
func (c *calls) settle() {
	slices.SortFunc(c.keys, func(a, b cache.Digest) int { return bytes.Compare(a[:], b[:]) })
	c.keys = slices.Compact(c.keys)
}

// CallsDigest is the digest of a set of calls: over their keys in hex, in
// order, each once and followed by a line feed.
func CallsDigest(sorted []cache.Digest) cache.Digest {
	h := sha256.New()
	line := make([]byte, 0, 2*sha256.Size+1)
	for _, k := range sorted {
		line = append(hex.AppendEncode(line[:0], k[:]), '\n')
		h.Write(line)
	}
	return cache.Digest(h.Sum(nil))
}

// weigh adds up what the calls took, on all cores.
func (c *calls) weigh(ctx context.Context, store *cache.Store) error {
	type sums struct {
		models map[[2]string]*modelCalls
		lost   int64
		err    error
	}
	workers := make([]sums, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			s := &workers[w]
			s.models = map[[2]string]*modelCalls{}
			for i := w; i < len(c.keys) && s.err == nil; i += len(workers) {
				if i%1024 == w && ctx.Err() != nil {
					s.err = ctx.Err()
					return
				}
				value, err := store.Get(cache.Calls, c.keys[i])
				if err != nil && !errors.Is(err, cache.ErrNotFound) {
					s.err = err
					return
				}
				call, err2 := llm.DecodeOutline(value)
				if err != nil || err2 != nil {
					s.lost++
					continue
				}
				addOutline(s.models, call)
			}
		})
	}
	wg.Wait()
	all := map[[2]string]*modelCalls{}
	for _, s := range workers {
		if s.err != nil {
			return s.err
		}
		c.lost += s.lost
		for id, m := range s.models {
			if all[id] == nil {
				all[id] = &modelCalls{endpoint: id[0], model: id[1]}
			}
			all[id].merge(m)
		}
	}
	for _, m := range all {
		c.byModel = append(c.byModel, *m)
	}
	slices.SortFunc(c.byModel, func(a, b modelCalls) int {
		return cmp.Or(cmp.Compare(a.endpoint, b.endpoint), cmp.Compare(a.model, b.model))
	})
	return nil
}

func addOutline(models map[[2]string]*modelCalls, call llm.Outline) {
	id := [2]string{cmp.Or(call.Identity, call.Endpoint), call.Model}
	m := models[id]
	if m == nil {
		m = &modelCalls{}
		models[id] = m
	}
	m.n++
	m.usage.input += int64(call.Usage.InputTokens)
	m.usage.output += int64(call.Usage.OutputTokens)
	m.usage.cached += int64(min(call.Usage.CachedInputTokens, call.Usage.InputTokens))
	if call.Usage.Estimated {
		m.estimated++
	}
}

func (m *modelCalls) merge(o *modelCalls) {
	m.n += o.n
	m.estimated += o.estimated
	m.usage.input += o.usage.input
	m.usage.output += o.usage.output
	m.usage.cached += o.usage.cached
}
