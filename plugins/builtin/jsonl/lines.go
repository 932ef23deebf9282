package jsonl

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// maxLine bounds a line, and so the memory of a file.
const maxLine = 64 << 20

// lines reads a file line by line, whatever its line ends; it unpacks gzip and
// leaves out blank lines and a byte-order mark.
type lines struct {
	r      *bufio.Reader
	buf    []byte // a line longer than r's buffer, used again
	number int    // of the line that next gave, from 1
	max    int
}

func newLines(file io.Reader) (*lines, error) {
	const size = 256 << 10
	r := bufio.NewReaderSize(file, size)
	if magic, _ := r.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("it is not a whole gzip file: %w", err)
		}
		r = bufio.NewReaderSize(z, size)
	}
	switch mark, _ := r.Peek(3); {
	case bytes.HasPrefix(mark, []byte{0xef, 0xbb, 0xbf}):
		if _, err := r.Discard(3); err != nil {
			return nil, err
		}
	case bytes.HasPrefix(mark, []byte{0xff, 0xfe}), bytes.HasPrefix(mark, []byte{0xfe, 0xff}):
		return nil, errors.New("it is UTF-16; convert it to UTF-8")
	}
	return &lines{r: r, max: maxLine}, nil
}

// next gives the next line that is not blank, without white space around it;
// it is valid until the next call. At the end the error is io.EOF.
func (l *lines) next() ([]byte, error) {
	for {
		line, err := l.read()
		if err != nil && err != io.EOF {
			return nil, err
		}
		if line = bytes.Trim(line, " \t\r\n"); len(line) > 0 {
			return line, nil
		}
		if err == io.EOF {
			return nil, io.EOF
		}
	}
}

// read gives a line with its end. The last one, if it has no end, comes with
// io.EOF.
func (l *lines) read() ([]byte, error) {
	l.number++
	part, err := l.r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return part, wrap(err)
	}
	l.buf = append(l.buf[:0], part...)
	for errors.Is(err, bufio.ErrBufferFull) {
		part, err = l.r.ReadSlice('\n')
		if len(l.buf)+len(part) > l.max {
			return nil, fmt.Errorf("the line is longer than %d MiB; split the record", l.max>>20)
		}
		l.buf = append(l.buf, part...)
	}
	return l.buf, wrap(err)
}

// wrap says what a fault of the packing means to the user.
func wrap(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) {
		return fmt.Errorf("the gzip file is damaged or cut short: %w", err)
	}
	return err
}
