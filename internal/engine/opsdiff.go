package engine

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/internal/key"
	"github.com/autosafe/autosafe/spec"
)

// The operations of a distill step stand in its key by their position. They
// are compared as a sequence: one more does not change those behind it.

// opPrefix begins the names of their parts.
const opPrefix = "op."

// maxOps bounds the operations of which the order is compared.
const maxOps = 500

// opChange is what became of an operation.
type opChange struct {
	part string // its part of the key; of one that is gone, of the old key
	what string // is new, changed, is gone, moved
}

// opsOf are the parts of a key that are operations, in order.
func opsOf(l key.List) key.List {
	return slices.DeleteFunc(slices.Clone(l), func(p key.Part) bool { return !strings.HasPrefix(p.Name, opPrefix) })
}

// withoutOps are the other parts.
func withoutOps(l key.List) key.List {
	return slices.DeleteFunc(slices.Clone(l), func(p key.Part) bool { return strings.HasPrefix(p.Name, opPrefix) })
}

// opKind is the last word of op.0.filter.
func opKind(p key.Part) string { return p.Name[strings.LastIndexByte(p.Name, '.')+1:] }

func sameOp(a, b key.Part) bool { return opKind(a) == opKind(b) && string(a.Value) == string(b.Value) }

// changedOps compares the operations of two keys.
func changedOps(before, now key.List) []opChange {
	a, b := opsOf(before), opsOf(now)
	for len(a) > 0 && len(b) > 0 && sameOp(a[0], b[0]) {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && sameOp(a[len(a)-1], b[len(b)-1]) {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	stay := make([]int, len(b)) // where b's operations stood, from 1; 0: not there
	if len(a) <= maxOps && len(b) <= maxOps {
		common(a, b, stay)
	}
	left := make([]bool, len(a))
	for i := range a {
		left[i] = !slices.Contains(stay, i+1)
	}
	moved := make([]bool, len(b))
	for i, p := range b {
		if stay[i] > 0 {
			continue
		}
		if j := slices.IndexFunc(a, func(q key.Part) bool { return sameOp(p, q) }); j >= 0 && left[j] {
			left[j], moved[i] = false, true
		}
	}
	var changes []opChange
	at := 0 // behind the last operation of a that stayed
	for i, p := range b {
		switch {
		case stay[i] > 0:
			at = stay[i]
		case moved[i]:
			changes = append(changes, opChange{p.Name, "moved"})
		default:
			what := "is new"
			for j := at; j < len(a) && !slices.Contains(stay, j+1); j++ {
				if left[j] && opKind(a[j]) == opKind(p) {
					left[j], what = false, "changed"
					break
				}
			}
			changes = append(changes, opChange{p.Name, what})
		}
	}
	for j, p := range a {
		if left[j] {
			changes = append(changes, opChange{p.Name, "is gone"})
		}
	}
	return changes
}

// common finds a longest common subsequence of two lists of operations.
func common(a, b key.List, stay []int) {
	n := make([][]int, len(a)+1) // the lengths for what is left of both
	for i := range n {
		n[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			n[i][j] = max(n[i+1][j], n[i][j+1])
			if sameOp(a[i], b[j]) {
				n[i][j] = 1 + n[i+1][j+1]
			}
		}
	}
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case sameOp(a[i], b[j]):
			i, j = i+1, j+1
			stay[j-1] = i
		case n[i+1][j] >= n[i][j+1]:
			i++
		default:
			j++
		}
	}
}

// text says what became of an operation: by its name, or, of one that is gone,
// by where it stood, since names are in no key.
func (c opChange) text(s *spec.Step) string {
	number, kind, _ := strings.Cut(strings.TrimPrefix(c.part, opPrefix), ".")
	i, err := strconv.Atoi(number)
	if err == nil && c.what != "is gone" && i < len(s.Distill) && string(s.Distill[i].Kind) == kind {
		return fmt.Sprintf("%s %q %s", kind, s.Distill[i].Name, c.what)
	}
	return fmt.Sprintf("operation %d (%s) %s", i+1, kind, c.what)
}
