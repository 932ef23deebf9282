package spec

import (
	"bytes"
	"fmt"
	"math"
	"strconv"

	"github.com/zclconf/go-cty/cty"
)

// canonicalJSON renders a value in the one way that keys rely on: keys in
// bytewise order, no space, no needless escapes, whole numbers in full and
// others as the shortest text of a float64.
func canonicalJSON(v cty.Value) ([]byte, error) {
	var b bytes.Buffer
	if err := writeJSON(&b, v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func writeJSON(b *bytes.Buffer, v cty.Value) error {
	if v.IsMarked() {
		return fmt.Errorf("a sensitive value")
	}
	ty := v.Type()
	switch {
	case !v.IsKnown():
		return fmt.Errorf("a value that is not known")
	case v.IsNull():
		b.WriteString("null")
	case ty == cty.Bool:
		b.WriteString(strconv.FormatBool(v.True()))
	case ty == cty.Number:
		return writeNumber(b, v)
	case ty == cty.String:
		b.Write(appendJSONString(nil, v.AsString()))
	case ty.IsObjectType() || ty.IsMapType():
		return writeElements(b, v, '{', '}')
	case ty.IsTupleType() || ty.IsListType() || ty.IsSetType():
		return writeElements(b, v, '[', ']')
	default:
		return fmt.Errorf("%s has no form in JSON", describe(v))
	}
	return nil
}

// writeElements relies on cty's order of elements: objects and maps by key.
func writeElements(b *bytes.Buffer, v cty.Value, left, right byte) error {
	b.WriteByte(left)
	first := true
	for key, elem := range v.Elements() {
		if !first {
			b.WriteByte(',')
		}
		first = false
		if left == '{' {
			b.Write(appendJSONString(nil, key.AsString()))
			b.WriteByte(':')
		}
		if err := writeJSON(b, elem); err != nil {
			return err
		}
	}
	b.WriteByte(right)
	return nil
}

func writeNumber(b *bytes.Buffer, v cty.Value) error {
	n := v.AsBigFloat()
	f, _ := n.Float64()
	switch {
	case math.IsInf(f, 0):
		return fmt.Errorf("a number too large for a float64")
	case n.Sign() == 0: // also -0
		b.WriteByte('0')
		return nil
	case n.IsInt() && math.Abs(f) < 1e21:
		b.WriteString(n.Text('f', 0))
		return nil
	}
	text, err := appendJSONFloat(nil, f)
	b.Write(text)
	return err
}
