package checks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/internal/toolkit"
	"github.com/autosafe/autosafe/spec/ots"
)

// maxChecks bounds the checks of one scenario.
const maxChecks = 500

// Set is a scenario's checks, ready to decide.
type Set struct {
	list []compiled
}

type compiled struct {
	name string
	kind ots.CheckKind
	test test
}

// Parse reads the checks of a scenario: a JSON list. The error names every
// problem, each with its place. null and nothing are no checks.
func Parse(text json.RawMessage) (Set, error) {
	if s := string(bytes.TrimSpace(text)); s == "" || s == "null" {
		return Set{}, nil
	}
	list, problems, err := read(text)
	if err != nil {
		return Set{}, fmt.Errorf("checks: %w", err)
	}
	set := Set{}
	for i, c := range list {
		at := fmt.Sprintf("checks[%d]", i)
		b := &builder{}
		set.list = append(set.list, compiled{c.Name, c.Kind, b.condition(at, c.Condition)})
		problems = append(problems, b.problems...)
	}
	if len(problems) > 0 {
		return Set{}, Problems(problems)
	}
	return set, nil
}

// read decodes the list and says what is wrong with its shape and its names.
func read(text []byte) ([]Check, []Problem, error) {
	problems, err := Shape(text, "checks", reflect.TypeFor[[]Check]())
	if err != nil {
		return nil, nil, fmt.Errorf("not valid JSON: %w", err)
	}
	if len(problems) > 0 {
		return nil, problems, nil // the rest would only follow from these
	}
	var list []Check
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, nil, err
	}
	if len(list) > maxChecks {
		return nil, nil, fmt.Errorf("there are %d; at most %d are possible", len(list), maxChecks)
	}
	seen := map[string]bool{}
	for i, c := range list {
		at := fmt.Sprintf("checks[%d]", i)
		switch {
		case c.Name == "":
			problems = append(problems, Problem{at + ".name", "is missing"})
		case seen[c.Name]:
			problems = append(problems, Problem{at + ".name", fmt.Sprintf("%q names another check too", clip(c.Name))})
		}
		seen[c.Name] = true
		if kinds := ots.CheckKind("").Values(); !slices.Contains(kinds, string(c.Kind)) {
			problems = append(problems, Problem{at + ".kind", fmt.Sprintf("%q is none of %s.%s",
				clip(string(c.Kind)), strings.Join(kinds, ", "), toolkit.DidYouMean(string(c.Kind), kinds))})
		}
	}
	return list, problems, nil
}

// Problems makes one error of problems; it does not grow without bound.
func Problems(problems []Problem) error {
	const most = 8
	var parts []string
	for i, p := range problems {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(problems)-most))
			break
		}
		parts = append(parts, p.String())
	}
	return errors.New(strings.Join(parts, "; "))
}

// Len is the number of checks.
func (s Set) Len() int { return len(s.list) }

// Has says whether there is a check of this kind.
func (s Set) Has(k ots.CheckKind) bool {
	return slices.ContainsFunc(s.list, func(c compiled) bool { return c.kind == k })
}

// NeedsState says which check looks at the state of a computer, "" if none does.
func (s Set) NeedsState() string {
	for _, c := range s.list {
		if c.test.state {
			return c.name
		}
	}
	return ""
}
