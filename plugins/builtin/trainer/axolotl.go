package trainer

import (
	"context"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/schema"
)

// AxolotlConfig is the configuration of finetune "axolotl".
type AxolotlConfig struct {
	LoRA

	Method string `hcl:"method,optional" oneof:"sft,dpo" default:"sft" doc:"What is learned: to do as the rows do (sft), or to prefer the one action of a pair (dpo)."`
}

// Validate checks what the types do not.
func (c *AxolotlConfig) Validate(p *sdk.Problems) {
	c.check(p, "base_model", "datasets", "test_datasets", "output_dir", "resume_from_checkpoint", "rl", "logging_steps")
}

// Axolotl is finetune "axolotl".
func Axolotl() sdk.Component {
	return sdk.Training(trainAxolotl,
		sdk.Doc("Trains a model by Axolotl: writes train.yaml with the paper's LoRA setting, runs the command, follows what it prints, and goes on from the last checkpoint after a crash."),
		sdk.Behavior("1"),
		sdk.Trains(
			schema.Format{Output: "axolotl_sft", Argument: "method", Value: "sft"},
			schema.Format{Output: "axolotl_dpo", Argument: "method", Value: "dpo"},
		),
		sdk.TrainsBy(schema.TrainerCommand),
	)
}

func trainAxolotl(ctx context.Context, cfg AxolotlConfig, job *sdk.Job) (*sdk.Tuned, error) {
	text, err := cfg.yaml(job)
	if err != nil {
		return nil, err
	}
	if err := write(job, "train.yaml", text); err != nil {
		return nil, err
	}
	t := &training{job: job, args: []string{"train.yaml"}, read: printedLoss()}
	if err := t.run(ctx); err != nil {
		return nil, err
	}
	return t.result(cfg.BaseModel)
}

// yaml is the configuration of a training.
func (c *AxolotlConfig) yaml(job *sdk.Job) ([]byte, error) {
	list := []setting{{"base_model", c.BaseModel}, {"load_in_4bit", c.Bits == 4}, {"load_in_8bit", c.Bits == 8}}
	switch {
	case c.Rank > 0 && c.Bits == 4:
		list = append(list, setting{"adapter", "qlora"})
	case c.Rank > 0:
		list = append(list, setting{"adapter", "lora"})
	}
	if c.Rank > 0 {
		list = append(list, setting{"lora_r", c.Rank}, setting{"lora_alpha", c.Alpha}, setting{"lora_target_linear", true})
	}
	if c.Method == "dpo" {
		list = append(list, setting{"rl", "dpo"})
	}
	list = append(list, setting{"datasets", c.datasets(job, job.Data.Train)})
	if len(job.Data.Validation) > 0 {
		list = append(list, setting{"test_datasets", c.datasets(job, job.Data.Validation)}, setting{"eval_steps", c.SaveSteps})
	}
	list = append(list,
		setting{"sequence_len", c.Length}, setting{"output_dir", filepath.Join(job.Work, outName)},
		setting{"num_epochs", c.Epochs}, setting{"micro_batch_size", c.BatchSize}, setting{"gradient_accumulation_steps", c.Accumulation},
		setting{"optimizer", "adamw_torch"}, setting{"learning_rate", c.LearningRate}, setting{"lr_scheduler", c.Scheduler},
		setting{"warmup_ratio", c.Warmup}, setting{"bf16", "auto"}, setting{"logging_steps", 1}, setting{"save_steps", c.SaveSteps},
		setting{"seed", job.Seed},
	)
	if from := lastCheckpoint(job.Work); from != "" {
		list = append(list, setting{"resume_from_checkpoint", from})
	}
	further, err := c.settings()
	if err != nil {
		return nil, err
	}
	return yaml("Written by autosafe for Axolotl.", list, further)
}

// datasets are the entries of files.
func (c *AxolotlConfig) datasets(job *sdk.Job, files []sdk.TrainingFile) []any {
	out := []any{}
	for _, f := range files {
		kind := "json"
		if filepath.Ext(f.Name) == ".parquet" {
			kind = "parquet"
		}
		entry := map[string]any{"path": job.Path(f), "ds_type": kind, "split": "train", "type": "chat_template"}
		if c.Method == "dpo" {
			entry["type"] = "chat_template.default"
		} else {
			entry["field_messages"], entry["field_tools"], entry["message_field_training"] = "messages", "tools", "train"
			entry["roles_to_train"], entry["train_on_eos"] = []any{}, "turn" // each message says for itself
		}
		out = append(out, entry)
	}
	return out
}

// printedLoss reads what Hugging Face's trainer prints: {'loss': 0.69, …, 'epoch':
// 0.1}, in newer versions with the numbers in quotation marks. It names no step;
// one is printed for each.
func printedLoss() func(string) (sdk.Point, int, bool) {
	figure := func(name string) func(string) *float64 {
		pattern := regexp.MustCompile(`[{,] ?'` + name + `': '?(-?[0-9.]+(?:e[-+]?[0-9]+)?)'?[,}]`)
		return func(line string) *float64 {
			m := pattern.FindStringSubmatch(line)
			if m == nil {
				return nil
			}
			f, err := strconv.ParseFloat(m[1], 64)
			if err != nil {
				return nil
			}
			return &f
		}
	}
	loss, eval, epoch := figure("loss"), figure("eval_loss"), figure("epoch")
	step, last := 0, 0.0
	return func(line string) (sdk.Point, int, bool) {
		p := sdk.Point{Loss: loss(line), ValidLoss: eval(line), Epoch: epoch(line)}
		if p.Loss == nil && p.ValidLoss == nil {
			if strings.Contains(line, "{'loss':") { // a step all the same, whose loss is no number
				step++
			}
			return p, 0, false
		}
		if p.Loss != nil {
			step++
			if p.Epoch != nil {
				if step > 1 && last > 0 && *p.Epoch <= last { // a run that goes on from a checkpoint
					step = max(1, int(float64(step-1)**p.Epoch/last+0.5))
				}
				last = *p.Epoch
			}
		}
		p.Step = max(step, 1)
		return p, 0, true
	}
}
