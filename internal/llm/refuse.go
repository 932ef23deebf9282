package llm

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// refusal is what an endpoint does not take of a request. autosafe then does
// without it, where the recipe leaves that open.
type refusal string

const (
	refusedSchema refusal = "json_schema"
	refusedObject refusal = "json_object"
	refusedTools  refusal = "tools"
	refusedLimit  refusal = "max_tokens" // the name: max_tokens or max_completion_tokens
	refusedSeed   refusal = "seed"
)

// refusal finds out whether an endpoint turned a request down for a part of it
// that not all endpoints know; nil if it did not. It goes by the endpoint's
// words, since servers agree in no code for it. Words that it only repeats from
// the request are not its own: a row must not be able to turn a form down.
func (e *endpoint) refusal(status int, body []byte, w wire) *failure {
	text, code, _ := errorWords(body)
	text = text[:min(len(text), maxComplaint)]
	f := e.refusalSays(status, body, w, text, text, code)
	if f != nil && status != http.StatusProxyAuthRequired {
		return e.refusalSays(status, body, w, text, withoutEcho(text, w), code)
	}
	return f
}

// maxComplaint is how many bytes of what an endpoint says are looked at.
const maxComplaint = 4096

// refusalSays is refusal by the words that are the endpoint's own.
func (e *endpoint) refusalSays(status int, body []byte, w wire, text, own, code string) *failure {
	switch status {
	case http.StatusProxyAuthRequired:
		return e.proxyFailure(&proxyError{status})
	case http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusInternalServerError, http.StatusNotImplemented:
	default:
		return nil
	}
	if flagged(text, code) || tooLong(status, text, code) {
		return nil
	}
	c := complaint{strings.ToLower(own), strings.ToLower(errorParam(body)), status == http.StatusNotFound || status >= 500, w}
	if c.aboutContent() {
		return nil
	}
	says := fmt.Sprintf(" (HTTP %d)", status)
	err := Error{Code: CodeRejected, Detail: e.redact.text(text)}
	refuse := func(r refusal, what, advice string) *failure {
		err.refused, err.reason = r, e.name+" does not take "+what+says
		err.Summary = err.reason + ": " + advice
		return &failure{err: err}
	}
	switch format := formatOf(w); {
	case w.has("tools") && c.aboutTools():
		return refuse(refusedTools, "tools", `set tool_form = "json" in the model block`)
	case format != "" && c.aboutFormat():
		what, advice := fmt.Sprintf("response_format %q", format), `set structured = "json_object" or "text" in the model block`
		if format == refusedSchema && c.aboutSchema() {
			what = "this JSON Schema"
		}
		return refuse(format, what, advice)
	}
	for _, f := range w {
		if !c.about(f.name) {
			continue
		}
		switch f.name {
		case "model", "messages", "tools", "response_format":
			continue
		case "max_tokens", "max_completion_tokens":
			return refuse(refusedLimit, f.name, "leave max_tokens out of the model block")
		case "seed":
			return refuse(refusedSeed, f.name, "leave the seed out")
		}
		// What the recipe's author asked for is not dropped in silence, and
		// every other call would be refused as well.
		where := "of the model block"
		if !slices.Contains(sampling(), f.name) {
			where = "of extra_body in the model block"
		}
		err.Fatal = true
		err.Summary = fmt.Sprintf("%s does not take %s with model %s%s: leave it out %s", e.name, f.name, modelOf(w), says, where)
		refused := &failure{err: err, shuts: shutsModel}
		if c.param != f.name {
			refused.hearsay = string(w.get("messages"))
		}
		return refused
	}
	return nil
}

// sampling are the fields of a request that the arguments of a model block
// make.
func sampling() []string {
	return []string{"temperature", "top_p", "stop", "frequency_penalty", "presence_penalty", "reasoning_effort"}
}

// formatOf is the form of reply that a request asks for.
func formatOf(w wire) refusal {
	for _, f := range w {
		if f.name == "response_format" {
			var format wireFormat
			_ = json.Unmarshal(f.value, &format) // it was marshalled from one
			return refusal(format.Type)
		}
	}
	return ""
}

// complaint is what an endpoint says about a request, in lower case.
type complaint struct {
	text  string
	param string // the field it names, if it does so apart from the text
	// other: by its status it is about the model's name, or about the server
	// itself. Only words that can mean nothing else count then.
	other bool
	sent  wire
}

// aboutContent: it names the messages as what is wrong, beside its text.
func (c complaint) aboutContent() bool {
	field := c.field()
	return (field == "messages" || field == "prompt" || field == "input") && !strings.HasSuffix(c.param, "role")
}

// field is the field of the request that it names beside its text.
func (c complaint) field() string {
	if i := strings.IndexAny(c.param, "[."); i >= 0 {
		return c.param[:i]
	}
	return c.param
}

// unsupported: the endpoint does not know, or not allow, something.
func (c complaint) unsupported() bool {
	return containsAny(c.text, "unsupported", "not supported", "n't support", "not support ", "unknown", "unrecognized", "not permitted",
		"not allowed", "unexpected", "extra_forbidden", "extra inputs", "not implemented")
}

// about: the endpoint does not take the field. What it names beside its text
// goes before the text.
func (c complaint) about(field string) bool {
	if c.other || !c.unsupported() {
		return false
	}
	if named := c.field(); named != field && c.sent.has(named) {
		return false
	}
	return c.param == field || c.names(field)
}

// names: the field's name stands in the text as the name of a field does: in
// quotes, or after a colon; in words of their own or, as some endpoints write
// them, run together.
func (c complaint) names(field string) bool {
	for _, name := range []string{field, strings.ReplaceAll(field, "_", "")} {
		for _, mark := range []string{"'", `"`, "`"} {
			if strings.Contains(c.text, mark+name+mark) {
				return true
			}
		}
		for rest := c.text; ; {
			_, after, ok := strings.Cut(rest, ": "+name)
			if !ok {
				break
			}
			if after == "" || !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789_", rune(after[0])) {
				return true
			}
			rest = after
		}
	}
	return false
}

// aboutTools: the endpoint takes no tools for this model. A complaint about
// one tool's schema is no such thing.
func (c complaint) aboutTools() bool {
	if containsAny(c.text, "--jinja", "unsupported param: tools", "does not support tools", "support tool use", "tool choice requires") {
		return true
	}
	// A chat template without tools trips over their results.
	if containsAny(c.text, "roles must alternate", "message role", "roles are supported") {
		return true
	}
	if c.other || strings.HasPrefix(c.param, "tools[") || containsAny(c.text, "tools[", "for function", "tool call") {
		return false
	}
	return c.about("tools") || c.about("tool_choice") ||
		containsAny(c.text, "not support tool", "tool use is not", "tools are not", "tool calling is not", "not support function", "function calling is not")
}

// aboutFormat: the endpoint does not take the form of reply.
func (c complaint) aboutFormat() bool {
	if containsAny(c.text, "failed to parse grammar", "json schema conversion failed", "xgrammar", "guided decoding") {
		return true
	}
	return !c.other && (strings.HasPrefix(c.param, "response_format") || aboutFormat(c.text))
}

// aboutSchema: it is the schema itself that the endpoint does not take, so
// that it may take another one.
func (c complaint) aboutSchema() bool {
	return containsAny(c.text, "invalid schema", "invalid json schema", "invalid json_schema", "unknown name", "grammar", "conversion failed",
		"keyword", "schema must", "schema has", "schema is", "not permitted")
}

// errorParam is the field of the request that an error names: OpenAI's param,
// or where a validator of the request stands still.
func errorParam(body []byte) string {
	var top struct {
		Error struct {
			Param json.RawMessage `json:"param"`
		} `json:"error"`
		Param  json.RawMessage `json:"param"`
		Detail []struct {
			Loc []json.RawMessage `json:"loc"` // ["body", "seed"]
		} `json:"detail"`
	}
	_ = json.Unmarshal(body, &top) // in another form it names none
	if p := words(top.Error.Param); p != "" {
		return p
	}
	for _, d := range top.Detail {
		if len(d.Loc) > 1 {
			return words(d.Loc[1])
		}
	}
	return words(top.Param)
}
