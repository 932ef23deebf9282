package e2e

import (
	"sync"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// holds let an endpoint answer a project for a while, and then no more until it
// is told to. What happens meanwhile happens in the middle of a build, however
// slow or fast the machine is.
type holds struct {
	mu sync.Mutex
	of map[string]*hold // by API key
}

type hold struct {
	left    int           // requests that are answered
	reached chan struct{} // closed when one has come in after those
	answer  func()        // has the others answered
	waiting chan struct{} // closed by that
}

// holding is an endpoint that can hold its answers back.
func holding(t testing.TB, opts llmtest.Options) (*llmtest.Server, *holds) {
	t.Helper()
	h := &holds{of: map[string]*hold{}}
	opts.Reply = func(r llmtest.Request) (llmtest.Reply, bool) {
		h.pass(r.Header.Get("Authorization"))
		return llmtest.Reply{}, false
	}
	server := start(t, opts)
	t.Cleanup(h.end) // before the server is closed, which waits for its answers
	return server, h
}

// after holds back what a project asks after n further requests.
func (h *holds) after(p *project, n int) *hold {
	waiting := make(chan struct{})
	x := &hold{left: n, reached: make(chan struct{}), waiting: waiting, answer: sync.OnceFunc(func() { close(waiting) })}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of["Bearer "+p.key] = x
	return x
}

func (h *holds) pass(key string) {
	h.mu.Lock()
	x := h.of[key]
	if x != nil {
		if x.left--; x.left == -1 {
			close(x.reached)
		}
	}
	answered := x == nil || x.left >= 0
	h.mu.Unlock()
	if !answered {
		<-x.waiting
	}
}

func (h *holds) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, x := range h.of {
		x.answer()
	}
}
