package llmtest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
)

// BatchOptions say how the batches of a server go. The zero value answers all
// requests of a batch, and has it done when it is first asked about.
type BatchOptions struct {
	// MaxEnqueued is how many requests may be in batches that have not ended; a
	// batch that comes on top of them fails with token_limit_exceeded. 0 is any
	// number.
	MaxEnqueued int
	// Plan, if set, says how a batch goes. It is called when the batch is made.
	Plan func(Batch) BatchPlan
	// Faults are looked through in order before each request for files or
	// batches; the first that applies is what happens.
	Faults []BatchFault
}

// BatchPlan is how one batch goes. What is not set is as it should be.
type BatchPlan struct {
	// Polls is how often the batch is asked about before it has ended.
	Polls int
	// Status is what it ends in: completed, failed, expired or cancelled.
	Status string
	// Errors are why it failed; a failed batch answers nothing.
	Errors []BatchError
	// Answered is how many of its requests, the first ones, an expired or
	// cancelled batch answers.
	Answered int
	// Fail, if set, may answer a request with an error instead: the i-th one,
	// from 0.
	Fail func(i int, r Request) *BatchFailure

	// What is odd about the files of results.

	Reverse   bool // the last request comes first
	Duplicate int  // so many of the first lines stand twice
	Missing   int  // so many of the last lines are left out
	Garbage   int  // so many lines are no JSON
	Unasked   int  // so many lines answer what was not asked
}

// BatchError is a reason why a batch failed.
type BatchError struct {
	Code, Message string
	Line          int // of the batch's file, from 1; 0: none
}

// BatchFailure is what a request of a batch gets in place of an answer.
type BatchFailure struct {
	Status        int // 0: no response at all, as where a batch expires
	Code, Message string
}

// Batch is a batch that was made.
type Batch struct {
	ID       string
	Status   string
	Polls    int // times it was asked about
	Model    string
	Requests []Request
	IDs      []string // of the requests
	Answered int      // how many got an answer: this is what costs money
	Failed   int
	Metadata map[string]string
	Header   http.Header // of the request that made it
}

// BatchOp is a request for files or batches.
type BatchOp string

// The requests for files and batches.
const (
	OpUpload   BatchOp = "upload"
	OpDelete   BatchOp = "delete"
	OpContent  BatchOp = "content"
	OpCreate   BatchOp = "create"
	OpRetrieve BatchOp = "retrieve"
	OpList     BatchOp = "list"
	OpCancel   BatchOp = "cancel"
)

// BatchFault is what happens to a request for files or batches.
type BatchFault struct {
	Op  BatchOp // empty: all
	Nth []int   // by number among those, 1 for the first; none: all
	// After has what was asked for done, and only then, in place of the
	// answer, the fault.
	After bool
	// Do, if set, is called first, and may take its time. Where nothing else
	// is set, the request is then answered as it should be.
	Do func()
	// Cut breaks off the answer in the middle; nothing of it is lost elsewhere.
	Cut bool
	// Hang, Reset or Status (with Header and Body), as in Fault.
	Hang, Reset bool
	Status      int
	Header      map[string]string
	Body        string
}

func (f *BatchFault) applies(op BatchOp, n int) bool {
	return (f.Op == "" || f.Op == op) && (len(f.Nth) == 0 || slices.Contains(f.Nth, n))
}

// breaks says whether the fault takes the place of the answer.
func (f *BatchFault) breaks() bool {
	return f.Cut || f.Hang || f.Reset || f.Status != 0 || f.Body != ""
}

// desk holds the files and batches of a server.
type desk struct {
	mu      sync.Mutex
	faults  []BatchFault
	ops     map[BatchOp]int
	files   map[string]*batchFile
	batches []*batch
	tunes   []*tune
	made    int // names given
}

type batchFile struct {
	id, name string
	purpose  string
	data     []byte
}

// batch is a Batch at work.
type batch struct {
	Batch
	plan          BatchPlan
	input         string
	url           string
	window        string
	metadata      json.RawMessage
	output, fails string // files
	cancelling    bool
	enqueued      bool // counts among those that have not ended
}

// Batches are the batches so far, in the order in which they were made.
func (s *Server) Batches() []Batch {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	list := make([]Batch, len(s.desk.batches))
	for i, b := range s.desk.batches {
		list[i] = b.Batch
	}
	return list
}

// BatchOps is how many requests of a kind came in, failed ones included.
func (s *Server) BatchOps(op BatchOp) int {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	return s.desk.ops[op]
}

// SetBatchFaults replaces BatchOptions.Faults. Numbers go on counting.
func (s *Server) SetBatchFaults(faults ...BatchFault) {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	s.desk.faults = slices.Clone(faults)
}

// BatchFiles is how many files the server holds.
func (s *Server) BatchFiles() int {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	return len(s.desk.files)
}

// batchInput is a line of a batch's file.
type batchInput struct {
	ID     string          `json:"custom_id"`
	Method string          `json:"method"`
	URL    string          `json:"url"`
	Body   json.RawMessage `json:"body"`
}

// maxBatch is how many requests a batch may have.
const maxBatch = 50_000

// load reads the requests of a batch, and finds what is wrong with them.
func (b *batch) load(data []byte) (wrong []BatchError) {
	bad := func(line int, code, text string) { wrong = append(wrong, BatchError{code, text, line}) }
	seen := map[string]bool{}
	line := 0
	for rest := data; len(rest) > 0; {
		var text []byte
		text, rest, _ = bytes.Cut(rest, []byte("\n"))
		line++
		var in batchInput
		r := Request{N: line, Path: b.url, Header: b.Header}
		if json.Unmarshal(text, &in) != nil || json.Unmarshal(in.Body, &r) != nil {
			bad(line, "invalid_json_line", "This line is not parseable as valid JSON.")
			continue
		}
		r.Raw = in.Body
		switch {
		case in.ID == "" || in.Method != "POST":
			bad(line, "invalid_request", "custom_id and method are required.")
		case seen[in.ID]:
			bad(line, "duplicate_custom_id", "The custom_id '"+in.ID+"' is there twice.")
		case in.URL != b.url:
			bad(line, "invalid_url", "The URL does not match the batch's endpoint.")
		case b.Model != "" && r.Model != b.Model:
			bad(line, "mismatched_model", "All requests of a batch must be for one model.")
		}
		seen[in.ID], b.Model = true, r.Model
		b.Requests, b.IDs = append(b.Requests, r), append(b.IDs, in.ID)
	}
	switch {
	case line == 0:
		bad(0, "empty_file", "The file is empty.")
	case line > maxBatch:
		bad(0, "too_many_tasks", "A batch may have 50,000 requests.")
	}
	return wrong
}

// finish answers a batch's requests, as far as its plan says. s.desk.mu is
// held.
func (s *Server) finish(b *batch) {
	b.enqueued = false
	b.Status = b.plan.Status
	answered := len(b.Requests)
	switch b.Status {
	case "failed":
		return
	case "expired", "cancelled":
		answered = min(b.plan.Answered, answered)
	}
	var good, bad [][]byte
	for i, r := range b.Requests {
		var fail *BatchFailure
		switch {
		case i >= answered:
			fail = &BatchFailure{Code: "batch_" + b.Status, Message: "This request was not executed."}
		case b.plan.Fail != nil:
			fail = b.plan.Fail(i, r)
		}
		line, ok := s.resultLine(b.IDs[i], r, fail)
		switch {
		case ok:
			good = append(good, line)
			b.Answered++
		default:
			bad = append(bad, line)
			b.Failed++
		}
	}
	b.output = s.desk.store("batch_output", b.plan.spoil(good))
	b.fails = s.desk.store("batch_output", join(bad))
}

// resultLine is the line of a request in the files of results.
func (s *Server) resultLine(id string, r Request, fail *BatchFailure) (line []byte, ok bool) {
	type response struct {
		Status int    `json:"status_code"`
		ID     string `json:"request_id"`
		Body   any    `json:"body"`
	}
	out := struct {
		ID       string         `json:"id"`
		CustomID string         `json:"custom_id"`
		Response *response      `json:"response"`
		Error    map[string]any `json:"error"`
	}{ID: "batch_req_" + id[:min(len(id), 16)], CustomID: id}
	switch {
	case fail == nil:
		status, body := s.answerBatched(r)
		out.Response = &response{status, "req_" + id[:min(len(id), 16)], body}
		ok = status < 300
	case fail.Status == 0:
		out.Error = map[string]any{"code": fail.Code, "message": fail.Message}
	default:
		out.Response = &response{fail.Status, "", map[string]any{"error": map[string]any{"code": fail.Code, "message": fail.Message, "type": "fault"}}}
	}
	line, _ = json.Marshal(out) // of what was JSON
	return line, ok
}

// answerBatched is what a request of a batch gets, as it would live.
func (s *Server) answerBatched(r Request) (status int, body any) {
	if err := s.checkRequest(&r); err != nil {
		status, out := problemBody(err)
		return status, out
	}
	if s.opts.Reply != nil {
		if reply, own := s.opts.Reply(r); own {
			return 200, completion(&r, reply)
		}
	}
	return 200, completion(&r, s.invent(&r))
}

// spoil makes a file of result lines, with what is odd about it.
func (p *BatchPlan) spoil(lines [][]byte) []byte {
	lines = lines[:len(lines)-min(p.Missing, len(lines))]
	if p.Reverse {
		slices.Reverse(lines)
	}
	lines = append(lines, lines[:min(p.Duplicate, len(lines))]...)
	for range p.Garbage {
		lines = append([][]byte{[]byte(`{"id":"batch_req_x","custom_id`)}, lines...)
	}
	for range p.Unasked {
		stranger, _ := json.Marshal(map[string]any{
			"id": "batch_req_y", "custom_id": "nobody-asked", "error": nil,
			"response": map[string]any{"status_code": 200, "body": completion(&Request{}, Reply{Content: "hello"})},
		})
		lines = append(lines, stranger)
	}
	return join(lines)
}

func join(lines [][]byte) []byte {
	if len(lines) == 0 {
		return nil
	}
	return append(bytes.Join(lines, []byte("\n")), '\n')
}
