package telemetry

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/autosafe/autosafe/internal/control"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/spec"
)

func someStatus() control.Status {
	return control.Status{
		Version: "1.2.3", Began: time.Unix(1700000000, 5e8), State: control.StatePaused,
		Steps: []control.Step{
			{Address: `judge.rubric.risk["a\"b"]`, RowsIn: 10, RowsOut: 4, RowsHit: 3, InFlight: 2, Failed: 1, Dropped: 5,
				Calls: engine.CallCounts{Made: 7, Cached: 6, Retried: 2, Failed: 1, InputTokens: 100, OutputTokens: 9, CostUSD: 0.25}},
			{Address: "dataset.d"},
		},
		Models: []control.ModelStatus{
			{Model: "judge", ID: "m-1", Provider: "main", Endpoint: "http://x/v1", Limit: 8, Declared: 64, InFlight: 5, Waiting: 3, RequestsPerSecond: 12.5, Answered: 70, Refused: 2, Failed: 1, State: "open"},
			{Model: "judge", ID: "m-1", Provider: "spare", Endpoint: "http://y/v1", State: "down"},
		},
	}
}

// scrape reads and parses what Prometheus would.
func scrape(t *testing.T, url string) map[string]*dto.MetricFamily {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("%s, %s", resp.Status, resp.Header.Get("Content-Type"))
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// value finds a figure by its name and labels.
func value(t *testing.T, families map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	t.Helper()
	for _, m := range families[name].GetMetric() {
		got := map[string]string{}
		for _, l := range m.GetLabel() {
			got[l.GetName()] = l.GetValue()
		}
		fits := true
		for i := 0; i < len(labels); i += 2 {
			fits = fits && got[labels[i]] == labels[i+1]
		}
		switch {
		case !fits:
		case m.Counter != nil:
			return m.GetCounter().GetValue()
		case m.Gauge != nil:
			return m.GetGauge().GetValue()
		}
	}
	t.Errorf("there is no %s %v", name, labels)
	return -1
}

func TestMetrics(t *testing.T) {
	m, err := ServeMetrics("127.0.0.1:0", someStatus)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	families := scrape(t, m.URL())
	step := []string{"step", `judge.rubric.risk["a\"b"]`}
	main := []string{"model", "judge", "id", "m-1", "provider", "main", "endpoint", "http://x/v1"}
	for _, tt := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"autosafe_build_info", []string{"version", "1.2.3"}, 1},
		{"autosafe_build_start_time_seconds", nil, 1700000000.5},
		{"autosafe_build_state", []string{"state", "paused"}, 1},
		{"autosafe_build_state", []string{"state", "running"}, 0},
		{"autosafe_step_input_rows_total", step, 10},
		{"autosafe_step_output_rows_total", step, 4},
		{"autosafe_step_cached_tasks_total", step, 3},
		{"autosafe_step_dropped_rows_total", step, 5},
		{"autosafe_step_failed_rows_total", step, 1},
		{"autosafe_step_in_flight_tasks", step, 2},
		{"autosafe_step_calls_total", append(step, "result", "made"), 7},
		{"autosafe_step_calls_total", append(step, "result", "cached"), 6},
		{"autosafe_step_calls_total", append(step, "result", "failed"), 1},
		{"autosafe_step_call_retries_total", step, 2},
		{"autosafe_step_tokens_total", append(step, "direction", "input"), 100},
		{"autosafe_step_tokens_total", append(step, "direction", "output"), 9},
		{"autosafe_step_cost_usd_total", step, 0.25},
		{"autosafe_step_input_rows_total", []string{"step", "dataset.d"}, 0},
		{"autosafe_model_in_flight_calls", main, 5},
		{"autosafe_model_waiting_calls", main, 3},
		{"autosafe_model_limit_calls", main, 8},
		{"autosafe_model_declared_limit_calls", main, 64},
		{"autosafe_model_pace_requests_per_second", main, 12.5},
		{"autosafe_model_up", main, 1},
		{"autosafe_model_up", []string{"endpoint", "http://y/v1"}, 0},
		{"autosafe_model_attempts_total", append(main, "result", "answered"), 70},
		{"autosafe_model_attempts_total", append(main, "result", "refused"), 2},
		{"autosafe_model_attempts_total", append(main, "result", "failed"), 1},
	} {
		if got := value(t, families, tt.name, tt.labels...); got != tt.want {
			t.Errorf("%s %v is %v, want %v", tt.name, tt.labels, got, tt.want)
		}
	}
	for name, f := range families {
		if counts := f.GetType() == dto.MetricType_COUNTER; counts != strings.HasSuffix(name, "_total") || f.GetHelp() == "" {
			t.Errorf("%s is a %s, %q", name, f.GetType(), f.GetHelp())
		}
	}
	resp, err := http.Get(strings.TrimSuffix(m.URL(), "metrics"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("the root: %s", resp.Status)
	}
}

// answers is a client that answers at once.
type answers struct {
	llm.Client
	reply llm.Reply
	err   error
}

func (a *answers) Complete(context.Context, llm.Request, *llm.Tally) (llm.Reply, error) {
	return a.reply, a.err
}

func TestCallTimes(t *testing.T) {
	m, err := ServeMetrics("127.0.0.1:0", someStatus)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	req := llm.Request{Model: &spec.Model{Name: "judge", Provider: &spec.Provider{}}, Step: "judge.rubric.r"}
	next := &answers{}
	client := m.Client(next)
	for _, a := range []answers{{}, {err: &llm.Error{Code: llm.CodeTimeout}}, {reply: llm.Reply{Cached: true}}} {
		next.reply, next.err = a.reply, a.err
		if _, err := client.Complete(t.Context(), req, &llm.Tally{}); fmt.Sprint(err) != fmt.Sprint(a.err) {
			t.Errorf("the client's error became %v", err)
		}
	}
	m.took("judge", "judge.rubric.r", 10*time.Minute) // past all buckets
	f := scrape(t, m.URL())["autosafe_call_duration_seconds"]
	if f.GetType() != dto.MetricType_HISTOGRAM || len(f.GetMetric()) != 1 {
		t.Fatalf("the histogram is %v", f)
	}
	h := f.GetMetric()[0].GetHistogram()
	last := h.GetBucket()[len(h.GetBucket())-1]
	if h.GetSampleCount() != 3 || h.GetSampleSum() < 600 || len(h.GetBucket()) != len(buckets())+1 || last.GetCumulativeCount() != 3 || h.GetBucket()[len(buckets())-1].GetCumulativeCount() != 2 {
		t.Errorf("the histogram is %v", h)
	}
}

func TestAddresses(t *testing.T) {
	for address, ok := range map[string]bool{"localhost:9464": true, ":0": true, "9464": false, "": false, "a:b:c": false} {
		if err := CheckAddress(address); (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
	m, err := ServeMetrics("127.0.0.1:0", someStatus)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ServeMetrics(strings.TrimSuffix(strings.TrimPrefix(m.URL(), "http://"), "/metrics"), someStatus); err == nil {
		t.Error("one address twice")
	}
	m.Close()
	if resp, err := http.Get(m.URL()); err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		t.Error("it answers after its end")
	}
}
