package llm

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec"
)

const testKey = "sk-test-0123456789abcdef"

// memStore is a Store in memory.
type memStore struct {
	mu      sync.Mutex
	values  map[[32]byte][]byte
	durable int
	getErr  error
	putErr  error
}

func newMemStore() *memStore { return &memStore{values: map[[32]byte][]byte{}} }

func (s *memStore) Get(k [32]byte) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values[k]
	return v, ok, s.getErr
}

func (s *memStore) Put(k [32]byte, v []byte, durable bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.putErr == nil {
		s.values[k] = v
	}
	if durable {
		s.durable++
	}
	return s.putErr
}

func (s *memStore) Claim(context.Context, [32]byte) (func(), error) { return func() {}, nil }

func (s *memStore) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.values)
}

// fakeClock sleeps in no time and remembers how long it should have. An
// attempt's time runs out when expire says so, and never by itself.
type fakeClock struct {
	mu       sync.Mutex
	t        time.Time
	slept    []time.Duration
	stopping <-chan struct{}
	onSleep  func() // called before each sleep
	expiring *expiring
}

func (f *fakeClock) clock() clock {
	return clock{now: f.now, sleep: f.sleep, within: f.within, after: f.after}
}

// expiring is a context whose time runs out on demand.
type expiring struct {
	context.Context
	passed atomic.Bool
	end    context.CancelCauseFunc
}

func (e *expiring) Err() error {
	err := e.Context.Err()
	if err != nil && e.passed.Load() {
		return context.DeadlineExceeded
	}
	return err
}

func (f *fakeClock) within(ctx context.Context, _ time.Duration) (context.Context, context.CancelFunc) {
	inner, end := context.WithCancelCause(ctx)
	e := &expiring{Context: inner, end: end}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expiring = e
	return e, func() { end(nil) }
}

// expire has the time of the latest attempt run out.
func (f *fakeClock) expire() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expiring.passed.Store(true)
	f.expiring.end(context.DeadlineExceeded)
}

func (f *fakeClock) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.t
}

func (f *fakeClock) sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	f.mu.Lock()
	f.slept = append(f.slept, d)
	f.t = f.t.Add(d)
	hook := f.onSleep
	f.mu.Unlock()
	if hook != nil {
		hook()
	}
	select {
	case <-f.stopping:
		return errStopping
	default:
		return ctx.Err()
	}
}

// after calls g at once, with the clock put forward.
func (f *fakeClock) after(d time.Duration, g func()) func() {
	var off atomic.Bool
	due := f.now().Add(d)
	go func() {
		f.mu.Lock()
		if off.Load() {
			f.mu.Unlock()
			return
		}
		if wait := due.Sub(f.t); wait > 0 {
			f.slept = append(f.slept, wait)
			f.t = due
		}
		f.mu.Unlock()
		g()
	}()
	return func() { off.Store(true) }
}

func (f *fakeClock) total() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	var sum time.Duration
	for _, d := range f.slept {
		sum += d
	}
	return sum
}

// rig is a client before a fake endpoint.
type rig struct {
	t      *testing.T
	server *llmtest.Server
	store  *memStore
	clock  *fakeClock
	client *client
	model  *spec.Model
	tally  Tally
	notes  []string
}

// patience is how long a test waits for what must come. It bounds a hang and
// measures nothing.
const patience = 3 * time.Minute

// hangs is an endpoint's fault: it does not answer, and the time of the attempt
// runs out once the request has come in.
func (r *rig) hangs() llmtest.Fault {
	return llmtest.Fault{Hang: true, Match: func(llmtest.Request) bool { r.clock.expire(); return true }}
}

// newRig starts a rig and checks at the end that no goroutine is left.
func newRig(t *testing.T, opts llmtest.Options) *rig {
	t.Helper()
	before := runtime.NumGoroutine()
	r := &rig{t: t, server: llmtest.Start(opts), store: newMemStore()}
	var mu sync.Mutex
	r.connect(Options{Store: r.store, UserAgent: "autosafe-test", Notify: func(summary, detail string) {
		mu.Lock()
		defer mu.Unlock()
		r.notes = append(r.notes, summary+" | "+detail)
	}})
	r.model = &spec.Model{
		Name: "m", ID: "gpt-test", ReplyRetries: 2,
		Provider: &spec.Provider{
			Type: spec.ProviderOpenAI, Name: "main", BaseURL: r.server.URL(),
			APIKey: spec.NewSecret(testKey), Timeout: 10 * time.Minute, Retries: 5,
		},
	}
	t.Cleanup(func() {
		_ = r.client.Close()
		r.server.Close()
		for begun := time.Now(); runtime.NumGoroutine() > before; {
			if time.Since(begun) > patience {
				buf := make([]byte, 1<<16)
				t.Errorf("%d goroutines left of %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	return r
}

// connect makes a new client, as a new process would.
func (r *rig) connect(opts Options) {
	if r.client != nil {
		_ = r.client.Close()
	}
	r.client = newClient(opts)
	r.clock = &fakeClock{t: time.Unix(1700000000, 0), stopping: opts.Stopping}
	r.client.clock = r.clock.clock()
}

func (r *rig) request(text string) Request {
	return Request{Model: r.model, Purpose: "agent", Messages: []Message{{Role: "user", Content: text}}}
}

func (r *rig) complete(req Request) (Reply, error) {
	return r.client.Complete(context.Background(), req, &r.tally)
}

// mustFail completes and gives the error, which must be an *Error.
func (r *rig) mustFail(req Request) *Error {
	r.t.Helper()
	reply, err := r.complete(req)
	var e *Error
	if !errors.As(err, &e) {
		r.t.Fatalf("got reply %+v and error %v, want an *Error", reply, err)
	}
	return e
}

func (r *rig) must(req Request) Reply {
	r.t.Helper()
	reply, err := r.complete(req)
	if err != nil {
		r.t.Fatalf("complete: %v", err)
	}
	return reply
}

type counts struct{ made, cached, retried, failed, unfit int64 }

func (r *rig) counts() counts {
	return counts{r.tally.Made.Load(), r.tally.Cached.Load(), r.tally.Retried.Load(), r.tally.Failed.Load(), r.tally.Unfit.Load()}
}

func (r *rig) wantCounts(want counts) {
	r.t.Helper()
	if got := r.counts(); got != want {
		r.t.Errorf("counts %+v, want %+v", got, want)
	}
	if n := r.tally.InFlight.Load(); n != 0 {
		r.t.Errorf("%d calls in flight at the end", n)
	}
}

// says is a server that gives these replies in turn, and the last for ever.
func says(replies ...llmtest.Reply) llmtest.Options {
	return llmtest.Options{Reply: func(r llmtest.Request) (llmtest.Reply, bool) {
		return replies[min(r.N, len(replies))-1], true
	}}
}

var verdictSchema = json.RawMessage(`{"type":"object","properties":{"reason":{"type":"string"},"label":{"enum":["safe","unsafe"]}},"required":["reason","label"],"additionalProperties":false}`)

var payTool = Tool{Name: "Pay", Description: "Pay someone.", Parameters: json.RawMessage(
	`{"type":"object","properties":{"to":{"type":"string"},"amount":{"type":"number","minimum":0}},"required":["to","amount"],"additionalProperties":false}`)}

func ptr[T any](v T) *T { return &v }
