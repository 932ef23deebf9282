package export

import (
	"github.com/autosafe/autosafe/plugins/builtin/export/files"
	"github.com/autosafe/autosafe/plugins/sdk"
)

// FileConfig are the attributes that say what an output's files are.
type FileConfig = files.Config

// Format is what an output's lines look like.
type Format = files.Format

// Column says how a member of a line becomes a column of a Parquet file.
type Column = files.Column

// What columns hold.
const (
	TextValue  = files.TextValue
	JSONValue  = files.JSONValue
	JSONText   = files.JSONText
	BoolValue  = files.BoolValue
	IntValue   = files.IntValue
	FloatValue = files.FloatValue
)

// LinesType is the media type of a file of JSON lines.
const LinesType = files.LinesType

// Training makes training lines of every row that can be used. For each, line
// gives the values whose JSON are its lines, or the reason why there are none.
// A row with a line that the format's validator refuses is left out whole.
//
// line is called for one row after another, in their order. Everything else is
// done for several rows at once, the format's validator too.
func Training(rows *sdk.RowReader, out *sdk.Dir, config FileConfig, format Format, line func(*Case) ([]any, string)) error {
	return files.Convert(rows, out, config, format, files.Few[*Case]{}, Read, line)
}

// Mixed is Training for outputs that mix in ordinary runs, of which it takes no
// more than mix says. They stand at the end of their split.
func Mixed(rows *sdk.RowReader, out *sdk.Dir, config FileConfig, format Format, mix MixConfig, line func(*Case) ([]any, string)) error {
	few := files.Few[*Case]{Most: mix.Ordinary, Reason: OrdinaryLimit, Luck: func(c *Case) (uint64, bool) {
		return c.luck, c.Ordinary()
	}}
	return files.Convert(rows, out, config, format, few, Read, line)
}

// JSON is a value as JSON on one line, with markup characters as they are.
func JSON(v any) ([]byte, error) { return files.JSON(v) }

// WholeRows is the format of outputs that write rows as they are.
func WholeRows() Format { return files.WholeRows() }
