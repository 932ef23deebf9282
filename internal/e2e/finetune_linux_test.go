package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// trained is a recipe that trains a model at an endpoint and asks it.
const trained = `
provider "openai" "main" {
  base_url = env("OPENAI_BASE_URL")
  api_key  = env("OPENAI_API_KEY")
}

provider "offline" "stand_in" {}

model "any" {
  provider = provider.offline.stand_in
}

threat_source "catalog" "pairs" {
  domains  = ["finance"]
  outcomes = ["financial_loss"]
  limit    = 2
}

simulator "instructions" "cases" {
  input = threat_source.catalog.pairs
  model = model.any
  count = 6
}

simulator "trajectory" "scenarios" {
  input       = simulator.instructions.cases
  agent       = model.any
  environment = model.any
  judge       = model.any
  samples     = 2
}

reflector "retry" "safe" {
  input     = simulator.trajectory.scenarios
  agent     = model.any
  judge     = model.any
  reflector = model.any
}

dataset "agent_safety" {
  input = reflector.retry.safe

  split {
    by     = "row.instruction"
    ratios = { train = 0.7, test = 0.3 }
  }
  output "rows" {
    path = "dist/rows"
  }
  output "openai_sft" {
    path = "dist/openai"
  }
}

finetune "openai" "agent" {
  input      = dataset.agent_safety
  validation = "test"
  provider   = provider.openai.main
  base_model = "gpt-4.1-mini-2025-04-14"
  epochs     = 2
  suffix     = "safe"

  price {
    training = 5
    input    = 0
    output   = 0
  }
}

model "tuned" {
  provider    = finetune.openai.agent
  temperature = 0.5
}

judge "rubric" "direct" {
  input  = reflector.retry.safe
  model  = finetune.openai.agent
  prompt = "Rate {{ .row.instruction }}"
}

judge "rubric" "tuned" {
  input  = judge.rubric.direct
  model  = model.tuned
  prompt = "Rate {{ .row.instruction }} once more"
}

dataset "rated" {
  input = judge.rubric.tuned

  output "rows" {
    path = "dist/rated"
  }
}
`

// polled has every job be asked about so often before it ends.
func polled(n int) llmtest.TuneOptions {
	return llmtest.TuneOptions{Plan: func(llmtest.Tune) llmtest.TunePlan { return llmtest.TunePlan{Polls: n, Steps: 4} }}
}

func training(t testing.TB, tunes llmtest.TuneOptions) (*project, *llmtest.Server) {
	t.Helper()
	server := start(t, llmtest.Options{Identity: steady, Tunes: tunes})
	return newProject(t, server, map[string]string{recipe: trained}), server
}

// wantJobs wants so many jobs, and gives the last one.
func wantJobs(t testing.TB, s *llmtest.Server, n int) llmtest.Tune {
	t.Helper()
	jobs := s.Tunes()
	if len(jobs) != n {
		t.Fatalf("%d jobs were made, want %d: %+v", len(jobs), n, jobs)
	}
	return jobs[n-1]
}

// asked are the models that were asked, each once.
func asked(s *llmtest.Server) map[string]int {
	n := map[string]int{}
	for _, r := range s.Requests() {
		n[r.Model]++
	}
	return n
}

// A model is trained on a dataset's files and used by the steps after it. What is
// done is never done again, and a change costs what hangs on it.
func TestFinetune(t *testing.T) {
	t.Parallel()
	p, server := training(t, polled(1))
	plan := p.run("plan", p.dir)
	if plan.code != 0 || !strings.Contains(plan.stdout, "after training: finetune.openai.agent must run first") {
		t.Errorf("plan: exit %d\n%s%s", plan.code, plan.stdout, plan.stderr)
	}
	first := p.mustBuild()
	job := wantJobs(t, server, 1)
	if string(job.Training) != p.read("dist/openai/train.jsonl") || string(job.Validation) != p.read("dist/openai/test.jsonl") {
		t.Error("it was not trained on the dataset's files")
	}
	if job.Model != "gpt-4.1-mini-2025-04-14" || job.Suffix != "safe" || string(job.Method) != `{"supervised":{"hyperparameters":{"n_epochs":2}},"type":"supervised"}` {
		t.Errorf("job %+v", job)
	}
	if len(job.Metadata["autosafe_finetune"]) != 64 || strings.Contains(fmt.Sprint(job.Metadata), p.key) {
		t.Errorf("metadata %v", job.Metadata)
	}
	if got := asked(server); len(got) != 1 || got[job.Tuned] == 0 {
		t.Errorf("asked %v, want %s alone", got, job.Tuned)
	}
	wantTraining(t, first, job)
	if usd := first.sum.Calls.CostUSD; usd != float64(len(job.Training))*5/1e6 { // a token is a byte there
		t.Errorf("it cost %v", usd)
	}

	calls := server.Calls()
	fresh := p.fork(t)
	if err := os.RemoveAll(filepath.Join(fresh.dir, "dist")); err != nil {
		t.Fatal(err)
	}
	for _, again := range []result{p.mustBuild(), p.mustBuild("-offline"), fresh.mustBuild("-offline")} {
		if again.sum.Calls.Made != 0 || again.sum.totals() != first.sum.totals() {
			t.Errorf("again: %d calls, totals\n%s\nwant\n%s", again.sum.Calls.Made, again.sum.totals(), first.sum.totals())
		}
	}
	if server.Calls() != calls {
		t.Error("the endpoint was asked again")
	}

	if cost := p.run("cost", p.dir); cost.code != 0 || !strings.Contains(strings.Join(strings.Fields(cost.stdout), " "), fmt.Sprintf("was trained on %d tokens", len(job.Training))) {
		t.Errorf("cost: exit %d\n%s%s", cost.code, cost.stdout, cost.stderr)
	}
	lost := p.fresh(t)
	if again := lost.mustBuild(); again.sum.Calls.CostUSD != 0 || again.sum.step(t, "finetune.openai.agent").Status != "run" {
		t.Errorf("without the cache: %+v", again.sum)
	}
	wantJobs(t, server, 1)

	p.edit(recipe, "once more", "twice")
	prompt := p.mustBuild()
	wantJobs(t, server, 1)
	if prompt.sum.step(t, "finetune.openai.agent").Status != "hit" || prompt.sum.step(t, "judge.rubric.tuned").Calls.Made == 0 || prompt.sum.step(t, "judge.rubric.direct").Calls.Made != 0 {
		t.Errorf("another prompt: %+v", prompt.sum.Steps)
	}
	p.edit(recipe, "limit    = 2", "limit    = 3")
	p.mustBuild()
	next := wantJobs(t, server, 2)
	if next.Metadata["autosafe_finetune"] == job.Metadata["autosafe_finetune"] || next.Tuned == job.Tuned || asked(server)[next.Tuned] == 0 {
		t.Errorf("other data: %+v", next)
	}
	why := p.run("why", "judge.rubric.direct", p.dir)
	if why.code != 0 || !strings.Contains(why.stdout, "threat_source.catalog.pairs") {
		t.Errorf("why: exit %d\n%s%s", why.code, why.stdout, why.stderr)
	}
	p.mustBuild("-refresh", "finetune.openai.agent")
	wantJobs(t, server, 3)
	p.mustBuild()
	wantJobs(t, server, 3)
}

// wantTraining wants the training to be told of as it went on, and its result to
// be shown.
func wantTraining(t *testing.T, r result, job llmtest.Tune) {
	t.Helper()
	var told struct {
		Address string             `json:"address"`
		Figures map[string]float64 `json:"figures"`
	}
	model := ""
	for line := range strings.Lines(r.stdout) {
		switch {
		case strings.HasPrefix(line, `{"type":"training"`):
			if err := json.Unmarshal([]byte(line), &told); err != nil {
				t.Error(err)
			}
		case strings.HasPrefix(line, `{"type":"step_finished","address":"finetune.openai.agent"`):
			var s struct {
				Model string `json:"model"`
			}
			if err := json.Unmarshal([]byte(line), &s); err != nil {
				t.Error(err)
			}
			model = s.Model
		}
	}
	if told.Address != "finetune.openai.agent" || told.Figures["loss"] <= 0 {
		t.Errorf("told %+v", told)
	}
	if model != job.Tuned {
		t.Errorf("the model is %q, want %q", model, job.Tuned)
	}
}

// A build is killed at each request that a training takes. The next one goes on,
// and no second job is made.
func TestFinetuneKilled(t *testing.T) {
	t.Parallel()
	for _, op := range []llmtest.BatchOp{
		llmtest.OpTuneList, llmtest.OpUpload, llmtest.OpTune, llmtest.OpTuneRetrieve, llmtest.OpTuneEvents, llmtest.OpTuneCheckpoints,
	} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprint(op, " ", after), func(t *testing.T) {
				t.Parallel()
				p, server := training(t, llmtest.TuneOptions{})
				p.ownBinary()
				if code, _ := p.endsAt(op, after, syscall.SIGKILL); code == 0 {
					t.Error("the build ended well")
				}
				wantGone(t, p.bin)
				p.mustBuild()
				job := wantJobs(t, server, 1)
				if string(job.Training) != p.read("dist/openai/train.jsonl") {
					t.Error("it was not trained on the dataset's files")
				}
			})
		}
	}
}

// An endpoint that keeps no metadata is asked for a job of the same file.
func TestFinetuneWithoutMetadata(t *testing.T) {
	t.Parallel()
	p, server := training(t, llmtest.TuneOptions{NoMetadata: true})
	p.ownBinary()
	p.endsAt(llmtest.OpTune, true, syscall.SIGKILL)
	wantGone(t, p.bin)
	p.mustBuild()
	wantJobs(t, server, 1)
}

// A build that is interrupted leaves its training to the endpoint and says so. It
// is listed, and cancelled on request; the next build then trains anew.
func TestFinetuneInterrupted(t *testing.T) {
	t.Parallel()
	p, server := training(t, polled(2))
	code, stderr := p.endsAt(llmtest.OpTuneRetrieve, true, os.Interrupt.(syscall.Signal))
	id := wantJobs(t, server, 1).ID
	if code != 130 || !strings.Contains(stderr, "The training "+id) || !strings.Contains(stderr, "autosafe finetunes cancel "+id) {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	again := p.fork(t)
	again.mustBuild()
	wantJobs(t, server, 1)

	for _, c := range []struct {
		args []string
		code int
		text string
	}{
		{[]string{"finetunes"}, 0, id},
		{[]string{"finetunes", "list", "-json"}, 0, `"step":"finetune.openai.agent"`},
		{[]string{"finetunes", "cancel"}, 64, "which training"},
		{[]string{"finetunes", "cancel", "ftjob-none", p.dir}, 1, "ftjob-none"},
		{[]string{"finetunes", "cancel", id, p.dir}, 0, id},
	} {
		if r := p.run(c.args...); r.code != c.code || !strings.Contains(r.stdout+r.stderr, c.text) {
			t.Errorf("%v: exit %d\n%s%s", c.args, r.code, r.stdout, r.stderr)
		}
	}
}

// A job that was cancelled is of the past: the next build makes another.
func TestFinetuneCancelled(t *testing.T) {
	t.Parallel()
	p, server := training(t, polled(1))
	p.endsAt(llmtest.OpTuneRetrieve, true, os.Interrupt.(syscall.Signal))
	id := wantJobs(t, server, 1).ID
	if r := p.run("finetunes", "cancel", id, p.dir); r.code != 0 || !strings.Contains(r.stdout, "cancelled") {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if r := p.run("finetunes"); !strings.Contains(r.stdout, "No training is under way") {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	p.mustBuild()
	wantJobs(t, server, 2)
}

// Somebody cancels the job at the endpoint while the build waits for it.
func TestFinetuneCancelledElsewhere(t *testing.T) {
	t.Parallel()
	p, server := training(t, polled(100))
	server.SetBatchFaults(llmtest.BatchFault{Op: llmtest.OpTuneRetrieve, Nth: []int{2}, Do: func() { server.EndTunes("cancelled") }})
	r := p.build()
	if r.code != 1 || !strings.Contains(r.stdout+r.stderr, "was cancelled; build again") {
		t.Errorf("exit %d\n%s\n%s", r.code, tail(r.stdout), tail(r.stderr))
	}
	server.SetBatchFaults(llmtest.BatchFault{Op: llmtest.OpTuneRetrieve, Do: func() { server.EndTunes("succeeded") }})
	p.mustBuild()
	wantJobs(t, server, 2)
}

// Trouble on the way costs time and no second job.
func TestFinetuneTrouble(t *testing.T) {
	t.Parallel()
	p, server := training(t, polled(1))
	server.SetBatchFaults(
		llmtest.BatchFault{Op: llmtest.OpUpload, Nth: []int{1}, Status: 500},
		llmtest.BatchFault{Op: llmtest.OpTune, Nth: []int{1}, Status: 503},
		llmtest.BatchFault{Op: llmtest.OpTune, Nth: []int{2}, After: true, Reset: true},
		llmtest.BatchFault{Op: llmtest.OpTuneRetrieve, Nth: []int{1}, Status: 500},
		llmtest.BatchFault{Op: llmtest.OpTuneRetrieve, Nth: []int{2}, Status: 429},
		llmtest.BatchFault{Op: llmtest.OpTuneEvents, Nth: []int{1}, Cut: true},
		llmtest.BatchFault{Op: llmtest.OpTuneCheckpoints, Nth: []int{1}, Status: 502},
	)
	p.mustBuild()
	wantJobs(t, server, 1)
}

// A training that comes to nothing says why, under a code of its own, and is done
// anew by the next build.
func TestFinetuneFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		plan llmtest.TunePlan
		text string
	}{
		{"files", llmtest.TunePlan{Status: "failed", Code: "invalid_training_file", Message: "Line 7 has no assistant message."}, "does not take the files"},
		{"quota", llmtest.TunePlan{Status: "failed", Code: "exceeded_quota", Message: "Pay."}, "credit is used up"},
		{"else", llmtest.TunePlan{Status: "failed", Code: "server_error", Message: "It broke."}, "It broke."},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			made := 0
			p, server := training(t, llmtest.TuneOptions{Plan: func(llmtest.Tune) llmtest.TunePlan {
				if made++; made == 1 {
					return c.plan
				}
				return llmtest.TunePlan{}
			}})
			r := p.build()
			if said := r.stdout + r.stderr; r.code != 1 || !strings.Contains(said, c.text) || !strings.Contains(said, c.plan.Message) {
				t.Errorf("exit %d\n%s\n%s", r.code, tail(r.stdout), tail(r.stderr))
			}
			if s := r.sum.step(t, "judge.rubric.direct"); s.Status != "skipped" {
				t.Errorf("%+v", s)
			}
			p.mustBuild()
			wantJobs(t, server, 2)
		})
	}
}

// A training that could pass the budget is not begun.
func TestFinetuneBudget(t *testing.T) {
	t.Parallel()
	p, server := training(t, llmtest.TuneOptions{})
	if r := p.build("-budget-usd", "0.05"); r.code != 6 {
		t.Errorf("exit %d\n%s\n%s", r.code, tail(r.stdout), tail(r.stderr))
	}
	wantNoJobs(t, server)
	if r := p.build("-offline"); r.code != 1 || !strings.Contains(r.stdout+r.stderr, "finetune.openai.agent was not trained") {
		t.Errorf("exit %d\n%s\n%s", r.code, tail(r.stdout), tail(r.stderr))
	}
	wantNoJobs(t, server)
	p.mustBuild("-budget-usd", "5")
	wantJobs(t, server, 1)
}

func wantNoJobs(t testing.TB, s *llmtest.Server) {
	t.Helper()
	if n := len(s.Tunes()); n != 0 {
		t.Fatalf("%d jobs were made", n)
	}
}

// trainer plays LLaMA-Factory: it logs in that one's shape, writes checkpoints,
// fails once in the middle, and goes on from the checkpoint that it is told.
const trainer = `set -e
test -z "$OPENAI_API_KEY"
test "$HF_TOKEN" = of-the-user
out=$(sed -n 's/^output_dir: "\(.*\)"$/\1/p' "$1")
from=$(sed -n 's/^resume_from_checkpoint: ".*checkpoint-\(.*\)"$/\1/p' "$1")
grep -q '^dataset: "autosafe_sft_train"$' "$1"
echo "run from ${from:-0}" >> runs
mkdir -p "$out"
step=${from:-0}
while [ $step -lt 6 ]; do
  step=$((step + 1))
  if [ $step = 5 ] && [ -z "$from" ]; then echo "out of memory" >&2; exit 3; fi
  echo "{\"current_steps\": $step, \"total_steps\": 6, \"loss\": 0.$((9 - step)), \"epoch\": $step.0}" >> "$out/trainer_log.jsonl"
  mkdir -p "$out/checkpoint-$step"
  echo '{}' > "$out/checkpoint-$step/trainer_state.json"
done
echo '{}' > "$out/adapter_config.json"
`

// commanded trains by a command, and asks an endpoint for what it made.
func commanded(t *testing.T) (*project, *llmtest.Server) {
	t.Helper()
	server := start(t, llmtest.Options{Identity: steady})
	p := newProject(t, server, map[string]string{recipe: trained, "trainer.sh": trainer})
	text := p.read(recipe)
	from, to := strings.Index(text, `finetune "openai"`), strings.Index(text, `model "tuned"`)
	text = text[:from] + `finetune "llamafactory" "agent" {
  input       = dataset.agent_safety
  validation  = "test"
  base_model  = "Qwen/Qwen2.5-7B-Instruct"
  path        = "models/agent"
  command     = ["sh", "` + filepath.Join(p.dir, "trainer.sh") + `"]
  environment = ["HF_TOKEN"]
  provider    = provider.openai.main
  name        = "agent-safe"
}

` + text[to:]
	text = strings.ReplaceAll(text, "finetune.openai.agent", "finetune.llamafactory.agent")
	text = strings.Replace(text, `output "openai_sft" {
    path = "dist/openai"`, `output "llamafactory" {
    path = "dist/llama"`, 1)
	p.write(recipe, text)
	p.env = append(p.env, "PATH="+os.Getenv("PATH"), "HF_TOKEN=of-the-user")
	return p, server
}

// A trainer is run as the recipe says, with what the user has but for the keys. One
// that fails goes on from its last checkpoint in the next build.
func TestFinetuneCommand(t *testing.T) {
	t.Parallel()
	p, server := commanded(t)
	r := p.build()
	if r.code != 1 || !strings.Contains(r.stdout+r.stderr, "out of memory") {
		t.Fatalf("exit %d\n%s\n%s", r.code, tail(r.stdout), tail(r.stderr))
	}
	again := p.mustBuild()
	if !strings.Contains(again.stdout, `{"type":"training","address":"finetune.llamafactory.agent"`) {
		t.Errorf("no line about the loss:\n%s", tail(again.stdout))
	}
	folders, err := filepath.Glob(filepath.Join(p.dir, "models", "agent", "*"))
	if err != nil || len(folders) != 1 {
		t.Fatalf("folders %v, %v", folders, err)
	}
	runs, err := os.ReadFile(filepath.Join(folders[0], "runs"))
	if err != nil || string(runs) != "run from 0\nrun from 4\n" {
		t.Errorf("%q, %v", runs, err)
	}
	if got := asked(server); len(got) != 1 || got["agent-safe"] == 0 {
		t.Errorf("asked %v", got)
	}
	var tuned struct {
		Steps int                          `json:"steps"`
		Curve []map[string]json.RawMessage `json:"curve"`
	}
	rows := p.rows("finetune.llamafactory.agent")
	if len(rows) != 1 || json.Unmarshal(rows[0]["curve"], &tuned.Curve) != nil || json.Unmarshal(rows[0]["steps"], &tuned.Steps) != nil || tuned.Steps != 6 || len(tuned.Curve) != 6 {
		t.Errorf("%v", rows)
	}

	// The same name stands for another model after another training: its answers
	// are not those of the one before.
	calls := server.Calls()
	if p.mustBuild(); server.Calls() != calls {
		t.Error("the endpoint was asked again")
	}
	p.edit(recipe, "  base_model  = ", "  epochs      = 3\n  base_model  = ")
	p.build() // it fails in the middle, as a new training
	p.mustBuild()
	if server.Calls() == calls {
		t.Error("the answers of the model before were taken for the new one's")
	}
}

// A build that is killed takes its trainer with it, and the next one goes on.
func TestFinetuneCommandKilled(t *testing.T) {
	t.Parallel()
	p, _ := commanded(t)
	p.ownBinary()
	mark := filepath.Join(p.dir, "reached")
	p.write("trainer.sh", strings.Replace(trainer, "  step=$((step + 1))\n", "  step=$((step + 1))\n  if [ $step = 3 ] && [ -z \"$from\" ]; then echo $$ > "+mark+"; exec sleep 3600; fi\n", 1))
	cmd := p.command("build", p.dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	eventually(t, "the trainer does not come to step 3", func() bool {
		b, err := os.ReadFile(mark)
		_, scan := fmt.Sscan(string(b), &pid)
		return err == nil && scan == nil
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // ProcessState tells
	eventually(t, "the trainer outlives the build", func() bool {
		_, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)) // of one that nobody has waited for, too, there is none
		return err != nil
	})
	wantGone(t, p.bin)
	p.mustBuild()
	folders, _ := filepath.Glob(filepath.Join(p.dir, "models", "agent", "*"))
	runs, err := os.ReadFile(filepath.Join(folders[0], "runs"))
	if err != nil || string(runs) != "run from 0\nrun from 2\n" {
		t.Errorf("%q, %v", runs, err)
	}
}

// The recipe is played by the stand-in, whose model is called what it is.
func TestFinetuneRecipe(t *testing.T) {
	t.Parallel()
	p := newProject(t, nil, nil)
	copyDir(t, p.dir, filepath.Join("..", "..", "recipes", "finetune"))
	first := p.mustBuild("-offline")
	rows := p.rows("finetune.openai.agent")
	if len(rows) != 1 || !strings.HasPrefix(rows[0].text("model"), "offline-1-tuned-") || !strings.Contains(first.stdout, `"offline_model":true`) {
		t.Errorf("%v", rows)
	}
	if after := first.sum.step(t, "simulator.trajectory.after"); after.RowsOut == 0 {
		t.Errorf("%+v", after)
	}
	if again := p.mustBuild(); again.sum.Calls.Made != 0 || again.sum.totals() != first.sum.totals() {
		t.Errorf("again: %+v", again.sum)
	}
	if r := p.run("validate", "-var", "rehearse=false", p.dir); r.code != 0 {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}
