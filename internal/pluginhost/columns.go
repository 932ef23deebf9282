package pluginhost

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/zclconf/go-cty/cty"

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

// check holds a row to the declaration: a JSON object of declared columns,
// each null or of its type's class. Types are not looked into further.
func (c columns) check(row []byte) error {
	if !json.Valid(row) {
		return errNoObject
	}
	i := space(row, 0)
	if row[i] != '{' {
		return errNoObject
	}
	i = space(row, i+1)
	for row[i] != '}' {
		end := skip(row, i)
		name := row[i+1 : end-1]
		i = space(row, space(row, end)+1) // past the colon
		if err := c.column(name, classOf(row[i])); err != nil {
			return err
		}
		i = space(row, skip(row, i))
		if row[i] == ',' {
			i = space(row, i+1)
		}
	}
	return nil
}

// column checks one column; name is as it stands between the quotes.
func (c columns) column(name []byte, class string) error {
	want, ok := c.types[string(name)]
	if !ok {
		var plain string // perhaps it is written with escapes
		if json.Unmarshal([]byte(`"`+string(name)+`"`), &plain) == nil {
			want, ok = c.types[plain]
		}
	}
	switch {
	case !ok && !c.open:
		return fmt.Errorf("the column %q is not declared", cleanLine(string(name), maxReason))
	case ok && want != anyClass && class != nullClass && class != want:
		return fmt.Errorf("the column %q must be %s, and is %s", cleanLine(string(name), maxReason), want, class)
	}
	return nil
}

// space is the index of the next byte that is no white space. The JSON is
// valid, so there is one.
func space(b []byte, i int) int {
	for b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r' {
		i++
	}
	return i
}

// skip is the index after the value that begins at i. The JSON is valid.
func skip(b []byte, i int) int {
	depth := 0
	for ; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 { // the end of what holds a number or a word
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return i
			}
		}
	}
	return i
}
