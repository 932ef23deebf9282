package llm

import (
	"context"
	"errors"

	"github.com/autosafe/autosafe/internal/llm/offline"
)

// actor answers in the endpoint's place; it is offline.Complete, or a test's.
type actor func(context.Context, offline.Request) (offline.Reply, error)

// answerOffline has the offline model answer: no network, no limits, no cost.
func (act actor) answerOffline(ctx context.Context, req Request, body []byte) (Answer, error) {
	in := offline.Request{
		Seed: req.Model.Provider.Seed, Model: req.Model.ID,
		Purpose: req.Purpose, Facts: req.Facts, Schema: req.Schema,
		Sample: req.Sample, Generation: req.Generation,
		CallSeed: req.Seed, Temperature: req.Model.Temperature,
	}
	for _, m := range req.Messages {
		in.Messages = append(in.Messages, offline.Message{Role: m.Role, Content: m.Content})
	}
	for _, t := range req.Tools {
		in.Tools = append(in.Tools, offline.Tool{Name: t.Name, Description: t.Description, Parameters: t.Parameters})
	}
	out, err := act(ctx, in)
	if err != nil {
		if ctx.Err() != nil {
			return Answer{}, interrupted(ctx.Err())
		}
		var own *Error
		if errors.As(err, &own) {
			return Answer{}, own
		}
		return Answer{}, &Error{Code: CodeRejected, Summary: "the offline model cannot answer this request", Detail: clip(plain(err.Error()), maxDetail)}
	}
	a := Answer{
		Content: out.Content, FinishReason: finishStop, Model: req.Model.ID, Fingerprint: "offline-" + offline.Version,
		Usage: Usage{InputTokens: out.InputTokens, OutputTokens: out.OutputTokens},
	}
	for _, c := range out.ToolCalls {
		a.FinishReason = finishCalls
		a.ToolCalls = append(a.ToolCalls, AnswerCall{Name: c.Name, Arguments: string(c.Arguments)})
	}
	nameCalls(a.ToolCalls)
	if a.Usage == (Usage{}) {
		a.Usage = Usage{InputTokens: estimate(len(body)), OutputTokens: estimate(a.size()), Estimated: true}
	}
	return a, nil
}
