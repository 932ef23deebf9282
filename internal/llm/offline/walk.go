package offline

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// Facts can be tens of kilobytes of tools of which a call needs one or two, so
// they are walked, not decoded: a value that is not needed is skipped at the
// price of finding its end.

// eachField calls fn with every member of a JSON object. It reports whether
// obj is one, so far as it looked.
func eachField(obj []byte, fn func(key string, val []byte)) bool {
	i := space(obj, 0)
	if i >= len(obj) || obj[i] != '{' {
		return false
	}
	i = space(obj, i+1)
	if i < len(obj) && obj[i] == '}' {
		return true
	}
	for {
		end := skip(obj, i)
		if end < 0 || obj[i] != '"' {
			return false
		}
		key := text(obj[i:end])
		i = space(obj, end)
		if i >= len(obj) || obj[i] != ':' {
			return false
		}
		i = space(obj, i+1)
		if end = skip(obj, i); end < 0 {
			return false
		}
		fn(key, obj[i:end])
		i = space(obj, end)
		if i >= len(obj) || (obj[i] != ',' && obj[i] != '}') {
			return false
		}
		if obj[i] == '}' {
			return true
		}
		i = space(obj, i+1)
	}
}

// eachItem calls fn with every element of a JSON array.
func eachItem(arr []byte, fn func(val []byte)) bool {
	i := space(arr, 0)
	if i >= len(arr) || arr[i] != '[' {
		return false
	}
	i = space(arr, i+1)
	if i < len(arr) && arr[i] == ']' {
		return true
	}
	for {
		end := skip(arr, i)
		if end < 0 {
			return false
		}
		fn(arr[i:end])
		i = space(arr, end)
		if i >= len(arr) || (arr[i] != ',' && arr[i] != ']') {
			return false
		}
		if arr[i] == ']' {
			return true
		}
		i = space(arr, i+1)
	}
}

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

const maxDepth = 200

// skip is the position after the value that starts at i, or -1.
func skip(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		depth := 0
		for i < len(b) {
			switch b[i] {
			case '"':
				if i = skipString(b, i); i < 0 {
					return -1
				}
				continue
			case '{', '[':
				if depth++; depth > maxDepth {
					return -1
				}
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
		return -1
	default:
		start := i
		for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' && b[i] > ' ' {
			i++
		}
		if i == start {
			return -1
		}
		return i
	}
}

func skipString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return -1
		}
		i += n
		slashes := 0
		for b[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i + 1
		}
	}
	return -1
}

// text is the string that a JSON string stands for; "" of anything else.
func text(val []byte) string {
	if len(val) < 2 || val[0] != '"' {
		return ""
	}
	plain := true
	for _, c := range val[1 : len(val)-1] {
		if c == '\\' || c < 0x20 {
			plain = false
			break
		}
	}
	if plain && utf8.Valid(val) {
		return string(val[1 : len(val)-1])
	}
	var s string
	if json.Unmarshal(val, &s) != nil {
		return ""
	}
	return s
}

func texts(val []byte) []string {
	var out []string
	eachItem(val, func(v []byte) {
		if s := text(v); s != "" {
			out = append(out, s)
		}
	})
	return out
}

func number(val []byte) int {
	n, err := strconv.Atoi(string(val))
	if err != nil {
		return 0
	}
	return n
}

// field is one member of an object that is being made; fields keep their order.
type field struct {
	name  string
	value any // string, bool, int, int64, cents, json.Number, json.RawMessage, nil, []any, []string, fields
}

type fields []field

func (fs fields) get(name string) (any, bool) {
	for _, f := range fs {
		if f.name == name {
			return f.value, true
		}
	}
	return nil, false
}

func (fs fields) set(name string, v any) fields {
	for i := range fs {
		if fs[i].name == name {
			fs[i].value = v
			return fs
		}
	}
	return append(fs, field{name, v})
}

// cents is an amount with two decimals, kept as an integer so that it is the
// same everywhere.
type cents int64

func appendJSON(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return appendQuoted(b, v)
	case bool:
		return strconv.AppendBool(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case cents:
		return appendCents(b, v)
	case json.Number:
		return append(b, v...)
	case json.RawMessage:
		return append(b, v...)
	case []string:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendQuoted(b, e)
		}
		return append(b, ']')
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, e)
		}
		return append(b, ']')
	case fields:
		b = append(b, '{')
		for i, f := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendQuoted(b, f.name)
			b = append(b, ':')
			b = appendJSON(b, f.value)
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}

// appendCents writes 250 as 2.5: the shortest form, as JSON tools write it.
func appendCents(b []byte, c cents) []byte {
	if c < 0 {
		b, c = append(b, '-'), -c
	}
	b = strconv.AppendInt(b, int64(c/100), 10)
	if f := c % 100; f != 0 {
		b = append(b, '.', byte('0'+f/10))
		if f%10 != 0 {
			b = append(b, byte('0'+f%10))
		}
	}
	return b
}

const hexDigits = "0123456789abcdef"

func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', byte(c))
		case c == '\n':
			b = append(b, '\\', 'n')
		case c < 0x20:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = utf8.AppendRune(b, c)
		}
	}
	return append(b, '"')
}

// objectOnly is v in JSON if it is an object, else the empty object.
func objectOnly(v any) json.RawMessage {
	if fs, ok := v.(fields); ok {
		return appendJSON(nil, fs)
	}
	return json.RawMessage("{}")
}
