package engine

import (
	"iter"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/row"
)

// What follows lets others read what the cache remembers of a build: which
// tasks a step had, which calls they made, what became of each row.

// StepRecord is what the cache holds under a step's key.
type StepRecord = stepRecord

// OutputRecord is what the cache holds under an output's key.
type OutputRecord = outputRecord

// LoadStep reads the record of a step; false if there is none.
func LoadStep(store *cache.Store, key cache.Digest) (*StepRecord, bool, error) {
	return getRecord[stepRecord](store, key)
}

// LoadOutput reads the record of an output; false if there is none.
func LoadOutput(store *cache.Store, key cache.Digest) (*OutputRecord, bool, error) {
	return getRecord[outputRecord](store, key)
}

// TaskTrace is what became of one task of a component, in the order of the
// input: with n samples a row, tasks n*i to n*i+n-1 are those of input row i.
type TaskTrace struct {
	Key  cache.Digest // under which LoadTask finds its record
	Rows int          // it gave so many rows; 0 if it was dropped or failed
}

// TaskRecord is the outcome of a task.
type TaskRecord struct {
	Rows    []row.Row // the columns written
	Dropped string    // reason, if it was left out on purpose
	Err     *RowError
	Calls   []string // keys of the model calls made for it, in order; hex
}

// DropTrace is a row that a distill step left out.
type DropTrace struct {
	Position int64 // of the row in the step's input, from 0
	Op       int   // position of the operation, from 1; 0: its expression failed
}

// Rows gives the rows of a recorded step, in order.
func (r *stepRecord) AllRows(store *cache.Store) iter.Seq2[row.Row, error] { panic("not yet") }

// Tasks gives the tasks of a recorded step, in order; none for a source or a
// distill step.
func (r *stepRecord) AllTasks(store *cache.Store) iter.Seq2[TaskTrace, error] { panic("not yet") }

// Drops gives the rows that a recorded distill step left out, in the order in
// which they were.
func (r *stepRecord) AllDrops(store *cache.Store) iter.Seq2[DropTrace, error] { panic("not yet") }

// LoadTask reads the outcome of a task; false if there is none.
func LoadTask(store *cache.Store, key cache.Digest) (*TaskRecord, bool, error) { panic("not yet") }
