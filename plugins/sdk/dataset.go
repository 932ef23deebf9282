package sdk

import (
	"context"
	"encoding/json"
	"reflect"
	"sync"

	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/spec/schema"
)

// Dataset makes a simulator, reflector or judge that sees all rows of its
// input before it answers any: to leave out duplicates, to balance, to rank. I
// are the columns it reads, O those it writes. fn says what becomes of rows by
// Table.Write, Table.Drop and Table.Fail; a row of which it says nothing stays
// as it is. An error that it returns ends the build.
//
// Its rows are cached together: where one row of the input changes, comes or
// goes, all run again, over model calls that are known. Where a row would do,
// use Rows.
func Dataset[C, I, O any](fn func(ctx context.Context, cfg C, rows *Table[I, O]) error, opts ...Option) Component {
	opts = append([]Option{func(c *Component) { c.desc.Grain = schema.DatasetGrain }}, opts...)
	return build[C](rowsShape, reflect.TypeFor[I](), reflect.TypeFor[O](), opts, func(cfg C) instance {
		return instance{all: func(ctx context.Context, tasks []*pluginpb.Task, call func(*pluginpb.Task) *Call) ([]*pluginpb.Result, error) {
			t := newTable[I, O](tasks, call)
			err := fn(ctx, cfg, t)
			return t.results, err
		}}
	})
}

// Table is the input of a component made by Dataset, and what becomes of its
// rows, which are named by their places. It is safe for use by many goroutines.
type Table[I, O any] struct {
	rows    []I
	tasks   []*pluginpb.Task // of the rows
	places  []int            // of the rows among the results
	call    func(*pluginpb.Task) *Call
	results []*pluginpb.Result // also of rows that could not be read

	mu sync.Mutex
}

func newTable[I, O any](tasks []*pluginpb.Task, call func(*pluginpb.Task) *Call) *Table[I, O] {
	t := &Table[I, O]{call: call, results: make([]*pluginpb.Result, len(tasks))}
	for i, task := range tasks {
		t.results[i] = &pluginpb.Result{Seq: task.GetSeq(), Rows: [][]byte{[]byte("{}")}}
		var row I
		if err := json.Unmarshal(task.GetRow(), &row); err != nil {
			failResult(t.results[i], Fail("bad_row", err.Error()))
			continue
		}
		t.rows, t.tasks, t.places = append(t.rows, row), append(t.tasks, task), append(t.places, i)
	}
	return t
}

// Rows are the rows of the input, in order. Those that cannot be read as I have
// failed and are not among them.
func (t *Table[I, O]) Rows() []I { return t.rows }

// Write gives the columns that are written for the row at a place. Calling it
// again multiplies the row.
func (t *Table[I, O]) Write(place int, out O) error {
	row, err := encodeRow(out)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.results[t.places[place]]
	if len(r.GetRows()) == 1 && string(r.GetRows()[0]) == "{}" {
		r.Rows = nil // nothing was said of it before
	}
	r.Rows = append(r.GetRows(), row)
	return nil
}

// Drop leaves a row out, counted under the reason.
func (t *Table[I, O]) Drop(place int, reason string) { t.fail(place, Drop(reason)) }

// Fail fails a row with what Fail gives, or the error of a model call.
func (t *Table[I, O]) Fail(place int, err error) { t.fail(place, err) }

func (t *Table[I, O]) fail(place int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	failResult(t.results[t.places[place]], err)
}

// Call is for a row's model calls and its chance. A row that was dropped or
// failed may have calls still.
func (t *Table[I, O]) Call(place int) *Call { return t.call(t.tasks[place]) }

// all runs a component that sees all rows at once.
func (r *runner) all(inst instance) error {
	if !r.start.GetWhole() {
		return sendFailure(r.stream, &pluginpb.RowError{
			Code: "host_too_old", Summary: "the component must see all rows at once, which this autosafe does not know", Detail: "Use a newer autosafe.",
		})
	}
	call := func(task *pluginpb.Task) *Call {
		return &Call{run: r.start.GetAddress(), task: task, models: r.models}
	}
	return r.gathered(func(ctx context.Context, tasks []*pluginpb.Task, out *sender) error {
		results, err := inst.all(ctx, tasks, call)
		if err != nil {
			return err
		}
		for _, result := range results {
			if err := out.put(result); err != nil {
				return err
			}
		}
		return nil
	})
}
