package engine

import (
	"container/heap"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// mixOp keeps a seeded choice of rows in which each group has its share. The
// shares are kept however scarce a group is: what the scarcest lacks the others
// are short of too. A group without rows has no share.
type mixOp struct{ pickOp }

func (o *mixOp) end() ([]item, error) {
	have := map[string]int{}
	for name, g := range o.groups {
		have[name] = g.Len()
	}
	var none []string
	for _, name := range slices.Sorted(maps.Keys(o.op.Weights)) {
		if have[name] == 0 {
			none = append(none, fmt.Sprintf("%q", name))
		}
	}
	if len(none) > 0 && o.dry == nil {
		does := "the others are mixed without it"
		if len(have) == 0 {
			does = "none is left"
		}
		o.emit(Event{Notice: &Notice{Warning: true, Address: o.st.Address, Summary: "A mix lacks a group",
			Detail: fmt.Sprintf("%s: no row has %s; %s.", opReason(o.op), strings.Join(none, ", "), does)}})
	}
	quota := mixQuotas(o.op.Weights, have, o.max)
	for name, g := range o.groups {
		for g.Len() > quota[name] {
			o.leave(item{pos: heap.Pop(g).(pick).pos})
			o.drop(1)
		}
	}
	return o.pickOp.end()
}

// mixQuotas says how many rows of each group are kept: as many as can be had in
// these shares, at most so many in all. What rounding leaves over goes to the
// groups that it cost most.
func mixQuotas(weights map[string]float64, have map[string]int, most int) map[string]int {
	sum := 0.0
	for name := range have {
		sum += weights[name]
	}
	total := float64(most)
	for name, n := range have {
		total = math.Min(total, float64(n)*(sum/weights[name]))
	}
	total = math.Floor(total + 1e-9) // 3 rows of a third each are 9, not 8
	quota, lost := map[string]int{}, map[string]float64{}
	left := int(total)
	for name, n := range have {
		share := total * (weights[name] / sum)
		quota[name] = min(n, int(share+1e-9))
		lost[name] = share - float64(quota[name])
		left -= quota[name]
	}
	names := slices.Sorted(maps.Keys(have))
	slices.SortStableFunc(names, func(a, b string) int {
		if math.Abs(lost[a]-lost[b]) < 1e-9 {
			return 0
		}
		return int(math.Copysign(1, lost[b]-lost[a]))
	})
	for _, name := range names {
		if left > 0 && quota[name] < have[name] {
			quota[name]++
			left--
		}
	}
	return quota
}
