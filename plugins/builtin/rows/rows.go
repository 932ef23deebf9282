// Package rows is the output that writes whole rows, exactly as they left the
// pipeline. Any rows will do, whatever their columns.
//
// It makes no training format of them; the other outputs do.
package rows

import (
	"context"

	"github.com/autosafe/autosafe/plugins/builtin/export/files"
	"github.com/autosafe/autosafe/plugins/sdk"
)

// Config is the block's configuration.
type Config struct{ files.Config }

// Component is output "rows".
func Component() sdk.Component {
	return sdk.Sink(run,
		sdk.Doc("Writes whole rows, as JSON lines by default: every column, as it left the pipeline."),
		sdk.Behavior("1"),
		sdk.Deterministic(),
	)
}

func run(_ context.Context, cfg Config, rows *sdk.RowReader, out *sdk.Dir) error {
	return files.Rows(rows, out, cfg.Config, files.WholeRows())
}
