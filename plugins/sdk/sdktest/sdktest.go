// Package sdktest runs a plugin's components in a test, over the real
// protocol but without a process, and has a conformance suite for whole
// plugins. It is for tests alone.
package sdktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/plugins/sdk/transport"
	"github.com/autosafe/autosafe/spec/schema"
)

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

// Run runs a component over rows; a row's seed is its index and 1. Breaches
// of the protocol fail the test.
func Run(t testing.TB, p sdk.Plugin, role schema.Role, component, configJSON string, rows []string, models Models) Result {
	t.Helper()
	tasks := make([]Task, len(rows))
	for i, row := range rows {
		tasks[i] = Task{Row: row, Seed: int64(i) + 1}
		if role == schema.Output {
			tasks[i].Split = "train"
		}
	}
	return RunTasks(t, p, role, component, configJSON, tasks, models)
}

// RunTasks is Run with every field of the tasks given.
func RunTasks(t testing.TB, p sdk.Plugin, role schema.Role, component, configJSON string, tasks []Task, models Models) Result {
	t.Helper()
	log := &testLog{t: t}
	defer log.end()
	result, err := run(p, role, component, configJSON, t.TempDir(), tasks, models, log)
	if err != nil {
		t.Fatalf("%s %q: %v", role, component, err)
	}
	return result
}

// Print runs a component that needs no model and no folder, such as a source,
// and writes its rows to w, a line each: for examples and a first look.
func Print(w io.Writer, p sdk.Plugin, role schema.Role, component, configJSON string, rows ...string) error {
	tasks := make([]Task, len(rows))
	for i, row := range rows {
		tasks[i] = Task{Row: row, Seed: int64(i) + 1}
	}
	result, err := run(p, role, component, configJSON, "", tasks, nil, io.Discard)
	if err != nil {
		return err
	}
	if result.Failure != nil {
		return result.Failure
	}
	for _, d := range result.Diagnostics {
		return fmt.Errorf("%s: %s", d.Summary, d.Detail)
	}
	for _, row := range result.Rows() {
		if _, err := fmt.Fprintln(w, row); err != nil {
			return err
		}
	}
	return nil
}

// deadline ends a run that does not end by itself.
const deadline = 2 * time.Minute

func run(p sdk.Plugin, role schema.Role, component, config, workDir string, tasks []Task, models Models, log io.Writer) (Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	h, err := newHarness(p, models, log)
	if err != nil {
		return Result{}, err
	}
	defer h.close()
	stream, err := h.start(ctx, role, component, config, workDir)
	if err != nil {
		return Result{}, fmt.Errorf("starting the run: %w", err)
	}
	sent := make(chan error, 1)
	go func() { sent <- sendTasks(stream, tasks) }()
	result, err := receive(stream, role, len(tasks), workDir)
	if err != nil {
		return Result{}, err
	}
	if err := <-sent; err != nil && !errors.Is(err, io.EOF) {
		return Result{}, fmt.Errorf("sending tasks: %w", err)
	}
	result.Calls = h.host.made()
	return result, nil
}

func sendTasks(stream runStream, tasks []Task) error {
	for from := 0; from < len(tasks); from += transport.BatchRows {
		batch := &pluginpb.TaskBatch{}
		for i, task := range tasks[from:min(from+transport.BatchRows, len(tasks))] {
			batch.Tasks = append(batch.Tasks, &pluginpb.Task{
				Seq: uint64(from + i), Row: []byte(task.Row), Sample: uint32(task.Sample), Seed: task.Seed, Split: task.Split,
			})
		}
		if err := stream.Send(&pluginpb.RunRequest{Message: &pluginpb.RunRequest_Tasks{Tasks: batch}}); err != nil {
			return err
		}
	}
	return stream.CloseSend()
}

// receive reads a run to its end and holds it to the protocol.
func receive(stream runStream, role schema.Role, tasks int, workDir string) (Result, error) {
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
			for _, r := range m.Results.GetResults() {
				if err := pair(answered, r, role, tasks); err != nil {
					return out, err
				}
			}
		case *pluginpb.RunResponse_Artifact:
			content, err := os.ReadFile(filepath.Join(workDir, filepath.FromSlash(m.Artifact.GetPath())))
			if err != nil {
				return out, err
			}
			out.Artifacts = append(out.Artifacts, Artifact{
				Path: m.Artifact.GetPath(), MediaType: m.Artifact.GetMediaType(), Rows: m.Artifact.GetRows(), Content: content,
			})
		case *pluginpb.RunResponse_Diagnostic:
			out.Diagnostics = append(out.Diagnostics, pluginpb.ToDiagnostic(m.Diagnostic))
		case *pluginpb.RunResponse_Failure:
			out.Failure = toError(m.Failure)
		}
	}
	ended := out.Failure != nil || len(out.Diagnostics) > 0
	if role != schema.ThreatSource && !ended && len(answered) != tasks {
		return out, errors.New("the run ended without a result for every task")
	}
	for seq := range uint64(tasks + len(answered)) {
		if r, ok := answered[seq]; ok {
			out.Tasks = append(out.Tasks, r)
		}
	}
	return out, nil
}

// pair takes a result if it answers a task that has no answer yet.
func pair(answered map[uint64]TaskResult, r *pluginpb.Result, role schema.Role, tasks int) error {
	seq := r.GetSeq()
	if _, ok := answered[seq]; ok {
		return errors.New("a task was answered twice")
	}
	if role == schema.ThreatSource && seq != uint64(len(answered)) {
		return errors.New("a source's rows are not numbered in order")
	}
	if role != schema.ThreatSource && seq >= uint64(tasks) {
		return errors.New("a result names no task")
	}
	t := TaskResult{Dropped: r.GetDropped(), Err: toError(r.GetError())}
	for _, row := range r.GetRows() {
		var object map[string]json.RawMessage
		if err := json.Unmarshal(row, &object); err != nil || object == nil {
			return errors.New("a row is no JSON object")
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

type runStream = grpc.BidiStreamingClient[pluginpb.RunRequest, pluginpb.RunResponse]

// harness serves a plugin and a host to each other in memory.
type harness struct {
	host   *fakeHost
	client pluginpb.PluginClient
	server pluginpb.PluginServer
	stop   []func()
}

const hostID = 1

func newHarness(p sdk.Plugin, models Models, log io.Writer) (*harness, error) {
	h := &harness{host: &fakeHost{models: models}}
	dialHost := h.serve(func(s *grpc.Server) { pluginpb.RegisterHostServer(s, h.host) })
	h.server = sdk.NewServer(p, func(uint32) (*grpc.ClientConn, error) { return dialHost() }, log)
	dialPlugin := h.serve(func(s *grpc.Server) { pluginpb.RegisterPluginServer(s, h.server) })
	conn, err := dialPlugin()
	if err != nil {
		h.close()
		return nil, fmt.Errorf("connecting: %w", err)
	}
	h.stop = append(h.stop, func() { _ = conn.Close() })
	h.client = pluginpb.NewPluginClient(conn)
	return h, nil
}

// serve starts a server in memory and gives a way to reach it.
func (h *harness) serve(register func(*grpc.Server)) func() (*grpc.ClientConn, error) {
	const buffer = 1 << 20
	lis := bufconn.Listen(buffer)
	srv := grpc.NewServer(transport.ServerOptions()...)
	register(srv)
	go func() { _ = srv.Serve(lis) }()
	h.stop = append(h.stop, srv.Stop)
	return func() (*grpc.ClientConn, error) {
		opts := append(transport.DialOptions(),
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
		return grpc.NewClient("passthrough:///memory", opts...)
	}
}

func (h *harness) close() {
	for i := len(h.stop) - 1; i >= 0; i-- {
		h.stop[i]()
	}
}

func (h *harness) start(ctx context.Context, role schema.Role, component, config, workDir string) (runStream, error) {
	stream, err := h.client.Run(ctx)
	if err != nil {
		return nil, err
	}
	return stream, stream.Send(&pluginpb.RunRequest{Message: &pluginpb.RunRequest_Start{Start: &pluginpb.Start{
		Role: string(role), Component: component, ConfigJson: []byte(config), HostBrokerId: hostID,
		Address: string(role) + "." + component, WorkDir: workDir, Seed: 1,
	}}})
}

// testLog sends a plugin's log to the test's, while the test runs.
type testLog struct {
	mu sync.Mutex
	t  testing.TB
}

func (w *testLog) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t = nil
}

func (w *testLog) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.t != nil {
		w.t.Logf("plugin log: %s", b)
	}
	return len(b), nil
}

// fakeHost answers model calls with a function.
type fakeHost struct {
	pluginpb.UnimplementedHostServer
	models Models
	mu     sync.Mutex
	calls  []Call
}

// made gives the calls so far.
func (h *fakeHost) made() []Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.calls)
}

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

func toCall(m *pluginpb.CompleteRequest) Call {
	call := Call{
		Slot: m.GetSlot(), Purpose: m.GetPurpose(), Facts: m.GetFactsJson(), Task: m.GetSeq(),
		Sample: int(m.GetSample()), Seed: m.GetSeed(),
		Request: sdk.Request{Purpose: m.GetPurpose(), Schema: m.GetSchemaJson(), SchemaName: m.GetSchemaName(), Stop: m.GetStop()},
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
