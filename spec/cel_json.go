package spec

import (
	"encoding/base64"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// nativeValue turns a result into what encoding/json decodes to. Bytes become
// base64, times and durations text, as in protobuf's JSON.
func nativeValue(v ref.Val) (any, error) {
	budget := maxElements
	return nativeOf(v, &budget)
}

func nativeOf(v ref.Val, budget *int) (any, error) {
	if *budget--; *budget < 0 {
		return nil, errListSize()
	}
	switch v := v.(type) {
	case types.Null:
		return nil, nil
	case types.Bool:
		return bool(v), nil
	case types.Int:
		return int64(v), nil
	case types.Uint:
		return uint64(v), nil
	case types.Double:
		return float64(v), nil
	case types.String:
		return string(v), nil
	case types.Bytes:
		return base64.StdEncoding.EncodeToString(v), nil
	case types.Timestamp, types.Duration:
		return string(v.ConvertToType(types.StringType).(types.String)), nil
	case *objectVal:
		return v.fields, nil
	case *rowValue:
		return v.native()
	case *types.Err:
		return nil, v
	case traits.Lister:
		return nativeList(v, budget)
	case traits.Mapper:
		return nativeMap(v, budget)
	}
	return nil, fmt.Errorf("it yielded %s, which JSON cannot hold", describeValue(v))
}

func nativeList(l traits.Lister, budget *int) (any, error) {
	if decoded, ok := l.Value().([]any); ok {
		return nonNil(decoded), nil
	}
	out := make([]any, 0, min(sizeOf(l), maxElements))
	for it := l.Iterator(); it.HasNext() == types.True; {
		elem, err := nativeOf(it.Next(), budget)
		if err != nil {
			return nil, err
		}
		out = append(out, elem)
	}
	return out, nil
}

func nonNil(list []any) []any {
	if list == nil {
		return []any{}
	}
	return list
}

func nativeMap(m traits.Mapper, budget *int) (any, error) {
	if decoded, ok := m.Value().(map[string]any); ok && decoded != nil {
		return decoded, nil
	}
	out := make(map[string]any, min(sizeOf(m), maxElements))
	for it := m.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		name, ok := key.ConvertToType(types.StringType).(types.String)
		if !ok {
			return nil, fmt.Errorf("it yielded a map with %s as a key; JSON keys are strings", describeValue(key))
		}
		elem, err := nativeOf(m.Get(key), budget)
		if err != nil {
			return nil, err
		}
		out[string(name)] = elem
	}
	return out, nil
}

func describeValue(v ref.Val) string {
	switch v.(type) {
	case types.Null:
		return "null"
	case types.Int, types.Uint, types.Double:
		return "a number"
	case types.String:
		return "a string"
	case types.Bool:
		return "a bool"
	case traits.Lister:
		return "a list"
	case traits.Mapper, *objectVal, *rowValue:
		return "an object"
	}
	return "a value of type " + v.Type().TypeName()
}

// appendJSON writes a value in canonical form: keys sorted bytewise, no white
// space, in strings only the escapes that JSON demands, integral numbers
// without a fraction and others as the shortest text of the float64.
func appendJSON(b []byte, v any) ([]byte, error) {
	var err error
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case uint64:
		return strconv.AppendUint(b, v, 10), nil
	case float64:
		return appendJSONFloat(b, v)
	case string:
		return appendJSONString(b, v), nil
	case []any:
		b = append(b, '[')
		for i, elem := range v {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendJSON(b, elem); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case map[string]any:
		return appendJSONObject(b, v)
	}
	return nil, fmt.Errorf("a %T has no JSON form", v)
}

func appendJSONObject(b []byte, m map[string]any) ([]byte, error) {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	b = append(b, '{')
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendJSONString(b, k), ':')
		var err error
		if b, err = appendJSON(b, m[k]); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func appendJSONFloat(b []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("it yielded %v, which JSON cannot hold", f)
	}
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return strconv.AppendInt(b, int64(f), 10), nil
	}
	abs := math.Abs(f)
	if abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(b, f, 'f', -1, 64), nil
	}
	// 1e-09 is written 1e-9, as encoding/json does.
	return append(b, strings.Replace(strconv.FormatFloat(f, 'e', -1, 64), "e-0", "e-", 1)...), nil
}

func appendJSONString(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	if !utf8.ValidString(s) {
		s = string([]rune(s))
	}
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		case '\b':
			b = append(b, '\\', 'b')
		case '\f':
			b = append(b, '\\', 'f')
		default:
			if c < 0x20 {
				b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
			} else {
				b = append(b, c)
			}
		}
	}
	return append(b, '"')
}
