package view

import (
	"fmt"
	"strings"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/provenance"
)

// Why shows why a step runs, or ran.
func (v *View) Why(r *provenance.WhyReport) {
	if v.opts.JSON {
		v.lastLine(struct {
			Type string `json:"type"`
			*provenance.WhyReport
		}{"why", r})
		return
	}
	p := v.page()
	p.why(r)
	v.result(p.String())
}

func (p *page) why(r *provenance.WhyReport) {
	p.whyHead(r)
	if len(r.Parts) > 0 || r.Same > 0 {
		p.WriteString("\n")
		p.parts(2, r.Parts)
		if r.Same > 0 {
			p.signed(2, "same", plural(int64(r.Same), "part")+" of its key as before")
		}
	}
	if r.Input != nil {
		p.WriteString("\n")
		p.head("Input", rowsInWords(r.Input))
		p.rows(2, r.Input)
	}
	for _, c := range r.Causes {
		p.WriteString("\n")
		p.cause(&c, r.Address)
	}
	for _, o := range r.Outputs {
		p.WriteString("\n")
		p.head(Clean(nearPath(o.Path)), outputAbout(&o))
		p.parts(2, o.Parts)
	}
	if r.Row != nil {
		p.WriteString("\n")
		p.whyRow(r.Row, r.Input != nil && r.Input.Unknown != "")
	}
	p.notes(r.Notes)
}

// outputAbout says what a build would do with an output, or did.
func outputAbout(o *provenance.OutputWhy) string {
	switch {
	case o.Reason != "":
		return PlanStatus(o.Status) + ": " + Clean(o.Reason)
	case o.Status == engine.StatusHit:
		return "was in place"
	}
	return "was written"
}

// whyHead says in a sentence what the report is about.
func (p *page) whyHead(r *provenance.WhyReport) {
	address := Clean(r.Address)
	switch {
	case r.Pending:
		p.lead(address, " would run: "+Clean(r.Reason))
		if r.Before != nil {
			p.text(0, "Compared with build "+buildName(*r.Before)+".")
		}
	case r.Before != nil && r.After != nil:
		p.lead(address, " is up to date. What made it run last:")
		p.text(0, "build "+buildName(*r.After)+", compared with "+buildName(*r.Before)+".")
	default:
		p.lead(address, " is up to date: "+Clean(r.Reason))
	}
}

// lead writes a paragraph that begins with a name.
func (p *page) lead(name, text string) {
	lines := wrap(name+text, p.room(0))
	if strings.HasPrefix(lines[0], name) {
		lines[0] = p.paint(bold, name) + lines[0][len(name):]
	}
	p.WriteString(strings.Join(lines, "\n") + "\n")
}

// cause tells of a step upstream whose own parts changed.
func (p *page) cause(c *provenance.Cause, address string) {
	about := "changed, upstream"
	if c.New {
		about = "is new, upstream"
	}
	if len(c.Via) > 0 {
		about += " through " + Clean(strings.Join(c.Via, ", "))
	}
	p.head(Clean(c.Address), about)
	p.parts(2, c.Parts)
}

// whyRow tells why a row runs, or ran. The rows of the step's input may be
// unknown as yet.
func (p *page) whyRow(r *provenance.RowWhy, unknown bool) {
	p.head("Row "+Clean(r.ID), rowWhere(r, unknown))
	if len(r.Columns) > 0 {
		p.text(2, "Columns that the step reads and that differ:")
		p.values(4, r.Columns)
	} else if r.Before && r.After {
		p.text(2, "What the step reads of it is as before.")
	}
	if r.BaseChanged {
		p.text(2, "The step's own parts differ, so that every row runs.")
	}
	for _, t := range r.Tasks {
		p.task(&t, len(r.Tasks) > 1)
	}
	for _, n := range r.Notes {
		p.hanging("  ", "Note: ", Clean(n))
	}
}

func rowWhere(r *provenance.RowWhy, unknown bool) string {
	from := ""
	if r.Input != "" && r.Input != r.ID {
		from = "made from " + Clean(r.Input) + " of its input"
	}
	where := ""
	switch {
	case unknown:
		where = "as the last build had it"
	case r.After && !r.Before:
		where = "not in the input before"
	case r.Before && !r.After:
		where = "not in the input any more"
	}
	if from != "" && where != "" {
		return from + ", " + where
	}
	return from + where
}

func (p *page) task(t *provenance.TaskWhy, several bool) {
	name := "Task"
	if several {
		name = fmt.Sprintf("Sample %d", t.Sample)
	}
	text := name + ": to run"
	if t.After == "" && t.Outcome != "" {
		text = name + ": " + Clean(t.Outcome)
	} else if t.Hit {
		text = name + ": in the cache"
		if t.Outcome != "" {
			text += ", " + Clean(t.Outcome)
		}
	} else if t.Outcome != "" {
		text += "; before: " + Clean(t.Outcome)
	}
	p.WriteString("  " + text + "\n")
	for i := range t.Calls {
		p.callDiff(i+1, &t.Calls[i])
	}
}

// callDiff tells how a call differs.
func (p *page) callDiff(n int, d *provenance.CallDiff) {
	call := d.After
	if call == nil {
		call = d.Before
	}
	if call == nil {
		return
	}
	text := fmt.Sprintf("call %d", n)
	if about := callAbout(call); about != "" {
		text += "  " + about
	}
	switch d.Change {
	case "only":
		p.WriteString("    " + text + "\n")
	case "same":
		p.signed(4, d.Change, text+"  its answer is used again")
	default:
		p.signed(4, d.Change, text)
	}
	p.values(8, d.Params)
	if d.First != nil {
		p.WriteString("        " + p.paint(faint, fmt.Sprintf("message %d, %s", d.First.Index+1, Clean(d.First.Role))) + "\n")
		p.textDiff(8, &d.First.Text)
	}
	if d.More > 0 {
		p.WriteString("        " + p.paint(faint, "and "+plural(int64(d.More), "message")+" after it") + "\n")
	}
}

// callAbout says who was asked, and what it took.
func callAbout(c *provenance.Call) string {
	var parts []string
	for _, s := range []string{c.Purpose, c.Model} {
		if s != "" {
			parts = append(parts, Clean(s))
		}
	}
	if c.InputTokens+c.OutputTokens > 0 {
		parts = append(parts, fmt.Sprintf("%s + %s tokens", count(int64(c.InputTokens)), count(int64(c.OutputTokens))))
	}
	if c.CostUSD != nil && *c.CostUSD > 0 {
		parts = append(parts, dollars(*c.CostUSD))
	}
	if c.Millis > 0 {
		parts = append(parts, duration(float64(c.Millis)/1000))
	}
	if !c.Stored {
		parts = append(parts, "no longer in the cache")
	}
	return strings.Join(parts, ", ")
}
