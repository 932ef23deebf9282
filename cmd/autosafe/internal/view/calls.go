package view

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/internal/provenance"
)

// CallList shows calls as they are read, and keeps few of them.
type CallList struct {
	v      *View
	table  table
	listed int
}

// callsPage is how many calls stand in one table: its columns are as wide as
// these need.
const callsPage = 100

// keyDigits is how much of a call's key is shown where that will do.
const keyDigits = 12

// replyStart is how much of a reply is shown in a list, in columns.
const replyStart = 60

// Calls begins a list of calls.
func (v *View) Calls() *CallList {
	l := &CallList{v: v}
	l.begin()
	return l
}

func (l *CallList) begin() {
	l.table = table{
		heads: []string{"Call", "Time", "In", "Out", "Cost", "Took", "Asked"},
		spare: []string{"Took", "In", "Out", "Time"},
	}
}

// callLine is a call as a JSON line.
type callLine struct {
	Type string `json:"type"`
	*provenance.StoredCall
}

// Add shows a call.
func (l *CallList) Add(c *provenance.StoredCall) {
	l.listed++
	if l.v.opts.JSON {
		l.v.line(callLine{"call", c})
		return
	}
	in, out := count(int64(c.InputTokens)), count(int64(c.OutputTokens))
	if c.Estimated {
		in, out = "~"+in, "~"+out
	}
	cost, took := "", ""
	if c.CostUSD != nil {
		cost = dollars(*c.CostUSD)
	}
	if c.Millis > 0 {
		took = duration(float64(c.Millis) / 1000)
	}
	l.table.add(c.Key[:min(len(c.Key), keyDigits)], when(c.Time), in, out, cost, took, asked(c))
	if len(l.table.rows) == callsPage {
		l.flush()
	}
}

// asked says who was asked, and how the reply begins.
func asked(c *provenance.StoredCall) string {
	who := strings.TrimSpace(Clean(c.Purpose) + " " + Clean(c.Model))
	if c.Unfit != "" {
		return who + ", unfit: " + clip(Clean(c.Unfit), replyStart)
	}
	reply := ""
	if r := c.Reply; r != nil {
		reply = r.Content
		for _, t := range r.ToolCalls {
			reply += " " + t.Name + " " + t.Arguments
		}
		if reply == "" {
			reply = r.Refusal
		}
	}
	return who + ": " + clip(Clean(strings.Join(strings.Fields(reply), " ")), replyStart)
}

func (l *CallList) flush() {
	var b strings.Builder
	l.table.render(&b, l.v.outWidth())
	l.v.result(b.String())
	l.begin()
}

// End ends the list, of so many calls that were found.
func (l *CallList) End(found int) {
	if l.v.opts.JSON {
		l.v.lastLine(struct {
			Type   string `json:"type"`
			Listed int    `json:"listed"`
			Found  int    `json:"found"`
		}{"calls", l.listed, found})
		return
	}
	if len(l.table.rows) > 0 {
		l.flush()
	}
	switch more := found - l.listed; {
	case found == 0:
		l.v.result("No such call is in this cache.\n")
	case more > 0:
		l.v.result(fmt.Sprintf("… and %s; -limit 0 lists all\n", plural(int64(more), "older call")))
	}
}

// Call shows a call whole, with the rows that rest on it. Without full, long
// messages are cut.
func (v *View) Call(c *provenance.StoredCall, uses []provenance.CallUse, more int, full bool) {
	if v.opts.JSON {
		if uses == nil {
			uses = []provenance.CallUse{}
		}
		v.lastLine(struct {
			callLine
			Uses     []provenance.CallUse `json:"uses"`
			MoreUses int                  `json:"more_uses,omitempty"`
		}{callLine{"call", c}, uses, more})
		return
	}
	p := lineagePage{page: v.page(), full: full}
	p.head("Call "+Clean(c.Key), callAbout(&c.Call))
	p.callFields(c)
	p.WriteString("\n")
	for _, m := range c.Messages {
		p.message(m.Role, m.Content, m.ToolCalls)
	}
	if c.Reply != nil {
		p.reply(c.Reply)
	}
	p.uses(uses, more)
	if p.cut {
		p.WriteString("\nLong messages are cut; -full shows all of them, -json all there is.\n")
	}
	v.result(p.String())
}

// callFields tells what is known of a call beside what was said.
func (p *lineagePage) callFields(c *provenance.StoredCall) {
	p.field("time", when(c.Time))
	p.field("at", Clean(c.Endpoint))
	tokens := fmt.Sprintf("%s in, %s out", count(int64(c.InputTokens)), count(int64(c.OutputTokens)))
	if c.CachedInputTokens > 0 {
		tokens += fmt.Sprintf("; %s of the input were known to the endpoint", count(int64(c.CachedInputTokens)))
	}
	if c.ReasoningTokens > 0 {
		tokens += fmt.Sprintf("; %s of the output are reasoning", count(int64(c.ReasoningTokens)))
	}
	if c.Estimated {
		tokens += "; estimated, the endpoint did not say"
	}
	p.field("tokens", tokens)
	switch {
	case c.Endpoint == "offline":
		p.field("cost", "nothing: the offline model is a set of rules")
	case c.CostUSD == nil:
		p.field("cost", "not known: no build with a price for this model is recorded")
	case *c.CostUSD > 0:
		p.field("cost", dollars(*c.CostUSD))
	}
	if c.Sample > 0 || c.Generation > 0 {
		p.field("sample", strconv.Itoa(c.Sample)+", generation "+strconv.Itoa(c.Generation))
	}
	if c.Unfit != "" {
		p.field("unfit", Clean(c.Unfit))
	}
	p.params(c.Params)
}

// params shows the other fields of a request, a line each.
func (p *lineagePage) params(raw json.RawMessage) {
	var fields map[string]json.RawMessage
	if len(raw) == 0 || json.Unmarshal(raw, &fields) != nil {
		return
	}
	for i, name := range slices.Sorted(maps.Keys(fields)) {
		lead := "sent"
		if i > 0 {
			lead = ""
		}
		text := string(fields[name])
		if !p.full && columns(text) > paramStart {
			text, p.cut = clip(text, paramStart), true
		}
		p.field(lead, Clean(name)+" = "+Clean(text))
	}
}

// paramStart is how much of a field of a request is shown, in columns.
const paramStart = 400

// uses lists the rows that rest on a call.
func (p *lineagePage) uses(uses []provenance.CallUse, more int) {
	p.WriteString("\n")
	if len(uses) == 0 {
		p.text(0, "No row of a recorded build rests on it.")
		return
	}
	t := table{heads: []string{"Used by", "Build", "Row"}}
	for _, u := range uses {
		row := Clean(u.Row)
		if u.Sample > 0 {
			row += ", sample " + strconv.Itoa(u.Sample)
		}
		t.add(Clean(u.Address), Clean(u.Build), row)
	}
	t.render(&p.Builder, p.width)
	if more > 0 {
		p.WriteString("… and " + plural(int64(more), "more row") + "\n")
	}
}

// CallsExported says that a log was written.
func (v *View) CallsExported(file string, calls int) {
	if v.opts.JSON {
		v.lastLine(struct {
			Type  string `json:"type"`
			File  string `json:"file"`
			Calls int    `json:"calls"`
		}{"calls_export", file, calls})
		return
	}
	v.result(plural(int64(calls), "call") + " in " + Clean(file) + ".\n")
}

// Results is standard output, for a result that is written as it is. What
// goes wrong is told by Lost.
func (v *View) Results() io.Writer { return results{v} }

type results struct{ v *View }

func (r results) Write(b []byte) (int, error) {
	r.v.mu.Lock()
	defer r.v.mu.Unlock()
	n, err := r.v.opts.Stdout.Write(b)
	if err != nil {
		r.v.note(err)
	}
	return n, err
}
