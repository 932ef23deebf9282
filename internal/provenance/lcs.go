package provenance

import "sort"

// A difference of two lists is worked out in two ways that complete each
// other: lines that stand once in both are anchors (patience diff, which
// people find easiest to read), and what lies between anchors is compared by
// Myers' algorithm. Both are bounded; beyond the bounds lists differ whole.

// block says that a[a0:a1] was replaced by b[b0:b1], one of which may be
// empty.
type block struct{ a0, a1, b0, b1 int }

// maxEdits bounds the edits that Myers' algorithm looks for, and with their
// square its time and memory.
const maxEdits = 1000

// differ compares two lists of numbers that stand for their members.
type differ struct {
	a, b   []int
	blocks []block
}

// compare gives the blocks that differ, in order.
func compare[T comparable](a, b []T) []block {
	ids := map[T]int{}
	number := func(list []T) []int {
		out := make([]int, len(list))
		for i, v := range list {
			id, ok := ids[v]
			if !ok {
				id = len(ids)
				ids[v] = id
			}
			out[i] = id
		}
		return out
	}
	d := &differ{a: number(a), b: number(b)}
	d.between(0, len(a), 0, len(b))
	return d.blocks
}

// add adds a block, as part of the last one if it follows it at once.
func (d *differ) add(x block) {
	if x.a0 == x.a1 && x.b0 == x.b1 {
		return
	}
	if n := len(d.blocks); n > 0 && d.blocks[n-1].a1 == x.a0 && d.blocks[n-1].b1 == x.b0 {
		d.blocks[n-1].a1, d.blocks[n-1].b1 = x.a1, x.b1
		return
	}
	d.blocks = append(d.blocks, x)
}

// between compares a[a0:a1] with b[b0:b1].
func (d *differ) between(a0, a1, b0, b1 int) {
	for a0 < a1 && b0 < b1 && d.a[a0] == d.b[b0] {
		a0, b0 = a0+1, b0+1
	}
	for a0 < a1 && b0 < b1 && d.a[a1-1] == d.b[b1-1] {
		a1, b1 = a1-1, b1-1
	}
	if a0 == a1 || b0 == b1 {
		d.add(block{a0, a1, b0, b1})
		return
	}
	anchors := d.anchors(a0, a1, b0, b1)
	if len(anchors) == 0 {
		d.myers(a0, a1, b0, b1)
		return
	}
	for _, p := range anchors {
		if p[0] < a0 { // taken with the one before it
			continue
		}
		d.between(a0, p[0], b0, p[1])
		a0, b0 = p[0]+1, p[1]+1
	}
	d.between(a0, a1, b0, b1)
}

// anchors are the pairs of members that stand once in both lists, the longest
// run of them whose order agrees.
func (d *differ) anchors(a0, a1, b0, b1 int) [][2]int {
	type seen struct{ inA, inB, a, b int }
	at := map[int]*seen{}
	for i := a0; i < a1; i++ {
		s := at[d.a[i]]
		if s == nil {
			s = &seen{}
			at[d.a[i]] = s
		}
		s.inA, s.a = s.inA+1, i
	}
	for i := b0; i < b1; i++ {
		if s := at[d.b[i]]; s != nil {
			s.inB, s.b = s.inB+1, i
		}
	}
	var pairs [][2]int // in order of a
	for i := a0; i < a1; i++ {
		if s := at[d.a[i]]; s.inA == 1 && s.inB == 1 {
			pairs = append(pairs, [2]int{i, s.b})
		}
	}
	return longestRun(pairs)
}

// longestRun is the longest subsequence in which the second numbers rise.
func longestRun(pairs [][2]int) [][2]int {
	var tops []int // indexes of pairs: the lowest end of a run of each length
	before := make([]int, len(pairs))
	for i, p := range pairs {
		at := sort.Search(len(tops), func(k int) bool { return pairs[tops[k]][1] >= p[1] })
		before[i] = -1
		if at > 0 {
			before[i] = tops[at-1]
		}
		if at == len(tops) {
			tops = append(tops, i)
		} else {
			tops[at] = i
		}
	}
	if len(tops) == 0 {
		return nil
	}
	run := make([][2]int, len(tops))
	for i, k := tops[len(tops)-1], len(tops)-1; i >= 0; i, k = before[i], k-1 {
		run[k] = pairs[i]
	}
	return run
}

// myers finds the fewest edits from a[a0:a1] to b[b0:b1] (Myers 1986, the
// greedy form with its trace kept).
func (d *differ) myers(a0, a1, b0, b1 int) {
	n, m := a1-a0, b1-b0
	limit := min(n+m, maxEdits)
	v := make([]int, 2*limit+2)
	var trace [][]int // the far ends before each number of edits
	for edits := 0; edits <= limit; edits++ {
		trace = append(trace, append([]int(nil), v[limit-edits:limit+edits+2]...))
		for k := -edits; k <= edits; k += 2 {
			x := v[limit+k+1] // down
			if k != -edits && (k == edits || v[limit+k-1] >= x) {
				x = v[limit+k-1] + 1 // right
			}
			for x < n && x-k < m && d.a[a0+x] == d.b[b0+x-k] {
				x++
			}
			v[limit+k] = x
			if k == n-m && x >= n {
				d.backtrack(trace, a0, b0, k)
				return
			}
		}
	}
	d.add(block{a0, a1, b0, b1})
}

// backtrack turns the trace of myers, which ended on the diagonal k, into
// blocks.
func (d *differ) backtrack(trace [][]int, a0, b0, k int) {
	var edits []block // last first
	for e := len(trace) - 1; e > 0; e-- {
		far := func(k int) int { return trace[e][k+e] }
		if k == -e || k != e && far(k-1) < far(k+1) {
			x := a0 + far(k+1)
			y := x - a0 - (k + 1) + b0
			edits = append(edits, block{x, x, y, y + 1})
			k++
		} else {
			x := a0 + far(k-1)
			y := x - a0 - (k - 1) + b0
			edits = append(edits, block{x, x + 1, y, y})
			k--
		}
	}
	for i := len(edits) - 1; i >= 0; i-- {
		d.add(edits[i])
	}
}
