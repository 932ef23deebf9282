package llm

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// problems says what is wrong with a value, one line a problem. The validator
// goes through objects in the random order of Go's maps; what is said goes
// back to the model and is so part of the key of the call that follows, hence
// it is put in order.
func problems(err error) error {
	var v *jsonschema.ValidationError
	if !errors.As(err, &v) {
		return err
	}
	putInOrder(v)
	// The first line names the schema's address, which says nothing here.
	if _, lines, ok := strings.Cut(v.Error(), "\n"); ok {
		return errors.New(lines)
	}
	return v
}

// putInOrder sorts the problems by where they are, and then by what was asked
// there.
func putInOrder(v *jsonschema.ValidationError) {
	if k, ok := v.ErrorKind.(*kind.AdditionalProperties); ok {
		slices.Sort(k.Properties)
	}
	for _, c := range v.Causes {
		putInOrder(c)
	}
	slices.SortStableFunc(v.Causes, func(a, b *jsonschema.ValidationError) int {
		return cmp.Or(
			slices.Compare(a.InstanceLocation, b.InstanceLocation),
			cmp.Compare(a.SchemaURL, b.SchemaURL),
			slices.Compare(a.ErrorKind.KeywordPath(), b.ErrorKind.KeywordPath()),
		)
	})
}
