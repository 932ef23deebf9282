package llm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	openai "github.com/sashabaranov/go-openai"

	"github.com/autosafe/autosafe/spec"
)

// DefaultTimeout is the deadline of an attempt whose provider sets none.
const DefaultTimeout = 2 * time.Minute

// endpoint makes calls to one OpenAI-compatible server.
type endpoint struct {
	name      string // for messages: the provider and its address
	provider  *spec.Provider
	timeout   time.Duration
	transport *transport
	api       *openai.Client
	redact    redactor
	clock     clock
	door      *door   // guarded by the pool
	tokens    *tokens // of the client
	notify    func(summary, detail string)

	reached atomic.Bool // something answered there
	told    sync.Map    // codes that notify has been told of
}

func (c *client) newEndpoint(p *spec.Provider) (*endpoint, error) {
	link, err := c.connect(p)
	if err != nil {
		return nil, err
	}
	e := &endpoint{
		name: link.name, transport: link.transport, api: link.api, redact: link.redact,
		provider: p, timeout: p.Timeout, clock: c.clock, door: newDoor(p), tokens: &c.tokens, notify: c.opts.Notify,
	}
	if e.timeout <= 0 {
		e.timeout = DefaultTimeout
	}
	return e, nil
}

// weight is the endpoint's share of calls, among others.
func (e *endpoint) weight() int { return max(1, e.provider.Weight) }

// order is a call to be made.
type order struct {
	model *spec.Model
	step  string // whose turn it is, see Request
	depth int
	wire  wire
	body  []byte // of the request
	tally *Tally
	// ready, if set, is asked before the call is sent.
	ready func() error
	// keep makes an answer durable. where is the endpoint, took its own time.
	keep func(where string, a Answer, took time.Duration) error
}

// send has the endpoint answer; err is set if the context ended.
func (e *endpoint) send(ctx context.Context, o order) (Answer, *exchange, *failure, error) {
	x := &exchange{body: o.body, model: o.model.ID}
	timed, cancel := e.clock.within(withExchange(ctx, x), e.timeout)
	defer cancel()
	// The transport sends body; see there.
	_, err := e.api.CreateChatCompletion(timed, openai.ChatCompletionRequest{Model: "model"})
	if x.status != 0 {
		e.reached.Store(true)
	}
	if err != nil && ctx.Err() != nil {
		return Answer{}, x, nil, interrupted(ctx.Err())
	}
	if err == nil && x.status < 300 {
		var ans Answer
		if ans, err = e.read(x.reply, o.model.ID, o.body); err == nil {
			e.redact.answer(&ans)
			return ans, x, nil, nil
		}
	}
	return Answer{}, x, e.failed(x, err, o.wire), nil
}

// read makes an answer of the body of a completion, and counts the tokens
// that the endpoint did not.
func (e *endpoint) read(body []byte, model string, request []byte) (Answer, error) {
	a, err := read(body, len(request))
	if err == nil && a.Usage.Estimated {
		a.Usage = e.tokens.usage(model, request, a)
	}
	return a, err
}

// final is the error of a call that is given up.
func (e *endpoint) final(f *failure, retries int) *Error {
	err := f.err
	if retries > 0 {
		err.Summary += fmt.Sprintf(", tried %d times", retries+1)
	}
	// An address where nothing has ever answered is more likely wrong than
	// down, and every other call would wait as long for nothing.
	if f.noContact && !e.reached.Load() {
		err.Fatal = true
		err.Summary += ": " + cmp.Or(f.advice, fmt.Sprintf("check base_url of provider %q, and that the server runs", e.provider.Name))
	}
	return &err
}

// tell reports the first failure of each kind, so that a build that waits
// says why.
func (e *endpoint) tell(f *failure) {
	if e.notify == nil {
		return
	}
	if _, before := e.told.LoadOrStore(f.err.Code, true); !before {
		e.notify(f.err.Summary+"; trying again", f.err.Detail)
	}
}

// interrupted is the error of a call that was not, or no longer, wanted.
func interrupted(cause error) *Error {
	err := &Error{Code: CodeInterrupted, Transient: true, Summary: "the call was called off", cause: cause}
	switch {
	case errors.Is(cause, errStopping):
		err.Summary = "the build is stopping"
	case errors.Is(cause, context.DeadlineExceeded):
		err.Code = CodeTimeout
		err.Summary = "the time for the call ran out"
	}
	return err
}
