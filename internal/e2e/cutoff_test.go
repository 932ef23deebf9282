package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec/ots"
)

// TestEarlyCutOff changes one step after the other of a pipeline in a way that
// leaves its rows what they were: whatever comes after it is a hit, down to
// the outputs, and no model is asked but those of the step.
func TestEarlyCutOff(t *testing.T) {
	t.Parallel()
	server := start(t, llmtest.Options{Identity: steady, UnsafeShare: 0.5})
	base := pipeline(t, server)
	base.plain()
	base.write(recipe, strings.Replace(base.read(recipe), "distill \"training\" {\n  input = reflector.retry.safe", `judge "rubric" "quality" {
  input  = reflector.retry.safe
  model  = model.judge
  prompt = "«A» How good is {{ .row.instruction }}?"
}

distill "training" {
  input = judge.rubric.quality`, 1))
	base.edit(recipe, "count = 4", "count = 4\n  prompt = \"«A» Write a task for {{ .toolkits }}, {{ .instruction_type }}, sample {{ .sample }}.\"")
	base.mustBuild()
	order := []string{stepSource, stepCases, stepScenarios, stepSafe, "judge.rubric.quality", stepTraining}
	for _, tt := range []struct {
		step   string
		models []string // that are asked
		apply  func(p *project)
	}{
		{stepSource, nil, func(p *project) {
			p.write(toolkitsFolder+"/post.json", " "+strings.ReplaceAll(p.read(toolkitsFolder+"/post.json"), "\n", "\n "))
		}},
		{stepCases, []string{"generator"}, replace(recipe, "«A» Write", "«B» Write")},
		{stepScenarios, []string{"agent"}, replace(recipe, "«A» You work", "«B» You work")},
		{stepSafe, []string{"reflector"}, replace(reflectPrompt, "«A»", "«B»")},
		{"judge.rubric.quality", []string{"judge"}, replace(recipe, "«A» How good", "«B» How good")},
		{stepTraining, nil, replace(recipe, "row.safe_verdict.label == 'safe'", "'safe' == row.safe_verdict.label")},
	} {
		t.Run(tt.step, func(t *testing.T) {
			t.Parallel()
			p := base.fork(t)
			tt.apply(p)
			got := p.mustBuild().sum
			if models := slices.Sorted(maps.Keys(p.asked())); !slices.Equal(models, tt.models) {
				t.Errorf("%v were asked, want %v", models, tt.models)
			}
			for i, address := range order {
				if st := got.step(t, address); st.Status != "hit" && i != slices.Index(order, tt.step) {
					t.Errorf("%s: %s, though nothing changed for it", address, st.Status)
				}
			}
			for _, o := range got.Outputs {
				if o.Status != "hit" {
					t.Errorf("%s was written anew", o.Path)
				}
			}
			sameFiles(t, p.dist(), base.dist())
		})
	}
}

// TestTurnLevelReuse changes what a trajectory's prompts say from its fourth
// step on: the steps before it are not paid for again.
func TestTurnLevelReuse(t *testing.T) {
	t.Parallel()
	for _, answers := range []struct {
		name     string
		identity func(llmtest.Request) []byte
	}{{"equal answers", steady}, {"new answers", nil}} {
		t.Run(answers.name, func(t *testing.T) {
			t.Parallel()
			server := start(t, llmtest.Options{Identity: answers.identity, UnsafeShare: 0.1, CallShare: 0.95})
			base := pipeline(t, server)
			base.plain()
			base.edit(recipe, "max_steps    = 4", "max_steps    = 7\n  judge_prompt = \"Judge {{ json .action }} after {{ json .trajectory }} for {{ .instruction }}{{ if ge (len .trajectory) 3 }} «J»{{ end }}\"\n  environment_prompt = \"Be {{ .tool.name }} for {{ json .action }} after {{ json .trajectory }}{{ if ge (len .trajectory) 3 }} «E»{{ end }}\"")
			base.edit(recipe, "«A» You work for a user with the tools {{ join \\\", \\\" .toolkits }}.", "Work with {{ join \\\", \\\" .toolkits }}.{{ if ge .step 4 }} «A»{{ end }}")
			base.edit(recipe, "adversarial  = 0.5", "adversarial  = 0")
			base.mustBuild()
			behind := told(t, base)
			known := base.bodies()
			for _, tt := range []struct{ model, old, new string }{
				{"agent", ".step 4 }} «A»", ".step 4 }} «B»"},
				{"judge", "«J»", "«K»"},
				{"environment", "«E»", "«F»"},
			} {
				t.Run(tt.model, func(t *testing.T) {
					t.Parallel()
					p := base.fork(t)
					p.edit(recipe, tt.old, tt.new)
					p.mustBuild()
					whole := p.fresh(t)
					whole.mustBuild()
					sameFiles(t, p.dist(), whole.dist())
					missing := whole.bodies()
					for body := range known {
						delete(missing, body)
					}
					if asked := p.bodies(); !maps.Equal(asked, missing) {
						t.Errorf("%d calls, %d of them different; a build from nothing makes %d that were not known", sum(asked), len(asked), sum(missing))
					}
					if answers.identity == nil {
						return
					}
					late := lateCalls(t, base)[tt.model]
					if all := len(behind[tt.model]); late < 4 || late > all/2 {
						t.Errorf("%d of %d calls are late: the test proves little", late, all)
					}
					wantAsked(t, p, map[string]int{tt.model: late})
				})
			}
		})
	}
}

// lateCalls counts the distinct calls of a trajectory simulator from its
// fourth step on, by model, from its rows.
func lateCalls(t testing.TB, p *project) map[string]int {
	t.Helper()
	c := calls{}
	for _, r := range otsRows(t, p.rows(stepScenarios)) {
		sample := r.ID[strings.LastIndexByte(r.ID, '.')+1:]
		last := r.Trigger
		if r.Kind == ots.KindOrdinary {
			last = r.SafeAction
		}
		for i := 3; i <= len(r.Trajectory); i++ {
			before, action := r.Trajectory[:i], last
			if i < len(r.Trajectory) {
				action = &r.Trajectory[i].Action
				c.add("environment", sample, r.Instruction, before, fmt.Sprint(action))
			}
			c.add("agent", sample, r.Instruction, before)
			c.add("judge", sample, r.Instruction, before, done(action))
		}
	}
	return c.counts()
}
