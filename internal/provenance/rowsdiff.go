package provenance

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/row"
)

// table is the rows of one step after those of another: what a step takes.
type table struct {
	store *cache.Store
	recs  []*engine.StepRecord
}

func (t table) len() (n int64) {
	for _, r := range t.recs {
		n += r.Rows
	}
	return n
}

// equal says whether two tables have the same rows in the same order, as far
// as that can be told without reading them.
func (t table) equal(u table) bool {
	return slices.EqualFunc(t.recs, u.recs, func(x, y *engine.StepRecord) bool { return x.Digest == y.Digest })
}

// rows gives the rows with their positions, until the context ends.
func (t table) rows(ctx context.Context) iter.Seq2[row.Row, error] {
	return func(yield func(row.Row, error) bool) {
		n := 0
		for _, r := range t.recs {
			for v, err := range r.AllRows(t.store) {
				if n++; err == nil && n%1024 == 0 {
					err = ctx.Err()
				}
				if !yield(v, err) || err != nil {
					return
				}
			}
		}
	}
}

// at gives the rows at some positions, which are sorted here.
func (t table) at(ctx context.Context, positions []int64) (map[int64]row.Row, error) {
	found := map[int64]row.Row{}
	wanted := slices.Compact(slices.Sorted(slices.Values(positions)))
	if len(wanted) == 0 {
		return found, nil
	}
	var pos int64
	for r, err := range t.rows(ctx) {
		if err != nil {
			return nil, err
		}
		if pos == wanted[0] {
			found[pos] = r
			if wanted = wanted[1:]; len(wanted) == 0 {
				break
			}
		}
		pos++
	}
	return found, nil
}

// imprint is what is kept in memory of a row: 40 bytes, however large it is.
type imprint struct {
	id, content [16]byte
	pos         int64
}

// unplaced is a row without its position in its source, which moves when
// others come before it: that is no change of the row.
func unplaced(r row.Row) row.Row {
	raw, ok := r.Column("origin")
	if !ok {
		return r
	}
	origin, err := row.FromCanonical(raw)
	if err != nil {
		return r
	}
	return r.With("origin", origin.Without("index").Bytes())
}

func (t table) imprints(ctx context.Context) ([]imprint, error) {
	list := make([]imprint, 0, max(0, min(t.len(), 1<<20)))
	for r, err := range t.rows(ctx) {
		if err != nil {
			return nil, err
		}
		id, content := cache.Sum([]byte(r.String("id"))), unplaced(r).Digest()
		list = append(list, imprint{[16]byte(id[:16]), [16]byte(content[:16]), int64(len(list))})
	}
	slices.SortFunc(list, func(x, y imprint) int {
		return cmp.Or(bytes.Compare(x.id[:], y.id[:]), bytes.Compare(x.content[:], y.content[:]), cmp.Compare(x.pos, y.pos))
	})
	return list, nil
}

// maxIDs bounds the rows that are named of each kind of change.
const maxIDs = 20

// firsts keeps the lowest few of pairs of positions.
type firsts [][2]int64

func (f *firsts) add(at, other int64) {
	if len(*f) == maxIDs {
		if at >= (*f)[maxIDs-1][0] {
			return
		}
		*f = (*f)[:maxIDs-1]
	}
	i, _ := slices.BinarySearchFunc(*f, at, func(p [2]int64, at int64) int { return cmp.Compare(p[0], at) })
	*f = slices.Insert(*f, i, [2]int64{at, other})
}

func (f firsts) positions(side int) []int64 {
	list := make([]int64, len(f))
	for i, p := range f {
		list[i] = p[side]
	}
	return list
}

// diffRows compares two tables. Rows belong together if their ids are equal;
// of rows that share an id, those that are equal first.
func diffRows(ctx context.Context, a, b table) (*RowsDiff, error) {
	d := &RowsDiff{Before: a.len(), After: b.len()}
	if a.equal(b) {
		return d, nil
	}
	before, err := a.imprints(ctx)
	if err != nil {
		return nil, err
	}
	after, err := b.imprints(ctx)
	if err != nil {
		return nil, err
	}
	d.Before, d.After = int64(len(before)), int64(len(after))
	var added, gone, changed firsts // changed: positions after and before
	for len(before) > 0 || len(after) > 0 {
		runA, runB := nextRun(&before, &after)
		leftA, leftB := leftOver(runA, runB)
		n := min(len(leftA), len(leftB))
		d.Changed += int64(n)
		d.Gone += int64(len(leftA) - n)
		d.Added += int64(len(leftB) - n)
		for i := range n {
			changed.add(leftB[i].pos, leftA[i].pos)
		}
		for _, p := range leftA[n:] {
			gone.add(p.pos, 0)
		}
		for _, p := range leftB[n:] {
			added.add(p.pos, 0)
		}
	}
	d.Reordered = d.Added+d.Gone+d.Changed == 0 && !sameOrder(ctx, a, b)
	return d, d.name(ctx, a, b, added, gone, changed)
}

// sameOrder says whether tables of equal rows have them in the same order.
func sameOrder(ctx context.Context, a, b table) bool {
	next, stop := iter.Pull2(b.rows(ctx))
	defer stop()
	for r, err := range a.rows(ctx) {
		other, err2, ok := next()
		if err != nil || err2 != nil || !ok || unplaced(r).Digest() != unplaced(other).Digest() {
			return false
		}
	}
	return true
}

// nextRun cuts the rows with the lowest id off both lists.
func nextRun(a, b *[]imprint) (runA, runB []imprint) {
	var id [16]byte
	switch {
	case len(*b) == 0 || len(*a) > 0 && bytes.Compare((*a)[0].id[:], (*b)[0].id[:]) <= 0:
		id = (*a)[0].id
	default:
		id = (*b)[0].id
	}
	cut := func(list *[]imprint) []imprint {
		n := 0
		for n < len(*list) && (*list)[n].id == id {
			n++
		}
		run := (*list)[:n]
		*list = (*list)[n:]
		return run
	}
	return cut(a), cut(b)
}

// leftOver takes the rows that are equal off two runs, which are in order of
// content. What is left is in order of position.
func leftOver(a, b []imprint) (leftA, leftB []imprint) {
	if len(a) == 1 && len(b) == 1 && a[0].content == b[0].content { // nearly always
		return nil, nil
	}
	for len(a) > 0 && len(b) > 0 {
		switch c := bytes.Compare(a[0].content[:], b[0].content[:]); {
		case c < 0:
			leftA, a = append(leftA, a[0]), a[1:]
		case c > 0:
			leftB, b = append(leftB, b[0]), b[1:]
		default:
			a, b = a[1:], b[1:]
		}
	}
	leftA, leftB = append(leftA, a...), append(leftB, b...)
	byPos := func(x, y imprint) int { return cmp.Compare(x.pos, y.pos) }
	slices.SortFunc(leftA, byPos)
	slices.SortFunc(leftB, byPos)
	return leftA, leftB
}

// name reads the first few rows of each kind of change again, for their ids.
func (d *RowsDiff) name(ctx context.Context, a, b table, added, gone, changed firsts) error {
	rowsA, err := a.at(ctx, append(gone.positions(0), changed.positions(1)...))
	if err != nil {
		return err
	}
	rowsB, err := b.at(ctx, append(added.positions(0), changed.positions(0)...))
	if err != nil {
		return err
	}
	for _, p := range gone {
		d.GoneIDs = append(d.GoneIDs, rowsA[p[0]].String("id"))
	}
	for _, p := range added {
		d.AddedIDs = append(d.AddedIDs, rowsB[p[0]].String("id"))
	}
	for _, p := range changed {
		was, is := rowsA[p[1]], rowsB[p[0]]
		d.ChangedIDs = append(d.ChangedIDs, RowChange{ID: is.String("id"), Columns: columnsChanged(unplaced(was), unplaced(is))})
	}
	return nil
}

// columnsChanged are the columns in which two rows differ.
func columnsChanged(a, b row.Row) []string {
	names := slices.Concat(a.Names(), b.Names())
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool {
		x, okX := a.Column(name)
		y, okY := b.Column(name)
		return okX == okY && bytes.Equal(x, y)
	})
}
