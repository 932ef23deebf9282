package llmtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// TuneOptions say how fine-tuning jobs go. The zero value has each done when it is
// first asked about.
type TuneOptions struct {
	// Plan, if set, says how a job goes. It is called when the job is made.
	Plan func(Tune) TunePlan
	// NoMetadata has the server keep no metadata of jobs, as some do.
	NoMetadata bool
}

// TunePlan is how one job goes. What is not set is as it should be.
type TunePlan struct {
	Polls  int    // how often the job is asked about before it has ended
	Status string // what it ends in: succeeded, failed or cancelled
	// Code, Message and Param are why it failed.
	Code, Message, Param string
	Steps                int // 0: 3
}

// Tune is a fine-tuning job that was made.
type Tune struct {
	ID       string
	Status   string
	Model    string // that it begins from
	Tuned    string // that it made
	Method   json.RawMessage
	Suffix   string
	Seed     int64
	Metadata map[string]string
	Header   http.Header // of the request that made it
	Polls    int
	Steps    int // done so far

	Training, Validation []byte // the files
}

// The requests for fine-tuning jobs, beside those for files.
const (
	OpTune            BatchOp = "tune"
	OpTuneList        BatchOp = "tune list"
	OpTuneRetrieve    BatchOp = "tune retrieve"
	OpTuneEvents      BatchOp = "tune events"
	OpTuneCheckpoints BatchOp = "tune checkpoints"
	OpTuneCancel      BatchOp = "tune cancel"
)

// tune is a Tune at work.
type tune struct {
	Tune
	plan                 TunePlan
	trainFile, validFile string
	cancelling           bool
}

// Tunes are the jobs so far, in the order in which they were made.
func (s *Server) Tunes() []Tune {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	list := make([]Tune, len(s.desk.tunes))
	for i, t := range s.desk.tunes {
		list[i] = t.Tune
	}
	return list
}

// EndTunes has every job that is under way end in a status when it is next asked
// about: cancelled, as if somebody had done so at the endpoint.
func (s *Server) EndTunes(status string) {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	for _, t := range s.desk.tunes {
		t.plan.Polls, t.plan.Status = t.Polls, status
	}
}

// serveTunes adds fine-tuning to a server.
func (s *Server) serveTunes(mux *http.ServeMux) {
	for _, root := range []string{"/v1/fine_tuning/jobs", "/openai/fine_tuning/jobs"} {
		for pattern, h := range map[string]struct {
			op BatchOp
			do func(*http.Request) (status int, body any)
		}{
			"POST " + root:                      {OpTune, s.createTune},
			"GET " + root:                       {OpTuneList, s.listTunes},
			"GET " + root + "/{id}":             {OpTuneRetrieve, s.retrieveTune},
			"GET " + root + "/{id}/events":      {OpTuneEvents, s.tuneEvents},
			"GET " + root + "/{id}/checkpoints": {OpTuneCheckpoints, s.tuneCheckpoints},
			"POST " + root + "/{id}/cancel":     {OpTuneCancel, s.cancelTune},
		} {
			mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serveBatch(w, r, h.op, h.do) })
		}
	}
}

func (s *Server) createTune(r *http.Request) (int, any) {
	var in struct {
		Model      string            `json:"model"`
		Training   string            `json:"training_file"`
		Validation string            `json:"validation_file"`
		Method     json.RawMessage   `json:"method"`
		Suffix     string            `json:"suffix"`
		Seed       int64             `json:"seed"`
		Metadata   map[string]string `json:"metadata"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return invalid("the body is no JSON: %v", err)
	}
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	train, valid := s.desk.files[in.Training], s.desk.files[in.Validation]
	switch {
	case in.Model == "":
		return invalid("you must provide a model parameter")
	case train == nil || train.purpose != "fine-tune":
		return invalid("No such File object: %s", in.Training)
	case in.Validation != "" && (valid == nil || valid.purpose != "fine-tune"):
		return invalid("No such File object: %s", in.Validation)
	case len(in.Suffix) > 64:
		return invalid("suffix may have 64 characters")
	case len(in.Metadata) > 16:
		return invalid("metadata must be at most 16 strings by name")
	}
	for name, value := range in.Metadata {
		if len(name) > 64 || len(value) > 512 {
			return invalid("metadata: a name may have 64 characters, a value 512")
		}
	}
	if err := checkMethod(in.Method); err != nil {
		return invalid("%v", err)
	}
	t := &tune{trainFile: in.Training, validFile: in.Validation}
	t.Model, t.Method, t.Suffix, t.Seed, t.Header = in.Model, in.Method, in.Suffix, in.Seed, r.Header.Clone()
	t.Training = train.data
	if valid != nil {
		t.Validation = valid.data
	}
	if !s.opts.Tunes.NoMetadata {
		t.Metadata = in.Metadata
	}
	s.desk.made++
	t.ID, t.Status = "ftjob-"+strconv.Itoa(s.desk.made), "validating_files"
	if s.opts.Tunes.Plan != nil {
		t.plan = s.opts.Tunes.Plan(t.Tune)
	}
	if t.plan.Status == "" {
		t.plan.Status = "succeeded"
	}
	if t.plan.Steps == 0 {
		t.plan.Steps = 3
	}
	if bad := checkLines(t.Training, in.Method); bad != "" {
		t.plan = TunePlan{Status: "failed", Code: "invalid_training_file", Message: bad, Param: "training_file"}
	}
	s.desk.tunes = append(s.desk.tunes, t)
	return http.StatusOK, t.body()
}

// methodOf is the type that the API's object "method" names.
func methodOf(method json.RawMessage) string {
	var m struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(method, &m) != nil || m.Type == "" {
		return "supervised"
	}
	return m.Type
}

// checkMethod says what is wrong with the API's object "method".
func checkMethod(method json.RawMessage) error {
	if len(method) == 0 {
		return nil
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(method, &m); err != nil {
		return fmt.Errorf("method is no object")
	}
	kind := methodOf(method)
	if kind != "supervised" && kind != "dpo" && kind != "reinforcement" {
		return fmt.Errorf("method.type %q is not supported", kind)
	}
	for name := range m {
		if name != "type" && name != kind {
			return fmt.Errorf("method.%s does not go with the type %q", name, kind)
		}
	}
	return nil
}

// checkLines says what is wrong with a training file, by its first lines' shape.
func checkLines(data []byte, method json.RawMessage) string {
	want := map[string][]string{"supervised": {"messages"}, "dpo": {"input", "preferred_output", "non_preferred_output"}}[methodOf(method)]
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	for i, line := range lines {
		var row map[string]json.RawMessage
		if json.Unmarshal(line, &row) != nil {
			return fmt.Sprintf("Line %d is no JSON object.", i+1)
		}
		for _, name := range want {
			if len(row[name]) == 0 {
				return fmt.Sprintf("Line %d has no %s.", i+1, name)
			}
		}
	}
	return ""
}

func (d *desk) findTune(id string) *tune {
	for _, t := range d.tunes {
		if t.ID == id {
			return t
		}
	}
	return nil
}

func (t *tune) ended() bool {
	return t.Status == "succeeded" || t.Status == "failed" || t.Status == "cancelled"
}

func (s *Server) retrieveTune(r *http.Request) (int, any) {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	t := s.desk.findTune(r.PathValue("id"))
	if t == nil {
		return notFound("fine-tuning job", r.PathValue("id"))
	}
	t.Polls++
	switch {
	case t.ended():
	case t.cancelling:
		t.Status = "cancelled"
	case t.Polls <= t.plan.Polls:
		t.Status = "running"
		t.Steps = min(t.Polls, t.plan.Steps-1)
	default:
		t.Status = t.plan.Status
		if t.Status == "succeeded" {
			t.Steps = t.plan.Steps
			t.Tuned = fmt.Sprintf("ft:%s:llmtest:%s:%s", t.Model, t.Suffix, t.ID[len("ftjob-"):])
		}
	}
	return http.StatusOK, t.body()
}

func (s *Server) cancelTune(r *http.Request) (int, any) {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	t := s.desk.findTune(r.PathValue("id"))
	switch {
	case t == nil:
		return notFound("fine-tuning job", r.PathValue("id"))
	case t.ended():
		return invalid("Cannot cancel a job with status '%s'.", t.Status)
	}
	t.cancelling, t.Status = true, "cancelled"
	return http.StatusOK, t.body()
}

// pageOf is a page of a list whose newest item is the last one.
func pageOf(r *http.Request, n int, id func(int) string, body func(int) any) map[string]any {
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	if limit <= 0 || limit > 100 {
		limit = 20
	}
	after := r.URL.Query().Get("after")
	page, more := []any{}, false
	for i := n - 1; i >= 0; i-- {
		switch {
		case after != "":
			if id(i) == after {
				after = ""
			}
		case len(page) == limit:
			more = true
		default:
			page = append(page, body(i))
		}
	}
	return map[string]any{"object": "list", "data": page, "has_more": more}
}

func (s *Server) listTunes(r *http.Request) (int, any) {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	list := s.desk.tunes
	return http.StatusOK, pageOf(r, len(list), func(i int) string { return list[i].ID }, func(i int) any { return list[i].body() })
}

// loss is what the job says of a step: it falls.
func loss(step int) float64 { return 2 / float64(1+step) }

func (s *Server) tuneEvents(r *http.Request) (int, any) {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	t := s.desk.findTune(r.PathValue("id"))
	if t == nil {
		return notFound("fine-tuning job", r.PathValue("id"))
	}
	id := func(i int) string { return fmt.Sprintf("ftevent-%s-%d", t.ID, i) }
	return http.StatusOK, pageOf(r, t.Steps+1, id, func(i int) any {
		event := map[string]any{"object": "fine_tuning.job.event", "id": id(i), "created_at": 1700000000 + i, "level": "info", "type": "message", "message": "Created fine-tuning job: " + t.ID, "data": map[string]any{}}
		if i > 0 {
			event["type"], event["message"] = "metrics", fmt.Sprintf("Step %d/%d: training loss=%.2f", i, t.plan.Steps, loss(i))
			event["data"] = map[string]any{"step": i, "total_steps": t.plan.Steps, "train_loss": loss(i), "train_mean_token_accuracy": 0.5}
		}
		return event
	})
}

func (s *Server) tuneCheckpoints(r *http.Request) (int, any) {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	t := s.desk.findTune(r.PathValue("id"))
	if t == nil {
		return notFound("fine-tuning job", r.PathValue("id"))
	}
	if t.Tuned == "" {
		return http.StatusOK, map[string]any{"object": "list", "data": []any{}, "has_more": false}
	}
	id := func(i int) string { return fmt.Sprintf("ftckpt-%s-%d", t.ID, i+1) }
	return http.StatusOK, pageOf(r, t.plan.Steps, id, func(i int) any {
		return map[string]any{
			"object": "fine_tuning.job.checkpoint", "id": id(i), "created_at": 1700000000 + i, "fine_tuning_job_id": t.ID, "step_number": i + 1,
			"fine_tuned_model_checkpoint": fmt.Sprintf("%s:ckpt-step-%d", t.Tuned, i+1),
			"metrics":                     map[string]any{"step": i + 1, "train_loss": loss(i + 1), "full_valid_loss": loss(i + 1)},
		}
	})
}

// body is a job as the endpoint shows it.
func (t *tune) body() map[string]any {
	or := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	out := map[string]any{
		"id": t.ID, "object": "fine_tuning.job", "model": t.Model, "created_at": 1700000000, "finished_at": nil, "fine_tuned_model": or(t.Tuned),
		"organization_id": "org-llmtest", "result_files": []any{}, "status": t.Status, "validation_file": or(t.validFile), "training_file": t.trainFile,
		"hyperparameters": map[string]any{"n_epochs": "auto"}, "trained_tokens": nil, "error": map[string]any{}, "seed": t.Seed, "method": t.Method,
		"metadata": t.Metadata,
	}
	switch t.Status {
	case "succeeded":
		out["trained_tokens"], out["finished_at"] = len(t.Training), 1700000100
	case "failed":
		out["error"] = map[string]any{"code": t.plan.Code, "message": t.plan.Message, "param": or(t.plan.Param)}
	}
	return out
}
