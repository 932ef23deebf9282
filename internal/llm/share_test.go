package llm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// sharedStore is what several processes have in common: answers on a disk, and
// claims.
type sharedStore struct {
	mu     sync.Mutex
	disk   map[[32]byte][]byte
	claims map[[32]byte]*process
}

func newSharedStore() *sharedStore {
	return &sharedStore{disk: map[[32]byte][]byte{}, claims: map[[32]byte]*process{}}
}

// process is one process's view of a sharedStore: after the start it sees what
// others have written only when it claims, as with the cache.
type process struct {
	shared *sharedStore

	mu       sync.Mutex
	seen     map[[32]byte][]byte
	claimErr error
	waits    atomic.Int64 // claims that had to wait
	held     int
	twice    bool // a key was claimed that is held
}

func (s *sharedStore) open() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &process{shared: s, seen: maps.Clone(s.disk)}
}

func (p *process) Get(k [32]byte) ([]byte, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v, ok := p.seen[k]
	return v, ok, nil
}

func (p *process) Put(k [32]byte, v []byte, durable bool) error {
	p.mu.Lock()
	p.seen[k] = v
	p.mu.Unlock()
	if durable {
		p.shared.mu.Lock()
		p.shared.disk[k] = v
		p.shared.mu.Unlock()
	}
	return nil
}

func (p *process) Claim(ctx context.Context, k [32]byte) (func(), error) {
	if p.claimErr != nil {
		return nil, p.claimErr
	}
	for waited := false; ; waited = true {
		p.shared.mu.Lock()
		owner := p.shared.claims[k]
		if owner == nil {
			p.shared.claims[k] = p
			p.refresh()
			p.shared.mu.Unlock()
			return func() { p.release(k) }, nil
		}
		p.shared.mu.Unlock()
		if owner == p {
			p.mu.Lock()
			p.twice = true
			p.mu.Unlock()
		}
		if !waited {
			p.waits.Add(1)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// refresh notes a claim and sees all. It is called with the shared lock held.
func (p *process) refresh() {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.Copy(p.seen, p.shared.disk)
	p.held++
}

func (p *process) release(k [32]byte) {
	p.shared.mu.Lock()
	delete(p.shared.claims, k)
	p.shared.mu.Unlock()
	p.mu.Lock()
	p.held--
	p.mu.Unlock()
}

// check fails if a claim is still held, or was wrongly taken.
func (p *process) check(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held != 0 || p.twice {
		t.Errorf("%d claims are held at the end; one was taken twice: %v", p.held, p.twice)
	}
}

// start makes a further client on a view of its own.
func (r *rig) start(s *sharedStore, opts Options) (*client, *process) {
	p := s.open()
	opts.Store = p
	c := newClient(opts)
	c.clock = (&fakeClock{t: time.Unix(1700000000, 0), stopping: opts.Stopping}).clock()
	r.t.Cleanup(func() {
		_ = c.Close()
		p.check(r.t)
	})
	return c, p
}

// Two processes that make the same 200 calls at once make 200 together.
func TestProcessesShareCalls(t *testing.T) {
	const n = 200
	r := newRig(t, llmtest.Options{Latency: 2 * time.Millisecond, Vary: true})
	shared := newSharedStore()
	var tallies [2]Tally
	var replies [2][n]string
	var wg sync.WaitGroup
	for i := range tallies {
		c, _ := r.start(shared, Options{})
		for call := range n {
			wg.Go(func() {
				got, err := c.Complete(context.Background(), r.request(fmt.Sprint("call ", call)), &tallies[i])
				if err != nil {
					t.Error(err)
				}
				replies[i][call] = got.Content
			})
		}
	}
	wg.Wait()
	if got := r.server.Calls(); got != n {
		t.Errorf("%d requests for %d calls", got, n)
	}
	made, cached := tallies[0].Made.Load()+tallies[1].Made.Load(), tallies[0].Cached.Load()+tallies[1].Cached.Load()
	if made != n || cached != n {
		t.Errorf("%d made and %d cached, want %d each", made, cached, n)
	}
	if replies[0] != replies[1] {
		t.Error("the processes have different answers")
	}
}

// One of two processes is stopped half way: the other makes what is left, and
// nothing twice.
func TestOneProcessIsStopped(t *testing.T) {
	const n = 200
	stopping := make(chan struct{})
	var once sync.Once
	var off atomic.Int64
	r := newRig(t, llmtest.Options{Latency: 2 * time.Millisecond, Reply: func(req llmtest.Request) (llmtest.Reply, bool) {
		if req.N > n/3 {
			once.Do(func() { close(stopping) })
			// Those that wait are called off before there is an answer to find.
			eventually(t, "nothing is called off", func() bool { return off.Load() > 0 })
		}
		return llmtest.Reply{}, false
	}})
	r.model.Provider.Limits.Concurrency = 8
	shared := newSharedStore()
	stopped, _ := r.start(shared, Options{Stopping: stopping})
	other, _ := r.start(shared, Options{})
	var cut, whole Tally
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			_, err := stopped.Complete(context.Background(), r.request(fmt.Sprint("call ", i)), &cut)
			var e *Error
			if errors.As(err, &e) && e.Code == CodeInterrupted {
				off.Add(1)
			} else if err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := other.Complete(context.Background(), r.request(fmt.Sprint("call ", i)), &whole); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := r.server.Calls(); got != n {
		t.Errorf("%d requests for %d calls", got, n)
	}
	if made := cut.Made.Load() + whole.Made.Load(); made != n || off.Load() == 0 {
		t.Errorf("%d made, %d called off", made, off.Load())
	}
	if whole.Made.Load()+whole.Cached.Load() != n {
		t.Errorf("the other process: %d made, %d cached", whole.Made.Load(), whole.Cached.Load())
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for start := time.Now(); !cond(); time.Sleep(time.Millisecond) {
		if time.Since(start) > patience {
			t.Error(what) // it may be asked in a goroutine
			return
		}
	}
}

// A process waits for another one's call, and makes it itself if that comes to
// nothing.
func TestCallOfAnotherProcessFails(t *testing.T) {
	r := newRig(t, llmtest.Options{Faults: []llmtest.Fault{{Nth: []int{1}, Hang: true}}})
	shared := newSharedStore()
	first, _ := r.start(shared, Options{})
	second, view := r.start(shared, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		if _, err := first.Complete(ctx, r.request("x"), &r.tally); !errors.Is(err, context.Canceled) {
			t.Errorf("first: %v", err)
		}
	})
	eventually(t, "no request", func() bool { return r.server.Calls() == 1 })
	var tally Tally
	wg.Go(func() {
		if got, err := second.Complete(context.Background(), r.request("x"), &tally); err != nil || got.Cached {
			t.Errorf("second: %+v, %v", got, err)
		}
	})
	eventually(t, "no wait", func() bool { return view.waits.Load() == 1 })
	cancel()
	wg.Wait()
	if got, err := first.Complete(context.Background(), r.request("x"), &r.tally); err != nil || !got.Cached {
		t.Errorf("the first process does not find the answer of the second: %+v, %v", got, err)
	}
	if n := r.server.Calls(); n != 2 {
		t.Errorf("%d requests", n)
	}
}

// A wait for another process ends when the build stops or the caller gives up.
func TestWaitForAnotherProcessIsCalledOff(t *testing.T) {
	r := newRig(t, llmtest.Options{})
	shared := newSharedStore()
	_, parts, err := shape(r.request("x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shared.open().Claim(context.Background(), parts.Digest()); err != nil { // a process that hangs
		t.Fatal(err)
	}
	stopping := make(chan struct{})
	var notes atomic.Int64
	c, view := r.start(shared, Options{Stopping: stopping, Notify: func(summary, _ string) {
		if !strings.Contains(summary, "another build") {
			t.Errorf("told %q", summary)
		}
		notes.Add(1)
	}})
	c.patience = 5 * time.Millisecond
	errs := make(chan error, 1)
	complete := func(ctx context.Context) {
		_, err := c.Complete(ctx, r.request("x"), &r.tally)
		errs <- err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go complete(ctx)
	eventually(t, "the user is not told", func() bool { return notes.Load() == 1 })
	cancel()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	go complete(context.Background())
	eventually(t, "no wait", func() bool { return view.waits.Load() == 2 })
	close(stopping)
	var e *Error
	if err := <-errs; !errors.As(err, &e) || e.Code != CodeInterrupted || !errors.Is(err, errStopping) {
		t.Errorf("stopping: %v", err)
	}
	if err := func() error { _, err := c.Complete(context.Background(), r.request("y"), &r.tally); return err }(); !errors.Is(err, errStopping) {
		t.Errorf("after: %v", err)
	}
	r.wantCounts(counts{})
	if notes.Load() != 1 || r.server.Calls() != 0 {
		t.Errorf("%d notes, %d requests", notes.Load(), r.server.Calls())
	}
}

// Where nothing can be claimed, calls are made all the same.
func TestClaimFails(t *testing.T) {
	r := newRig(t, llmtest.Options{})
	var notes []string
	c, view := r.start(newSharedStore(), Options{Notify: func(summary, detail string) { notes = append(notes, summary+" | "+detail) }})
	view.claimErr = errors.New("no locks here")
	for _, text := range []string{"x", "y", "x"} {
		if _, err := c.Complete(context.Background(), r.request(text), &r.tally); err != nil {
			t.Fatal(err)
		}
	}
	r.wantCounts(counts{made: 2, cached: 1})
	if len(notes) != 1 || !strings.Contains(notes[0], "no locks here") {
		t.Errorf("notes %q", notes)
	}
}

// Neither the offline model nor -offline has anything to claim.
func TestNoClaimOffline(t *testing.T) {
	r := newRig(t, llmtest.Options{})
	c, view := r.start(newSharedStore(), Options{Offline: true})
	view.claimErr = errors.New("a claim")
	c.opts.Notify = func(summary, detail string) { t.Error(summary, detail) }
	var e *Error
	if _, err := c.Complete(context.Background(), r.request("x"), &r.tally); !errors.As(err, &e) || e.Code != CodeOffline {
		t.Errorf("error %v", err)
	}
}
