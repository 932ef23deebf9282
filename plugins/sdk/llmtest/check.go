package llmtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// checkRequest refuses what OpenAI's endpoint would refuse.
func (s *Server) checkRequest(r *Request) error {
	if s.opts.APIKey != "" && r.Header.Get("Authorization") != "Bearer "+s.opts.APIKey {
		return &problem{http.StatusUnauthorized, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."}
	}
	if s.opts.Models != nil && !slices.Contains(s.opts.Models, r.Model) {
		return &problem{http.StatusNotFound, "invalid_request_error", "model_not_found", fmt.Sprintf("The model %q does not exist.", r.Model)}
	}
	for _, check := range []func(*Request) error{checkFields, checkMessages, s.checkTools, s.checkFormat} {
		if err := check(r); err != nil {
			return err
		}
	}
	return nil
}

// checkFields refuses fields that are unknown or not in range.
func checkFields(r *Request) error {
	known := []string{
		"model", "messages", "tools", "tool_choice", "response_format", "temperature", "top_p", "max_tokens",
		"max_completion_tokens", "stop", "frequency_penalty", "presence_penalty", "reasoning_effort", "seed",
		"stream", "n", "user", "parallel_tool_calls",
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(r.Raw, &fields); err != nil {
		return err
	}
	for name, value := range fields {
		if !slices.Contains(known, name) {
			return fmt.Errorf("unrecognized request argument supplied: %s", name)
		}
		if name == "stream" && string(value) != "false" {
			return fmt.Errorf("streams are not supported here")
		}
	}
	if r.Model == "" {
		return fmt.Errorf("you must provide a model parameter")
	}
	if t := r.Temperature; t != nil && (*t < 0 || *t > 2) {
		return fmt.Errorf("temperature must be between 0 and 2")
	}
	return nil
}

// checkMessages refuses messages whose tool calls and results do not pair.
func checkMessages(r *Request) error {
	if len(r.Messages) == 0 {
		return fmt.Errorf("messages is too short")
	}
	var open []string
	for i, m := range r.Messages {
		if m.Role != "tool" && len(open) > 0 {
			return fmt.Errorf("messages[%d]: an assistant message with tool_calls must be followed by tool messages; missing: %v", i, open)
		}
		switch m.Role {
		case "system", "developer", "user":
		case "assistant":
			for _, c := range m.ToolCalls {
				if c.ID == "" || c.Type != "function" || c.Function.Name == "" || slices.Contains(open, c.ID) {
					return fmt.Errorf("messages[%d]: a tool call without id, type or name, or an id used twice", i)
				}
				open = append(open, c.ID)
			}
		case "tool":
			at := slices.Index(open, m.ToolCallID)
			if at < 0 {
				return fmt.Errorf("messages[%d]: no tool call has the id %q", i, m.ToolCallID)
			}
			open = slices.Delete(open, at, at+1)
		default:
			return fmt.Errorf("messages[%d]: unknown role %q", i, m.Role)
		}
		if m.Content == nil && len(m.ToolCalls) == 0 {
			return fmt.Errorf("messages[%d]: content is null", i)
		}
	}
	if len(open) > 0 {
		return fmt.Errorf("tool calls without results: %v", open)
	}
	return nil
}

func (s *Server) checkTools(r *Request) error {
	seen := map[string]bool{}
	for i, t := range r.Tools {
		if t.Type != "function" || !isToolName(t.Function.Name) {
			return fmt.Errorf("tools[%d]: type must be function, and the name %q have 1 to 64 letters, digits, _ and -", i, t.Function.Name)
		}
		if seen[t.Function.Name] {
			return fmt.Errorf("tools[%d]: the name %q is there twice", i, t.Function.Name)
		}
		seen[t.Function.Name] = true
		if params := s.schemas.parsed(t.Function.Parameters); params["type"] != "object" {
			return fmt.Errorf("tools[%d]: parameters must be a schema of type object", i)
		}
	}
	return nil
}

func (s *Server) checkFormat(r *Request) error {
	f := r.ResponseFormat
	switch f.Type {
	case "", "text":
		return nil
	case "json_object":
		if !bytes.Contains(r.Raw, []byte("JSON")) {
			return fmt.Errorf("messages must contain the word 'json' in some form to use json_object")
		}
		return nil
	case "json_schema":
	default:
		return fmt.Errorf("unknown response_format %q", f.Type)
	}
	schema := s.schemas.parsed(f.JSONSchema.Schema)
	if f.JSONSchema.Name == "" || schema["type"] != "object" {
		return fmt.Errorf("response_format.json_schema needs a name, and a schema of type object")
	}
	if f.JSONSchema.Strict {
		return checkStrict(schema, "schema")
	}
	return nil
}

// isToolName says whether OpenAI takes a tool of that name.
func isToolName(name string) bool {
	odd := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-')
	}
	return name != "" && len(name) <= 64 && strings.IndexFunc(name, odd) < 0
}

// checkStrict refuses an object that is open or has optional properties.
func checkStrict(v any, path string) error {
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			if err := checkStrict(e, fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	case map[string]any:
		if props, ok := v["properties"].(map[string]any); ok {
			required, _ := v["required"].([]any)
			if v["additionalProperties"] != false || len(required) != len(props) {
				return fmt.Errorf("invalid schema for response_format: in %s, additionalProperties must be false and all properties required", path)
			}
		}
		for name, e := range v {
			if err := checkStrict(e, path+"."+name); err != nil {
				return err
			}
		}
	}
	return nil
}
