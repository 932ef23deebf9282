package files

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/autosafe/autosafe/plugins/sdk"
)

// InvalidRow is why a row is left out that is no row of the format's.
const InvalidRow = "invalid_row"

// batchBytes bounds the rows under way in each part of Convert and Rows.
const batchBytes = 8 << 20

// batch is a batch of rows, read.
type batch[C any] struct {
	*sdk.RowBatch
	read []C
	ok   []bool // whether the row was not skipped
}

// made are the lines of a batch of rows.
type made struct {
	splits []string
	lines  [][]byte
}

// Convert makes lines of every row that can be used. read reads a row, and
// lines gives the values whose JSON are its lines; either may give the reason
// why there are none. A row with a line that the format refuses is left out
// whole.
//
// lines is called for one row after another, in their order. What comes before
// and after it is done for several rows at once. Rows of which few are taken
// come last: which ones is known at the end.
func Convert[C any](rows *sdk.RowReader, out *sdk.Dir, config Config, format Format, few Few[C], read func(json.RawMessage) (C, string), lines func(C) ([]any, string)) error {
	w, err := newWriter(out, config, format)
	if err != nil {
		return err
	}
	chosen := &fewest{most: few.Most, reason: few.Reason}
	ends := &ordered[made]{bytes: batchBytes, take: func(m made) error { return m.put(w) }}
	begins := &ordered[batch[C]]{bytes: batchBytes, take: func(b batch[C]) error {
		values, err := b.values(few, chosen, lines)
		if err != nil {
			return err
		}
		return ends.add(size(b.RowBatch), func() (made, error) { return encode(b.RowBatch, values, format.Validate) })
	}}
	err = eachBatch(rows, func(b *sdk.RowBatch) error {
		return begins.add(size(b), func() (batch[C], error) { return readBatch(b, read), nil })
	})
	if err == nil {
		err = begins.drain()
	}
	if err == nil {
		err = chosen.write(ends, format.Validate)
	}
	if err == nil {
		err = ends.drain()
	}
	if err != nil {
		begins.abandon()
		ends.abandon()
	}
	return closed(w, err)
}

// eachBatch hands on all rows.
func eachBatch(rows *sdk.RowReader, fn func(*sdk.RowBatch) error) error {
	for {
		b, err := rows.NextBatch()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := fn(b); err != nil {
			return err
		}
	}
}

func size(b *sdk.RowBatch) int {
	n := 0
	for _, r := range b.Rows {
		n += len(r.Row)
	}
	return n
}

func readBatch[C any](rows *sdk.RowBatch, read func(json.RawMessage) (C, string)) batch[C] {
	b := batch[C]{rows, make([]C, len(rows.Rows)), make([]bool, len(rows.Rows))}
	for i, row := range rows.Rows {
		c, reason := read(row.Row)
		if reason != "" {
			rows.Skip(i, reason)
			continue
		}
		b.read[i], b.ok[i] = c, true
	}
	return b
}

// values are what lines makes of each row that is written now. Others are left
// out, or held in chosen.
func (b batch[C]) values(few Few[C], chosen *fewest, lines func(C) ([]any, string)) ([][]any, error) {
	values := make([][]any, len(b.read))
	for i, c := range b.read {
		if !b.ok[i] {
			continue
		}
		luck, among := few.luck(c)
		if among && !chosen.want(luck) {
			b.Skip(i, few.Reason)
			continue
		}
		list, reason := lines(c)
		switch {
		case reason != "":
			b.Skip(i, reason)
		case among:
			row := b.Rows[i]
			if err := chosen.add(held{luck: luck, split: row.Split, size: len(row.Row), values: list, answer: b.Later(i)}); err != nil {
				return nil, err
			}
		default:
			values[i] = list
		}
	}
	return values, nil
}

// encode makes lines of values and answers the batch.
func encode(b *sdk.RowBatch, values [][]any, validate func([]byte) error) (made, error) {
	var m made
	for i, list := range values {
		lines, ok := linesOf(list, validate)
		if !ok {
			b.Skip(i, InvalidRow)
			continue
		}
		for _, text := range lines {
			m.add(b.Rows[i].Split, text)
		}
	}
	return m, b.Done()
}

func linesOf(values []any, validate func([]byte) error) (lines [][]byte, ok bool) {
	for _, v := range values {
		text, err := JSON(v)
		if err != nil || validate != nil && validate(text) != nil {
			return nil, false
		}
		lines = append(lines, escapeBreaks(text))
	}
	return lines, true
}

func (m *made) add(split string, line []byte) {
	m.splits, m.lines = append(m.splits, split), append(m.lines, line)
}

func (m *made) put(w writer) error {
	for i, text := range m.lines {
		if err := w.put(m.splits[i], text); err != nil {
			return err
		}
	}
	return nil
}

// Rows writes every row as a line, as it came.
func Rows(rows *sdk.RowReader, out *sdk.Dir, config Config, format Format) error {
	w, err := newWriter(out, config, format)
	if err != nil {
		return err
	}
	whole := &ordered[made]{bytes: batchBytes, take: func(m made) error { return m.put(w) }}
	err = eachBatch(rows, func(b *sdk.RowBatch) error {
		return whole.add(size(b), func() (made, error) { return wholeRows(b, config.Files == "parquet") })
	})
	if err == nil {
		err = whole.drain()
	}
	if err != nil {
		whole.abandon()
	}
	return closed(w, err)
}

// wholeRows are rows as lines. A table's must be known to be objects; of others
// it is enough that they are on one line, as autosafe's engine writes them.
func wholeRows(b *sdk.RowBatch, table bool) (made, error) {
	var m made
	for i, r := range b.Rows {
		text := []byte(r.Row)
		if table || bytes.IndexByte(text, '\n') >= 0 || bytes.IndexByte(text, '\r') >= 0 {
			text = compact(text)
		}
		if text != nil {
			m.add(r.Split, text)
		} else {
			b.Skip(i, InvalidRow)
		}
	}
	return m, b.Done()
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
