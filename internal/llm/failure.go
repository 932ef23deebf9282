package llm

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// failure is one attempt that gave no answer.
type failure struct {
	err       Error
	retry     bool          // the same request may succeed later
	after     time.Duration // the endpoint asks to wait that long
	noContact bool          // nothing listens there
	lost      bool          // there may have been an answer, and a charge for it
}

// failed says what to make of an attempt that ended in err, or in an answer
// that is none.
func (e *endpoint) failed(x *exchange, err error, w wire) *failure {
	if x.status == 0 {
		return e.noAnswer(err)
	}
	text, code, status := errorWords(x.reply)
	if x.status >= 300 {
		status = x.status
	} else if status == 0 {
		return e.noReply(text, err)
	}
	f := e.byStatus(status, text, code, w)
	f.err.Detail = e.redact.text(text)
	if loc := x.header.Get("Location"); x.status < 400 && loc != "" {
		f.err.Detail = e.redact.text("it redirects to " + loc)
	}
	f.after = retryAfter(x.header, e.gate.clock.now())
	return f
}

// noReply is a good status with a body that is no reply.
func (e *endpoint) noReply(text string, err error) *failure {
	detail := text
	if detail == "" && err != nil {
		detail = err.Error()
	}
	return &failure{retry: true, lost: true, err: Error{
		Code: CodeUnavailable, Transient: true,
		Summary: e.name + " gave an answer that is no chat completion",
		Detail:  e.redact.text(detail),
	}}
}

func (e *endpoint) noAnswer(err error) *failure {
	f := &failure{retry: true, lost: true, err: Error{
		Code: CodeUnavailable, Transient: true,
		Summary: e.name + " does not answer",
		Detail:  e.redact.text(shortNetError(err)),
	}}
	var badCert *tls.CertificateVerificationError
	switch {
	case errors.Is(err, errTooLarge):
		f.retry = false
		f.err.Transient = false
		f.err.Summary = e.name + " gave no usable answer"
	case errors.As(err, &badCert):
		f.retry, f.lost = false, false
		f.err.Fatal = true
		f.err.Summary = e.name + " has no valid certificate"
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		f.err.Code = CodeTimeout
		f.err.Summary = fmt.Sprintf("%s did not answer within %s", e.name, e.timeout)
		f.err.Detail = ""
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errBroken):
		f.err.Summary = e.name + " broke its answer off"
	default:
		f.noContact = noContact(err)
		f.lost = !f.noContact
	}
	return f
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// noContact says whether the address is to blame: nothing listens there, or
// not in that protocol.
func noContact(err error) bool {
	var op *net.OpError
	var record tls.RecordHeaderError
	return errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect") ||
		errors.As(err, &record) || strings.Contains(err.Error(), "HTTP response to HTTPS client")
}

// shortNetError leaves out the method and URL that net/http puts in front.
func shortNetError(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}

// byStatus classes an HTTP status of 300 and above.
func (e *endpoint) byStatus(status int, text, code string, w wire) *failure {
	f := &failure{}
	says := fmt.Sprintf(" (HTTP %d)", status)
	switch {
	case (status == http.StatusBadRequest || status == http.StatusForbidden) && flagged(text, code):
		f.err = Error{Code: CodeRefused, Summary: e.name + " refuses this prompt" + says}
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		f.err = Error{Code: CodeUnauthorized, Fatal: true, Summary: e.name + " refuses the API key" + says + ": " + e.keyAdvice()}
	case status == http.StatusNotFound:
		f.err = Error{Code: CodeNotFound, Fatal: true,
			Summary: fmt.Sprintf("%s does not know the model %s%s: check the model's name, and base_url (which for most servers ends in /v1)", e.name, modelOf(w), says)}
	case status == http.StatusPaymentRequired || code == "insufficient_quota":
		f.err = Error{Code: CodeRateLimited, Fatal: true, Summary: e.name + " says that the account's credit is used up" + says}
	case status == http.StatusTooManyRequests:
		f.retry = true
		f.err = Error{Code: CodeRateLimited, Transient: true, Summary: e.name + " is limiting the rate of calls" + says}
	case status == http.StatusRequestTimeout || status == http.StatusConflict || status == http.StatusTooEarly || status >= 500:
		f.retry = true
		f.lost = status == http.StatusGatewayTimeout // what was waited for may still have been made
		f.err = Error{Code: CodeUnavailable, Transient: true, Summary: e.name + " is not able to answer" + says}
	case status < 400:
		f.err = Error{Code: CodeRejected, Fatal: true, Summary: e.name + " sends calls elsewhere" + says + ": set base_url to where the endpoint is"}
	case tooLong(status, text, code):
		f.err = Error{Code: CodeContext, Summary: "the request is longer than the model takes" + says}
	case w.has("response_format") && aboutFormat(text):
		f.err = Error{Code: CodeRejected,
			Summary: e.name + " does not take this response_format" + says + `: set structured = "json_object" or "text" in the model block`}
	default:
		f.err = Error{Code: CodeRejected, Summary: e.name + " rejects the request" + says}
	}
	return f
}

func (e *endpoint) keyAdvice() string {
	attr := `api_key of provider "` + e.provider.Name + `"`
	if e.provider.APIKey.Reveal() == "" {
		return attr + " is empty; set it, or the environment variable it reads (usually OPENAI_API_KEY)"
	}
	return "check " + attr + " and the environment variable it reads (usually OPENAI_API_KEY)"
}

// flagged: a filter in front of the model refuses the prompt. Some endpoints
// say so with the status of a bad key, which would end the build.
func flagged(text, code string) bool {
	return code == "content_filter" || code == "content_policy_violation" ||
		containsAny(text, "flagged", "moderation", "content policy", "content management policy", "usage policies")
}

func tooLong(status int, text, code string) bool {
	if code == "context_length_exceeded" || status == http.StatusRequestEntityTooLarge {
		return true
	}
	return containsAny(text, "context length", "context window", "context size", "context_length", "maximum context", "prompt is too long", "too many tokens")
}

func aboutFormat(text string) bool {
	return containsAny(text, "response_format", "response format", "json_schema", "json schema", "json_object", "structured output", "guided")
}

func containsAny(text string, parts ...string) bool {
	text = strings.ToLower(text)
	for _, p := range parts {
		if strings.Contains(text, p) {
			return true
		}
	}
	return false
}

func modelOf(w wire) string {
	var id string
	for _, f := range w {
		if f.name == "model" {
			_ = json.Unmarshal(f.value, &id) // it was marshalled from a string
		}
	}
	return fmt.Sprintf("%q", clip(plain(id), 100))
}

// errorWords finds the message, the code and, if it stands in the body, the
// status of an error, in the shapes that endpoints use: OpenAI's object, a
// bare string, or "message" or "detail" at the top. A body that is none of
// these is its own message.
func errorWords(body []byte) (text, code string, status int) {
	var top struct {
		Error   json.RawMessage `json:"error"`
		Message json.RawMessage `json:"message"`
		Detail  json.RawMessage `json:"detail"`
	}
	if json.Unmarshal(body, &top) != nil {
		return string(body[:min(len(body), 4*maxDetail)]), "", 0
	}
	var inner struct {
		Message json.RawMessage `json:"message"`
		Type    json.RawMessage `json:"type"`
		Code    json.RawMessage `json:"code"`
	}
	if json.Unmarshal(top.Error, &inner) == nil && inner.Message != nil {
		text, code = words(inner.Message), words(inner.Code)
		if json.Unmarshal(inner.Code, &status) != nil || status < 400 || status > 599 {
			status = 0
		}
		if words(inner.Type) == "insufficient_quota" {
			code = "insufficient_quota"
		}
		return text, code, status
	}
	for _, raw := range []json.RawMessage{top.Error, top.Message, top.Detail} {
		if text := words(raw); text != "" {
			return text, "", 0
		}
	}
	return "", "", 0
}

// words is a JSON string's text, or any other value as it stands.
func words(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	return string(raw)
}
