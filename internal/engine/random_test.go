package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/spec"
)

// TestRandomEdits edits a recipe at random again and again. What the plan
// knows the build must do, to the row, and the output must be that of a build
// from an empty cache.
func TestRandomEdits(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	p := newPipe(t, rows(4)...)
	p.onError, p.allowed = spec.OnErrorDrop, -1
	for round := range 100 {
		var edits []string
		for range 1 + rng.IntN(2) {
			edits = append(edits, p.editAtRandom(rng))
		}
		name := fmt.Sprintf("round %d (%s)", round, strings.Join(edits, ", "))
		p.fake.work = failSome(p.prompt)
		plan, err := p.engine().Plan(context.Background())
		if err != nil {
			t.Fatal(name, err)
		}
		p.fake.taken()
		sum := p.build(nil)
		started, tasks := p.fake.taken()
		comparePlan(t, name, plan, sum, started, tasks)

		fresh := newPipe(t, p.source...)
		fresh.samples, fresh.filter, fresh.prompt = p.samples, p.filter, p.prompt
		fresh.onError, fresh.allowed, fresh.fake.work = p.onError, p.allowed, p.fake.work
		want := fresh.build(nil)
		if p.output() != fresh.output() {
			t.Errorf("%s: the output differs from that of a build from nothing", name)
		}
		for i, s := range sum.Steps {
			w := want.Steps[i]
			if s.RowsOut != w.RowsOut || s.RowsFailed != w.RowsFailed || len(s.Dropped) != len(w.Dropped) {
				t.Errorf("%s: counts %+v, from nothing %+v", name, s, w)
			}
		}
		if err := fresh.store.Close(); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			return
		}
	}
}

// failSome is a component of which some rows fail, always the same.
func failSome(prompt string) func(Task) Result {
	return func(task Task) Result {
		var n int
		if _, err := fmt.Sscanf(string(task.Row), `{"n":%d}`, &n); err == nil && prompt == "q" && n%5 == 3 {
			return Result{Err: &RowError{Code: "invalid_reply", Summary: "no JSON"}}
		}
		return echo(task)
	}
}

// editAtRandom makes one edit and says which. Some rows are there twice.
func (p *pipe) editAtRandom(rng *rand.Rand) string {
	pick := func(list ...string) string { return list[rng.IntN(len(list))] }
	switch rng.IntN(8) {
	case 0, 1:
		from, n := rng.IntN(6), 2+rng.IntN(5) // two, of which one does not fail
		p.source = rows(from + n)[from:]
		for range rng.IntN(3) {
			p.source = append(p.source, p.source[rng.IntN(len(p.source))])
		}
		return fmt.Sprintf("rows %d to %d", from, from+n)
	case 2:
		i := rng.IntN(len(p.source))
		p.source = append([]string(nil), p.source...)
		var n int
		if _, err := fmt.Sscanf(p.source[i], `{"n":%d,`, &n); err != nil {
			p.t.Fatal(err)
		}
		p.source[i] = fmt.Sprintf(`{"n":%d,"extra":"%d"}`, n, rng.IntN(3))
		return "a column nobody reads"
	case 3:
		p.samples = 1 + rng.IntN(3)
		return fmt.Sprint("samples ", p.samples)
	case 4:
		p.prompt = pick("p", "q", "r")
		return "prompt " + p.prompt
	case 5:
		p.filter = pick("true", "row.n > 1", "row.n >= 0", "row.made != '2/0'")
		return "filter " + p.filter
	case 6:
		p.names = pick("", "_a", "_b")
		return "names " + p.names
	default:
		_ = os.Remove(filepath.Join(p.dir, "dist", pick("rows.jsonl", cardName)))
		return "a file is gone"
	}
}

// comparePlan holds a build against the plan that was made before it.
func comparePlan(t *testing.T, name string, plan *Plan, sum *Summary, started, tasks []string) {
	t.Helper()
	ran := map[string]int64{}
	for _, task := range tasks {
		address, _, _ := strings.Cut(task, " ")
		ran[address]++
	}
	for i, s := range plan.Steps {
		b := sum.Steps[i]
		if !s.Known {
			continue
		}
		if (s.Status == StatusHit) != (b.Status == StatusHit) {
			t.Errorf("%s: %s is planned as %s and built as %s", name, s.Address, s.Status, b.Status)
		}
		if b.RowsIn != s.RowsIn && s.Status != StatusNew {
			t.Errorf("%s: %s: %d rows in planned, %d built", name, s.Address, s.RowsIn, b.RowsIn)
		}
		if strings.HasPrefix(s.Address, "simulator.") && (s.RowsMiss != ran[s.Address] || s.RowsHit != b.RowsHit) {
			t.Errorf("%s: plan %+v, but %d tasks ran and %d were hits", name, s, ran[s.Address], b.RowsHit)
		}
	}
	if data := plan.Steps[len(plan.Steps)-1]; data.Known && plan.Outputs[0].Status != StatusHit != (sum.Outputs[0].Status != StatusHit) {
		t.Errorf("%s: output planned as %s, built as %s", name, plan.Outputs[0].Status, sum.Outputs[0].Status)
	}
	if !plan.Changes() && len(started) > 0 {
		t.Errorf("%s: no change was planned, yet %v ran", name, started)
	}
}
