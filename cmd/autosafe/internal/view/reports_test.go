package view

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/provenance"
)

// filled gives a value with text in every string in it, and one element in
// every list, down to a depth.
func filled[T any](text string) *T {
	v := new(T)
	fill(reflect.ValueOf(v).Elem(), text, 12)
	return v
}

func fill(v reflect.Value, text string, depth int) {
	if depth == 0 {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Int, reflect.Int64:
		v.SetInt(3)
	case reflect.Float64:
		v.SetFloat(0.5)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text, depth-1)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1_800_000_000, 0)))
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), text, depth-1)
			}
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			object, err := json.Marshal(map[string]string{strings.ToValidUTF8(text, "?"): strings.Repeat(text, 20)})
			if err != nil {
				panic(err)
			}
			v.SetBytes(object)
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), text, depth-1)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), text, depth-1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(k, text, depth-1)
		fill(e, text, depth-1)
		v.SetMapIndex(k, e)
	}
}

// reports has a view show every report, with text in each of their strings.
func reports(v *View, text string) {
	v.Why(filled[provenance.WhyReport](text))
	diff := filled[provenance.DiffReport](text)
	diff.Equal = false
	for i, change := range []string{"changed", text} {
		diff.Files[i].Change, diff.Models[i].Change, diff.Steps[i].Change, diff.Outputs[i].Change = change, change, change, change
	}
	v.Diff(diff)
	v.Diff(filled[provenance.DiffReport](text))
	lineage := filled[provenance.LineageReport](text)
	v.Lineage(lineage, true)
	lineage.Found = false
	for i := range lineage.Path {
		lineage.Path[i].Task.Calls[0].Messages[0].Content = strings.Repeat(text+"\n", 40)
	}
	v.Lineage(lineage, false)
	v.Builds([]BuildLine{*filled[BuildLine](text)}, 2)
	v.Builds(nil, 0)
	v.Cost(filled[provenance.CostReport](text))
	v.Tagged(text, text, "")
	v.Tagged(text, text, text+text)
	v.Tagged(text, "", text)
	v.Recorded(text)
	v.CachePath(text)
	v.CacheStats(*filled[CacheSizes](text), filled[provenance.UsageReport](text))
	v.CacheVerified(*filled[CacheScrub](text))
	v.CacheCollected(*filled[CacheCollection](text))
	v.CacheExported(text, 1, 1, 1)
	v.CacheImported(text, 1, 1)
}

func rangeOf(low, high float64, exact bool) engine.Range {
	return engine.Range{Low: low, High: high, Exact: exact}
}

func TestRanges(t *testing.T) {
	for text, want := range map[string]string{
		whole(rangeOf(500, 500, true)):                  "500",
		whole(rangeOf(1145.6, 1145.6, false)):           "~1,146",
		whole(rangeOf(120, 300, false)):                 "120–300",
		whole(rangeOf(0, 0, true)):                      "",
		whole(rangeOf(0, math.Inf(1), false)):           "?",
		whole(rangeOf(12, math.Inf(1), false)):          "12+",
		money(rangeOf(1.5, math.Inf(1), false)):         "$1.50+",
		tokens(rangeOf(0, math.Inf(1), false)):          "?",
		money(rangeOf(0.02, 0.061, false)):              "$0.0200–0.0610",
		money(rangeOf(1.5, 12, false)):                  "$1.50–12.00",
		money(rangeOf(1.5, 1.5, true)):                  "$1.50",
		money(rangeOf(1.5, 1.5, false)):                 "~$1.50",
		tokens(rangeOf(1234567, 1234567, true)):         "1,234,567",
		tokens(rangeOf(1234567, 1234567, false)):        "~1.23 M",
		tokens(rangeOf(1.2e6, 3e6, false)):              "1.20–3.00 M",
		tokens(rangeOf(400, 3e6, false)):                "400–3.00 M",
		tokens(rangeOf(12_345, 99_999, false)):          "12.3–100 k",
		between(rangeOf(20, 300, false), roughTime):     "20 s–5 min",
		between(rangeOf(0.1, 0.2, false), roughTime):    "~1 s",
		between(rangeOf(7200, 36000, false), roughTime): "2–10 h",
		bytesOf(0): "0 B", bytesOf(1023): "1,023 B", bytesOf(1536): "1.5 KiB", bytesOf(1 << 30): "1.0 GiB", bytesOf(20 << 20): "20 MiB",
	} {
		if text != want {
			t.Errorf("%q, want %q", text, want)
		}
	}
}
