package llm

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// SchemaError says why replies cannot be held to a JSON Schema.
type SchemaError struct {
	Path   []string // where in the schema, as far as is known
	Reason string
}

func (e *SchemaError) Error() string { return e.Reason }

// CheckSchema says whether replies can be held to a JSON Schema. The error is a
// *SchemaError. A call with a schema that cannot be used is refused, so that a
// recipe with one is better refused before.
func CheckSchema(text json.RawMessage) error {
	_, err := compileSchema(string(text))
	if err == nil {
		return nil
	}
	out := &SchemaError{}
	var bad *jsonschema.SchemaValidationError
	if errors.As(err, &bad) {
		err = problems(bad.Err) // in order
		var v *jsonschema.ValidationError
		if errors.As(bad.Err, &v) {
			for len(v.Causes) > 0 { // to the innermost: it is at fault
				v = v.Causes[0]
			}
			out.Path, err = v.InstanceLocation, problems(v)
		}
	}
	out.Reason = clip(plain(strings.TrimPrefix(strings.TrimSpace(err.Error()), "- ")), maxDetail)
	return out
}
