package provenance

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
)

// Reached is the part of a cache that builds rest on: their records, heads
// and tags, the files of their recipes, the records of steps and outputs with
// every blob that belongs to them, the outcomes of tasks, and model calls.
//
// It holds 32 bytes for each thing. Descriptions of plugins and memos of files
// are of no build and not in it.
type Reached struct {
	// Lost is what could not be followed; it reaches nothing more.
	Lost []Lost

	kinds map[cache.Kind]*digests
}

// digests is a set that is filled first and asked then.
type digests struct {
	list   []cache.Digest
	sorted int // so many of the list are in order, each once
}

func (d *digests) add(k cache.Digest) {
	d.list = append(d.list, k)
	// Builds share most of what they rest on: keep no more than twice of it.
	if len(d.list) > 1<<16 && len(d.list) > 2*d.sorted {
		d.settle()
	}
}

func (d *digests) settle() {
	if d.sorted == len(d.list) {
		return
	}
	slices.SortFunc(d.list, func(a, b cache.Digest) int { return bytes.Compare(a[:], b[:]) })
	d.list = slices.Compact(d.list)
	d.sorted = len(d.list)
}

func (d *digests) has(k cache.Digest) bool {
	_, ok := slices.BinarySearchFunc(d.list, k, func(a, b cache.Digest) int { return bytes.Compare(a[:], b[:]) })
	return ok
}

// Has says whether builds rest on something.
func (r *Reached) Has(k cache.Kind, key cache.Digest) bool {
	d := r.kinds[k]
	return d != nil && d.has(key)
}

// All gives all that builds rest on: blobs first, then what names them, in
// order of key.
func (r *Reached) All(yield func(cache.Kind, cache.Digest) bool) {
	for _, k := range []cache.Kind{cache.Blobs, cache.Calls, cache.Rows, cache.Steps, cache.Builds} {
		if r.kinds[k] == nil {
			continue
		}
		for _, d := range r.kinds[k].list {
			if !yield(k, d) {
				return
			}
		}
	}
}

// Count is the number of things of a kind.
func (r *Reached) Count(k cache.Kind) int {
	if r.kinds[k] == nil {
		return 0
	}
	return len(r.kinds[k].list)
}

// Reach works out what builds rest on.
func Reach(ctx context.Context, store *cache.Store, builds []Build) (*Reached, error) {
	r := &reach{ctx: ctx, store: store, seen: map[cache.Digest]bool{}, Reached: &Reached{kinds: map[cache.Kind]*digests{}}}
	ids := map[string]bool{}
	for i := range builds {
		if err := r.build(&builds[i]); err != nil {
			return nil, err
		}
		ids[builds[i].ID] = true
	}
	if err := r.names(ids); err != nil {
		return nil, err
	}
	for _, d := range r.kinds {
		d.settle()
	}
	return r.Reached, nil
}

// reach is a Reach at work.
type reach struct {
	*Reached
	ctx   context.Context
	store *cache.Store
	seen  map[cache.Digest]bool // records of steps and outputs
}

func (r *reach) add(k cache.Kind, key cache.Digest) {
	d := r.kinds[k]
	if d == nil {
		d = &digests{}
		r.kinds[k] = d
	}
	d.add(key)
}

func (r *reach) build(b *Build) error {
	r.add(cache.Builds, buildKey(b.ID))
	for _, f := range b.Recipe.Files {
		r.add(cache.Blobs, f.Digest)
	}
	for i := range b.Steps {
		s := &b.Steps[i]
		if s.Key == (cache.Digest{}) || r.seen[s.Key] {
			continue
		}
		r.seen[s.Key] = true
		if err := r.step(b, s); err != nil {
			return err
		}
	}
	for _, o := range b.Outputs {
		if o.Key == (cache.Digest{}) || r.seen[o.Key] {
			continue
		}
		r.seen[o.Key] = true
		rec, ok, err := engine.LoadOutput(r.store, o.Key)
		if err != nil {
			return err
		}
		if !ok {
			r.lost(b, o.Address, "the record of the output in "+o.Path)
			continue
		}
		r.add(cache.Steps, o.Key)
		r.add(cache.Blobs, o.Key) // the list of its parts
		r.outputCalls(b, &o, rec)
	}
	return nil
}

// outputCalls takes the calls that an output made.
func (r *reach) outputCalls(b *Build, o *Output, rec *engine.OutputRecord) {
	for _, d := range rec.Calls {
		r.add(cache.Blobs, d)
	}
	for k, err := range rec.AllCalls(r.store) {
		if err != nil {
			r.lost(b, o.Address, "the trace of the calls of the output in "+o.Path+": "+err.Error())
			return
		}
		r.add(cache.Calls, k)
	}
}

func (r *reach) lost(b *Build, address, what string) {
	r.Lost = append(r.Lost, Lost{b.ID, address, what})
}

func (r *reach) step(b *Build, s *Step) error {
	rec, ok, err := engine.LoadStep(r.store, s.Key)
	if err != nil {
		return err
	}
	if !ok {
		r.lost(b, s.Address, "the record of the step")
		return nil
	}
	r.add(cache.Steps, s.Key)
	r.add(cache.Blobs, s.Key) // the list of its parts
	for d, err := range rec.AllBlobs(r.store) {
		if err != nil {
			r.lost(b, s.Address, "where its rows lie: "+err.Error())
			break
		}
		r.add(cache.Blobs, d)
	}
	n := 0
	for t, err := range rec.AllTasks(r.store) {
		if err != nil {
			r.lost(b, s.Address, "the trace of its tasks: "+err.Error())
			break
		}
		if n++; n%1024 == 0 && r.ctx.Err() != nil {
			return r.ctx.Err()
		}
		if err := r.task(t.Key); err != nil {
			return err
		}
	}
	return nil
}

// task takes the outcome of a task and its calls. One that is not stored
// failed in a way that may pass, or will be made anew: nothing is lost.
func (r *reach) task(k cache.Digest) error {
	rec, ok, err := engine.LoadTask(r.store, k)
	if err != nil || !ok {
		return err
	}
	r.add(cache.Rows, k)
	for _, c := range rec.Calls {
		if d, err := cache.ParseDigest(c); err == nil {
			r.add(cache.Calls, d)
		}
	}
	return nil
}

// names takes the heads and tags that name the builds.
func (r *reach) names(ids map[string]bool) error {
	return r.store.Each(cache.Builds, func(k cache.Digest, value []byte) error {
		var name struct {
			Head, Tag *string
			Build     string
		}
		if json.Unmarshal(value, &name) == nil && (name.Head != nil || name.Tag != nil) && ids[name.Build] {
			r.add(cache.Builds, k)
		}
		return nil
	})
}
