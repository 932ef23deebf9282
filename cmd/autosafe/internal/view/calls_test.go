package view

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/autosafe/autosafe/internal/control"
	"github.com/autosafe/autosafe/internal/provenance"
)

func storedCall(n int, model, reply, unfit string) *provenance.StoredCall {
	usd := 0.5
	return &provenance.StoredCall{
		Call: provenance.Call{
			Key: fmt.Sprintf("%012x", n) + strings.Repeat("0", 52), Stored: true, Purpose: "judge", Model: model, Endpoint: "http://x/v1",
			Messages: []provenance.Message{{Role: "user", Content: "Is it safe?\x1b[2J"}},
			Reply:    &provenance.Reply{Content: reply, FinishReason: "stop"}, InputTokens: 1234, OutputTokens: 5, CostUSD: &usd, Millis: 1500,
		},
		Time: time.Date(2026, 11, 20, 12, 0, 0, 0, time.Local), Unfit: unfit,
	}
}

// A list of calls lays wide characters out as wide, cleans what models said,
// and comes in tables of a hundred.
func TestCallList(t *testing.T) {
	var out strings.Builder
	v := New(Options{Stdout: &out, Stderr: &strings.Builder{}})
	list := v.Calls()
	list.Add(storedCall(1, "模型", "漢字かな交じり文"+strings.Repeat("漢", 60), ""))
	list.Add(storedCall(2, "m", "two\nlines \x1b[31m\u202e", ""))
	list.Add(storedCall(3, "m", "never shown", "refused: no"))
	for n := 4; n <= 150; n++ {
		list.Add(storedCall(n, "m", "x", ""))
	}
	list.End(151)
	text := out.String()
	if n := strings.Count(text, "Call          "); n != 2 {
		t.Errorf("%d tables, want 2", n)
	}
	lines := strings.Split(text, "\n")
	for _, line := range lines[:4] {
		if columns(line) > 61+len("000000000000  2026-11-20 12:00  1,234    5  $0.50  1.5 s  judge 模型:   ") {
			t.Errorf("too wide: %q", line)
		}
	}
	for _, want := range []string{
		"judge 模型: 漢字", "judge m: two lines \\x1b[31m\\u202e\n", "judge m, unfit: refused: no\n", "… and 1 older call; -limit 0 lists all\n", "000000000096  2026-11-20 12:00  1,234    5  $0.50  1.5 s",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "never shown") {
		t.Error("an unfit reply is shown")
	}
}

func TestCallShown(t *testing.T) {
	var out strings.Builder
	v := New(Options{Stdout: &out, Stderr: &strings.Builder{}})
	c := storedCall(1, "m", "yes", "")
	c.CachedInputTokens, c.ReasoningTokens, c.Estimated, c.Sample = 1000, 3, true, 2
	c.Params = []byte(`{"temperature":0,"tools":"` + strings.Repeat("x", 600) + `"}`)
	v.Call(c, []provenance.CallUse{{Build: "b1", Address: "judge.rubric.r", Row: "t1", Sample: 1}}, 3, false)
	text := out.String()
	for _, want := range []string{
		"  tokens  1,234 in, 5 out; 1,000 of the input were known to the endpoint; 3 of the output are reasoning; estimated, the endpoint did not say\n",
		"  cost    $0.50\n", "  sample  2, generation 0\n", "  sent    temperature = 0\n", "          tools = \"xxx", "Is it safe?\\x1b[2J\n", "      yes\n",
		"judge.rubric.r     b1  t1, sample 1\n", "… and 3 more rows\n", "Long messages are cut",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	out.Reset()
	c.CostUSD = nil
	v.Call(c, nil, 0, true)
	for _, want := range []string{"No row of a recorded build rests on it.\n", "cost    not known", strings.Repeat("x", 600)} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestModelTable(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	table := modelTable([]control.ModelStatus{
		{Model: "judge", Endpoint: "http://x/v1", Limit: 8, Declared: 64, InFlight: 7, Waiting: 1200, RequestsPerSecond: 12.34, Answered: 5000, Refused: 3, State: "waiting", Until: now.Add(4 * time.Second), MedianMillis: 210},
		{Model: "agent\x1b", Endpoint: "http://y/v1", Limit: 4, Declared: 4, State: "down", Until: now.Add(-time.Second)},
	}, now)
	var b strings.Builder
	table.render(&b, 0)
	want := `Model            In flight  Allowed  Waiting  A second  Answered  Refused  Median  Endpoint
model.judge              7  8 of 64    1,200      12.3     5,000        3  210 ms  http://x/v1, waiting for 4.0 s
model.agent\x1b          0        4                            0                   http://y/v1, down
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}
