// Package parquet is the output that writes whole rows as Parquet files,
// shards of each split under the names that the Hugging Face Hub looks for
// (train-00000-of-00001.parquet). Any rows will do.
//
// The columns are known before the first row: the standard columns of OTS and
// one named extra (files.WholeRows). A column that is absent or null is null.
// The file's metadata says which columns are JSON.
//
// It makes no training format of the rows; other outputs do, and write
// Parquet too.
package parquet

import (
	"context"

	"github.com/autosafe/autosafe/plugins/builtin/export/files"
	"github.com/autosafe/autosafe/plugins/sdk"
)

// Config is the block's configuration.
type Config struct {
	Compression string `hcl:"compression,optional" oneof:"none,gzip,zstd,snappy" doc:"How the pages are compressed; with zstd by default."`
	ShardRows   int    `hcl:"shard_rows,optional" min:"0" doc:"The most rows of a file. Without it, or with 0, a split is one file."`
}

// Component is output "parquet".
func Component() sdk.Component {
	return sdk.Sink(run,
		sdk.Doc("Writes whole rows as Parquet, shards of each split under the Hugging Face Hub's names. Lists and objects are JSON text; columns that are not standard ones are together in the column extra."),
		sdk.Behavior("2"),
		sdk.Deterministic(),
	)
}

func run(_ context.Context, cfg Config, rows *sdk.RowReader, out *sdk.Dir) error {
	config := files.Config{Files: "parquet", Compression: cfg.Compression, ShardRows: cfg.ShardRows}
	return files.Rows(rows, out, config, files.WholeRows())
}
