package telemetry

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/autosafe/autosafe/internal/control"
	"github.com/autosafe/autosafe/internal/llm"
)

// Metrics answers Prometheus while a build runs.
type Metrics struct {
	status   func() control.Status
	listener net.Listener
	server   *http.Server
	served   sync.WaitGroup

	mu    sync.Mutex
	times map[[2]string]*times // of calls, by model and step
}

// times is a histogram.
type times struct {
	counts []uint64 // by bucket, each for itself
	sum    float64
	n      uint64
}

// buckets are the upper bounds of the histogram of call times, in seconds.
func buckets() []float64 {
	return []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60, 120, 300}
}

// ServeMetrics answers on an address such as localhost:9464, until Close.
// Port 0 is any that is free.
func ServeMetrics(address string, status func() control.Status) (*Metrics, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	m := &Metrics{status: status, listener: l, times: map[[2]string]*times{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", m.scrape)
	m.server = &http.Server{Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute}
	m.served.Go(func() { _ = m.server.Serve(l) }) // it ends with Close
	return m, nil
}

// URL is where the figures are.
func (m *Metrics) URL() string { return "http://" + m.listener.Addr().String() + "/metrics" }

// Close ends the server.
func (m *Metrics) Close() {
	_ = m.server.Close() // who reads meanwhile reads nothing of use
	m.served.Wait()
}

// Client measures how long calls take that the cache does not answer.
func (m *Metrics) Client(next llm.Client) llm.Client { return &timed{next, m} }

type timed struct {
	llm.Client
	metrics *Metrics
}

// Complete implements llm.Client.
func (t *timed) Complete(ctx context.Context, req llm.Request, tally *llm.Tally) (llm.Reply, error) {
	began := time.Now()
	reply, err := t.Client.Complete(ctx, req, tally)
	if req.Model != nil && !(err == nil && reply.Cached) {
		t.metrics.took(req.Model.Name, req.Step, time.Since(began))
	}
	return reply, err
}

func (m *Metrics) took(model, step string, d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := [2]string{model, step}
	t := m.times[id]
	if t == nil {
		t = &times{counts: make([]uint64, len(buckets())+1)}
		m.times[id] = t
	}
	i, _ := slices.BinarySearch(buckets(), d.Seconds())
	t.counts[i]++
	t.sum += d.Seconds()
	t.n++
}

func (m *Metrics) scrape(w http.ResponseWriter, _ *http.Request) {
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	w.Header().Set("Content-Type", string(format))
	enc := expfmt.NewEncoder(w, format)
	for _, f := range m.families() {
		if len(f.Metric) == 0 {
			continue
		}
		if enc.Encode(f) != nil {
			return // who asked has gone
		}
	}
}

// families are all figures of now.
func (m *Metrics) families() []*dto.MetricFamily {
	s := m.status()
	var p page
	p.gauge("autosafe_build_info", "The build: always 1.", 1, "version", s.Version)
	p.gauge("autosafe_build_start_time_seconds", "When the build began, in seconds since 1970.", float64(s.Began.UnixMilli())/1000)
	for _, state := range []string{control.StateRunning, control.StatePaused, control.StateStopping} {
		p.gauge("autosafe_build_state", "1 for the state that the build is in.", flag(s.State == state), "state", state)
	}
	for i := range s.Steps {
		p.step(&s.Steps[i])
	}
	for i := range s.Models {
		p.model(&s.Models[i])
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range sortedIDs(m.times) {
		p.histogram("autosafe_call_duration_seconds", "How long calls took that the cache did not answer, with all waiting and retries.",
			m.times[id], "model", id[0], "step", id[1])
	}
	return p.families
}

// step adds the figures of a step.
func (p *page) step(s *control.Step) {
	counter := func(name, help string, n int64, labels ...string) {
		p.counter("autosafe_step_"+name, help, float64(n), append([]string{"step", s.Address}, labels...)...)
	}
	counter("input_rows_total", "Rows that came in.", s.RowsIn)
	counter("output_rows_total", "Rows that went out.", s.RowsOut)
	counter("cached_tasks_total", "Rows, or samples of rows, whose outcome was in the cache.", s.RowsHit)
	counter("dropped_rows_total", "Rows left out on purpose.", s.Dropped)
	counter("failed_rows_total", "Rows that failed.", s.Failed)
	p.gauge("autosafe_step_in_flight_tasks", "Rows, or samples of rows, under way.", float64(s.InFlight), "step", s.Address)
	const calls = "Model calls: answered by an endpoint (made), by the cache (cached), or not at all (failed)."
	counter("calls_total", calls, s.Calls.Made, "result", "made")
	counter("calls_total", calls, s.Calls.Cached, "result", "cached")
	counter("calls_total", calls, s.Calls.Failed, "result", "failed")
	counter("call_retries_total", "Attempts beyond a call's first.", s.Calls.Retried)
	const tokens = "Tokens of calls that an endpoint answered."
	counter("tokens_total", tokens, s.Calls.InputTokens, "direction", "input")
	counter("tokens_total", tokens, s.Calls.OutputTokens, "direction", "output")
	p.counter("autosafe_step_cost_usd_total", "What these calls cost, in US dollars.", s.Calls.CostUSD, "step", s.Address)
}

// model adds the figures of a model at an endpoint.
func (p *page) model(m *control.ModelStatus) {
	labels := []string{"model", m.Model, "id", m.ID, "provider", m.Provider, "endpoint", m.Endpoint}
	gauge := func(name, help string, v float64) { p.gauge("autosafe_model_"+name, help, v, labels...) }
	gauge("in_flight_calls", "Calls that are at the endpoint.", float64(m.InFlight))
	gauge("waiting_calls", "Calls that wait for their turn.", float64(m.Waiting))
	gauge("limit_calls", "Calls that may be at the endpoint now.", float64(m.Limit))
	gauge("declared_limit_calls", "Calls that may be there at most.", float64(m.Declared))
	gauge("pace_requests_per_second", "The pace that the endpoint's refusals taught; 0 is none.", m.RequestsPerSecond)
	gauge("up", "0 while nothing answers there.", flag(m.State != "down"))
	const attempts = "Requests that were answered, refused (429 and the like), or failed otherwise."
	for _, a := range []struct {
		result string
		n      int64
	}{{"answered", m.Answered}, {"refused", m.Refused}, {"failed", m.Failed}} {
		p.counter("autosafe_model_attempts_total", attempts, float64(a.n), append(slices.Clone(labels), "result", a.result)...)
	}
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// CheckAddress says what is wrong with an address to serve on.
func CheckAddress(address string) error {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return fmt.Errorf("%q is no address: give HOST:PORT, such as localhost:9464", address)
	}
	return nil
}
