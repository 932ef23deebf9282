package oracle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// weights are the shares of a mix, in whole numbers.
func (o op) weights() map[string]int {
	return map[string]int{"g0": 1 + o.filter%3, "g1": o.n, "g2": 2, "": 1}
}

func (o op) weightsText() string {
	var list []string
	w := o.weights()
	for _, name := range slices.Sorted(maps.Keys(w)) {
		list = append(list, fmt.Sprintf("%q = %d", name, w[name]))
	}
	return strings.Join(list, ", ")
}

// most is how many rows a mix keeps at most; 0 is as many as can be had.
func (o op) most() int { return o.filter % 2 * (o.n + 1) }

func (o op) mostText() string {
	if o.most() == 0 {
		return ""
	}
	return fmt.Sprintf("    n = %d\n", o.most())
}

// mix keeps the largest number of rows in which each group can have its share,
// to the row; the luckiest of each.
func (o *oracle) mix(p op, in []columns, column string) []columns {
	groups, sum := map[string][]columns{}, 0
	for _, r := range in {
		if g := fmt.Sprint(r[column]); p.weights()[g] > 0 {
			if groups[g] == nil {
				sum += p.weights()[g]
			}
			groups[g] = append(groups[g], r)
		}
	}
	for total := len(in); total > 0 && sum > 0; total-- {
		quota, fits := map[string]int{}, p.most() == 0 || total <= p.most()
		left := total
		for g, rows := range groups {
			quota[g] = total * p.weights()[g] / sum
			left -= quota[g]
			fits = fits && total*p.weights()[g] <= len(rows)*sum
		}
		if !fits {
			continue
		}
		names := slices.Sorted(maps.Keys(groups))
		slices.SortStableFunc(names, func(a, b string) int {
			return total*p.weights()[b]%sum - total*p.weights()[a]%sum
		})
		for _, g := range names[:max(0, left)] {
			quota[g]++
		}
		return pick(in, p.seed, func(r columns) (string, int) { g := fmt.Sprint(r[column]); return g, quota[g] })
	}
	return nil
}
