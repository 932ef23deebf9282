package export

import (
	"fmt"
	"slices"
)

// turnOrder follows the order of a conversation's turns: a system message at
// most, then the user and the assistant in turn, with calls and their results
// between. How many results a call has is left to the reader of the calls.
type turnOrder struct {
	last string // role of the turn before; "call" for an assistant's call
}

func (o *turnOrder) next(where, role string) error {
	before := map[string][]string{
		"system":    {""},
		"user":      {"", "system", "assistant"},
		"call":      {"user", "tool"},
		"tool":      {"call", "tool"},
		"assistant": {"user", "tool"},
	}
	allowed, known := before[role]
	if !known {
		return fmt.Errorf("%s: unknown role %q", where, role)
	}
	if !slices.Contains(allowed, o.last) {
		return fmt.Errorf("%s: a message of role %q is out of order", where, role)
	}
	o.last = role
	return nil
}
