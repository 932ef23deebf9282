package evaluate

import (
	"context"
	"fmt"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

// Labelled is the protocol whose agents are judges: what they say of runs is held
// against the column "label".
const Labelled = "labelled"

// Reporter writes reports of figures.
type Reporter interface {
	ReportVersion() string
	ReportNames(e *spec.EvaluationBody) []string
	Report(ctx context.Context, e *engine.Evaluation, figures []row.Row, asserts []engine.Assertion, dir string) ([]engine.Artifact, error)
}

// Evaluator is the engine's Evaluator.
type Evaluator struct{ Reporter }

var _ engine.Evaluator = Evaluator{}

// New makes an Evaluator whose reports r writes.
func New(r Reporter) Evaluator { return Evaluator{r} }

// Version implements engine.Evaluator. It changes when figures of the same trials
// do.
func (Evaluator) Version() string { return "1" }

// evaluation is an evaluation whose rows are read.
type evaluation struct {
	body      *spec.EvaluationBody
	samples   int
	groups    []group
	scenarios []scenario
	arms      []*arm
	baseline  int // among arms; -1: none
	people    []person
}

// Figures implements engine.Evaluator.
func (Evaluator) Figures(ctx context.Context, e *engine.Evaluation) ([]row.Row, error) {
	ev, err := read(ctx, e)
	if err != nil {
		return nil, err
	}
	var figures []Figure
	metrics, err := ev.metricFigures(ctx)
	if err != nil {
		return nil, err
	}
	figures = append(figures, metrics...)
	figures = append(figures, ev.countFigures(e)...)
	agreement, err := ev.agreementFigures(ctx)
	if err != nil {
		return nil, err
	}
	figures = append(figures, agreement...)
	rows := make([]row.Row, len(figures))
	for i, f := range figures {
		if rows[i], err = f.row(); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// read reads the scenarios, the trials and what people said of them.
func read(ctx context.Context, e *engine.Evaluation) (*evaluation, error) {
	body := e.Step.Evaluation
	ev := &evaluation{body: body, samples: max(1, body.Samples), baseline: -1}
	index, err := ev.readScenarios(ctx, e)
	if err != nil {
		return nil, err
	}
	if ev.people, err = readPeople(body.Humans); err != nil {
		return nil, err
	}
	for i, trials := range e.Trials {
		if trials.Agent == body.Baseline && body.Baseline != "" {
			ev.baseline = i
		}
		a := newArm(ev, trials)
		if err := a.read(ctx, ev, index, trials); err != nil {
			return nil, fmt.Errorf("agent %q: %w", trials.Agent, err)
		}
		ev.arms = append(ev.arms, a)
	}
	ev.findScope()
	return ev, nil
}
