package engine

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

// An evaluation step makes figures of trials that other steps made. It has a key
// and a record as they have, so that figures which are known cost nothing, and it
// asks nobody: another metric is computed anew of rows that are there. What holds of
// the figures is looked at in every build, and a report of them stands where the
// recipe wants it.

// ErrAssertFailed means that an evaluation's assert does not hold. All else was
// built.
var ErrAssertFailed = errors.New("an assertion failed")

// AssertError says which asserts do not hold. It is an ErrAssertFailed.
type AssertError struct{ Failed []FailedAssert }

// FailedAssert is an assert that does not hold.
type FailedAssert struct {
	Address string // of the evaluation
	Assert  *spec.EvaluationAssert
	Assertion
}

func (e *AssertError) Error() string {
	texts := make([]string, len(e.Failed))
	for i, f := range e.Failed {
		texts[i] = fmt.Sprintf("%s: assert %q failed", f.Address, f.Name)
	}
	return strings.Join(texts, "; ")
}

// Unwrap implements errors.Unwrap.
func (e *AssertError) Unwrap() error { return ErrAssertFailed }

// concluded is what came of an evaluation.
type concluded struct {
	summary EvaluationSummary
	failed  []FailedAssert
}

// runEvaluation waits for the trials to be whole and makes figures of them.
func (b *build) runEvaluation(st *stepState) error {
	if _, err := b.await(st); err != nil {
		return err
	}
	if err := b.awaitTrials(st); err != nil {
		return err
	}
	st.begin = time.Now() // waiting is not its work
	st.count(func(p *progress) { p.rowsIn, p.inputDone = b.trialsOf(st), true })
	figures, err := b.figures(st)
	if err != nil {
		return err
	}
	st.count(func(p *progress) { p.rowsOut = int64(len(figures)) })
	return st.flow.append(figures)
}

// awaitTrials waits until the steps that try agents, and judge them, are recorded.
func (b *build) awaitTrials(st *stepState) error {
	for i := range st.Evaluation.Agents {
		for _, s := range b.trialSteps(&st.Evaluation.Agents[i]) {
			if b.dry == nil {
				<-s.ended
			}
		}
	}
	if b.halted(st) {
		return errStopped
	}
	return nil
}

// trialsOf is how many trials there are.
func (b *build) trialsOf(st *stepState) (n int64) {
	for _, a := range st.Evaluation.Agents {
		n += b.states[a.Last].flow.count()
	}
	return n
}

// trialSteps are the steps of an agent: the one that tries it, and its judges.
func (b *build) trialSteps(a *spec.EvaluationAgent) (steps []*stepState) {
	for s := a.Last; ; s = s.Inputs[0] {
		steps = append(steps, b.states[s])
		if s == a.Trial || len(s.Inputs) == 0 {
			break
		}
	}
	slices.Reverse(steps)
	return steps
}

// figures gives the figures of an evaluation: those that are known of equal trials,
// or new ones.
func (b *build) figures(st *stepState) ([]row.Row, error) {
	if known, err := b.knownFigures(st); known != nil || err != nil {
		return known, err
	}
	if b.opts.Evaluator == nil {
		return nil, &RunError{Address: st.Address, Code: "no_evaluator", Summary: "nothing makes figures here"}
	}
	e, err := b.evaluation(st)
	if err != nil {
		return nil, err
	}
	figures, err := b.opts.Evaluator.Figures(b.ctx, e)
	if err != nil {
		return nil, b.evaluationError(st, err)
	}
	return figures, nil
}

// knownFigures are the figures of trials that came out as some that are known; nil
// if there are none.
func (b *build) knownFigures(st *stepState) ([]row.Row, error) {
	if st.refresh || b.callsAnew(st) {
		return nil, nil
	}
	rec, err := b.usable(st, b.stepParts(st).Digest())
	if err != nil || rec == nil {
		return nil, err
	}
	f, err := openLater(b.blobs(), rec.Manifest, rec.Rows)
	if err != nil {
		return nil, nil
	}
	rows, err := everyRow(f)
	if errors.As(err, new(*damagedError)) {
		return nil, nil // they are made anew
	}
	return rows, err
}

// everyRow gives the rows of a flow, of which there are few.
func everyRow(f *flow) (rows []row.Row, err error) {
	for r, err := range (&reader{flows: []*flow{f}}).all() {
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// evaluationError is why figures or a report could not be made.
func (b *build) evaluationError(st *stepState, err error) error {
	b.mu.Lock()
	damage := st.damage
	b.mu.Unlock()
	switch {
	case b.halted(st):
		return errStopped
	case damage != nil:
		return damage
	case errors.As(err, new(*damagedError)), errors.As(err, new(*RunError)):
		return addressed(err, st.Address)
	}
	return fmt.Errorf("%s: %w", st.Address, err)
}

// evaluation puts together what figures and reports are made of.
func (b *build) evaluation(st *stepState) (*Evaluation, error) {
	if st.evaluated != nil {
		return st.evaluated, nil
	}
	body := st.Evaluation
	e := &Evaluation{
		Step: st.Step, Offline: st.offline, Limit: b.opts.Limit,
		Scenarios: b.rowsOf(st, body.Scenarios), Sources: Above(body.Scenarios),
	}
	for i := range body.Agents {
		a := &body.Agents[i]
		t := Trials{Agent: a.Name, Rows: b.rowsOf(st, a.Last), Digest: b.states[a.Last].flow.sum()}
		t.Failed, t.Dropped = b.leftOut(a)
		for _, s := range b.trialSteps(a) {
			spent, err := b.spent(s)
			if err != nil {
				return nil, err
			}
			t.Calls.Add(spent)
		}
		e.Trials = append(e.Trials, t)
	}
	st.evaluated = e
	return e, nil
}

// leftOut counts the rows that an agent's steps left out, by code and reason.
func (b *build) leftOut(a *spec.EvaluationAgent) (failed, dropped map[string]int64) {
	failed, dropped = map[string]int64{}, map[string]int64{}
	for _, s := range b.trialSteps(a) {
		s.count(func(p *progress) {
			for code, n := range p.failed {
				failed[code] += n
			}
			for reason, n := range p.dropped {
				dropped[reason] += n
			}
		})
	}
	return failed, dropped
}

// rowsOf reads the rows of a step again and again. They are read on all cores, and
// taken apart no further than into columns.
func (b *build) rowsOf(st *stepState, s *spec.Step) func() iter.Seq2[row.Row, error] {
	return func() iter.Seq2[row.Row, error] {
		return func(yield func(row.Row, error) bool) {
			in := &reader{flows: []*flow{b.states[s].flow}}
			err := pipeline[span, []item]{
				next: func() (span, bool, error) {
					if b.halted(st) {
						return span{}, false, errStopped
					}
					return in.span()
				},
				stop: in.stop,
				work: span.load,
				done: func(items []item) error {
					for _, it := range items {
						if !yield(it.row, nil) {
							return errEnough
						}
					}
					return nil
				},
			}.run()
			if err != nil && err != errEnough {
				if errors.As(err, new(*damagedError)) {
					b.mu.Lock()
					st.damage = err // whatever becomes of it on its way
					b.mu.Unlock()
				}
				yield(row.Row{}, err)
			}
		}
	}
}

// conclude looks at what holds of an evaluation's figures, and brings its report up
// to date. That an assert does not hold ends the build, but stops nothing.
func (b *build) conclude(st *stepState) error {
	if b.opts.Evaluator == nil {
		return nil
	}
	figures, err := everyRow(st.flow)
	if err != nil {
		return err
	}
	asserts, err := b.opts.Evaluator.Asserts(st.Evaluation, figures)
	if err != nil {
		return b.evaluationError(st, err)
	}
	c := &concluded{summary: b.evaluationSummary(st, figures, asserts)}
	for i, a := range asserts {
		if !a.OK && i < len(st.Evaluation.Asserts) {
			c.failed = append(c.failed, FailedAssert{Address: st.Address, Assert: &st.Evaluation.Asserts[i], Assertion: a})
		}
	}
	b.mu.Lock()
	b.concluded[st.Step] = c
	b.mu.Unlock()
	return b.report(st, figures, asserts)
}

// assertError says which asserts do not hold; nil if all do. The caller holds mu.
func (b *build) assertError() error {
	var all AssertError
	for _, st := range b.order {
		if c := b.concluded[st.Step]; c != nil {
			all.Failed = append(all.Failed, c.failed...)
		}
	}
	if len(all.Failed) == 0 {
		return nil
	}
	return &all
}

// builtWell says whether a build made all that it was to make: an assert that does
// not hold says something of what was made.
func builtWell(err error) bool {
	return err == nil || errors.As(err, new(*AssertError)) && !errors.As(err, new(Failures))
}

// counted writes counts by name, in order of name.
func counted(m map[string]int64) string {
	var parts []string
	for _, name := range slices.SortedFunc(maps.Keys(m), cmp.Compare[string]) {
		parts = append(parts, fmt.Sprintf("%q %d", name, m[name]))
	}
	return strings.Join(parts, ", ")
}
