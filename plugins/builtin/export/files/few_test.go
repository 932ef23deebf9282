package files_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/builtin/export/exporttest"
	"github.com/autosafe/autosafe/plugins/builtin/export/files"
)

func fewTaken(t *testing.T, most int, rows []string) exporttest.Result {
	t.Helper()
	format := files.Format{Validate: func(line []byte) error {
		if strings.Contains(string(line), "bad") {
			return errors.New("bad")
		}
		return nil
	}}
	few := files.Few[given]{Most: most, Reason: "too_many", Luck: func(g given) (uint64, bool) { return g.Luck, g.Luck > 0 }}
	return exporttest.Run(t, outputOfFew(format, few), `{}`, rows)
}

func withLuck(t *testing.T, lucks ...uint64) []string {
	t.Helper()
	rows := make([]string, len(lucks))
	for i, luck := range lucks {
		text, err := files.JSON(given{N: i, Luck: luck, Lines: []json.RawMessage{json.RawMessage(fmt.Sprintf(`{"n":%d}`, i))}})
		if err != nil {
			t.Fatal(err)
		}
		rows[i] = string(text)
	}
	return rows
}

// Rows of which few are taken: the luckiest, in their order, after all others.
func TestFew(t *testing.T) {
	for _, c := range []struct {
		most  int
		lucks []uint64 // 0: always taken
		want  string   // numbers of the rows written, in the order of the file
	}{
		{0, []uint64{5, 0, 6}, "1"},
		{1, []uint64{5, 0, 4, 6}, "1 2"},
		{2, []uint64{5, 0, 4, 6, 3, 0}, "1 5 2 4"},
		{2, []uint64{7, 7, 7}, "0 1"}, // of equal ones the first
		{2, []uint64{9, 7, 7, 7}, "1 2"},
		{9, []uint64{5, 0, 4}, "1 0 2"},
	} {
		r := fewTaken(t, c.most, withLuck(t, c.lucks...))
		var got, reasons []string
		for _, l := range r.Lines(t, "train.jsonl") {
			got = append(got, strings.TrimSuffix(strings.TrimPrefix(l, `{"n":`), "}"))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%d of %v: rows %s, want %s", c.most, c.lucks, got, c.want)
		}
		for i := range c.lucks {
			reason := "too_many"
			if slices.Contains(got, fmt.Sprint(i)) {
				reason = "-"
			}
			reasons = append(reasons, reason)
		}
		if r.Reasons() != strings.Join(reasons, " ") {
			t.Errorf("%d of %v: %s, want %s", c.most, c.lucks, r.Reasons(), reasons)
		}
	}
}

// A row that cannot be used is left out for its own reason and does not count
// among the few. One that the format refuses does: that is found at the end.
func TestFewUnusable(t *testing.T) {
	unreadable := `{"n":0,"luck":1,"skip":"odd","lines":[]}`
	refused := `{"n":1,"luck":2,"lines":[{"bad":1}]}`
	rows := append([]string{unreadable, refused}, withLuck(t, 0, 0, 3, 4)[2:]...)
	if r := fewTaken(t, 2, rows); r.Reasons() != "odd invalid_row - too_many" {
		t.Error(r.Reasons())
	}
}

// Of many rows in many batches the same ones are taken, whatever stands
// between them, and another row moves one at most.
func TestFewOfMany(t *testing.T) {
	lucks := make([]uint64, 5000)
	for i := range lucks {
		lucks[i] = uint64(i)*2654435761%1000003 + 1
	}
	taken := func(lucks []uint64) []uint64 {
		var out []uint64
		for i, reason := range fewTaken(t, 100, withLuck(t, lucks...)).Skipped {
			if reason == "" {
				out = append(out, lucks[i])
			}
		}
		slices.Sort(out)
		return out
	}
	want := slices.Clone(lucks)
	slices.Sort(want)
	if got := taken(lucks); !slices.Equal(got, want[:100]) {
		t.Errorf("taken: %v, want %v", got, want[:100])
	}
	slices.Reverse(lucks)
	if got := taken(lucks); !slices.Equal(got, want[:100]) {
		t.Errorf("in another order: %v, want %v", got, want[:100])
	}
	if got := taken(append([]uint64{want[0]}, lucks...)); !slices.Equal(got[1:], want[:99]) {
		t.Errorf("with one more: %v, want %v and one more", got, want[:99])
	}
}
