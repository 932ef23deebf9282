// Package files writes the files of outputs and reads them back: JSON lines and
// Parquet, whole or in shards, compressed or not, a file or more for each
// split. Equal rows give equal bytes, on however many cores.
//
// It knows nothing of what the rows mean: a Format says which columns they
// have, and checks them.
package files

import (
	"slices"

	"github.com/autosafe/autosafe/plugins/sdk"
)

// Config are the attributes that say what an output's files are. None has
// a default in the schema: what is not set stands in no key, so that outputs
// written before there was a choice are still found.
type Config struct {
	Files       string `hcl:"files,optional" oneof:"jsonl,parquet" doc:"What the rows are written as: JSON lines, as is the default, or Parquet under the names that the Hugging Face Hub looks for."`
	Compression string `hcl:"compression,optional" oneof:"none,gzip,zstd,snappy" doc:"How the files are compressed. JSON lines are not by default, and take gzip or zstd; Parquet is with zstd by default."`
	ShardRows   int    `hcl:"shard_rows,optional" min:"0" doc:"The most rows of a file; files are then numbered. Without it, or with 0, a split is one file."`
}

// Validate refuses what does not go together. A configuration that has checks
// of its own calls it.
func (c Config) Validate(p *sdk.Problems) {
	if c.Files != "parquet" && c.Compression == "snappy" {
		p.Attr("compression").Errorf("Unsuitable compression", "JSON lines are compressed with gzip or zstd; snappy is for files = \"parquet\".")
	}
}

// Format is what an output's lines look like.
type Format struct {
	Name     string                  // of the output that writes it
	Validate func(line []byte) error // of a line without its end, several at once; nil if any JSON object will do
	Columns  []Column                // of Parquet files, for the members of the line's object
}

// Without is the format without some columns: of those that no line has,
// readers may think that they are the row.
func (f Format) Without(names ...string) Format {
	f.Columns = slices.DeleteFunc(slices.Clone(f.Columns), func(c Column) bool { return slices.Contains(names, c.Name) })
	return f
}

// ValueType is what a column, or a member of its values, holds.
type ValueType int

// What columns hold.
const (
	TextValue  ValueType = iota // a string
	JSONValue                   // any value, so that values of different shapes can stand in one column: JSON text, marked as such, which Hugging Face datasets gives as what it stands for
	JSONText                    // a list or an object, as JSON text that every reader takes for a string
	BoolValue                   // true or false
	IntValue                    // a whole number
	FloatValue                  // a number
)

// Column says how a member of an object becomes a column of a Parquet file. A
// member that is absent is null there.
type Column struct {
	Name   string
	Type   ValueType
	List   bool     // the value is a list of what Type, or Fields, say
	Fields []Column // if set, the value is an object of these members, and Type counts for nothing
	Few    bool     // the same texts come again and again, and are stored once
	Rest   bool     // the object of the members that have no column, or are not what their column holds; beside a format's other columns
}

// writer takes the lines of a dataset and writes the files of its splits.
type writer interface {
	// put adds a line, given without its end, whose memory is the writer's
	// from then on.
	put(split string, line []byte) error
	// close finishes the files.
	close() error
	// abandon waits for what is under way, after an error.
	abandon()
}

func newWriter(out *sdk.Dir, config Config, format Format) (writer, error) {
	if config.Files == "parquet" {
		return newParquetWriter(out, config, format)
	}
	return newLineWriter(out, config), nil
}

// closed ends a writer: it finishes the files if err is nil.
func closed(w writer, err error) error {
	if err == nil {
		err = w.close()
	}
	if err != nil {
		w.abandon()
	}
	return err
}
