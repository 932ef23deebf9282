package trainer

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/schema"
)

// LLaMAFactoryConfig is the configuration of finetune "llamafactory".
type LLaMAFactoryConfig struct {
	LoRA

	Stage    string `hcl:"stage,optional" oneof:"sft,dpo,kto" default:"sft" doc:"What is learned: to do as the rows do (sft), or to prefer the one action of a pair (dpo), or actions by their label (kto). The output must have been written for it."`
	Template string `hcl:"template,optional" default:"default" doc:"LLaMA-Factory's name for the chat template of the model: llama3, qwen, glm4."`
}

// Validate checks what the types do not.
func (c *LLaMAFactoryConfig) Validate(p *sdk.Problems) {
	c.check(p, "model_name_or_path", "stage", "do_train", "dataset", "eval_dataset", "dataset_dir", "output_dir", "overwrite_output_dir", "resume_from_checkpoint")
}

// LLaMAFactory is finetune "llamafactory".
func LLaMAFactory() sdk.Component {
	return sdk.Training(trainLLaMAFactory,
		sdk.Doc("Trains a model by LLaMA-Factory: writes train.yaml with the paper's LoRA setting, runs the command, follows trainer_log.jsonl, and goes on from the last checkpoint after a crash."),
		sdk.Behavior("1"),
		sdk.Trains(schema.Format{Output: "llamafactory"}),
		sdk.TrainsBy(schema.TrainerCommand),
	)
}

func trainLLaMAFactory(ctx context.Context, cfg LLaMAFactoryConfig, job *sdk.Job) (*sdk.Tuned, error) {
	data, err := readLLaMAFactoryData(job)
	if err != nil {
		return nil, err
	}
	if data.stage != "" && data.stage != cfg.Stage {
		return nil, sdk.Fail("unfitting_data", fmt.Sprintf("the output was written for stage %q, and the block trains %q: set the same in both", data.stage, cfg.Stage))
	}
	text, err := cfg.yaml(job, data)
	if err != nil {
		return nil, err
	}
	if err := write(job, "train.yaml", text); err != nil {
		return nil, err
	}
	t := &training{job: job, args: []string{"train.yaml"}, log: outName + "/trainer_log.jsonl", read: readTrainerLog}
	if err := t.run(ctx); err != nil {
		return nil, err
	}
	return t.result(cfg.BaseModel)
}

// llamaFactoryData is what the output says of its files.
type llamaFactoryData struct {
	train, eval []string // entries of dataset_info.json
	stage       string   // "" where it does not say
	maskHistory bool
}

// readLLaMAFactoryData reads dataset_info.json, and the lines of a configuration
// that stand beside it.
func readLLaMAFactoryData(job *sdk.Job) (d llamaFactoryData, err error) {
	b, err := os.ReadFile(filepath.Join(job.Dir, "dataset_info.json"))
	if err != nil {
		return d, sdk.Fail("unfitting_data", "the output has no dataset_info.json, by which LLaMA-Factory finds its files: give it formatting = \"sharegpt\" or \"openai\"")
	}
	var info map[string]struct {
		File string `json:"file_name"`
	}
	if err := json.Unmarshal(b, &info); err != nil {
		return d, fmt.Errorf("dataset_info.json: %w", err)
	}
	in := func(files []sdk.TrainingFile, name string) bool {
		return slices.ContainsFunc(files, func(f sdk.TrainingFile) bool {
			return f.Name == path.Clean(name) || path.Dir(f.Name) == path.Clean(name)
		})
	}
	for name, e := range info {
		switch {
		case in(job.Data.Train, e.File):
			d.train = append(d.train, name)
		case in(job.Data.Validation, e.File):
			d.eval = append(d.eval, name)
		}
	}
	slices.Sort(d.train)
	slices.Sort(d.eval)
	if len(d.train) == 0 {
		return d, sdk.Fail("unfitting_data", "dataset_info.json names none of the files to train on")
	}
	for _, f := range job.Data.Other {
		if ext := path.Ext(f.Name); ext != ".yml" && ext != ".yaml" {
			continue
		}
		text, err := os.ReadFile(job.Path(f))
		if err != nil {
			return d, err
		}
		for line := range strings.Lines(string(text)) {
			switch name, value, _ := strings.Cut(strings.TrimSpace(line), ": "); name {
			case "stage":
				d.stage = value
			case "mask_history":
				d.maskHistory = value == "true"
			}
		}
	}
	return d, nil
}

// yaml is the configuration of a training.
func (c *LLaMAFactoryConfig) yaml(job *sdk.Job, data llamaFactoryData) ([]byte, error) {
	// Without a whole checkpoint it begins anew. LLaMA-Factory must be told so: by
	// itself it goes on from one that is half written, or, in older versions, takes
	// no folder in which anything is.
	from := lastCheckpoint(job.Work)
	kind := "lora"
	if c.Rank == 0 {
		kind = "full"
	}
	list := []setting{
		{"model_name_or_path", c.BaseModel},
		{"stage", c.Stage}, {"do_train", true}, {"finetuning_type", kind},
	}
	if c.Bits > 0 {
		list = append(list, setting{"quantization_bit", c.Bits})
	}
	if c.Rank > 0 {
		list = append(list, setting{"lora_rank", c.Rank}, setting{"lora_alpha", c.Alpha}, setting{"lora_target", "all"})
	}
	list = append(list,
		setting{"dataset_dir", job.Dir}, setting{"dataset", strings.Join(data.train, ",")},
		setting{"template", c.Template}, setting{"cutoff_len", c.Length},
	)
	if c.Stage == "sft" {
		list = append(list, setting{"mask_history", data.maskHistory})
	}
	list = append(list,
		setting{"output_dir", filepath.Join(job.Work, outName)}, setting{"overwrite_output_dir", from == ""},
		setting{"logging_steps", 1}, setting{"save_steps", c.SaveSteps}, setting{"report_to", "none"},
		setting{"per_device_train_batch_size", c.BatchSize}, setting{"gradient_accumulation_steps", c.Accumulation},
		setting{"learning_rate", c.LearningRate}, setting{"num_train_epochs", c.Epochs},
		setting{"lr_scheduler_type", c.Scheduler}, setting{"warmup_ratio", c.Warmup}, setting{"seed", job.Seed},
	)
	if len(data.eval) > 0 {
		list = append(list, setting{"eval_dataset", strings.Join(data.eval, ",")}, setting{"eval_strategy", "steps"},
			setting{"eval_steps", c.SaveSteps}, setting{"per_device_eval_batch_size", c.BatchSize})
	}
	if from != "" {
		list = append(list, setting{"resume_from_checkpoint", from})
	}
	further, err := c.settings()
	if err != nil {
		return nil, err
	}
	return yaml("Written by autosafe for LLaMA-Factory.", list, further)
}

// readTrainerLog reads a line of LLaMA-Factory's trainer_log.jsonl.
func readTrainerLog(line string) (sdk.Point, int, bool) {
	var l struct {
		Step  int      `json:"current_steps"`
		Total int      `json:"total_steps"`
		Loss  *float64 `json:"loss"`
		Eval  *float64 `json:"eval_loss"`
		Epoch *float64 `json:"epoch"`
	}
	if json.Unmarshal([]byte(line), &l) != nil || l.Step <= 0 || l.Loss == nil && l.Eval == nil {
		return sdk.Point{}, 0, false
	}
	return sdk.Point{Step: l.Step, Epoch: l.Epoch, Loss: l.Loss, ValidLoss: l.Eval}, l.Total, true
}
