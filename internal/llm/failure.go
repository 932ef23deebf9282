package llm

import (
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

	"github.com/autosafe/autosafe/spec"
)

// failure is one attempt that gave no answer.
type failure struct {
	err       Error
	retry     bool          // the same request may succeed later
	after     time.Duration // the endpoint asks to wait that long
	noContact bool          // nothing listens there
	lost      bool          // there may have been an answer, and a charge for it
	busy      bool          // the endpoint had no room for the request
	fault     fault         // whose doing it is
	shuts     shuts         // what is not to be asked any more
	advice    string        // in place of that about base_url, where there is no contact
	// hearsay are the messages of a request which the endpoint turned down in
	// words that may be theirs. So nothing is shut that others do not confirm.
	hearsay string
}

// shuts says to what a failure puts an end: every other request there would
// fail alike.
type shuts int

const (
	shutsNothing shuts = iota
	shutsModel         // at that endpoint
	shutsEndpoint
)

// alone has the failure be about its own call. It may be otherwise with the next
// one, or the next time.
func (f *failure) alone() {
	f.shuts, f.err.Fatal, f.err.Transient = shutsNothing, false, true
}

// outcome is what the failure means for other calls.
func (f *failure) outcome() outcome {
	o := outcome{kind: declined, fault: f.fault, shuts: f.shuts, after: f.after, hearsay: f.hearsay}
	switch {
	case f.busy:
		o.kind = refused
	case f.fault != faultNone:
		o.kind = failed
	}
	return o
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
	if f := e.refusal(status, x.reply, w); f != nil {
		return f
	}
	f := e.byStatus(status, text, code, w)
	f.err.Detail = e.redact.text(text)
	if loc := x.header.Get("Location"); x.status < 400 && loc != "" {
		f.err.Detail = e.redact.text("it redirects to " + loc)
	}
	f.after = retryAfter(x.header, e.clock.now())
	return f
}

// noReply is a good status with a body that is no reply.
func (e *endpoint) noReply(text string, err error) *failure {
	detail := text
	if detail == "" && err != nil {
		detail = err.Error()
	}
	return &failure{retry: true, lost: true, fault: faultSuspect, err: Error{
		Code: CodeUnavailable, Transient: true,
		Summary: e.name + " gave an answer that is no chat completion",
		Detail:  e.redact.text(detail),
	}}
}

func (e *endpoint) noAnswer(err error) *failure {
	if f := e.proxyFailure(err); f != nil {
		return f
	}
	f := &failure{retry: true, lost: true, fault: faultSuspect, err: Error{
		Code: CodeUnavailable, Transient: true,
		Summary: e.name + " does not answer",
		Detail:  e.redact.text(shortNetError(err)),
	}}
	var badCert *tls.CertificateVerificationError
	switch {
	case errors.Is(err, errTooLarge):
		f.retry, f.fault = false, faultNone
		f.err.Transient = false
		f.err.Summary = e.name + " gave no usable answer"
	case errors.As(err, &badCert):
		f.retry, f.lost, f.fault, f.shuts = false, false, faultNone, shutsEndpoint
		f.err.Fatal = true
		f.err.Summary = e.name + " has no certificate that is trusted here: if it is of an authority of your own, name that in ca_file"
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		f.err.Code = CodeTimeout
		f.err.Summary = fmt.Sprintf("%s did not answer within %s", e.name, e.timeout)
		f.err.Detail = ""
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errBroken):
		f.err.Summary = e.name + " broke its answer off"
	default:
		f.noContact = noContact(err)
		f.lost = !f.noContact
		if f.noContact {
			f.fault = faultLink
		}
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
		f.shuts = shutsEndpoint
		f.err = Error{Code: CodeUnauthorized, Fatal: true, Summary: e.name + " refuses the API key" + says + ": " + e.keyAdvice()}
	case status == http.StatusNotFound:
		f.shuts = shutsModel
		f.err = Error{Code: CodeNotFound, Fatal: true,
			Summary: fmt.Sprintf("%s does not know the model %s%s: %s", e.name, modelOf(w), says, e.nameAdvice())}
	case status == http.StatusPaymentRequired || code == "insufficient_quota":
		f.shuts = shutsEndpoint
		f.err = Error{Code: CodeRateLimited, Fatal: true, Summary: e.name + " says that the account's credit is used up" + says}
	case status == http.StatusTooManyRequests:
		f.retry, f.busy = true, true
		f.err = Error{Code: CodeRateLimited, Transient: true, Summary: e.name + " is limiting the rate of calls" + says}
	case status == http.StatusRequestTimeout || status == http.StatusConflict || status == http.StatusTooEarly || status >= 500:
		f.retry = true
		f.lost = status == http.StatusGatewayTimeout // what was waited for may still have been made
		f.busy = status == http.StatusServiceUnavailable || status == statusOverloaded
		f.fault = blame(status)
		f.err = Error{Code: CodeUnavailable, Transient: true, Summary: e.name + " is not able to answer" + says}
	case status < 400:
		f.shuts = shutsEndpoint
		f.err = Error{Code: CodeRejected, Fatal: true, Summary: e.name + " sends calls elsewhere" + says + ": set base_url to where the endpoint is"}
	case tooLong(status, text, code):
		f.err = Error{Code: CodeContext, Summary: "the request is longer than the model takes" + says}
	default:
		f.err = Error{Code: CodeRejected, Summary: e.name + " rejects the request" + says}
	}
	return f
}

// statusOverloaded is what some endpoints say in place of 503.
const statusOverloaded = 529

// blame says whose doing a status is that may pass.
func blame(status int) fault {
	switch status {
	case http.StatusConflict, http.StatusTooEarly:
		return faultNone
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, statusOverloaded:
		return faultEndpoint
	}
	return faultSuspect
}

func (e *endpoint) keyAdvice() string {
	attr, variable := `api_key of provider "`+e.provider.Name+`"`, "OPENAI_API_KEY"
	if e.provider.Type == spec.ProviderAzure {
		variable = "AZURE_OPENAI_API_KEY"
	}
	if e.provider.APIKey.Reveal() == "" {
		return fmt.Sprintf("%s is empty; set it, or the environment variable it reads (usually %s)", attr, variable)
	}
	return fmt.Sprintf("check %s and the environment variable it reads (usually %s)", attr, variable)
}

func (e *endpoint) nameAdvice() string {
	if e.provider.Type == spec.ProviderAzure {
		return "check that a deployment has the model's name, base_url (the address of the resource) and api_version"
	}
	return "check the model's name, and base_url (which for most servers ends in /v1)"
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
	return containsAny(text, "response_format", "response format", "response_schema", "json_schema", "json schema", "json_object", "structured output", "guided")
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

func modelOf(w wire) string { return fmt.Sprintf("%q", clip(plain(wireModel(w)), 100)) }

// wireModel is the endpoint's name for the model that a request is for.
func wireModel(w wire) (id string) {
	for _, f := range w {
		if f.name == "model" {
			_ = json.Unmarshal(f.value, &id) // it was marshalled from a string
		}
	}
	return id
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
