package llmtest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// What a limit lets in, by a clock of the test's own.
func TestLimits(t *testing.T) {
	ms := func(list ...int) (out []time.Duration) {
		for _, n := range list {
			out = append(out, time.Duration(n)*time.Millisecond)
		}
		return out
	}
	for _, tt := range []struct {
		name   string
		limits []Limit
		at     []time.Duration
		want   string // + is let in, a digit refused, with Retry-After
	}{
		{"none", nil, ms(0, 0, 0), "+++"},
		{"bucket", []Limit{{PerSecond: 2}}, ms(0, 0, 0, 499, 500, 501, 5000, 5000, 5000), "++11+1++1"},
		{"burst", []Limit{{PerSecond: 0.25, Burst: 1}}, ms(0, 0, 3999, 4000, 4001), "+41+4"},
		{"window", []Limit{{PerSecond: 2, Window: 2 * time.Second}}, ms(0, 0, 0, 1000, 1000, 1999, 2000, 2000), "++++11++"},
		{"slow window", []Limit{{PerSecond: 0.1, Window: time.Second}}, ms(0, 10, 999, 1000), "+11+"},
		{"silent", []Limit{{PerSecond: 1, NoRetryAfter: true}}, ms(0, 0), "+-"},
		{"free, then nothing, then free", []Limit{
			{For: time.Second}, {PerSecond: 1, For: time.Second},
		}, ms(0, 0, 0, 1000, 1001, 1999, 2000, 2001, 3000, 3001), "++++11+++1"},
		{"the last for good", []Limit{{PerSecond: 1, For: time.Second}, {PerSecond: 3}}, ms(0, 1, 1000, 1001, 3000, 3000, 3000, 3000), "+1+1+++1"},
		{"at a time", []Limit{{Concurrency: 2}}, ms(0, 0, 0, 5000), "++11"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := limiter{limits: tt.limits}
			began := time.Unix(1e9, 0)
			got := ""
			for _, at := range tt.at {
				p := l.enter(began.Add(at))
				h := http.Header{}
				p.headers(h)
				switch wait := h.Get("Retry-After"); {
				case p.ok:
					got += "+"
				case wait == "":
					got += "-"
				default:
					got += wait
				}
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestLimitHeaders(t *testing.T) {
	s := Start(Options{Limits: []Limit{{PerSecond: 1e-6, Burst: 2, Headers: true}}})
	defer s.Close()
	want := []struct {
		status, remaining string
		after             bool
	}{{"200", "1", false}, {"200", "0", false}, {"429", "0", true}}
	for i, w := range want {
		status, _, h := post(t, s, `{"model":"m","messages":[{"role":"user","content":"x"}]}`)
		got := []string{fmt.Sprint(status), h.Get("X-Ratelimit-Remaining-Requests"), h.Get("X-Ratelimit-Limit-Requests")}
		if !slices.Equal(got, []string{w.status, w.remaining, "2"}) || (h.Get("Retry-After") != "") != w.after || h.Get("X-Ratelimit-Reset-Requests") == "" {
			t.Errorf("request %d: %v, headers %v", i+1, got, h)
		}
	}
	s.SetLimits()
	if status, _, _ := post(t, s, `{"model":"m","messages":[{"role":"user","content":"x"}]}`); status != 200 {
		t.Errorf("without a limit: %d", status)
	}
}

// Requests beyond the limit on requests at a time are refused, and each one
// that ends makes room.
func TestConcurrencyLimit(t *testing.T) {
	release := make(chan struct{})
	s := Start(Options{
		Limits: []Limit{{Concurrency: 2}},
		Reply:  func(Request) (Reply, bool) { <-release; return Reply{Content: "x"}, true },
	})
	defer s.Close()
	body := `{"model":"m","messages":[{"role":"user","content":"x"}]}`
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { post(t, s, body) })
	}
	for s.Counts().InFlight < 2 {
		time.Sleep(time.Millisecond)
	}
	if status, _, h := post(t, s, body); status != 429 || h.Get("Retry-After") != "1" {
		t.Errorf("the third: %d, Retry-After %q", status, h.Get("Retry-After"))
	}
	close(release)
	wg.Wait()
	for s.Counts().InFlight > 0 {
		time.Sleep(time.Millisecond)
	}
	if status, _, _ := post(t, s, body); status != 200 {
		t.Errorf("the fourth: %d", status)
	}
	c := s.Counts()
	if c.Requests != 4 || c.Answered != 3 || c.Refused != 1 || c.MaxInFlight != 3 || c.Models["m"] != 4 || c.First.After(c.Last) {
		t.Errorf("counts %+v", c)
	}
}

// Shares are drawn by seed and number: the same each time, about as many as
// asked, and each fault apart from the others.
func TestShares(t *testing.T) {
	opts := Options{Seed: 3, Faults: []Fault{{Share: 0.1, Status: 429}, {Share: 0.05, Status: 500}, {Share: 0.02, Hang: true}, {Nth: []int{11}, Cut: true}}}
	hits := func(opts Options) (list [][2]int) {
		s := &Server{opts: opts, faults: opts.Faults}
		for n := range 10000 {
			if i := s.pick(&Request{N: n + 1}); i >= 0 {
				list = append(list, [2]int{n + 1, i})
			}
		}
		return list
	}
	first := hits(opts)
	if !slices.Equal(first, hits(opts)) {
		t.Error("the same seed gave other faults")
	}
	counts := make([]int, 4)
	for _, h := range first {
		counts[h[1]]++
	}
	for i, want := range []int{1000, 500, 200, 1} {
		if counts[i] < want*8/10 || counts[i] > want*12/10 {
			t.Errorf("fault %d hit %d times, want about %d", i, counts[i], want)
		}
	}
	opts.Seed = 4
	if slices.Equal(first, hits(opts)) {
		t.Error("another seed gave the same faults")
	}
}

// Unfit replies do not fit, whatever was asked for.
func TestUnfit(t *testing.T) {
	s := Start(Options{Faults: []Fault{{Unfit: true}}})
	defer s.Close()
	_, v, _ := post(t, s, schemaRequest("x", verdict))
	if text := message(t, v)["content"].(string); json.Valid([]byte(text)) {
		t.Errorf("fits: %q", text)
	}
	_, v, _ = post(t, s, `{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"a","parameters":{"type":"object"}}}]}`)
	if calls, _ := message(t, v)["tool_calls"].([]any); len(calls) != 1 {
		t.Errorf("no call: %v", v)
	}
	_, v, _ = post(t, s, `{"model":"m","messages":[{"role":"user","content":"x"}]}`)
	if message(t, v)["content"] != nil {
		t.Errorf("text: %v", v)
	}
	if c := s.Counts(); c.Answered != 0 || !slices.Equal(c.Faults, []int{3}) {
		t.Errorf("counts %+v", c)
	}
}

func TestDelays(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	between, tail := Between(time.Second, 2*time.Second), LongTail(time.Second, 0.5)
	var slow int
	for range 1000 {
		if d := between(rng); d < time.Second || d >= 2*time.Second {
			t.Fatalf("between gave %s", d)
		}
		if tail(rng) > 3*time.Second {
			slow++
		}
	}
	if slow < 3 || slow > 40 {
		t.Errorf("%d of 1000 took three times the median", slow)
	}
	s := &Server{opts: Options{Latency: time.Second, Delay: between, Seed: 5}}
	if a, b, c := s.latency(7), s.latency(7), s.latency(8); a != b || a == c || a < 2*time.Second {
		t.Errorf("delays %s, %s, %s", a, b, c)
	}
}

// With NoRecord nothing of a request is kept but the counts. Completions are
// answered below any path, and connections are told.
func TestNoRecord(t *testing.T) {
	s := Start(Options{NoRecord: true, Delay: Between(0, time.Millisecond)})
	defer s.Close()
	client := &http.Client{Transport: &http.Transport{}}
	base := strings.TrimSuffix(s.URL(), "/v1")
	for path, want := range map[string]int{"/v1/chat/completions": 200, "/openai/deployments/m/chat/completions?api-version=1": 200, "/v1/embeddings": 404} {
		resp, err := client.Post(base+path, "application/json", strings.NewReader(`{"model":"m","messages":[{"role":"user","content":"x"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	if c := s.Counts(); len(s.Requests()) != 0 || c.Requests != 2 || c.Answered != 2 || c.Connections == 0 || s.CountModel("m") != 2 {
		t.Errorf("%d kept, counts %+v", len(s.Requests()), c)
	}
	client.CloseIdleConnections()
	for s.Counts().Connections > 0 {
		time.Sleep(time.Millisecond)
	}
}

// A client that goes is counted, and holds nothing up.
func TestGone(t *testing.T) {
	s := Start(Options{Latency: time.Hour})
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL()+"/chat/completions", strings.NewReader(`{"model":"m","messages":[{"role":"user","content":"x"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
	})
	for s.Calls() == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	wg.Wait()
	for s.Counts().Gone == 0 {
		time.Sleep(time.Millisecond)
	}
	if c := s.Counts(); c.Answered != 0 {
		t.Errorf("counts %+v", c)
	}
}

// BenchmarkAnswer is the server's own work for a request with a schema.
func BenchmarkAnswer(b *testing.B) {
	s := Start(Options{NoRecord: true})
	defer s.Close()
	body := schemaRequest(strings.Repeat("How risky is this? ", 20), verdict)
	b.ReportAllocs()
	for b.Loop() {
		r, _ := http.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(body))
		s.http.Config.Handler.ServeHTTP(&discard{}, r)
	}
}

// BenchmarkServe is that with the network, client and server in one process.
func BenchmarkServe(b *testing.B) {
	s := Start(Options{NoRecord: true})
	defer s.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	body := schemaRequest(strings.Repeat("How risky is this? ", 20), verdict)
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			resp, err := client.Post(s.URL()+"/chat/completions", "application/json", strings.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	})
}

type discard struct{ header http.Header }

func (d *discard) Header() http.Header {
	if d.header == nil {
		d.header = http.Header{}
	}
	return d.header
}
func (*discard) Write(b []byte) (int, error) { return len(b), nil }
func (*discard) WriteHeader(int)             {}
