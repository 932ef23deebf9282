package engine

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// maxOpenRows bounds the rows between the first one that is not finished and
// the last one that was begun.
const maxOpenRows = 2048

// inFlightLimit is how many tasks may be at the plugin at once: enough to
// keep its models busy, or to fill a batch of a model that is asked in batches.
func inFlightLimit(b *spec.RoleBody) int {
	if len(b.Models) == 0 {
		return 1024
	}
	n, batch := 0, 0
	for _, m := range b.Models {
		n = max(n, concurrency(m))
		switch {
		case m.Mode != spec.ModeBatch:
		case m.Batch.MaxRequests > 0:
			batch = max(batch, m.Batch.MaxRequests)
		default:
			batch = max(batch, batchTasksUnset)
		}
	}
	return max(min(max(64, 2*n), 1024), min(batch, maxBatchTasks))
}

// concurrency is how many calls a model gets at a time in all the places that
// serve it; 0 for the default of a single one.
func concurrency(m *spec.Model) int {
	if len(m.Replicas) == 0 {
		return m.Provider.Limits.Concurrency
	}
	n := 0
	for _, p := range m.Replicas {
		n += cmp.Or(p.Limits.Concurrency, defaultConcurrency)
	}
	return n
}

// How many tasks a step with a model in batches has at the plugin: as many as
// the recipe has in a batch, within what OpenAI takes, and else fewer, since
// each takes some 90 KB of memory in both processes together.
const (
	maxBatchTasks   = 50_000
	batchTasksUnset = 20_000
)

// placeBytes is how large a task may be that takes one place where there are
// very many of them. So those that wait for a batch take 200 MB at most.
const placeBytes = 4 << 10

// placesOf is how many places a task takes.
func (s *rowStep) placesOf(t *pendingTask) int {
	if cap(s.places) <= 1024 || s.whole != nil {
		return 1
	}
	return min(1+t.row.Size()/placeBytes, cap(s.places))
}

// rowStep is a component at work row by row. Three goroutines share it:
// dispatch reads rows, answers what the cache knows and sends the rest;
// receive takes the answers; emit passes them on in order.
type rowStep struct {
	*build
	st      *stepState
	keys    rowKeys
	samples int
	seq     *sequencer
	places  chan struct{} // a task at the plugin holds one
	tasks   *taskTable
	reuse   *reuse
	whole   *whole // nil: the component works row by row

	mu        sync.Mutex
	pending   map[uint64]pendingTask
	component Run           // nil until a row is not in the cache
	received  chan struct{} // closed when receive has ended
	recvErr   error
}

// pendingTask is a task on its way to the plugin, or there.
type pendingTask struct {
	Task
	row   row.Row // the input row, whole
	key   cache.Digest
	chunk *chunkTasks
}

func newRowStep(b *build, st *stepState) *rowStep {
	if st.table == nil {
		st.table = newTaskTable()
	}
	limit := inFlightLimit(st.Role)
	s := &rowStep{
		build: b, st: st, keys: newRowKeys(st.base),
		pending: map[uint64]pendingTask{},
		tasks:   st.table,
		samples: max(1, st.Role.Samples),
	}
	if st.Role.Component.Grain == schema.DatasetGrain {
		s.whole, s.tasks, limit = &whole{}, newTaskTable(), maxWholeRows // a twin's run has all rows too
	}
	s.seq, s.places = newSequencer(max(maxOpenRows, limit)), make(chan struct{}, limit)
	s.reuse = &reuse{step: s}
	return s
}

func (s *rowStep) run() error {
	// Beside the step before, which is only starting: the first look-up would
	// otherwise hold up its rows.
	if err := s.opts.Store.Refresh(cache.Rows); err != nil {
		return err
	}
	if s.st.refresh && s.dry == nil {
		if err := s.reuse.forget(); err != nil {
			return err
		}
	}
	if err := s.survey(); err != nil {
		return err
	}
	emitted := make(chan error, 1)
	go func() {
		err := s.emit()
		if err != nil {
			s.failStep(s.st, err) // dispatch only learns that the step is over
			s.seq.abandon()
		}
		emitted <- err
	}()
	err := s.dispatch()
	if err == nil {
		s.st.dispatched()
	}
	if rerr := s.wait(); rerr != nil {
		err = rerr
	}
	if err != nil {
		s.seq.abandon()
	}
	s.seq.close()
	if eerr := <-emitted; err == nil {
		err = eerr
	}
	if s.component != nil {
		s.component.Close()
	}
	if err == nil && s.halted(s.st) {
		err = errStopped
	}
	if failed := s.st.failures(); err == nil && s.dry == nil && failed > 0 && (!allowed(s.st.Step, failed) || nothingWorked(s.st.Step, failed, s.st.tasks)) {
		err = fmt.Errorf("%s: %w: %d of %d", s.st.Address, ErrTooManyFailures, failed, s.st.tasks)
	}
	if err == nil {
		err = s.reuse.renew()
	}
	if err == nil {
		err = s.remember()
	}
	return err
}

// wait lets what is at the plugin finish.
func (s *rowStep) wait() error {
	if s.component == nil {
		return nil
	}
	if s.whole != nil && !s.whole.sent { // what it would make of a part is worth nothing
		s.component.Close()
		<-s.received
		return nil
	}
	if err := s.component.CloseSend(); err != nil {
		s.component.Close()
	}
	<-s.received
	return s.recvErr
}

// dispatch reads the input to its end, or until the build stops.
func (s *rowStep) dispatch() error {
	in := s.reader(s.st)
	in.patience = chunkPatience
	ahead := 0
	if len(s.st.Role.Models) > 0 {
		ahead = 1 // rows wait for models, not for the cache
	}
	err := pipeline[span, lookedUpRows]{
		ahead: ahead,
		next: func() (span, bool, error) {
			rows, ok, err := in.span()
			if err != nil && s.halted(s.st) {
				err = errStopped
			}
			s.place(&rows)
			return rows, ok, err
		},
		stop: in.stop,
		work: s.lookUpRows,
		done: s.dispatchRows,
	}.run()
	if err == nil {
		s.st.count(func(p *progress) { p.inputDone = true })
		s.allSent()
	}
	return err
}

// lookedUpRows are rows with what was found for them.
type lookedUpRows struct {
	known *chunkRecord // of all of them; nil: rows has them one by one
	n     int
	rows  []lookedUp
	chunk *chunkTasks // that they are; nil: no chunk as a whole
}

// lookedUp is a row with what was found for it ahead, beside other rows.
type lookedUp struct {
	row     row.Row
	columns []byte // that the component reads; nil if all samples were found
	digest  cache.Digest
	samples []sampleFound
}

// sampleFound is what the cache has for one sample of a row.
type sampleFound struct {
	key    cache.Digest
	record *rowRecord // nil if there is none, or was none yet
}

// lookUpRows looks rows up in the cache: all at once, or one by one.
func (s *rowStep) lookUpRows(rows span) (found lookedUpRows, err error) {
	found.n = rows.n - rows.from
	if s.whole != nil {
		found.rows, err = s.lookUpEach(rows)
		return found, err
	}
	k, whole, err := s.reuse.key(rows)
	if err != nil {
		return found, err
	}
	if whole {
		if found.known, err = s.reuse.find(k, found.n); err != nil || found.known != nil {
			return found, err
		}
		if s.dry == nil {
			found.chunk = &chunkTasks{k, found.n * s.samples}
		}
	}
	found.rows, err = s.lookUpEach(rows)
	return found, err
}

func (s *rowStep) lookUpEach(rows span) ([]lookedUp, error) {
	items, err := rows.load()
	if err != nil {
		return nil, err
	}
	list := make([]lookedUp, len(items))
	found := make([]sampleFound, len(items)*s.samples)
	var columns []byte // of one row after the other
	for i := range list {
		l := &list[i]
		l.row = items[i].row
		columns = s.appendReads(columns[:0], l.row)
		l.digest = cache.Sum(columns)
		l.samples, found = found[:s.samples], found[s.samples:]
		for sample := range l.samples {
			f := &l.samples[sample]
			f.key = s.keyOf(l.digest, rows.at+i, sample)
			if f.record, err = s.known(f.key); err != nil {
				return nil, err
			}
			if f.record == nil && l.columns == nil {
				l.columns = bytes.Clone(columns)
			}
		}
	}
	return list, nil
}

func (s *rowStep) dispatchRows(found lookedUpRows) error {
	s.st.count(func(p *progress) { p.rowsIn += int64(found.n) })
	if found.known != nil {
		return s.dispatchKnown(found.known)
	}
	var batch []pendingTask
	var hits []placed
	for _, r := range found.rows {
		for sample := range r.samples {
			// Who waits for places must not hold what would free them.
			if len(batch)+len(hits) > 0 && s.seq.full() {
				s.seq.putAll(hits)
				if err := s.send(batch); err != nil {
					return err
				}
				batch, hits = nil, hits[:0]
			}
			task, hit, err := s.dispatchOne(&r, sample, found.chunk, &hits)
			if err != nil {
				return err
			}
			if hit {
				continue
			}
			s.seq.putAll(hits)
			hits = hits[:0]
			if batch, err = s.queue(batch, task); err != nil {
				return err
			}
		}
	}
	s.seq.putAll(hits)
	return s.send(batch)
}

// dispatchKnown answers all tasks of a chunk.
func (s *rowStep) dispatchKnown(known *chunkRecord) error {
	if s.halted(s.st) {
		return errStopped
	}
	tasks := int64(len(known.tasks))
	seq, ok := s.seq.reserve(len(known.tasks))
	if !ok {
		return errStopped
	}
	s.st.count(func(p *progress) {
		p.tasks += tasks
		p.rowsHit += tasks
	})
	for reason, n := range known.dropped {
		s.st.drop(reason, n)
	}
	if s.dry != nil {
		for i := 0; i < len(known.tasks); i += s.samples {
			s.dry.diff.note(known.tasks[i].Key)
		}
	}
	s.seq.put(seq, outcome{known: known})
	return nil
}

// appendReads appends the part of a row that the component sees to b.
func (s *rowStep) appendReads(b []byte, r row.Row) []byte {
	if s.st.Role.ReadsAll {
		return r.Append(b)
	}
	return r.Project(s.st.Role.Reads).Append(b)
}

// dispatchOne answers a task from the cache, with one more of hits, or makes
// it ready to be sent. A task that is equal to one under way waits for that.
func (s *rowStep) dispatchOne(r *lookedUp, sample int, chunk *chunkTasks, hits *[]placed) (t pendingTask, hit bool, err error) {
	if s.halted(s.st) {
		return t, false, errStopped
	}
	seq, ok := s.seq.reserve(1)
	if !ok {
		return t, false, errStopped
	}
	k, rec := r.samples[sample].key, r.samples[sample].record
	s.st.count(func(p *progress) { p.tasks++ })
	if s.dry != nil && sample == 0 {
		s.dry.diff.note(k)
	}
	if s.tasks.join(k, waiter{s, seq, r.row, sample, chunk}) {
		return t, true, nil
	}
	if rec == nil { // an equal task may have finished since
		if rec, err = s.known(k); err != nil {
			return t, false, err
		}
	}
	switch {
	case rec != nil:
		s.st.count(func(p *progress) { p.rowsHit++ })
		o := outcome{row: r.row, sample: sample, key: k, record: rec, chunk: chunk}
		*hits = append(*hits, placed{seq, o})
		return t, true, s.count(o)
	case s.dry != nil:
		s.dry.miss(s.st, k)
		s.seq.put(seq, outcome{row: r.row, sample: sample, key: k})
		return t, true, nil
	}
	s.tasks.claim(k, s)
	task := Task{Seq: seq, Row: r.columns, Sample: sample, Seed: taskSeed(s.st.Seed, r.digest, sample)}
	return pendingTask{task, r.row, k, chunk}, false, nil
}

// known gives the outcome of a task that need not run; nil if it must.
func (s *rowStep) known(k cache.Digest) (*rowRecord, error) {
	if s.whole != nil && !s.whole.known {
		return nil, nil
	}
	if rec := s.tasks.failed(k); rec != nil {
		return rec, nil
	}
	rec, err := getRow(s.opts.Store, k)
	if rec != nil && s.st.refresh && !madeAnew(rec, s.st.mark) {
		return nil, err
	}
	return rec, err
}

// taskSeed is what a component may draw from for one sample of a row.
func taskSeed(seed int64, columns cache.Digest, sample int) int64 {
	b := binary.AppendVarint(nil, seed)
	b = binary.AppendVarint(append(b, columns[:]...), int64(sample))
	d := cache.Sum(b)
	return int64(binary.BigEndian.Uint64(d[:8]) >> 1)
}

// batchTasks is how many tasks go into one message.
const batchTasks = 64

// queue adds a task to a batch, which is sent when it is full or when the
// plugin has no place free.
func (s *rowStep) queue(batch []pendingTask, t pendingTask) ([]pendingTask, error) {
	batch = append(batch, t)
	for range s.placesOf(&t) {
		select {
		case s.places <- struct{}{}:
			continue
		default:
		}
		if err := s.send(batch[:len(batch)-1]); err != nil {
			return nil, err
		}
		batch = []pendingTask{t}
		select {
		case s.places <- struct{}{}:
		case <-s.received: // nil, and so never, before the run has started
			return nil, s.endedEarly()
		}
	}
	if len(batch) < batchTasks {
		return batch, nil
	}
	return nil, s.send(batch)
}

func (s *rowStep) endedEarly() error {
	<-s.received
	if s.recvErr != nil {
		return s.recvErr
	}
	return errStopped
}

func (s *rowStep) send(batch []pendingTask) error {
	if len(batch) == 0 {
		return nil
	}
	if s.component == nil {
		run, err := s.start(s.st, s.st.Role, s.st.Address, "", nil)
		if err != nil {
			return err
		}
		s.component, s.received = run, make(chan struct{})
		s.st.count(func(p *progress) { p.calls = run.Counts })
		go s.receive(run)
	}
	s.st.count(func(p *progress) { p.inFlight += int64(len(batch)) })
	tasks := make([]Task, len(batch))
	s.mu.Lock()
	for i, t := range batch {
		tasks[i] = t.Task
		s.pending[t.Seq] = t
	}
	s.mu.Unlock()
	if err := s.component.Send(tasks); err != nil {
		if early := s.endedEarly(); !errors.Is(early, errStopped) {
			return early
		}
		return err
	}
	return nil
}
