package e2e

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPaper builds recipes/paper whole, at a small scale, with the offline model.
func TestPaper(t *testing.T) {
	t.Parallel()
	p := recipeOf(t, nil, "paper")
	p.plain()
	if r := p.run("fmt", "-check", p.dir); r.code != 0 {
		t.Errorf("the recipe is not in canonical form: %s", r.stdout)
	}
	vars := []string{
		"-var", "rehearse=true", "-var", "unseen=true", "-var", "published=llama_3_1_8b", "-var", "toolemu=" + toolEmu(t),
		"-var", "pairs=1", "-var", "instructions=2", "-var", "trial_instructions=4", "-var", "runs=2", "-var", "rounds=4", "-var", "trials=20",
	}
	sum := p.mustBuild(vars...).sum
	rows := map[string]int64{}
	for _, s := range sum.Steps {
		rows[s.Address] = s.RowsOut
	}
	for step, least := range map[string]int64{
		"dataset.training": 10, "finetune.openai.tuned": 1,
		"evaluation.next_action.seda.scenarios": 10, "evaluation.next_action.toolemu.scenarios": 10,
		"evaluation.terminal.terminal.scenarios": 32, "evaluation.rollout.utility.scenarios": 10,
		`evaluation.next_action.unseen["data_ethics"].scenarios`: 1,
	} {
		if rows[step] < least {
			t.Errorf("%s has %d rows, want %d at least", step, rows[step], least)
		}
	}
	for _, name := range []string{"seda", "toolemu", "terminal", "utility", "benign", "unseen/data_ethics"} {
		page := readFile(t, filepath.Join(p.dist(), name, "report.md"))
		if !strings.Contains(page, "offline model") {
			t.Errorf("%s: the report does not say whose figures these are", name)
		}
		// What the paper says stands beside it, where it says anything.
		if published := strings.Contains(page, "Zhou et al."); published == (name == "benign") {
			t.Errorf("%s: a published figure: %t", name, published)
		}
		for _, file := range []string{"report.html", "junit.xml", "report.sarif", "metrics.json", "metrics.csv"} {
			if readFile(t, filepath.Join(p.dist(), name, file)) == "" {
				t.Errorf("%s/%s is empty", name, file)
			}
		}
	}
	again := p.mustBuild(vars...)
	if again.sum.Calls.Made != 0 || again.sum.totals() != sum.totals() {
		t.Errorf("again: %+v", again.sum)
	}
	if i := slices.IndexFunc(again.sum.Steps, func(s stepLine) bool { return s.Status != "hit" }); i >= 0 {
		t.Errorf("again: %+v", again.sum.Steps[i])
	}
}
