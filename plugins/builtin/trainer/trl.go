package trainer

import (
	"context"
	_ "embed"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/schema"
)

// trlScript is the program that trains with TRL. It reads config.json beside it.
//
//go:embed train.py
var trlScript []byte

// TRLConfig is the configuration of finetune "trl".
type TRLConfig struct {
	LoRA

	Method string   `hcl:"method,optional" oneof:"sft,dpo,kto" default:"sft" doc:"What is learned: to do as the rows do (sft), to prefer the one action of a pair (dpo), or actions by their label (kto)."`
	Beta   *float64 `hcl:"beta,optional" min:"0" max:"100" doc:"How close the model stays to the one it began from; for dpo and kto. Without it TRL decides."`
}

// Validate checks what the types do not.
func (c *TRLConfig) Validate(p *sdk.Problems) {
	c.check(p, "output_dir", "resume_from_checkpoint")
	if c.Beta != nil && c.Method == "sft" {
		p.Attr("beta").Errorf("Unsuitable argument", "beta belongs to method = \"dpo\" or \"kto\".")
	}
}

// TRL is finetune "trl".
func TRL() sdk.Component {
	return sdk.Training(trainTRL,
		sdk.Doc("Trains a model by Hugging Face's TRL: writes train.py and config.json with the paper's LoRA setting, runs the command (a Python with trl, peft and bitsandbytes), follows its log, and goes on from the last checkpoint after a crash."),
		sdk.Behavior("1"),
		sdk.Trains(
			schema.Format{Output: "trl_sft", Argument: "method", Value: "sft"},
			schema.Format{Output: "trl_dpo", Argument: "method", Value: "dpo"},
			schema.Format{Output: "trl_kto", Argument: "method", Value: "kto"},
		),
		sdk.TrainsBy(schema.TrainerCommand),
	)
}

// trlJob is config.json.
type trlJob struct {
	Method     string         `json:"method"`
	Model      string         `json:"model"`
	Format     string         `json:"format"` // json or parquet
	Train      []string       `json:"train"`
	Validation []string       `json:"validation"`
	Bits       int            `json:"bits"`
	LoRA       map[string]any `json:"lora"` // null: all weights
	Arguments  map[string]any `json:"arguments"`
	Resume     *string        `json:"resume_from_checkpoint"`
	Log        string         `json:"log"`
}

func trainTRL(ctx context.Context, cfg TRLConfig, job *sdk.Job) (*sdk.Tuned, error) {
	config, err := cfg.job(job)
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := write(job, "config.json", append(text, '\n')); err != nil {
		return nil, err
	}
	if err := write(job, "train.py", trlScript); err != nil {
		return nil, err
	}
	t := &training{job: job, args: []string{"train.py", "config.json"}, log: config.Log, read: readTrainerLog}
	if err := t.run(ctx); err != nil {
		return nil, err
	}
	return t.result(cfg.BaseModel)
}

// job is what the script is told.
func (c *TRLConfig) job(job *sdk.Job) (*trlJob, error) {
	paths := func(files []sdk.TrainingFile) []string {
		out := []string{}
		for _, f := range files {
			out = append(out, job.Path(f))
		}
		return out
	}
	out := &trlJob{
		Method: c.Method, Model: c.BaseModel, Format: "json", Train: paths(job.Data.Train), Validation: paths(job.Data.Validation),
		Bits: c.Bits, Log: "log.jsonl",
		Arguments: map[string]any{
			"output_dir": filepath.Join(job.Work, outName), "num_train_epochs": c.Epochs, "learning_rate": c.LearningRate,
			"lr_scheduler_type": c.Scheduler, "warmup_ratio": c.Warmup, "per_device_train_batch_size": c.BatchSize,
			"gradient_accumulation_steps": c.Accumulation, "max_length": c.Length, "logging_steps": 1, "save_steps": c.SaveSteps,
			"seed": job.Seed, "report_to": "none",
		},
	}
	if slices.ContainsFunc(out.Train, func(p string) bool { return strings.HasSuffix(p, ".parquet") }) {
		out.Format = "parquet"
	}
	if len(out.Validation) > 0 {
		out.Arguments["eval_strategy"], out.Arguments["eval_steps"] = "steps", c.SaveSteps
	}
	if c.Beta != nil {
		out.Arguments["beta"] = *c.Beta
	}
	if c.Rank > 0 {
		out.LoRA = map[string]any{"r": c.Rank, "lora_alpha": c.Alpha, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
	}
	if from := lastCheckpoint(job.Work); from != "" {
		out.Resume = &from
	}
	further, err := c.settings()
	if err != nil {
		return nil, err
	}
	for name, v := range further {
		out.Arguments[name] = v
	}
	return out, nil
}
