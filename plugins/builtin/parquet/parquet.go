// Package parquet is the output that writes whole rows as Parquet files,
// a shard per split under the name that the Hugging Face Hub looks for
// (train-00000-of-00001.parquet). Any rows will do.
//
// The columns are known before the first row: the standard columns of OTS and
// one named extra, in order of name. A standard column that holds text is a
// string; one that holds a list or an object is its JSON text, so that tools
// with different parameters need no common table schema. extra is the JSON
// object of everything else: other columns, and standard ones whose value is
// not of the standard type. A column that is absent or null is null. The
// file's metadata says which columns are JSON.
//
// It makes no training format of the rows; other outputs do.
package parquet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/parquet-go/parquet-go"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
	"github.com/autosafe/autosafe/spec/schema"
)

// Keys of the file's metadata.
const (
	FormatKey      = "autosafe.format"       // says Format
	JSONColumnsKey = "autosafe.json_columns" // a JSON list of names
	Format         = "ots-rows/1"
)

// ExtraColumn is the name of the column for what has no column of its own.
const ExtraColumn = "extra"

// MediaType is that of the files.
const MediaType = "application/vnd.apache.parquet"

// createdBy is fixed, so that neither a release of autosafe nor one of the
// library changes files whose rows are the same.
const createdBy = "autosafe version 1 (build 0)"

// A row group ends at one of these bounds, which also bound the memory that a
// split takes. Small groups let viewers read a few rows without all of them.
const (
	groupRows  = 1000
	groupBytes = 16 << 20 // of JSON
)

// Config is the block's configuration: there is nothing to set.
type Config struct{}

// Component is output "parquet".
func Component() sdk.Component {
	return sdk.Sink(run,
		sdk.Doc("Writes whole rows as Parquet, one zstd shard per split under the Hugging Face Hub's name. Lists and objects are JSON text; columns that are not standard ones are together in the column extra."),
		sdk.Behavior("1"),
		sdk.Deterministic(),
	)
}

func run(_ context.Context, _ Config, rows *sdk.RowReader, out *sdk.Dir) error {
	t := newTable()
	shards := map[string]*shard{}
	for {
		r, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return closeAll(shards)
		}
		if err != nil {
			return err
		}
		values, ok := t.row(r.Row)
		if !ok {
			out.SkipRow(export.InvalidRow)
			continue
		}
		s := shards[r.Split]
		if s == nil {
			if s, err = t.create(out, r.Split); err != nil {
				return err
			}
			shards[r.Split] = s
		}
		if err := s.put(values, len(r.Row)); err != nil {
			return fmt.Errorf("writing split %s: %w", r.Split, err)
		}
	}
}

func closeAll(shards map[string]*shard) error {
	var errs []error
	for _, s := range shards {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// table is the files' schema.
type table struct {
	schema *parquet.Schema
	text   map[string]int // columns of text and their places
	json   map[string]int // columns of JSON and their places
	names  []string       // of the JSON columns, in order
}

func newTable() *table {
	t := &table{text: map[string]int{}, json: map[string]int{}}
	group := parquet.Group{ExtraColumn: column(false)}
	isText := map[string]bool{}
	for _, c := range schema.ColumnsOf(reflect.TypeFor[ots.Row]()) {
		isText[c.Name] = c.Type.FriendlyName() == "string"
		// Few different values: kinds, classes, toolkits and their tools.
		few := c.Name == "tools" || c.Name == "toolkits" || isText[c.Name] && c.Name != "id" && c.Name != "instruction"
		group[c.Name] = column(few)
	}
	t.schema = parquet.NewSchema("row", group)
	for i, path := range t.schema.Columns() {
		if name := path[0]; isText[name] {
			t.text[name] = i
		} else {
			t.json[name] = i
			t.names = append(t.names, name)
		}
	}
	return t
}

// column is a column of strings that may be null. Plain strings are what
// every reader knows, the JSON type is not.
func column(few bool) parquet.Node {
	node := parquet.String()
	if few {
		node = parquet.Encoded(node, &parquet.RLEDictionary)
	}
	return parquet.Optional(parquet.Compressed(node, &parquet.Zstd))
}

// row lays out a row's columns; false if it is not a JSON object.
func (t *table) row(row json.RawMessage) (parquet.Row, bool) {
	var columns map[string]json.RawMessage
	if err := json.Unmarshal(row, &columns); err != nil || columns == nil {
		return nil, false
	}
	values := make(parquet.Row, len(t.text)+len(t.json))
	for i := range values {
		values[i] = parquet.NullValue().Level(0, 0, i)
	}
	extra := map[string]json.RawMessage{}
	for name, value := range columns {
		text, at, ok := t.place(name, value)
		switch {
		case !ok:
			extra[name] = value
		case string(value) != "null":
			values[at] = parquet.ValueOf(text).Level(0, 1, at)
		}
	}
	if len(extra) > 0 {
		text, err := export.JSON(extra) // in order of name
		if err != nil {
			return nil, false
		}
		at := t.json[ExtraColumn]
		values[at] = parquet.ValueOf(string(text)).Level(0, 1, at)
	}
	return values, true
}

// place says where a column's value goes and as what; false if to extra.
func (t *table) place(name string, value json.RawMessage) (text string, at int, ok bool) {
	if at, ok = t.text[name]; ok {
		return text, at, json.Unmarshal(value, &text) == nil
	}
	at, ok = t.json[name]
	if !ok || name == ExtraColumn {
		return "", 0, false
	}
	switch value[0] {
	case '{', '[', 'n':
		var b bytes.Buffer
		if err := json.Compact(&b, value); err != nil {
			return "", 0, false
		}
		return b.String(), at, true
	}
	return "", 0, false
}

// shard is a split's file.
type shard struct {
	file   *sdk.File
	writer *parquet.GenericWriter[any]
	rows   int
	group  struct{ rows, bytes int } // in the row group so far
}

func (t *table) create(out *sdk.Dir, split string) (*shard, error) {
	names, err := json.Marshal(t.names)
	if err != nil {
		return nil, err
	}
	file, err := out.Create(split+"-00000-of-00001.parquet", MediaType)
	if err != nil {
		return nil, err
	}
	config := &parquet.WriterConfig{
		CreatedBy: createdBy, Schema: t.schema, MaxRowsPerRowGroup: groupRows,
		KeyValueMetadata:   map[string]string{FormatKey: Format, JSONColumnsKey: string(names)},
		DictionaryMaxBytes: groupBytes,
	}
	// The least and the greatest of long texts help nobody find rows, and
	// each page would hold them again.
	for _, name := range append([]string{"instruction"}, t.names...) {
		config.SkipPageBounds = append(config.SkipPageBounds, []string{name})
		config.SkipPageStatistics = append(config.SkipPageStatistics, []string{name})
	}
	return &shard{file: file, writer: parquet.NewGenericWriter[any](file, config)}, nil
}

func (s *shard) put(row parquet.Row, size int) error {
	if _, err := s.writer.WriteRows([]parquet.Row{row}); err != nil {
		return err
	}
	s.rows++
	s.group.rows++
	s.group.bytes += size
	if s.group.rows < groupRows && s.group.bytes < groupBytes {
		return nil
	}
	s.group.rows, s.group.bytes = 0, 0
	return s.writer.Flush()
}

func (s *shard) close() error {
	s.file.SetRows(s.rows)
	return errors.Join(s.writer.Close(), s.file.Close())
}
