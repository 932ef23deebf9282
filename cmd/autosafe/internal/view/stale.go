package view

import (
	"cmp"
	"fmt"

	"github.com/autosafe/autosafe/internal/engine"
)

// WorkChanges says which figures of a step's work are others than planned.
func WorkChanges(was, is engine.Work) []string {
	var changes []string
	for _, f := range []struct {
		name    string
		was, is string
	}{
		{"calls", whole(was.Calls), whole(is.Calls)},
		{"tokens in", tokens(was.InputTokens), tokens(is.InputTokens)},
		{"tokens out", tokens(was.OutputTokens), tokens(is.OutputTokens)},
		{"cost", money(was.CostUSD), money(is.CostUSD)},
	} {
		if f.was != f.is {
			changes = append(changes, fmt.Sprintf("%s: was %s, is %s", f.name, cmp.Or(f.was, "none"), cmp.Or(f.is, "none")))
		}
	}
	return changes
}
