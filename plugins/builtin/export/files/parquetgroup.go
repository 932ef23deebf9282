package files

import (
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
)

// mostOfRow bounds the values of a row. They take 24 bytes each, and may take
// next to none in the file.
const mostOfRow = 1 << 20

// groupReader reads the rows of a row group, column by column: the library's
// own reader of rows has no bound on what a row may be.
type groupReader struct {
	columns []*columnReader
	values  [][]parquet.Value // of a row, by column
	ended   bool
}

// columnReader reads a column of a row group.
type columnReader struct {
	pages  parquet.Pages
	page   parquet.Page
	values parquet.ValueReader // of page
	buffer []parquet.Value
	ahead  []parquet.Value // of buffer, not yet taken
	row    []parquet.Value
	ended  bool
}

func newGroupReader(g parquet.RowGroup) *groupReader {
	r := &groupReader{}
	for _, chunk := range g.ColumnChunks() {
		r.columns = append(r.columns, &columnReader{pages: chunk.Pages(), buffer: make([]parquet.Value, valuesAhead)})
	}
	r.values = make([][]parquet.Value, len(r.columns))
	return r
}

// valuesAhead is how many values are taken out of a page at a time.
const valuesAhead = 64

// next gives the values of the next row; io.EOF after the last. They stay
// until the next call.
func (r *groupReader) next() ([][]parquet.Value, error) {
	left := mostOfRow
	for i, c := range r.columns {
		row, err := c.next(left)
		if ended := errors.Is(err, io.EOF); i > 0 && ended != r.ended {
			return nil, errLevels
		} else if ended {
			r.ended = true
			continue
		}
		if err != nil {
			return nil, err
		}
		r.values[i] = row
		left -= len(row)
	}
	if r.ended {
		return nil, io.EOF
	}
	return r.values, nil
}

func (r *groupReader) close() {
	for _, c := range r.columns {
		parquet.Release(c.page)
		_ = c.pages.Close()
	}
}

// next gives the values of the next row, no more than most.
func (c *columnReader) next(most int) ([]parquet.Value, error) {
	c.row = c.row[:0]
	for {
		for i := range c.ahead {
			if c.ahead[i].RepetitionLevel() == 0 && len(c.row) > 0 {
				c.ahead = c.ahead[i:]
				return c.row, nil
			}
			if len(c.row) == most {
				return nil, errLongest
			}
			c.row = append(c.row, c.ahead[i])
		}
		c.ahead = nil
		if err := c.fill(); errors.Is(err, io.EOF) && len(c.row) > 0 {
			return c.row, nil
		} else if err != nil {
			return nil, err
		}
	}
}

// fill reads some values ahead. A value's text is its page's memory, so that
// those of a row that goes over several pages are copied.
func (c *columnReader) fill() error {
	for !c.ended {
		if c.values == nil {
			if err := c.turn(); err != nil {
				return err
			}
			continue
		}
		n, err := c.values.ReadValues(c.buffer)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err != nil || n == 0 {
			c.values = nil
		}
		if n > 0 {
			c.ahead = c.buffer[:n]
			return nil
		}
	}
	return io.EOF
}

// turn goes to the next page.
func (c *columnReader) turn() error {
	for i := range c.row {
		c.row[i] = c.row[i].Clone()
	}
	parquet.Release(c.page)
	c.page = nil
	page, err := c.pages.ReadPage()
	if errors.Is(err, io.EOF) {
		c.ended = true
		return nil
	}
	if err != nil {
		return err
	}
	c.page, c.values = page, page.Values()
	return nil
}

// group hands on the rows of a row group, before which there were some.
func (a *assembler) group(g parquet.RowGroup, before int64, each func([]byte) error) (n int64, err error) {
	rows := newGroupReader(g)
	defer rows.close()
	for {
		values, err := rows.next()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		n++
		var line []byte
		if err == nil {
			line, err = a.line(values)
		}
		if err != nil {
			return n, fmt.Errorf("%w: row %d: %w", ErrParquet, before+n, err)
		}
		if err := each(line); err != nil {
			return n, err
		}
	}
}
