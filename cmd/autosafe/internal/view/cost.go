package view

import (
	"strings"

	"github.com/autosafe/autosafe/internal/provenance"
)

// costLossesShown bounds the places of losses that are listed for people.
const costLossesShown = 10

// Cost shows what the answers that a build rests on cost.
func (v *View) Cost(r *provenance.CostReport) {
	if v.opts.JSON {
		v.lastLine(struct {
			Type string `json:"type"`
			*provenance.CostReport
		}{"cost", r})
		return
	}
	p := v.page()
	p.WriteString("What build " + Clean(r.Build.ID) + " rests on, whether it paid for it or found it in the cache\n\n")
	steps := costTable("Step")
	for _, s := range r.Steps {
		addCost(&steps, Clean(s.Address), s.Total, "")
		for _, m := range s.Models {
			if len(s.Models) > 1 {
				addCost(&steps, "  "+Clean(m.Model), m.Cost, "")
			}
		}
	}
	addCost(&steps, "all", r.Total, "")
	steps.render(&p.Builder, p.width)
	if len(r.Models) > 1 {
		p.WriteString("\n")
		models := costTable("Model")
		for _, m := range r.Models {
			addCost(&models, Clean(m.Model), m.Cost, Clean(m.Endpoint))
		}
		models.render(&p.Builder, p.width)
	}
	p.costLosses(r)
	p.costNotes(r)
	v.result(p.String())
}

func costTable(head string) table {
	return table{
		heads: []string{head, "Calls", "Tokens in", "Tokens out", "Cost", ""},
		spare: []string{"Tokens in", "Tokens out"},
	}
}

func addCost(t *table, name string, c provenance.Cost, last string) {
	usd := dollars(c.USD)
	switch {
	case usd == "" && c.Unpriced > 0:
		usd = "no price"
	case usd == "" && c.Calls > 0:
		usd = "free"
	}
	in, out := count(c.InputTokens), count(c.OutputTokens)
	if c.Estimated > 0 {
		in, out = "~"+in, "~"+out
	}
	t.add(name, count(c.Calls), in, out, usd, last)
}

// costLosses tells what was spent on rows that no dataset has.
func (p *page) costLosses(r *provenance.CostReport) {
	p.WriteString("\n")
	t := costTable("Spent on")
	addCost(&t, "rows in a dataset or an evaluation", r.Kept, "")
	shown := r.Losses[:min(len(r.Losses), costLossesShown)]
	for _, l := range shown {
		if l.Calls > 0 {
			addCost(&t, "  lost: "+Clean(l.Reason), l.Cost, plural(l.Rows, "row")+" of "+Clean(l.Address))
		}
	}
	if r.Lost.Calls > 0 {
		addCost(&t, "rows that were lost", r.Lost, "")
	}
	t.render(&p.Builder, p.width)
	if rest := len(r.Losses) - len(shown); rest > 0 {
		p.text(0, "And "+plural(int64(rest), "more place")+", which -json lists.")
	}
}

// costNotes says what the figures rest on.
func (p *page) costNotes(r *provenance.CostReport) {
	var notes []string
	made := "The build itself made " + plural(r.Made.Made, "call")
	if usd := dollars(r.Made.CostUSD); usd != "" {
		made += " for " + usd
	}
	notes = append(notes, made+".")
	if len(r.Prices) > 0 {
		notes = append(notes, "Prices that the recipe does not say are from autosafe's list of "+Clean(strings.Join(r.Prices, ", "))+"; a price block says other ones.")
	}
	if n := r.Total.Unpriced; n > 0 {
		notes = append(notes, plural(n, "call")+" went to models without a price and are not in the cost.")
	}
	if n := r.Total.Estimated; n > 0 {
		notes = append(notes, "Of "+plural(n, "call")+" the endpoint did not report tokens; they are estimated (~).")
	}
	if n := r.Total.Gone; n > 0 {
		notes = append(notes, plural(n, "call")+" are no longer in the cache and not counted.")
	}
	for _, n := range r.Notes {
		notes = append(notes, Clean(n))
	}
	p.WriteString("\n")
	for _, n := range notes {
		p.text(0, n)
	}
}
