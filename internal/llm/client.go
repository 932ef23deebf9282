package llm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/autosafe/autosafe/internal/llm/offline"
	"github.com/autosafe/autosafe/spec"
)

// Options set a client up. The zero value makes every call and keeps nothing.
type Options struct {
	Store Store // nil: answers are not kept
	// Offline permits only calls that are in the store, and calls to the
	// offline model, which needs no network.
	Offline bool
	// Refresh says that requests with Refresh will come: answers that others
	// brought before them while the client was at work are then new enough.
	Refresh   bool
	UserAgent string
	// Transport takes the place of the network, for tests; nil is the network.
	Transport http.RoundTripper
	// Notify, if set, is told once of each kind of trouble that a build waits
	// for or lives with. It is called from many goroutines.
	Notify func(summary, detail string)
	// BudgetUSD, if above 0, is what the calls of this client may cost. A call
	// that could pass it is refused with CodeBudget, once no call in flight
	// can make room; so is every priced call after that.
	BudgetUSD float64
	// OnBudget, if set, is called once, before the first call is refused.
	OnBudget func()
	// Batches keeps notes on batches; nil: they are forgotten with the client.
	Batches BatchStore
	// Build is what batches are said to be for, at the endpoint.
	Build string
	// OnBatches, if set, is told of the batches that are waited for, whenever
	// something is new about one of them.
	OnBatches func([]BatchInfo)
	// Stopping, when closed, lets attempts in flight finish and refuses every
	// other with CodeInterrupted. Stored answers are still given.
	Stopping <-chan struct{}
}

// New makes a client. Close it to let its connections go.
func New(opts Options) Client { return newClient(opts) }

func newClient(opts Options) *client {
	c := &client{
		opts: opts, clock: realClock(opts.Stopping), actor: offline.Complete,
		budget: newBudget(opts), patience: claimPatience,
		endpoints: map[[sha256.Size]byte]*endpoint{}, known: map[*spec.Provider]*endpoint{}, flights: map[[sha256.Size]byte]*flight{}, asked: map[uint64]struct{}{},
	}
	c.pool = newPool(&c.clock, opts)
	c.batches = newBatches(c)
	return c
}

type client struct {
	opts      Options
	clock     clock
	roads     roads
	actor     actor
	schemas   schemas
	constants constants
	learned   learned
	batches   *batches
	tokens    tokens
	budget    *budget // nil: none
	pool      *pool
	patience  time.Duration // see claimPatience

	mu        sync.Mutex
	endpoints map[[sha256.Size]byte]*endpoint // by what tells providers apart, see endpointFor
	known     map[*spec.Provider]*endpoint    // the same, of providers that were looked up
	flights   map[[sha256.Size]byte]*flight   // calls being made, by key
	asked     map[uint64]struct{}             // calls answered while this client was at work, see remember

	probed sync.Once             // the store has been asked whether it is ready
	full   atomic.Pointer[Error] // why answers cannot be kept

	storeTold, claimTold, waitTold sync.Once
}

func (c *client) Close() error {
	c.batches.close()
	c.pool.close()
	c.roads.closeIdle()
	return nil
}

// Complete implements Client.
func (c *client) Complete(ctx context.Context, req Request, tally *Tally) (Reply, error) {
	if req.Model == nil || req.Model.Provider == nil {
		return Reply{}, &Error{Code: CodeRejected, Summary: "the request names no model"}
	}
	fit, err := c.schemas.newFit(req)
	if err != nil {
		return Reply{}, &Error{Code: CodeRejected, Summary: "the reply's JSON Schema is wrong", Detail: clip(plain(err.Error()), maxDetail)}
	}
	var calls []string
	cached, from := true, 0
	for try := 0; ; try++ {
		got, err := c.call(ctx, req, from, tally)
		if err != nil {
			return Reply{}, withCalls(err, calls)
		}
		calls = append(calls, hex.EncodeToString(got.key[:]))
		cached = cached && got.cached
		reply, said, bad := fit.checkAs(got.form, got.answer)
		from = c.attend(req.Model, got, bad)
		if bad == nil {
			reply.Calls, reply.Cached = calls, cached
			return reply, nil
		}
		tally.Unfit.Add(1)
		if bad.final || try >= req.Model.ReplyRetries {
			return Reply{}, bad.error(try+1, calls)
		}
		req.Messages = append(slices.Clip(req.Messages), bad.again(said, try)...)
	}
}

// error is what a call ends in when asking again is of no use.
func (m *misfit) error(asked int, calls []string) *Error {
	summary := "the model's reply does not fit what was asked for"
	switch m.code {
	case CodeRefused:
		summary = "the model refused to answer"
	case CodeTruncated:
		summary = "the model's reply was cut off at the token limit (raise max_tokens)"
	}
	if asked > 1 {
		summary += fmt.Sprintf(", asked %d times", asked)
	}
	return &Error{Code: m.code, Summary: summary, Detail: clip(plain(m.reason), maxDetail), Calls: calls}
}

// withCalls gives each caller an error of its own: calls in flight are shared.
func withCalls(err error, calls []string) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	own := *e
	own.Calls = calls
	return &own
}

// got is an answer and where it is from.
type got struct {
	answer Answer
	key    [sha256.Size]byte
	cached bool
	// The form that the request had, its place in the order of forms, and
	// whether it is the last one.
	form form
	at   int
	last bool
}

// flight is a call being made. done closes when the rest is set.
type flight struct {
	done   chan struct{}
	answer Answer
	err    error
	// own: the error is about the one who made the call, not about the call.
	own bool
	// refresh: the call is made whether or not its answer is stored.
	refresh bool
}

// askAs answers a request in one form from the store or from the endpoint. Of
// equal calls at a time one is made, and the others wait for it.
func (c *client) askAs(ctx context.Context, s *shaped, tally *Tally) (got, error) {
	k, req := s.key, s.req
	for {
		c.mu.Lock()
		f, busy := c.flights[k]
		if !busy {
			f = &flight{done: make(chan struct{})}
			c.flights[k] = f
		}
		c.mu.Unlock()
		if !busy {
			return c.lead(ctx, f, s, tally)
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return got{}, interrupted(ctx.Err())
		}
		if f.own || f.err == nil && req.Refresh && !c.wasAsked(k) || f.err != nil && f.refresh && !req.Refresh {
			continue // try for ourselves
		}
		return follow(f, k, tally)
	}
}

func follow(f *flight, k [sha256.Size]byte, tally *Tally) (got, error) {
	if f.err != nil {
		return got{}, f.err
	}
	tally.Cached.Add(1)
	return got{answer: f.answer, key: k, cached: true}, nil
}

func (c *client) lead(ctx context.Context, f *flight, s *shaped, tally *Tally) (got, error) {
	f.err = errors.New("the call was broken off") // if what follows does not return
	defer func() {
		c.mu.Lock()
		delete(c.flights, s.key)
		c.mu.Unlock()
		close(f.done)
	}()
	f.refresh = s.req.Refresh
	out, err := c.obtain(ctx, s, tally)
	f.answer, f.err = out.answer, err
	f.own = err != nil && ctx.Err() != nil
	return out, err
}

// countFailed counts a call that an endpoint did not answer. One that was not
// begun, or was called off, has not failed.
func countFailed(err error, tally *Tally) {
	var e *Error
	if !errors.As(err, &e) || e.cause != nil || slices.Contains([]Code{CodeOffline, CodeStore, CodeBudget, CodeMissingKey}, e.Code) {
		return
	}
	tally.Failed.Add(1)
}

// fetch has the endpoint answer, and returns once the answer is kept.
func (c *client) fetch(ctx context.Context, k [sha256.Size]byte, req Request, w wire, tally *Tally, pending *batchID) (got, error) {
	if err := ctx.Err(); err != nil {
		return got{}, interrupted(err)
	}
	free := isFree(req.Model)
	body := w.body()
	keep := func(where string, a Answer, took time.Duration) error {
		count(a, req.Model, tally)
		return c.keep(k, !free, Record{
			Format: recordFormat, Key: hex.EncodeToString(k[:]), Endpoint: where, Identity: recordedIdentity(req.Model.Provider), Purpose: req.Purpose,
			Sample: req.Sample, Generation: req.Generation, Request: body, Answer: a, Refresh: req.RefreshMark, Millis: took.Milliseconds(),
		})
	}
	switch {
	case free:
		a, err := c.makeOffline(ctx, req, body, tally)
		if err != nil {
			return got{}, err
		}
		return got{answer: a, key: k}, keep(string(spec.ProviderOffline), a, 0)
	case c.opts.Offline:
		return got{}, notCached(req)
	}
	for _, p := range req.Model.Providers() {
		if len(p.Missing) > 0 {
			return got{}, missingKey(p)
		}
	}
	e, err := c.endpointFor(req.Model.Provider)
	if err != nil {
		return got{}, err
	}
	ready := func() error {
		if req.Over != nil && req.Over() {
			return interrupted(context.Canceled)
		}
		return c.canKeep()
	}
	o := order{
		model: req.Model, wire: w, body: body, tally: tally, ready: ready,
		step: req.Step, depth: req.Depth, keep: keep,
	}
	return c.put(ctx, e, k, req, o, body, pending)
}

// deref is what p points to, or nothing.
func deref(p *got) got {
	if p == nil {
		return got{}
	}
	return *p
}

// missingKey is the error of a call for which the environment lacks a secret.
func missingKey(p *spec.Provider) *Error {
	return &Error{Code: CodeMissingKey, Fatal: true,
		Summary: fmt.Sprintf("provider %q cannot be called without its secrets: %s", clip(plain(p.Name), 100), plain(p.Missing[0].Detail))}
}

// notCached is the error of a call that -offline does not allow.
func notCached(req Request) *Error {
	model := clip(plain(req.Model.ID), 100)
	summary := fmt.Sprintf("a call to model %q is not in the cache, and -offline allows no other; build without -offline to make it", model)
	if req.Refresh {
		summary = fmt.Sprintf("model %q is to be asked again, and -offline allows no call; build without -offline, or without -refresh", model)
	}
	return &Error{Code: CodeOffline, Fatal: true, Summary: summary}
}

// isFree says whether a model is the offline one: no network, no cost.
func isFree(m *spec.Model) bool { return m.Provider.Type == spec.ProviderOffline }

func (c *client) makeOffline(ctx context.Context, req Request, body []byte, tally *Tally) (Answer, error) {
	select {
	case <-c.opts.Stopping:
		return Answer{}, interrupted(errStopping)
	default:
	}
	tally.InFlight.Add(1)
	defer tally.InFlight.Add(-1)
	return c.actor.answerOffline(ctx, req, body)
}

// count adds an answered call to the tally.
func count(a Answer, m *spec.Model, tally *Tally) {
	tally.Made.Add(1)
	tally.InputTokens.Add(int64(a.Usage.InputTokens))
	tally.OutputTokens.Add(int64(a.Usage.OutputTokens))
	if a.Usage.Estimated && !isFree(m) {
		tally.Estimated.Add(1)
	}
	tally.AddCost(CostUSD(m, a.Usage))
}

// endpointFor is the endpoint of a provider. Provider blocks that agree in
// address, credentials and limits are one endpoint and share the limits.
func (c *client) endpointFor(p *spec.Provider) (*endpoint, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.known[p]; ok {
		return e, nil
	}
	k := endpointKey(p)
	e, ok := c.endpoints[k]
	if !ok {
		var err error
		if e, err = c.newEndpoint(p); err != nil {
			return nil, err
		}
		c.endpoints[k] = e
	}
	c.known[p] = e
	return e, nil
}
