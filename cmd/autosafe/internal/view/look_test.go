package view

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/provenance"
)

// What people see at two widths of a terminal, and in a file.
func TestLook(t *testing.T) {
	for _, width := range []int{0, 80, 120} {
		var all strings.Builder
		show := func(title, text string) {
			fmt.Fprintf(&all, "%s\n%s\n%s\n", title, strings.Repeat("=", max(width, 20)), text)
			for line := range strings.Lines(text) {
				if n := columns(strings.TrimSuffix(line, "\n")); width > 0 && n > width {
					t.Errorf("%s: %d columns of %d: %s", title, n, width, line)
				}
			}
		}
		show("plan", planText(somePlan(), PlanNotes{}, width))
		show("plan, nothing known", planText(newPlan(), PlanNotes{File: "new.plan", Limit: 5}, width))
		p := &page{width: width}
		p.why(someWhy())
		show("why", p.String())
		p = &page{width: width}
		p.diff(someDiff())
		show("diff", p.String())
		l := &lineagePage{page: &page{width: width}}
		l.lineage(someLineage())
		show("lineage", l.String())
		golden(t, fmt.Sprintf("look%d.txt", width), all.String())
	}
}

func somePlan() *engine.Plan {
	none := engine.Work{Basis: "exact"}
	work := engine.Work{
		Tasks: rangeOf(211, 211, true), Calls: rangeOf(420, 679, false), InputTokens: rangeOf(1.1e6, 2.72e6, false),
		OutputTokens: rangeOf(12_000, 54_300, false), CostUSD: rangeOf(0.31, 9.51, false), Seconds: rangeOf(40, 420, false),
		Basis: "history", Unpriced: []string{"judge"},
	}
	return &engine.Plan{
		ID: "x", Total: work,
		Steps: []engine.StepPlan{
			{Address: "threat_source.catalog.pairs", Status: engine.StatusHit, Known: true, Reason: "in the cache", RowsOut: 49, Work: none},
			{Address: "simulator.trajectory.scenarios", Status: engine.StatusHit, Known: true, RowsIn: 147, RowsHit: 294, RowsOut: 294, Work: none},
			{Address: "reflector.retry.safe", Status: engine.StatusRun, Known: true, RowsIn: 294, RowsHit: 83, RowsMiss: 211,
				Reason: "rounds and the model of slot judge changed, its input changed: 211 of 294 rows are not in the cache", Work: work},
			{Address: "judge.rubric.risk", Status: engine.StatusRun, RowsIn: 12, RowsMiss: 2, Reason: "its input must run first",
				Work: engine.Work{Tasks: rangeOf(2, 2, false), Calls: rangeOf(2, 2, false), CostUSD: rangeOf(0.02, 0.02, false), Basis: "history"}},
			{Address: "dataset.agent_safety", Status: engine.StatusRun, Reason: "its input must run first", Work: none},
		},
		Outputs: []engine.OutputPlan{
			{Address: "dataset.agent_safety.output.rows", Path: "dist/rows", Status: engine.StatusRun, Reason: "its input must run first"},
			{Address: "dataset.agent_safety.output.trl_dpo", Path: "dist/dpo", Status: engine.StatusNew, Reason: "these rows were not written in this form"},
		},
	}
}

func newPlan() *engine.Plan {
	any := rangeOf(0, math.Inf(1), false)
	unknown := engine.Work{Tasks: any, Calls: any, InputTokens: any, OutputTokens: any, CostUSD: any, Seconds: any, Basis: "unknown"}
	return &engine.Plan{ID: "y", Total: unknown, Steps: []engine.StepPlan{
		{Address: "threat_source.catalog.pairs", Status: engine.StatusNew, Known: true, Reason: "no such source is in the cache"},
		{Address: "simulator.instructions.cases", Status: engine.StatusRun, Reason: "its input must run first", Work: unknown},
	}}
}

func refs() (a, b provenance.Ref) {
	day := time.Date(2026, 11, 21, 12, 0, 0, 0, time.Local)
	return provenance.Ref{ID: "e5ae1571f11b", Time: day}, provenance.Ref{ID: "da0d58dd637f", Time: day.Add(time.Hour)}
}

func someParts() []provenance.PartDiff {
	return []provenance.PartDiff{
		{Name: "config.prompt", Kind: provenance.PartText, Change: "changed", Text: &provenance.TextDiff{Added: 1, Removed: 1, Hunks: []provenance.Hunk{{
			OldStart: 7, NewStart: 7, Lines: []provenance.Line{
				{Op: " ", Text: "You are a careful reviewer."},
				{Op: "-", Text: "  - Say why the action is unsafe, in one sentence, and what it would have done to whom if it had been carried out."},
				{Op: "+", Text: "  - Say why the action is unsafe, in two sentences, and what it would have done to whom if it had been carried out."},
			}}}}},
		{Name: "model.judge", Kind: provenance.PartJSON, Change: "changed", Values: []provenance.ValueDiff{{Path: "temperature", Before: "0", After: "0.2"}}},
		{Name: "config.rounds", Kind: provenance.PartJSON, Change: "changed", Values: []provenance.ValueDiff{{Before: "3", After: "2"}}},
		{Name: "files.path", Kind: provenance.PartFiles, Change: "changed", Files: &provenance.FilesDiff{
			Added: []provenance.FileChange{{Name: "new.jsonl"}}, AddedCount: 3, Changed: []provenance.FileChange{{Name: "tickets.jsonl"}}, ChangedCount: 1}},
		{Name: "code", Kind: provenance.PartCode, Change: "changed", Before: "behavior 3", After: "behavior 4"},
		{Name: "seed", Kind: provenance.PartPlain, Change: "added", After: "7"},
		{Name: "input", Kind: provenance.PartInput, Change: "changed", Before: strings.Repeat("a", 64), After: strings.Repeat("b", 64)},
	}
}

func someRows() *provenance.RowsDiff {
	return &provenance.RowsDiff{Before: 6, After: 12, Added: 7, Gone: 1, Changed: 1, AddedIDs: []string{"t1", "t2", "t3", "t4", "t5"}, GoneIDs: []string{"t9"},
		ChangedIDs: []provenance.RowChange{{ID: "t8", Columns: []string{"attempts", "context_type", "safe_action", "safe_verdict", "trajectory", "trigger", "trigger_verdict"}}}}
}

func someWhy() *provenance.WhyReport {
	a, _ := refs()
	return &provenance.WhyReport{
		Address: "reflector.retry.safe", Pending: true, Status: engine.StatusRun, Before: &a,
		Reason: "prompt, rounds and the model of slot judge changed: none of its rows is in the cache", Parts: someParts(), Same: 17, Input: someRows(),
		Causes: []provenance.Cause{{Address: "threat_source.jsonl.tickets", Via: []string{"simulator.trajectory.scenarios"}, Parts: someParts()[3:4]}},
		Notes:  []string{"The step's rows of the last build are no longer in the cache, so that they could not be compared."},
		Row: &provenance.RowWhy{ID: "t8", Input: "t8", Before: true, After: true, Columns: []provenance.ValueDiff{{Path: "text", Before: `"Delete all backups older than a day"`, After: `"Delete all backups, all that are older than a day"`}},
			Tasks: []provenance.TaskWhy{{Before: "x", After: "y", Outcome: "1 row", Calls: []provenance.CallDiff{
				{Change: "same", After: someCall()},
				{Change: "changed", Before: someCall(), After: someCall(), First: &provenance.MessageDiff{Index: 1, Role: "user", Text: *someParts()[0].Text}, More: 2},
			}}}},
	}
}

func someCall() *provenance.Call {
	cost := 0.0081
	return &provenance.Call{Key: "k", Stored: true, Purpose: "judge", Model: "gpt-4o-2024-08-06", InputTokens: 3152, OutputTokens: 24, CostUSD: &cost, Millis: 1830,
		Messages: []provenance.Message{{Role: "system", Content: "You are strict.\n\n" + strings.Repeat("  - A rule that is to be kept at all times.\n", 30)}, {Role: "user", Content: "Is it safe?"}},
		Reply:    &provenance.Reply{Content: `{"considered":"","label":"safe","reason":"Asking first leaves the decision with the user."}`, FinishReason: "stop"}}
}

func someDiff() *provenance.DiffReport {
	a, b := refs()
	parts := someParts()
	return &provenance.DiffReport{
		A: a, B: b, SameSteps: 2,
		Files:     []provenance.FileDiff{{Name: "recipe.hcl", Change: "changed", Text: parts[0].Text}, {Name: "prompts/new.tmpl", Change: "added"}},
		Variables: []provenance.ValueDiff{{Path: "samples", Before: "2", After: "3"}},
		Models:    []provenance.NamedDiff{{Name: "judge", Change: "changed", Values: parts[1].Values}},
		Steps: []provenance.StepDiff{
			{Address: "reflector.retry.safe", Change: "changed", Parts: parts, Rows: someRows(), Yield: &provenance.Numbers{Before: 0.949, After: 0.956},
				Made: &provenance.Numbers{Before: 513, After: 466}, Cost: &provenance.Numbers{Before: 2.74, After: 2.64}, Dropped: []provenance.Metric{{Name: "unsolved", Numbers: provenance.Numbers{Before: 15, After: 13}}}},
			{Address: "judge.rubric.risk", Change: "added"},
		},
		Outputs: []provenance.OutputDiff{
			{Address: "dataset.agent_safety", Format: "rows", Change: "same"},
			{Address: "dataset.agent_safety", Format: "trl_dpo", Change: "changed", Rows: &provenance.Numbers{Before: 96, After: 95}, Splits: []provenance.Metric{{Name: "test", Numbers: provenance.Numbers{Before: 12, After: 11}}}},
		},
		Calls:   provenance.CallsDiff{Before: engine.CallCounts{Made: 1866, InputTokens: 5_028_158, CostUSD: 8.23}, After: engine.CallCounts{Made: 1221, InputTokens: 3_772_849, CostUSD: 7.99}},
		Metrics: []provenance.Metric{{Name: "dataset rows", Numbers: provenance.Numbers{Before: 142, After: 144}}, {Name: "yield", Numbers: provenance.Numbers{Before: 0.5, After: 0.507}}},
	}
}

func someLineage() *provenance.LineageReport {
	a, _ := refs()
	return &provenance.LineageReport{
		Build: a, Address: "distill.training", ID: "t8", Found: true, Matches: 1,
		Origin: &provenance.Origin{Address: "threat_source.jsonl.tickets", Source: "jsonl", File: "tickets.jsonl", Index: 3, Licence: "CC-BY-4.0"},
		Path: []provenance.Hop{
			{Address: "distill.training", Kind: "distill", ID: "t8", Position: 3, Ops: []provenance.OpPass{
				{Position: 1, Op: provenance.Op{Kind: "filter", Name: "verified", Text: "row.safe_verdict.label == 'safe' && row.attempts.size() <= 8"}, Passed: true},
				{Position: 2, Op: provenance.Op{Kind: "dedupe", Name: "near", Text: "row.instruction", Similarity: 0.9}, Passed: true}}},
			{Address: "judge.rubric.risk", Kind: "role", Component: "judge rubric", ID: "t8", Position: 3, Writes: []string{"risk"},
				Task: &provenance.Task{Key: "k", Rows: 1, Stored: true, Calls: []provenance.Call{*someCall(), *someCall()}}},
		},
		Verdicts: []provenance.Verdict{{Path: "safe_verdict", Label: "safe", Reason: "Asking first leaves the decision with the user, and no tool is called at all."}},
		Row:      []byte(`{"id":"t8","risk":{"score":3,"reason":"It deletes what nobody can bring back, and nobody was asked before."},"text":"Delete all"}`),
	}
}

// What has no price is named as what it is.
func TestUnpriced(t *testing.T) {
	got := unpriced(engine.Work{Unpriced: []string{"judge"}, UnpricedTuned: []string{"finetune.a"}, UnpricedTrainings: []string{"finetune.b"}})
	if want := "model.judge, finetune.a and the training of finetune.b"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// An address with a key can be copied into a shell.
func TestPlanUnknown(t *testing.T) {
	unbounded := engine.StepPlan{Address: "distill.b", Status: engine.StatusRun, Work: engine.Work{Calls: engine.Range{High: math.Inf(1)}}}
	for address, want := range map[string]string{
		"simulator.a.x":      "-target simulator.a.x runs",
		`simulator.a.x["k"]`: `-target 'simulator.a.x["k"]' runs`,
	} {
		got := planUnknown(&engine.Plan{Steps: []engine.StepPlan{{Address: address, Status: engine.StatusRun}, unbounded}})
		if !strings.Contains(got, want) {
			t.Errorf("%s", got)
		}
	}
}
