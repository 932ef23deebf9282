package llm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosafe/autosafe/spec"
)

// mood is what an endpoint does to a request: how long it takes, and then how
// it fails; 0 is well.
type mood struct {
	takes time.Duration
	fails int // a status, or one of the following
}

const (
	hangs  = -1 // no answer before the deadline
	resets = -2 // the connection breaks before an answer
	cuts   = -3 // it breaks in the answer
	away   = -4 // nothing listens
)

// frail is an endpoint in virtual time: of each request it knows its words, how
// often it has come and how long the endpoint is up.
type frail struct {
	t     *testing.T
	of    func(words string, now time.Duration) mood
	begun time.Time

	mu   sync.Mutex
	came map[string]int // requests, by their words
}

// RoundTrip implements http.RoundTripper.
func (m *frail) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	_, words, _ := strings.Cut(string(body), `"content":"`)
	words, _, _ = strings.Cut(words, `"`)
	m.mu.Lock()
	now := time.Since(m.begun)
	m.came[words]++
	m.mu.Unlock()
	is := m.of(words, now)
	if is.fails == hangs {
		is.takes = math.MaxInt64
	}
	select {
	case <-req.Context().Done():
		return nil, req.Context().Err()
	case <-time.After(is.takes):
	}
	reply := func(status int, body io.Reader) (*http.Response, error) {
		return &http.Response{StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Request: req, Header: http.Header{}, Body: io.NopCloser(body)}, nil
	}
	switch is.fails {
	case 0:
		return reply(200, strings.NewReader(goodBody))
	case resets:
		return nil, errors.New("read: connection reset by peer")
	case cuts:
		return reply(200, io.MultiReader(strings.NewReader(goodBody[:20]), broken{}))
	case away:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connect: connection refused")}
	}
	return reply(is.fails, strings.NewReader(`{"error":{"message":"out of order"}}`))
}

// broken is a body that breaks off.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// trial is what came of calls at an frail endpoint.
type trial struct {
	*frail
	failed map[string]*Error // calls
	notes  []string
	took   time.Duration
}

// tryCalls makes calls, all at once, in virtual time. The endpoint has answered one
// before them, unless it is cold.
func tryCalls(t *testing.T, wide int, cold bool, words []string, of func(words string, now time.Duration) mood) *trial {
	t.Helper()
	r := &trial{frail: &frail{t: t, of: of, begun: time.Now(), came: map[string]int{}}, failed: map[string]*Error{}}
	c := newClient(Options{Store: newMemStore(), Transport: r.frail, Notify: func(summary, _ string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.notes = append(r.notes, summary)
	}})
	defer func() { _ = c.Close() }()
	model := &spec.Model{Name: "m", ID: "m", Provider: &spec.Provider{
		Type: spec.ProviderOpenAI, Name: "main", BaseURL: "http://endpoint/v1", Timeout: time.Minute, Retries: 5,
		Limits: spec.Limits{Concurrency: wide},
	}}
	var tally Tally
	ask := func(i int, words string) {
		// Those that fail are of a step further down, which goes first.
		_, err := c.Complete(context.Background(), Request{
			Model: model, Purpose: "agent", Step: words[:1], Depth: strings.Count(words, "bad"), Sample: i,
			Messages: []Message{{Role: "user", Content: words}},
		}, &tally)
		if err == nil {
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", words, err)
		}
		r.failed[words] = e
	}
	if !cold {
		ask(0, "first")
		time.Sleep(time.Second)
		r.begun = time.Now()
	}
	var wg sync.WaitGroup
	for i, w := range words {
		wg.Go(func() { ask(i, w) })
	}
	wg.Wait()
	r.took = time.Since(r.begun)
	return r
}

// calls are so many good ones, and so many bad ones that come evenly between
// them.
func calls(good, bad int) (words []string) {
	for i := range good + bad {
		if bad*(i+1)/(good+bad) > bad*i/(good+bad) {
			words = append(words, fmt.Sprint("bad ", i))
		} else {
			words = append(words, fmt.Sprint("good ", i))
		}
	}
	return words
}

// only says whether just the bad calls failed, each by itself.
func (r *trial) only(bad int) {
	r.t.Helper()
	for words, e := range r.failed {
		if !strings.HasPrefix(words, "bad") || e.Fatal || !e.Transient {
			r.t.Errorf("%s failed: %+v", words, e)
		}
	}
	if len(r.failed) != bad {
		r.t.Errorf("%d calls failed, want %d", len(r.failed), bad)
	}
}

// most is how often a call was sent, at most.
func (r *trial) most(prefix string) (n int) {
	for words, came := range r.came {
		if strings.HasPrefix(words, prefix) {
			n = max(n, came)
		}
	}
	return n
}

func (r *trial) told(what string) (n int) {
	for _, note := range r.notes {
		if strings.Contains(note, what) {
			n++
		}
	}
	return n
}

// An outage that is over before it is waited for no more loses no call, however
// many wait, and whatever it looks like; the user is told once.
func TestOutage(t *testing.T) {
	kinds := map[string]mood{
		"502": {time.Millisecond, 502}, "503": {time.Millisecond, 503}, "504": {2 * time.Second, 504}, "away": {0, away},
		"500": {time.Millisecond, 500}, "hang": {0, hangs}, "reset": {time.Millisecond, resets}, "cut": {time.Millisecond, cuts},
	}
	for name, kind := range kinds {
		suspect := slices.Contains([]string{"500", "hang", "reset", "cut"}, name)
		for _, lasts := range []time.Duration{5 * time.Second, 10 * time.Minute} {
			for _, waiting := range []int{1, 8, 64} {
				if suspect && (lasts > time.Minute || name == "hang") && waiting < 64 {
					continue // those cost the calls that ask, see TestPoison
				}
				t.Run(fmt.Sprint(name, " ", lasts, " ", waiting), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						r := tryCalls(t, 16, false, calls(waiting, 0), func(words string, now time.Duration) mood {
							if words != "first" && now < lasts {
								return kind
							}
							return mood{takes: 50 * time.Millisecond}
						})
						r.only(0)
						if r.took < lasts || r.took > lasts+3*time.Minute {
							t.Errorf("it took %v", r.took)
						}
						if begins, ends := r.told("does not answer any more"), r.told("answers again"); begins > 1 || ends != begins || begins == 0 && lasts > time.Minute && name != "503" {
							t.Errorf("notes %q", r.notes)
						}
					})
				})
			}
		}
	}
}

// Calls at which the endpoint always fails end by themselves, after a bounded
// number of attempts, and hold nobody up.
func TestPoisonAmongOthers(t *testing.T) {
	kinds := map[string]mood{
		"500": {time.Millisecond, 500}, "502": {time.Millisecond, 502}, "503": {time.Millisecond, 503}, "504": {time.Millisecond, 504}, "529": {time.Millisecond, 529},
		"slow 504": {50 * time.Second, 504}, "slow 502": {3 * time.Second, 502},
		"hang": {0, hangs}, "reset": {time.Millisecond, resets}, "cut": {time.Millisecond, cuts},
	}
	for name, kind := range kinds {
		for _, tt := range []struct{ good, bad, wide int }{{100, 1, 8}, {100, 1, 64}, {100, 1, 128}, {10, 10, 4}, {10, 10, 64}, {400, 100, 32}, {0, 12, 4}} {
			t.Run(fmt.Sprintf("%s %d of %d, %d wide", name, tt.bad, tt.good+tt.bad, tt.wide), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := tryCalls(t, tt.wide, tt.good == 0, calls(tt.good, tt.bad), func(words string, _ time.Duration) mood {
						if strings.HasPrefix(words, "bad") {
							return kind
						}
						return mood{takes: 50 * time.Millisecond}
					})
					r.only(tt.bad)
					// Retries, refusals that are forgiven, and what is asked in doubt.
					if n := r.most("bad"); n > 6+busySpared+20 {
						t.Errorf("a call was sent %d times", n)
					}
					if n := r.most("good"); n > 1 {
						t.Errorf("a good call was sent %d times", n)
					}
					if quick := kind.takes < time.Second && name != "hang" && tt.bad <= 12; quick && r.took > DefaultOutage/3 {
						t.Errorf("it took %v", r.took)
					}
					if begins := r.told("does not answer any more"); begins > 1+min(r.told("fails only at calls"), tt.bad) {
						t.Errorf("notes %q", r.notes)
					}
				})
			})
		}
	}
}

// An endpoint that fails at some calls goes down as well: what it fails at is
// given up, and nothing else.
func TestPoisonAndOutage(t *testing.T) {
	for _, status := range []int{502, 503, 504} {
		for _, tt := range []struct {
			good, bad  int
			from, till time.Duration
		}{
			{60, 4, 0, 5 * time.Minute},
			{60, 4, 200 * time.Millisecond, 5 * time.Minute},
			{60, 4, 200 * time.Millisecond, 14 * time.Minute},
			{7, 1, 0, 10 * time.Minute},
			{1, 1, 0, 10 * time.Minute},
			{400, 40, time.Second, time.Minute},
		} {
			t.Run(fmt.Sprint(status, " ", tt), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := tryCalls(t, 8, false, calls(tt.good, tt.bad), func(words string, now time.Duration) mood {
						if words != "first" && (strings.HasPrefix(words, "bad") || tt.from <= now && now < tt.till) {
							return mood{time.Millisecond, status}
						}
						return mood{takes: 50 * time.Millisecond}
					})
					r.only(tt.bad)
					if begins := r.told("does not answer any more"); begins > 2 {
						t.Errorf("notes %q", r.notes)
					}
				})
			})
		}
	}
}

// What is in flight when an endpoint goes down is not lost, though others were
// answered beside it, and though nothing else is left to ask with.
func TestOutageInTheMiddle(t *testing.T) {
	for _, tt := range []struct {
		calls, wide int
		from, lasts time.Duration
	}{
		{200, 16, 520 * time.Millisecond, 10 * time.Minute},
		{200, 64, 120 * time.Millisecond, 10 * time.Minute},
		{3, 2, 60 * time.Millisecond, time.Minute},
		{20, 16, 110 * time.Millisecond, time.Minute},
	} {
		for _, status := range []int{502, 503, 504} {
			t.Run(fmt.Sprint(status, " ", tt), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var n atomic.Int64
					r := tryCalls(t, tt.wide, false, calls(tt.calls, 0), func(words string, now time.Duration) mood {
						takes := 30*time.Millisecond + time.Duration(n.Add(1)%7)*10*time.Millisecond
						if words != "first" && tt.from <= now+takes && now < tt.from+tt.lasts {
							return mood{max(0, tt.from-now), status}
						}
						return mood{takes: takes}
					})
					r.only(0)
				})
			})
		}
	}
}

// An endpoint that is up and down by turns loses nothing.
func TestFlapping(t *testing.T) {
	for _, status := range []int{500, 502, 503, 504, resets, away} {
		for _, each := range []time.Duration{10 * time.Second, time.Minute} {
			t.Run(fmt.Sprint(status, " ", each), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := tryCalls(t, 8, false, calls(300, 0), func(words string, now time.Duration) mood {
						if words != "first" && now/each%2 == 0 {
							return mood{time.Millisecond, status}
						}
						return mood{takes: 150 * time.Millisecond}
					})
					r.only(0)
				})
			})
		}
	}
}

// Nobody waits for an endpoint that has never answered: calls end after their
// retries, and where nothing listens, all do.
func TestNeverAnswered(t *testing.T) {
	for _, fails := range []int{500, 502, 503, 504, 529, hangs, resets, cuts, away} {
		t.Run(fmt.Sprint(fails), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := tryCalls(t, 4, true, calls(0, 6), func(string, time.Duration) mood { return mood{time.Millisecond, fails} })
				for words, e := range r.failed {
					if e.Fatal != (fails == away) {
						t.Errorf("%s: %+v", words, e)
					}
				}
				if len(r.failed) != 6 || r.most("bad") > 6+busySpared || r.told("answer any more") > 0 {
					t.Errorf("%d calls failed, one was sent %d times, notes %q", len(r.failed), r.most("bad"), r.notes)
				}
			})
		})
	}
}

// Of calls that wait for an endpoint, those ask first that are no suspects,
// then those that have asked least, and not one after the other.
func TestWhoAsks(t *testing.T) {
	d := newDoor(&spec.Provider{})
	q := &queue{}
	var all []*waiter
	for i := range 100 {
		w := &waiter{step: "s", in: i}
		w.conductAt(d, 0).suspect = i < 10
		all = append(all, w)
		q.add(w, false)
	}
	asked := map[int]int{}
	first := map[int]bool{}
	for n := range 90 + 90 {
		w := q.probe(d)
		d.breaker.probes++
		w.conductAt(d, 0).probes++
		asked[w.in]++
		if n < 9 {
			first[w.in/30] = true
		}
	}
	for i, w := range all {
		if want := 2; i < 10 && asked[w.in] > 0 || i >= 10 && asked[w.in] != want {
			t.Errorf("%d asked %d times", i, asked[w.in])
		}
	}
	if len(first) != 4 {
		t.Errorf("the first to ask stand together: %v", first)
	}
}
