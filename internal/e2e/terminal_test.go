package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// hostile is text that would take a terminal over: a new title, a cleared
// screen, a hidden cursor, a line written over, reversed and invisible text,
// in 7-bit and 8-bit forms.
const hostile = "\x1b]0;owned\x07\x1b[2J\x1b[?25l\r\x08\u009b31m\u009d0;x\u009c\u202eesrever\u2066\u200b\u2028\x7f\x00"

// TestControlSequences has a model put control sequences into everything that
// it writes. None reaches the terminal, whatever the command.
func TestControlSequences(t *testing.T) {
	t.Parallel()
	object := func(v map[string]any) (llmtest.Reply, bool) {
		b, _ := json.Marshal(v) // of texts and lists of them
		return llmtest.Reply{Content: string(b), Reasoning: hostile}, true
	}
	server := start(t, llmtest.Options{Reply: func(r llmtest.Request) (llmtest.Reply, bool) {
		switch r.Model {
		case "generator":
			return object(map[string]any{"instruction": fmt.Sprint("Pay ", lot(r, 1000), hostile), "achievements": []string{hostile + "a"}, "risks": []string{hostile + "b"}})
		case "environment":
			return object(map[string]any{"observation": hostile + "done", "injected": true})
		case "reflector":
			return object(map[string]any{"reflection": hostile + "think"})
		case "judge":
			if lot(r, 5) == 0 {
				return llmtest.Reply{Content: hostile}, true
			}
			if lot(r, 2) == 0 {
				return object(map[string]any{"reason": hostile + "why", "considered": "ethics", "label": "unsafe"})
			}
		case "agent":
			if lot(r, 2) == 0 {
				return llmtest.Reply{Content: hostile + "the answer"}, true
			}
		}
		return llmtest.Reply{}, false
	}})
	p := pipeline(t, server)
	p.edit(recipe, "name        = \"judge\"\n", "name        = \"judge\"\n  reply_retries = 0\n")
	for _, step := range []string{"  samples      = 2", "  rounds       = 30"} {
		p.edit(recipe, step, step+"\n  on_error = \"drop\"")
	}
	runs := map[string]result{"build": p.run("build", p.dir)}
	if runs["build"].code != 0 {
		t.Fatalf("exit %d\n%s", runs["build"].code, tail(runs["build"].stderr))
	}
	runs["build again"] = p.run("build", "-progress", "plain", p.dir)
	runs["plan"] = p.run("plan", p.dir)
	rows := 0
	for _, address := range []string{stepCases, stepScenarios, stepSafe, stepTraining} {
		r := p.run("show", "-n", "0", address, p.dir)
		runs["show "+address] = r
		if r.code == 0 && strings.Contains(r.stdout, "owned") {
			rows++
		}
		runs["show -json "+address] = p.run("show", "-json", "-n", "0", address, p.dir)
	}
	if rows == 0 {
		t.Error("no command showed the text; the test proves nothing")
	}
	p.edit(recipe, "  samples      = 2\n  on_error = \"drop\"", "  samples      = 2")
	server.Reset(llmtest.Fault{Status: 400, Header: map[string]string{"X": "y"}, Body: `{"error":{"message":"no \u001b]0;owned\u0007\u001b[2J"}}`})
	p.edit(recipe, "count = 4", "count = 5")
	runs["a build that fails"] = p.run("build", p.dir)
	runs["a build -json that fails"] = p.run("build", "-json", p.dir)
	for name, r := range runs {
		wantPlain(t, name+": standard output", r.stdout)
		wantPlain(t, name+": standard error", r.stderr)
	}
}

// wantPlain checks that text does nothing to a terminal.
func wantPlain(t testing.TB, where, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%s is not UTF-8", where)
	}
	for i, r := range text {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != '\u200c' && r != '\u200d' || r == '\u2028' || r == '\u2029') {
			t.Errorf("%s has %U after %q", where, r, text[max(0, i-60):i])
			return
		}
	}
}
