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

	// What happens, the first of these that is set.
	Hang  bool // nothing, until the client gives up or the server closes
	Reset bool // the connection is closed before an answer
	Cut   bool // the connection breaks in the middle of an answer
	// Else Status (default 200), Header and Body are sent. An empty body with
	// a status of 400 and above gets an error in OpenAI's form.
	Status int
	Header map[string]string
	Body   string
	Delay  time.Duration // before that
}

func (f *Fault) applies(r Request) bool {
	switch {
	case len(f.Nth) > 0 && !slices.Contains(f.Nth, r.N),
		r.N < f.From,
		f.To > 0 && r.N > f.To,
		f.Every > 0 && r.N%f.Every != 0,
		f.Match != nil && !f.Match(r):
		return false
	}
	return true
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, f *Fault) {
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
	default:
		s.failWith(w, f)
	}
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
	p := &problem{status: http.StatusBadRequest, kind: "invalid_request_error", text: err.Error()}
	errors.As(err, &p)
	body := map[string]any{"message": p.text, "type": p.kind, "param": nil, "code": nil}
	if p.code != "" {
		body["code"] = p.code
	}
	writeJSON(w, p.status, map[string]any{"error": body})
}
