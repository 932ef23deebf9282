package pluginhost

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/plugins/sdk/transport"
	"github.com/autosafe/autosafe/spec/schema"
)

// modelServer answers one run's model calls. It is served on a connection of
// its own, so that a run can only reach the models that it was given.
type modelServer struct {
	pluginpb.UnimplementedHostServer
	run      *run
	id       uint32
	listener net.Listener
	server   *grpc.Server
}

func serveModels(r *run) (*modelServer, error) {
	broker := r.process.conn.broker
	m := &modelServer{run: r, id: broker.NextId()}
	var err error
	if m.listener, err = broker.Accept(m.id); err != nil {
		return nil, err
	}
	// An answer that came as the run was closed is still being stored.
	opts := append(transport.ServerOptions(), grpc.WaitForHandlers(true))
	if r.process.tls != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(r.process.tls)))
	}
	m.server = grpc.NewServer(opts...)
	pluginpb.RegisterHostServer(m.server, m)
	go func() { _ = m.server.Serve(m.listener) }()
	return m, nil
}

// stop ends the calls under way and waits for them. It may be called twice.
func (m *modelServer) stop() {
	m.server.Stop()
	_ = m.listener.Close()
}

// Complete answers a call. A failed call is an answer too: the row's error.
func (m *modelServer) Complete(ctx context.Context, req *pluginpb.CompleteRequest) (*pluginpb.CompleteResponse, error) {
	r := m.run
	r.active.Add(1)
	defer func() {
		r.touch()
		r.active.Add(-1)
	}()
	r.mu.Lock()
	t := r.tasks[req.GetSeq()]
	r.mu.Unlock()
	if t == nil && r.spec.Role == schema.ThreatSource {
		return refusal("bad_call", "a threat source calls no model: it has no rows that a call could be for"), nil
	}
	if t == nil {
		return refusal("bad_call", "the model was called for a row that is not at the plugin"), nil
	}
	model := r.spec.Models[req.GetSlot()]
	if model == nil || r.host.opts.Models == nil {
		return refusal("unknown_model", "the component called a model that the recipe does not give to it"), nil
	}
	call := toRequest(req)
	call.Model, call.Generation = model, r.spec.Generation
	call.Refresh, call.RefreshMark = r.spec.Refresh, r.spec.RefreshMark
	call.Step, call.Depth = r.spec.Address, r.spec.Depth
	call.Over = func() bool { return r.parent.Err() != nil || r.calls.Err() != nil }
	switch repeat := call.Sample / sdk.RepeatStride; {
	case r.spec.Seed == 0:
		call.Seed = 0
	case repeat > 0:
		call.Seed = repeatSeed(call.Seed, repeat)
	}
	ctx, end := r.outlive(ctx)
	defer end()
	reply, err := r.host.opts.Models.Complete(ctx, call, &r.tally)
	if err != nil {
		return m.failed(ctx, t, err), nil
	}
	r.note(t, reply.Calls)
	return toResponse(reply), nil
}

// repeatSeed is the seed of a request that is made again to see whether the answer
// is another: with the seed of the first, an endpoint gives the first answer.
func repeatSeed(seed int64, repeat int) int64 {
	return int64(rand.NewPCG(uint64(seed), uint64(repeat)).Uint64() >> 1)
}

// note keeps the keys of the calls made for a task.
func (r *run) note(t *task, calls []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.calls = append(t.calls, calls...)
}

// failed turns a failed call into the row's error, and ends the run where
// every other call would fail likewise.
func (m *modelServer) failed(ctx context.Context, t *task, err error) *pluginpb.CompleteResponse {
	var e *llm.Error
	switch {
	case errors.As(err, &e):
		m.run.note(t, e.Calls)
		if e.Fatal {
			m.run.fail(&engine.RunError{Code: string(e.Code), Summary: e.Summary, Detail: e.Detail})
		}
		if e.Code == llm.CodeBudget || e.Code == llm.CodeInterrupted && ctx.Err() == nil {
			return m.run.cutShort(t)
		}
		return &pluginpb.CompleteResponse{Error: &pluginpb.RowError{
			Code: string(e.Code), Summary: wire(e.Summary), Detail: wire(e.Detail), Transient: e.Transient,
		}}
	case ctx.Err() != nil:
		return &pluginpb.CompleteResponse{Error: &pluginpb.RowError{
			Code: string(llm.CodeInterrupted), Summary: "the call was interrupted", Transient: true,
		}}
	}
	// Not the model's doing: the store cannot be written, for one.
	m.run.fail(&engine.RunError{Code: "model_call_failed", Summary: "model calls cannot be made", Detail: cleanText(err.Error(), maxDetail)})
	return refusal("model_call_failed", "model calls cannot be made")
}

// cutShort answers a call that is refused because the build is stopping: the
// user said so, or the budget is used up. The task counts as interrupted,
// whatever the plugin makes of it; with this answer missing, its outcome must
// not be kept.
func (r *run) cutShort(t *task) *pluginpb.CompleteResponse {
	r.mu.Lock()
	t.cutShort = true
	r.mu.Unlock()
	e := interruptedRow()
	return &pluginpb.CompleteResponse{Error: &pluginpb.RowError{Code: e.Code, Summary: e.Summary, Transient: e.Transient}}
}

func interruptedRow() *engine.RowError {
	return &engine.RowError{Code: string(llm.CodeInterrupted), Summary: "the build is stopping", Transient: true}
}

func refusal(code, summary string) *pluginpb.CompleteResponse {
	return &pluginpb.CompleteResponse{Error: &pluginpb.RowError{Code: code, Summary: summary}}
}

func toRequest(m *pluginpb.CompleteRequest) llm.Request {
	req := llm.Request{
		Purpose: m.GetPurpose(), Schema: m.GetSchemaJson(), SchemaName: m.GetSchemaName(), Stop: m.GetStop(),
		Sample: int(m.GetSample()), Seed: m.GetSeed(), Facts: m.GetFactsJson(),
	}
	for _, msg := range m.GetMessages() {
		out := llm.Message{Role: msg.GetRole(), Content: msg.GetContent(), ToolCallID: msg.GetToolCallId(), Name: msg.GetName()}
		for _, t := range msg.GetToolCalls() {
			out.ToolCalls = append(out.ToolCalls, llm.ToolCall{ID: t.GetId(), Name: t.GetName(), Arguments: t.GetArgumentsJson()})
		}
		req.Messages = append(req.Messages, out)
	}
	for _, t := range m.GetTools() {
		req.Tools = append(req.Tools, llm.Tool{Name: t.GetName(), Description: t.GetDescription(), Parameters: t.GetParametersJson()})
	}
	return req
}

func toResponse(r llm.Reply) *pluginpb.CompleteResponse {
	out := &pluginpb.CompleteResponse{
		Content: wire(r.Content), FinishReason: wire(r.FinishReason), Refusal: wire(r.Refusal), Model: wire(r.Model),
		InputTokens: uint64(max(r.Usage.InputTokens, 0)), OutputTokens: uint64(max(r.Usage.OutputTokens, 0)), Cached: r.Cached,
	}
	if n := len(r.Calls); n > 0 {
		out.Call = r.Calls[n-1]
	}
	for _, t := range r.ToolCalls {
		out.ToolCalls = append(out.ToolCalls, &pluginpb.ToolCall{Id: wire(t.ID), Name: wire(t.Name), ArgumentsJson: t.Arguments})
	}
	return out
}
