package provenance

import (
	"context"
	"fmt"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
)

// DatasetCalls are the keys of all calls that a dataset of a build rests on, in
// order, each once. It holds 32 bytes for each.
func DatasetCalls(ctx context.Context, store *cache.Store, b *Build, dataset string) ([]cache.Digest, error) {
	keys := &digests{}
	seen := map[string]bool{}
	var visit func(address string) error
	visit = func(address string) error {
		s, ok := b.Step(address)
		if seen[address] || !ok {
			return nil
		}
		seen[address] = true
		for _, in := range s.Inputs {
			if err := visit(in); err != nil {
				return err
			}
		}
		return stepCalls(ctx, store, s, keys)
	}
	if err := visit(dataset); err != nil {
		return nil, err
	}
	for _, o := range b.Outputs {
		if o.Address != dataset || o.Key == (cache.Digest{}) {
			continue
		}
		rec, ok, err := engine.LoadOutput(store, o.Key)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, &GoneError{o.Address, "the record of its output in " + o.Path + " is no longer in the cache"}
		}
		for k, err := range rec.AllCalls(store) {
			if err != nil {
				return nil, fmt.Errorf("%s: %w", o.Address, err)
			}
			keys.add(k)
		}
	}
	keys.settle()
	return keys.list, nil
}

// stepCalls adds the calls of a step's tasks.
func stepCalls(ctx context.Context, store *cache.Store, s *Step, keys *digests) error {
	if s.Key == (cache.Digest{}) {
		return nil
	}
	rec, ok, err := engine.LoadStep(store, s.Key)
	if err != nil {
		return err
	}
	if !ok {
		return &GoneError{s.Address, "its record is no longer in the cache"}
	}
	n := 0
	for t, err := range rec.AllTasks(store) {
		if err != nil {
			return &GoneError{s.Address, "its trace cannot be read: " + err.Error()}
		}
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		calls, _, err := engine.TaskCalls(store, t.Key)
		if err != nil {
			return err
		}
		for _, k := range calls {
			keys.add(k)
		}
	}
	return nil
}
