package engine

import (
	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/row"
)

// emit merges what was written into the input rows and passes them on.
func (s *rowStep) emit() error {
	e := &emitter{rowStep: s}
	for {
		outcomes := s.seq.take()
		if len(outcomes) == 0 {
			return e.end()
		}
		for _, o := range outcomes {
			if err := e.add(o); err != nil {
				return err
			}
		}
		if err := e.flush(); err != nil {
			return err
		}
	}
}

// emitter is emit at work.
type emitter struct {
	*rowStep
	rows []row.Row // to be passed on

	chunk  *chunkTasks // that the last outcome was of; nil: of none
	from   int         // the first segment of what its tasks gave
	record *chunkRecord
	whole  bool // the record may be kept

	made []madeChunk // records that wait until their rows are stored
}

// madeChunk is a record of a chunk that was gone through.
type madeChunk struct {
	key    cache.Digest
	record *chunkRecord
}

// add takes the next outcome.
func (e *emitter) add(o outcome) error {
	if o.known != nil {
		return e.pass(o.known)
	}
	if o.chunk != e.chunk {
		if err := e.enter(o.chunk); err != nil {
			return err
		}
	}
	e.merge(o)
	if e.chunk != nil && len(e.record.tasks) == e.chunk.tasks {
		return e.leave()
	}
	return nil
}

// pass passes a chunk's rows on that are known as a whole.
func (e *emitter) pass(known *chunkRecord) error {
	if err := e.flush(); err != nil {
		return err
	}
	e.chunk = nil
	for _, t := range known.tasks {
		e.st.trace.task(t.Key, t.Rows)
	}
	e.st.count(func(p *progress) { p.rowsOut += int64(len(known.digests)) })
	return e.st.flow.appendStored(known.chunks, known.digests)
}

// enter begins a chunk of the input: what its tasks give lies in chunks of its
// own.
func (e *emitter) enter(c *chunkTasks) error {
	if err := e.flush(); err != nil {
		return err
	}
	if e.chunk = c; c != nil {
		e.from = e.st.flow.cut()
		e.record, e.whole = &chunkRecord{dropped: map[string]int64{}}, true
	}
	return nil
}

// leave ends a chunk of the input.
func (e *emitter) leave() error {
	if err := e.flush(); err != nil {
		return err
	}
	to := e.st.flow.cut()
	if e.whole {
		for _, s := range e.st.flow.between(e.from, to) {
			e.record.chunks = append(e.record.chunks, s.chunk)
		}
		e.made = append(e.made, madeChunk{e.chunk.key, e.record})
	}
	e.chunk, e.record = nil, nil
	return e.keep()
}

// keep stores the records of chunks whose rows are stored.
func (e *emitter) keep() error {
	for len(e.made) > 0 && e.made[0].record.stored() {
		m := e.made[0]
		e.made = e.made[1:]
		if err := e.opts.Store.Put(cache.Steps, m.key, m.record.encode()); err != nil {
			return err
		}
	}
	return nil
}

// end stores what is left to be stored.
func (e *emitter) end() error {
	e.st.flow.sealing.Wait()
	return e.keep()
}

// merge takes the rows that a task gave.
func (e *emitter) merge(o outcome) {
	if o.record == nil { // a plan does not know
		return
	}
	given := 0
	if o.record.err == nil {
		given = len(o.record.rows)
	}
	e.st.trace.task(o.key, given)
	if e.chunk != nil {
		e.record.tasks = append(e.record.tasks, TaskTrace{o.key, given})
		e.whole = e.whole && o.record.err == nil
		if o.record.dropped != "" {
			e.record.dropped[o.record.dropped]++
		}
	}
	for i := range given {
		r := o.row.Merge(blockColumn(o.record.rows[i], e.st.Role))
		e.rows = append(e.rows, r.WithString("id", childID(e.st.Role, o, i)))
	}
}

// flush passes on what was merged.
func (e *emitter) flush() error {
	if len(e.rows) == 0 {
		return nil
	}
	list := hashRows(e.rows)
	clear(e.rows)
	e.rows = e.rows[:0]
	if e.chunk != nil {
		for i := range list {
			e.record.digests = append(e.record.digests, list[i].digest)
		}
	}
	e.st.count(func(p *progress) { p.rowsOut += int64(len(list)) })
	return e.st.flow.appendHashed(list)
}
