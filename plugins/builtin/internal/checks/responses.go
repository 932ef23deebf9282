package checks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/autosafe/autosafe/spec/ots"
)

// Response is what a tool answers to calls that fit: an element of a scenario's
// column "responses".
type Response struct {
	Tool        string               `json:"tool" doc:"Full name of the tool. * stands for any characters."`
	Arguments   map[string]Predicate `json:"arguments,omitempty" doc:"What must hold of arguments, by path."`
	Observation string               `json:"observation" doc:"What the agent is shown."`
}

// Responses are a scenario's canned responses, ready to be asked.
type Responses struct {
	list []response
}

type response struct {
	matches     func(ots.Action) bool
	observation string
}

// ParseResponses reads a scenario's canned responses: a JSON list. The error names
// every problem, each with its place. null and nothing are none.
func ParseResponses(text json.RawMessage) (Responses, error) {
	if s := string(bytes.TrimSpace(text)); s == "" || s == "null" {
		return Responses{}, nil
	}
	problems, err := Shape(text, "responses", reflect.TypeFor[[]Response]())
	if err != nil {
		return Responses{}, fmt.Errorf("responses: not valid JSON: %w", err)
	}
	if len(problems) > 0 {
		return Responses{}, Problems(problems)
	}
	var list []Response
	if err := json.Unmarshal(text, &list); err != nil {
		return Responses{}, fmt.Errorf("responses: %w", err)
	}
	b := &builder{}
	var out Responses
	for i, r := range list {
		at := fmt.Sprintf("responses[%d]", i)
		out.list = append(out.list, response{b.call(at, Call{Tool: r.Tool, Arguments: r.Arguments}), r.Observation})
	}
	if len(b.problems) > 0 {
		return Responses{}, Problems(b.problems)
	}
	return out, nil
}

// Find is the observation of the first response that fits a call.
func (r Responses) Find(a ots.Action) (string, bool) {
	for _, x := range r.list {
		if x.matches(a) {
			return x.observation, true
		}
	}
	return "", false
}
