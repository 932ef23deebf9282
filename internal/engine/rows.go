package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
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

func (s *rowStep) run() error {
	emitted := make(chan error, 1)
	go func() {
		err := s.emit()
		if err != nil {
			s.fail(err) // dispatch only learns that the step is over
			s.seq.abandon()
		}
		emitted <- err
	}()
	err := s.dispatch()
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
	if err == nil && s.stopping.Load() {
		err = errStopped
	}
	if failed := s.st.failures(); err == nil && failed > 0 && (!allowed(s.st.Step, failed) || nothingWorked(s.st.Step, failed, s.st.tasks)) {
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
	for {
		items, err := in.next()
		if err != nil {
			if s.stopping.Load() {
				return errStopped
			}
			return err
		}
		if len(items) == 0 {
			s.st.count(func(p *progress) { p.inputDone = true })
			return nil
		}
		if err := s.dispatchRows(items); err != nil {
			return err
		}
	}
}

func (s *rowStep) dispatchRows(items []item) error {
	var batch []pendingTask
	for _, it := range items {
		columns := s.reads(it.row)
		digest := cache.Sum(columns)
		s.st.count(func(p *progress) { p.rowsIn++ })
		for sample := range s.samples {
			// Who waits for places must not hold what would free them.
			if len(batch) > 0 && s.seq.full() {
				if err := s.send(batch); err != nil {
					return err
				}
				batch = nil
			}
			task, hit, err := s.dispatchOne(it.row, columns, digest, sample)
			if err != nil {
				return err
			}
			if hit {
				continue
			}
			if batch, err = s.queue(batch, task); err != nil {
				return err
			}
		}
	}
	return s.send(batch)
}

// reads is the part of a row that the component sees.
func (s *rowStep) reads(r row.Row) []byte {
	if s.st.Role.ReadsAll {
		return r.Bytes()
	}
	return r.Project(s.st.Role.Reads).Bytes()
}

// dispatchOne answers a task from the cache or makes it ready to be sent.
func (s *rowStep) dispatchOne(r row.Row, columns []byte, digest cache.Digest, sample int) (t pendingTask, hit bool, err error) {
	if s.stopping.Load() {
		return t, false, errStopped
	}
	seq, ok := s.seq.reserve()
	if !ok {
		return t, false, errStopped
	}
	k := s.keys.key(digest, sample)
	s.st.count(func(p *progress) { p.tasks++ })
	rec, err := getRow(s.opts.Store, k)
	if err != nil {
		return t, false, err
	}
	if rec != nil {
		s.st.count(func(p *progress) { p.rowsHit++ })
		return t, true, s.settle(seq, outcome{r, sample, rec})
	}
	task := Task{Seq: seq, Row: columns, Sample: sample, Seed: taskSeed(s.st.Seed, digest, sample)}
	return pendingTask{task, r, k}, false, nil
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

// receive takes the plugin's answers until it has given them all.
func (s *rowStep) receive(run Run) {
	defer close(s.received)
	for {
		ev, err := run.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = s.results(ev.Results)
		}
		if err != nil {
			s.recvErr = err
			break
		}
	}
	s.mu.Lock()
	left := len(s.pending)
	s.mu.Unlock()
	if s.recvErr == nil && left > 0 {
		s.recvErr = &RunError{Code: "bad_result", Summary: "the plugin ended without an answer to every row",
			Detail: fmt.Sprintf("%s: %d rows were left", s.st.Address, left)}
	}
	if s.recvErr != nil {
		s.fail(s.recvErr)
		s.seq.abandon()
		run.Close()
	}
}

func (s *rowStep) results(results []Result) error {
	for _, res := range results {
		s.mu.Lock()
		task, ok := s.pending[res.Seq]
		delete(s.pending, res.Seq)
		s.mu.Unlock()
		if !ok {
			return &RunError{Code: "bad_result", Summary: "the plugin answered a row that it was not asked",
				Detail: fmt.Sprintf("%s: number %d", s.st.Address, res.Seq)}
		}
		<-s.places
		s.st.count(func(p *progress) { p.inFlight-- })
		rec, err := s.keep(task, res)
		if err != nil {
			return err
		}
		if err := s.settle(res.Seq, outcome{task.row, task.Sample, rec}); err != nil {
			// The step has failed; what is in flight still finishes.
			s.fail(err)
		}
	}
	return nil
}

// keep makes a result's record and stores it, unless trying again may help.
func (s *rowStep) keep(task pendingTask, res Result) (*rowRecord, error) {
	rec := &rowRecord{dropped: res.Dropped, err: res.Err, calls: res.Calls}
	for _, raw := range res.Rows {
		written, err := row.Parse(raw)
		if err != nil {
			rec.rows = nil
			rec.err = &RowError{Code: "bad_result", Summary: "the plugin gave a row that is no JSON object", Detail: err.Error()}
			break
		}
		rec.rows = append(rec.rows, written)
	}
	if rec.err != nil && rec.err.Transient {
		return rec, nil
	}
	b, err := rec.encode()
	if err != nil {
		return nil, err
	}
	return rec, s.opts.Store.Put(cache.Rows, task.key, b)
}

// codeInterrupted is the code of a row that was cut short because the build
// is stopping. It did not fail.
const codeInterrupted = "interrupted"

// settle counts an outcome and gives it to the sequencer.
func (s *rowStep) settle(seq uint64, o outcome) error {
	var err error
	switch rec := o.record; {
	case rec.err != nil && rec.err.Code == codeInterrupted && rec.err.Transient && s.ending():
		s.st.count(func(p *progress) { p.transient = true })
	case rec.err != nil:
		err = s.rowFailed(s.st, o.row.String("id"), rec.err)
	case rec.dropped != "":
		s.st.drop(rec.dropped, 1)
	}
	s.seq.put(seq, o)
	return err
}

// emit merges what was written into the input rows and passes them on.
func (s *rowStep) emit() error {
	for {
		outcomes := s.seq.take()
		if len(outcomes) == 0 {
			return nil
		}
		var rows []row.Row
		for _, o := range outcomes {
			if o.record.err != nil {
				continue
			}
			for i, written := range o.record.rows {
				r := o.row.Merge(blockColumn(written, s.st.Role))
				rows = append(rows, r.WithString("id", s.childID(o, i)))
			}
		}
		s.st.count(func(p *progress) { p.rowsOut += int64(len(rows)) })
		if err := s.st.flow.append(rows); err != nil {
			return err
		}
	}
}

// childID is the id of the i-th row that a task gave.
func (s *rowStep) childID(o outcome, i int) string {
	id := o.row.String("id")
	if s.st.Role.Samples > 0 {
		id += "." + strconv.Itoa(o.sample)
	}
	if i > 0 {
		id += "-" + strconv.Itoa(i)
	}
	return id
}
