package view

import (
	"strings"

	"github.com/autosafe/autosafe/internal/engine"
)

// Plan shows what a build would do.
func (v *View) Plan(p *engine.Plan) {
	if v.opts.JSON {
		v.lastLine(struct {
			Type    string `json:"type"`
			Changes bool   `json:"changes"`
			*engine.Plan
		}{"plan", p.Changes(), p})
		return
	}
	t := table{heads: []string{"Step", "Rows", "To run", "Status", "Why"}}
	for _, s := range p.Steps {
		rows, miss := "?", "?"
		if s.Known {
			rows, miss = number(s.RowsIn), number(s.RowsMiss)
		}
		t.add(Clean(s.Address), rows, miss, planStatus(s.Status), Clean(s.Reason))
	}
	for _, o := range p.Outputs {
		t.add("    "+Clean(nearPath(o.Path)), "", "", planStatus(o.Status), Clean(o.Reason))
	}
	var b strings.Builder
	t.render(&b, v.outWidth())
	if p.Changes() {
		b.WriteString("\nRun autosafe build to do this.\n")
	} else {
		b.WriteString("\nNothing to do: everything is built and in place.\n")
	}
	v.result(b.String())
}

func planStatus(s engine.Status) string {
	if s == engine.StatusHit {
		return "cached"
	}
	return string(s)
}
