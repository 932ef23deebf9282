package report

import (
	"fmt"
	"testing"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/row"
)

// BenchmarkReport writes the report of 10,000 trials.
func BenchmarkReport(b *testing.B) {
	in := sample(b)
	var scenarios []row.Row
	for i := range 500 {
		scenarios = append(scenarios, rowOf(b, map[string]any{"scenario": fmt.Sprintf("%016x", i), "instruction": "Clean up."}))
	}
	in.Evaluation.Scenarios, in.Evaluation.Trials = rowsOf(scenarios), nil
	for j, a := range in.Evaluation.Step.Evaluation.Agents {
		in.Evaluation.Trials = append(in.Evaluation.Trials, engine.Trials{Agent: a.Name, Rows: rowsOf(sampleTrials(b, scenarios, j))})
	}
	for b.Loop() {
		if _, err := (Reporter{}).Report(b.Context(), in.Evaluation, in.Figures, in.Asserts, b.TempDir()); err != nil {
			b.Fatal(err)
		}
	}
}
