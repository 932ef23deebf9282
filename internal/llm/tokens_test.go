package llm

import (
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec"
)

// TestTokenCounts holds counts that OpenAI's own tokenizer gives.
func TestTokenCounts(t *testing.T) {
	var c tokens
	for _, tt := range []struct {
		model, text string
		want        int
	}{
		{"gpt-4o", "", 0},
		{"gpt-4o", "hello world", 2},
		{"gpt-4o-mini-2024-07-18", "tiktoken is great!", 6},
		{"gpt-4", "tiktoken is great!", 6},
		{"gpt-3.5-turbo", "antidisestablishmentarianism", 6},
		{"gpt-4o", "2 + 2 = 4", 7},
		{"gpt-4", "お誕生日おめでとう", 9},
		{"gpt-4o", "お誕生日おめでとう", 8},
	} {
		if got := c.count(tt.model, tt.text); got != tt.want {
			t.Errorf("%s: %q has %d tokens, want %d", tt.model, tt.text, got, tt.want)
		}
	}
}

// TestTokensOfAnything counts texts that would be slow or wrong if they were
// counted in one piece, or that are no text.
func TestTokensOfAnything(t *testing.T) {
	var c tokens
	for name, text := range map[string]string{
		"no break":  strings.Repeat("a", 1<<20),
		"very long": strings.Repeat("all work and no play ", 1<<20),
		"not UTF-8": strings.Repeat("\xff\xfe\x80", 10_000),
		"wide":      strings.Repeat("日", 10_000),
		"special":   strings.Repeat("<|endoftext|>", 1000),
	} {
		n := c.count("gpt-4o", text)
		if n <= 0 || n > len(text) {
			t.Errorf("%s: %d tokens in %d bytes", name, n, len(text))
		}
	}
}

func TestEstimatedUsage(t *testing.T) {
	var c tokens
	a := Answer{Content: "hello world", ToolCalls: []AnswerCall{{Name: "hello", Arguments: "{}"}}}
	if got, want := c.usage("gpt-4o", []byte("hello world"), a), (Usage{InputTokens: 2, OutputTokens: 2 + 1 + 1 + messageTokens, Estimated: true}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestUsageNotReported: the tokens of an answer whose endpoint says nothing are
// counted here, and said to be.
func TestUsageNotReported(t *testing.T) {
	r := newRig(t, says(llmtest.Reply{Content: "hello world", NoUsage: true}))
	r.model.Price = &spec.Price{Output: 1e6}
	got := r.must(r.request("hello"))
	if !got.Usage.Estimated || got.Usage.OutputTokens != 2 || got.Usage.InputTokens < 10 {
		t.Errorf("usage %+v", got.Usage)
	}
	if r.tally.Estimated.Load() != 1 || r.tally.CostUSD() != 2 {
		t.Errorf("%d calls estimated, cost %v", r.tally.Estimated.Load(), r.tally.CostUSD())
	}
}
