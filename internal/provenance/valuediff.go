package provenance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// maxValues bounds the places of a value that are told of.
	maxValues = 60
	// longText is the length from which texts are compared line by line.
	longText = 60
	// maxValue is the length to which a value is shown.
	maxValue = 4 << 10
)

// diffJSON compares two JSON values place by place; nil stands for none. What
// is no JSON is compared as text.
func diffJSON(before, after []byte) []ValueDiff {
	d := &valueDiffer{}
	a, okA := decodeJSON(before)
	b, okB := decodeJSON(after)
	if !okA || !okB {
		a, b = any(string(before)), any(string(after))
	}
	d.value("", a, b)
	if d.more > 0 {
		d.list = append(d.list, ValueDiff{Path: fmt.Sprintf("(%d more places)", d.more)})
	}
	return d.list
}

// absent stands for a value that is not there; JSON's null is nil.
type absent struct{}

func decodeJSON(text []byte) (v any, ok bool) {
	if text == nil {
		return absent{}, true
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if dec.Decode(&v) != nil || dec.More() {
		return nil, false
	}
	return v, true
}

func encodeJSON(v any) []byte {
	if _, none := v.(absent); none {
		return nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil { // not of what was decoded
		return nil
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

type valueDiffer struct {
	list []ValueDiff
	more int
}

func (d *valueDiffer) value(path string, a, b any) {
	switch x := a.(type) {
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			d.object(path, x, y)
			return
		}
	case []any:
		if y, ok := b.([]any); ok {
			d.array(path, x, y)
			return
		}
	case string:
		if y, ok := b.(string); ok && x != y && (long(x) || long(y)) {
			d.add(ValueDiff{Path: path, Text: diffText(x, y)})
			return
		}
	}
	before, after := encodeJSON(a), encodeJSON(b)
	if !bytes.Equal(before, after) {
		d.add(ValueDiff{Path: path, Before: clip(string(before)), After: clip(string(after))})
	}
}

func (d *valueDiffer) add(v ValueDiff) {
	if len(d.list) >= maxValues {
		d.more++
		return
	}
	d.list = append(d.list, v)
}

func long(text string) bool { return len(text) > longText || strings.Contains(text, "\n") }

// clip cuts what is too long to be shown.
func clip(text string) string {
	if len(text) <= maxValue {
		return text
	}
	cut := maxValue
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "..."
}

func (d *valueDiffer) object(path string, a, b map[string]any) {
	names := map[string]bool{}
	for name := range a {
		names[name] = true
	}
	for name := range b {
		names[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		d.value(member(path, name), orAbsent(a, name), orAbsent(b, name))
	}
}

func orAbsent(m map[string]any, name string) any {
	if v, ok := m[name]; ok {
		return v
	}
	return absent{}
}

// member is the path of a member of an object.
func member(path, name string) string {
	if strings.ContainsAny(name, ".[]\" \t\n") || name == "" || !utf8.ValidString(name) {
		return path + "[" + strconv.Quote(name) + "]"
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// array compares lists: equal elements belong together, the others stand in
// each other's place in order.
func (d *valueDiffer) array(path string, a, b []any) {
	texts := func(list []any) []string {
		out := make([]string, len(list))
		for i, v := range list {
			out[i] = string(encodeJSON(v))
		}
		return out
	}
	for _, x := range compare(texts(a), texts(b)) {
		for i := range max(x.a1-x.a0, x.b1-x.b0) {
			before, after, at := any(absent{}), any(absent{}), x.a0+i
			if x.a0+i < x.a1 {
				before = a[x.a0+i]
			}
			if x.b0+i < x.b1 {
				after, at = b[x.b0+i], x.b0+i
			}
			d.value(path+"["+strconv.Itoa(at)+"]", before, after)
		}
	}
}
