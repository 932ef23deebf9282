package llm

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/autosafe/autosafe/internal/llm/llmtest"
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

// fakeClock sleeps in no time and remembers how long it should have.
type fakeClock struct {
	mu       sync.Mutex
	t        time.Time
	slept    []time.Duration
	stopping <-chan struct{}
	onSleep  func() // called before each sleep
}

func (f *fakeClock) clock() clock {
	return clock{now: f.now, sleep: f.sleep}
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
			APIKey: spec.NewSecret(testKey), Timeout: 10 * time.Second, Retries: 5,
		},
	}
	t.Cleanup(func() {
		_ = r.client.Close()
		r.server.Close()
		for wait := 0; runtime.NumGoroutine() > before; wait++ {
			if wait > 200 {
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
