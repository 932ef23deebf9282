package engine

import (
	"sync"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/row"
)

// taskTable knows which tasks are under way, so that equal ones run once: of
// one step, or of twins, which share a table. A twin dispatches its tasks only
// after the steps before it have dispatched theirs.
type taskTable struct {
	mu       sync.Mutex
	underWay map[cache.Digest]claim
	passing  map[cache.Digest]*rowRecord // failures that are not stored
}

// claim is a task under way, and the equal ones behind it.
type claim struct {
	owner   *rowStep
	waiters []waiter
}

// waiter is a task that waits for an equal one.
type waiter struct {
	step   *rowStep
	seq    uint64
	row    row.Row
	sample int
	chunk  *chunkTasks
}

// maxPassing bounds the failures that are remembered for equal tasks.
const maxPassing = 1 << 16

func newTaskTable() *taskTable {
	return &taskTable{underWay: map[cache.Digest]claim{}, passing: map[cache.Digest]*rowRecord{}}
}

// join lets a task wait for an equal one that is under way, if one is.
func (t *taskTable) join(k cache.Digest, w waiter) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, ok := t.underWay[k]
	if ok {
		c.waiters = append(c.waiters, w)
		t.underWay[k] = c
	}
	return ok
}

// claim says that a step is about to run a task.
func (t *taskTable) claim(k cache.Digest, owner *rowStep) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.underWay[k] = claim{owner: owner}
}

// failed gives the failure of a task that is not stored, if it has run.
func (t *taskTable) failed(k cache.Digest) *rowRecord {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.passing[k]
}

// done gives the places of a finished task and of those that waited for it,
// which count as hits.
func (t *taskTable) done(task pendingTask, rec *rowRecord, owner *rowStep) []waiter {
	t.mu.Lock()
	others := t.underWay[task.key].waiters
	delete(t.underWay, task.key)
	if rec.err != nil && rec.err.Transient && len(t.passing) < maxPassing {
		t.passing[task.key] = rec
	}
	t.mu.Unlock()
	for _, w := range others {
		w.step.st.count(func(p *progress) { p.rowsHit++ })
	}
	return append([]waiter{{owner, task.Seq, task.row, task.Sample, task.chunk}}, others...)
}

// release lets the tasks go that wait for ones of a step that has failed and
// will not run them. The build is ending.
func (t *taskTable) release(owner *rowStep) {
	t.mu.Lock()
	var left []waiter
	var keys []cache.Digest
	for k, c := range t.underWay {
		if c.owner != owner {
			continue
		}
		delete(t.underWay, k)
		for _, w := range c.waiters {
			left, keys = append(left, w), append(keys, k)
		}
	}
	t.mu.Unlock()
	cut := &rowRecord{err: &RowError{Code: codeInterrupted, Summary: "the build is stopping", Transient: true}}
	for i, w := range left {
		_ = w.step.settle(w.seq, outcome{row: w.row, sample: w.sample, key: keys[i], record: cut, chunk: w.chunk})
	}
}
