package view

import (
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/provenance"
)

// Diff shows what differs between two builds.
func (v *View) Diff(r *provenance.DiffReport) {
	if v.opts.JSON {
		v.lastLine(struct {
			Type string `json:"type"`
			*provenance.DiffReport
		}{"diff", r})
		return
	}
	p := v.page()
	p.diff(r)
	v.result(p.String())
}

func (p *page) diff(r *provenance.DiffReport) {
	p.WriteString("Build " + p.paint(bold, Clean(r.A.ID)) + " of " + when(r.A.Time) +
		" → " + p.paint(bold, Clean(r.B.ID)) + " of " + when(r.B.Time) + "\n")
	if r.Equal {
		p.WriteString("\nThe two are equal: the same recipe, rows and outputs.\n")
		return
	}
	p.diffRecipe(r)
	p.diffSteps(r)
	p.diffOutputs(r.Outputs)
	p.diffFigures(r)
}

// section begins a part of a report.
func (p *page) section(title string) {
	p.WriteString("\n")
	p.head(title, "")
}

func (p *page) diffRecipe(r *provenance.DiffReport) {
	if len(r.Files) > 0 {
		p.section("Recipe")
	}
	for _, f := range r.Files {
		p.signed(2, f.Change, Clean(f.Name))
		if f.Change == "changed" {
			p.textDiff(6, f.Text)
		}
	}
	for _, part := range []struct {
		title  string
		values []provenance.ValueDiff
	}{{"Variables", r.Variables}, {"Options", r.Options}} {
		if len(part.values) > 0 {
			p.section(part.title)
			p.values(2, part.values)
		}
	}
	for _, part := range []struct {
		title string
		list  []provenance.NamedDiff
	}{{"Models", r.Models}, {"Plugins", r.Plugins}} {
		if len(part.list) > 0 {
			p.section(part.title)
		}
		for _, d := range part.list {
			p.signed(2, d.Change, Clean(d.Name))
			if d.Change == "changed" {
				p.values(6, d.Values)
			}
		}
	}
	for _, c := range []struct {
		title  string
		change *provenance.Change
	}{{"autosafe", r.Version}, {"Ended", r.OK}} {
		if c.change != nil {
			p.section(c.title)
			p.signed(2, "changed", shortChange(c.change.Before, c.change.After))
		}
	}
}

func (p *page) diffSteps(r *provenance.DiffReport) {
	if len(r.Steps) == 0 {
		return
	}
	p.section("Steps")
	for i := range r.Steps {
		p.diffStep(&r.Steps[i])
	}
	if r.SameSteps > 0 {
		p.signed(2, "same", plural(int64(r.SameSteps), "step")+" as before")
	}
}

func (p *page) diffStep(s *provenance.StepDiff) {
	text := Clean(s.Address)
	if s.Change != "changed" {
		p.signed(2, s.Change, text)
		return
	}
	switch {
	case s.Rows != nil:
		text += "  " + rowsInWords(s.Rows)
	case s.Out != nil && s.Out.Before != s.Out.After:
		text += "  " + numeral(s.Out.Before) + " → " + numeral(s.Out.After) + " rows"
	}
	p.signed(2, s.Change, text)
	p.parts(6, s.Parts)
	if s.Rows != nil {
		p.rows(6, s.Rows)
	}
	for _, n := range []struct {
		name string
		*provenance.Numbers
		format func(float64) string
	}{{"yield", s.Yield, yieldOf(s.Yield)}, {"failed", s.Failed, numeral},
		{"calls made", s.Made, numeral}, {"cost", s.Cost, cents}} {
		if n.Numbers != nil && n.format(n.Before) != n.format(n.After) {
			p.signed(6, "changed", n.name+"  "+n.format(n.Before)+" → "+n.format(n.After))
		}
	}
	for _, d := range s.Dropped {
		p.signed(6, "changed", "dropped by "+Clean(d.Name)+"  "+numeral(d.Before)+" → "+numeral(d.After))
	}
	for _, n := range s.Notes {
		p.hanging("      ", "Note: ", Clean(n))
	}
}

// diffOutputs tells of every output, the same ones too.
func (p *page) diffOutputs(outputs []provenance.OutputDiff) {
	if len(outputs) == 0 {
		return
	}
	p.section("Outputs")
	for i := range outputs {
		o := &outputs[i]
		name := Clean(o.Address)
		if o.Format != "" {
			name += " " + Clean(o.Format)
		}
		about := "the same bytes"
		switch {
		case o.Change == "changed" && o.Rows != nil && o.Rows.Before != o.Rows.After:
			about = numeral(o.Rows.Before) + " → " + numeral(o.Rows.After) + " rows"
		case o.Change == "changed" && o.SHA256 != nil:
			about = "other bytes"
		case o.Change == "changed":
			about = ""
		case o.Change != "same":
			about = Clean(o.Change)
		}
		p.signed(2, o.Change, strings.TrimRight(name+"  "+about, " "))
		if o.Path != nil {
			p.signed(6, "changed", "path  "+shortChange(o.Path.Before, o.Path.After))
		}
		for _, m := range o.Splits {
			p.signed(6, "changed", Clean(m.Name)+"  "+numeral(m.Before)+" → "+numeral(m.After)+" rows")
		}
		for _, m := range o.Skipped {
			p.signed(6, "changed", "skipped, "+Clean(m.Name)+"  "+numeral(m.Before)+" → "+numeral(m.After))
		}
		p.files(6, o.Files)
	}
}

// diffFigures is a table of what the builds came to.
func (p *page) diffFigures(r *provenance.DiffReport) {
	p.WriteString("\n")
	t := table{heads: []string{"Figures", "Before", "After", "Change", ""}}
	add := func(name string, before, after float64, format func(float64) string) {
		if before == 0 && after == 0 {
			return
		}
		change := ""
		if format(before) != format(after) {
			change = format(after - before)
			if after > before {
				change = "+" + change
			}
		}
		t.add(Clean(name), format(before), format(after), change, "")
	}
	for _, m := range r.Metrics {
		format := numeral
		switch {
		case strings.HasPrefix(m.Name, "evaluation."):
			format = func(share float64) string { return strconv.FormatFloat(share, 'f', 3, 64) }
		case strings.Contains(m.Name, "yield"):
			format = yieldOf(&m.Numbers)
		}
		add(m.Name, m.Before, m.After, format)
	}
	a, b := r.Calls.Before, r.Calls.After
	for _, c := range []struct {
		name string
		get  func(engine.CallCounts) int64
	}{
		{"calls made", func(c engine.CallCounts) int64 { return c.Made }},
		{"calls from the cache", func(c engine.CallCounts) int64 { return c.Cached }},
		{"tokens in", func(c engine.CallCounts) int64 { return c.InputTokens }},
		{"tokens out", func(c engine.CallCounts) int64 { return c.OutputTokens }},
	} {
		add(c.name, float64(c.get(a)), float64(c.get(b)), numeral)
	}
	add("cost", a.CostUSD, b.CostUSD, cents)
	if len(t.rows) > 0 {
		t.render(&p.Builder, p.width)
	}
}

// numeral writes a number of a report.
func numeral(f float64) string {
	if f == float64(int64(f)) {
		return count(int64(f))
	}
	return strconv.FormatFloat(f, 'g', 4, 64)
}

// share writes a part of a whole.
func share(f float64) string { return strconv.FormatFloat(100*f, 'f', 1, 64) + " %" }

// yieldOf is how two yields are written: as shares, or, where more rows came
// out than went in, as rows a row.
func yieldOf(n *provenance.Numbers) func(float64) string {
	if n == nil || n.Before <= 1 && n.After <= 1 {
		return share
	}
	return func(f float64) string { return strconv.FormatFloat(f, 'f', 2, 64) + " rows a row" }
}

// cents writes an amount, with a sign if it is below nothing.
func cents(f float64) string {
	switch {
	case f < 0:
		return "-" + dollars(-f)
	case f == 0:
		return "$0"
	}
	return dollars(f)
}
