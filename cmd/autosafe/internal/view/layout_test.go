package view

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestColumns(t *testing.T) {
	for s, want := range map[string]int{"": 0, "abc": 3, "äöü": 3, "日本": 4, "e\u0301": 1, "…✓⠋": 3, "ｗ": 2} {
		if got := columns(s); got != want {
			t.Errorf("columns(%q) = %d, want %d", s, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	tests := []struct {
		s              string
		n              int
		clip, shortens string
	}{
		{"simulator.trajectory.scenarios", 40, "simulator.trajectory.scenarios", "simulator.trajectory.scenarios"},
		{"simulator.trajectory.scenarios", 12, "simulator.t…", "sim…cenarios"},
		{"日本語日本語", 5, "日本…", "…語"},
		{"abc", 1, "…", "…"},
	}
	for _, tt := range tests {
		if got := clip(tt.s, tt.n); got != tt.clip || columns(got) > tt.n {
			t.Errorf("clip(%q, %d) = %q, want %q", tt.s, tt.n, got, tt.clip)
		}
		if got := shorten(tt.s, tt.n); got != tt.shortens || columns(got) > tt.n {
			t.Errorf("shorten(%q, %d) = %q, want %q", tt.s, tt.n, got, tt.shortens)
		}
	}
}

func TestWrap(t *testing.T) {
	got := wrap("one two three averyveryverylongword four", 9)
	want := []string{"one two", "three", "averyveryverylongword", "four"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := wrap("as it  is", 0); !slices.Equal(got, []string{"as it  is"}) {
		t.Errorf("without a width: %q", got)
	}
	if got := wrap("one 0123456789abcdefghij two", 16); !slices.Equal(got, []string{"one", "0123456789abcdef", "ghij two"}) {
		t.Errorf("a long word: %q", got)
	}
	if got := wrap("   ", 2); len(got) != 1 {
		t.Errorf("blanks: %q", got)
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %q, want %q", n, got, want)
		}
	}
	for s, want := range map[float64]string{0: "0 s", 0.04: "0 s", 0.26: "0.3 s", 9.94: "9.9 s", 9.96: "10 s", 59.4: "59 s", 59.7: "1 min 00 s", 61: "1 min 01 s", 3599.9: "1 h 00 min", 7384: "2 h 03 min"} {
		if got := duration(s); got != want {
			t.Errorf("duration(%v) = %q, want %q", s, got, want)
		}
	}
	for usd, want := range map[float64]string{0: "", 0.00123: "$0.0012", 0.31: "$0.31", 12.345: "$12.35", 1234567.8: "$1,234,567.80", 1e30: "$1000000000000000019884624838656.00"} {
		if got := dollars(usd); got != want {
			t.Errorf("dollars(%v) = %q, want %q", usd, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	table := table{heads: []string{"Step", "In", "Lost", "Cost", "Why"}, spare: []string{"Cost"}}
	table.add("short", "1", "", "$1", "because")
	table.add("a.very.long.address.that.is.wide", "12,000", "", "$20,000,000", "of what happened before")
	tests := []struct {
		width int
		want  string
	}{
		{0, `
Step                                  In         Cost  Why
short                                  1           $1  because
a.very.long.address.that.is.wide  12,000  $20,000,000  of what happened before
`},
		{70, `
Step                                  In  Why
short                                  1  because
a.very.long.address.that.is.wide  12,000  of what happened before
`},
		{48, `
Step       In  Why
short       1  because
a.very.long.address.that.is.wide
       12,000  of what happened before
`},
	}
	for _, tt := range tests {
		var b strings.Builder
		b.WriteString("\n")
		table.render(&b, tt.width)
		if diff := cmp.Diff(tt.want, b.String()); diff != "" {
			t.Errorf("width %d (-want +got):\n%s", tt.width, diff)
		}
	}
}
