package engine

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/internal/key"
	"github.com/autosafe/autosafe/spec"
)

// TestChangedOps compares chains of operations, written as f for a filter, d
// for a dedupe and l for a limit, with a number for what they do.
func TestChangedOps(t *testing.T) {
	kinds := map[byte]spec.OpKind{'f': spec.OpFilter, 'd': spec.OpDedupe, 'l': spec.OpLimit}
	chain := func(text string) (key.List, *spec.Step) {
		l, s := key.New("t"), &spec.Step{}
		for i, op := range strings.Fields(text) {
			kind := kinds[op[0]]
			l.AddString("op."+strconv.Itoa(i)+"."+string(kind), op[1:])
			s.Distill = append(s.Distill, &spec.Op{Kind: kind, Name: op})
		}
		return l, s
	}
	for _, c := range []struct {
		before, now string
		want        string
	}{
		{"f1 f2 d1", "f1 f2 d1", ""},
		{"f1 f2 d1", "f0 f1 f2 d1", `filter "f0" is new`},
		{"f1 f2 d1", "f1 f0 f2 d1", `filter "f0" is new`},
		{"f1 f2 d1", "f2 d1", "operation 1 (filter) is gone"},
		{"f1 f2 d1", "f1 d1", "operation 2 (filter) is gone"},
		{"f1 f2 d1", "f1 f3 d1", `filter "f3" changed`},
		{"f1 f2 d1", "f1 d2 d1", `dedupe "d2" is new, operation 2 (filter) is gone`},
		{"f1 f2 d1 l1", "l1 f1 f2 d1", `limit "l1" moved`},
		{"f1 f2 d1", "f0 f2 d2", `filter "f0" changed, dedupe "d2" changed`},
		{"f1 f2 d1", "f9 f1 d1 f3", `filter "f9" is new, filter "f3" is new, operation 2 (filter) is gone`},
		{"", "f1", `filter "f1" is new`},
		{"f1 f1", "f1", "operation 2 (filter) is gone"},
	} {
		before, _ := chain(c.before)
		now, s := chain(c.now)
		var got []string
		for _, op := range changedOps(before, now) {
			got = append(got, op.text(s))
		}
		if text := strings.Join(got, ", "); text != c.want {
			t.Errorf("%s, then %s: %s, want %s", c.before, c.now, text, c.want)
		}
	}
	long, _ := chain(strings.Repeat("f1 ", maxOps+2))
	other, s := chain(strings.Repeat("f2 ", maxOps+1))
	if changes := changedOps(long, other); len(changes) != maxOps+2 || slices.ContainsFunc(changes, func(c opChange) bool { return c.text(s) == "" }) {
		t.Errorf("many operations: %d changes", len(changes))
	}
}
