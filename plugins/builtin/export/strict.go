package export

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

var errMore = errors.New("there is something after the value")

// maxDepth bounds the nesting of what a validator reads.
const maxDepth = 600

// parse reads a line that holds one JSON object. It refuses what a lenient
// reader would pass over: line breaks, invalid UTF-8, keys that are there
// twice, and anything after the object.
func parse(line []byte) (map[string]any, error) {
	line = bytes.TrimSuffix(line, []byte{'\n'})
	if bytes.ContainsAny(line, "\n\r") {
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

// parseValue reads exactly one JSON value; see parse for what it refuses.
func parseValue(text []byte) (any, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	v, err := readValue(dec, 0)
	if errors.Is(err, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errMore
	}
	return v, nil
}

func readValue(dec *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errors.New("nested too deeply")
	}
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		object := map[string]any{}
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				return nil, err
			}
			name, ok := key.(string)
			if !ok {
				return nil, errors.New("a key is not a string")
			}
			if _, twice := object[name]; twice {
				return nil, fmt.Errorf("the key %q is there twice", name)
			}
			if object[name], err = readValue(dec, depth+1); err != nil {
				return nil, err
			}
		}
		_, err := dec.Token()
		return object, err
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := readValue(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	}
	return token, nil
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
