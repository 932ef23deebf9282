package pluginhost

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/spec/schema"
)

// Tune has the run's endpoint train. Which files it is given stands in the task
// that the host itself has sent: a component chooses settings, not files.
func (m *modelServer) Tune(ctx context.Context, req *pluginpb.TuneRequest) (*pluginpb.TuneResponse, error) {
	r := m.run
	r.active.Add(1)
	defer func() {
		r.touch()
		r.active.Add(-1)
	}()
	r.mu.Lock()
	t := r.tasks[req.GetSeq()]
	r.mu.Unlock()
	var data sdk.TrainingData
	switch {
	case t == nil || r.spec.Role != schema.Finetune || r.spec.Tuning == nil || json.Unmarshal(t.sent.Row, &data) != nil:
		return tuneRefusal("bad_call", "an endpoint was asked to train for a row that is not at the plugin"), nil
	case r.spec.Tuning.Provider == nil || r.host.opts.Models == nil:
		return tuneRefusal("no_endpoint", "the component asked an endpoint to train, but its block names none"), nil
	}
	result, err := r.host.opts.Models.Tune(ctx, r.tuneRequest(req, data), &r.tally)
	if err != nil {
		return m.tuneFailed(ctx, err), nil
	}
	text, err := json.Marshal(tunedOf(result, req.GetModel()))
	if err != nil {
		return tuneRefusal("bad_result", "the endpoint's answer cannot be told"), nil
	}
	return &pluginpb.TuneResponse{TunedJson: text}, nil
}

func (r *run) tuneRequest(req *pluginpb.TuneRequest, data sdk.TrainingData) llm.TuneRequest {
	t := r.spec.Tuning
	files := func(list []sdk.TrainingFile) (out []llm.TuneFile) {
		for _, f := range list {
			out = append(out, llm.TuneFile{Path: filepath.Join(t.DataDir, filepath.FromSlash(f.Name)), Size: f.Bytes, SHA256: f.SHA256})
		}
		return out
	}
	return llm.TuneRequest{
		Provider: t.Provider, ID: t.ID, Step: r.spec.Address,
		Model: req.GetModel(), Method: req.GetMethodJson(), Suffix: req.GetSuffix(), Seed: req.GetSeed(),
		Train: files(data.Train), Validation: files(data.Validation), Price: t.Price, Epochs: t.Epochs,
		Progress: func(p llm.TuneProgress) {
			r.deliver(engine.RunEvent{Note: readNote(&pluginpb.Progress{
				Note: p.Note, Done: uint64(max(p.Step, 0)), Total: uint64(max(p.Steps, 0)), Figures: p.Figures,
			})})
		},
	}
}

// tunedOf is what an endpoint trained, as a finetune component says it.
func tunedOf(t llm.TuneResult, base string) sdk.Tuned {
	out := sdk.Tuned{Model: wire(t.Model), Base: base, Job: wire(t.Job), Steps: t.Steps, Tokens: t.Tokens, Checkpoints: []sdk.Checkpoint{}, Curve: []sdk.Point{}}
	for _, c := range t.Checkpoints {
		out.Checkpoints = append(out.Checkpoints, sdk.Checkpoint{Model: wire(c.Model), Step: c.Step, Loss: c.ValidLoss})
	}
	for _, p := range t.Curve {
		out.Curve = append(out.Curve, sdk.Point{Step: p.Step, Loss: p.Loss, ValidLoss: p.ValidLoss})
	}
	return out
}

// tuneFailed is the error of a training. It ends the run: there is nothing else
// that the component could do.
func (m *modelServer) tuneFailed(ctx context.Context, err error) *pluginpb.TuneResponse {
	var e *llm.Error
	switch {
	case errors.As(err, &e):
		return &pluginpb.TuneResponse{Error: &pluginpb.RowError{Code: string(e.Code), Summary: wire(e.Summary), Detail: wire(e.Detail), Transient: e.Transient}}
	case ctx.Err() != nil:
		return tuneRefusal(string(llm.CodeInterrupted), "the training was broken off here")
	}
	return tuneRefusal("training_failed", cleanText(err.Error(), maxDetail))
}

func tuneRefusal(code, summary string) *pluginpb.TuneResponse {
	return &pluginpb.TuneResponse{Error: &pluginpb.RowError{Code: code, Summary: summary}}
}
