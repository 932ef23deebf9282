package view

import (
	"slices"
	"strings"

	"github.com/autosafe/autosafe/internal/engine"
)

// namedStep is a step as tables name it: by its place in a list, and by its address,
// or, below its evaluation, by what is left of that.
type namedStep struct {
	at   int
	name string
}

// grouped puts the steps of an evaluation below it: it comes last as they are built,
// and first as they are read. Where nothing is to be told of any of them, the
// evaluation stands for all.
func grouped(addresses []string, quiet func(i int) bool) (list []namedStep) {
	for i, address := range addresses {
		block := engine.EvaluationOf(address)
		whole := slices.Index(addresses, block)
		switch {
		case block == "" || whole < 0:
			list = append(list, namedStep{i, Clean(address)})
			continue
		case i > 0 && engine.EvaluationOf(addresses[i-1]) == block:
			continue // the first one told of all
		}
		list = append(list, namedStep{whole, Clean(block)})
		var parts []namedStep
		still := quiet(whole)
		for j, part := range addresses {
			if j != whole && engine.EvaluationOf(part) == block {
				parts = append(parts, namedStep{j, "  " + Clean(strings.TrimPrefix(part, block+"."))})
				still = still && quiet(j)
			}
		}
		if !still {
			list = append(list, parts...)
		}
	}
	return list
}
