package provenance

import (
	"context"
	"errors"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/key"
	"github.com/autosafe/autosafe/spec"
)

// state is a recipe's graph at one time, as a build left it or as a plan has
// it. What of it lies in the cache is read when it is needed.
type state struct {
	ctx   context.Context
	store *cache.Store
	build *Build // nil: a plan
	nodes map[string]*node
}

// node is a step.
type node struct {
	address string
	kind    spec.StepKind
	inputs  []string
	after   []string     // that train its models
	key     cache.Digest // zero: not known, or a dataset
	base    key.List     // nil: not known
	parts   key.List     // nil: not known
	read    bool         // base and parts are as known as they will be
	samples int
	version string // of its plugin; "" where it has none
	step    *Step  // of a build
	outputs []*output
}

// output is an output of a dataset.
type output struct {
	address, path string
	status        engine.Status
	reason        string
	key           cache.Digest
	parts         key.List
}

// stateSince is the state that the n-th build of a history left. Steps that it
// did not finish are as the newest build before it left them.
func stateSince(ctx context.Context, h *history, n int) *state {
	s := stateOf(ctx, h.store, h.at(n))
	for _, nd := range s.nodes {
		if nd.key != (cache.Digest{}) || nd.kind == spec.DatasetStep {
			continue
		}
		if b, older, _ := h.finished(nd.address, n+1); older != nil {
			nd.key, nd.step, nd.version = older.Key, older, b.pluginVersion(older)
		}
	}
	return s
}

// stateOf is the state that a build left.
func stateOf(ctx context.Context, store *cache.Store, b *Build) *state {
	s := &state{ctx: ctx, store: store, build: b, nodes: map[string]*node{}}
	for i := range b.Steps {
		step := &b.Steps[i]
		s.nodes[step.Address] = &node{
			address: step.Address, kind: spec.StepKind(step.Kind), inputs: step.Inputs, after: step.After, key: step.Key,
			samples: bounded(step.Samples), version: b.pluginVersion(step), step: step,
		}
	}
	for _, o := range b.Outputs {
		if nd := s.nodes[o.Address]; nd != nil {
			nd.outputs = append(nd.outputs, &output{address: o.Address, path: o.Path, status: o.Status, key: o.Key})
		}
	}
	return s
}

// pluginVersion is the version of a step's plugin, where that has one.
func (b *Build) pluginVersion(s *Step) string {
	for _, p := range b.Plugins {
		if p.Source == s.Plugin {
			return p.Version
		}
	}
	return ""
}

// planned is the state that a plan has.
func planned(ctx context.Context, store *cache.Store, recipe *spec.Recipe, plan *engine.Plan) *state {
	s := &state{ctx: ctx, store: store, nodes: map[string]*node{}}
	for _, step := range recipe.Steps {
		nd := &node{address: step.Address, kind: step.Kind, read: true, samples: 1}
		for _, in := range step.Inputs {
			nd.inputs = append(nd.inputs, in.Address)
		}
		for _, in := range step.After {
			nd.after = append(nd.after, in.Address)
		}
		if step.Role != nil {
			nd.samples, nd.version = max(1, step.Role.Samples), step.Role.Plugin.Version
		}
		s.nodes[step.Address] = nd
	}
	for _, p := range plan.Steps {
		nd := s.nodes[p.Address]
		if nd == nil {
			continue
		}
		nd.base, nd.parts = p.Base, p.Parts
		if nd.parts != nil {
			nd.key = nd.parts.Digest()
			if nd.base == nil {
				nd.base = baseOf(nd.parts)
			}
		}
	}
	s.planOutputs(recipe, plan)
	return s
}

// planOutputs gives datasets their outputs, and evaluations their reports.
func (s *state) planOutputs(recipe *spec.Recipe, plan *engine.Plan) {
	of := map[string]engine.OutputPlan{}
	for _, o := range plan.Outputs {
		of[o.Address] = o
	}
	for _, step := range recipe.Steps {
		if e := step.Evaluation; e != nil && e.Report != nil {
			o := of[e.Report.Address]
			nd := s.nodes[step.Address]
			nd.outputs = append(nd.outputs, &output{address: o.Address, path: o.Path, status: o.Status, reason: o.Reason})
		}
		if step.Dataset == nil {
			continue
		}
		for _, body := range step.Dataset.Outputs {
			o := of[body.Address]
			out := &output{address: body.Address, path: o.Path, status: o.Status, reason: o.Reason}
			input, known := s.inputDigest(step.Address)
			parts, err := engine.OutputParts(s.store, step, body, input)
			if err == nil {
				if out.parts = parts; !known {
					out.parts = baseOf(parts)
				} else {
					out.key = parts.Digest()
				}
			}
			nd := s.nodes[step.Address]
			nd.outputs = append(nd.outputs, out)
		}
	}
}

// load reads a node's parts.
func (s *state) load(nd *node) {
	if nd.read {
		return
	}
	nd.read = true
	if parts, ok := loadParts(s.store, nd.key); ok {
		nd.parts, nd.base = parts, baseOf(parts)
	}
}

// base and parts of a step; nil where they are not known.
func (s *state) partsOf(address string) (base, parts key.List) {
	nd := s.nodes[address]
	if nd == nil {
		return nil, nil
	}
	s.load(nd)
	return nd.base, nd.parts
}

// record reads what a step came to. A *GoneError says why that cannot be.
func (s *state) record(address string) (*engine.StepRecord, error) {
	nd := s.nodes[address]
	switch {
	case nd == nil:
		return nil, &GoneError{address, "the build has no such step"}
	case nd.key == (cache.Digest{}) && s.build == nil:
		return nil, &GoneError{address, "its input must run first"}
	case nd.key == (cache.Digest{}):
		return nil, &GoneError{address, "the build did not finish it"}
	}
	rec, ok, err := engine.LoadStep(s.store, nd.key)
	switch {
	case err != nil:
		return nil, err
	case !ok && s.build == nil:
		return nil, &GoneError{address, "it must run first"}
	case !ok:
		return nil, &GoneError{address, "what it came to is no longer in the cache"}
	}
	return rec, nil
}

// output is the rows that a step yields: of a dataset those that it takes.
func (s *state) output(address string) (table, error) {
	if nd := s.nodes[address]; nd != nil && nd.kind == spec.DatasetStep {
		return s.input(address)
	}
	rec, err := s.record(address)
	if err != nil {
		return table{}, err
	}
	return table{s.store, []*engine.StepRecord{rec}}, nil
}

// input is the rows that a step takes.
func (s *state) input(address string) (table, error) {
	t := table{store: s.store}
	nd := s.nodes[address]
	if nd == nil {
		return t, &GoneError{address, "the build has no such step"}
	}
	for _, in := range nd.inputs {
		if up := s.nodes[in]; up != nil && up.kind == spec.DatasetStep && nd.kind == spec.FinetuneStep {
			return s.input(in) // the files that are trained on are made of these rows
		}
		rec, err := s.record(in)
		if err != nil {
			return t, err
		}
		t.recs = append(t.recs, rec)
	}
	return t, nil
}

// inputDigest is the ordered digest of what a step takes, as the engine has
// it in keys.
func (s *state) inputDigest(address string) (cache.Digest, bool) {
	t, err := s.input(address)
	if err != nil || len(t.recs) == 0 {
		return cache.Digest{}, false
	}
	if len(t.recs) == 1 {
		return t.recs[0].Digest, true
	}
	var all []byte
	for _, r := range t.recs {
		all = append(all, r.Digest[:]...)
	}
	return cache.Sum(all), true
}

// unreadable says in words why rows cannot be read, for errors that are about
// what is stored; other errors are not for reports.
func unreadable(err error) (why string, ok bool) {
	var gone *GoneError
	switch {
	case errors.As(err, &gone):
		return gone.Error(), true
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), err == nil:
		return "", false
	}
	return "what is stored cannot be read: " + err.Error(), true
}
