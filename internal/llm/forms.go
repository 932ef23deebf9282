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
// the forms stand in a fixed order:
//
//   - An answer is looked up in all of them, and the first one that is stored
//     counts. So a rebuild needs no memory of what an endpoint took.
//   - If none is stored, the call is made in the first form. A refusal moves on
//     to the next, and costs no retry.
//   - A reply without any JSON counts as one that does not fit, and what is
//     asked next about the matter goes in the next form.
//
// So the form in which a call ends depends on what the endpoint says to that
// call, and on nothing that was said to others: their order is chance, and the
// form is in the key. The price is a refused request for each call; who does
// not want to pay it is told what to set.

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
	req  *Request
	wire wire
	key  [sha256.Size]byte
	// found is what the store had when it was looked at; its absence may have
	// passed.
	found  found
	looked bool
}

// shapes puts a request into its forms, each when it is first wanted.
type shapes struct {
	req       *Request
	constants *constants
	forms     []form
	done      []*shaped
}

func (c *client) newShapes(req *Request) *shapes {
	forms := formsOf(*req)
	return &shapes{req: req, constants: &c.constants, forms: forms, done: make([]*shaped, len(forms))}
}

func (s *shapes) get(i int) (*shaped, error) {
	if s.done[i] != nil {
		return s.done[i], nil
	}
	in := s.forms[i]
	w, parts, err := (&shaper{constants: s.constants, said: s.said(in)}).shape(s.req, in)
	if err != nil {
		return nil, err
	}
	s.done[i] = &shaped{form: in, at: i, last: i == len(s.forms)-1, req: s.req, wire: w, key: parts.Digest()}
	return s.done[i], nil
}

// said is the messages of a request in a form that says the same: the schema
// and the tools stand in the prompt, or do not.
func (s *shapes) said(in form) json.RawMessage {
	for _, d := range s.done {
		if d != nil && d.form.tools == in.tools && (in.inPrompt() || d.form.schemaInPrompt() == in.schemaInPrompt()) {
			return d.wire.get("messages")
		}
	}
	return nil
}

// schemaInPrompt says whether the schema stands in the prompt of a form without
// tools in words.
func (f form) schemaInPrompt() bool {
	return f.structured != "" && f.structured != spec.StructuredSchema
}

// learned is what was met at endpoints, by model. Nothing in it shows in a key.
// The zero value is ready.
type learned struct {
	mu     sync.Mutex
	models map[string]*habits // by endpoint identity and model
}

// habits are those of one model at one endpoint.
type habits struct {
	mu         sync.Mutex
	otherLimit bool                    // it takes the other name of the limit on tokens
	told       map[string]bool         // the user was told of
	noJSON     map[spec.Structured]int // replies without JSON in a form
}

func (l *learned) of(m *spec.Model) *habits {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := m.Provider.Identity() + "\x00" + m.ID
	if l.models == nil {
		l.models = map[string]*habits{}
	}
	if l.models[id] == nil {
		l.models[id] = &habits{told: map[string]bool{}, noJSON: map[spec.Structured]int{}}
	}
	return l.models[id]
}

// isNews says whether the user has not been told of something, and counts it
// as told.
func (h *habits) isNews(what string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	told := h.told[what]
	h.told[what] = true
	return !told
}

// manyNoJSON is how many replies to a form without any JSON the user hears of.
const manyNoJSON = 3

// withoutJSON counts a reply without JSON, and says whether that makes many.
func (h *habits) withoutJSON(in spec.Structured) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.noJSON[in]++
	return h.noJSON[in] == manyNoJSON
}

// limitName says whether the limit on tokens goes by its other name.
func (h *habits) limitName() (other bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.otherLimit
}

// learnLimit notes under which name the limit was taken.
func (h *habits) learnLimit(other bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.otherLimit = other
}

// altered is how what is sent differs from the request itself, which the key
// and the record have.
type altered struct{ otherLimit, noSeed bool }

func (a altered) wire(w wire) wire {
	if a == (altered{}) {
		return w
	}
	sent := make(wire, 0, len(w))
	for _, f := range w {
		if a.noSeed && f.name == "seed" {
			continue
		}
		if a.otherLimit {
			f.name = otherLimit(f.name)
		}
		sent = append(sent, f)
	}
	return sent
}

// put has an endpoint answer a call. If it refuses a field that does not
// change what is asked, the call is put without it, or with its other name.
//
// Which name the limit goes by is remembered: both mean the same, and each call
// tries both before it fails. That a seed is refused is not: an answer with it
// may be another one than without.
func (c *client) put(ctx context.Context, e *endpoint, k [sha256.Size]byte, req Request, o order, keyed []byte, pending *batchID) (got, error) {
	h := c.learned.of(req.Model)
	asKeyed := o.wire
	ch := altered{otherLimit: h.limitName()}
	var limitErr error // what was said to the name in the key
	limits := 0
	for {
		o.wire, o.body = asKeyed, keyed
		if ch != (altered{}) {
			o.wire = ch.wire(asKeyed)
			o.body = o.wire.body()
		}
		out, err := c.send(ctx, e, k, req, o, keyed, pending)
		var refused *Error
		switch {
		case err == nil:
			if limits > 0 {
				h.learnLimit(ch.otherLimit)
			}
			return out, nil
		case !errors.As(err, &refused):
			return got{}, err
		case refused.refused == refusedSeed && !ch.noSeed:
			ch.noSeed = true
			c.tellRefused(req.Model, refused, "leaving the seed out; each call with one is refused first, so leave it out of the recipe")
		case refused.refused == refusedLimit && pending != nil: // under a name that was chosen then
		case refused.refused == refusedLimit:
			if !ch.otherLimit {
				limitErr = err
			}
			if limits++; limits > 1 {
				return got{}, limitErr
			}
			ch.otherLimit = !ch.otherLimit
			c.tellRefused(req.Model, refused, "sending the limit under its other name")
		default:
			return got{}, err
		}
		pending = nil // it is settled
	}
}

// send puts a call to an endpoint once, in a batch or live.
func (c *client) send(ctx context.Context, e *endpoint, k [sha256.Size]byte, req Request, o order, keyed []byte, pending *batchID) (got, error) {
	if out, err := c.batches.batched(ctx, e, k, req, o, keyed, pending); out != nil || err != nil {
		return deref(out), err
	}
	a, err := c.ask(ctx, o)
	return got{answer: a, key: k}, err
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

// call answers one request from the store or from the endpoint, in one of its
// forms from the given one on.
func (c *client) call(ctx context.Context, req Request, from int, tally *Tally) (got, error) {
	forms := c.newShapes(&req)
	s, err := c.storedForm(forms, from)
	if err != nil {
		return got{}, &Error{Code: CodeRejected, Summary: "the request cannot be sent", Detail: clip(plain(err.Error()), maxDetail)}
	}
	if s != nil && s.found.ok {
		return s.got(c.give(s.found, s.key, req, tally)), nil
	}
	refused := map[refusal]bool{}
	for at := from; ; {
		s = forms.done[at] // storedForm has shaped them all
		out, err := c.askAs(ctx, s, tally)
		if err == nil {
			return s.got(out), nil
		}
		next := len(forms.forms)
		var e *Error
		if errors.As(err, &e) && e.refused != "" {
			refused[e.refused] = true
			next = forms.next(at, refused)
		}
		if next == len(forms.forms) {
			countFailed(err, tally)
			return got{}, err
		}
		at = next
		c.tellForm(req.Model, e)
	}
}

// next is the first form after the given one that is not refused; the number
// of forms, if there is none.
func (s *shapes) next(at int, refused map[refusal]bool) int {
	for at++; at < len(s.forms); at++ {
		f := s.forms[at]
		if f.tools == spec.ToolsNative && refused[refusedTools] || f.structured != "" && refused[refusal(f.structured)] {
			continue
		}
		break
	}
	return at
}

// got notes in which form an answer was had.
func (s *shaped) got(g got) got {
	g.form, g.at, g.last = s.form, s.at, s.last
	return g
}

// storedForm is the first form, from the given one on, whose answer is stored;
// nil if none is. A request with one form need not be looked up here.
func (c *client) storedForm(forms *shapes, from int) (*shaped, error) {
	for i := from; i < len(forms.forms); i++ {
		s, err := forms.get(i)
		if err != nil {
			return nil, err
		}
		if len(forms.forms) == 1 {
			return s, nil
		}
		// The first look-up has taken in what other processes have put.
		s.found, s.looked = c.stored(s.key, i > from), true
		if s.found.ok && (!s.req.Refresh || c.wasAsked(s.key)) {
			return s, nil
		}
	}
	return nil, nil
}

// tellForm tells once of a form that an endpoint refuses.
func (c *client) tellForm(m *spec.Model, e *Error) {
	switch e.refused {
	case refusedTools:
		c.tellRefused(m, e, `the tools are described in the prompt instead; set tool_form = "json" in the model block to save a refused request for each call`)
	case refusedSchema:
		c.tellRefused(m, e, `the schema stands in the prompt instead; set structured = "json_object" or "text" in the model block to save a refused request for each call`)
	case refusedObject:
		c.tellRefused(m, e, `the schema stands in the prompt instead; set structured = "text" in the model block to save refused requests for each call`)
	}
}

// tellRefused tells once of what an endpoint refuses of a model's requests,
// and what is done about it.
func (c *client) tellRefused(m *spec.Model, e *Error, instead string) {
	if c.opts.Notify != nil && c.learned.of(m).isNews(string(e.refused)) {
		c.opts.Notify(fmt.Sprintf("%s (model %q): %s", e.reason, clip(plain(m.ID), 100), instead), e.Detail)
	}
}

// attend says in which form the next question on the same matter begins: in
// that of the answer, or in the next one if there was no JSON in it. Many such
// answers are told of.
func (c *client) attend(m *spec.Model, g got, bad *misfit) (from int) {
	if bad == nil || !bad.noJSON || g.form.structured == "" || g.last || g.answer.FinishReason == finishLength {
		return g.at
	}
	if !g.cached && c.learned.of(m).withoutJSON(g.form.structured) && c.opts.Notify != nil {
		c.opts.Notify(fmt.Sprintf("model %q gives replies without JSON to response_format %q: such a call is asked again in another form",
			clip(plain(m.ID), 100), g.form.structured), `If it does so often, set structured = "json_object" or "text" in the model block: each such reply is paid for.`)
	}
	return g.at + 1
}
