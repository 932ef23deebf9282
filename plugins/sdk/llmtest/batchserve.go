package llmtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// serveBatches adds the files and batches to a server, below OpenAI's path and
// Azure's.
func (s *Server) serveBatches(mux *http.ServeMux) {
	s.desk.ops, s.desk.files = map[BatchOp]int{}, map[string]*batchFile{}
	s.desk.faults = s.opts.Batches.Faults
	for _, root := range []string{"/v1", "/openai"} {
		for pattern, h := range map[string]struct {
			op BatchOp
			do func(*http.Request) (status int, body any)
		}{
			"POST " + root + "/files":               {OpUpload, s.uploadFile},
			"DELETE " + root + "/files/{id}":        {OpDelete, s.deleteFile},
			"GET " + root + "/files/{id}/content":   {OpContent, s.fileContent},
			"POST " + root + "/batches":             {OpCreate, s.createBatch},
			"GET " + root + "/batches":              {OpList, s.listBatches},
			"GET " + root + "/batches/{id}":         {OpRetrieve, s.retrieveBatch},
			"POST " + root + "/batches/{id}/cancel": {OpCancel, s.cancelBatch},
		} {
			mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serveBatch(w, r, h.op, h.do) })
		}
	}
}

// serveBatch answers a request for files or batches, unless a fault is in the
// way.
func (s *Server) serveBatch(w http.ResponseWriter, r *http.Request, op BatchOp, do func(*http.Request) (int, any)) {
	s.desk.mu.Lock()
	s.desk.ops[op]++
	var fault *BatchFault
	for i := range s.desk.faults {
		if f := &s.desk.faults[i]; f.applies(op, s.desk.ops[op]) {
			fault = f
			break
		}
	}
	s.desk.mu.Unlock()
	if fault != nil && !fault.After {
		s.batchFault(w, r, fault, nil)
		if fault.breaks() && !fault.Cut {
			return
		}
	}
	status, body := http.StatusUnauthorized, any(nil)
	if s.opts.APIKey != "" && r.Header.Get("Authorization") != "Bearer "+s.opts.APIKey && r.Header.Get("Api-Key") != s.opts.APIKey {
		_, body = problemBody(&problem{status, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."})
	} else {
		status, body = do(r)
	}
	data, raw := body.([]byte)
	if !raw {
		data, _ = json.Marshal(body) // it is ours
	}
	if fault != nil && (fault.After || fault.Cut) {
		if fault.After {
			s.batchFault(w, r, fault, data)
		}
		if fault.Cut {
			w.Header().Set("Content-Length", strconv.Itoa(len(data)))
			_, _ = w.Write(data[:len(data)/2])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		if fault.breaks() {
			return
		}
	}
	if !raw {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	_, _ = w.Write(data) // the client may have gone
}

// batchFault is what happens in place of an answer, or before it.
func (s *Server) batchFault(w http.ResponseWriter, r *http.Request, f *BatchFault, _ []byte) {
	if f.Do != nil {
		f.Do()
	}
	if f.breaks() && !f.Cut {
		s.fail(w, r, nil, &Fault{Hang: f.Hang, Reset: f.Reset, Status: f.Status, Header: f.Header, Body: f.Body})
	}
}

func notFound(what, id string) (int, any) {
	return problemBody(&problem{http.StatusNotFound, "invalid_request_error", "", fmt.Sprintf("No such %s: %s", what, id)})
}

func invalid(format string, args ...any) (int, any) {
	return problemBody(fmt.Errorf(format, args...))
}

func (s *Server) uploadFile(r *http.Request) (int, any) {
	form, err := r.MultipartReader()
	if err != nil {
		return invalid("the body is no form: %v", err)
	}
	f := &batchFile{}
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return invalid("the form is broken off: %v", err)
		}
		data, err := io.ReadAll(part)
		if err != nil {
			return invalid("the form is broken off: %v", err)
		}
		switch part.FormName() {
		case "purpose":
			f.purpose = string(data)
		case "file":
			f.name, f.data = part.FileName(), data
		}
	}
	if f.purpose != "batch" && f.purpose != "fine-tune" || f.name == "" {
		return invalid("purpose must be batch or fine-tune, and file a file")
	}
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	s.desk.keep(f)
	return http.StatusOK, map[string]any{
		"id": f.id, "object": "file", "bytes": len(f.data), "created_at": 1700000000, "filename": f.name, "purpose": f.purpose, "status": "processed",
	}
}

// keep gives a file a name. d.mu is held.
func (d *desk) keep(f *batchFile) {
	d.made++
	f.id = "file-" + strconv.Itoa(d.made)
	d.files[f.id] = f
}

// store keeps the data as a file, if there is any. d.mu is held.
func (d *desk) store(purpose string, data []byte) (id string) {
	if len(data) == 0 {
		return ""
	}
	f := &batchFile{name: "results.jsonl", purpose: purpose, data: data}
	d.keep(f)
	return f.id
}

func (s *Server) deleteFile(r *http.Request) (int, any) {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	id := r.PathValue("id")
	if s.desk.files[id] == nil {
		return notFound("file", id)
	}
	delete(s.desk.files, id)
	return http.StatusOK, map[string]any{"id": id, "object": "file", "deleted": true}
}

func (s *Server) fileContent(r *http.Request) (int, any) {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	f := s.desk.files[r.PathValue("id")]
	if f == nil {
		return notFound("file", r.PathValue("id"))
	}
	return http.StatusOK, f.data
}

func (s *Server) createBatch(r *http.Request) (int, any) {
	var in struct {
		File     string          `json:"input_file_id"`
		Endpoint string          `json:"endpoint"`
		Window   string          `json:"completion_window"`
		Metadata json.RawMessage `json:"metadata"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return invalid("the body is no JSON: %v", err)
	}
	b := &batch{input: in.File, url: in.Endpoint, window: in.Window, metadata: in.Metadata}
	b.Header = r.Header.Clone()
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	f := s.desk.files[in.File]
	switch {
	case f == nil || f.purpose != "batch":
		return invalid("No such File object: %s", in.File)
	case in.Endpoint != "/v1/chat/completions" && in.Endpoint != "/chat/completions":
		return invalid("the endpoint %q is not supported", in.Endpoint)
	case in.Window != "24h":
		return invalid("completion_window must be 24h")
	case len(in.Metadata) > 0 && json.Unmarshal(in.Metadata, &b.Metadata) != nil || len(b.Metadata) > 16:
		return invalid("metadata must be at most 16 strings by name")
	}
	for name, value := range b.Metadata {
		if len(name) > 64 || len(value) > 512 {
			return invalid("metadata: a name may have 64 characters, a value 512")
		}
	}
	s.desk.made++
	b.ID = "batch_" + strconv.Itoa(s.desk.made)
	wrong := b.load(f.data)
	waiting := 0
	for _, other := range s.desk.batches {
		if other.enqueued {
			waiting += len(other.Requests)
		}
	}
	if most := s.opts.Batches.MaxEnqueued; most > 0 && waiting+len(b.Requests) > most {
		wrong = append(wrong, BatchError{Code: "token_limit_exceeded", Message: "Enqueued token limit reached for " + b.Model + "."})
	}
	b.Status = "validating"
	if s.opts.Batches.Plan != nil {
		b.plan = s.opts.Batches.Plan(b.Batch)
	}
	if b.plan.Status == "" {
		b.plan.Status = "completed"
	}
	if len(wrong) > 0 {
		b.plan = BatchPlan{Status: "failed", Errors: wrong, Polls: b.plan.Polls}
	}
	b.enqueued = b.plan.Status != "failed"
	s.desk.batches = append(s.desk.batches, b)
	return http.StatusOK, b.body()
}

// find gives a batch; nil if there is none. d.mu is held.
func (d *desk) find(id string) *batch {
	for _, b := range d.batches {
		if b.ID == id {
			return b
		}
	}
	return nil
}

func (b *batch) ended() bool {
	switch b.Status {
	case "completed", "failed", "expired", "cancelled":
		return true
	}
	return false
}

func (s *Server) retrieveBatch(r *http.Request) (int, any) {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	b := s.desk.find(r.PathValue("id"))
	if b == nil {
		return notFound("batch", r.PathValue("id"))
	}
	b.Polls++
	switch {
	case b.ended():
	case b.cancelling:
		b.plan.Status = "cancelled"
		s.finish(b)
	case b.Polls <= b.plan.Polls:
		b.Status = "in_progress"
	default:
		s.finish(b)
	}
	return http.StatusOK, b.body()
}

func (s *Server) cancelBatch(r *http.Request) (int, any) {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	b := s.desk.find(r.PathValue("id"))
	switch {
	case b == nil:
		return notFound("batch", r.PathValue("id"))
	case b.ended():
		return invalid("Cannot cancel a batch with status '%s'.", b.Status)
	}
	b.cancelling, b.Status = true, "cancelling"
	return http.StatusOK, b.body()
}

func (s *Server) listBatches(r *http.Request) (int, any) {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	if limit <= 0 || limit > 100 {
		limit = 20
	}
	after := r.URL.Query().Get("after")
	page, more := []any{}, false
	for i := len(s.desk.batches) - 1; i >= 0; i-- { // the newest first
		b := s.desk.batches[i]
		switch {
		case after != "":
			if b.ID == after {
				after = ""
			}
		case len(page) == limit:
			more = true
		default:
			page = append(page, b.body())
		}
	}
	return http.StatusOK, map[string]any{"object": "list", "data": page, "has_more": more}
}

// body is a batch as the endpoint shows it.
func (b *batch) body() map[string]any {
	or := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	out := map[string]any{
		"id": b.ID, "object": "batch", "endpoint": b.url, "input_file_id": b.input, "completion_window": b.window, "status": b.Status,
		"output_file_id": or(b.output), "error_file_id": or(b.fails), "created_at": 1700000000, "metadata": b.metadata, "errors": nil,
		"request_counts": map[string]int{"total": len(b.Requests), "completed": b.Answered, "failed": b.Failed},
	}
	if b.Status == "failed" {
		data := []map[string]any{}
		for _, e := range b.plan.Errors {
			one := map[string]any{"code": e.Code, "message": e.Message, "param": nil, "line": nil}
			if e.Line > 0 {
				one["line"] = e.Line
			}
			data = append(data, one)
		}
		out["errors"] = map[string]any{"object": "list", "data": data}
	}
	return out
}
