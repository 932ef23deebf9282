package provenance

import (
	"context"
	"errors"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

// A row's way through a build is followed by position: the trace of a
// component tells which task gave a row, that of a distill step which rows it
// left out, and both keep order. Ids are used to find the first row alone.

// find looks for a row by its id. Of several the first counts.
func (t table) find(ctx context.Context, id string) (pos int64, r row.Row, matches int, err error) {
	var n int64
	for v, err := range t.rows(ctx) {
		if err != nil {
			return 0, row.Row{}, 0, err
		}
		if v.String("id") == id {
			if matches == 0 {
				pos, r = n, v
			}
			matches++
		}
		n++
	}
	return pos, r, matches, nil
}

// spot is a row of a step's output.
type spot struct {
	address string
	pos     int64
}

// taskSpot is a task of a step: where its input row stands, and its own rows.
type taskSpot struct {
	engine.TaskTrace
	input  int64 // position of the row among the step's input
	sample int
	first  int64 // position of its first row among the step's output
}

var errNoTrace = errors.New("this step was made before rows were traced; build again with -refresh to trace them")

// tasks gives the tasks of a component's step until f says that it has seen
// enough.
func (s *state) tasks(address string, f func(taskSpot) bool) error {
	rec, err := s.record(address)
	if err != nil {
		return err
	}
	n, first, samples := int64(0), int64(0), int64(s.samples(address))
	for t, err := range rec.AllTasks(s.store) {
		if err != nil {
			return err
		}
		if n%1024 == 0 && s.ctx.Err() != nil {
			return s.ctx.Err()
		}
		if !f(taskSpot{t, n / samples, int(n % samples), first}) {
			return nil
		}
		first += int64(t.Rows)
		n++
	}
	if n == 0 && rec.Tasks > 0 {
		return &GoneError{address, errNoTrace.Error()}
	}
	return nil
}

// samples is how many tasks a step makes of a row. The parts of its key say
// it for the record that is there; the block may say another number by now.
func (s *state) samples(address string) int {
	_, parts := s.partsOf(address)
	if parts != nil {
		return samplesOf(parts)
	}
	return s.nodes[address].samples
}

// taskOf finds the task that gave a row.
func (s *state) taskOf(at spot) (found taskSpot, err error) {
	ok := false
	err = s.tasks(at.address, func(t taskSpot) bool {
		if at.pos < t.first+int64(t.Rows) {
			found, ok = t, true
		}
		return !ok
	})
	if err == nil && !ok {
		err = &GoneError{at.address, "its trace does not tell what gave this row"}
	}
	return found, err
}

// maxRows bounds what a record is believed to say of its input.
const maxRows = 1 << 30

// dropped is a set of positions at which a distill step left rows out.
type dropped []uint64

func (d dropped) has(pos int64) bool {
	return pos < int64(len(d))*64 && d[pos/64]>>(pos%64)&1 == 1
}

// drops reads what a distill step left out. ops tells which operation left
// out each of some positions.
func (s *state) drops(address string, wanted map[int64]bool) (d dropped, ops map[int64]int, err error) {
	rec, err := s.record(address)
	if err != nil {
		return nil, nil, err
	}
	if rec.RowsIn < 0 || rec.RowsIn > maxRows {
		return nil, nil, &GoneError{address, "its record is malformed"}
	}
	d, ops = make(dropped, rec.RowsIn/64+1), map[int64]int{}
	n := int64(0)
	for t, err := range rec.AllDrops(s.store) {
		if err == nil && t.Position >= rec.RowsIn {
			err = &GoneError{address, "its trace is of other rows"}
		}
		if err != nil {
			return nil, nil, err
		}
		d[t.Position/64] |= 1 << (t.Position % 64)
		if wanted[t.Position] {
			ops[t.Position] = t.Op
		}
		n++
	}
	if n != rec.RowsIn-rec.Rows {
		return nil, nil, &GoneError{address, errNoTrace.Error()}
	}
	return d, ops, nil
}

// came finds the row of a distill step's input that left it at a position.
func (d dropped) came(pos int64) (input int64, ok bool) {
	for input = range int64(len(d)) * 64 {
		if !d.has(input) {
			if pos == 0 {
				return input, true
			}
			pos--
		}
	}
	return 0, false
}

// left is where a row of a distill step's input, which was not left out, is
// in its output.
func (d dropped) left(input int64) (pos int64) {
	for i := range input {
		if !d.has(i) {
			pos++
		}
	}
	return pos
}

// inputSpot is the row at a position of a step's input.
func (s *state) inputSpot(address string, pos int64) (spot, error) {
	for _, in := range s.nodes[address].inputs {
		rec, err := s.record(in)
		if err != nil {
			return spot{}, err
		}
		if pos < rec.Rows {
			return spot{in, pos}, nil
		}
		pos -= rec.Rows
	}
	return spot{}, &GoneError{address, "its trace is of other rows"}
}

// inputPos is where a row of an input step stands in a step's whole input.
func (s *state) inputPos(address string, at spot) (int64, error) {
	pos := at.pos
	for _, in := range s.nodes[address].inputs {
		if in == at.address {
			return pos, nil
		}
		rec, err := s.record(in)
		if err != nil {
			return 0, err
		}
		pos += rec.Rows
	}
	return 0, &GoneError{address, "it does not take the rows of " + at.address}
}

// rowAt reads one row of a step.
func (s *state) rowAt(at spot) (row.Row, error) {
	t, err := s.output(at.address)
	if err != nil {
		return row.Row{}, err
	}
	rows, err := t.at(s.ctx, []int64{at.pos})
	if err != nil {
		return row.Row{}, err
	}
	r, ok := rows[at.pos]
	if !ok {
		return row.Row{}, &GoneError{at.address, "its trace is of other rows"}
	}
	return r, nil
}

// isSource says whether a step has no input.
func (s *state) isSource(address string) bool {
	nd := s.nodes[address]
	return nd.kind == spec.RoleStep && len(nd.inputs) == 0
}
