package engine

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

// runSource runs a threat source: it has no input, and its rows come in
// order.
func (b *build) runSource(st *stepState) error {
	run, err := b.start(st, st.Role, st.Address, "")
	if err != nil {
		return err
	}
	defer run.Close()
	st.count(func(p *progress) { p.calls, p.inputDone = run.Counts, true })
	if err := run.CloseSend(); err != nil {
		return err
	}
	for {
		if b.stopping.Load() {
			return errStopped
		}
		ev, err := run.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		rows, err := b.sourceRows(st, ev.Results)
		if err != nil {
			return err
		}
		st.count(func(p *progress) { p.rowsOut += int64(len(rows)) })
		if err := st.flow.append(rows); err != nil {
			return err
		}
	}
}

// sourceRows reads what a source sent, applies the block's map and gives each
// row its id.
func (b *build) sourceRows(st *stepState, results []Result) ([]row.Row, error) {
	var rows []row.Row
	for _, res := range results {
		switch {
		case res.Err != nil:
			if err := b.rowFailed(st, "#"+strconv.FormatUint(res.Seq, 10), res.Err); err != nil {
				return nil, err
			}
		case res.Dropped != "":
			st.drop(res.Dropped, 1)
		}
		for _, raw := range res.Rows {
			r, err := row.Parse(raw)
			if err == nil {
				r, err = mapRow(st.Role, r)
			}
			if err != nil {
				e := &RowError{Code: "bad_row", Summary: "a record cannot be used", Detail: err.Error()}
				if err := b.rowFailed(st, "#"+strconv.FormatUint(res.Seq, 10), e); err != nil {
					return nil, err
				}
				continue
			}
			rows = append(rows, withSourceID(st.Role, r))
		}
	}
	return rows, nil
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
		if err != nil {
			return mapped, fmt.Errorf("map.%s: %w", m.Column, err)
		}
		mapped = mapped.With(m.Column, v)
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
