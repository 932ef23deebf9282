package llm

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// numbered answers each request with its number.
func numbered() llmtest.Options {
	return llmtest.Options{Reply: func(req llmtest.Request) (llmtest.Reply, bool) {
		return llmtest.Reply{Content: fmt.Sprint("answer ", req.N)}, true
	}}
}

func (r *rig) refresh(text string) Request {
	req := r.request(text)
	req.Refresh = true
	return req
}

func (r *rig) wantAnswer(req Request, content string, cached bool) {
	r.t.Helper()
	if got := r.must(req); got.Content != content || got.Cached != cached {
		r.t.Errorf("got %q, cached %v; want %q, %v", got.Content, got.Cached, content, cached)
	}
}

func TestRefresh(t *testing.T) {
	r := newRig(t, numbered())
	r.connect(Options{Store: r.store, Refresh: true})
	r.wantAnswer(r.refresh("x"), "answer 1", false)
	r.wantAnswer(r.request("x"), "answer 1", true)
	r.wantAnswer(r.refresh("x"), "answer 1", true) // this client asked it already
	r.wantAnswer(r.request("y"), "answer 2", false)
	r.wantAnswer(r.refresh("y"), "answer 2", true) // and this, for another step

	r.connect(Options{Store: r.store}) // the next build
	r.wantAnswer(r.request("x"), "answer 1", true)
	r.wantAnswer(r.refresh("x"), "answer 3", false)
	r.wantAnswer(r.refresh("x"), "answer 3", true)
	r.wantAnswer(r.request("x"), "answer 3", true)
	r.wantAnswer(r.request("y"), "answer 2", true)
	if r.store.durable != 3 || r.store.len() != 2 {
		t.Errorf("%d answers stored durably, %d kept", r.store.durable, r.store.len())
	}
	r.wantCounts(counts{made: 3, cached: 7})

	r.connect(Options{Store: r.store, Offline: true})
	r.wantAnswer(r.request("x"), "answer 3", true)
	if e := r.mustFail(r.refresh("x")); e.Code != CodeOffline || !strings.Contains(e.Summary, "-refresh") {
		t.Errorf("error %+v", e)
	}
}

// Answers of a refresh that was broken off count when it is taken up again, and
// for no other one.
func TestRefreshTakenUp(t *testing.T) {
	r := newRig(t, numbered())
	marked := func(mark uint64) Request {
		req := r.refresh("x")
		req.RefreshMark = mark
		return req
	}
	r.wantAnswer(r.request("x"), "answer 1", false)
	r.connect(Options{Store: r.store, Refresh: true})
	r.wantAnswer(marked(7), "answer 2", false)
	r.connect(Options{Store: r.store, Refresh: true}) // the build was killed
	r.wantAnswer(marked(7), "answer 2", true)
	r.connect(Options{Store: r.store, Refresh: true})
	r.wantAnswer(marked(8), "answer 3", false)
	r.connect(Options{Store: r.store, Refresh: true})
	r.wantAnswer(r.refresh("x"), "answer 4", false)
	r.connect(Options{Store: r.store})
	r.wantAnswer(r.request("x"), "answer 4", true)
}

// What was asked is noted for builds that ask anew, and no others.
func TestRefreshNotes(t *testing.T) {
	for _, anew := range []bool{false, true} {
		r := newRig(t, numbered())
		r.connect(Options{Store: r.store, Refresh: anew})
		r.must(r.request("x"))
		r.must(r.request("y"))
		if n := len(r.client.asked); n != map[bool]int{false: 0, true: 2}[anew] {
			t.Errorf("refresh %v: %d calls noted", anew, n)
		}
	}
}

// Of equal calls of one refreshed build one is made, whoever comes first.
func TestRefreshAtOnce(t *testing.T) {
	opts := numbered()
	opts.Latency = 20 * time.Millisecond
	r := newRig(t, opts)
	r.must(r.request("x"))
	r.connect(Options{Store: r.store})
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			if i%2 == 0 {
				r.wantContent(r.refresh("x"), "answer 2")
			} else {
				r.must(r.request("x")) // the old answer or the new one
			}
		})
	}
	wg.Wait()
	if got := r.server.Calls(); got != 2 {
		t.Errorf("%d requests, want 2", got)
	}
}

// slowStore holds the first look-up up.
type slowStore struct {
	*memStore
	once sync.Once
	hold chan struct{}
}

func (s *slowStore) Get(k [32]byte) ([]byte, bool, error) {
	s.once.Do(func() { <-s.hold })
	return s.memStore.Get(k)
}

// Who wants a new answer is not content with an old one that another caller is
// about to find.
func TestRefreshBehindALookUp(t *testing.T) {
	r := newRig(t, numbered())
	r.must(r.request("x"))
	store := &slowStore{memStore: r.store, hold: make(chan struct{})}
	r.connect(Options{Store: store})
	var wg sync.WaitGroup
	wg.Go(func() { r.wantContent(r.request("x"), "answer 1") })
	for begun := false; !begun; time.Sleep(time.Millisecond) {
		r.client.mu.Lock()
		begun = len(r.client.flights) == 1
		r.client.mu.Unlock()
	}
	wg.Go(func() { r.wantContent(r.refresh("x"), "answer 2") })
	time.Sleep(10 * time.Millisecond)
	close(store.hold)
	wg.Wait()
}

func (r *rig) wantContent(req Request, content string) {
	r.t.Helper()
	if got := r.must(req); got.Content != content {
		r.t.Errorf("got %q, want %q", got.Content, content)
	}
}

// The old answer stays until there is a new one, and serves those who did not
// ask for another.
func TestRefreshFails(t *testing.T) {
	r := newRig(t, numbered())
	r.must(r.request("x"))
	r.connect(Options{Store: r.store})
	r.server.Reset(llmtest.Fault{To: 2, Status: 400, Delay: 30 * time.Millisecond})
	failed := make(chan *Error, 1)
	go func() { failed <- r.mustFail(r.refresh("x")) }()
	for r.server.Calls() == 0 {
		time.Sleep(time.Millisecond)
	}
	r.wantAnswer(r.request("x"), "answer 1", true) // in the middle of it
	if e := <-failed; e.Code != CodeRejected {
		t.Errorf("error %+v", e)
	}
	r.mustFail(r.refresh("x")) // not taken for asked
	r.wantAnswer(r.request("x"), "answer 1", true)
	r.wantAnswer(r.refresh("x"), "answer 3", false)
	r.wantAnswer(r.request("x"), "answer 3", true)
}

// Replies that did not fit are asked for again too.
func TestRefreshOfUnfitReplies(t *testing.T) {
	bad, good := llmtest.Reply{Content: "safe, I think"}, llmtest.Reply{Content: `{"reason":"r","label":"safe"}`}
	r := newRig(t, says(bad, good, bad, good))
	for build := range 2 {
		r.connect(Options{Store: r.store})
		for range 2 {
			req := r.refresh("judge")
			req.Schema = verdictSchema
			r.must(req)
		}
		if got, want := r.server.Calls(), 2*(build+1); got != want {
			t.Errorf("build %d: %d requests, want %d", build, got, want)
		}
	}
}

// Two processes that refresh at the same time ask once.
func TestProcessesShareRefreshedCalls(t *testing.T) {
	opts := numbered()
	opts.Latency = 20 * time.Millisecond
	r := newRig(t, opts)
	shared := newSharedStore()
	old, _ := r.start(shared, Options{})
	if _, err := old.Complete(context.Background(), r.request("x"), &r.tally); err != nil {
		t.Fatal(err)
	}
	first, _ := r.start(shared, Options{})
	second, _ := r.start(shared, Options{})
	var wg sync.WaitGroup
	ask := func(c *client) {
		wg.Go(func() {
			got, err := c.Complete(context.Background(), r.refresh("x"), &r.tally)
			if err != nil || got.Content != "answer 2" {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	ask(first)
	for r.server.Calls() < 2 {
		time.Sleep(time.Millisecond)
	}
	ask(second)
	wg.Wait()
	ask(second) // an answer that came while it was at work counts
	wg.Wait()
	if n := r.server.Calls(); n != 2 {
		t.Errorf("%d requests", n)
	}
}

func TestMillis(t *testing.T) {
	r := newRig(t, llmtest.Options{Latency: 30 * time.Millisecond})
	r.client.clock = realClock(nil)
	begun := time.Now()
	r.must(r.request("x"))
	most := time.Since(begun).Milliseconds()
	for _, v := range r.store.values {
		rec, err := DecodeRecord(v)
		if err != nil || rec.Millis < 30 || rec.Millis > most {
			t.Errorf("%d ms of %d, %v", rec.Millis, most, err)
		}
		// Records of older versions do not say.
		old := strings.Replace(string(v), fmt.Sprintf(`,"millis":%d`, rec.Millis), "", 1)
		if back, err := DecodeRecord([]byte(old)); err != nil || back.Millis != 0 || old == string(v) || back.Answer.Content != rec.Answer.Content {
			t.Errorf("%+v, %v", back, err)
		}
	}
}
