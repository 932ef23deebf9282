package llm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec"
)

// testDisk is what outlives a process: answers, notes on batches, and claims.
type testDisk struct {
	mu     sync.Mutex
	logs   [2]map[[32]byte][]byte // answers, notes
	claims map[[32]byte]*station
}

func newTestDisk() *testDisk {
	return &testDisk{logs: [2]map[[32]byte][]byte{{}, {}}, claims: map[[32]byte]*station{}}
}

// station is a process's view of a disk: what it puts is on the disk with the
// next durable put. Once killed, nothing it does has any effect.
type station struct {
	disk *testDisk

	mu    sync.Mutex
	dead  bool
	seen  [2]map[[32]byte][]byte
	late  [2]map[[32]byte][]byte // put, and not on the disk yet
	waits atomic.Int64
	fails error // of puts of notes
}

func (d *testDisk) open() *station {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &station{
		disk: d, seen: [2]map[[32]byte][]byte{maps.Clone(d.logs[0]), maps.Clone(d.logs[1])},
		late: [2]map[[32]byte][]byte{{}, {}},
	}
}

func (s *station) get(log int, k [32]byte) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok := s.late[log][k]; ok {
		return v, true, nil
	}
	v, ok := s.seen[log][k]
	return v, ok, nil
}

func (s *station) put(log int, k [32]byte, v []byte, durable bool) error {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late[log][k] = v
	if durable && !s.dead {
		maps.Copy(s.disk.logs[log], s.late[log])
		maps.Copy(s.seen[log], s.late[log])
		clear(s.late[log])
	}
	return nil
}

// refresh sees what others have made durable.
func (s *station) refresh() {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.seen {
		maps.Copy(s.seen[i], s.disk.logs[i])
	}
}

func (s *station) Get(k [32]byte) ([]byte, bool, error)         { return s.get(0, k) }
func (s *station) Put(k [32]byte, v []byte, durable bool) error { return s.put(0, k, v, durable) }
func (s *station) GetBatch(k [32]byte) ([]byte, bool, error)    { s.refresh(); return s.get(1, k) }
func (s *station) PutBatch(k [32]byte, v []byte, durable bool) error {
	if s.fails != nil {
		return s.fails
	}
	return s.put(1, k, v, durable)
}

func (s *station) Claim(ctx context.Context, k [32]byte) (func(), error) {
	for waited := false; ; waited = true {
		s.disk.mu.Lock()
		owner := s.disk.claims[k]
		if owner == nil {
			s.disk.claims[k] = s
			s.disk.mu.Unlock()
			s.refresh()
			return func() { s.release(k) }, nil
		}
		s.disk.mu.Unlock()
		if !waited {
			s.waits.Add(1)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

func (s *station) release(k [32]byte) {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	if s.disk.claims[k] == s {
		delete(s.disk.claims, k)
	}
}

// kill ends the process, as kill -9 does.
func (s *station) kill() {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = true
	maps.DeleteFunc(s.disk.claims, func(_ [32]byte, owner *station) bool { return owner == s })
}

// batchRig is an endpoint with batches, and processes that use it.
type batchRig struct {
	t      *testing.T
	server *llmtest.Server
	disk   *testDisk
	model  *spec.Model
}

func newBatchRig(t *testing.T, opts llmtest.Options) *batchRig {
	t.Helper()
	r := &batchRig{t: t, server: llmtest.Start(opts), disk: newTestDisk()}
	t.Cleanup(r.server.Close)
	r.model = &spec.Model{
		Name: "judge", ID: "gpt-test", ReplyRetries: 2, Mode: spec.ModeBatch,
		Provider: &spec.Provider{
			Type: spec.ProviderOpenAI, Name: "main", BaseURL: r.server.URL(),
			APIKey: spec.NewSecret(testKey), Timeout: 10 * time.Minute, Retries: 3,
		},
	}
	return r
}

// worker is a process.
type worker struct {
	*batchRig
	client *client
	store  *station
	clock  *fakeClock
	tally  Tally
	dead   atomic.Bool
	stop   chan struct{}

	mu    sync.Mutex
	notes []string
	infos []BatchInfo // the last report
	timer map[*quietTimer]bool
}

// quietTimer is a quiet time, which ends when the test says so.
type quietTimer struct{ over func() }

// start starts a process.
func (r *batchRig) start(opts Options) *worker {
	w := &worker{batchRig: r, store: r.disk.open(), stop: make(chan struct{}), timer: map[*quietTimer]bool{}}
	opts.Store, opts.Batches, opts.Stopping, opts.UserAgent, opts.Build = w.store, w.store, w.stop, "autosafe-test", "recipe"
	opts.Transport = w
	opts.Notify = func(summary, detail string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.notes = append(w.notes, summary+" | "+detail)
	}
	opts.OnBatches = func(list []BatchInfo) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.infos = list
	}
	w.client = newClient(opts)
	w.clock = &fakeClock{t: time.Unix(1700000000, 0), stopping: opts.Stopping}
	w.client.clock = w.clock.clock()
	w.client.batches.quiet = func(_ time.Duration, f func()) func() {
		q := &quietTimer{f}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.timer[q] = true
		return func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			delete(w.timer, q)
		}
	}
	r.t.Cleanup(func() { _ = w.client.Close() })
	return w
}

// RoundTrip lets nothing out of a process that is dead.
func (w *worker) RoundTrip(req *http.Request) (*http.Response, error) {
	if w.dead.Load() {
		return nil, errors.New("the process is dead")
	}
	return http.DefaultTransport.RoundTrip(req)
}

// kill ends the process, as kill -9 does.
func (w *worker) kill() {
	w.dead.Store(true)
	w.store.kill()
	w.client.batches.cancel()
}

// quiet ends all quiet times.
func (w *worker) quiet() {
	w.mu.Lock()
	due := w.timer
	w.timer = map[*quietTimer]bool{}
	w.mu.Unlock()
	for q := range due {
		q.over()
	}
}

func (w *worker) request(i int) Request {
	return Request{Model: w.model, Purpose: "judge", Messages: []Message{{Role: "user", Content: fmt.Sprint("call ", i)}}}
}

// result is what a call came to.
type result struct {
	reply Reply
	err   error
}

// begin makes calls, and gives their results when they are all there.
func (w *worker) begin(requests ...Request) func() []result {
	results := make([]result, len(requests))
	var wg sync.WaitGroup
	for i, req := range requests {
		wg.Go(func() { results[i].reply, results[i].err = w.client.Complete(context.Background(), req, &w.tally) })
	}
	return func() []result {
		wg.Wait()
		return results
	}
}

// calls are the requests from a number up to another.
func (w *worker) calls(from, to int) (list []Request) {
	for i := from; i < to; i++ {
		list = append(list, w.request(i))
	}
	return list
}

// gathered waits until so many calls wait in a lane of the process.
func (w *worker) gathered(n int) {
	w.t.Helper()
	eventually(w.t, fmt.Sprintf("%d calls are not gathered", n), func() bool { return w.inLanes() == n })
}

func (w *worker) inLanes() (n int) {
	b := w.client.batches
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.lanes {
		l.mu.Lock()
		for _, c := range l.waiting {
			if !c.gone {
				n++
			}
		}
		l.mu.Unlock()
	}
	return n
}

// all makes calls in one batch and wants them answered.
func (w *worker) all(requests ...Request) []result {
	w.t.Helper()
	wait := w.begin(requests...)
	w.gathered(len(requests))
	w.quiet()
	return w.good(wait())
}

// good wants every call answered, and each by the answer to its own question.
func (w *worker) good(results []result) []result {
	w.t.Helper()
	for i, r := range results {
		if r.err != nil {
			w.t.Errorf("call %d: %v", i, r.err)
		}
	}
	return results
}

// pump ends quiet times until f returns, for what takes several waves.
func (w *worker) pump(f func()) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	for {
		select {
		case <-done:
			return
		case <-time.After(time.Millisecond):
			w.quiet()
		}
	}
}

// paid says how often the endpoint answered each request, in batches and live.
func (r *batchRig) paid() map[string]int {
	paid := map[string]int{}
	for _, b := range r.server.Batches() {
		for _, req := range b.Requests[:b.Answered] { // plans here answer the first ones
			paid[string(req.Raw)]++
		}
	}
	for _, req := range r.server.Requests() {
		paid[string(req.Raw)]++
	}
	return paid
}

// paidOnce wants n requests answered, each of them once.
func (r *batchRig) paidOnce(n int) {
	r.t.Helper()
	paid := r.paid()
	if len(paid) != n {
		r.t.Errorf("%d requests were paid, want %d", len(paid), n)
	}
	for body, times := range paid {
		if times != 1 {
			r.t.Errorf("paid %d times: %s", times, body)
		}
	}
}

// sizes are the numbers of requests in the batches so far.
func (r *batchRig) sizes() (sizes []int) {
	for _, b := range r.server.Batches() {
		sizes = append(sizes, len(b.Requests))
	}
	return sizes
}

// wantSizes wants a first batch of so many requests, and so many in all. How
// the others fall into batches is a matter of luck where pump is at work.
func (r *batchRig) wantSizes(first, all int) {
	r.t.Helper()
	sizes, sum := r.sizes(), 0
	for _, n := range sizes {
		sum += n
	}
	if len(sizes) == 0 || sizes[0] != first || sum != all {
		r.t.Errorf("batches of %v, want %d, and %d in all", sizes, first, all)
	}
}

// settled wants no note of a batch left.
func (r *batchRig) settled() {
	r.t.Helper()
	list, err := ListBatches(r.disk.open())
	if err != nil || len(list) > 0 {
		r.t.Errorf("left: %+v, %v", list, err)
	}
	for k, v := range r.disk.logs[1] {
		if k != listKey() && len(v) > 0 {
			r.t.Errorf("a note is left: %.200s", v)
		}
	}
}

// secretFree wants no secret in what is kept of batches.
func (r *batchRig) secretFree() {
	r.t.Helper()
	for _, v := range r.disk.logs[1] {
		if bytes.Contains(v, []byte(testKey)) {
			r.t.Errorf("the key is in a note: %.300s", v)
		}
	}
	for _, b := range r.server.Batches() {
		if text, _ := json.Marshal(b.Metadata); bytes.Contains(text, []byte(testKey)) {
			r.t.Errorf("the key is in the metadata: %s", text)
		}
	}
}

func codeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{}
}
