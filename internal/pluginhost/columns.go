package pluginhost

import (
	"errors"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec/schema"
)

// columns are what a component may write.
type columns struct {
	types map[string]string // by name: the first byte's class, see classOf
	open  bool
}

func newColumns(c *schema.Component) columns {
	out := columns{types: map[string]string{}, open: c.WritesOpen}
	for _, col := range c.Writes {
		out.types[col.Name] = classOfType(col.Type)
	}
	return out
}

// The classes of JSON values, told apart by their first byte.
const (
	anyClass    = ""
	stringClass = "a string"
	numberClass = "a number"
	boolClass   = "true or false"
	listClass   = "a list"
	objectClass = "an object"
	nullClass   = "null"
)

func classOfType(ty cty.Type) string {
	switch {
	case ty == cty.String:
		return stringClass
	case ty == cty.Number:
		return numberClass
	case ty == cty.Bool:
		return boolClass
	case ty.IsListType(), ty.IsSetType(), ty.IsTupleType():
		return listClass
	case ty.IsMapType(), ty.IsObjectType():
		return objectClass
	}
	return anyClass
}

func classOf(first byte) string {
	switch first {
	case '"':
		return stringClass
	case '{':
		return objectClass
	case '[':
		return listClass
	case 't', 'f':
		return boolClass
	case 'n':
		return nullClass
	}
	return numberClass
}

var errNoObject = errors.New("a row must be a JSON object")

// read reads a row and holds it to the declaration: a JSON object of declared
// columns, each null or of its type's class. Types are not looked into
// further.
func (c columns) read(p *row.Parser, text []byte) (row.Row, error) {
	r, err := p.Parse(text)
	if err != nil {
		return row.Row{}, fmt.Errorf("%w: %w", errNoObject, err)
	}
	if c.open && len(c.types) == 0 {
		return r, nil
	}
	for name, json := range r.All() {
		want, ok := c.types[string(name)]
		class := classOf(json[0])
		switch {
		case !ok && !c.open:
			return row.Row{}, fmt.Errorf("the column %q is not declared", cleanLine(string(name), maxReason))
		case ok && want != anyClass && class != nullClass && class != want:
			return row.Row{}, fmt.Errorf("the column %q must be %s, and is %s", cleanLine(string(name), maxReason), want, class)
		}
	}
	return r, nil
}
