package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/plugins/sdk/transport"
	"github.com/autosafe/autosafe/spec/schema"
)

// run is one component at work. A goroutine of its own reads the stream,
// checks what comes and hands it to Recv; Send writes to the stream. Neither
// waits for the other, so gRPC's flow control bounds both directions without
// a deadlock.
type run struct {
	host    *Host
	process *process
	spec    engine.RunSpec
	columns columns
	alone   bool // nobody else runs on the process, which ends with this run

	parent   context.Context
	ctx      context.Context
	cancel   context.CancelFunc
	calls    context.Context // of the models; it ends when nobody waits for them any more
	endCalls context.CancelFunc
	stream   grpc.BidiStreamingClient[pluginpb.RunRequest, pluginpb.RunResponse]
	models   *modelServer // nil if the run has no models
	tally    llm.Tally

	sendMu sync.Mutex // a stream takes one sender
	mu     sync.Mutex
	tasks  map[uint64]*task // sent and not answered
	next   uint64           // sources: the number of the next result
	closed bool             // CloseSend was called
	left   bool             // its tasks were handed over to another run
	fatal  *engine.RunError // ends the run, whatever the stream says

	events chan engine.RunEvent
	done   chan struct{} // closed when err is set; nothing is read after it
	err    error         // io.EOF, or why the run ended

	active atomic.Int64 // model calls under way
	moved  atomic.Int64 // when anything last happened, in Unix nanoseconds
	full   atomic.Int64 // events that wait for the caller of Recv
}

// task is what is known of a task that is at the plugin.
type task struct {
	sent     engine.Task
	calls    []string
	cutShort bool // a call for it was refused because the build is stopping
}

// eventBuffer is how many batches may wait for Recv.
const eventBuffer = 4

// newRun begins a run on a process that stands.
func newRun(parent context.Context, h *Host, p *process, comp *schema.Component, spec engine.RunSpec) (*run, error) {
	ctx, cancel := context.WithCancel(parent)
	r := &run{
		host: h, process: p, spec: spec, columns: newColumns(comp),
		parent: parent, ctx: ctx, cancel: cancel,
		tasks:  map[uint64]*task{},
		events: make(chan engine.RunEvent, eventBuffer),
		done:   make(chan struct{}),
	}
	r.calls, r.endCalls = context.WithCancel(parent)
	r.touch()
	start := &pluginpb.Start{
		Role: string(spec.Role), Component: spec.Component, ConfigJson: spec.Config,
		Address: spec.Address, WorkDir: workDirOf(spec), Seed: spec.Seed,
		Host: &pluginpb.Capabilities{Names: []string{transport.CapabilityProgress, transport.CapabilityFinetune}}, Whole: spec.Whole,
		Training: trainingOf(spec),
	}
	var err error
	if start.Blocks, err = knownBlocks(spec); err != nil {
		r.release()
		return nil, err
	}
	if len(spec.Models) > 0 || spec.Tuning != nil && spec.Tuning.Provider != nil {
		if r.models, err = serveModels(r); err != nil {
			r.release()
			return nil, p.callError(err)
		}
		start.HostBrokerId = r.models.id
	}
	if r.stream, err = p.conn.plugin.Run(ctx); err == nil {
		err = r.stream.Send(&pluginpb.RunRequest{Message: &pluginpb.RunRequest_Start{Start: start}})
	}
	if err != nil && !errors.Is(err, io.EOF) { // at io.EOF the stream tells why
		r.release()
		if parent.Err() != nil {
			return nil, calledOff(parent.Err())
		}
		return nil, p.callError(err)
	}
	go r.receive()
	go r.watch()
	return r, nil
}

// knownBlocks is what a source may leave out; nil if it is not asked to.
func knownBlocks(spec engine.RunSpec) (*pluginpb.Blocks, error) {
	if spec.Known == nil {
		return nil, nil
	}
	names, err := spec.Known()
	if err != nil {
		return nil, err
	}
	blocks := &pluginpb.Blocks{Known: make([][]byte, len(names))}
	for i := range names {
		blocks.Known[i] = names[i][:]
	}
	return blocks, nil
}

// trainingOf is what a finetune component has beside its task; nil for others.
func trainingOf(s engine.RunSpec) *pluginpb.Training {
	if s.Tuning == nil {
		return nil
	}
	return &pluginpb.Training{DataDir: s.Tuning.DataDir, Id: s.Tuning.ID, Model: s.Tuning.Model, Command: s.Tuning.Command}
}

// workDirOf is where an output writes, for a process whose working folder is
// another; "" for the other roles.
func workDirOf(s engine.RunSpec) string {
	if s.WorkDir == "" {
		return ""
	}
	return absolute(s.WorkDir)
}

// Send hands tasks over in batches; it blocks while the plugin is busy.
func (r *run) Send(tasks []engine.Task) error {
	_, err := r.send(tasks)
	return err
}

// send is Send. If it fails, it gives the tasks that the run knows nothing of.
func (r *run) send(tasks []engine.Task) (rest []engine.Task, err error) {
	for len(tasks) > 0 {
		n, batch := r.batch(tasks)
		if n == 0 {
			return tasks, r.sendError(io.EOF)
		}
		tasks = tasks[n:]
		if batch == nil {
			continue
		}
		r.sendMu.Lock()
		err := r.stream.Send(&pluginpb.RunRequest{Message: &pluginpb.RunRequest_Tasks{Tasks: batch}})
		r.sendMu.Unlock()
		r.touch()
		if err != nil {
			return tasks, r.sendError(err)
		}
	}
	return nil, nil
}

// batch takes as many tasks as fit a message and notes them as sent. Tasks
// that no message can hold are answered here.
func (r *run) batch(tasks []engine.Task) (n int, batch *pluginpb.TaskBatch) {
	var size int
	var refused []engine.Result
	batch = &pluginpb.TaskBatch{}
	r.mu.Lock()
	if r.left {
		tasks = nil
	}
	for _, t := range tasks {
		if len(t.Row) > transport.MaxRow {
			refused = append(refused, engine.Result{Seq: t.Seq, Err: &engine.RowError{
				Code: transport.CodeRowTooLarge, Summary: "the row is too large to be sent to a plugin",
				Detail: fmt.Sprintf("It has %d bytes; a row may have %d.", len(t.Row), transport.MaxRow),
			}})
			n++
			continue
		}
		if len(batch.Tasks) > 0 && (len(batch.Tasks) == transport.BatchRows || size+len(t.Row) > transport.BatchBytes) {
			break
		}
		batch.Tasks = append(batch.Tasks, &pluginpb.Task{
			Seq: t.Seq, Row: t.Row, Sample: uint32(t.Sample), Seed: t.Seed, Split: t.Split,
		})
		r.tasks[t.Seq] = &task{sent: t}
		size += len(t.Row)
		n++
	}
	r.mu.Unlock()
	if len(refused) > 0 {
		r.deliver(engine.RunEvent{Results: refused})
	}
	if len(batch.Tasks) == 0 {
		return n, nil
	}
	return n, batch
}

// sendError says why a message could not be sent: a broken stream gives
// io.EOF to the sender and the reason to the reader.
func (r *run) sendError(err error) error {
	if errors.Is(err, io.EOF) {
		<-r.done
		if errors.Is(r.err, io.EOF) {
			return &engine.RunError{Code: "bad_result", Summary: "the plugin ended before it had seen every row"}
		}
		return r.err
	}
	return r.process.callError(err)
}

// CloseSend says that no task will follow.
func (r *run) CloseSend() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.sendMu.Lock()
	defer r.sendMu.Unlock()
	return r.stream.CloseSend()
}

// Recv gives the next results.
func (r *run) Recv() (engine.RunEvent, error) {
	select {
	case ev := <-r.events:
		return ev, nil
	case <-r.done:
	}
	select { // what came before the end
	case ev := <-r.events:
		return ev, nil
	default:
		return engine.RunEvent{}, r.err
	}
}

// Counts are the model calls of this run so far.
func (r *run) Counts() engine.CallCounts {
	return engine.CallCounts{
		Made: r.tally.Made.Load(), Cached: r.tally.Cached.Load(),
		Retried: r.tally.Retried.Load(), Failed: r.tally.Failed.Load(),
		Estimated:   r.tally.Estimated.Load(),
		InputTokens: r.tally.InputTokens.Load(), OutputTokens: r.tally.OutputTokens.Load(),
		CostUSD: r.tally.CostUSD(), InFlight: r.tally.InFlight.Load(),
	}
}

// Close ends the run and frees what it holds. It returns when nothing of the
// run is left in this process.
func (r *run) Close() error {
	r.cancel()
	<-r.done
	r.release()
	if r.alone {
		r.host.retire(r.process)
	}
	return nil
}

// release lets go of what the run holds beside its goroutines.
func (r *run) release() {
	r.cancel()
	r.endCalls()
	if r.models != nil {
		r.models.stop()
	}
}

// fail ends the run with an error of the host's finding.
func (r *run) fail(e *engine.RunError) {
	r.mu.Lock()
	if r.fatal == nil {
		r.fatal = e
	}
	r.mu.Unlock()
	r.cancel()
}

// failed says whether the run is over by the host's own finding. A row that
// fails because of it must not be taken for the row's own failure.
func (r *run) failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fatal != nil
}

func (r *run) touch() { r.moved.Store(time.Now().UnixNano()) }

// deliver hands an event to Recv; false if the run is over.
func (r *run) deliver(ev engine.RunEvent) bool {
	select {
	case r.events <- ev:
		return true
	default:
	}
	r.full.Add(1)
	defer func() {
		r.touch()
		r.full.Add(-1)
	}()
	select {
	case r.events <- ev:
		return true
	case <-r.ctx.Done():
		return false
	}
}

// watch ends the run when the plugin owes results and nothing happens.
func (r *run) watch() {
	limit := r.host.opts.StallTimeout
	tick := time.NewTicker(max(limit/8, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-r.done:
			return
		case <-tick.C:
		}
		if idle := r.idle(time.Now()); idle > limit {
			r.fail(&engine.RunError{
				Code: "plugin_stalled", Summary: "the plugin does nothing",
				Detail: fmt.Sprintf("%s owes results for %s and has neither sent one nor called a model for %s.",
					r.process.name, r.spec.Address, idle.Round(time.Second)),
			})
			return
		}
	}
}

// idle is how long the plugin has owed results and done nothing. While it owes
// none, or waits for others, the time starts anew.
func (r *run) idle(now time.Time) time.Duration {
	r.mu.Lock()
	owes := len(r.tasks) > 0 || r.closed || r.spec.Role == schema.ThreatSource
	r.mu.Unlock()
	if !owes || r.spec.Role == schema.Finetune /* which may train in silence */ || r.active.Load() > 0 || r.full.Load() > 0 {
		r.moved.Store(now.UnixNano())
		return 0
	}
	return now.Sub(time.Unix(0, r.moved.Load()))
}

// callError says what became of a call to the plugin: its process died, or
// the error that gRPC gives.
func (p *process) callError(err error) *engine.RunError {
	var e *engine.RunError
	if errors.As(err, &e) {
		return e
	}
	if p.host.isClosed() {
		return &engine.RunError{Code: "interrupted", Summary: errClosed.Error()}
	}
	s, _ := status.FromError(err)
	broken := s.Code() == codes.Unavailable || s.Code() == codes.Canceled || errors.Is(err, io.EOF)
	if p.dead() || broken && (p.died() || p.mute()) {
		return p.crash()
	}
	said := p.secrets.Replace(s.Message())
	switch s.Code() {
	case codes.ResourceExhausted:
		return &engine.RunError{Code: "bad_result", Summary: "the plugin sent more than fits a message", Detail: cleanText(said, maxDetail)}
	case codes.Unimplemented:
		return &engine.RunError{Code: "plugin_too_old", Summary: "the plugin does not know this call", Detail: "Build it with a newer SDK. " + cleanText(said, maxDetail)}
	}
	return &engine.RunError{Code: "plugin_failed", Summary: "the plugin failed", Detail: cleanText(p.name+": "+said, maxDetail)}
}

// mute ends a process that outlives its connection: nothing can be heard of it
// any more, so that it is as good as dead. A plugin that only answers as if its
// connection were broken is none.
func (p *process) mute() bool {
	if p.conn.link == nil || p.conn.link.GetState() == connectivity.Ready {
		return false
	}
	p.cut.Store(true)
	p.child.kill()
	return p.died()
}

// died waits a moment for the end of a process whose connection broke, and
// for its last words.
func (p *process) died() bool {
	timeout := time.After(p.host.grace)
	select {
	case <-p.child.exited:
	case <-timeout:
		return false
	}
	select {
	case <-p.child.drained:
	case <-timeout:
	}
	return true
}
