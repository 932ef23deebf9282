package llm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxExponent bounds numbers in replies. Who works on exact numbers later on
// would need all memory for one like 1e999999999.
const maxExponent = 400

// parseJSON reads exactly one JSON value and gives it without white space, and
// as the validator takes it. A key that stands twice in an object is refused:
// readers differ in which of the two counts, and a verdict must not depend on
// the reader.
func parseJSON(text string) (json.RawMessage, any, error) {
	b := bytes.NewBuffer(make([]byte, 0, len(text)))
	if err := json.Compact(b, []byte(text)); err != nil {
		return nil, nil, errors.New("it is not one JSON value: " + err.Error())
	}
	dec := json.NewDecoder(bytes.NewReader(b.Bytes()))
	dec.UseNumber()
	value, err := readValue(dec)
	if err != nil {
		return nil, nil, err
	}
	return b.Bytes(), value, nil
}

// readValue reads a value whose syntax is right.
func readValue(dec *json.Decoder) (any, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch tok := tok.(type) {
	case json.Number:
		return tok, checkNumber(string(tok))
	case json.Delim:
		if tok == '{' {
			return readObject(dec)
		}
		return readList(dec)
	}
	return tok, nil
}

func readObject(dec *json.Decoder) (any, error) {
	object := map[string]any{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, _ := tok.(string)
		if _, twice := object[name]; twice {
			return nil, fmt.Errorf("the key %.100q stands twice in one object", name)
		}
		if object[name], err = readValue(dec); err != nil {
			return nil, err
		}
	}
	_, err := dec.Token() // the closing delimiter
	return object, err
}

func readList(dec *json.Decoder) (any, error) {
	list := []any{}
	for dec.More() {
		value, err := readValue(dec)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	_, err := dec.Token() // the closing delimiter
	return list, err
}

func checkNumber(s string) error {
	_, exp, found := strings.Cut(strings.ToLower(s), "e")
	n, err := strconv.Atoi(exp)
	if len(s) > maxExponent || found && (err != nil || n < -maxExponent || n > maxExponent) {
		return fmt.Errorf("the number %.40s is too long or too large", s)
	}
	return nil
}

// unfence takes a Markdown code fence off that holds the whole text.
func unfence(text string) string {
	text = strings.TrimSpace(text)
	inner, ok := strings.CutPrefix(text, "```")
	if !ok {
		return text
	}
	inner, ok = strings.CutSuffix(inner, "```")
	if !ok {
		return text
	}
	if info, rest, ok := strings.Cut(inner, "\n"); ok && !strings.ContainsAny(info, "{[\"") {
		inner = rest
	}
	return strings.TrimSpace(inner)
}

// maxObjects bounds the search below; text with more is no reply in JSON.
const maxObjects = 64

// findObjects gives the JSON objects that stand in a text, outermost ones
// only, in order; or none, if the text goes on to what cannot be read to its
// end: that may be the object which the model means.
func findObjects(text string) []string {
	var found []string
	for range maxObjects {
		start := strings.IndexByte(text, '{')
		if start < 0 {
			return found
		}
		text = text[start:]
		dec := json.NewDecoder(strings.NewReader(text))
		var raw json.RawMessage
		switch err := dec.Decode(&raw); {
		case err == nil:
			found = append(found, string(raw))
			text = text[len(raw):]
		case errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		default:
			text = text[1:]
		}
	}
	if strings.Contains(text, "{") {
		return nil
	}
	return found
}
