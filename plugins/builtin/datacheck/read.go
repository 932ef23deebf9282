package datacheck

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/export"
)

// row is a row of a file as it was read.
type row struct {
	number int // from 1
	line   int // where it begins; 0 in files without lines
	text   []byte
	err    error // why it could not be read
}

const (
	batchRows  = 256
	batchBytes = 1 << 20
	maxRow     = 64 << 20 // a longer row is a problem of its own, and not kept
)

// fileError says what is wrong with a file from some line on.
type fileError struct {
	line int
	text string
}

func (e *fileError) Error() string { return e.text }

// batches collects rows until there are enough of them.
type batches struct {
	put   func([]row) error
	rows  []row
	bytes int
	count int
}

func (b *batches) add(line int, text []byte, err error) error {
	b.count++
	b.rows = append(b.rows, row{number: b.count, line: line, text: text, err: err})
	b.bytes += len(text)
	if len(b.rows) < batchRows && b.bytes < batchBytes {
		return nil
	}
	return b.flush()
}

func (b *batches) flush() error {
	if len(b.rows) == 0 {
		return nil
	}
	list := b.rows
	b.rows, b.bytes = nil, 0
	return b.put(list)
}

// readRows reads a file's rows in order.
func readRows(file string, format export.Format, put func([]row) error) error {
	b := &batches{put: put}
	var err error
	if strings.HasSuffix(file, ".parquet") {
		err = readParquet(file, format, b)
	} else {
		err = readText(file, b)
	}
	return errors.Join(b.flush(), err)
}

func readText(file string, b *batches) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	var in io.Reader = f
	switch {
	case strings.HasSuffix(file, ".gz"):
		z, err := gzip.NewReader(bufio.NewReader(f))
		if err != nil {
			return &fileError{text: fmt.Sprintf("not a gzip file: %v", err)}
		}
		in = z
	case strings.HasSuffix(file, ".zst"):
		z, err := newZstd(f)
		if err != nil {
			return &fileError{text: fmt.Sprintf("not a zstd file: %v", err)}
		}
		defer z.Close()
		in = z
	}
	r := &lineReader{in: bufio.NewReaderSize(in, 1<<16), line: 1, most: maxRow}
	if strings.Contains(file, ".json") && !strings.Contains(file, ".jsonl") {
		first, err := r.skipSpace()
		if err == nil && first == '[' {
			return r.array(b)
		}
		if line, _ := r.in.Peek(1 << 16); err == nil && !json.Valid(firstLine(line)) && bytes.IndexByte(line, '\n') >= 0 {
			return &fileError{line: r.line, text: "holds neither a list of rows nor a JSON object a line"}
		}
	}
	return r.lines(b)
}

func firstLine(text []byte) []byte {
	line, _, _ := bytes.Cut(text, []byte{'\n'})
	return line
}

// lineReader reads text and knows the line that it is at.
type lineReader struct {
	in   *bufio.Reader
	line int
	most int // bytes of a row that are kept
}

// broken is an error of reading. What the machine has to say comes with the
// file's path; all else is what is wrong with compressed data.
func (r *lineReader) broken(err error) error {
	var machine *fs.PathError
	if errors.As(err, &machine) {
		return err
	}
	return &fileError{line: r.line, text: "the file is damaged or cut off: " + err.Error()}
}

// lines reads JSON lines. Empty lines are no rows.
func (r *lineReader) lines(b *batches) error {
	for {
		text, long, err := r.next()
		if err != nil && !errors.Is(err, io.EOF) {
			return r.broken(err)
		}
		ended := err != nil
		switch {
		case long:
			err = b.add(r.line, nil, errTooLong)
		case len(bytes.TrimSpace(text)) > 0:
			err = b.add(r.line, text, nil)
		default:
			err = nil
		}
		if err != nil || ended {
			return err
		}
		r.line++
	}
}

var errTooLong = fmt.Errorf("longer than %d MiB", maxRow>>20)

// next is a line without its end. Of one that is too long nothing is kept.
func (r *lineReader) next() (text []byte, long bool, err error) {
	for {
		part, err := r.in.ReadSlice('\n')
		if !long {
			text = append(text, part...)
		}
		if len(text) > r.most {
			text, long = nil, true
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		text = bytes.TrimSuffix(text, []byte{'\n'})
		return bytes.TrimSuffix(text, []byte{'\r'}), long, err
	}
}

// skipSpace goes to the first byte that is no white space, and leaves it.
func (r *lineReader) skipSpace() (byte, error) {
	for {
		c, err := r.in.ReadByte()
		if err != nil {
			return 0, err
		}
		if c == '\n' {
			r.line++
		}
		if !strings.ContainsRune(" \t\r\n", rune(c)) {
			return c, r.in.UnreadByte()
		}
	}
}
