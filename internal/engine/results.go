package engine

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

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
		s.failStep(s.st, s.recvErr)
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
		for range s.placesOf(&task) {
			<-s.places
		}
		s.st.count(func(p *progress) { p.inFlight-- })
		rec, err := s.keep(task, res)
		if err != nil {
			return err
		}
		for _, w := range s.tasks.done(task, rec, s) {
			if err := w.step.settle(w.seq, outcome{row: w.row, sample: w.sample, key: task.key, record: rec, chunk: w.chunk}); err != nil {
				// The step has failed; what is in flight still finishes.
				s.failStep(w.step.st, err)
			}
		}
	}
	return nil
}

// keep makes a result's record and stores it, unless trying again may help.
func (s *rowStep) keep(task pendingTask, res Result) (*rowRecord, error) {
	rec := &rowRecord{dropped: res.Dropped, err: res.Err, calls: res.Calls}
	if s.st.refresh {
		rec.mark = s.st.mark
	}
	var p row.Parser
	for i := range res.Rows {
		written, err := res.row(&p, i)
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

// codeInterrupted is the code of a row that was cut short because the build
// is stopping. It did not fail.
const codeInterrupted = "interrupted"

// settle counts an outcome and gives it to the sequencer.
func (s *rowStep) settle(seq uint64, o outcome) error {
	err := s.count(o)
	s.seq.put(seq, o)
	return err
}

// count counts an outcome.
func (s *rowStep) count(o outcome) error {
	switch rec := o.record; {
	case rec.err != nil && rec.err.Code == codeInterrupted && rec.err.Transient && s.ending():
		s.st.count(func(p *progress) { p.transient = true })
	case rec.err != nil:
		return s.rowFailed(s.st, o.row.String("id"), rec.err)
	case rec.dropped != "":
		s.st.drop(rec.dropped, 1)
	}
	return nil
}

// childID is the id of the i-th row that a task gave.
func childID(body *spec.RoleBody, o outcome, i int) string {
	id := o.row.String("id")
	if body.Samples > 0 {
		id += "." + strconv.Itoa(o.sample)
	}
	if i > 0 {
		id += "-" + strconv.Itoa(i)
	}
	return id
}
