package engine

import (
	"context"
	"fmt"
	"iter"

	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

// NotBuiltError says that a step's rows are not in the cache.
type NotBuiltError struct{ Address string }

func (e *NotBuiltError) Error() string { return e.Address + " has not been built" }

// Rows gives the rows of a step as the last build left them: for a dataset
// those that it was made of. It runs nothing; a step that is not in the cache
// is a *NotBuiltError.
func (e *Engine) Rows(ctx context.Context, address string) (iter.Seq2[row.Row, error], error) {
	b, err := e.newBuild(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer b.cancel()
	b.showing = true
	if err := b.lookUpAll(func(*stepState) {}); err != nil {
		return nil, err
	}
	var found *stepState
	for _, st := range b.order {
		if st.Address == address {
			found = st
		}
	}
	if found == nil {
		return nil, fmt.Errorf("no step %s in this recipe", address)
	}
	in := &reader{flows: []*flow{found.flow}}
	if found.Kind == spec.DatasetStep {
		in = b.reader(found)
		if waits := b.waitsFor(found); waits != "" {
			return nil, &NotBuiltError{waits}
		}
	} else if !found.hit {
		return nil, &NotBuiltError{address}
	}
	return in.all(), nil
}
