package llm

import (
	"encoding/json"
	"testing"
)

// FuzzSchema: a schema comes from a plugin or a data set, and whatever it
// says, the build survives it.
func FuzzSchema(f *testing.F) {
	for _, s := range []string{
		`{"minimum":1e999999999}`, `{"multipleOf":1e-999999999}`, `{"multipleOf":0}`, `{"multipleOf":1e-5}`,
		`{"const":1e999999999}`, `{"enum":[1e99999999999999999999]}`, `{"maxLength":1e99}`, `{"minItems":1e99,"maxItems":1.5}`,
		`{"$ref":"#"}`, `{"allOf":[{"$ref":"#"}]}`, `{"$dynamicRef":"#"}`, `{"not":{"$ref":"#"}}`, `{"items":{"$ref":"#"}}`,
		`{"$ref":"file:///etc/passwd"}`, `{"$schema":"http://example.com/x"}`, `{"pattern":"(a+)+$"}`, `{"pattern":"("}`,
		`{"$id":"autosafe:schema"}`, `true`, `null`, `[]`, `"x"`, `{"type":["object"],"properties":{"a":{"type":"integer"}}}`,
	} {
		f.Add(s, `{"a":[5,1e400,-1e-400,"aaaaaaaaaaaaaaaaaaaaaaaaaaaaab"]}`)
		f.Add(s, "5")
	}
	f.Fuzz(func(_ *testing.T, schema, value string) {
		var all schemas
		compiled, err := all.compile(json.RawMessage(schema))
		if err != nil {
			return
		}
		if _, value, err := parseJSON(value); err == nil {
			_ = validate(compiled, value)
		}
	})
}
