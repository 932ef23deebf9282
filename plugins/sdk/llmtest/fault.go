package llmtest

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Fault is what happens to a request in place of an answer.
type Fault struct {
	// Which requests: all the set conditions together. None set means all.
	Nth   []int // by number, 1 for the first
	From  int   // from this number on
	To    int   // up to and with this number
	Every int   // each whose number it divides
	Match func(Request) bool
	// Share is the share of requests, from 0 to 1, drawn by Options.Seed. The
	// shares of several faults add up: 0.1 and 0.05 hit 15 % in all.
	Share float64

	// What happens, the first of these that is set.
	Hang  bool // nothing, until the client gives up or the server closes
	Reset bool // the connection is closed before an answer
	Cut   bool // the connection breaks in the middle of an answer
	Unfit bool // an answer that does not fit what was asked for
	// Else Status (default 200), Header and Body are sent. An empty body with
	// a status of 400 and above gets an error in OpenAI's form.
	Status int
	Header map[string]string
	Body   string
	Delay  time.Duration // before that
}

// applies says whether the fault hits a request, for which drawn was drawn;
// before are the shares of the faults before this one.
func (f *Fault) applies(r *Request, drawn, before float64) bool {
	switch {
	case len(f.Nth) > 0 && !slices.Contains(f.Nth, r.N),
		r.N < f.From,
		f.To > 0 && r.N > f.To,
		f.Every > 0 && r.N%f.Every != 0,
		f.Share > 0 && (drawn < before || drawn >= before+f.Share),
		f.Match != nil && !f.Match(*r):
		return false
	}
	return true
}

// pick finds the fault that hits a request; -1 is none. It is called with mu
// held.
func (s *Server) pick(r *Request) int {
	drawn, before := -1.0, 0.0
	for i := range s.faults {
		f := &s.faults[i]
		if f.Share > 0 && drawn < 0 {
			drawn = s.draws(r.N, forFault).Float64()
		}
		if f.applies(r, drawn, before) {
			return i
		}
		before += f.Share
	}
	return -1
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, req *Request, f *Fault) {
	if !s.wait(r, f.Delay) {
		return
	}
	switch {
	case f.Hang:
		select {
		case <-r.Context().Done():
		case <-s.closing:
		}
	case f.Reset:
		panic(http.ErrAbortHandler)
	case f.Cut:
		w.Header().Set("Content-Length", "4000")
		_, _ = w.Write([]byte(`{"id":"chatcmpl-cut","choices":[{"index":0,"message":{"role":"assistant","content":"half of`))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case f.Unfit:
		writeJSON(w, http.StatusOK, completion(req, unfit(req)))
	default:
		s.failWith(w, f)
	}
}

// unfit is a reply that does not fit a request.
func unfit(r *Request) Reply {
	switch {
	case len(r.Tools) > 0:
		return Reply{ToolCalls: []ToolCall{Call("call_unfit", "no_such_tool", "{")}}
	case replySchema(r) != nil:
		return Reply{Content: "This is no JSON, and fits nothing."}
	}
	return Reply{}
}

func (s *Server) failWith(w http.ResponseWriter, f *Fault) {
	for name, value := range f.Header {
		w.Header().Set(name, value)
	}
	status := f.Status
	if status == 0 {
		status = http.StatusOK
	}
	if f.Body == "" && status >= 400 {
		writeProblem(w, &problem{status: status, kind: "fault", text: "fault " + strconv.Itoa(status)})
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(f.Body))
}

// problem is an error in OpenAI's form.
type problem struct {
	status     int
	kind, code string
	text       string
}

func (p *problem) Error() string { return p.text }

func writeProblem(w http.ResponseWriter, err error) {
	status, body := problemBody(err)
	writeJSON(w, status, body)
}

func problemBody(err error) (status int, out any) {
	p := &problem{status: http.StatusBadRequest, kind: "invalid_request_error", text: err.Error()}
	errors.As(err, &p)
	body := map[string]any{"message": p.text, "type": p.kind, "param": nil, "code": nil}
	if p.code != "" {
		body["code"] = p.code
	}
	return p.status, map[string]any{"error": body}
}
