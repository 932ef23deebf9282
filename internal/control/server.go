package control

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/autosafe/autosafe/internal/engine"
)

// Server watches a build and, once it is started, lets it be steered.
type Server struct {
	dir   string
	board *board

	mu     sync.Mutex
	closed bool
	http   *http.Server
	served sync.WaitGroup
}

// NewServer makes the server of a build, with its socket in dir; see Dir.
// Nothing is started.
func NewServer(dir string, t Target) *Server { return &Server{dir: dir, board: newBoard(t)} }

// Event notes what happens in the build.
func (s *Server) Event(ev engine.Event) { s.board.event(ev) }

// Status is how the build is doing.
func (s *Server) Status() Status { return s.board.status() }

// Start makes the socket and answers on it, until Close. To start twice, or
// after Close, does nothing.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.http != nil {
		return nil
	}
	sweep(s.dir)
	l, err := listen(s.dir)
	if err != nil {
		return err
	}
	s.http = &http.Server{
		Handler: s.handler(), ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: time.Minute,
	}
	s.served.Go(func() { _ = s.http.Serve(net.Listener(l)) }) // it ends with Close
	return nil
}

// closePatience is how long an answer that is being written may take.
const closePatience = time.Second

// Close ends the server and removes the socket.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.http == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
	s.served.Wait()
	_ = os.Remove(socketOf(s.dir, os.Getpid())) // closing a listener does so, as a rule
	_ = os.Remove(filepath.Clean(s.dir))        // if no other build's socket is in it
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) { s.answer(w) })
	mux.HandleFunc("POST /v1/pause", func(w http.ResponseWriter, _ *http.Request) { s.pause(w, true) })
	mux.HandleFunc("POST /v1/resume", func(w http.ResponseWriter, _ *http.Request) { s.pause(w, false) })
	mux.HandleFunc("POST /v1/limit", s.limit)
	mux.HandleFunc("POST /v1/stop", s.stop)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, fmt.Sprintf("there is no %s %s", r.Method, r.URL.Path))
	})
	return mux
}

func (s *Server) answer(w http.ResponseWriter) { reply(w, http.StatusOK, s.board.status()) }

func (s *Server) pause(w http.ResponseWriter, on bool) {
	b := s.board
	b.mu.Lock()
	if on {
		b.target.Models.Pause()
	} else {
		b.target.Models.Resume()
	}
	b.paused = on
	b.mu.Unlock()
	s.answer(w)
}

// LimitRequest asks for a limit on a model's calls.
type LimitRequest struct {
	Model string `json:"model"` // the label of its block, or the endpoint's name for it
	Limit int    `json:"limit"` // calls at a time; 0: as the recipe says
}

func (s *Server) limit(w http.ResponseWriter, r *http.Request) {
	var req LimitRequest
	if !read(w, r, &req) {
		return
	}
	switch {
	case req.Limit < 0 || req.Limit > maxLimit:
		refuse(w, http.StatusBadRequest, fmt.Sprintf("a limit is from 1 to %d, or 0 for that of the recipe", maxLimit))
	case s.board.target.Models.SetLimit(req.Model, req.Limit) == 0:
		refuse(w, http.StatusNotFound, fmt.Sprintf("the build has not called a model %q so far", req.Model))
	default:
		s.answer(w)
	}
}

// maxLimit bounds a limit to what a machine could hold open.
const maxLimit = 1 << 20

// StopRequest asks for the end of the build.
type StopRequest struct {
	Now bool `json:"now"` // do not wait for calls in flight
}

func (s *Server) stop(w http.ResponseWriter, r *http.Request) {
	var req StopRequest
	if !read(w, r, &req) {
		return
	}
	s.board.target.Stop(req.Now)
	s.answer(w)
}

// maxBody bounds a request, in bytes.
const maxBody = 1 << 16

// read decodes a request; an empty one is the zero value.
func read(w http.ResponseWriter, r *http.Request, v any) bool {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil && len(b) > 0 {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, "the request is not what was expected: "+err.Error())
		return false
	}
	return true
}

type problem struct {
	Error string `json:"error"`
}

func refuse(w http.ResponseWriter, status int, text string) { reply(w, status, problem{text}) }

func reply(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":"the status cannot be written"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // who asked may have gone
}
