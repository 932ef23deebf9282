package e2e

import (
	"encoding/json"
	"strings"
	"testing"
)

// planLine is the last line of plan -json, as scripts read it.
type planLine struct {
	Type    string `json:"type"`
	Changes bool   `json:"changes"`
	Steps   []struct {
		Address  string `json:"address"`
		Status   string `json:"status"`
		Known    bool   `json:"known"`
		RowsIn   int64  `json:"rows_in"`
		RowsHit  int64  `json:"rows_hit"`
		RowsMiss int64  `json:"rows_miss"`
		Work     struct {
			Calls struct {
				Low, High float64
				Exact     bool
			} `json:"calls"`
		} `json:"work"`
	} `json:"steps"`
	Outputs []struct {
		Status string `json:"status"`
	} `json:"outputs"`
}

// plan plans, which must ask nobody.
func (p *project) plan(args ...string) planLine {
	p.t.Helper()
	asked := len(p.requests())
	r := p.run(append([]string{"plan", "-json", p.dir}, args...)...)
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	var plan planLine
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &plan); err != nil || plan.Type != "plan" || r.code != 0 {
		p.t.Fatalf("no plan at the end of standard output (exit %d): %v\n%s\n%s", r.code, err, tail(r.stdout), tail(r.stderr))
	}
	if n := len(p.requests()) - asked; n > 0 {
		p.t.Errorf("the plan made %d calls", n)
	}
	return plan
}

// wantDone checks that a build did what the plan before it knew.
func (plan planLine) wantDone(t testing.TB, sum summary) {
	t.Helper()
	if len(plan.Steps) != len(sum.Steps) || len(plan.Outputs) != len(sum.Outputs) {
		t.Fatalf("%d steps and %d outputs planned, %d and %d built", len(plan.Steps), len(plan.Outputs), len(sum.Steps), len(sum.Outputs))
	}
	known := 0
	for i, s := range plan.Steps {
		if calls := s.Work.Calls; calls.Exact && float64(sum.Steps[i].Calls.Made) != calls.Low {
			t.Errorf("%s: exactly %v calls planned, %d made", s.Address, calls.Low, sum.Steps[i].Calls.Made)
		}
		if !s.Known {
			continue
		}
		known++
		b := sum.Steps[i]
		if (s.Status == "hit") != (b.Status == "hit") || s.RowsIn != b.RowsIn || s.RowsHit != b.RowsHit {
			t.Errorf("%s: planned %s, %d rows in, %d hits; built %s, %d, %d", s.Address, s.Status, s.RowsIn, s.RowsHit, b.Status, b.RowsIn, b.RowsHit)
		}
	}
	if known == 0 {
		t.Error("the plan knows nothing")
	}
	if !plan.Changes && (strings.Contains(statuses(sum), " run") || sum.Calls.Made > 0) {
		t.Errorf("no change was planned; %s", statuses(sum))
	}
}
