package engine

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"strconv"

	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

// runSource runs a threat source: it has no input, and its rows come in
// order.
func (b *build) runSource(st *stepState) error {
	if copied, err := b.copyTwin(st); copied || err != nil {
		return err
	}
	blocks, err := b.newSourceBlocks(st)
	if err != nil {
		return err
	}
	defer blocks.wait()
	run, err := b.start(st, st.Role, st.Address, "", blocks)
	if err != nil {
		return err
	}
	defer run.Close()
	st.count(func(p *progress) { p.calls, p.inputDone = run.Counts, true })
	if err := run.CloseSend(); err != nil {
		return err
	}
	left := int64(math.MaxInt64)
	if b.opts.Limit > 0 {
		left = int64(b.opts.Limit)
	}
	err = pipeline[RunEvent, sourceBatch]{
		next: func() (RunEvent, bool, error) {
			if b.halted(st) {
				return RunEvent{}, false, errStopped
			}
			ev, err := run.Recv()
			if errors.Is(err, io.EOF) {
				return RunEvent{}, false, nil
			}
			return ev, true, err
		},
		stop: func() { run.Close() },
		work: func(ev RunEvent) (batch sourceBatch, err error) {
			if ev.Same > 0 {
				batch.known, err = blocks.read(ev)
				return batch, err
			}
			batch.rows = readSource(st.Role, ev.Results)
			if len(batch.rows) == len(ev.Results) { // else what is left out of it could not be counted
				batch.block = ev.Block
			}
			return batch, nil
		},
		done: func(batch sourceBatch) error { return b.passSource(st, blocks, batch, &left) },
	}.run()
	if errors.Is(err, errEnough) {
		return nil
	}
	if err != nil {
		return err
	}
	return blocks.end(st.flow)
}

// sourceBatch is what a source sent at once: rows, or that they are those of a
// block that is known.
type sourceBatch struct {
	rows  []sourceRow
	block *[32]byte // that the rows are; nil: of none
	known *chunkRecord
}

// errEnough ends the reading of a source that has given as many rows as are
// wanted.
var errEnough = errors.New("enough rows")

// copyTwin takes the rows of a source that is configured alike and has run.
func (b *build) copyTwin(st *stepState) (bool, error) {
	twin := st.sameBefore(b.stepParts(st).Digest())
	if twin == nil {
		return false, nil
	}
	st.count(func(p *progress) {
		p.inputDone, p.transient = true, twin.transient
		maps.Copy(p.dropped, twin.dropped)
		maps.Copy(p.failed, twin.failed)
	})
	if failed := st.failures(); !allowed(st.Step, failed) { // the twin may allow more
		return true, fmt.Errorf("%s: %w: %d, as in %s, which is configured alike", st.Address, ErrTooManyFailures, failed, twin.Address)
	}
	in := &reader{flows: []*flow{twin.flow}}
	for {
		items, err := in.next()
		if err != nil || len(items) == 0 {
			return true, err
		}
		st.count(func(p *progress) { p.rowsOut += int64(len(items)) })
		if err := st.flow.pass(items); err != nil {
			return true, err
		}
	}
}

// sourceRow is what became of a row that a source sent.
type sourceRow struct {
	hashed
	seq     uint64
	dropped string
	err     *RowError
}

// readSource reads what a source sent, applies the block's map and gives each
// row its id.
func readSource(body *spec.RoleBody, results []Result) []sourceRow {
	rows := make([]sourceRow, 0, len(results))
	var p row.Parser
	for _, res := range results {
		if res.Err != nil || res.Dropped != "" {
			rows = append(rows, sourceRow{seq: res.Seq, dropped: res.Dropped, err: res.Err})
		}
		for i := range res.Rows {
			out := sourceRow{seq: res.Seq}
			r, err := res.row(&p, i)
			if err == nil {
				r, err = mapRow(body, r)
			}
			if err == nil {
				out.hashed = hashRow(withSourceID(body, r))
			} else {
				out.err = &RowError{Code: "bad_row", Summary: "a record cannot be used", Detail: err.Error()}
			}
			rows = append(rows, out)
		}
	}
	return rows
}

// passSource counts and passes on what a source sent, up to the number of
// rows that are left to be taken.
func (b *build) passSource(st *stepState, blocks *sourceBlocks, batch sourceBatch, left *int64) error {
	if known := batch.known; known != nil {
		st.count(func(p *progress) { p.rowsOut += int64(len(known.digests)) })
		return blocks.again(st.flow, known)
	}
	rows := make([]hashed, 0, len(batch.rows))
	for _, r := range batch.rows {
		switch {
		case *left == 0:
		case r.err != nil:
			if err := b.rowFailed(st, "#"+strconv.FormatUint(r.seq, 10), r.err); err != nil {
				return err
			}
		case r.dropped != "":
			st.drop(r.dropped, 1)
		default:
			rows = append(rows, r.hashed)
			*left--
		}
	}
	st.count(func(p *progress) { p.rowsOut += int64(len(rows)) })
	if len(rows) < len(batch.rows) {
		batch.block = nil
	}
	err := blocks.add(st.flow, rows, batch.block)
	if err == nil && *left == 0 {
		err = errEnough
	}
	return err
}

// mapRow makes the columns that the block's map asks for out of a record.
// The record's origin stays.
func mapRow(body *spec.RoleBody, record row.Row) (row.Row, error) {
	if len(body.RowMap) == 0 {
		return record, nil
	}
	var mapped row.Row
	if origin, ok := record.Column("origin"); ok {
		mapped = mapped.With("origin", origin)
	}
	for _, m := range body.RowMap {
		v, err := m.Expr.EvalJSON(record)
		if err == nil {
			v, err = row.Canonical(v)
		}
		var every row.Row
		if err == nil && m.Column == spec.EveryColumn { // it comes first
			every, err = row.Parse(v)
		}
		switch {
		case err != nil:
			return mapped, fmt.Errorf("map.%s: %w", m.Column, err)
		case m.Column == spec.EveryColumn:
			mapped = mapped.Merge(every)
		default:
			mapped = mapped.With(m.Column, v)
		}
	}
	return mapped, nil
}

// withSourceID gives a source's row its id: its own, as text if it is a
// number, or else one made from its content. Where it stood in its file does
// not count, so that a row keeps its id when others are put before it.
func withSourceID(body *spec.RoleBody, r row.Row) row.Row {
	r = blockColumn(r, body)
	if r.String("id") != "" {
		return r
	}
	if id, ok := r.Column("id"); ok && (id[0] == '-' || id[0] >= '0' && id[0] <= '9') {
		return r.WithString("id", string(id))
	}
	d := r.Without("origin").Digest()
	return r.WithString("id", hex.EncodeToString(d[:6]))
}
