package llm

import (
	"strings"
	"testing"

	"github.com/autosafe/autosafe/spec"
)

// TestVerdictAfterTheFirst: text that goes on to another object, which cannot
// be read, leaves open what the model means.
func TestVerdictAfterTheFirst(t *testing.T) {
	const good = `{"reason":"r","label":"safe"}`
	f := newTestFit(t, spec.StructuredText, string(verdictSchema))
	for name, text := range map[string]string{
		"cut off":         "For example " + good + ` but here {"reason":"it pays","label":"uns`,
		"too many braces": good + strings.Repeat(" {x}", maxObjects) + ` {"reason":"it pays","label":"unsafe"}`,
	} {
		for _, finish := range []string{finishStop, finishLength} {
			if reply, bad := f.check(Answer{Content: text, FinishReason: finish}); bad == nil {
				t.Errorf("%s, %s: fits as %s", name, finish, reply.Content)
			}
		}
	}
}
