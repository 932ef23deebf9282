package llm

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	openai "github.com/sashabaranov/go-openai"
)

// tuneAPI is what trainings need of an endpoint. The OpenAI client knows the
// addresses; what it does not know of today's API goes past it, by the same
// transport.
type tuneAPI struct {
	*batchAPI
	plain *http.Client
}

func newTuneAPI(e *endpoint) *tuneAPI {
	return &tuneAPI{newBatchAPI(e), &http.Client{Transport: &apiTransport{e.transport}, CheckRedirect: followRedirect}}
}

// tuneJob is a job as the endpoint tells of it.
type tuneJob struct {
	ID           string            `json:"id"`
	Status       string            `json:"status"`
	Model        string            `json:"model"`
	Tuned        string            `json:"fine_tuned_model"`
	TrainingFile string            `json:"training_file"`
	Tokens       int64             `json:"trained_tokens"`
	CreatedAt    int64             `json:"created_at"`
	Metadata     map[string]string `json:"metadata"`
	Error        *struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Param   string `json:"param"`
	} `json:"error"`
}

// The states of a job that mean something here.
const (
	jobValidating = "validating_files"
	jobSucceeded  = "succeeded"
	jobFailed     = "failed"
	jobCancelled  = "cancelled"
)

func (j *tuneJob) ended() bool {
	return j.Status == jobSucceeded || j.Status == jobFailed || j.Status == jobCancelled
}

// tuneEvent is what the endpoint tells of a job.
type tuneEvent struct {
	ID      string          `json:"id"`
	Level   string          `json:"level"`
	Message string          `json:"message"`
	Type    string          `json:"type"`
	Data    json.RawMessage `json:"data"`
}

// tuneMetrics are the figures of a step.
type tuneMetrics struct {
	Step      float64  `json:"step"`
	Steps     float64  `json:"total_steps"`
	Loss      *float64 `json:"train_loss"`
	ValidLoss *float64 `json:"valid_loss"`
	FullLoss  *float64 `json:"full_valid_loss"`
}

// ask makes a call and words its failures for trainings.
func (a *tuneAPI) ask(ctx context.Context, call *apiCall, do func(context.Context) error) (*failure, error) {
	f, err := a.do(ctx, call, do)
	if f == nil {
		return nil, err
	}
	status := call.exchange.status
	says := fmt.Sprintf(" (HTTP %d)", status)
	switch {
	case status == http.StatusRequestEntityTooLarge:
		f.err = Error{Code: CodeValidation, Fatal: true, Detail: f.err.Detail, Summary: a.e.name + " does not take a file as large as that" + says}
	case status >= 200 && status < 300:
		f.err.Summary = a.e.name + " gave an answer about fine-tuning that makes no sense"
	case f.err.Code == CodeRejected && status >= 400:
		f.err.Code, f.err.Fatal = CodeTraining, true
		f.err.Summary = a.e.name + " rejects the training" + says
	}
	return f, err
}

// decode reads a good answer.
func decode(call *apiCall, into any) error {
	if err := json.Unmarshal(call.exchange.reply, into); err != nil {
		return fmt.Errorf("its answer cannot be read: %w", err)
	}
	return nil
}

func (a *tuneAPI) upload(ctx context.Context, name string, files []TuneFile) (id string, f *failure, err error) {
	up := newUploadFor(openai.PurposeFineTune, name, sizeOf(files), func() io.Reader { return &filesReader{left: files} })
	f, err = a.ask(ctx, &apiCall{upload: up}, func(ctx context.Context) error {
		file, err := a.api.CreateFileBytes(ctx, openai.FileBytesRequest{Name: name, Purpose: openai.PurposeFineTune})
		if err == nil {
			id, err = file.ID, checkID("file", file.ID)
		}
		return err
	})
	return id, f, err
}

// job makes a call whose answer is a job.
func (a *tuneAPI) job(ctx context.Context, call *apiCall, do func(context.Context) error) (j tuneJob, f *failure, err error) {
	f, err = a.ask(ctx, call, func(ctx context.Context) error {
		if err := do(ctx); err != nil {
			return err
		}
		if err := decode(call, &j); err != nil {
			return err
		}
		j.Status = strings.ToLower(j.Status)
		return checkID("job", j.ID)
	})
	return j, f, err
}

// create makes a job. The body is ours: today's API knows more than the client.
func (a *tuneAPI) create(ctx context.Context, name string, body []byte) (tuneJob, *failure, error) {
	return a.job(ctx, &apiCall{name: name, body: body}, func(ctx context.Context) error {
		_, err := a.api.CreateFineTuningJob(ctx, openai.FineTuningJobRequest{})
		return lenient(err)
	})
}

func (a *tuneAPI) retrieve(ctx context.Context, id string) (tuneJob, *failure, error) {
	return a.job(ctx, &apiCall{}, func(ctx context.Context) error {
		_, err := a.api.RetrieveFineTuningJob(ctx, id)
		return lenient(err)
	})
}

func (a *tuneAPI) cancel(ctx context.Context, id string) (tuneJob, *failure, error) {
	return a.job(ctx, &apiCall{}, func(ctx context.Context) error {
		_, err := a.api.CancelFineTuningJob(ctx, id)
		return lenient(err)
	})
}

// lenient lets an answer pass that the client cannot read, which knows fewer
// fields and other types than there are: it is read again here.
func lenient(err error) error {
	if err != nil && (strings.Contains(err.Error(), "json: ") || strings.Contains(err.Error(), "unmarshal")) {
		return nil
	}
	return err
}

// get asks for a page of a list.
func (a *tuneAPI) get(ctx context.Context, path string, query url.Values, into any) (*failure, error) {
	call := &apiCall{}
	return a.ask(ctx, call, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, apiBase+path+"?"+query.Encode(), nil)
		if err != nil {
			return err
		}
		resp, err := a.plain.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode >= 300 {
			return fmt.Errorf("HTTP %d", resp.StatusCode)
		}
		return decode(call, into)
	})
}

// page is a page of a list.
type page[T any] struct {
	Data    []T  `json:"data"`
	HasMore bool `json:"has_more"`
}

// pages goes through a list, newest first, until see has seen enough.
func pages[T any](ctx context.Context, a *tuneAPI, path string, id func(T) string, see func(T) bool) (*failure, error) {
	after := ""
	for range listPages {
		query := url.Values{"limit": {strconv.Itoa(listPage)}}
		if after != "" {
			query.Set("after", after)
		}
		var p page[T]
		if f, err := a.get(ctx, path, query, &p); f != nil || err != nil {
			return f, err
		}
		last := ""
		for _, item := range p.Data {
			if !see(item) {
				return nil, nil
			}
			last = id(item)
		}
		if !p.HasMore || last == "" || last == after {
			return nil, nil
		}
		after = last
	}
	return nil, nil
}

// metaTune is the metadata by which a job is known as ours.
const metaTune = "autosafe_finetune"

// find looks for a job of ours that is of use: one that is under way, or has
// succeeded. An endpoint that keeps no metadata is known by the file.
func (a *tuneAPI) find(ctx context.Context, name, file string) (found *tuneJob, f *failure, err error) {
	f, err = pages(ctx, a, "/fine_tuning/jobs", func(j tuneJob) string { return j.ID }, func(j tuneJob) bool {
		j.Status = strings.ToLower(j.Status)
		ours := j.Metadata[metaTune] == name || file != "" && j.TrainingFile == file
		if !ours || j.Status == jobFailed || j.Status == jobCancelled || checkID("job", j.ID) != nil {
			return true
		}
		found = &j
		return false
	})
	if f != nil && (f.err.Code == CodeNotFound || call405(f)) {
		return nil, nil, nil // it has no such list
	}
	return found, f, err
}

// call405 says whether the endpoint does not know the request at all.
func call405(f *failure) bool { return strings.Contains(f.err.Summary, "(HTTP 405)") }

// events gives the events of a job that came after one that is known, oldest
// first.
func (a *tuneAPI) events(ctx context.Context, job, after string) (out []tuneEvent, f *failure, err error) {
	f, err = pages(ctx, a, "/fine_tuning/jobs/"+job+"/events", func(e tuneEvent) string { return e.ID }, func(e tuneEvent) bool {
		if e.ID == after && after != "" {
			return false
		}
		out = append(out, e)
		return true
	})
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out, f, err
}

// tuneCheckpointJSON is a checkpoint as the endpoint tells of it.
type tuneCheckpointJSON struct {
	ID      string      `json:"id"`
	Model   string      `json:"fine_tuned_model_checkpoint"`
	Step    int         `json:"step_number"`
	Metrics tuneMetrics `json:"metrics"`
}

func (a *tuneAPI) checkpoints(ctx context.Context, job string) (out []TuneCheckpoint, f *failure, err error) {
	f, err = pages(ctx, a, "/fine_tuning/jobs/"+job+"/checkpoints", func(c tuneCheckpointJSON) string { return c.ID }, func(c tuneCheckpointJSON) bool {
		loss := c.Metrics.FullLoss
		if loss == nil {
			loss = c.Metrics.ValidLoss
		}
		out = append(out, TuneCheckpoint{Model: clip(plain(c.Model), 500), Step: c.Step, ValidLoss: loss})
		return true
	})
	if f != nil {
		out = nil // a part of them
	}
	return out, f, err
}
