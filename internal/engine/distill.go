package engine

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"sort"
	"strings"
	"sync"
	"unicode"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

// A distill step is a chain of operations, each of which takes rows in order
// and passes some of them on in order. They run in this process: they decide
// by expressions of the recipe language, and only pass on what is there.

// operation is one link of the chain.
type operation interface {
	// add takes the next rows and returns those that can be passed on
	// already. What it leaves out for good it counts.
	add(items []item) ([]item, error)
	// end returns what was held back.
	end() ([]item, error)
}

// runDistill pushes the input through the chain. Rows are loaded and judged
// by the filters that come first on all cores; what is decided one row after
// the other follows in order.
func (b *build) runDistill(st *stepState) error {
	chain := make([]operation, len(st.Distill))
	var filters []*filterOp
	for i, op := range st.Distill {
		chain[i] = b.newOperation(st, op, i+1)
		if f, ok := chain[i].(*filterOp); ok && len(filters) == i {
			filters = append(filters, f)
		}
	}
	st.trace = b.tracer(traceDrops)
	var pos int64
	in := b.reader(st)
	err := pipeline[span, judged]{
		next: func() (span, bool, error) {
			if b.halted(st) {
				return span{}, false, errStopped
			}
			return in.span()
		},
		stop: in.stop,
		work: func(s span) (judged, error) { return judge(filters, s) },
		done: func(j judged) error {
			st.count(func(p *progress) { p.rowsIn += int64(len(j.items)); p.tasks = p.rowsIn })
			items := j.items
			for i := range items {
				items[i].pos = pos
				pos++
			}
			for i, f := range filters {
				var err error
				if items, err = f.take(items, j.verdicts[i]); err != nil {
					return err
				}
			}
			return b.push(st, chain[len(filters):], items)
		},
	}.run()
	if err != nil {
		return err
	}
	st.count(func(p *progress) { p.inputDone = true })
	for i, op := range chain {
		items, err := op.end()
		if err != nil {
			return err
		}
		if err := b.push(st, chain[i+1:], items); err != nil {
			return err
		}
	}
	return nil
}

// judged are rows and what the first filters say of them: of all rows, then
// of those that the first one keeps, and so on.
type judged struct {
	items    []item
	verdicts [][]verdict
}

// verdict is what a filter says of a row.
type verdict struct {
	keep bool
	err  error
}

func judge(filters []*filterOp, s span) (judged, error) {
	items, err := s.load()
	j := judged{items: items, verdicts: make([][]verdict, len(filters))}
	left := make([]*spec.DecodedRow, len(items))
	for i := range items {
		left[i] = spec.Decode(items[i].row)
	}
	for i, f := range filters {
		j.verdicts[i] = make([]verdict, len(left))
		kept := left[:0]
		for k, r := range left {
			v := &j.verdicts[i][k]
			if v.keep, v.err = f.op.Keep.EvalBool(r); v.keep {
				kept = append(kept, r)
			}
		}
		left = kept
	}
	return j, err
}

// push sends rows through the rest of a chain and passes on what comes out.
func (b *build) push(st *stepState, chain []operation, items []item) error {
	var err error
	for _, op := range chain {
		if len(items) == 0 {
			return nil
		}
		if items, err = op.add(items); err != nil {
			return err
		}
	}
	if len(items) == 0 {
		return nil
	}
	st.count(func(p *progress) { p.rowsOut += int64(len(items)) })
	if n := len(st.Distill); n > 0 && st.Distill[n-1].Kind == spec.OpScenarios {
		return st.flow.append(asScenarios(items))
	}
	return st.flow.pass(items)
}

func (b *build) newOperation(st *stepState, op *spec.Op, number int) operation {
	common := opBase{build: b, st: st, op: op, number: number}
	switch op.Kind {
	case spec.OpFilter:
		return &filterOp{common}
	case spec.OpDedupe:
		if op.Similarity < 1 {
			return &nearOp{opBase: common, sketcher: newSketcher(), index: newNearIndex(op.Similarity)}
		}
		return &exactOp{opBase: common, seen: map[[16]byte]struct{}{}}
	case spec.OpScenarios:
		return newScenariosOp(common)
	case spec.OpSample, spec.OpMix:
		seed := st.Seed
		if op.Seed != nil {
			seed = *op.Seed
		}
		pick := pickOp{opBase: common, seed: seed, max: cmp.Or(op.N, math.MaxInt), groups: map[string]*lowest{}}
		if op.Kind == spec.OpMix {
			return &mixOp{pick}
		}
		return &pick
	default: // balance, limit
		if op.Seed == nil {
			return &firstOp{opBase: common, taken: map[string]int{}}
		}
		return &pickOp{opBase: common, seed: *op.Seed, max: op.Max, groups: map[string]*lowest{}}
	}
}

// opBase is what every operation has.
type opBase struct {
	*build
	st *stepState
	op *spec.Op

	number int    // of the operation, from 1
	reason string // why it leaves rows out; "": it is called as the operation is
}

// drop counts n rows left out; leave has traced them.
func (o *opBase) drop(n int) {
	if n > 0 {
		o.st.drop(cmp.Or(o.reason, opReason(o.op)), int64(n))
	}
}

// leave traces a row that is left out.
func (o *opBase) leave(it item) { o.st.trace.drop(it.pos, o.number) }

func (o *opBase) end() ([]item, error) { return nil, nil }

// evaluate computes a value for each row, on all cores. A row for which the
// expression fails is a failed row; keep is false for it.
func evaluate[T any](o *opBase, items []item, f func(row.Row) (T, error)) (values []T, keep []bool, err error) {
	values, keep = make([]T, len(items)), make([]bool, len(items))
	errs := make([]error, len(items))
	parallel(len(items), func(i int) {
		values[i], errs[i] = f(items[i].row)
	})
	for i, e := range errs {
		keep[i] = e == nil
		if e == nil {
			continue
		}
		if err := o.failed(items[i], e); err != nil {
			return nil, nil, err
		}
	}
	return values, keep, nil
}

// failed counts a row for which an expression has no value.
func (o *opBase) failed(it item, err error) error {
	o.st.trace.drop(it.pos, 0)
	return o.rowFailed(o.st, it.row.String("id"), &RowError{
		Code: "expression_error", Summary: "an expression has no value for this row",
		Detail: fmt.Sprintf("%s %q: %v", o.op.Kind, o.op.Name, err),
	})
}

// parallel calls f for 0 to n-1 on all cores.
func parallel(n int, f func(i int)) {
	workers := min(runtime.GOMAXPROCS(0), (n+15)/16)
	if workers <= 1 {
		for i := range n {
			f(i)
		}
		return
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w * n / workers; i < (w+1)*n/workers; i++ {
				f(i)
			}
		})
	}
	wg.Wait()
}

// by is the text that rows are compared or grouped by.
func (o *opBase) by(r row.Row) (string, error) {
	if o.op.By == nil {
		return string(r.Without("id").Without("origin").Bytes()), nil
	}
	return o.op.By.EvalString(r)
}

// filterOp keeps the rows for which an expression is true.
type filterOp struct{ opBase }

func (o *filterOp) add(items []item) ([]item, error) {
	verdicts := make([]verdict, len(items))
	parallel(len(items), func(i int) {
		verdicts[i].keep, verdicts[i].err = o.op.Keep.EvalBool(items[i].row)
	})
	return o.take(items, verdicts)
}

// take passes on what a filter keeps.
func (o *filterOp) take(items []item, verdicts []verdict) ([]item, error) {
	kept, dropped := make([]item, 0, len(items)), 0
	for i, it := range items {
		switch v := verdicts[i]; {
		case v.err != nil:
			if err := o.failed(it, v.err); err != nil {
				return nil, err
			}
		case v.keep:
			kept = append(kept, it)
		default:
			dropped++
			o.leave(it)
		}
	}
	o.drop(dropped)
	return kept, nil
}

// exactOp keeps the first of equal rows.
type exactOp struct {
	opBase
	seen map[[16]byte]struct{} // digests, shortened: 2^64 rows until two meet
}

func (o *exactOp) add(items []item) ([]item, error) {
	texts, keep, err := evaluate(&o.opBase, items, o.by)
	if err != nil {
		return nil, err
	}
	kept, dropped := items[:0:0], 0
	for i, it := range items {
		if !keep[i] {
			continue
		}
		d := cache.Sum([]byte(texts[i]))
		short := [16]byte(d[:16])
		if _, dup := o.seen[short]; dup {
			dropped++
			o.leave(it)
			continue
		}
		o.seen[short] = struct{}{}
		kept = append(kept, it)
	}
	o.drop(dropped)
	return kept, nil
}

// nearOp keeps the first of rows that are alike.
type nearOp struct {
	opBase
	*sketcher
	index *nearIndex
}

func (o *nearOp) add(items []item) ([]item, error) {
	sigs, keep, err := evaluate(&o.opBase, items, func(r row.Row) (*signature, error) {
		text, err := o.by(r)
		return o.sketch(text), err
	})
	if err != nil {
		return nil, err
	}
	kept, dropped := items[:0:0], 0
	for i, it := range items {
		switch {
		case !keep[i]:
		case o.index.add(sigs[i]):
			kept = append(kept, it)
		default:
			dropped++
			o.leave(it)
		}
	}
	o.drop(dropped)
	return kept, nil
}

// firstOp keeps the first rows of each group: balance and limit without a
// seed.
type firstOp struct {
	opBase
	taken map[string]int
}

func (o *firstOp) add(items []item) ([]item, error) {
	groups, keep, err := groupsOf(&o.opBase, items)
	if err != nil {
		return nil, err
	}
	kept, dropped := items[:0:0], 0
	for i, it := range items {
		switch {
		case !keep[i]:
		case o.taken[groups[i]] < o.op.Max:
			o.taken[groups[i]]++
			kept = append(kept, it)
		default:
			dropped++
			o.leave(it)
		}
	}
	o.drop(dropped)
	return kept, nil
}

// groupsOf gives each row's group: all are one where there is nothing to
// group by.
func groupsOf(o *opBase, items []item) ([]string, []bool, error) {
	return evaluate(o, items, func(r row.Row) (string, error) {
		if o.op.By == nil {
			return "", nil
		}
		return o.op.By.EvalString(r)
	})
}

// pickOp keeps a seeded choice of max rows of each group, in order of the
// input. A row's luck depends on the seed and on the row alone, so that
// adding rows moves few others in or out. It holds places, not rows.
type pickOp struct {
	opBase
	seed   int64
	max    int
	groups map[string]*lowest
	n      int64
}

func (o *pickOp) add(items []item) ([]item, error) {
	groups, keep, err := groupsOf(&o.opBase, items)
	if err != nil {
		return nil, err
	}
	for i, it := range items {
		if !keep[i] {
			continue
		}
		if o.op.Weights != nil && o.op.Weights[groups[i]] == 0 {
			o.leave(it)
			o.drop(1)
			continue
		}
		g := o.groups[groups[i]]
		if g == nil {
			g = &lowest{}
			o.groups[groups[i]] = g
		}
		digest := it.row.Without("id").Without("origin").Digest()
		d := cache.Sum(binary.AppendVarint(digest[:], o.seed))
		heap.Push(g, pick{binary.BigEndian.Uint64(d[:8]), o.n, it.ref, it.pos})
		o.n++
		if g.Len() > o.max {
			o.leave(item{pos: heap.Pop(g).(pick).pos})
			o.drop(1)
		}
	}
	return nil, nil
}

func (o *pickOp) end() ([]item, error) {
	var picks []pick
	for _, g := range o.groups {
		picks = append(picks, *g...)
	}
	sort.Slice(picks, func(i, j int) bool { return picks[i].n < picks[j].n })
	items := make([]item, 0, len(picks))
	var last *chunk
	var rows []row.Row
	for _, p := range picks {
		if p.ref.chunk != last {
			var err error
			if rows, err = p.ref.chunk.load(o.blobs()); err != nil {
				return nil, err
			}
			last = p.ref.chunk
		}
		items = append(items, item{rows[p.ref.index], p.ref, p.pos})
	}
	return items, nil
}

// pick is a row that may be kept. The lower its luck the better.
type pick struct {
	luck uint64
	n    int64 // position among the operation's rows
	ref  ref
	pos  int64 // position in the step's input
}

// lowest is a heap with the unluckiest pick on top.
type lowest []pick

func (l lowest) Len() int { return len(l) }
func (l lowest) Less(i, j int) bool {
	if l[i].luck != l[j].luck {
		return l[i].luck > l[j].luck
	}
	return l[i].n > l[j].n
}
func (l lowest) Swap(i, j int) { l[i], l[j] = l[j], l[i] }
func (l *lowest) Push(x any)   { *l = append(*l, x.(pick)) }
func (l *lowest) Pop() any {
	p := (*l)[len(*l)-1]
	*l = (*l)[:len(*l)-1]
	return p
}

// words splits a text as near-duplicates are compared: case, punctuation and
// space do not count.
func words(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r)
	})
}
