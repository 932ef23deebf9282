package sdk

import (
	"context"
	"errors"
	"strings"

	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
)

// Error is why a row fails. Errors of model calls are of this type, so that a
// component may look at the code; returned from a component's function, they
// fail the row as they are.
type Error struct {
	Code      string // snake_case: refused, invalid_reply, …
	Summary   string // one line
	Detail    string
	Transient bool // trying again later may work
}

func (e *Error) Error() string {
	if e.Detail == "" {
		return e.Summary
	}
	return e.Summary + ": " + e.Detail
}

// Fail makes an error that fails the row under a code such as
// "invalid_reply". The detail is for people.
func Fail(code, detail string) error {
	return &Error{Code: code, Summary: summaryOf(code), Detail: detail}
}

// summaryOf makes words of a code.
func summaryOf(code string) string { return strings.ReplaceAll(code, "_", " ") }

// dropError leaves a row out.
type dropError struct{ reason string }

func (e *dropError) Error() string { return "left out: " + e.reason }

// Drop makes an error that, returned from a component's function, leaves the
// row out on purpose; it is counted under the reason.
func Drop(reason string) error {
	if reason == "" {
		reason = "dropped"
	}
	return &dropError{reason: reason}
}

// asFailure turns an author's error into what the host is told.
func asFailure(err error) *pluginpb.RowError {
	var e *Error
	switch {
	case errors.As(err, &e):
		return &pluginpb.RowError{Code: e.Code, Summary: e.Summary, Detail: e.Detail, Transient: e.Transient}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &pluginpb.RowError{Code: "interrupted", Summary: "the row was interrupted", Transient: true}
	}
	return &pluginpb.RowError{Code: "error", Summary: "the component reported an error", Detail: err.Error()}
}

// Unfit says whether an error of a call means that the model's reply cannot be
// used, however often it is asked, and gives the code under which a trial counts
// it: invalid_reply, truncated, context_too_long, or content_filter where the
// endpoint's filter stepped in. All other errors are trouble on the way to the
// model: an evaluation returns them, since they say nothing of the agent.
func Unfit(err error) (code string, ok bool) {
	var e *Error
	if !errors.As(err, &e) || e.Transient {
		return "", false
	}
	switch e.Code {
	case "invalid_reply", "truncated", "context_too_long":
		return e.Code, true
	case "refused": // an agent that declines gives an answer
		return "content_filter", true
	}
	return "", false
}
