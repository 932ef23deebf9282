package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

// An audit holds components to their word. One that calls itself deterministic
// promises the same bytes for the same input; if it lies, rows depend on when
// they were made, and what the cache holds is no answer to what would be made
// now. So a share of a build's rows is made once more and compared. Nothing that
// is made for it is kept.

// Audited is what an audit found.
type Audited struct {
	Steps     int   `json:"steps"` // whose component calls itself deterministic
	Rows      int64 `json:"rows"`  // that were made again
	Different int64 `json:"different"`
	// Differences are the first of them.
	Differences []Difference `json:"differences,omitempty"`
}

// Difference is a row that came out otherwise when it was made again.
type Difference struct {
	Address   string `json:"address"`
	Component string `json:"component"`
	Row       string `json:"row"` // its id; of a source "#" and its place
	Sample    int    `json:"sample,omitempty"`
	Was       string `json:"was"` // what differs first, cut short
	Is        string `json:"is"`
}

// maxDifferences is how many an audit tells in full.
const maxDifferences = 20

// Audit makes a share of the rows of a finished build again, from 0 to 1, and
// compares them. Which ones depends on their keys alone. Outputs are left out:
// they are made anew whenever they are not what they were.
func (e *Engine) Audit(ctx context.Context, share float64) (*Audited, error) {
	b, err := e.newBuild(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer b.cancel()
	b.showing = true
	for _, st := range b.order {
		st.refresh = false // the answers that the build got are the ones to compare with
	}
	if err := b.lookUpAll(func(*stepState) {}); err != nil {
		return nil, err
	}
	a := &audit{build: b, share: share}
	for _, st := range b.order {
		if !st.hit || st.Kind != spec.RoleStep || !st.Role.Component.Deterministic {
			continue
		}
		a.found.Steps++
		if isSource(st.Step) {
			err = a.source(st)
		} else {
			err = a.rows(st)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: audit: %w", st.Address, err)
		}
	}
	return &a.found, nil
}

type audit struct {
	*build
	share float64
	found Audited
}

// chosen says whether a row is made again.
func (a *audit) chosen(k cache.Digest) bool {
	return float64(binary.BigEndian.Uint64(k[8:16])>>11)/(1<<53) < a.share
}

// differs notes a difference.
func (a *audit) differs(st *stepState, id string, sample int, was, is []byte) {
	if a.found.Different++; len(a.found.Differences) == maxDifferences {
		return
	}
	from := 0
	for from < min(len(was), len(is)) && was[from] == is[from] {
		from++
	}
	const before, most = 20, 120
	cut := func(b []byte) string {
		start := max(0, min(from-before, len(b)))
		text := string(bytes.ToValidUTF8(b[start:min(len(b), start+most)], nil))
		if start > 0 {
			text = "…" + text
		}
		if start+most < len(b) {
			text += "…"
		}
		return text
	}
	name := string(st.Role.Component.Role) + " " + st.Role.Component.Name
	if st.Role.Plugin.Name != "" {
		name += " of " + st.Role.Plugin.Source
	}
	a.found.Differences = append(a.found.Differences, Difference{
		Address: st.Address, Component: name, Row: id, Sample: sample, Was: cut(was), Is: cut(is),
	})
}

// audited is a task that is made again.
type audited struct {
	id     string
	sample int
	was    *rowRecord // nil: it is not compared
}

// rows makes rows of a component again that works row by row.
func (a *audit) rows(st *stepState) error {
	run, err := a.start(st, st.Role, st.Address, "", nil)
	if err != nil {
		return err
	}
	defer run.Close()
	var mu sync.Mutex
	open := map[uint64]audited{}
	sent := make(chan error, 1)
	go func() {
		err := a.sendChosen(st, run, func(seq uint64, t audited) {
			mu.Lock()
			defer mu.Unlock()
			open[seq] = t
		})
		if err != nil {
			run.Close() // which ends the reading
		}
		sent <- err
	}()
	err = each(run, func(res Result) error {
		mu.Lock()
		t, ok := open[res.Seq]
		delete(open, res.Seq)
		mu.Unlock()
		if !ok {
			return fmt.Errorf("the plugin answered row %d, which it was not asked", res.Seq)
		}
		if t.was == nil || res.Err != nil && res.Err.Transient {
			return nil // it says nothing of the row
		}
		a.found.Rows++
		if was, is := outcomeText(t.was.rows, t.was.dropped, t.was.err), resultText(res); !bytes.Equal(was, is) {
			a.differs(st, t.id, t.sample, was, is)
		}
		return nil
	})
	if err != nil {
		run.Close() // which ends the sending
	}
	if serr := <-sent; serr != nil && (err == nil || !errors.As(serr, new(*sendError))) {
		return serr
	}
	return err
}

// sendChosen sends the tasks that are made again.
func (a *audit) sendChosen(st *stepState, run Run, note func(uint64, audited)) error {
	s := newRowStep(a.build, st)
	if err := s.survey(); err != nil {
		return err
	}
	in := a.reader(st)
	var seq uint64
	place := 0
	for {
		items, err := in.next()
		if err != nil {
			return err
		}
		if len(items) == 0 {
			return asSendError(run.CloseSend())
		}
		var tasks []Task
		for _, it := range items {
			columns := s.appendReads(nil, it.row)
			digest := cache.Sum(columns)
			for sample := range s.samples {
				k := s.keyOf(digest, place, sample)
				var was *rowRecord
				if a.chosen(k) {
					if was, err = getRow(a.opts.Store, k); err != nil {
						return err
					}
				}
				if was == nil && s.whole == nil {
					continue // it was not kept; where the component sees all rows, it needs this one
				}
				note(seq, audited{it.row.String("id"), sample, was})
				tasks = append(tasks, Task{Seq: seq, Row: columns, Sample: sample, Seed: taskSeed(st.Seed, digest, sample)})
				seq++
			}
			place++
		}
		if err := asSendError(run.Send(tasks)); err != nil {
			return err
		}
	}
}

// source has a source give its rows again, and compares some.
func (a *audit) source(st *stepState) error {
	run, err := a.start(st, st.Role, st.Address, "", nil)
	if err != nil {
		return err
	}
	defer run.Close()
	if err := run.CloseSend(); err != nil {
		return err
	}
	left := int64(math.MaxInt64)
	if a.opts.Limit > 0 {
		left = int64(a.opts.Limit)
	}
	in := &reader{flows: []*flow{st.flow}}
	var items []item
	var n int64
	compare := func(is row.Row) error {
		if len(items) == 0 {
			if items, err = in.next(); err != nil {
				return err
			}
		}
		var was []byte
		if len(items) > 0 {
			was, items = items[0].row.Bytes(), items[1:]
		}
		n++
		if len(was) > 0 && !a.chosen(cache.Sum(was)) {
			return nil
		}
		a.found.Rows++
		if !bytes.Equal(was, is.Bytes()) {
			a.differs(st, fmt.Sprintf("#%d", n-1), 0, was, is.Bytes())
		}
		return nil
	}
	err = each(run, func(res Result) error {
		for _, r := range readSource(st.Role, []Result{res}) {
			switch {
			case r.err != nil || r.dropped != "":
			case left == 0:
				return errEnough
			default:
				left--
				if err := compare(r.row); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if left == 0 {
		return nil
	}
	if len(items) == 0 {
		if items, err = in.next(); err != nil {
			return err
		}
	}
	if len(items) > 0 { // it gave more before
		a.differs(st, fmt.Sprintf("#%d", n), 0, items[0].row.Bytes(), nil)
	}
	return nil
}

// each takes results until a run ends.
func each(run Run, take func(Result) error) error {
	for {
		ev, err := run.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, res := range ev.Results {
			if err := take(res); err != nil {
				return err
			}
		}
	}
}

// resultText is a result as text that is the same where the outcome is.
func resultText(res Result) []byte {
	var p row.Parser
	var rows []row.Row
	for i := range res.Rows {
		r, err := res.row(&p, i)
		if err != nil {
			return []byte("no row: " + err.Error())
		}
		rows = append(rows, r)
	}
	return outcomeText(rows, res.Dropped, res.Err)
}

func outcomeText(rows []row.Row, dropped string, err *RowError) []byte {
	switch {
	case err != nil:
		return []byte("failed: " + err.Code)
	case dropped != "":
		return []byte("left out: " + dropped)
	}
	var b []byte
	for _, r := range rows {
		b = append(append(b, r.Bytes()...), '\n')
	}
	return b
}
