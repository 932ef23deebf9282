package llm

import (
	"encoding/json"
	"fmt"
	"sync"
)

// constants are parts of requests that are the same for call after call, each
// made once. The zero value is ready.
type constants struct {
	mu   sync.Mutex
	done map[constant]json.RawMessage
}

// constant is what a part of a request is made from.
type constant struct {
	kind         constantKind
	name, schema string
}

type constantKind int

const (
	formatConstant constantKind = iota // the response_format of a schema
	schemaConstant                     // the text of a schema
)

// constant is a part of requests that is made from a schema. make is called
// where it is not known yet; its error is that of the schema.
func (s *shaper) constant(kind constantKind, name string, schema json.RawMessage, make func() (json.RawMessage, error)) json.RawMessage {
	c := s.constants
	if c != nil {
		c.mu.Lock()
		b, ok := c.done[constant{kind, name, string(schema)}]
		c.mu.Unlock()
		if ok {
			return b
		}
	}
	b, err := make()
	if err != nil {
		s.note(fmt.Errorf("the reply's schema is not JSON: %w", err))
		return nil
	}
	if c == nil {
		return b
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil || len(c.done) >= maxSchemas {
		c.done = map[constant]json.RawMessage{}
	}
	c.done[constant{kind, name, string(schema)}] = b
	return b
}
