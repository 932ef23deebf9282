package llm

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/autosafe/autosafe/spec"
)

// A request can be put to an endpoint in several forms: JSON can be asked for
// by schema, by JSON mode or in words, and tools can be given to the endpoint
// or described in the prompt. Where the recipe leaves the form open ("auto"),
// the forms stand in a fixed order, and two rules decide:
//
//   - An answer is looked up in all of them, and the first one that is stored
//     counts. So a rebuild needs no memory of what an endpoint took.
//   - If none is stored, the call is made in the first form that this client
//     has not seen refused. A refusal moves on to the next, and costs no retry.
//
// What was refused is known by endpoint and model, and forgotten with the
// client: the next build asks again, which costs a refused request.

// form is one way to put a request.
type form struct {
	structured spec.Structured // "" where no JSON is asked for
	tools      spec.ToolForm   // "" where there are no tools
}

// formsOf are the forms that a request may be put in, the best one first.
func formsOf(req Request) []form {
	native, inPrompt := len(req.Tools) > 0, false
	if native && req.Model.Provider.Type != spec.ProviderOffline {
		native = req.Model.ToolForm != spec.ToolsJSON
		inPrompt = req.Model.ToolForm == spec.ToolsJSON || req.Model.ToolForm == spec.ToolsAuto
	}
	var forms []form
	switch {
	case native && req.Schema == nil:
		forms = append(forms, form{tools: spec.ToolsNative})
	case native:
		for _, s := range structuredForms(req.Model) {
			forms = append(forms, form{s, spec.ToolsNative})
		}
	case !inPrompt && req.Schema == nil:
		return []form{{}}
	case !inPrompt:
		for _, s := range structuredForms(req.Model) {
			forms = append(forms, form{structured: s})
		}
	}
	if inPrompt {
		for _, s := range structuredForms(req.Model) {
			forms = append(forms, form{s, spec.ToolsJSON})
		}
	}
	return forms
}

// structuredForms are the ways to get JSON out of a model that its recipe
// allows. The offline model reads the schema itself.
func structuredForms(m *spec.Model) []spec.Structured {
	switch {
	case m.Structured == "" || m.Provider.Type == spec.ProviderOffline:
		return []spec.Structured{spec.StructuredSchema}
	case m.Structured == spec.StructuredAuto:
		return []spec.Structured{spec.StructuredSchema, spec.StructuredObject, spec.StructuredText}
	}
	return []spec.Structured{m.Structured}
}

// shaped is a request in one form.
type shaped struct {
	form form
	at   int  // in the order of forms
	last bool // there is no other form to move on to
	req  Request
	wire wire
	key  [sha256.Size]byte
	// found is what the store had when it was asked; its absence may have
	// passed.
	found found
}

// shapes puts a request into its forms, each when it is first wanted.
type shapes struct {
	req   Request
	forms []form
	done  []*shaped
}

func newShapes(req Request) *shapes {
	forms := formsOf(req)
	return &shapes{req: req, forms: forms, done: make([]*shaped, len(forms))}
}

func (s *shapes) get(i int) (*shaped, error) {
	if s.done[i] != nil {
		return s.done[i], nil
	}
	w, parts, err := shapeAs(s.req, s.forms[i])
	if err != nil {
		return nil, err
	}
	s.done[i] = &shaped{form: s.forms[i], at: i, last: i == len(s.forms)-1, req: s.req, wire: w, key: parts.Digest()}
	return s.done[i], nil
}

// learned is what endpoints were found to refuse. The zero value is ready.
type learned struct {
	mu     sync.Mutex
	models map[string]*habits // by endpoint identity and model
}

// habits are what one model at one endpoint refuses or does not heed.
type habits struct {
	mu      sync.Mutex
	refused map[refusal]bool
	schemas map[string]bool              // that were refused for what they say
	ignored map[spec.Structured]attended // how replies in a form came
}

// attended counts replies in a form.
type attended struct{ heeded, unheeded int }

func (l *learned) of(m *spec.Model) *habits {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := m.Provider.Identity() + "\x00" + m.ID
	if l.models == nil {
		l.models = map[string]*habits{}
	}
	if l.models[id] == nil {
		l.models[id] = &habits{refused: map[refusal]bool{}, schemas: map[string]bool{}, ignored: map[spec.Structured]attended{}}
	}
	return l.models[id]
}

// maxUnheeded is how many replies without any JSON it takes, with none that
// has any, to give a form up.
const maxUnheeded = 3

// takes says whether a form is worth a call. h.mu is held.
func (h *habits) takes(f form, schema json.RawMessage) bool {
	switch {
	case f.tools == spec.ToolsNative && h.refused[refusedTools]:
		return false
	case f.structured == spec.StructuredSchema && (h.refused[refusedSchema] || h.schemas[string(schema)]):
		return false
	case f.structured == spec.StructuredObject && h.refused[refusedObject]:
		return false
	}
	seen := h.ignored[f.structured]
	return seen.heeded > 0 || seen.unheeded < maxUnheeded
}

// first is the form in which a request is best put, from the given one on; the
// last one if all are refused.
func (h *habits) first(s *shapes, from int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := from; i < len(s.forms); i++ {
		if h.takes(s.forms[i], s.req.Schema) {
			return i
		}
	}
	return len(s.forms) - 1
}

// refuse notes a refusal, and says whether it is news.
func (h *habits) refuse(r refusal, schema string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r == refusedSchema && schema != "" {
		known := h.schemas[schema]
		h.schemas[schema] = true
		return !known && len(h.schemas) == 1
	}
	known := h.refused[r]
	h.refused[r] = true
	return !known
}

// heed notes whether a reply in a form was JSON at all, and says whether the
// form is given up with it.
func (h *habits) heed(f form, heeded bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := h.ignored[f.structured]
	if heeded {
		seen.heeded++
	} else {
		seen.unheeded++
	}
	h.ignored[f.structured] = seen
	return !heeded && seen.heeded == 0 && seen.unheeded == maxUnheeded
}

// body is what is sent of a request with this body: all of it, but for what the
// endpoint refuses and that changes nothing of what is asked. The key, and the
// record, have the request itself.
func (h *habits) body(w wire, body []byte) []byte {
	h.mu.Lock()
	limit, seed := h.refused[refusedLimit], h.refused[refusedSeed]
	h.mu.Unlock()
	if !limit && !seed {
		return body
	}
	sent := make(wire, 0, len(w))
	for _, f := range w {
		if seed && f.name == "seed" {
			continue
		}
		if limit {
			f.name = otherLimit(f.name)
		}
		sent = append(sent, f)
	}
	return sent.body()
}

// otherLimit is the other name of the limit on a reply's tokens.
func otherLimit(name string) string {
	switch name {
	case "max_tokens":
		return "max_completion_tokens"
	case "max_completion_tokens":
		return "max_tokens"
	}
	return name
}

// call answers one request from the store or from the endpoint. Forms before
// from are looked up, and not asked in.
func (c *client) call(ctx context.Context, req Request, from int, tally *Tally) (got, error) {
	forms := newShapes(req)
	s, err := c.storedForm(forms)
	if err != nil {
		return got{}, &Error{Code: CodeRejected, Summary: "the request cannot be sent", Detail: clip(plain(err.Error()), maxDetail)}
	}
	if s != nil && s.found.ok {
		return s.got(c.give(s.found, s.key, req, tally)), nil
	}
	tried := map[refusal]bool{}
	for {
		s = forms.done[c.learned.of(req.Model).first(forms, from)] // storedForm has shaped them all
		out, err := c.askAs(ctx, s, tally)
		if err == nil {
			return s.got(out), nil
		}
		var e *Error
		if !errors.As(err, &e) || !c.moveOn(s, e, tried) {
			countFailed(err, tally)
			return got{}, err
		}
	}
}

// got notes in which form an answer was had.
func (s *shaped) got(g got) got {
	g.form, g.at, g.last = s.form, s.at, s.last
	return g
}

// storedForm is the first form whose answer is stored; nil if none is. A
// request with one form need not be looked up here.
func (c *client) storedForm(forms *shapes) (*shaped, error) {
	for i := range forms.forms {
		s, err := forms.get(i)
		if err != nil {
			return nil, err
		}
		if len(forms.forms) == 1 {
			return s, nil
		}
		s.found = c.stored(s.key)
		if s.found.ok && c.counts(s.found, s.key, s.req) {
			return s, nil
		}
	}
	return nil, nil
}

// moveOn says whether a call that was refused is to be made again in another
// way: in the next form, or with a field changed. It notes why.
func (c *client) moveOn(s *shaped, e *Error, tried map[refusal]bool) bool {
	instead := ""
	switch e.refused {
	case refusedLimit:
		instead = "sending the limit under its other name"
	case refusedSeed:
		instead = "leaving the seed out"
	case refusedTools:
		instead = "the tools are described in the prompt instead"
	case refusedSchema, refusedObject:
		instead = "the schema stands in the prompt instead"
	default:
		return false
	}
	change := e.refused == refusedLimit || e.refused == refusedSeed
	if change && tried[e.refused] || !change && s.last {
		return false
	}
	tried[e.refused] = true
	schema := ""
	if e.refusedSchema {
		schema = string(s.req.Schema)
	}
	if c.learned.of(s.req.Model).refuse(e.refused, schema) && c.opts.Notify != nil {
		c.opts.Notify(fmt.Sprintf("%s (model %s): %s", e.reason, modelOf(s.wire), instead), e.Detail)
	}
	return true
}

// attend notes whether an endpoint heeds a form, by a reply that was made in
// it, and says in which form the next question on the same matter begins: in
// another one, if there was no JSON in the reply.
func (c *client) attend(req Request, g got, bad *misfit) (from int) {
	if g.form.structured == "" || g.last || g.answer.FinishReason == finishLength {
		return 0
	}
	heeded := bad == nil || !bad.noJSON
	if !g.cached && c.learned.of(req.Model).heed(g.form, heeded) && c.opts.Notify != nil {
		c.opts.Notify(fmt.Sprintf("model %q does not heed response_format %q: the schema stands in the prompt instead", clip(plain(req.Model.ID), 100), g.form.structured), "")
	}
	if heeded {
		return 0
	}
	return g.at + 1
}
