package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

// maxOpenRows bounds the rows between the first one that is not finished and
// the last one that was begun.
const maxOpenRows = 2048

// inFlightLimit is how many tasks may be at the plugin at once: enough to
// keep its models busy.
func inFlightLimit(b *spec.RoleBody) int {
	if len(b.Models) == 0 {
		return 1024
	}
	n := 0
	for _, m := range b.Models {
		n = max(n, m.Provider.Limits.Concurrency)
	}
	return min(max(64, 2*n), 1024)
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

	mu        sync.Mutex
	pending   map[uint64]pendingTask
	component Run           // nil until a row is not in the cache
	received  chan struct{} // closed when receive has ended
	recvErr   error
}

// pendingTask is a task on its way to the plugin, or there.
type pendingTask struct {
	Task
	row row.Row // the input row, whole
	key cache.Digest
}

func newRowStep(b *build, st *stepState) *rowStep {
	if st.table == nil {
		st.table = newTaskTable()
	}
	return &rowStep{
		build: b, st: st, keys: newRowKeys(st.base),
		seq:     newSequencer(maxOpenRows),
		pending: map[uint64]pendingTask{},
		tasks:   st.table,
		places:  make(chan struct{}, inFlightLimit(st.Role)),
		samples: max(1, st.Role.Samples),
	}
}

func (s *rowStep) run() error {
	// Beside the step before, which is only starting: the first look-up would
	// otherwise hold up its rows.
	if err := s.opts.Store.Refresh(cache.Rows); err != nil {
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
	return err
}

// wait lets what is at the plugin finish.
func (s *rowStep) wait() error {
	if s.component == nil {
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
	err := pipeline[span, []lookedUp]{
		next: func() (span, bool, error) {
			rows, ok, err := in.span()
			if err != nil && s.halted(s.st) {
				err = errStopped
			}
			return rows, ok, err
		},
		stop: in.stop,
		work: s.lookUpRows,
		done: s.dispatchRows,
	}.run()
	if err == nil {
		s.st.count(func(p *progress) { p.inputDone = true })
	}
	return err
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

// lookUpRows looks rows up in the cache.
func (s *rowStep) lookUpRows(rows span) ([]lookedUp, error) {
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
			f.key = s.keys.key(l.digest, sample)
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

func (s *rowStep) dispatchRows(rows []lookedUp) error {
	var batch []pendingTask
	var hits []placed
	s.st.count(func(p *progress) { p.rowsIn += int64(len(rows)) })
	for _, r := range rows {
		for sample := range r.samples {
			// Who waits for places must not hold what would free them.
			if len(batch)+len(hits) > 0 && s.seq.full() {
				s.seq.putAll(hits)
				if err := s.send(batch); err != nil {
					return err
				}
				batch, hits = nil, hits[:0]
			}
			task, hit, err := s.dispatchOne(&r, sample, &hits)
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

// appendReads appends the part of a row that the component sees to b.
func (s *rowStep) appendReads(b []byte, r row.Row) []byte {
	if s.st.Role.ReadsAll {
		return r.Append(b)
	}
	return r.Project(s.st.Role.Reads).Append(b)
}

// dispatchOne answers a task from the cache, with one more of hits, or makes
// it ready to be sent. A task that is equal to one under way waits for that.
func (s *rowStep) dispatchOne(r *lookedUp, sample int, hits *[]placed) (t pendingTask, hit bool, err error) {
	if s.halted(s.st) {
		return t, false, errStopped
	}
	seq, ok := s.seq.reserve()
	if !ok {
		return t, false, errStopped
	}
	k, rec := r.samples[sample].key, r.samples[sample].record
	s.st.count(func(p *progress) { p.tasks++ })
	if s.dry != nil && sample == 0 {
		s.dry.diff.note(k)
	}
	if s.tasks.join(k, waiter{s, seq, r.row, sample}) {
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
		o := outcome{r.row, sample, k, rec}
		*hits = append(*hits, placed{seq, o})
		return t, true, s.count(o)
	case s.dry != nil:
		s.dry.miss(s.st, k)
		s.seq.put(seq, outcome{r.row, sample, k, nil})
		return t, true, nil
	}
	s.tasks.claim(k, s)
	task := Task{Seq: seq, Row: r.columns, Sample: sample, Seed: taskSeed(s.st.Seed, r.digest, sample)}
	return pendingTask{task, r.row, k}, false, nil
}

// known gives the outcome of a task that need not run; nil if it must.
func (s *rowStep) known(k cache.Digest) (*rowRecord, error) {
	if rec := s.tasks.failed(k); rec != nil {
		return rec, nil
	}
	rec, err := getRow(s.opts.Store, k)
	if rec != nil && s.st.refresh && rec.mark != s.mark {
		return nil, err
	}
	return rec, err
}

// getRow reads a row's record; nil if there is none that can be read.
func getRow(store *cache.Store, k cache.Digest) (*rowRecord, error) {
	b, err := store.Get(cache.Rows, k)
	if errors.Is(err, cache.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	rec, err := decodeRowRecord(b)
	if err != nil {
		return nil, nil
	}
	return rec, nil
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
	select {
	case s.places <- struct{}{}:
		if len(batch) < batchTasks {
			return batch, nil
		}
		return nil, s.send(batch)
	default:
	}
	if err := s.send(batch[:len(batch)-1]); err != nil {
		return nil, err
	}
	select {
	case s.places <- struct{}{}:
	case <-s.received: // nil, and so never, before the run has started
		return nil, s.endedEarly()
	}
	return []pendingTask{t}, nil
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
		run, err := s.start(s.st, s.st.Role, s.st.Address, "")
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
