package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// patience is how long a test waits for what must come. It bounds a hang and
// measures nothing.
const patience = 3 * time.Minute

// fakeRunner runs components in this process and remembers what was asked.
type fakeRunner struct {
	mu      sync.Mutex
	started []string // addresses of runs
	runs    []*fakeRun
	tasks   []string // "address row sample"
	rows    func(address string) []string
	work    func(t Task) Result
	workFor func(s RunSpec, t Task) Result // in place of work, if set
	jitter  bool
	counts  CallCounts // of every run
	dieAt   int        // results that a row component gives before it dies; 0: it lives
}

func (f *fakeRunner) Start(ctx context.Context, s RunSpec) (Run, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.started = append(f.started, s.Address)
	r := &fakeRun{f: f, spec: s, results: make(chan Result, 1<<16), closed: make(chan struct{})}
	f.runs = append(f.runs, r)
	return r, nil
}

// taken returns what was asked since the last time.
func (f *fakeRunner) taken() (started, tasks []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	started, tasks = f.started, f.tasks
	f.started, f.tasks = nil, nil
	slices.Sort(started)
	slices.Sort(tasks)
	return started, tasks
}

type fakeRun struct {
	f       *fakeRunner
	spec    RunSpec
	wg      sync.WaitGroup
	results chan Result
	closed  chan struct{}
	once    sync.Once
	out     []Task
	wrote   bool
	given   int
}

func (r *fakeRun) Send(tasks []Task) error {
	select {
	case <-r.closed:
		return errDied
	default:
	}
	for _, t := range tasks {
		if r.spec.Role == schema.Output {
			r.out = append(r.out, t)
			continue
		}
		r.f.mu.Lock()
		r.f.tasks = append(r.f.tasks, fmt.Sprintf("%s %s %d", r.spec.Address, t.Row, t.Sample))
		r.f.mu.Unlock()
		r.wg.Go(func() {
			if r.f.jitter {
				time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
			}
			var res Result
			if r.f.workFor != nil {
				res = r.f.workFor(r.spec, t)
			} else {
				res = r.f.work(t)
			}
			res.Seq = t.Seq
			r.results <- res // has room for all
		})
	}
	return nil
}

// errDied is the end of a fake that dies.
var errDied = &RunError{Code: "plugin_crashed", Summary: "the plugin died"}

func (r *fakeRun) dies() bool { return r.f.dieAt > 0 && r.spec.Role == schema.Simulator }

func (r *fakeRun) CloseSend() error {
	go func() {
		if r.spec.Role == schema.ThreatSource {
			for i, row := range r.f.rows(r.spec.Address) {
				r.results <- Result{Seq: uint64(i), Rows: [][]byte{[]byte(row)}}
			}
		}
		r.wg.Wait()
		close(r.results)
	}()
	return nil
}

func (r *fakeRun) Recv() (RunEvent, error) {
	if r.dies() && r.given == r.f.dieAt {
		r.Close()
		return RunEvent{}, errDied
	}
	r.given++
	var res Result
	var ok bool
	select {
	case res, ok = <-r.results:
	case <-r.closed:
		return RunEvent{}, errDied
	}
	if ok {
		return RunEvent{Results: []Result{res}}, nil
	}
	if r.spec.Role == schema.Output && !r.wrote {
		r.wrote = true
		return RunEvent{Artifact: &Artifact{Path: "rows.jsonl", Rows: int64(len(r.out))}}, r.write()
	}
	return RunEvent{}, io.EOF
}

func (r *fakeRun) write() error {
	var b []byte
	for _, t := range r.out {
		b = fmt.Appendf(b, "%s %s\n", t.Split, t.Row)
	}
	return os.WriteFile(filepath.Join(r.spec.WorkDir, "rows.jsonl"), b, 0o644)
}

func (r *fakeRun) Counts() CallCounts { return r.f.counts }
func (r *fakeRun) Close() error {
	r.once.Do(func() { close(r.closed) })
	return nil
}

// pipe is a recipe under test: source -> simulator with samples -> distill ->
// dataset, with knobs.
type pipe struct {
	t        testing.TB
	dir      string
	store    *cache.Store
	fake     *fakeRunner
	source   []string
	samples  int
	filter   string
	ops      []*spec.Op
	prompt   string
	onError  spec.OnError
	provider spec.ProviderType
	allowed  int
	names    string // suffix of every name
	stop     chan struct{}
	events   []Event
}

func newPipe(t testing.TB, source ...string) *pipe {
	t.Helper()
	p := &pipe{t: t, dir: t.TempDir(), source: source, samples: 2, filter: "true", prompt: "p", onError: spec.OnErrorFail, provider: spec.ProviderOpenAI}
	p.open()
	t.Cleanup(func() { p.store.Close() })
	p.fake = &fakeRunner{rows: func(string) []string { return p.source }, work: echo}
	return p
}

func (p *pipe) open() {
	p.t.Helper()
	store, err := cache.Open(filepath.Join(p.dir, "cache"), cache.Options{})
	if err != nil {
		p.t.Fatal(err)
	}
	p.store = store
}

// echo answers a task with a column made from its row and sample.
func echo(t Task) Result {
	var in struct{ N int }
	if err := json.Unmarshal(t.Row, &in); err != nil {
		return Result{Err: &RowError{Code: "bad", Summary: err.Error()}}
	}
	return Result{Rows: [][]byte{fmt.Appendf(nil, `{"made": "%d/%d", "big": %d}`, in.N, t.Sample, in.N*10)}}
}

func (p *pipe) recipe() *spec.Recipe {
	num, str := cty.Number, cty.String
	source := &spec.Step{Address: "threat_source.a.x" + p.names, Kind: spec.RoleStep, Name: "x" + p.names,
		Role: &spec.RoleBody{Plugin: spec.PluginRef{Source: "builtin"}, Config: []byte("{}"),
			KeyConfig: []spec.ConfigPart{{Name: "rows", Value: fmt.Append(nil, p.source)}},
			Component: &schema.Component{Role: schema.ThreatSource, Name: "a", BehaviorVersion: "1"}}}
	model := &spec.Model{ID: "m", Provider: &spec.Provider{Type: p.provider, BaseURL: "http://x"}}
	sim := &spec.Step{Address: "simulator.b.y" + p.names, Kind: spec.RoleStep, Inputs: []*spec.Step{source},
		OnError: p.onError, MaxFailures: p.allowed,
		Role: &spec.RoleBody{Plugin: spec.PluginRef{Source: "builtin"}, Config: []byte("{}"), Samples: p.samples,
			KeyConfig: []spec.ConfigPart{{Name: "prompt", Value: []byte(p.prompt)}}, Models: map[string]*spec.Model{"agent": model},
			Reads: []string{"n"}, Component: &schema.Component{Role: schema.Simulator, Name: "b", BehaviorVersion: "1"}}}
	cols := spec.Columns{List: []schema.Column{{Name: "big", Type: num}, {Name: "id", Type: str}, {Name: "made", Type: str}, {Name: "n", Type: num}}}
	ops := p.ops
	if ops == nil {
		ops = []*spec.Op{{Kind: spec.OpFilter, Name: "f" + p.names, Keep: p.expr(p.filter, cols)}}
	}
	dist := &spec.Step{Address: "distill.z" + p.names, Kind: spec.DistillStep, Inputs: []*spec.Step{sim}, Distill: ops, OnError: p.onError, MaxFailures: p.allowed}
	data := &spec.Step{Address: "dataset.d" + p.names, Kind: spec.DatasetStep, Inputs: []*spec.Step{dist},
		Dataset: &spec.DatasetBody{
			Split: &spec.Split{By: p.expr("string(row.n)", cols), Ratios: []spec.Ratio{{Name: "train", Share: 0.5}, {Name: "test", Share: 0.5}}, Seed: 1},
			Outputs: []*spec.OutputBody{{Address: "dataset.d" + p.names + ".output.rows", Path: "dist",
				Role: spec.RoleBody{Plugin: spec.PluginRef{Source: "builtin"}, Config: []byte("{}"), ReadsAll: true,
					Component: &schema.Component{Role: schema.Output, Name: "rows", BehaviorVersion: "1"}}}},
		}}
	return &spec.Recipe{Dir: p.dir, Steps: []*spec.Step{source, sim, dist, data}}
}

func (p *pipe) expr(text string, cols spec.Columns) *spec.Expr { return mustExprOver(text, cols) }

func (p *pipe) engine() *Engine {
	p.events = nil
	return New(Options{Recipe: p.recipe(), Store: p.store, Runner: p.fake, Interrupt: p.stop,
		Events: func(ev Event) { p.events = append(p.events, ev) }})
}

// attempt is a build that has not begun.
func (p *pipe) attempt() *build {
	p.t.Helper()
	b, err := p.engine().newBuild(context.Background(), nil)
	if err == nil {
		err = b.prepare(b.order)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return b
}

// build builds and checks that the error is the one wanted.
func (p *pipe) build(check func(error) bool) *Summary {
	p.t.Helper()
	sum, err := p.engine().Build(context.Background())
	if check == nil && err != nil || check != nil && !check(err) {
		p.t.Fatalf("build: %v", err)
	}
	if sum.OK != (err == nil) {
		p.t.Fatalf("summary says %v for error %v", sum.OK, err)
	}
	return sum
}

func (p *pipe) output() string {
	p.t.Helper()
	b, err := os.ReadFile(filepath.Join(p.dir, "dist", "rows.jsonl"))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}

// statuses lists the steps' statuses, in order.
func statuses(sum *Summary) []Status {
	var list []Status
	for _, s := range sum.Steps {
		list = append(list, s.Status)
	}
	return list
}
