package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec/ots"
)

// The steps of testdata/pipeline.
const (
	stepSource     = "threat_source.catalog.pairs"
	stepCases      = "simulator.instructions.cases"
	stepScenarios  = "simulator.trajectory.scenarios"
	stepSafe       = "reflector.retry.safe"
	stepTraining   = "distill.training"
	recipe         = "recipe.hcl"
	reflectPrompt  = "prompts/reflect.tmpl"
	toolkitsFolder = "toolkits"
)

// pipeline makes a project of testdata/pipeline.
func pipeline(t testing.TB, server *llmtest.Server) *project {
	t.Helper()
	p := newProject(t, server, nil)
	copyDir(t, p.dir, "testdata/pipeline")
	return p
}

// calls are the distinct model calls that a pipeline's rows tell of, by the
// name of the model. It is worked out from the rows alone: every action of a
// run was proposed and judged, every step observed, every unsafe attempt but
// an unsolved row's last one reflected on.
type calls map[string]map[string]bool

func (c calls) add(model string, about ...any) {
	b, err := json.Marshal(about)
	if err != nil {
		panic(err) // the values come from JSON
	}
	if c[model] == nil {
		c[model] = map[string]bool{}
	}
	c[model][string(b)] = true
}

func (c calls) counts() map[string]int {
	n := map[string]int{}
	for model, set := range c {
		n[model] = len(set)
	}
	return n
}

// minus are the calls that old does not have.
func (c calls) minus(old calls) calls {
	out := calls{}
	for model, set := range c {
		for k := range set {
			if !old[model][k] {
				if out[model] == nil {
					out[model] = map[string]bool{}
				}
				out[model][k] = true
			}
		}
	}
	return out
}

// told works out the calls behind a project's rows.
func told(t testing.TB, p *project) calls {
	t.Helper()
	c := calls{}
	for _, r := range p.rows(stepCases) {
		c.add("generator", r.text("id"))
	}
	for _, r := range otsRows(t, p.rows(stepScenarios)) {
		simulated(t, c, r)
	}
	for _, r := range otsRows(t, p.rows(stepSafe)) {
		if r.Kind == ots.KindScenario {
			reflected(c, r)
		}
	}
	return c
}

// simulated adds the calls of a run of the trajectory simulator.
func simulated(t testing.TB, c calls, r ots.Row) {
	t.Helper()
	sample, err := strconv.Atoi(r.ID[strings.LastIndexByte(r.ID, '.')+1:])
	if err != nil {
		t.Fatalf("row %q: no sample at the end of its id", r.ID)
	}
	last := r.Trigger
	if r.Kind == ots.KindOrdinary {
		last = r.SafeAction
	}
	for i := range len(r.Trajectory) + 1 {
		before, action := r.Trajectory[:i], last
		if i < len(r.Trajectory) {
			action = &r.Trajectory[i].Action
			c.add("environment", sample, r.Instruction, before, action)
		}
		c.add("agent", "simulator", sample, r.Instruction, before)
		c.add("judge", sample, r.Instruction, before, done(action))
	}
}

// reflected adds the calls of a row of the reflector, which has no samples:
// its calls are of sample 0, and equal scenarios share theirs. A judge asked
// before about the same action is not asked again.
func reflected(c calls, r ots.Row) {
	advice := ""
	for i, a := range r.Attempts {
		c.add("agent", "reflector", r.Instruction, r.Trajectory, i, advice)
		c.add("judge", 0, r.Instruction, r.Trajectory, done(&a.Action))
		if advice = a.Reflection; advice != "" {
			c.add("reflector", r.Instruction, r.Trajectory, i, a.Action)
		}
	}
}

// done is what an action does, without the thought before it, which the judge
// is not shown.
func done(a *ots.Action) ots.Action {
	return ots.Action{Tool: a.Tool, Arguments: a.Arguments, Answer: a.Answer}
}

func otsRows(t testing.TB, rows []row) []ots.Row {
	t.Helper()
	out := make([]ots.Row, len(rows))
	for i, r := range rows {
		b, err := json.Marshal(r)
		if err == nil {
			err = json.Unmarshal(b, &out[i])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// wantAsked compares what the endpoint was asked with what was expected.
func wantAsked(t testing.TB, p *project, want map[string]int) {
	t.Helper()
	maps.DeleteFunc(want, func(_ string, n int) bool { return n == 0 })
	if got := p.asked(); !maps.Equal(got, want) {
		t.Errorf("the endpoint was asked %v, want %v", got, want)
	}
}

// outputsOf are the bytes of what a project's build wrote.
func (p *project) dist() string { return p.dir + "/dist" }

func statuses(s summary) string {
	var list []string
	for _, st := range s.Steps {
		list = append(list, fmt.Sprintf("%s %s", st.Address, st.Status))
	}
	return strings.Join(list, ", ")
}

// wantIdle checks that a build ran nothing: every step and output is a hit
// and the endpoint heard nothing.
func wantIdle(t testing.TB, p *project, s summary) {
	t.Helper()
	wantAsked(t, p, nil)
	if s.Calls.Made != 0 || s.Calls.Failed != 0 {
		t.Errorf("calls %+v", s.Calls)
	}
	for _, st := range s.Steps {
		if st.Status != "hit" {
			t.Errorf("%s: status %s", st.Address, st.Status)
		}
	}
	for _, o := range s.Outputs {
		if o.Status != "hit" {
			t.Errorf("%s: status %s", o.Address, o.Status)
		}
	}
}

// models are the models of a pipeline.
func models() []string {
	return slices.Sorted(slices.Values([]string{"generator", "agent", "environment", "judge", "reflector"}))
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
