// Package llm turns a model call into an answer: it shapes the request for
// the endpoint, obeys limits, retries, checks that the reply fits what was
// asked, asks again with the reason if it does not, and remembers every
// answer before it is used.
//
// It is the only package that imports an OpenAI client, and the only one that
// sees an API key. It knows nothing of rows, steps or plugins.
package llm

import (
	"context"
	"encoding/json"
	"time"

	"github.com/autosafe/autosafe/spec"
)

// Request is one call as a component asks for it. Which model answers, and
// with what sampling parameters, is in Model.
type Request struct {
	Model *spec.Model

	Purpose  string // generator, agent, environment, judge, reflector, …
	Messages []Message
	Tools    []Tool // native tool calls; the reply may be a call or text
	// Schema, if set, is the JSON Schema that the reply must fit.
	Schema     json.RawMessage
	SchemaName string
	Stop       []string

	Sample     int   // tells repeated equal calls apart
	Generation int   // raised to buy new samples on purpose
	Seed       int64 // sent to the endpoint if not 0

	// Step is the address of the step that asks, and Depth how far down the
	// graph it stands. Where calls wait for their turn, deeper steps go first,
	// so that rows finish; steps of one depth take turns. In no key.
	Step  string
	Depth int

	// Refresh asks again though an answer is stored: only answers that came
	// while this client was at work count. The new answer replaces the old one.
	Refresh bool
	// RefreshMark, if not 0, names the refresh, which may have been broken off
	// and taken up again: its answers count too, whoever asked for them.
	RefreshMark uint64

	// Over, if set, says whether the build is over, which it is a moment before
	// all its calls hear of it, one by one: those that wait must not be sent
	// in place of those that were called off.
	Over func() bool

	// Facts is what the offline stand-in may know of the case. It is sent to
	// nobody else and is in no other endpoint's key.
	Facts json.RawMessage
}

// Message is one message of a conversation, in OpenAI's roles.
type Message struct {
	Role       string     `json:"role"`
	Content    string     `json:"content"`
	ToolCalls  []ToolCall `json:"tool_calls,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"`
	Name       string     `json:"name,omitempty"`
}

// ToolCall is a call that the model made.
type ToolCall struct {
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"` // an object
}

// Tool is a function that the model may call.
type Tool struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters"` // JSON Schema
}

// Reply is a fitting answer.
type Reply struct {
	Content      string     `json:"content"`
	ToolCalls    []ToolCall `json:"tool_calls,omitempty"`
	FinishReason string     `json:"finish_reason"`
	Refusal      string     `json:"refusal,omitempty"`
	// Reasoning is what the model thought aloud, where the endpoint tells it.
	Reasoning string `json:"reasoning,omitempty"`
	Model     string `json:"model,omitempty"` // as the endpoint named it
	Usage     Usage  `json:"usage"`

	// Calls are the keys of the calls that led to this reply, the unfit ones
	// included, in order: lowercase hex.
	Calls []string `json:"-"`
	// Cached says that every one of them was answered from the store.
	Cached bool `json:"-"`
}

// Usage counts tokens.
type Usage struct {
	InputTokens  int `json:"input_tokens"`
	OutputTokens int `json:"output_tokens"`
	// CachedInputTokens are those of InputTokens that the endpoint had seen
	// before, and charges less for.
	CachedInputTokens int `json:"cached_input_tokens,omitempty"`
	// ReasoningTokens are those of OutputTokens that are no part of the reply.
	ReasoningTokens int `json:"reasoning_tokens,omitempty"`
	// Estimated says that the endpoint did not report usage.
	Estimated bool `json:"estimated,omitempty"`
}

// Store keeps answers under their key. A durable Put must not return before
// the answer would survive a crash; others may wait, for answers that cost
// nothing.
type Store interface {
	Get(key [32]byte) (value []byte, ok bool, err error)
	Put(key [32]byte, value []byte, durable bool) error
	// Claim waits until no other process makes the call with this key, and
	// keeps the others from it until release. When it returns, Get gives what
	// they have put durably. A process that dies claims nothing. The client
	// claims a key once at a time.
	Claim(ctx context.Context, key [32]byte) (release func(), err error)
}

// ReadyStore is a Store that can tell before the first call is paid for
// whether its answer could be kept.
type ReadyStore interface {
	Store
	Ready() error
}

// Client answers calls. It is safe for use by many goroutines.
type Client interface {
	// Complete returns a reply that fits the request, or an *Error. Call
	// counts go to tally, which must not be nil.
	Complete(ctx context.Context, req Request, tally *Tally) (Reply, error)
	// Tune trains a model, or finds the training that is under way or done, and
	// returns when that has ended; or an *Error.
	Tune(ctx context.Context, req TuneRequest, tally *Tally) (TuneResult, error)
	// Control is how the calls of a running build are watched and steered.
	Control() Control
	// Close lets the connections go.
	Close() error
}

// Control watches and steers the calls of a client. It is safe for use by
// many goroutines.
type Control interface {
	// Status is how each endpoint and model that was called is doing, in
	// order of model.
	Status() []ModelStatus
	// SetLimit holds the models of that name (the label of their block, or
	// the endpoint's name for them) to n calls at a time, above or below what
	// the recipe declares; 0 goes back to what it declares. A model with
	// several endpoints is held to n at each. It says how many it found, of
	// those that were called.
	SetLimit(model string, n int) int
	// Pause begins no further attempt until Resume; what is in flight
	// finishes.
	Pause()
	Resume()
}

// ModelStatus is how calls to one model at one endpoint go.
type ModelStatus struct {
	Model    string `json:"model"`    // label of the block
	ID       string `json:"id"`       // the endpoint's name for it
	Provider string `json:"provider"` // label of the block
	Endpoint string `json:"endpoint"` // address, without secrets
	// Limit is how many calls may be in flight now, Declared how many the
	// recipe (or SetLimit) allows at most.
	Limit    int `json:"limit"`
	Declared int `json:"declared"`
	InFlight int `json:"in_flight"`
	Waiting  int `json:"waiting"` // for their turn
	// RequestsPerSecond is the pace that the endpoint's refusals taught; 0 if
	// there is none.
	RequestsPerSecond float64 `json:"requests_per_second,omitempty"`
	Answered          int64   `json:"answered"`
	Refused           int64   `json:"refused"` // 429 and the like
	Failed            int64   `json:"failed"`  // attempts that failed otherwise
	// State is "open" (calls go out), "paused" (by Pause), "waiting" (until
	// Until, as the endpoint asked) or "down" (nothing answers there; it is
	// tried again at Until).
	State string    `json:"state"`
	Until time.Time `json:"until,omitzero"`
	// MedianMillis is how long recent answers took.
	MedianMillis int64 `json:"median_millis,omitempty"`
}

// Error is a call that gave no usable reply.
type Error struct {
	Code    Code
	Summary string // one line, without secrets or control characters
	Detail  string // the endpoint's words, or the reason a reply did not fit
	// Transient says that trying again later may work.
	Transient bool
	// Fatal says that every other call to this model will fail likewise (a
	// bad key, an unknown model): the build must stop and say so.
	Fatal bool
	Calls []string // keys of the calls that were answered

	cause error
	// refused is what of the request the endpoint does not take, if that is
	// why; reason, the summary without advice.
	refused refusal
	reason  string
}

// Unwrap is the context's error, if that ended the call.
func (e *Error) Unwrap() error { return e.cause }

func (e *Error) Error() string {
	if e.Detail == "" {
		return e.Summary
	}
	return e.Summary + ": " + e.Detail
}

// Code classes failures; rows are counted under it.
type Code string

// The codes.
const (
	CodeInvalidReply Code = "invalid_reply"    // did not fit, however often it was asked for
	CodeTruncated    Code = "truncated"        // cut off at the token limit
	CodeRefused      Code = "refused"          // the model or a content filter refused
	CodeContext      Code = "context_too_long" // the request is longer than the model takes
	CodeUnauthorized Code = "unauthorized"     // 401, 403
	CodeNotFound     Code = "model_not_found"  // 404
	CodeRejected     Code = "rejected"         // another 4xx: the request is wrong
	CodeRateLimited  Code = "rate_limited"     // 429 after all retries
	CodeUnavailable  Code = "unavailable"      // 5xx or transport after all retries
	CodeTimeout      Code = "timeout"          // no answer in time after all retries
	CodeInterrupted  Code = "interrupted"      // the build is stopping
	CodeBudget       Code = "budget"           // the call could pass Options.BudgetUSD
	CodeOffline      Code = "not_cached"       // -offline, and the call is not in the cache
	CodeStore        Code = "cache_failed"     // the answer could not be stored
	CodeMissingKey   Code = "missing_key"      // the environment lacks a secret of the provider

	// Of trainings alone.
	CodeValidation Code = "validation_failed"  // the endpoint does not take the files
	CodeQuota      Code = "insufficient_quota" // the account's credit is used up
	CodeTraining   Code = "training_failed"    // it failed for another reason
	CodeCancelled  Code = "training_cancelled" // somebody cancelled it
)
