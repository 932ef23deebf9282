package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

func TestDistill(t *testing.T) {
	seed := int64(5)
	cols := spec.Columns{Open: true}
	mod := func(p *pipe, m int) *spec.Expr { return p.expr(fmt.Sprintf("string(int(row.n) %% %d)", m), cols) }
	for _, c := range []struct {
		name    string
		ops     func(p *pipe) []*spec.Op
		want    []int // n of the rows kept, in order; nil: only count
		n       int
		dropped map[string]int64
	}{
		{"limit", func(p *pipe) []*spec.Op { return []*spec.Op{{Kind: spec.OpLimit, Name: "l", Max: 3}} },
			[]int{0, 1, 2}, 3, map[string]int64{"limit.l": 17}},
		{"limit by seed", func(p *pipe) []*spec.Op { return []*spec.Op{{Kind: spec.OpLimit, Name: "l", Max: 3, Seed: &seed}} },
			nil, 3, map[string]int64{"limit.l": 17}},
		{"sample", func(p *pipe) []*spec.Op { return []*spec.Op{{Kind: spec.OpSample, Name: "s", N: 5}} },
			nil, 5, map[string]int64{"sample.s": 15}},
		{"sample of more than there is", func(p *pipe) []*spec.Op { return []*spec.Op{{Kind: spec.OpSample, Name: "s", N: 50}} },
			nil, 20, map[string]int64{}},
		{"balance", func(p *pipe) []*spec.Op { return []*spec.Op{{Kind: spec.OpBalance, Name: "b", By: mod(p, 4), Max: 1}} },
			[]int{0, 1, 2, 3}, 4, map[string]int64{"balance.b": 16}},
		{"balance by seed", func(p *pipe) []*spec.Op {
			return []*spec.Op{{Kind: spec.OpBalance, Name: "b", By: mod(p, 4), Max: 2, Seed: &seed}}
		},
			nil, 8, map[string]int64{"balance.b": 12}},
		{"mix", func(p *pipe) []*spec.Op { // 5 rows of each
			return []*spec.Op{{Kind: spec.OpMix, Name: "m", By: mod(p, 4), Weights: map[string]float64{"0": 3, "1": 1, "2": .5}, Seed: &seed}}
		},
			nil, 7, map[string]int64{"mix.m": 13}}, // 5, 2, 0; a third of 7 is lost by rounding
		{"mix of a number of rows", func(p *pipe) []*spec.Op {
			return []*spec.Op{{Kind: spec.OpMix, Name: "m", By: mod(p, 4), Weights: map[string]float64{"0": 1, "1": 1, "none": 8}, N: 4}}
		},
			nil, 4, map[string]int64{"mix.m": 16}},
		{"dedupe", func(p *pipe) []*spec.Op {
			return []*spec.Op{{Kind: spec.OpDedupe, Name: "d", By: mod(p, 3), Similarity: 1}}
		},
			[]int{0, 1, 2}, 3, map[string]int64{"dedupe.d": 17}},
		{"a chain", func(p *pipe) []*spec.Op {
			return []*spec.Op{
				{Kind: spec.OpFilter, Name: "f", Keep: p.expr("row.n >= 4", cols)},
				{Kind: spec.OpSample, Name: "s", N: 10},
				{Kind: spec.OpLimit, Name: "l", Max: 4},
			}
		}, nil, 4, map[string]int64{"filter.f": 4, "sample.s": 6, "limit.l": 6}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPipe(t, rows(20)...)
			p.samples = 1
			p.ops = c.ops(p)
			sum := p.build(nil)
			got := kept(t, p.output())
			if len(got) != c.n || c.want != nil && !slices.Equal(got, c.want) || !slices.IsSorted(got) {
				t.Errorf("kept %v, want %v (%d)", got, c.want, c.n)
			}
			if fmt.Sprint(sum.Steps[2].Dropped) != fmt.Sprint(c.dropped) {
				t.Errorf("dropped %v, want %v", sum.Steps[2].Dropped, c.dropped)
			}
		})
	}
}

func kept(t *testing.T, output string) (list []int) {
	t.Helper()
	for line := range strings.Lines(output) {
		_, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		r, err := row.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		var n int
		v, _ := r.Column("n")
		fmt.Sscan(string(v), &n)
		list = append(list, n)
	}
	return list
}

// TestSampleIsStable adds rows and expects few of those chosen before to
// leave: only as many as the new ones push out.
func TestSampleIsStable(t *testing.T) {
	pickFrom := func(n int) []int {
		p := newPipe(t, rows(n)...)
		p.samples, p.ops = 1, []*spec.Op{{Kind: spec.OpSample, Name: "s", N: 50}}
		p.build(nil)
		return kept(t, p.output())
	}
	before, after := pickFrom(200), pickFrom(220)
	gone := 0
	for _, n := range before {
		if !slices.Contains(after, n) {
			gone++
		}
	}
	if gone > 20 {
		t.Errorf("%d of 50 left for 20 new rows", gone)
	}
}

func TestNearDuplicates(t *testing.T) {
	s := newSketcher()
	base := strings.Fields("please move the quarterly report from my drafts to the shared finance folder and tell Dana Whitfield that it is ready for review before noon on Thursday, thanks a lot for taking care of it so quickly again this week and the last")
	text := func(edit func(w []string)) string {
		w := slices.Clone(base)
		edit(w)
		return strings.Join(w, " ")
	}
	x := newNearIndex(0.8)
	for _, c := range []struct {
		name, text string
		fresh      bool
	}{
		{"the first", text(func([]string) {}), true},
		{"the same", text(func([]string) {}), false},
		{"other case and punctuation", strings.ToUpper(text(func(w []string) { w[3] += "!" })), false},
		{"one word at the end", text(func(w []string) { w[len(w)-1] = "next" }), false},
		{"every fourth word", text(func(w []string) {
			for i := 0; i < len(w); i += 4 {
				w[i] = "other"
			}
		}), true},
		{"something else", "delete all tasks tagged test in the list of my colleague", true},
		{"short", "yes", true},
		{"short again", "Yes.", false},
		{"empty", "", true},
	} {
		if got := x.add(s.sketch(c.text)); got != c.fresh {
			t.Errorf("%s: kept %v, want %v", c.name, got, c.fresh)
		}
	}
}
