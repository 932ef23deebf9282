// Package rows is the output that writes whole rows as JSON lines, exactly as
// they left the pipeline. Any rows will do, whatever their columns.
//
// It makes no training format of them; the other outputs do.
package rows

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/sdk"
)

// Config is the block's configuration: there is nothing to set.
type Config struct{}

// Component is output "rows".
func Component() sdk.Component {
	return sdk.Sink(run,
		sdk.Doc("Writes whole rows as JSON lines, a file per split: every column, as it left the pipeline."),
		sdk.Behavior("1"),
		sdk.Deterministic(),
	)
}

func run(_ context.Context, _ Config, rows *sdk.RowReader, out *sdk.Dir) error {
	files := export.NewLines(out)
	for {
		r, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return files.Close()
		}
		if err != nil {
			return err
		}
		line := r.Row
		if bytes.IndexByte(line, '\n') >= 0 || bytes.IndexByte(line, '\r') >= 0 { // not from autosafe's engine, which writes rows on one line
			var b bytes.Buffer
			if err := json.Compact(&b, line); err != nil {
				out.SkipRow(export.InvalidRow)
				continue
			}
			line = b.Bytes()
		}
		if err := files.Put(r.Split, line); err != nil {
			return err
		}
	}
}
