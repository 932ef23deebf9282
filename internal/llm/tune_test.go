package llm

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec"
)

const tuneID = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// tuning is a training of one line at a server.
func tuning(t *testing.T, s *llmtest.Server) TuneRequest {
	t.Helper()
	path := filepath.Join(t.TempDir(), "train.jsonl")
	line := `{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}` + "\n"
	if err := os.WriteFile(path, []byte(line), 0o666); err != nil {
		t.Fatal(err)
	}
	price := 1e6
	req := TuneRequest{
		Provider: &spec.Provider{Type: spec.ProviderOpenAI, Name: "main", APIKey: spec.NewSecret("sk-secret-0123"), Retries: 2},
		ID:       tuneID, Step: "finetune.openai.agent", Model: "base", Suffix: "x",
		Train: []TuneFile{{Path: path, Size: int64(len(line))}}, Price: &price, Epochs: 1,
	}
	if s != nil {
		req.Provider.BaseURL = s.URL()
	}
	return req
}

func tuneServer(t *testing.T, opts llmtest.Options) *llmtest.Server {
	t.Helper()
	opts.APIKey = "sk-secret-0123"
	s := llmtest.Start(opts)
	t.Cleanup(s.Close)
	return s
}

// tuneOnce trains with a client of its own, as each build has.
func tuneOnce(t *testing.T, opts Options, req TuneRequest) (TuneResult, *Tally, error) {
	t.Helper()
	c := New(opts)
	defer c.Close()
	tally := &Tally{}
	got, err := c.Tune(context.Background(), req, tally)
	return got, tally, err
}

// What was trained is found by its name, and paid for once.
func TestTuneOnce(t *testing.T) {
	s := tuneServer(t, llmtest.Options{})
	opts := Options{Batches: &memoryNotes{notes: map[[32]byte][]byte{}}}
	req := tuning(t, s)
	var told []TuneProgress
	req.Progress = func(p TuneProgress) { told = append(told, p) }
	first, tally, err := tuneOnce(t, opts, req)
	if err != nil {
		t.Fatal(err)
	}
	if first.Model != s.Tunes()[0].Tuned || first.Steps != 3 || len(first.Curve) != 3 || len(first.Checkpoints) != 3 || first.Checkpoints[2].Step != 3 {
		t.Errorf("%+v", first)
	}
	if usd := tally.CostUSD(); usd != float64(req.Train[0].Size) {
		t.Errorf("it cost %v", usd)
	}
	if n := len(told); n == 0 || told[n-1].Figures["loss"] <= 0 || told[n-1].Step != 3 {
		t.Errorf("told %+v", told)
	}
	again, tally, err := tuneOnce(t, opts, req)
	if err != nil || again.Model != first.Model || tally.CostUSD() != 0 {
		t.Errorf("again: %+v, %v, %v dollars", again, err, tally.CostUSD())
	}
	lost, tally, err := tuneOnce(t, Options{}, req) // another machine
	if err != nil || lost.Model != first.Model || tally.CostUSD() != 0 {
		t.Errorf("elsewhere: %+v, %v, %v dollars", lost, err, tally.CostUSD())
	}
	if n := len(s.Tunes()); n != 1 {
		t.Errorf("%d jobs", n)
	}
	if list, err := ListTunes(opts.Batches); err != nil || len(list) != 0 {
		t.Errorf("under way: %v, %v", list, err)
	}
}

func TestTuneRefused(t *testing.T) {
	s := tuneServer(t, llmtest.Options{})
	for _, c := range []struct {
		name string
		opts Options
		edit func(*TuneRequest)
		code Code
	}{
		{"packed", Options{}, func(r *TuneRequest) { r.Train[0].Path += ".gz" }, CodeValidation},
		{"offline", Options{Offline: true}, func(*TuneRequest) {}, CodeOffline},
		{"budget", Options{BudgetUSD: 1}, func(*TuneRequest) {}, CodeBudget},
		{"key", Options{}, func(r *TuneRequest) { r.Provider.APIKey = spec.NewSecret("wrong") }, CodeUnauthorized},
		{"nameless", Options{}, func(r *TuneRequest) { r.ID = "x" }, CodeRejected},
		{"method", Options{}, func(r *TuneRequest) { r.Method = []byte(`{"type":"magic"}`) }, CodeTraining},
		{"lines", Options{}, func(r *TuneRequest) { r.Method = []byte(`{"type":"dpo","dpo":{}}`) }, CodeValidation},
	} {
		req := tuning(t, s)
		c.edit(&req)
		_, _, err := tuneOnce(t, c.opts, req)
		var e *Error
		if !errors.As(err, &e) || e.Code != c.code {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil && strings.Contains(err.Error(), "sk-secret") {
			t.Errorf("%s: the error has the key in it", c.name)
		}
	}
}

// What an endpoint does not tell on the side holds up no training, and the order in
// which it tells of steps does not matter.
func TestTuneTellsLittle(t *testing.T) {
	s := tuneServer(t, llmtest.Options{})
	shuffled := `{"data":[{"id":"b","data":{"step":2,"train_loss":0.5}},{"id":"c","data":{"step":3,"train_loss":0.25}},{"id":"a","data":{"step":1,"train_loss":1}}]}`
	for _, c := range []struct {
		name, side, says string
		status, points   int
		checkpoints      int
	}{
		{"events forbidden", "/events", `{"error":{"message":"no"}}`, 403, 0, 3},
		{"events broken", "/events", `{}`, 500, 0, 3},
		{"events with NaN", "/events", `{"data":[{"id":"a","data":{"step":1,"train_loss":NaN}}]}`, 200, 0, 3},
		{"events in no order", "/events", shuffled, 200, 3, 3},
		{"checkpoints forbidden", "/checkpoints", `{"error":{"message":"no"}}`, 403, 3, 0},
		{"checkpoints unknown", "/checkpoints", `{"error":{"message":"no"}}`, 404, 3, 0},
		{"checkpoints broken", "/checkpoints", `{}`, 500, 3, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			to, err := url.Parse(s.URL())
			if err != nil {
				t.Fatal(err)
			}
			proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: to.Scheme, Host: to.Host})
			side := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !strings.HasSuffix(r.URL.Path, c.side) {
					proxy.ServeHTTP(w, r)
					return
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.says)
			}))
			defer side.Close()
			req := tuning(t, s)
			req.Provider.BaseURL, req.Provider.Retries = side.URL+to.Path, 0
			got, _, err := tuneOnce(t, Options{}, req)
			if err != nil || got.Model == "" || len(got.Curve) != c.points || len(got.Checkpoints) != c.checkpoints {
				t.Fatalf("%+v, %v", got, err)
			}
			for i, p := range got.Curve {
				if p.Step != i+1 {
					t.Errorf("point %d is of step %d", i, p.Step)
				}
			}
		})
	}
}

// The stand-in trains nothing, and its model says so.
func TestTuneOffline(t *testing.T) {
	req := tuning(t, nil)
	req.Provider = &spec.Provider{Type: spec.ProviderOffline}
	got, tally, err := tuneOnce(t, Options{Offline: true}, req)
	if err != nil || got.Model != offlineTuned+tuneID[:12] || len(got.Curve) != 0 || tally.CostUSD() != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// Shards go up as one file.
func TestTuneShards(t *testing.T) {
	s := tuneServer(t, llmtest.Options{})
	req := tuning(t, s)
	req.Train = append(req.Train, req.Train[0])
	if _, _, err := tuneOnce(t, Options{}, req); err != nil {
		t.Fatal(err)
	}
	if got := s.Tunes()[0].Training; int64(len(got)) != 2*req.Train[0].Size || strings.Count(string(got), "\n") != 2 {
		t.Errorf("%q", got)
	}
}
