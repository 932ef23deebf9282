// Command arrow prints the rows of Parquet files as JSON, a line each, as
// Apache Arrow reads them, and before them what the file's metadata says. It
// is for the test that what autosafe writes is what others read.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

func main() {
	out := bufio.NewWriter(os.Stdout)
	for _, name := range os.Args[1:] {
		if err := dump(out, name); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			os.Exit(1)
		}
	}
	if err := out.Flush(); err != nil {
		os.Exit(1)
	}
}

// about is what is said of a file before its rows.
type about struct {
	Rows      int64             `json:"rows"`
	CreatedBy string            `json:"created_by"`
	Metadata  map[string]string `json:"metadata"`
	Types     map[string]string `json:"types"` // of stored columns
}

func dump(out *bufio.Writer, name string) error {
	f, err := file.OpenParquetFile(name, false)
	if err != nil {
		return err
	}
	defer f.Close()
	meta := f.MetaData()
	a := about{Rows: f.NumRows(), CreatedBy: meta.GetCreatedBy(), Metadata: map[string]string{}, Types: map[string]string{}}
	for _, kv := range meta.KeyValueMetadata() {
		a.Metadata[kv.Key] = kv.GetValue()
	}
	for i := range meta.Schema.NumColumns() {
		c := meta.Schema.Column(i)
		a.Types[c.Path()] = c.LogicalType().String()
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(a); err != nil {
		return err
	}
	reader, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{BatchSize: 1000}, memory.DefaultAllocator)
	if err != nil {
		return err
	}
	records, err := reader.GetRecordReader(context.Background(), nil, nil)
	if err != nil {
		return err
	}
	defer records.Release()
	for records.Next() {
		if err := array.RecordToJSON(records.RecordBatch(), out); err != nil {
			return err
		}
	}
	return records.Err()
}
