package sdk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
)

// SplitRow is a row and the part of the dataset that it belongs to.
type SplitRow struct {
	Split string // train, test, …
	Row   json.RawMessage
}

// RowReader gives an output its rows.
type RowReader struct {
	stream  stream
	out     *sender
	batch   []*pluginpb.Task
	current *pluginpb.Task // read and not yet answered
	dropped string
	ended   bool
}

// Next gives the next row, io.EOF after the last. Rows come in order; those
// of different splits are interleaved.
func (r *RowReader) Next() (SplitRow, error) {
	task, err := r.next()
	if err != nil {
		return SplitRow{}, err
	}
	r.current, r.dropped = task, ""
	return SplitRow{Split: task.GetSplit(), Row: task.GetRow()}, nil
}

// next answers the row before and takes the next one.
func (r *RowReader) next() (*pluginpb.Task, error) {
	if err := r.answer(); err != nil {
		return nil, err
	}
	for len(r.batch) == 0 {
		if r.ended {
			return nil, io.EOF
		}
		req, err := r.stream.Recv()
		if errors.Is(err, io.EOF) {
			r.ended = true
			continue
		}
		if err != nil {
			return nil, err
		}
		r.batch = req.GetTasks().GetTasks()
	}
	task := r.batch[0]
	r.batch = r.batch[1:]
	return task, nil
}

// answer tells the host what became of the current row.
func (r *RowReader) answer() error {
	if r.current == nil {
		return nil
	}
	result := &pluginpb.Result{Seq: r.current.GetSeq(), Dropped: r.dropped}
	r.current, r.dropped = nil, ""
	return r.out.put(result)
}

// RowBatch is some of an output's rows, for outputs that work on several at
// once. The host holds a batch's rows until it is done.
type RowBatch struct {
	Rows []SplitRow

	out     *sender
	results []*pluginpb.Result
}

// NextBatch gives some of the next rows, at least one, and io.EOF after the
// last. Each batch needs its Done; they may come in any order and from any
// goroutine, but before the output's function returns.
func (r *RowReader) NextBatch() (*RowBatch, error) {
	first, err := r.next()
	if err != nil {
		return nil, err
	}
	tasks := append([]*pluginpb.Task{first}, r.batch...)
	r.batch = nil
	b := &RowBatch{out: r.out, Rows: make([]SplitRow, len(tasks)), results: make([]*pluginpb.Result, len(tasks))}
	for i, t := range tasks {
		b.Rows[i] = SplitRow{Split: t.GetSplit(), Row: t.GetRow()}
		b.results[i] = &pluginpb.Result{Seq: t.GetSeq()}
	}
	return b, nil
}

// Skip leaves row i out of the output and counts it under the reason.
func (b *RowBatch) Skip(i int, reason string) { b.results[i].Dropped = orSkipped(reason) }

// Later takes row i out of the batch's Done, for an output that has to see
// more rows before it knows what becomes of this one. The function given tells
// the host, once, before the output's function returns: the reason why the row
// is left out, "" if it is written. Until then the host holds the row.
func (b *RowBatch) Later(i int) func(reason string) error {
	out, result := b.out, b.results[i]
	b.results[i] = nil
	return func(reason string) error {
		result.Dropped = reason
		return out.put(result)
	}
}

// Done tells the host what became of the rows. Rows stays valid.
func (b *RowBatch) Done() error {
	for _, r := range b.results {
		if r == nil {
			continue // answered by what Later gave
		}
		if err := b.out.put(r); err != nil {
			return err
		}
	}
	b.results = nil
	return nil
}

// drain answers the rows that the output did not want to read.
func (r *RowReader) drain() error {
	for {
		task, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		r.current, r.dropped = task, "not_read"
	}
}

// Dir is the folder that an output writes below.
type Dir struct {
	root *os.Root
	rows *RowReader

	mu    sync.Mutex
	files []*File // in order of creation
}

func openDir(dir string) (*Dir, error) {
	if dir == "" {
		return nil, Fail("no_work_dir", "an output needs a folder to write to")
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the output folder: %w", err)
	}
	return &Dir{root: root}, nil
}

// Create makes a file, given by its name relative to the folder, with
// slashes. Folders in between are made. The file is part of the output when
// the component's function returns without an error.
func (d *Dir) Create(name, mediaType string) (*File, error) {
	if !localName(name) {
		return nil, Fail("bad_path", fmt.Sprintf("%q is no relative path inside the output folder", name))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.files {
		if f.artifact.GetPath() == name {
			return nil, Fail("bad_path", fmt.Sprintf("%q was created twice", name))
		}
	}
	if parent := path.Dir(name); parent != "." {
		if err := d.root.MkdirAll(filepath.FromSlash(parent), 0o777); err != nil {
			return nil, fmt.Errorf("creating %s: %w", parent, err)
		}
	}
	f, err := d.root.Create(filepath.FromSlash(name))
	if err != nil {
		return nil, fmt.Errorf("creating %s: %w", name, err)
	}
	out := newFile(f, &pluginpb.Artifact{Path: name, MediaType: clip(mediaType)})
	d.files = append(d.files, out)
	return out, nil
}

// Files are the names of the files created so far, in order of name.
func (d *Dir) Files() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	names := make([]string, len(d.files))
	for i, f := range d.files {
		names[i] = f.artifact.GetPath()
	}
	slices.Sort(names)
	return names
}

// localName says whether a name stays inside the folder on every system.
func localName(name string) bool {
	return filepath.IsLocal(filepath.FromSlash(name)) && path.Clean(name) == name && name != "." &&
		!strings.ContainsAny(name, "\\:\x00") && clip(name) == name
}

// SkipRow leaves the row last read out of this output and counts it under the
// reason.
func (d *Dir) SkipRow(reason string) {
	d.rows.dropped = orSkipped(reason)
}

func orSkipped(reason string) string {
	if reason == "" {
		return "skipped"
	}
	return reason
}

// Rename closes a file and gives it another name in the folder, for names that
// are known only at the end, such as those of shards with their number.
func (d *Dir) Rename(f *File, name string) error {
	if !localName(name) {
		return Fail("bad_path", fmt.Sprintf("%q is no relative path inside the output folder", name))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	old := f.artifact.GetPath()
	for _, other := range d.files {
		if other != f && other.artifact.GetPath() == name {
			return Fail("bad_path", fmt.Sprintf("%q was created twice", name))
		}
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("writing %s: %w", old, err)
	}
	if err := d.root.Rename(filepath.FromSlash(old), filepath.FromSlash(name)); err != nil {
		return fmt.Errorf("renaming %s to %s: %w", old, name, err)
	}
	f.artifact.Path = name
	return nil
}

// finish closes every file and gives the list of them.
func (d *Dir) finish() ([]*pluginpb.Artifact, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []*pluginpb.Artifact
	for _, f := range d.files {
		if err := f.Close(); err != nil {
			return nil, fmt.Errorf("writing %s: %w", f.artifact.GetPath(), err)
		}
		out = append(out, f.artifact)
	}
	return out, nil
}

// close lets go of what a failed or cancelled output left open.
func (d *Dir) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.files {
		f.abandon()
	}
	_ = d.root.Close()
}
