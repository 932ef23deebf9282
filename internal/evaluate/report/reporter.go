package report

import (
	"context"
	"strconv"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/evaluate"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

// Reporter writes the reports of an Evaluator.
type Reporter struct{}

var _ evaluate.Reporter = Reporter{}

// ReportVersion implements evaluate.Reporter.
func (Reporter) ReportVersion() string { return strconv.Itoa(Version) }

// ReportNames implements evaluate.Reporter.
func (Reporter) ReportNames(e *spec.EvaluationBody) []string { return Names(e) }

// Report implements evaluate.Reporter.
func (Reporter) Report(ctx context.Context, e *engine.Evaluation, figures []row.Row, asserts []engine.Assertion, dir string) ([]engine.Artifact, error) {
	return Write(ctx, Input{Evaluation: e, Figures: figures, Asserts: asserts, Verdict: evaluate.Verdicts(e.Step.Evaluation)}, dir)
}
