package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
)

// auditOf runs an audit of a recipe whose components call themselves
// deterministic.
func auditOf(t *testing.T, p *pipe, share float64) *Audited {
	t.Helper()
	recipe := p.recipe()
	recipe.Steps[0].Role.Component.Deterministic = true
	recipe.Steps[1].Role.Component.Deterministic = true
	found, err := New(Options{Recipe: recipe, Store: p.store, Runner: p.fake}).Audit(context.Background(), share)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestAudit(t *testing.T) {
	var source []string
	for i := range 40 {
		source = append(source, fmt.Sprintf(`{"n":%d}`, i))
	}
	p := newPipe(t, source...)
	p.build(nil)
	before := p.output()

	if found := auditOf(t, p, 1); found.Steps != 2 || found.Rows != 40+80 || found.Different != 0 {
		t.Errorf("all is as it was: %+v", found)
	}
	some, again := auditOf(t, p, 0.3), auditOf(t, p, 0.3)
	if some.Rows == 0 || some.Rows >= 120 || some.Rows != again.Rows {
		t.Errorf("of a share %d rows were made again, and then %d", some.Rows, again.Rows)
	}

	p.fake.work = func(task Task) Result { // another answer for one row, a failure for another
		var in struct{ N int }
		if err := json.Unmarshal(task.Row, &in); err != nil {
			return Result{Err: &RowError{Code: "bad"}}
		}
		switch res := echo(task); in.N {
		case 7:
			return Result{Rows: [][]byte{[]byte(`{"made":"something else","big":70}`)}}
		case 8:
			return Result{Err: &RowError{Code: "refused"}}
		case 9: // which says nothing of the row
			return Result{Err: &RowError{Code: "busy", Transient: true}}
		default:
			return res
		}
	}
	found := auditOf(t, p, 1)
	if found.Different != 4 || len(found.Differences) != 4 || found.Rows != 40+78 {
		t.Fatalf("%+v", found)
	}
	for _, d := range found.Differences {
		if d.Address != "simulator.b.y" || d.Component != "simulator b" || d.Row == "" || d.Was == d.Is {
			t.Errorf("%+v", d)
		}
	}

	p.fake.work = echo
	other := append(slices.Clone(source[:20]), `{"n":100}`)
	p.fake.rows = func(string) []string { return other }
	found = auditOf(t, p, 1)
	if found.Different != 2 { // row 20, and that there were more
		t.Errorf("the source: %+v", found)
	}

	// Nothing of all that was kept.
	p.fake.rows = func(string) []string { return source }
	p.build(nil)
	if p.output() != before {
		t.Error("an audit changed the output")
	}
}
