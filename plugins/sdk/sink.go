package sdk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
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

// localName says whether a name stays inside the folder on every system.
func localName(name string) bool {
	return filepath.IsLocal(filepath.FromSlash(name)) && path.Clean(name) == name && name != "." &&
		!strings.ContainsAny(name, "\\:\x00") && clip(name) == name
}

// SkipRow leaves the row last read out of this output and counts it under the
// reason.
func (d *Dir) SkipRow(reason string) {
	if reason == "" {
		reason = "skipped"
	}
	d.rows.dropped = reason
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
