package files

import (
	"reflect"

	"github.com/autosafe/autosafe/spec/ots"
	"github.com/autosafe/autosafe/spec/schema"
)

// ExtraColumn is the column of whole rows for what has no column of its own.
const ExtraColumn = "extra"

// WholeRowsName is what the metadata of Parquet files with whole rows says.
const WholeRowsName = "ots-rows/1"

// WholeRows is the format of outputs that write rows as they are. Its columns
// are the standard columns of OTS and one named extra. A standard column that
// holds text is a string; one that holds a list or an object is its JSON text,
// so that tools with different parameters need no common table schema. extra
// is the JSON object of everything else: other columns, and standard ones
// whose value is not of the standard type.
func WholeRows() Format {
	f := Format{Name: WholeRowsName, Columns: []Column{{Name: ExtraColumn, Type: JSONText, Rest: true}}}
	for _, c := range schema.ColumnsOf(reflect.TypeFor[ots.Row]()) {
		column := Column{Name: c.Name, Type: JSONText}
		text := c.Type.FriendlyName() == "string"
		if text {
			column.Type = TextValue
		}
		// Few different values: kinds, classes, toolkits and their tools.
		column.Few = c.Name == "tools" || c.Name == "toolkits" || text && c.Name != "id" && c.Name != "instruction"
		f.Columns = append(f.Columns, column)
	}
	return f
}
