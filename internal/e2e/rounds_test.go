package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestRounds builds recipes/rounds: the second round starts from what the first
// one's model failed at, and trains on none of the trial.
func TestRounds(t *testing.T) {
	t.Parallel()
	p := recipeOf(t, nil, "rounds")
	p.plain()
	if r := p.run("fmt", "-check", p.dir); r.code != 0 {
		t.Errorf("the recipe is not in canonical form: %s", r.stdout)
	}
	sum := p.mustBuild().sum
	rows := map[string]int64{}
	for _, s := range sum.Steps {
		rows[s.Address] = s.RowsOut
	}
	if rows["distill.weak"] == 0 || rows["simulator.instructions.cases_2"] < rows["distill.weak"] ||
		rows["dataset.round_2"] <= rows["dataset.round_1"] || rows["finetune.openai.round_2"] != 1 {
		t.Errorf("rows by step: %v", rows)
	}
	tried := map[string]bool{}
	for _, r := range splitLines(t, p, "trials") {
		tried[r.text("instruction")] = true
	}
	trained := 0
	for _, text := range files(t, filepath.Join(p.dist(), "round_2")) {
		trained += strings.Count(text, "\"messages\"")
		for instruction := range tried {
			if strings.Contains(text, instruction) {
				t.Errorf("the trial's instruction %s is trained on", instruction)
			}
		}
	}
	if len(tried) == 0 || trained == 0 {
		t.Errorf("%d instructions tried, %d rows trained on", len(tried), trained)
	}
	if again := p.mustBuild(); again.sum.Calls.Made != 0 || again.sum.totals() != sum.totals() {
		t.Errorf("again: %+v", again.sum)
	}
}
