package trainer

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/sdktest"
	"github.com/autosafe/autosafe/spec/schema"
)

func plugin() sdk.Plugin {
	return sdk.Plugin{Name: "test", Version: "1.0.0", Finetunes: map[string]sdk.Component{
		"axolotl": Axolotl(), "llamafactory": LLaMAFactory(), "trl": TRL(),
	}}
}

const info = `{
  "autosafe_sft_train": {"file_name": "train.jsonl", "formatting": "sharegpt"},
  "autosafe_sft_test": {"file_name": "test.jsonl", "formatting": "sharegpt"}
}`

// data is a folder of an output, and what of it is trained on.
func data(t *testing.T, format string) (string, sdk.TrainingData) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"train.jsonl": "{}\n", "test.jsonl": "{}\n", "dataset_info.json": info, "llamafactory.yml": "# What is asked for.\nstage: sft\nmask_history: true\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir, sdk.TrainingData{
		Format: format, Train: []sdk.TrainingFile{{Name: "train.jsonl", Rows: 1, Bytes: 3}}, Validation: []sdk.TrainingFile{{Name: "test.jsonl", Rows: 1, Bytes: 3}},
		Other: []sdk.TrainingFile{{Name: "dataset_info.json"}, {Name: "llamafactory.yml"}},
	}
}

// trained runs a component with the test's binary for a trainer.
func trained(t *testing.T, component, config, how, work string) sdktest.Result {
	t.Helper()
	t.Setenv(fakeVar, how)
	format := map[string]string{"axolotl": "axolotl_sft", "llamafactory": "llamafactory", "trl": "trl_sft"}[component]
	dir, files := data(t, format)
	return sdktest.Train(t, plugin(), component, config, work, files, sdktest.Training{DataDir: dir, ID: "x", Model: "agent-safe", Command: []string{os.Args[0]}})
}

// A trainer that crashes is started again by the next build, and goes on from its
// last checkpoint. The loss is told as it falls, each step once.
func TestCrashAndResume(t *testing.T) {
	for component, how := range map[string]string{"llamafactory": "", "trl": " script", "axolotl": " prints"} {
		t.Run(component, func(t *testing.T) {
			work := t.TempDir()
			r := trained(t, component, `{"base_model":"Qwen/Qwen2.5-7B-Instruct"}`, "crash"+how, work)
			if r.Failure == nil || r.Failure.Code != "training_failed" || !strings.Contains(r.Failure.Detail, "segmentation fault") {
				t.Fatalf("the crash: %+v", r)
			}
			r = trained(t, component, `{"base_model":"Qwen/Qwen2.5-7B-Instruct"}`, "crash"+how, work)
			if r.Failure != nil || len(r.Tasks) != 1 {
				t.Fatalf("after the crash: %+v", r)
			}
			var tuned sdk.Tuned
			if err := json.Unmarshal([]byte(r.Tasks[0].Rows[0]), &tuned); err != nil {
				t.Fatal(err)
			}
			if tuned.Model != "agent-safe" || tuned.Base != "Qwen/Qwen2.5-7B-Instruct" || tuned.Folder != filepath.Base(work)+"/output" || tuned.Steps != 8 {
				t.Errorf("%+v", tuned)
			}
			if n := len(tuned.Checkpoints); n != 4 || tuned.Checkpoints[n-1].Step != 8 {
				t.Errorf("checkpoints %+v", tuned.Checkpoints)
			}
			for i, p := range tuned.Curve {
				if p.Step != i+1 || p.Loss == nil || *p.Loss != 2/float64(p.Step) && component != "axolotl" || p.Epoch == nil {
					t.Errorf("point %d: %+v", i, p)
				}
			}
			if len(tuned.Curve) != 8 || len(r.Progress) == 0 {
				t.Errorf("%d points, told %v", len(tuned.Curve), r.Progress)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	for _, c := range []struct{ config, how, code, text string }{
		{`{"base_model":"m"}`, "fails", "training_failed", "CUDA out of memory"},
		{`{"base_model":"m"}`, "nothing", "no_model", "left no model"},
		{`{"base_model":"m","stage":"dpo"}`, "", "unfitting_data", `stage "sft"`},
	} {
		r := trained(t, "llamafactory", c.config, c.how+" x", t.TempDir())
		if r.Failure == nil || r.Failure.Code != c.code || !strings.Contains(r.Failure.Summary+r.Failure.Detail, c.text) {
			t.Errorf("%s: %+v", c.code, r.Failure)
		}
	}
	dir, files := data(t, "llamafactory")
	r := sdktest.Train(t, plugin(), "llamafactory", `{"base_model":"m"}`, t.TempDir(), files, sdktest.Training{DataDir: dir, Command: []string{"no-such-trainer"}})
	if r.Failure == nil || r.Failure.Code != "no_command" {
		t.Errorf("%+v", r.Failure)
	}
}

// Without a whole checkpoint LLaMA-Factory is told to begin anew: a half one, or a
// log that an earlier run has left, would stop it otherwise.
func TestLLaMAFactoryBeginsAnew(t *testing.T) {
	work := t.TempDir()
	dir, files := data(t, "llamafactory")
	job := &sdk.Job{Data: files, Dir: dir, Work: work}
	c := LLaMAFactoryConfig{LoRA: LoRA{BaseModel: "m"}, Stage: "sft"}
	half := filepath.Join(work, outName, "checkpoint-20")
	for _, state := range []string{"", filepath.Join(half, "trainer_state.json")} {
		if err := os.MkdirAll(half, 0o777); err != nil {
			t.Fatal(err)
		}
		if state != "" {
			if err := os.WriteFile(state, []byte("{}"), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		text, err := c.yaml(job, llamaFactoryData{train: []string{"d"}})
		if err != nil {
			t.Fatal(err)
		}
		got := flat(t, text)
		if resumes := got["resume_from_checkpoint"] == half; resumes != (state != "") || got["overwrite_output_dir"] != (state == "") {
			t.Errorf("with state %q: %s", state, text)
		}
	}
}

// All of a log is read, however long it is, and lines without a number count.
func TestLongLog(t *testing.T) {
	work := t.TempDir()
	text := "{'loss': 2.0, 'epoch': 0.1}\n{'loss': nan, 'epoch': 0.2}\n" + strings.Repeat("x", maxLog) + "\n{'loss': 0.5, 'epoch': 0.3}\n"
	if err := os.WriteFile(filepath.Join(work, logName), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	tr := &training{job: &sdk.Job{Work: work}, read: printedLoss()}
	tr.catchUp()
	if n := len(tr.curve); n != 2 || tr.curve[1].Step != 3 || *tr.curve[1].Loss != 0.5 {
		t.Errorf("%+v", tr.curve)
	}
}

// flat reads YAML whose values are JSON, as yaml writes it: the subset that all
// readers of YAML take alike.
func flat(t *testing.T, text []byte) map[string]any {
	t.Helper()
	out := map[string]any{}
	for s := bufio.NewScanner(strings.NewReader(string(text))); s.Scan(); {
		if strings.HasPrefix(s.Text(), "#") {
			continue
		}
		name, value, ok := strings.Cut(s.Text(), ": ")
		var v any
		if err := json.Unmarshal([]byte(value), &v); !ok || err != nil {
			t.Fatalf("%q: %v", s.Text(), err)
		}
		out[strings.Trim(name, `"`)] = v
	}
	return out
}

func configured(t *testing.T, component, config string) map[string]any {
	t.Helper()
	work := t.TempDir()
	if r := trained(t, component, config, "well", work); r.Failure != nil || len(r.Diagnostics) > 0 {
		t.Fatalf("%+v", r)
	}
	name := "train.yaml"
	if component == "trl" {
		name = "config.json"
	}
	text, err := os.ReadFile(filepath.Join(work, name))
	if err != nil {
		t.Fatal(err)
	}
	if component != "trl" {
		return flat(t, text)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// wantSettings wants settings to have these values.
func wantSettings(t *testing.T, got, want map[string]any) {
	t.Helper()
	for name, v := range want {
		if g, err := json.Marshal(got[name]); err != nil || string(g) != string(must(t, v)) {
			t.Errorf("%s is %s, want %s", name, g, must(t, v))
		}
	}
}

func must(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The defaults are the paper's setting, under the names that LLaMA-Factory's
// arguments have (its examples/train_qlora).
func TestLLaMAFactorySettings(t *testing.T) {
	got := configured(t, "llamafactory", `{"base_model":"meta-llama/Llama-3.1-8B-Instruct","template":"llama3","settings":{"flash_attn":"fa2","learning_rate":1e-7,"lora_dropout":0.1}}`)
	wantSettings(t, got, map[string]any{
		"model_name_or_path": "meta-llama/Llama-3.1-8B-Instruct", "stage": "sft", "do_train": true, "finetuning_type": "lora",
		"quantization_bit": 4, "lora_rank": 2, "lora_alpha": 4, "lora_target": "all",
		"dataset": "autosafe_sft_train", "eval_dataset": "autosafe_sft_test", "template": "llama3", "mask_history": true,
		"lr_scheduler_type": "cosine", "warmup_ratio": 0.1, "num_train_epochs": 5.0, "per_device_train_batch_size": 1, "gradient_accumulation_steps": 8,
		"overwrite_output_dir": true, "flash_attn": "fa2", "learning_rate": 1e-7, "lora_dropout": 0.1,
	})
	if _, ok := got["resume_from_checkpoint"]; ok {
		t.Error("it goes on from a checkpoint that is not there")
	}
	got = configured(t, "llamafactory", `{"base_model":"m"}`)
	wantSettings(t, got, map[string]any{"learning_rate": 5e-5})
	got = configured(t, "llamafactory", `{"base_model":"m","rank":0,"bits":0}`)
	wantSettings(t, got, map[string]any{"finetuning_type": "full"})
	for _, name := range []string{"quantization_bit", "lora_rank"} {
		if _, ok := got[name]; ok {
			t.Errorf("%s is set", name)
		}
	}
}

func TestAxolotlSettings(t *testing.T) {
	got := configured(t, "axolotl", `{"base_model":"m"}`)
	wantSettings(t, got, map[string]any{
		"base_model": "m", "load_in_4bit": true, "adapter": "qlora", "lora_r": 2, "lora_alpha": 4, "lora_target_linear": true,
		"num_epochs": 5.0, "learning_rate": 5e-5, "lr_scheduler": "cosine", "warmup_ratio": 0.1, "logging_steps": 1,
	})
	set, ok := got["datasets"].([]any)
	if !ok || len(set) != 1 {
		t.Fatalf("datasets %v", got["datasets"])
	}
	entry, ok := set[0].(map[string]any)
	if !ok || entry["type"] != "chat_template" || entry["ds_type"] != "json" || !strings.HasSuffix(entry["path"].(string), "train.jsonl") {
		t.Errorf("entry %v", set[0])
	}
}

func TestTRLSettings(t *testing.T) {
	got := configured(t, "trl", `{"base_model":"m","settings":{"gradient_checkpointing":true}}`)
	wantSettings(t, got, map[string]any{
		"method": "sft", "model": "m", "format": "json", "bits": 4, "resume_from_checkpoint": nil,
		"lora": map[string]any{"r": 2, "lora_alpha": 4, "target_modules": "all-linear", "task_type": "CAUSAL_LM"},
	})
	arguments, ok := got["arguments"].(map[string]any)
	if !ok {
		t.Fatal("no arguments")
	}
	wantSettings(t, arguments, map[string]any{
		"num_train_epochs": 5, "learning_rate": 5e-5, "lr_scheduler_type": "cosine", "warmup_ratio": 0.1, "gradient_checkpointing": true, "eval_strategy": "steps",
	})
}

func TestValidate(t *testing.T) {
	for config, want := range map[string]string{
		`{"base_model":""}`:                                   "cannot be empty",
		`{"base_model":"m","bits":3}`:                         "4 or 8 bits",
		`{"base_model":"m","rank":0}`:                         "set bits = 0",
		`{"base_model":"m","settings":[]}`:                    "must be an object",
		`{"base_model":"m","settings":{"output_dir":"/tmp"}}`: "set by autosafe",
	} {
		diags := sdk.Validate(plugin(), schema.Finetune, "llamafactory", []byte(config))
		if len(diags) != 1 || !strings.Contains(diags[0].Detail, want) {
			t.Errorf("%s: %+v", config, diags)
		}
	}
}

func TestConformance(t *testing.T) {
	sdktest.Conformance(t, plugin())
}
