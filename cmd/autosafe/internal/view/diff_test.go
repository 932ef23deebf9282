package view

import (
	"strings"
	"testing"

	"github.com/autosafe/autosafe/internal/provenance"
)

// TestDiffSaysNothingTwice: figures that read the same before and after are no
// difference, and where more rows come out than go in, no share is told.
func TestDiffSaysNothingTwice(t *testing.T) {
	p := &page{}
	p.diff(&provenance.DiffReport{
		Steps: []provenance.StepDiff{{Address: "judge.rubric.a", Change: "changed",
			Yield: &provenance.Numbers{Before: 0.5, After: 2}, Cost: &provenance.Numbers{Before: 0.00741, After: 0.00742}}},
		Metrics: []provenance.Metric{{Name: "yield", Numbers: provenance.Numbers{Before: 0.25, After: 0.5}}},
	})
	text := p.String()
	if strings.Contains(text, "cost") || !strings.Contains(text, "yield  0.50 rows a row → 2.00 rows a row") || !strings.Contains(text, "25.0 %") {
		t.Error(text)
	}
}
