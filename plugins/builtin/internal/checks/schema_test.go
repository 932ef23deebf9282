package checks

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the schema in docs/reference anew")

// docs/reference has the schema as the types say it.
func TestSchemaIsPublished(t *testing.T) {
	const path = "../../../../docs/reference/checks.schema.json"
	want := string(JSONSchema()) + "\n"
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/reference/checks.schema.json is not what the types say; go test ./plugins/builtin/internal/checks -update writes it anew")
	}
}
