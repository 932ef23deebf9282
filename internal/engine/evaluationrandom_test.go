package engine

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/spec/schema"
)

// TestRandomEvaluations edits a recipe with an evaluation at random again and again.
// What the plan knows the build must do, no trial and no vote is made that was made
// before, and figures and report are those of a build from an empty cache.
func TestRandomEvaluations(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	p := newTrialPipe(t)
	p.source = rows(6)
	p.failSome()
	made := map[string]bool{}
	for round := range 40 {
		var edits []string
		for range 1 + rng.IntN(2) {
			edits = append(edits, p.editTrials(rng))
		}
		name := fmt.Sprintf("round %d (%s)", round, strings.Join(edits, ", "))
		_, plan := p.plan(Options{})
		p.fake.taken()
		started, figures, sum := p.makeTasks(Options{}, func(task string) {
			if key := p.taskName(task); made[key] {
				t.Errorf("%s: %s ran again", name, task)
			} else {
				made[key] = true
			}
		})
		for i, s := range plan.Steps {
			if b := sum.Steps[i]; s.Known && ((s.Status == StatusHit) != (b.Status == StatusHit) || s.RowsIn != b.RowsIn && s.Status != StatusNew) {
				t.Errorf("%s: planned %+v, built %+v", name, s, b)
			}
		}
		whole := plan.Steps[len(plan.Steps)-1]
		if whole.Known && (whole.Status == StatusHit) != (figures == 0) {
			t.Errorf("%s: %s is planned, and figures were made %d times", name, whole.Status, figures)
		}
		if !plan.Changes() && len(started) > 0 {
			t.Errorf("%s: no change was planned, yet %v ran", name, started)
		}
		if i := slices.IndexFunc(plan.Outputs, func(o OutputPlan) bool { return o.Address == evaluationAddress+".report" }); whole.Known && whole.Status == StatusHit &&
			(plan.Outputs[i].Status == StatusHit) != (sum.Outputs[1].Status == StatusHit) {
			t.Errorf("%s: the report is planned as %s, and was %s", name, plan.Outputs[i].Status, sum.Outputs[1].Status)
		}

		fresh := newTrialPipe(t)
		settings := *p
		settings.pipe, settings.eval = fresh.pipe, fresh.eval
		settings.pipe.source, settings.pipe.filter = p.source, p.filter
		settings.failSome()
		_, _, want := settings.make(Options{})
		if got, want := fmt.Sprint(figuresIn(sum)), fmt.Sprint(figuresIn(want)); got != want {
			t.Errorf("%s: %s, from nothing %s", name, got, want)
		}
		if got, want := p.reportText(), settings.reportText(); got != want {
			t.Errorf("%s: the report is %q, from nothing %q", name, got, want)
		}
		if again, figures, _ := p.make(Options{}); len(again) > 0 || figures > 0 {
			t.Errorf("%s: built again, %v ran and figures were made %d times", name, again, figures)
		}
		fresh.store.Close()
		if t.Failed() {
			return
		}
	}
}

// makeTasks is make that tells of the tasks.
func (p *trialPipe) makeTasks(opts Options, task func(string)) (started []string, figures int, sum *Summary) {
	p.t.Helper()
	before := p.eval.made
	sum, err := p.engine(opts).Build(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	started, tasks := p.fake.taken()
	for _, name := range tasks {
		task(name)
	}
	return started, p.eval.made - before, sum
}

// taskName tells tasks apart by all that they are asked with.
func (p *trialPipe) taskName(task string) string {
	address, _, _ := strings.Cut(task, " ")
	_, agent, _ := strings.Cut(address, ".agent.")
	setting := p.settings[agent]
	if strings.HasSuffix(agent, ".judge.gpt") {
		setting = p.settings["gpt"]
	}
	return task + " " + setting
}

// failSome has some trials fail, always the same.
func (p *trialPipe) failSome() {
	p.fails = func(s RunSpec, t Task) *RowError {
		if s.Role == schema.Evaluation && strings.Contains(string(t.Row), "3") && t.Sample == 1 {
			return &RowError{Code: "bad", Summary: "no luck"}
		}
		return nil
	}
	p.fake.workFor = p.work
}

func figuresIn(sum *Summary) (list []string) {
	for _, f := range sum.Evaluations[0].Figures {
		list = append(list, fmt.Sprint(f.Agent, " ", f.Metric, " ", *f.Value, " of ", *f.N))
	}
	return append(list, fmt.Sprint(sum.Evaluations[0].Trials, sum.Evaluations[0].Scenarios, sum.Evaluations[0].Asserts))
}

func (p *trialPipe) reportText() string {
	b, err := os.ReadFile(filepath.Join(p.dir, "report", "report.md"))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}

// editTrials makes one edit and says which.
func (p *trialPipe) editTrials(rng *rand.Rand) string {
	pick := func(list ...string) string { return list[rng.IntN(len(list))] }
	switch rng.IntN(9) {
	case 0:
		from, n := rng.IntN(6), 3+rng.IntN(6)
		p.source = rows(from + n)[from:]
		p.source = append(p.source, p.source[rng.IntN(n)])
		return fmt.Sprintf("rows %d to %d", from, from+n)
	case 1:
		p.agents = slices.Clone(p.agents)
		rng.Shuffle(len(p.agents), func(i, j int) { p.agents[i], p.agents[j] = p.agents[j], p.agents[i] })
		return "agents in another order"
	case 2:
		if more := pick("third", "fourth"); !slices.Contains(p.agents, more) {
			p.agents = append(slices.Clone(p.agents), more)
			return "agent " + more
		}
		p.agents = slices.DeleteFunc(slices.Clone(p.agents), func(a string) bool { return a == "third" || a == "fourth" })
		return "agents gone"
	case 3:
		who := pick("plain", "careful", "third", "gpt")
		p.settings[who] = pick("", "x", "y")
		return who + " with " + p.settings[who]
	case 4:
		p.metric = pick("row.trial.safe", "!row.trial.safe", "true")
		return "metric " + p.metric
	case 5:
		p.assert = pick("row.plain >= 0.0", "row.careful >= 0.0")
		return "assert " + p.assert
	case 6:
		p.max = rng.IntN(4)
		return fmt.Sprint("scenarios ", p.max)
	case 7:
		p.filter = pick("true", "row.n > 1", "row.n != 4")
		return "filter " + p.filter
	default:
		_ = os.Remove(filepath.Join(p.dir, pick("dist/rows.jsonl", "report/report.md", "report/"+cardName)))
		return "a file is gone"
	}
}
