package provenance

import (
	"testing"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/spec"
)

// Builds are compared by what both measured.
func TestDiffMeasured(t *testing.T) {
	build := func(sec, f1 float64, useful *float64) *Build {
		return &Build{Evaluations: []engine.EvaluationSummary{{Address: "evaluation.n.s", Metrics: map[string]map[string]*float64{
			"plain": {"sec_at_1": &sec, "sec_at_1_unbiased": &sec, "f1": &f1, "useful_rate": useful},
		}}}}
	}
	half := 0.5
	d := &differences{DiffReport: &DiffReport{}}
	d.metrics(build(0.2, 0.1, nil), build(0.6, 0.3, &half))
	if len(d.Metrics) != 1 || d.Metrics[0] != (Metric{"evaluation.n.s plain sec_at_1", Numbers{0.2, 0.6}}) {
		t.Errorf("%+v", d.Metrics)
	}
	d = &differences{DiffReport: &DiffReport{}}
	d.metrics(build(0.2, 0.1, nil), &Build{})
	if len(d.Metrics) > 0 {
		t.Errorf("%+v", d.Metrics)
	}
}

// Parts of an evaluation's key are shown as what they are.
func TestEvaluationParts(t *testing.T) {
	for name, want := range map[string]PartKind{
		"trials.plain": PartInput, "metric.own": PartJSON, "judge.gpt": PartJSON, "agents": PartJSON, "group.domain": PartText, "human.alice": PartFiles, "verdict": PartPlain,
	} {
		if got := partKind(name, []byte("a"), []byte("b")); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// What leaves a row out of the scenarios is no operation that anybody named.
func TestScenariosReason(t *testing.T) {
	if got := (Op{Kind: string(spec.OpScenarios), Name: "scenarios"}).reason("."); got != "not among the scenarios" {
		t.Error(got)
	}
	if got := (Op{Kind: "filter", Name: "x"}).reason("."); got != "filter.x" {
		t.Error(got)
	}
}
