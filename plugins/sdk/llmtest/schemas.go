package llmtest

import (
	"encoding/json"
	"sync"
)

// schemas keeps parsed schemas: thousands of requests come with the same few.
type schemas struct {
	mu     sync.Mutex
	byText map[string]map[string]any
}

// maxSchemas bounds how many are kept.
const maxSchemas = 1000

// parsed is a schema's object, which must not be changed; empty for what is no
// object.
func (s *schemas) parsed(text json.RawMessage) map[string]any {
	s.mu.Lock()
	schema, ok := s.byText[string(text)]
	s.mu.Unlock()
	if ok {
		return schema
	}
	if json.Unmarshal(text, &schema) != nil || schema == nil {
		schema = map[string]any{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.byText) >= maxSchemas || s.byText == nil {
		s.byText = map[string]map[string]any{}
	}
	s.byText[string(text)] = schema
	return schema
}
