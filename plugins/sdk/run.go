package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/spec/schema"
)

// maxInFlight bounds the rows that one run works on at once. Rows mostly wait
// for models; the host sets the real limit, which is high where models are
// asked in batches.
const maxInFlight = 1 << 16

// stream is a run's connection with the host.
type stream interface {
	Context() context.Context
	Send(*pluginpb.RunResponse) error
	Recv() (*pluginpb.RunRequest, error)
}

// runner carries out one run.
type runner struct {
	stream stream
	start  *pluginpb.Start
	models completer
	log    hclog.Logger
	busy   *atomic.Int64 // authors' functions at work
}

// serveRun carries out one run from its first message to its last.
func (s *server) serveRun(st stream) error {
	first, err := st.Recv()
	if err != nil {
		return err
	}
	start := first.GetStart()
	if start == nil {
		return status.Error(codes.InvalidArgument, "a run begins with a start message")
	}
	c, err := s.plugin.component(schema.Role(start.GetRole()), start.GetComponent())
	if err != nil {
		return sendFailure(st, &pluginpb.RowError{Code: "unknown_component", Summary: "the plugin does not have this component", Detail: err.Error()})
	}
	inst, diags := c.open(c.desc, start.GetConfigJson())
	if hasErrors(diags) {
		return sendDiagnostics(st, diags)
	}
	models, done, err := s.dialModels(start.GetHostBrokerId())
	if err != nil {
		return sendFailure(st, &pluginpb.RowError{Code: "no_host", Summary: "the plugin cannot reach the host", Detail: err.Error(), Transient: true})
	}
	defer done()
	r := &runner{stream: st, start: start, models: models, log: s.log, busy: &s.busy}
	switch {
	case inst.source != nil:
		return r.source(inst)
	case inst.sink != nil:
		return r.sink(inst)
	case inst.all != nil:
		return r.all(inst)
	case inst.tune != nil:
		return r.tune(inst)
	}
	return r.rows(inst)
}

func sendDiagnostics(st stream, diags []schema.Diagnostic) error {
	for _, d := range diags {
		d.Summary, d.Detail = clip(d.Summary), clip(d.Detail)
		m := &pluginpb.RunResponse{Message: &pluginpb.RunResponse_Diagnostic{Diagnostic: pluginpb.FromDiagnostic(d)}}
		if err := st.Send(m); err != nil {
			return err
		}
	}
	return nil
}

func sendFailure(st stream, e *pluginpb.RowError) error {
	scrubError(e)
	return st.Send(&pluginpb.RunResponse{Message: &pluginpb.RunResponse_Failure{Failure: e}})
}

// rows runs a component of one row at a time: a goroutine for each row.
func (r *runner) rows(inst instance) error {
	ctx, cancel := context.WithCancel(r.stream.Context())
	defer cancel()
	out := newSender(ctx, cancel, r.stream.Send)
	ctx = r.watched(ctx, out)
	slots := make(chan struct{}, maxInFlight)
	var wg sync.WaitGroup
	for {
		req, err := r.stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			cancel()
			<-out.done
			return err
		}
		tasks := req.GetTasks().GetTasks()
		out.inFlight.Add(int64(len(tasks)))
		for _, task := range tasks {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				<-out.done
				return ctx.Err()
			}
			wg.Go(func() {
				result := r.row(ctx, inst, task)
				out.inFlight.Add(-1)
				_ = out.put(result) // fails when the run is over
				<-slots
			})
		}
	}
	finished := make(chan struct{})
	go func() { wg.Wait(); close(finished) }()
	select {
	case <-finished:
		return out.finish()
	case <-ctx.Done(): // authors' code that does not look at ctx is left to itself
		<-out.done
		return ctx.Err()
	}
}

// row works on one task; whatever the author's code does, there is a result.
func (r *runner) row(ctx context.Context, inst instance, task *pluginpb.Task) *pluginpb.Result {
	result := &pluginpb.Result{Seq: task.GetSeq()}
	err := r.guard(func() error {
		call := &Call{run: r.start.GetAddress(), task: task, models: r.models}
		rows, err := inst.rows(ctx, task.GetRow(), call)
		result.Rows = rows
		return err
	})
	failResult(result, err)
	return result
}

// failResult puts an error, if there is one, in the place of the rows.
func failResult(result *pluginpb.Result, err error) {
	var drop *dropError
	switch {
	case errors.As(err, &drop):
		result.Rows, result.Dropped = nil, drop.reason
	case err != nil:
		result.Rows, result.Error = nil, asFailure(err)
	}
}

// guard runs an author's code and makes an error of a panic. The stack goes
// to the log alone.
func (r *runner) guard(fn func() error) (err error) {
	r.busy.Add(1)
	defer func() {
		r.busy.Add(-1)
		if p := recover(); p != nil {
			r.log.Error("the component panicked", "address", r.start.GetAddress(),
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = &Error{Code: "panic", Summary: "the component panicked", Detail: fmt.Sprint(p)}
		}
	}()
	return fn()
}

// source runs a threat source.
func (r *runner) source(inst instance) error {
	ctx, cancel := context.WithCancel(r.stream.Context())
	defer cancel()
	out := newBlockSender(ctx, cancel, r.stream.Send, newBlocks(r.start.GetBlocks()))
	out.inFlight.Store(1) // until the function returns, more may come
	ctx = r.watched(ctx, out)
	e := &emitter{out: out}
	return r.whole(ctx, out, func() error { return inst.source(ctx, e.emit) })
}

// emitter numbers a source's rows.
type emitter struct {
	mu   sync.Mutex
	next uint64
	out  *sender
}

func (e *emitter) emit(row []byte, failed error) error {
	e.mu.Lock() // held while waiting, so that rows stay in order
	defer e.mu.Unlock()
	result := &pluginpb.Result{Seq: e.next, Rows: [][]byte{row}}
	failResult(result, failed)
	if err := e.out.put(result); err != nil {
		return err
	}
	e.next++
	return nil
}

// gathered runs a function that needs all tasks of its run before it begins.
func (r *runner) gathered(fn func(ctx context.Context, tasks []*pluginpb.Task, out *sender) error) error {
	ctx, cancel := context.WithCancel(r.stream.Context())
	defer cancel()
	out := newSender(ctx, cancel, r.stream.Send)
	out.inFlight.Store(1)
	ctx = r.watched(ctx, out)
	var tasks []*pluginpb.Task
	for {
		req, err := r.stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			cancel()
			<-out.done
			return err
		}
		tasks = append(tasks, req.GetTasks().GetTasks()...)
	}
	return r.whole(ctx, out, func() error { return fn(ctx, tasks, out) })
}

// whole runs a function that stands for a whole run, and ends the run with
// what it returns.
func (r *runner) whole(ctx context.Context, out *sender, fn func() error) error {
	result := make(chan error, 1)
	go func() { result <- r.guard(fn) }()
	select {
	case err := <-result:
		if ctx.Err() != nil {
			<-out.done
			return ctx.Err()
		}
		if sendErr := out.finish(); sendErr != nil {
			return sendErr
		}
		if err != nil {
			return sendFailure(r.stream, asFailure(err))
		}
		return nil
	case <-ctx.Done(): // authors' code that does not look at ctx is left to itself
		<-out.done
		return ctx.Err()
	}
}

// sink runs an output.
func (r *runner) sink(inst instance) error {
	ctx, cancel := context.WithCancel(r.stream.Context())
	defer cancel()
	dir, err := openDir(r.start.GetWorkDir())
	if err != nil {
		return sendFailure(r.stream, asFailure(err))
	}
	defer dir.close()
	out := newSender(ctx, cancel, r.stream.Send)
	out.inFlight.Store(1)
	ctx = r.watched(ctx, out)
	reader := &RowReader{stream: r.stream, out: out}
	dir.rows = reader
	var artifacts []*pluginpb.Artifact
	err = r.whole(ctx, out, func() error {
		if err := inst.sink(ctx, reader, dir); err != nil {
			return err
		}
		if err := reader.drain(); err != nil {
			return err
		}
		list, err := dir.finish() // the outer err is not this goroutine's
		artifacts = list
		return err
	})
	if err != nil {
		return err
	}
	for _, a := range artifacts {
		if err := r.stream.Send(&pluginpb.RunResponse{Message: &pluginpb.RunResponse_Artifact{Artifact: a}}); err != nil {
			return err
		}
	}
	return nil
}
