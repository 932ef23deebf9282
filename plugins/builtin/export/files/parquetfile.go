package files

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/encoding/thrift"

	"github.com/autosafe/autosafe/plugins/sdk"
)

// ParquetType is the media type of a Parquet file.
const ParquetType = "application/vnd.apache.parquet"

// Keys of a Parquet file's metadata.
const (
	FormatKey      = "autosafe.format"       // the name of the format
	JSONColumnsKey = "autosafe.json_columns" // a JSON list of the columns, or parts of columns, that hold JSON text
	FeaturesKey    = "huggingface"           // Hugging Face's features
)

// createdBy is fixed, so that neither a release of autosafe nor one of the
// library changes files whose rows are the same.
const createdBy = "autosafe version 1 (build 0)"

// A row group ends at one of these bounds, which also bound the memory that a
// split takes. Small groups let viewers read a few rows without all of them.
const (
	groupRows  = 1000
	groupBytes = 16 << 20 // of JSON
	// A file that has so many row groups is followed by another: readers hold
	// what is said of all of them, and some number them with 16 bits.
	mostGroups = 5000
)

// parquetFile is a file that is being written.
type parquetFile struct {
	table  *table
	file   *sdk.File
	to     *tailWriter
	writer *parquet.GenericWriter[any]
	spare  []*parquet.ConcurrentRowGroupWriter
	rows   int
}

func newParquetFile(t *table, f *sdk.File, format string, codec compress.Codec) (*parquetFile, error) {
	config := &parquet.WriterConfig{
		CreatedBy: createdBy, Schema: t.schema, Compression: codec, MaxRowsPerRowGroup: groupRows,
		KeyValueMetadata:   map[string]string{FormatKey: format, FeaturesKey: t.features()},
		DictionaryMaxBytes: groupBytes, PageBufferSize: 1 << 20,
	}
	names := []string{}
	for i, path := range t.schema.Columns() {
		n := t.leaves[i]
		if n.Type == JSONValue || n.Type == JSONText {
			names = append(names, plainPath(path))
		}
		if !n.bounds {
			// The least and the greatest of long texts help nobody find rows,
			// and the file's end would hold them again.
			config.SkipPageBounds = append(config.SkipPageBounds, path)
		}
		// Nobody reads those in the pages' headers either.
		config.SkipPageStatistics = append(config.SkipPageStatistics, path)
	}
	list, err := json.Marshal(names)
	if err != nil {
		return nil, err
	}
	config.KeyValueMetadata[JSONColumnsKey] = string(list)
	p := &parquetFile{table: t, file: f, to: &tailWriter{to: f}}
	p.writer = parquet.NewGenericWriter[any](p.to, config)
	return p, nil
}

// plainPath is the path of a column without what Parquet adds to lists.
func plainPath(path []string) string {
	var b bytes.Buffer
	for i := 0; i < len(path); i++ {
		if i > 0 && i+1 < len(path) && path[i] == "list" && path[i+1] == "element" {
			i++
			continue
		}
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(path[i])
	}
	return b.String()
}

// begin gives a row group to write. Which of the spare ones it is depends on
// the rows alone.
func (p *parquetFile) begin() *parquet.ConcurrentRowGroupWriter {
	if n := len(p.spare); n > 0 {
		g := p.spare[n-1]
		p.spare = p.spare[:n-1]
		return g
	}
	return p.writer.BeginRowGroup()
}

// fill writes rows into a row group and compresses them. It may be called for
// several groups at once.
func (t *table) fill(g *parquet.ConcurrentRowGroupWriter, lines [][]byte) error {
	const someRows, someBytes = 64, 64 << 10 // between looks at a page's size
	f := newFiller(t)
	columns := g.ColumnWriters()
	rows, bytes := 0, 0
	for i, line := range lines {
		if err := f.row(line); err != nil {
			return err
		}
		rows, bytes = rows+1, bytes+len(line)
		if rows < someRows && bytes < someBytes && i < len(lines)-1 {
			continue
		}
		for c, values := range f.values {
			if _, err := columns[c].WriteRowValues(values); err != nil {
				return err
			}
		}
		f.clear()
		rows, bytes = 0, 0
	}
	return g.Flush()
}

// commit adds a row group to the file.
func (p *parquetFile) commit(g *parquet.ConcurrentRowGroupWriter, rows int) error {
	if _, err := g.Commit(); err != nil {
		return err
	}
	p.rows += rows
	p.spare = append(p.spare, g)
	return nil
}

// close finishes the file. The library would write an index of values for
// every column, and where there are no bounds say that all values are "":
// readers that look for others would pass the pages over. So those of columns
// with bounds alone are written.
func (p *parquetFile) close() error {
	p.to.hold = true
	if err := p.writer.Close(); err != nil {
		return err
	}
	meta := p.writer.File().Metadata()
	held, start := p.to.tail.Bytes(), p.to.written
	first := start + int64(len(held))
	for _, g := range meta.RowGroups {
		for _, c := range g.Columns {
			first = min(first, c.ColumnIndexOffset)
		}
	}
	out := bytes.NewBuffer(slices.Clone(held[:first-start]))
	for i := range meta.RowGroups {
		for j := range meta.RowGroups[i].Columns {
			c := &meta.RowGroups[i].Columns[j]
			if !p.table.leaves[j].bounds {
				c.ColumnIndexOffset, c.ColumnIndexLength = 0, 0
				continue
			}
			from := c.ColumnIndexOffset - start
			c.ColumnIndexOffset = start + int64(out.Len())
			out.Write(held[from : from+int64(c.ColumnIndexLength)])
		}
	}
	for i := range meta.RowGroups {
		for j := range meta.RowGroups[i].Columns {
			c := &meta.RowGroups[i].Columns[j]
			from := c.OffsetIndexOffset - start
			c.OffsetIndexOffset = start + int64(out.Len())
			out.Write(held[from : from+int64(c.OffsetIndexLength)])
		}
	}
	footer, err := thrift.Marshal(new(thrift.CompactProtocol), meta)
	if err != nil {
		return fmt.Errorf("writing the footer: %w", err)
	}
	out.Write(footer)
	out.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(footer))))
	out.WriteString("PAR1")
	p.file.SetRows(p.rows)
	if _, err := p.file.Write(out.Bytes()); err != nil {
		return err
	}
	return p.file.Close()
}

// tailWriter writes on, and keeps what comes once it is to hold.
type tailWriter struct {
	to      io.Writer
	written int64
	hold    bool
	tail    bytes.Buffer
}

func (w *tailWriter) Write(b []byte) (int, error) {
	if w.hold {
		return w.tail.Write(b)
	}
	n, err := w.to.Write(b)
	w.written += int64(n)
	return n, err
}
