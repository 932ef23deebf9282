package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/key"
	"github.com/autosafe/autosafe/spec"
)

// planTag names what the ID of a plan is made of.
const planTag = "autosafe.plan/1"

// Plan says what Build would do. It goes through the steps as a build does,
// by the same look-ups, but runs no component and writes nothing to the cache.
// Rows that the cache knows go on to the next step, so that this is planned to
// the row too. Behind a task that must run its rows are missing: from there on
// figures are estimates.
func (e *Engine) Plan(ctx context.Context) (*Plan, error) {
	lost := map[cache.Digest]bool{}
	for heals := 0; ; heals++ {
		plan, err := e.planOnce(ctx, lost)
		if !errors.As(err, new(*damagedError)) || heals == maxHeals {
			return plan, err
		}
	}
}

// planOnce makes a plan that does without the records that are lost. Where it
// meets damage, it adds the records that a build would withdraw.
func (e *Engine) planOnce(ctx context.Context, lost map[cache.Digest]bool) (*Plan, error) {
	dry := &dryRun{
		scratch: scratch{store: e.opts.Store},
		missing: map[shortKey]struct{}{}, made: map[cache.Digest]string{}, lost: lost,
	}
	b, err := e.newBuild(ctx, dry)
	if err != nil {
		return nil, err
	}
	defer b.cancel()
	p := &planner{build: b, plan: &Plan{Steps: []StepPlan{}, Outputs: []OutputPlan{}}, more: map[*spec.Step]more{}, open: map[cache.Digest]bool{}, refused: map[*stepState]error{}}
	stopWatch := b.watchInterrupt()
	err = p.all()
	stopWatch()
	if errors.Is(err, errStopped) || errors.Is(err, errAborted) {
		if err = cmp.Or(b.cause(), ctx.Err()); err == nil {
			err = ErrInterrupted
		}
	}
	if errors.As(err, new(*damagedError)) { // while the scratch file can be read
		err = errors.Join(err, b.eachDamaged(func(st *stepState) error { lost[st.key] = true; return nil }))
	}
	if cerr := dry.scratch.close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, err
	}
	return p.plan, nil
}

// planner makes a plan.
type planner struct {
	*build
	plan *Plan
	more map[*spec.Step]more   // rows that a step yields on top of those known
	open map[cache.Digest]bool // steps, by base, of which not all input is known
	id   key.List

	refused map[*stepState]error // what is in the way of a dataset's outputs
}

func (p *planner) all() error {
	if err := p.prepare(p.ready()); err != nil {
		return err
	}
	p.id = key.New(planTag)
	for _, st := range p.order {
		if p.ending() {
			return errStopped
		}
		if err := p.planOne(st); err != nil {
			return err
		}
	}
	if err := p.refuse(); err != nil {
		return err
	}
	p.total()
	said, err := json.Marshal(p.plan)
	if err != nil {
		return err
	}
	p.id.Add("plan", said)
	p.plan.ID = cache.Digest(p.id.Digest()).String()[:32]
	return nil
}

// planOne plans a step, whatever it is.
func (p *planner) planOne(st *stepState) error {
	if !st.prepared { // a model that it uses may be known by now
		if err := p.prepare(p.ready()); err != nil {
			return err
		}
	}
	switch {
	case !st.prepared:
		return p.planTuned(st)
	case st.Kind == spec.DatasetStep:
		return p.planDataset(st)
	}
	if err := p.planStep(st); err != nil {
		return err
	}
	switch {
	case st.Kind == spec.EvaluationStep && st.hit:
		return p.planReport(st, "")
	case st.Kind == spec.EvaluationStep:
		return p.planReport(st, p.plan.Steps[len(p.plan.Steps)-1].Reason)
	case st.hit:
		return p.learnTuned(st)
	}
	return nil
}

// refuse says what a build would refuse to do.
func (p *planner) refuse() error {
	for _, st := range p.order {
		err := p.refused[st]
		if err == nil && p.costs() {
			err = p.checkOutputs(st)
		}
		switch {
		case err == nil:
		case !errors.As(err, new(*RunError)):
			return err
		default:
			p.plan.Refusals = append(p.plan.Refusals, err)
		}
	}
	return nil
}

// planStep plans one step.
func (p *planner) planStep(st *stepState) error {
	sp := StepPlan{Address: st.Address, Status: StatusRun, Base: st.base}
	var k cache.Digest
	if err := p.feedKnown(st); err != nil {
		return err
	}
	if sp.Known = p.inputWhole(st); sp.Known {
		sp.Parts = p.stepParts(st)
		k = sp.Parts.Digest()
		if err := p.lookUp(st); err != nil {
			return err
		}
	}
	why, err := p.compare(st, &sp, k)
	if err != nil {
		return err
	}
	if !st.hit {
		if err := p.tryRun(st); err != nil {
			return err
		}
	}
	sp.RowsIn, sp.RowsOut, sp.RowsHit, sp.RowsMiss = st.rowsIn, st.rowsOut, st.rowsHit, st.rowsMiss
	p.status(st, &sp, k)
	// A step before it may come to tasks of this one, which then run there.
	base := cache.Digest(st.base.Digest())
	shared := p.open[base]
	p.open[base] = shared || !sp.Known
	sp.Known = sp.Known && !(sp.RowsMiss > 0 && shared)
	sp.Reason = why.text(p, st, &sp)
	if err := p.estimate(st, &sp, why, shared); err != nil {
		return err
	}
	p.plan.Steps = append(p.plan.Steps, sp)
	p.id.Add("step", append(base[:], k[:]...))
	return nil
}

// tryRun has a step go through the rows that are known.
func (p *planner) tryRun(st *stepState) error {
	var err error
	switch {
	case isSource(st.Step):
		st.unknown = 1
	case st.Kind == spec.DistillStep:
		err = p.runDistill(st)
		st.rowsMiss = st.rowsIn
	case st.Kind == spec.EvaluationStep:
		st.rowsIn, st.unknown = p.trialsOf(st), 1
	default:
		err = p.runRole(st)
	}
	if ferr := st.flow.finish(err); err == nil {
		err = ferr
	}
	st.whole = p.inputWhole(st) && st.unknown == 0 && !p.fails(st)
	return err
}

// fails says whether so many of the known rows failed for good that a build
// would end here.
func (p *planner) fails(st *stepState) bool {
	failed := st.failures()
	return !st.hit && failed > 0 && (!allowed(st.Step, failed) || nothingWorked(st.Step, failed, st.tasks))
}

// status says what a build would do with a step, after it was gone through.
func (p *planner) status(st *stepState, sp *StepPlan, k cache.Digest) {
	switch {
	case st.hit:
		sp.Status = StatusHit
	case sp.Known && p.dry.made[k] != "":
		// Its twin runs first and leaves the record that this one finds.
		sp.Status = StatusHit
		sp.RowsHit, sp.RowsMiss = sp.RowsHit+sp.RowsMiss, 0
	case st.refresh:
	case isSource(st.Step), sp.Known && st.Kind == spec.RoleStep && sp.RowsHit == st.equal && sp.RowsMiss > 0:
		sp.Status = StatusNew
	}
	if sp.Known && !st.hit && p.dry.made[k] == "" {
		p.dry.made[k] = st.Address
	}
}

// waitsFor names an input of which not all rows are known.
func (b *build) waitsFor(st *stepState) string {
	for _, in := range st.Inputs {
		if !b.states[in].whole {
			return in.Address
		}
	}
	return ""
}

// inputFirst is the reason of a step that waits for an input, which is named
// where there are several.
func inputFirst(st *stepState, input string) string {
	if st.Kind == spec.EvaluationStep {
		return "its trials must run first"
	}
	if len(st.Inputs) == 1 {
		return "its input must run first"
	}
	return "its input " + input + " must run first"
}

// planDataset looks a dataset's outputs up.
func (p *planner) planDataset(st *stepState) error {
	step := StepPlan{Address: st.Address, Status: StatusHit, Known: p.inputWhole(st), Reason: "every output is in place"}
	for _, in := range st.Inputs {
		step.RowsIn += p.states[in].rowsOut
	}
	step.RowsOut, step.RowsHit = step.RowsIn, step.RowsIn
	waits := p.waitsFor(st)
	for _, out := range st.Dataset.Outputs {
		o := OutputPlan{Address: out.Address, Path: p.outDir(out.Path), Status: StatusRun}
		var k cache.Digest
		if waits != "" {
			o.Reason = inputFirst(st, waits)
		} else {
			parts, err := outputKey(st.Dataset, out, st.offline, p.input(st), p.fileDigest)
			if err != nil {
				return fmt.Errorf("%s: %w", out.Address, err)
			}
			k = parts.Digest()
			if err := p.planOutput(st, out, parts, &o); err != nil {
				return err
			}
		}
		if o.Status != StatusHit {
			step.Status, step.Reason = StatusRun, "outputs must be written"
			step.RowsHit, step.RowsMiss = 0, step.RowsIn
		}
		p.plan.Outputs = append(p.plan.Outputs, o)
		p.id.Add("output", k[:])
	}
	o, k, err := p.planDocuments(st, waits, step.Status != StatusHit)
	if err != nil {
		return err
	}
	if o != nil {
		if o.Status != StatusHit {
			step.Status, step.Reason = StatusRun, "outputs must be written"
		}
		p.plan.Outputs = append(p.plan.Outputs, *o)
		p.id.Add("documents", k[:])
	}
	if waits != "" {
		step.Reason = inputFirst(st, waits)
	}
	step.Work = Work{Basis: basisExact}.exact()
	p.plan.Steps = append(p.plan.Steps, step)
	return nil
}

func (p *planner) planOutput(st *stepState, out *spec.OutputBody, parts key.List, o *OutputPlan) error {
	rec, ok, err := getRecord[outputRecord](p.opts.Store, cache.Digest(parts.Digest()))
	switch {
	case err != nil:
		return err
	case !ok:
		o.Status, o.Reason = StatusNew, p.outputCause(out, parts)
	case st.refresh:
		o.Reason = "asked for with -refresh"
	case !p.inPlace(st, out, o.Path, rec):
		o.Reason = "its files are missing or were changed"
	default:
		o.Status, o.Reason = StatusHit, "its files are in place"
		return nil
	}
	if p.refused[st] == nil {
		p.refused[st] = p.inTheWay(st, out, o.Path, rec)
	}
	return nil
}

// inTheWay looks for what would stop an output from being written; rec is nil
// where it was never made.
func (p *planner) inTheWay(st *stepState, out *spec.OutputBody, dir string, rec *outputRecord) error {
	if rec == nil {
		return p.checkOutput(st, out)
	}
	if err := checkPath(out, dir); err != nil {
		return err
	}
	old, _ := readCard(dir)
	return p.checkInstall(out, dir, old, rec.Files)
}

// outputCause says why an output is not the one of the last build.
func (p *planner) outputCause(out *spec.OutputBody, parts key.List) string {
	const text = "these rows were not written in this form"
	if p.opts.Last == nil {
		return text
	}
	last, ok := p.opts.Last(out.Address)
	if !ok {
		return text
	}
	b, err := p.opts.Store.Blob(last.Key)
	if err != nil { // without its parts nothing can be compared
		return text
	}
	before, err := key.Decode(b)
	if err != nil {
		return text
	}
	names := partNames(changedParts(before, parts))
	if len(names) == 0 {
		return text
	}
	return listed(names) + " changed"
}
