package files

import (
	"container/heap"
	"slices"
)

// Few says of which rows an output takes no more than a number, and which
// ones: those with the lowest luck, which a row owes to itself alone. So rows
// that come or go move few others in or out, and none is taken for coming
// first. The zero value takes all rows.
type Few[C any] struct {
	Most   int
	Reason string // why the others are left out
	// Luck is a row's luck; false of a row that is always taken.
	Luck func(C) (uint64, bool)
}

// luck is a row's luck, and whether it stands among few.
func (f Few[C]) luck(c C) (uint64, bool) {
	if f.Luck == nil {
		return 0, false
	}
	return f.Luck(c)
}

// held is a row that may be taken. It is not answered yet.
type held struct {
	luck   uint64
	place  int // among all that may be taken
	split  string
	size   int
	values []any
	answer func(reason string) error
}

// fewest are the luckiest of the rows so far; the unluckiest is on top.
type fewest struct {
	most   int
	reason string
	rows   heldRows
	places int
}

// want says whether a row with that luck is among the luckiest so far. Of
// equal rows the first is luckier.
func (f *fewest) want(luck uint64) bool {
	return len(f.rows) < f.most || f.most > 0 && luck < f.rows[0].luck
}

// add takes up a row that is wanted, and lets go of the unluckiest.
func (f *fewest) add(h held) error {
	h.place = f.places
	f.places++
	heap.Push(&f.rows, h)
	if len(f.rows) <= f.most {
		return nil
	}
	return heap.Pop(&f.rows).(held).answer(f.reason)
}

// heldBatch is how many rows are encoded as one piece of work.
const heldBatch = 64

// write makes lines of the rows that are left, in their order.
func (f *fewest) write(to *ordered[made], validate func([]byte) error) error {
	rows := f.rows
	f.rows = nil
	slices.SortFunc(rows, func(a, b held) int { return a.place - b.place })
	for list := range slices.Chunk(rows, heldBatch) {
		size := 0
		for _, h := range list {
			size += h.size
		}
		if err := to.add(size, func() (made, error) { return encodeHeld(list, validate) }); err != nil {
			return err
		}
	}
	return nil
}

func encodeHeld(rows []held, validate func([]byte) error) (made, error) {
	var m made
	for _, h := range rows {
		lines, ok := linesOf(h.values, validate)
		reason := ""
		if !ok {
			reason = InvalidRow
		}
		for _, text := range lines {
			m.add(h.split, text)
		}
		if err := h.answer(reason); err != nil {
			return m, err
		}
	}
	return m, nil
}

type heldRows []held

func (h heldRows) Len() int { return len(h) }
func (h heldRows) Less(i, j int) bool {
	if h[i].luck != h[j].luck {
		return h[i].luck > h[j].luck
	}
	return h[i].place > h[j].place
}
func (h heldRows) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *heldRows) Push(x any)   { *h = append(*h, x.(held)) }
func (h *heldRows) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	(*h)[last] = held{} // which lets go of its values
	*h = (*h)[:last]
	return x
}
