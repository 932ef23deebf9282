// Package sdktest runs a plugin's components in a test, over the real
// protocol but without a process, and has a conformance suite for whole
// plugins. It is for tests alone.
package sdktest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/conformance"
	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/plugins/sdk/transport"
	"github.com/autosafe/autosafe/spec/schema"
)

// Models answers model calls in place of real models. It is called from many
// goroutines. An *sdk.Error from it reaches the component as it is.
type Models = conformance.Models

// Call is a model call that a component made.
type Call = conformance.Call

// Task is one input row, or one sample of it.
type Task = conformance.Task

// Result is what a run gave.
type Result = conformance.Result

// TaskResult is the answer to one task.
type TaskResult = conformance.TaskResult

// Artifact is a file that an output wrote.
type Artifact = conformance.Artifact

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

// Training is what a finetune component has, and who trains in place of an endpoint.
type Training = conformance.Training

// Train runs a finetune component on the files of a folder, which data names. The
// training's own folder is work.
func Train(t testing.TB, p sdk.Plugin, component, configJSON, work string, data sdk.TrainingData, training Training) Result {
	t.Helper()
	row, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	log := &testLog{t: t}
	defer log.end()
	r := conformance.Run{
		Role: schema.Finetune, Component: component, Config: configJSON, WorkDir: work,
		Tasks: []Task{{Row: string(row), Seed: 1}}, Training: &training,
	}
	result, err := do(r, p, log)
	if err != nil {
		t.Fatalf("finetune %q: %v", component, err)
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
	return do(conformance.Run{Role: role, Component: component, Config: config, WorkDir: workDir, Tasks: tasks, Models: models}, p, log)
}

func do(r conformance.Run, p sdk.Plugin, log io.Writer) (Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	h, err := newHarness(p, log)
	if err != nil {
		return Result{}, err
	}
	defer h.close()
	return r.Do(ctx, h)
}

// harness serves a plugin and a host to each other in memory. It implements
// conformance.Peer.
type harness struct {
	client pluginpb.PluginClient
	server pluginpb.PluginServer
	stop   []func()

	mu    sync.Mutex
	hosts []func() (*grpc.ClientConn, error) // by id, from 1
}

func newHarness(p sdk.Plugin, log io.Writer) (*harness, error) {
	h := &harness{}
	h.server = sdk.NewServer(p, h.dialHost, log)
	dial, stop := serve(func(s *grpc.Server) { pluginpb.RegisterPluginServer(s, h.server) })
	h.stop = append(h.stop, stop)
	conn, err := dial()
	if err != nil {
		h.close()
		return nil, fmt.Errorf("connecting: %w", err)
	}
	h.stop = append(h.stop, func() { _ = conn.Close() })
	h.client = pluginpb.NewPluginClient(conn)
	return h, nil
}

// Client implements conformance.Peer.
func (h *harness) Client() pluginpb.PluginClient { return h.client }

// Serve implements conformance.Peer.
func (h *harness) Serve(host pluginpb.HostServer) (uint32, func(), error) {
	dial, stop := serve(func(s *grpc.Server) { pluginpb.RegisterHostServer(s, host) })
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hosts = append(h.hosts, dial)
	return uint32(len(h.hosts)), stop, nil
}

func (h *harness) dialHost(id uint32) (*grpc.ClientConn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if id == 0 || int(id) > len(h.hosts) {
		return nil, fmt.Errorf("nothing is served under the id %d", id)
	}
	return h.hosts[id-1]()
}

// serve starts a server in memory and gives a way to reach it.
func serve(register func(*grpc.Server)) (dial func() (*grpc.ClientConn, error), stop func()) {
	const buffer = 1 << 20
	lis := bufconn.Listen(buffer)
	srv := grpc.NewServer(transport.ServerOptions()...)
	register(srv)
	go func() { _ = srv.Serve(lis) }()
	return func() (*grpc.ClientConn, error) {
		opts := append(transport.DialOptions(),
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
		return grpc.NewClient("passthrough:///memory", opts...)
	}, srv.Stop
}

func (h *harness) close() {
	for i := len(h.stop) - 1; i >= 0; i-- {
		h.stop[i]()
	}
}

// busy counts the component's functions at work.
func (h *harness) busy() int64 {
	if b, ok := h.server.(interface{ Busy() int64 }); ok {
		return b.Busy()
	}
	return 0
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
