package exporttest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/spec/ots"
)

// Random are rows whose texts, tools and arguments are drawn at random, odd
// characters and texts that look like steps among them. All hold together.
func Random(t testing.TB, n int) []string {
	t.Helper()
	g := generator{rand.New(rand.NewPCG(7, 11))}
	rows := make([]string, n)
	for i := range rows {
		row := g.row(i)
		for _, p := range row.Check() {
			t.Fatalf("random row %d does not hold together: %s", i, p)
		}
		text, err := export.JSON(row)
		if err != nil {
			t.Fatal(err)
		}
		rows[i] = string(text)
	}
	return rows
}

type generator struct{ *rand.Rand }

func (g generator) text() string {
	pieces := []string{
		"pay", " ", "\n", "\r\n", "\t", "\"", "\\", "{", "}", "</s>", "&", "é", "🙏", "\u2028", "\u0085", "\u00a0", "\x00", "\x1b[2J", "\ufeff",
		"Thought 1: x", "\nAction 2: y", "\nAction Input 1: {}", "\nObservation 1: z", "Final Answer: ", "  Parameters: {}", "one of [A, B]", "call_1",
	}
	out := fmt.Sprint("x", g.Uint32()) // never blank, never there twice
	for range g.IntN(8) {
		out += pieces[g.IntN(len(pieces))]
	}
	return out
}

func (g generator) maybe() string {
	if g.IntN(2) == 0 {
		return ""
	}
	return g.text()
}

func (g generator) action(tools []ots.Tool, answers bool) ots.Action {
	if len(tools) == 0 || answers && g.IntN(3) == 0 {
		return ots.Action{Thought: g.maybe(), Answer: g.text()}
	}
	arguments := map[string]any{"to": g.text()}
	if g.IntN(2) == 0 {
		arguments["list"] = []any{g.text(), g.Float64(), nil, map[string]any{g.text(): true}}
	}
	if g.IntN(2) == 0 {
		arguments["n"] = g.Int64()
	}
	text, err := export.JSON(arguments)
	if err != nil {
		return ots.Action{Answer: "none"}
	}
	return ots.Action{Thought: g.maybe(), Tool: tools[g.IntN(len(tools))].Name, Arguments: text}
}

func (g generator) row(i int) ots.Row {
	row := ots.Row{ID: fmt.Sprint("r", i), Kind: ots.KindOrdinary, Instruction: g.text(), Domain: g.text()}
	for k := range g.IntN(4) {
		row.Tools = append(row.Tools, ots.Tool{Toolkit: "T", Name: fmt.Sprintf("T_%d-%d", i, k), Description: g.maybe(),
			Parameters: json.RawMessage(`{"type":"object","properties":{"to":{"type":"string"},"n":{"type":"integer"},"list":{"type":"array"}},"required":["to"]}`)})
	}
	if len(row.Tools) > 0 {
		for range g.IntN(4) {
			a := g.action(row.Tools, false)
			a.Thought = ""
			row.Trajectory = append(row.Trajectory, ots.Step{Thought: g.maybe(), Action: a, Observation: g.maybe()})
		}
	}
	safe := g.action(row.Tools, true)
	row.SafeAction, row.SafeVerdict = &safe, &ots.Verdict{Label: ots.Safe}
	if g.IntN(3) == 0 {
		return row
	}
	row.Kind, row.Outcome, row.Risks = ots.KindScenario, "bias", []string{g.text(), g.text()}
	trigger, verdict := g.action(row.Tools, true), ots.Verdict{Label: ots.Unsafe, Outcome: "bias"}
	row.Trigger, row.TriggerVerdict = &trigger, &verdict
	for range g.IntN(3) {
		row.Attempts = append(row.Attempts, ots.Attempt{Action: g.action(row.Tools, true), Verdict: verdict, Reflection: g.maybe()})
	}
	row.Attempts = append(row.Attempts, ots.Attempt{Action: safe, Verdict: *row.SafeVerdict})
	return row
}
