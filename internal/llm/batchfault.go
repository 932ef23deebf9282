package llm

import (
	"fmt"
	"strings"

	openai "github.com/sashabaranov/go-openai"
)

// lineError is a request that the batch did not come to.
func (r *batchRun) lineError(code, text string) *failure {
	f := &failure{retry: true, err: Error{Code: CodeUnavailable, Transient: true, Detail: r.e.redact.text(strings.TrimSpace(code + " " + text)),
		Summary: r.e.name + " did not answer a request of a batch"}}
	switch code {
	case "batch_expired":
		return r.expired()
	case "batch_cancelled":
		f.err.Code = codeCancelled
	case "rate_limit_exceeded":
		f.err.Code = CodeRateLimited
	}
	return f
}

func (r *batchRun) expired() *failure {
	return &failure{retry: true, err: Error{Code: CodeTimeout, Transient: true,
		Summary: fmt.Sprintf("%s did not come to a request within the %s of a batch", r.e.name, batchWindow)}}
}

// cancelled is the failure of a request whose batch was cancelled while this
// build waited for it: somebody wanted that. nil, to ask anew, if it was
// cancelled before.
func (r *batchRun) cancelled() *failure {
	if !r.seenAlive {
		return nil
	}
	return &failure{err: Error{Code: CodeUnavailable, Transient: true,
		Summary: fmt.Sprintf("%s was cancelled; build again to send what it did not come to once more", batchName(r.note))}}
}

// codeCancelled marks a request that its batch did not come to because it was
// cancelled. Nobody sees it: what becomes of these requests others decides.
const codeCancelled Code = "batch_cancelled"

// others is what became of the requests of which the files say nothing; nil
// if they are to be asked anew.
func (h *harvest) others() *failure {
	r := h.r
	switch strings.ToLower(h.batch.Status) {
	case statusExpired:
		return r.expired()
	case statusCancelled:
		return r.cancelled()
	case statusFailed:
		if len(h.failed) > 0 {
			return nil
		}
		return r.rejected(h.batch)
	}
	return &failure{retry: true, err: Error{Code: CodeUnavailable, Transient: true,
		Summary: r.e.name + " left a request of a batch unanswered"}}
}

// batchProblem is a reason why a batch was not taken.
type batchProblem struct {
	code, text string
	line       int // of the file, from 1; 0: it is about all of it
}

func problemsOf(b openai.Batch) (list []batchProblem) {
	if b.Errors == nil || !strings.EqualFold(b.Status, statusFailed) {
		return nil
	}
	for _, d := range b.Errors.Data {
		p := batchProblem{code: d.Code, text: d.Message}
		if d.Line != nil {
			p.line = max(0, *d.Line)
		}
		list = append(list, p)
	}
	return list
}

// problemWords are the codes and the texts of the first problems.
func problemWords(b openai.Batch) (codes, texts string) {
	var c, t []string
	for _, p := range problemsOf(b) {
		if len(c) == 20 {
			break
		}
		c, t = append(c, p.code), append(t, p.text)
	}
	return strings.Join(c, " "), strings.Join(t, "; ")
}

// refusedForRoom: more is waiting at the endpoint than it allows.
func refusedForRoom(b openai.Batch) bool {
	codes, texts := problemWords(b)
	return containsAny(codes, "token_limit_exceeded", "request_limit_exceeded") || containsAny(texts, "enqueued token limit", "enqueued tokens")
}

// rejected is the failure of all requests of a batch that was not taken.
func (r *batchRun) rejected(b openai.Batch) *failure {
	codes, texts := problemWords(b)
	f := &failure{err: Error{Detail: r.e.redact.text(strings.TrimSpace(codes + " " + texts))}}
	switch {
	case refusedForRoom(b):
		f.retry = true
		f.err.Code, f.err.Transient = CodeRateLimited, true
		f.err.Summary = r.e.name + " takes no further batch now: more is waiting there than it allows"
	case containsAny(codes, "model_not_found", "invalid_model"):
		f.err.Code, f.err.Fatal = CodeNotFound, true
		f.err.Summary = fmt.Sprintf("%s does not know the model %q in batches: check the model's name, or leave mode = \"batch\" out", r.e.name, clip(plain(r.note.Model), 100))
	case containsAny(codes, "billing", "insufficient_quota"):
		f.err.Code, f.err.Fatal = CodeRateLimited, true
		f.err.Summary = r.e.name + " says that the account's credit is used up"
	case codes == "":
		f.retry = true
		f.err.Code, f.err.Transient = CodeUnavailable, true
		f.err.Summary = r.e.name + " failed at a batch"
	default:
		f.err.Code, f.err.Fatal = CodeRejected, true
		f.err.Summary = r.e.name + " rejects a batch"
	}
	return f
}
