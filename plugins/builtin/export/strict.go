package export

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

var errMore = errors.New("there is something after the value")

// maxDepth bounds the nesting of what a validator reads.
const maxDepth = 600

// parse reads a line that holds one JSON object. It refuses what a lenient
// reader would pass over: line breaks, invalid UTF-8, halves of surrogate
// pairs, keys that are there twice, and anything after the object.
func parse(line []byte) (map[string]any, error) {
	line = bytes.TrimSuffix(line, []byte{'\n'})
	switch {
	case !utf8.Valid(line):
		return nil, errors.New("the row is not UTF-8")
	case bytes.ContainsAny(line, "\n\r"):
		return nil, errors.New("a row must be one line")
	}
	v, err := parseValue(line)
	if err != nil {
		return nil, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("a row must be a JSON object")
	}
	return object, nil
}

// object checks that a value is an object with all required keys and none but
// those and the optional ones.
func object(where string, v any, required, optional []string) (map[string]any, error) {
	o, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s must be an object", where)
	}
	for _, k := range required {
		if _, ok := o[k]; !ok {
			return nil, fmt.Errorf("%s has no %s", where, k)
		}
	}
	var unknown []string
	for k := range o {
		if !slices.Contains(required, k) && !slices.Contains(optional, k) {
			unknown = append(unknown, k)
		}
	}
	if len(unknown) > 0 {
		sort.Strings(unknown)
		return nil, fmt.Errorf("%s has unknown keys: %q", where, unknown)
	}
	return o, nil
}

// someText checks that a value is a string that is not blank.
func someText(where string, v any) (string, error) {
	s, ok := v.(string)
	if !ok || strings.TrimSpace(s) == "" {
		return "", fmt.Errorf("%s must be a string that is not blank", where)
	}
	return s, nil
}
