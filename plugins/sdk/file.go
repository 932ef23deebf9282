package sdk

import (
	"os"
	"sync"

	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
)

// File is a file of an output. Writes are buffered, and reach the file beside
// what the component does next.
type File struct {
	mu       sync.Mutex
	file     *os.File
	artifact *pluginpb.Artifact
	closed   bool
	err      error // of a write or the close

	buf   []byte       // what was written last
	full  chan []byte  // buffers on their way to the file
	spare chan written // buffers to be filled again
}

// written is a buffer that was written, and the first error so far.
type written struct {
	buf []byte
	err error
}

// Larger buffers make Linux look for larger pieces of free memory for its
// cache, which took a virtual machine three times as long.
const (
	fileBuffer  = 32 << 10
	fileBuffers = 8 // one is filled, one is written, the others wait
)

func newFile(f *os.File, a *pluginpb.Artifact) *File {
	return &File{file: f, artifact: a}
}

// start begins to write. A file that never fills a buffer does without.
func (f *File) start() {
	f.full, f.spare = make(chan []byte, fileBuffers-2), make(chan written, fileBuffers)
	for range fileBuffers - 1 {
		f.spare <- written{}
	}
	go func() {
		defer close(f.spare)
		var err error
		for b := range f.full {
			if err == nil {
				_, err = f.file.Write(b)
			}
			f.spare <- written{b[:0], err}
		}
	}()
}

// Write writes to the file. The error may be one of an earlier write.
func (f *File) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0, os.ErrClosed
	}
	n := 0
	for f.err == nil {
		if cap(f.buf) == 0 {
			f.buf = make([]byte, 0, fileBuffer)
		}
		part := b[n:min(len(b), n+fileBuffer-len(f.buf))]
		f.buf = append(f.buf, part...)
		if n += len(part); n == len(b) {
			return n, nil
		}
		f.flush()
	}
	return n, f.err
}

// flush hands the buffer, which is full, on.
func (f *File) flush() {
	if f.full == nil {
		f.start()
	}
	f.full <- f.buf
	next := <-f.spare
	f.buf, f.err = next.buf, next.err
}

// SetRows says how many rows the file holds.
func (f *File) SetRows(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.artifact.Rows = int64(n)
}

// Close finishes the file. Files left open are closed when the component's
// function returns.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return f.err
	}
	f.closed = true
	f.settle()
	if f.err == nil {
		_, f.err = f.file.Write(f.buf)
	}
	if err := f.file.Close(); f.err == nil {
		f.err = err
	}
	f.buf = nil
	return f.err
}

// settle waits until nothing is on its way to the file.
func (f *File) settle() {
	if f.full == nil {
		return
	}
	close(f.full)
	for w := range f.spare {
		if f.err == nil {
			f.err = w.err
		}
	}
}

func (f *File) abandon() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.closed = true
		f.settle()
		f.err = os.ErrClosed
		_ = f.file.Close()
		f.buf = nil
	}
}
