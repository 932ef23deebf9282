package view

import (
	"bytes"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/spec"
)

func TestTrainingProgress(t *testing.T) {
	ev := engine.Event{Training: &engine.TrainingProgress{Address: "finetune.openai.a\x1b[2J", Note: engine.Note{
		Text: "running\x07", Done: 12, Total: 90, Figures: map[string]float64{"loss": 0.831234, "valid_loss": 1},
	}}}
	var b bytes.Buffer
	plain{&b}.event(ev)
	if got, want := b.String(), "12/90, loss 0.8312, valid loss 1\n"; !strings.HasSuffix(got, want) || strings.ContainsAny(got, "\x1b\x07") {
		t.Errorf("%q, want …%q", got, want)
	}
	b.Reset()
	v := New(Options{Stdout: &b, JSON: true})
	v.Event(ev)
	if !strings.Contains(b.String(), `{"type":"training","address":`) || !strings.Contains(b.String(), `"figures":{"loss":0.831234,"valid_loss":1}`) {
		t.Errorf("%s", b.String())
	}
}

func TestTunes(t *testing.T) {
	list := []Tune{{ID: "ftjob-1", Step: "finetune.openai.a", Model: "m", Endpoint: "the endpoint https://x", Status: "running"}, {Name: "0123456789abcdef", Status: "uploaded"}}
	for _, c := range []struct {
		json bool
		list []Tune
		want []string
	}{
		{false, nil, []string{"No training is under way."}},
		{false, list, []string{"ftjob-1", "m at https://x", "0123456789ab ", "uploaded"}},
		{true, list, []string{`{"type":"finetune","name":"","id":"ftjob-1","step":"finetune.openai.a"`, `{"type":"finetunes","listed":2}`}},
	} {
		var b bytes.Buffer
		New(Options{Stdout: &b, JSON: c.json}).Tunes(c.list)
		for _, want := range c.want {
			if !strings.Contains(b.String(), want) {
				t.Errorf("no %q in\n%s", want, b.String())
			}
		}
	}
}

// A model that a step trains for another is an edge of its own kind.
func TestGraphOfModels(t *testing.T) {
	tune := &spec.Step{Address: "finetune.openai.a", Kind: spec.FinetuneStep}
	r := &spec.Recipe{Steps: []*spec.Step{tune, {Address: "judge.rubric.b", After: []*spec.Step{tune}}}}
	for format, want := range map[GraphFormat]string{
		GraphDOT: "n0 -> n1 [style = dashed];", GraphMermaid: "n0 -.-> n1", GraphJSON: `"after":["finetune.openai.a"]`,
	} {
		var b bytes.Buffer
		New(Options{Stdout: &b, JSON: format == GraphJSON}).Graph(r, format)
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s: no %q in\n%s", format, want, b.String())
		}
	}
}
