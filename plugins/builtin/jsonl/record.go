package jsonl

import (
	"bytes"
	"encoding/json"
)

// record is a row that is passed on as the text it came as. It is a map so
// that the SDK takes it for a row of any columns; the whole text stands under
// one key and is never parsed.
type record map[string]json.RawMessage

func newRecord(text []byte) record { return record{"": text} }

// MarshalJSON gives the text.
func (r record) MarshalJSON() ([]byte, error) { return r[""], nil }

// hasKey says whether an object, which is valid JSON, has the key at its top
// level. Keys written with escapes are compared unescaped.
func hasKey(object []byte, key string) bool {
	depth, keyNext := 0, false
	for i := 0; i < len(object); i++ {
		switch object[i] {
		case '{':
			depth++
			keyNext = depth == 1
		case '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			keyNext = depth == 1
		case '"':
			end := stringEnd(object, i)
			if keyNext && equalString(object[i:end], key) {
				return true
			}
			keyNext = false
			i = end - 1
		}
	}
	return false
}

// stringEnd gives the index after the closing quote of the string at i.
func stringEnd(text []byte, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

func equalString(quoted []byte, key string) bool {
	if len(quoted) == len(key)+2 {
		return string(quoted[1:len(quoted)-1]) == key
	}
	var text string
	return len(quoted) > len(key)+2 && quoted[0] == '"' && bytes.IndexByte(quoted, '\\') >= 0 &&
		json.Unmarshal(quoted, &text) == nil && text == key
}
