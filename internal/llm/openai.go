package llm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	openai "github.com/sashabaranov/go-openai"

	"github.com/autosafe/autosafe/spec"
)

// DefaultTimeout is the deadline of an attempt whose provider sets none.
const DefaultTimeout = 2 * time.Minute

// The finish reasons that mean something here.
const (
	finishStop   = "stop"
	finishLength = "length"
	finishFilter = "content_filter"
	finishCalls  = "tool_calls"
)

// endpoint makes calls to one OpenAI-compatible server.
type endpoint struct {
	name     string // for messages: the provider and its address
	provider *spec.Provider
	timeout  time.Duration
	api      *openai.Client
	redact   redactor
	gate     *gate
	budget   *budget // of the client; nil: none
	notify   func(summary, detail string)

	reached  atomic.Bool  // something answered there
	answered atomic.Int64 // calls that got an answer
	told     sync.Map     // codes that notify has been told of
}

func (c *client) newEndpoint(p *spec.Provider) (*endpoint, error) {
	u, err := endpointURL(p.BaseURL)
	if err != nil {
		return nil, &Error{Code: CodeRejected, Fatal: true, Summary: fmt.Sprintf("base_url of provider %q is wrong: %v", p.Name, err)}
	}
	e := &endpoint{
		provider: p, timeout: p.Timeout, redact: newRedactor(p),
		gate: newGate(p.Limits, c.clock, c.opts.Stopping), budget: c.budget, notify: c.opts.Notify,
	}
	if e.timeout <= 0 {
		e.timeout = DefaultTimeout
	}
	shown := *u
	shown.User, shown.RawQuery = nil, ""
	e.name = e.redact.text("the endpoint " + strings.TrimSuffix(shown.String(), "/chat/completions"))

	config := openai.DefaultConfig("") // the transport sets the key
	config.BaseURL = shown.String()
	config.HTTPClient = &http.Client{
		Transport:     &transport{base: c.network(), url: u, provider: p, agent: c.opts.UserAgent},
		CheckRedirect: followRedirect,
	}
	e.api = openai.NewClientWithConfig(config)
	return e, nil
}

// order is a call to be made.
type order struct {
	model *spec.Model
	wire  wire
	body  []byte // of the request
	tally *Tally
	// ready, if set, is asked before the call is sent.
	ready func() error
	// keep makes an answer durable. It is called while the call still counts
	// as in flight, so that however a process ends, no more answers are lost
	// than the limit on concurrency allows. took is the endpoint's own time.
	keep func(a Answer, took time.Duration) error
}

// answer asks until there is an answer, the failure is final or the retries
// are used up. A retry is used up only if the endpoint did nothing for others
// meanwhile: a call told to slow down, on an endpoint that goes on answering,
// waits for its turn.
func (e *endpoint) answer(ctx context.Context, o order) (Answer, error) {
	seen, used := e.answered.Load(), 0
	for attempt := 0; ; attempt++ {
		ans, f, err := e.attempt(ctx, o, attempt)
		switch {
		case err != nil:
			return Answer{}, err
		case f == nil:
			return ans, nil
		}
		now := e.answered.Load()
		if f.err.Code != CodeRateLimited || now == seen {
			used++
		}
		seen = now
		if !f.retry || used > e.provider.Retries {
			return Answer{}, e.final(f, attempt)
		}
		e.tell(f)
		wait := backoff(used, f.after)
		if f.err.Code == CodeRateLimited {
			e.gate.pause(wait)
		}
		if err := e.gate.clock.sleep(ctx, wait); err != nil {
			return Answer{}, interrupted(err)
		}
	}
}

// attempt sends the request once. err is set if it was not to be sent, the
// context ended, or the answer could not be kept.
func (e *endpoint) attempt(ctx context.Context, o order, n int) (Answer, *failure, error) {
	grant, err := e.budget.admit(ctx, o.model, len(o.body))
	if err != nil {
		return Answer{}, nil, err
	}
	guess := estimate(len(o.body))
	if err := e.gate.enter(ctx, guess); err != nil {
		grant.unanswered(false)
		return Answer{}, nil, interrupted(err)
	}
	more := 0
	defer func() { e.gate.leave(more) }()
	if o.ready != nil {
		if err := o.ready(); err != nil {
			grant.unanswered(false)
			return Answer{}, nil, err
		}
	}
	if n > 0 {
		o.tally.Retried.Add(1)
	}
	o.tally.InFlight.Add(1)
	defer o.tally.InFlight.Add(-1)

	sent := e.gate.clock.now()
	ans, f, err := e.send(ctx, o)
	if err != nil || f != nil {
		grant.unanswered(err != nil || f.lost)
		return Answer{}, f, err
	}
	took := e.gate.clock.now().Sub(sent)
	grant.answered(ans.Usage)
	e.answered.Add(1)
	more = ans.Usage.InputTokens + ans.Usage.OutputTokens - guess
	return ans, nil, o.keep(ans, took)
}

// send has the endpoint answer; err is set if the context ended.
func (e *endpoint) send(ctx context.Context, o order) (Answer, *failure, error) {
	x := &exchange{body: o.body}
	timed, cancel := context.WithTimeout(withExchange(ctx, x), e.timeout)
	defer cancel()
	// The transport sends body; see there.
	resp, err := e.api.CreateChatCompletion(timed, openai.ChatCompletionRequest{Model: "model"})
	if x.status != 0 {
		e.reached.Store(true)
	}
	if err != nil && ctx.Err() != nil {
		return Answer{}, nil, interrupted(ctx.Err())
	}
	if err == nil && x.status < 300 {
		var ans Answer
		if ans, err = read(resp, len(o.body)); err == nil {
			e.redact.answer(&ans)
			return ans, nil, nil
		}
	}
	return Answer{}, e.failed(x, err, o.wire), nil
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
		err.Summary += fmt.Sprintf(": check base_url of provider %q, and that the server runs", e.provider.Name)
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

// read makes an answer of a completion. Whatever is not a whole answer is an
// error here and is asked for again, not stored.
func read(resp openai.ChatCompletionResponse, sent int) (Answer, error) {
	if len(resp.Choices) == 0 {
		return Answer{}, errors.New("it has no choices")
	}
	choice := resp.Choices[0]
	if choice.FinishReason == "" || choice.FinishReason == openai.FinishReasonNull {
		return Answer{}, errors.New("it has no finish_reason, so it may be cut off")
	}
	m := choice.Message
	a := Answer{
		Content: m.Content, Refusal: m.Refusal, Reasoning: m.ReasoningContent,
		FinishReason: string(choice.FinishReason), Model: resp.Model, Fingerprint: resp.SystemFingerprint,
		Usage: Usage{InputTokens: max(0, resp.Usage.PromptTokens), OutputTokens: max(0, resp.Usage.CompletionTokens)},
	}
	for _, part := range m.MultiContent {
		a.Content += part.Text
	}
	for _, c := range m.ToolCalls {
		a.ToolCalls = append(a.ToolCalls, AnswerCall{c.ID, c.Function.Name, c.Function.Arguments})
	}
	nameCalls(a.ToolCalls)
	splitThinking(&a)
	if a.Usage.InputTokens == 0 && a.Usage.OutputTokens == 0 {
		a.Usage = Usage{estimate(sent), estimate(a.size()), true}
	}
	return a, nil
}

// nameCalls gives an id to calls that have none or share one: tool messages
// refer to them.
func nameCalls(calls []AnswerCall) {
	seen := map[string]bool{"": true}
	for i := range calls {
		for n := i + 1; seen[calls[i].ID]; n++ {
			calls[i].ID = fmt.Sprintf("call_%d", n)
		}
		seen[calls[i].ID] = true
	}
}

// splitThinking takes a leading <think> block out of the text, where servers
// that do not know the model leave it.
func splitThinking(a *Answer) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(a.Content), "<think>")
	if !ok {
		return
	}
	thought, rest, ok := strings.Cut(rest, "</think>")
	if !ok {
		return
	}
	a.Reasoning = strings.TrimSpace(a.Reasoning + "\n" + strings.TrimSpace(thought))
	a.Content = strings.TrimSpace(rest)
}

// estimate is a rough count of the tokens in so many bytes.
func estimate(bytes int) int { return (bytes + 3) / 4 }
