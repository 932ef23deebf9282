package export

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/autosafe/autosafe/plugins/sdk"
)

// LinesType is the media type of a file of JSON lines.
const LinesType = "application/jsonlines"

// Lines writes a file of JSON lines for each split that gets any.
type Lines struct {
	out   *sdk.Dir
	files map[string]*lineFile
}

type lineFile struct {
	*sdk.File
	lines int
}

// NewLines writes below out.
func NewLines(out *sdk.Dir) *Lines { return &Lines{out: out, files: map[string]*lineFile{}} }

// Put adds a line, given without its end, to a split's file.
func (l *Lines) Put(split string, line []byte) error {
	f := l.files[split]
	if f == nil {
		file, err := l.out.Create(split+".jsonl", LinesType)
		if err != nil {
			return err
		}
		f = &lineFile{File: file}
		l.files[split] = f
	}
	if _, err := f.Write(line); err != nil {
		return fmt.Errorf("writing %s.jsonl: %w", split, err)
	}
	if _, err := f.Write([]byte{'\n'}); err != nil {
		return fmt.Errorf("writing %s.jsonl: %w", split, err)
	}
	f.lines++
	return nil
}

// Close finishes the files.
func (l *Lines) Close() error {
	var errs []error
	for _, f := range l.files {
		f.SetRows(f.lines)
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// Training makes training lines of every row that can be used. For each, line
// gives the values whose JSON are its lines, or the reason why there are none.
// A row with a line that the format's validator refuses is left out whole.
func Training(rows *sdk.RowReader, out *sdk.Dir, validate func([]byte) error, line func(*Case) ([]any, string)) error {
	files := NewLines(out)
	for {
		r, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return files.Close()
		}
		if err != nil {
			return err
		}
		lines, reason := encode(r.Row, validate, line)
		if reason != "" {
			out.SkipRow(reason)
			continue
		}
		for _, text := range lines {
			if err := files.Put(r.Split, text); err != nil {
				return err
			}
		}
	}
}

func encode(row json.RawMessage, validate func([]byte) error, line func(*Case) ([]any, string)) ([][]byte, string) {
	c, reason := Read(row)
	if reason != "" {
		return nil, reason
	}
	values, reason := line(c)
	if reason != "" {
		return nil, reason
	}
	var lines [][]byte
	for _, v := range values {
		text, err := JSON(v)
		if err != nil || validate(text) != nil {
			return nil, InvalidRow
		}
		lines = append(lines, escapeBreaks(text))
	}
	return lines, ""
}

// escapeBreaks escapes the characters beyond ASCII that some readers, such as
// Python's splitlines, take for the end of a line. In JSON they can stand in
// strings alone.
func escapeBreaks(line []byte) []byte {
	for _, r := range []rune{0x85, 0x2028, 0x2029} {
		line = bytes.ReplaceAll(line, []byte(string(r)), fmt.Appendf(nil, `\u%04x`, r))
	}
	return line
}

// JSON is a value as JSON on one line, with markup characters as they are.
func JSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}
