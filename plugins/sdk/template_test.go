package sdk_test

import (
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk"
)

// TestTemplateTextIsBounded runs loops within loops, which would write for
// hours and fill the memory.
func TestTemplateTextIsBounded(t *testing.T) {
	type vars struct {
		List []int `json:"list"`
	}
	tmpl, err := sdk.NewTemplate[vars](strings.Repeat("{{ range $.list }}", 8) + "x" + strings.Repeat("{{ end }}", 8))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := tmpl.Execute(vars{List: make([]int, 1000)}); err == nil || !strings.Contains(err.Error(), "would be longer") {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	if text, err := tmpl.Execute(vars{List: []int{1, 2}}); err != nil || len(text) != 256 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}
