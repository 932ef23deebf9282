package files

import (
	"compress/gzip"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/autosafe/autosafe/plugins/sdk"
)

// LinesType is the media type of a file of JSON lines.
const LinesType = "application/jsonlines"

// lineWriter writes files of JSON lines.
type lineWriter struct {
	out    *sdk.Dir
	config Config
	splits map[string]*lineSplit
	order  []*lineSplit
}

// lineSplit is a split and the file that is being written of it.
type lineSplit struct {
	shards
	file  *sdk.File // nil if the next line begins one
	to    io.Writer
	end   func() error // of the compression, before the file's
	lines int          // in file
}

func newLineWriter(out *sdk.Dir, config Config) *lineWriter {
	return &lineWriter{out: out, config: config, splits: map[string]*lineSplit{}}
}

func (w *lineWriter) put(split string, line []byte) error {
	s := w.splits[split]
	if s == nil {
		s = &lineSplit{shards: shards{out: w.out, split: split, numbered: w.config.ShardRows > 0, ending: ".jsonl", media: LinesType}}
		switch w.config.Compression {
		case "gzip":
			s.ending, s.media = ".jsonl.gz", "application/gzip"
		case "zstd":
			s.ending, s.media = ".jsonl.zst", "application/zstd"
		}
		w.splits[split], w.order = s, append(w.order, s)
	}
	if s.file == nil {
		if err := s.begin(w.config.Compression); err != nil {
			return err
		}
	}
	for _, part := range [][]byte{line, {'\n'}} {
		if _, err := s.to.Write(part); err != nil {
			return fmt.Errorf("writing split %s: %w", split, err)
		}
	}
	if s.lines++; s.lines == w.config.ShardRows {
		return s.finish()
	}
	return nil
}

// begin begins a file. Compressed ones hold neither name nor time.
func (s *lineSplit) begin(compression string) (err error) {
	if s.file, err = s.create(); err != nil {
		return err
	}
	s.to, s.lines, s.end = s.file, 0, func() error { return nil }
	switch compression {
	case "gzip":
		z := gzip.NewWriter(s.file)
		s.to, s.end = z, z.Close
	case "zstd":
		// One goroutine: more would only take memory beside those of the
		// rows, which come no faster than they are read.
		z, err := zstd.NewWriter(s.file, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return err
		}
		s.to, s.end = z, z.Close
	}
	return nil
}

func (s *lineSplit) finish() error {
	f := s.file
	s.file = nil
	f.SetRows(s.lines)
	if err := s.end(); err != nil {
		return fmt.Errorf("writing split %s: %w", s.split, err)
	}
	return f.Close()
}

func (w *lineWriter) close() error {
	for _, s := range w.order {
		if s.file != nil {
			if err := s.finish(); err != nil {
				return err
			}
		}
		if err := s.rename(); err != nil {
			return err
		}
	}
	return nil
}

func (w *lineWriter) abandon() {}
