package llm

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckSchema(t *testing.T) {
	for text, want := range map[string]string{ // where, what
		`{"type":"object","properties":{"a":{"type":"integer"}}}`: "",
		`true`: "",
		`{"type":"object","properties":{"a":{"minimum":"3"}}}`:                        "properties.a.minimum got string, want number",
		`{"type":"object","properties":{"a":{"enum":"x"}}}`:                           "properties.a.enum got string, want array",
		`{"type":"object","required":"a"}`:                                            "required got string, want array",
		`{"type":"object","properties":{"a":{"$ref":"#/$defs/no"}}}`:                  " $defs",
		`{"type":"object","properties":{"a":{"type":"object","maxItems":-1}}}`:        "properties.a.maxItems ",
		`{"type":"object","properties":{"a":{"maximum":1e999999999}}}`:                " too",
		`{"type":"object","properties":{"a":{"$ref":"https://example.test/a.json"}}}`: " another document",
		`{`: " unexpected",
	} {
		err := CheckSchema([]byte(text))
		var bad *SchemaError
		if want == "" || !errors.As(err, &bad) {
			if err != nil || want != "" {
				t.Errorf("%s: %v, want %q", text, err, want)
			}
			continue
		}
		where, what, _ := strings.Cut(want, " ")
		if strings.Join(bad.Path, ".") != where || !strings.Contains(strings.ToLower(bad.Reason), what) {
			t.Errorf("%s: at %q: %s; want %q", text, bad.Path, bad.Reason, want)
		}
	}
}
