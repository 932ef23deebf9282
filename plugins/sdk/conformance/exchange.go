// Package conformance holds a plugin to what hosts rely on. It speaks the
// protocol and knows nothing else of the plugin, so that the same checks are
// for plugins in any language: package sdktest runs them in process, and
// autosafe plugins test against a binary.
//
// It is no host: it limits nothing, remembers nothing and trusts what it is
// told of the plugin's folder.
package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/plugins/sdk/transport"
	"github.com/autosafe/autosafe/spec/schema"
)

// Peer is a plugin that is connected.
type Peer interface {
	Client() pluginpb.PluginClient
	// Serve serves what a run's model calls are answered by, and gives the id
	// under which the plugin reaches it. stop ends that.
	Serve(pluginpb.HostServer) (id uint32, stop func(), err error)
}

// Models answers model calls in place of real models. It is called from many
// goroutines. An *sdk.Error from it reaches the component as it is.
type Models func(ctx context.Context, call Call) (sdk.Reply, error)

// Call is a model call that a component made.
type Call struct {
	Slot    string // the argument that holds the model
	Purpose string
	sdk.Request
	Facts  json.RawMessage // as JSON, in place of Request.Facts
	Task   uint64          // index of the task
	Sample int
	Seed   int64
}

// Task is one input row, or one sample of it.
type Task struct {
	Row    string // JSON object
	Sample int
	Seed   int64
	Split  string // outputs only
}

// Result is what a run gave.
type Result struct {
	Tasks       []TaskResult // by task; for a source by row, in order
	Artifacts   []Artifact
	Diagnostics []schema.Diagnostic // why the configuration was refused
	Failure     *sdk.Error          // why the run as a whole failed
	Calls       []Call              // in the order in which they came
	Progress    []string            // the notes of how far it was
}

// TaskResult is the answer to one task.
type TaskResult struct {
	Rows    []string // the columns written, as JSON objects
	Dropped string
	Err     *sdk.Error
}

// Artifact is a file that an output wrote.
type Artifact struct {
	Path, MediaType string
	Rows            int64
	Content         []byte
}

// Rows are all rows of all tasks, in order.
func (r Result) Rows() []string {
	var out []string
	for _, t := range r.Tasks {
		out = append(out, t.Rows...)
	}
	return out
}

// Training is what a finetune component has beside its task, and who trains in
// place of an endpoint.
type Training struct {
	DataDir, ID, Model string
	Command            []string
	// Tune answers in place of an endpoint; nil: none is there.
	Tune func(ctx context.Context, req sdk.TuneRequest) (*sdk.Tuned, error)
}

// Run is one run of a component.
type Run struct {
	Role      schema.Role
	Component string
	Config    string // JSON
	Tasks     []Task
	Models    Models
	WorkDir   string // of outputs and of trainings
	// Training is what a finetune component has; nil: a folder of its own and no
	// command.
	Training *Training

	// order is the order in which tasks are sent, a batch each; nil: in order, in
	// batches as hosts make them.
	order []int
	// strange puts fields into every message that the plugin cannot know.
	strange bool
}

// Do carries a run out and holds it to the protocol: a breach is an error.
func (r Run) Do(ctx context.Context, peer Peer) (Result, error) {
	host := &fakeHost{models: r.Models}
	if r.Training != nil {
		host.tune = r.Training.Tune
	}
	id, stop, err := peer.Serve(host)
	if err != nil {
		return Result{}, err
	}
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := r.begin(ctx, peer, id)
	if err != nil {
		return Result{}, fmt.Errorf("starting the run: %w", err)
	}
	sent := make(chan error, 1)
	go func() { sent <- r.sendTasks(stream) }()
	result, err := r.receive(stream)
	if err != nil {
		return Result{}, err
	}
	cancel() // a run that ended before it had seen all takes no more
	if err := <-sent; err != nil && !errors.Is(err, io.EOF) && ctx.Err() == nil {
		return Result{}, fmt.Errorf("sending tasks: %w", err)
	}
	result.Calls = host.made()
	return result, nil
}

type runStream = grpc.BidiStreamingClient[pluginpb.RunRequest, pluginpb.RunResponse]

// begin opens the stream and sends the start.
func (r Run) begin(ctx context.Context, peer Peer, hostID uint32) (runStream, error) {
	stream, err := peer.Client().Run(ctx)
	if err != nil {
		return nil, err
	}
	return stream, r.send(stream, &pluginpb.RunRequest{Message: &pluginpb.RunRequest_Start{Start: &pluginpb.Start{
		Role: string(r.Role), Component: r.Component, ConfigJson: []byte(r.Config), HostBrokerId: hostID,
		Address: string(r.Role) + "." + r.Component, WorkDir: r.WorkDir, Seed: 1,
		Host: &pluginpb.Capabilities{Names: []string{transport.CapabilityProgress, transport.CapabilityFinetune}}, Whole: true,
		Training: r.training(),
	}}})
}

func (r Run) training() *pluginpb.Training {
	switch {
	case r.Role != schema.Finetune:
		return nil
	case r.Training == nil:
		return &pluginpb.Training{DataDir: r.WorkDir, Id: "conformance"}
	}
	t := r.Training
	return &pluginpb.Training{DataDir: t.DataDir, Id: t.ID, Model: t.Model, Command: t.Command}
}

// send sends a message; a run that is over tells why when it is read.
func (r Run) send(stream runStream, m *pluginpb.RunRequest) error {
	if r.strange {
		addUnknown(m)
	}
	if err := stream.Send(m); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func (r Run) sendTasks(stream runStream) error {
	if r.strange { // a message of a kind that the plugin does not know is empty to it
		if err := r.send(stream, &pluginpb.RunRequest{}); err != nil {
			return err
		}
	}
	tasks := make([]*pluginpb.Task, len(r.Tasks))
	for i, task := range r.Tasks {
		tasks[i] = &pluginpb.Task{Seq: uint64(i), Row: []byte(task.Row), Sample: uint32(task.Sample), Seed: task.Seed, Split: task.Split}
	}
	batches := slices.Collect(slices.Chunk(tasks, transport.BatchRows))
	if r.order != nil {
		batches = nil
		for _, i := range r.order {
			batches = append(batches, []*pluginpb.Task{tasks[i]})
		}
	}
	for _, batch := range batches {
		if err := r.send(stream, &pluginpb.RunRequest{Message: &pluginpb.RunRequest_Tasks{Tasks: &pluginpb.TaskBatch{Tasks: batch}}}); err != nil {
			return err
		}
	}
	return stream.CloseSend()
}

// receive reads a run to its end and holds it to the protocol.
func (r Run) receive(stream runStream) (Result, error) {
	var out Result
	answered := map[uint64]TaskResult{}
	for {
		msg, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return out, err
		}
		switch m := msg.GetMessage().(type) {
		case *pluginpb.RunResponse_Results:
			for _, result := range m.Results.GetResults() {
				if err := r.pair(answered, result); err != nil {
					return out, err
				}
			}
		case *pluginpb.RunResponse_Artifact:
			a, err := r.artifact(m.Artifact)
			if err != nil {
				return out, err
			}
			out.Artifacts = append(out.Artifacts, a)
		case *pluginpb.RunResponse_Diagnostic:
			out.Diagnostics = append(out.Diagnostics, pluginpb.ToDiagnostic(m.Diagnostic))
		case *pluginpb.RunResponse_Failure:
			out.Failure = toError(m.Failure)
		case *pluginpb.RunResponse_Progress:
			out.Progress = append(out.Progress, m.Progress.GetNote())
		}
	}
	ended := out.Failure != nil || len(out.Diagnostics) > 0
	if r.Role != schema.ThreatSource && !ended && len(answered) != len(r.Tasks) {
		return out, fmt.Errorf("the run ended with %d results for %d tasks", len(answered), len(r.Tasks))
	}
	for seq := range uint64(len(r.Tasks) + len(answered)) {
		if t, ok := answered[seq]; ok {
			out.Tasks = append(out.Tasks, t)
		}
	}
	return out, nil
}

// artifact reads a file that an output says it wrote.
func (r Run) artifact(m *pluginpb.Artifact) (Artifact, error) {
	name := filepath.FromSlash(m.GetPath())
	if r.Role != schema.Output || !filepath.IsLocal(name) {
		return Artifact{}, fmt.Errorf("the file %q is reported, which is none of an output's below its folder", m.GetPath())
	}
	content, err := os.ReadFile(filepath.Join(r.WorkDir, name))
	if err != nil {
		return Artifact{}, fmt.Errorf("a file is reported that is not there: %w", err)
	}
	return Artifact{Path: m.GetPath(), MediaType: m.GetMediaType(), Rows: m.GetRows(), Content: content}, nil
}

// pair takes a result if it answers a task that has no answer yet.
func (r Run) pair(answered map[uint64]TaskResult, m *pluginpb.Result) error {
	seq := m.GetSeq()
	if _, ok := answered[seq]; ok {
		return fmt.Errorf("task %d was answered twice", seq)
	}
	if r.Role == schema.ThreatSource && seq != uint64(len(answered)) {
		return fmt.Errorf("a source numbers its rows from 0 in order; row %d came where %d was due", seq, len(answered))
	}
	if r.Role != schema.ThreatSource && seq >= uint64(len(r.Tasks)) {
		return fmt.Errorf("a result is for task %d, which there is not", seq)
	}
	t := TaskResult{Dropped: m.GetDropped(), Err: toError(m.GetError())}
	for _, row := range m.GetRows() {
		var object map[string]json.RawMessage
		if err := json.Unmarshal(row, &object); err != nil || object == nil {
			return fmt.Errorf("a row for task %d is no JSON object: %.200q", seq, row)
		}
		t.Rows = append(t.Rows, string(row))
	}
	answered[seq] = t
	return nil
}

func toError(e *pluginpb.RowError) *sdk.Error {
	if e == nil {
		return nil
	}
	return &sdk.Error{Code: e.GetCode(), Summary: e.GetSummary(), Detail: e.GetDetail(), Transient: e.GetTransient()}
}

// fakeHost answers model calls with a function.
type fakeHost struct {
	pluginpb.UnimplementedHostServer
	models Models
	tune   func(ctx context.Context, req sdk.TuneRequest) (*sdk.Tuned, error)
	mu     sync.Mutex
	calls  []Call
}

// made gives the calls so far.
func (h *fakeHost) made() []Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.calls)
}

// Complete implements the protocol's service.
func (h *fakeHost) Complete(ctx context.Context, m *pluginpb.CompleteRequest) (*pluginpb.CompleteResponse, error) {
	call := toCall(m)
	h.mu.Lock()
	h.calls = append(h.calls, call)
	h.mu.Unlock()
	reply, err := sdk.Reply{}, sdk.Fail("no_model", "the test gives no models")
	if h.models != nil {
		reply, err = h.models(ctx, call)
	}
	var e *sdk.Error
	switch {
	case errors.As(err, &e):
		return &pluginpb.CompleteResponse{Error: &pluginpb.RowError{Code: e.Code, Summary: e.Summary, Detail: e.Detail, Transient: e.Transient}}, nil
	case err != nil:
		return &pluginpb.CompleteResponse{Error: &pluginpb.RowError{Code: "error", Summary: err.Error()}}, nil
	}
	out := &pluginpb.CompleteResponse{
		Call: reply.CallID, Content: reply.Content, FinishReason: reply.FinishReason, Refusal: reply.Refusal, Model: reply.Model,
		InputTokens: uint64(max(reply.InputTokens, 0)), OutputTokens: uint64(max(reply.OutputTokens, 0)), Cached: reply.Cached,
	}
	for _, tc := range reply.ToolCalls {
		out.ToolCalls = append(out.ToolCalls, &pluginpb.ToolCall{Id: tc.ID, Name: tc.Name, ArgumentsJson: tc.Arguments})
	}
	return out, nil
}

// Tune implements the protocol's service.
func (h *fakeHost) Tune(ctx context.Context, m *pluginpb.TuneRequest) (*pluginpb.TuneResponse, error) {
	if h.tune == nil {
		return &pluginpb.TuneResponse{Error: &pluginpb.RowError{Code: "no_endpoint", Summary: "the test gives no endpoint"}}, nil
	}
	tuned, err := h.tune(ctx, sdk.TuneRequest{Model: m.GetModel(), Method: json.RawMessage(m.GetMethodJson()), Suffix: m.GetSuffix()})
	if err != nil {
		var e *sdk.Error
		if !errors.As(err, &e) {
			e = &sdk.Error{Code: "error", Summary: err.Error()}
		}
		return &pluginpb.TuneResponse{Error: &pluginpb.RowError{Code: e.Code, Summary: e.Summary, Detail: e.Detail, Transient: e.Transient}}, nil
	}
	text, err := json.Marshal(tuned)
	return &pluginpb.TuneResponse{TunedJson: text}, err
}

func toCall(m *pluginpb.CompleteRequest) Call {
	call := Call{
		Slot: m.GetSlot(), Purpose: m.GetPurpose(), Facts: m.GetFactsJson(), Task: m.GetSeq(),
		Sample: int(m.GetSample() % sdk.RepeatStride), Seed: m.GetSeed(),
		Request: sdk.Request{Repeat: int(m.GetSample() / sdk.RepeatStride), Purpose: m.GetPurpose(), Schema: m.GetSchemaJson(), SchemaName: m.GetSchemaName(), Stop: m.GetStop()},
	}
	for _, msg := range m.GetMessages() {
		out := sdk.Message{Role: msg.GetRole(), Content: msg.GetContent(), ToolCallID: msg.GetToolCallId(), Name: msg.GetName()}
		for _, tc := range msg.GetToolCalls() {
			out.ToolCalls = append(out.ToolCalls, sdk.ToolCall{ID: tc.GetId(), Name: tc.GetName(), Arguments: tc.GetArgumentsJson()})
		}
		call.Messages = append(call.Messages, out)
	}
	for _, tool := range m.GetTools() {
		call.Tools = append(call.Tools, sdk.Tool{Name: tool.GetName(), Description: tool.GetDescription(), Parameters: tool.GetParametersJson()})
	}
	return call
}

// addUnknown puts a field into a message, and into those in it, that no plugin
// of today knows.
func addUnknown(m proto.Message) {
	const text = "\xc2\x3e\x03new" // field 1000, three bytes
	m.ProtoReflect().SetUnknown([]byte(text))
	if r, ok := m.(*pluginpb.RunRequest); ok {
		if s := r.GetStart(); s != nil {
			addUnknown(s)
		}
		for _, t := range r.GetTasks().GetTasks() {
			addUnknown(t)
		}
	}
}
