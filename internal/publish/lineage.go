package publish

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/spec"
)

// Rows keep their order from step to step, so where those of a dataset come
// from is found in one go through the traces of all steps side by side: each is
// read once, from front to back, and none is held. A task that led to several
// rows in a row is looked up once.

// lineageLine is a row's way from its source to the dataset.
type lineageLine struct {
	ID     string        `json:"id"`
	Split  string        `json:"split"`
	Source lineageSource `json:"source"`
	Path   []lineageHop  `json:"path"` // the steps behind the source, in order
	// Verdicts are the labels that the row brought, by their place.
	Verdicts map[string]string `json:"verdicts,omitempty"`
}

// lineageSource is where a row began.
type lineageSource struct {
	Step   string          `json:"step"`
	Row    int64           `json:"row"` // from 0
	Origin json.RawMessage `json:"origin,omitempty"`
}

// lineageHop is a step that a row went through.
type lineageHop struct {
	Step   string   `json:"step"`
	Sample *int     `json:"sample,omitempty"` // of a component that takes several
	Task   string   `json:"task,omitempty"`   // key of the outcome in the cache
	Calls  []string `json:"calls,omitempty"`  // keys of the model calls made for it, in order
	Passed []string `json:"passed,omitempty"` // operations of a distill step
}

// lineage writes lineage.jsonl, if it is asked for.
func (m *maker) lineage() error {
	if !m.said.Lineage {
		return nil
	}
	w := &walk{facts: m.facts}
	defer w.stop()
	heads := make([]*cursor, 0, len(m.data.Step.Inputs))
	for _, in := range m.data.Step.Inputs {
		c, err := w.cursor(in)
		if err != nil {
			return err
		}
		heads = append(heads, c)
	}
	name := LineageName
	if m.data.Rows > plainLineage {
		name = LineageZstdName
	}
	file, err := os.Create(filepath.Join(m.dir, name))
	if err != nil {
		return err
	}
	sum, size := sha256.New(), &sizer{}
	out, err := lineageWriter(io.MultiWriter(file, sum, size), name)
	if err == nil {
		err = errors.Join(w.write(out, heads), out.Close())
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	m.add(name, cache.Digest(sum.Sum(nil)), size.n)
	return nil
}

// plainLineage is up to how many rows the lineage is not compressed.
const plainLineage = 100_000

// lineageWriter writes text as a file's name says. One goroutine compresses, so
// that equal text is equal bytes.
func lineageWriter(to io.Writer, name string) (io.WriteCloser, error) {
	if name == LineageZstdName {
		return zstd.NewWriter(to, zstd.WithEncoderConcurrency(1))
	}
	return &flusher{bufio.NewWriterSize(to, 1<<18)}, nil
}

// flusher is a buffer that is flushed when it is closed.
type flusher struct{ *bufio.Writer }

func (f *flusher) Close() error { return f.Flush() }

type sizer struct{ n int64 }

func (s *sizer) Write(p []byte) (int, error) {
	s.n += int64(len(p))
	return len(p), nil
}

// write writes a line for each row.
func (w *walk) write(out io.Writer, heads []*cursor) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	n := int64(0)
	for r, err := range w.data.All() {
		if err != nil {
			return err
		}
		if n%1024 == 0 && w.ctx.Err() != nil {
			return w.ctx.Err()
		}
		line := lineageLine{ID: r.Row.String("id"), Split: r.Split, Path: make([]lineageHop, 0, 8), Verdicts: verdictsOf(r)}
		head, pos, err := inputAt(heads, n)
		if err != nil {
			return err
		}
		if err := head.follow(pos, &line); err != nil {
			return err
		}
		line.Source.Origin, _ = r.Row.Column("origin")
		text.Reset()
		if err := enc.Encode(&line); err != nil {
			return err
		}
		if _, err := out.Write(text.Bytes()); err != nil {
			return err
		}
		n++
	}
	return nil
}

// verdictsOf are the labels of a row's own verdicts.
func verdictsOf(r engine.DatasetRow) map[string]string {
	found := map[string]string{}
	for _, column := range []string{"trigger_verdict", "safe_verdict"} {
		var v verdict
		if read(r.Row, column, &v) && v.Label != "" {
			found[column] = v.Label
		}
	}
	return found
}

// walk goes through the steps of a dataset.
type walk struct {
	*facts
	open []func()
}

func (w *walk) stop() {
	for _, f := range w.open {
		f()
	}
}

// cursor goes through the rows of a step in order.
type cursor struct {
	walk   *walk
	step   *engine.DatasetStep
	inputs []*cursor

	// Of a component: the task under way, its number, and where its rows begin.
	next    func() (engine.TaskTrace, error, bool)
	task    engine.TaskTrace
	number  int64
	first   int64
	samples int64
	hop     lineageHop // of the task
	looked  bool

	// Of a distill step: what it left out, and the row under way before and
	// behind it.
	dropped []uint64
	in, out int64
	passed  []string
}

// cursor makes the cursor of a step, for one way that rows take.
func (w *walk) cursor(s *spec.Step) (*cursor, error) {
	c := &cursor{walk: w, number: -1, in: -1, out: -1}
	for i := range w.data.Steps {
		if w.data.Steps[i].Step == s {
			c.step = &w.data.Steps[i]
		}
	}
	if c.step == nil {
		return nil, fmt.Errorf("lineage: %s is not among the steps", s.Address)
	}
	for _, in := range s.Inputs {
		up, err := w.cursor(in)
		if err != nil {
			return nil, err
		}
		c.inputs = append(c.inputs, up)
	}
	switch {
	case s.Kind == spec.DistillStep:
		return c, c.readDrops()
	case len(s.Inputs) > 0:
		c.samples = int64(max(1, s.Role.Samples))
		next, stop := iter.Pull2(c.step.Record.AllTasks(w.opts.Store))
		c.next = next
		w.open = append(w.open, stop)
	}
	return c, nil
}

// readDrops reads what a distill step left out: a bit for each row it took.
func (c *cursor) readDrops() error {
	rec := c.step.Record
	c.dropped = make([]uint64, rec.RowsIn/64+1)
	n := int64(0)
	for t, err := range rec.AllDrops(c.walk.opts.Store) {
		if err != nil {
			return lost(c.step, err)
		}
		if t.Position >= rec.RowsIn {
			return c.untold()
		}
		c.dropped[t.Position/64] |= 1 << (t.Position % 64)
		n++
	}
	if n != rec.RowsIn-rec.Rows {
		return c.untold()
	}
	for _, op := range c.step.Distill {
		c.passed = append(c.passed, string(op.Kind)+"."+op.Name)
	}
	return nil
}

// untold is the error for a step of which it is not known which row became
// which.
func (c *cursor) untold() error { return lost(c.step, errors.New("its trace is of other rows")) }

// inputAt finds the input that a row is of, and its place there.
func inputAt(inputs []*cursor, pos int64) (*cursor, int64, error) {
	for _, c := range inputs {
		if pos < c.step.Record.Rows {
			return c, pos, nil
		}
		pos -= c.step.Record.Rows
	}
	return nil, 0, errors.New("lineage: there are more rows than the steps gave")
}

// follow adds where the row at a place comes from, the source first. Places
// must not go back.
func (c *cursor) follow(pos int64, line *lineageLine) error {
	if len(c.inputs) == 0 {
		line.Source.Step, line.Source.Row = c.step.Address, pos
		return nil
	}
	var input int64
	var err error
	if c.dropped != nil {
		input, err = c.came(pos)
	} else {
		input, err = c.taskAt(pos)
	}
	if err != nil {
		return err
	}
	up, at, err := inputAt(c.inputs, input)
	if err != nil {
		return err
	}
	if err := up.follow(at, line); err != nil {
		return err
	}
	if c.dropped != nil {
		line.Path = append(line.Path, lineageHop{Step: c.step.Address, Passed: c.passed})
		return nil
	}
	hop, err := c.told()
	line.Path = append(line.Path, hop)
	return err
}

// came is the place of the row before a distill step.
func (c *cursor) came(pos int64) (int64, error) {
	for c.out < pos {
		if c.in++; c.in >= c.step.Record.RowsIn {
			return 0, c.untold()
		}
		if c.dropped[c.in/64]>>(c.in%64)&1 == 0 {
			c.out++
		}
	}
	return c.in, nil
}

// taskAt goes on to the task that gave a row, and gives the place of its input.
func (c *cursor) taskAt(pos int64) (int64, error) {
	for c.number < 0 || pos >= c.first+int64(c.task.Rows) {
		if c.number >= 0 {
			c.first += int64(c.task.Rows)
		}
		t, err, ok := c.next()
		if err != nil {
			return 0, lost(c.step, err)
		}
		if !ok {
			return 0, c.untold()
		}
		c.task, c.looked = t, false
		c.number++
	}
	return c.number / c.samples, nil
}

// told is the task under way.
func (c *cursor) told() (lineageHop, error) {
	if c.looked {
		return c.hop, nil
	}
	c.hop = lineageHop{Step: c.step.Address, Task: c.task.Key.String()}
	if c.samples > 1 {
		sample := int(c.number % c.samples)
		c.hop.Sample = &sample
	}
	calls, err := callsOf(c.walk.opts.Store, c.step, c.task)
	for _, k := range calls {
		c.hop.Calls = append(c.hop.Calls, k.String())
	}
	c.looked = true
	return c.hop, err
}
