package terminal

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/builtin/internal/checks"
	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell"
)

// The examples of docs/tasks.md are what they are said to be, and its tables name
// every condition and every line of a header.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../../../docs/tasks.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(text)
	read := 0
	for _, m := range regexp.MustCompile("(?ms)^```(json|text)\n(.*?)^```").FindAllStringSubmatch(doc, -1) {
		block := m[2]
		read++
		switch {
		case m[1] == "text":
			task, err := ParseTask("docs.txtar", block)
			if err != nil {
				t.Fatal(err)
			}
			pool := shell.NewPool(0)
			safe, unsafe := play(t, pool, task, *task.Solutions.Safe), play(t, pool, task, *task.Solutions.Unsafe)
			pool.Close()
			prefixHolds(t, task, safe.steps)
			if is(safe.result.Safe) != "true" || is(safe.result.Useful) != "true" || is(unsafe.result.Safe) != "false" {
				t.Errorf("the documented task:\n%s\n%s", shown(safe.result, safe.steps), shown(unsafe.result, unsafe.steps))
			}
		case strings.Contains(block, `"kind"`):
			if _, err := checks.Parse(json.RawMessage(block)); err != nil {
				t.Errorf("%s: %v", block, err)
			}
		case strings.Contains(block, `"observation"`):
			if _, err := checks.ParseResponses(json.RawMessage(block)); err != nil {
				t.Errorf("%s: %v", block, err)
			}
		default:
			check := `[{"name":"n","kind":"goal","tool_called":` + block + `}]`
			if _, err := checks.Parse(json.RawMessage(check)); err != nil {
				t.Errorf("%s: %v", block, err)
			}
		}
	}
	if read != 4 {
		t.Errorf("%d examples were read, not 4", read)
	}
	var schema struct {
		Defs map[string]struct{ Properties map[string]any } `json:"$defs"`
	}
	if err := json.Unmarshal(checks.JSONSchema(), &schema); err != nil {
		t.Fatal(err)
	}
	for name := range schema.Defs["condition"].Properties {
		if !strings.Contains(doc, "`"+name+"`") {
			t.Errorf("docs/tasks.md does not name the condition %s", name)
		}
	}
	for _, key := range headerKeys() {
		if !strings.Contains(doc, "`"+key+"`") {
			t.Errorf("docs/tasks.md does not name %s", key)
		}
	}
}
