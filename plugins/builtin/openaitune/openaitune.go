// Package openaitune is finetune "openai": it has an endpoint with OpenAI's
// fine-tuning API train a model on the files of an output "openai_sft" or
// "openai_dpo".
//
// It chooses the settings alone. The host uploads the files, makes the job and
// waits for it: it has the key, and knows how to find a job again.
package openaitune

import (
	"context"
	"strings"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/schema"
)

// Config is the block's configuration.
type Config struct {
	BaseModel    string   `hcl:"base_model" doc:"The model to begin from, as the endpoint names it: gpt-4.1-mini-2025-04-14, or a model that was trained before."`
	Method       string   `hcl:"method,optional" oneof:"supervised,dpo" default:"supervised" doc:"What is learned: to do as the training rows do, or (dpo) to prefer the one action of a pair."`
	Epochs       *int     `hcl:"epochs,optional" min:"1" max:"50" doc:"How often the files are gone through. Without it the endpoint decides."`
	BatchSize    *int     `hcl:"batch_size,optional" min:"1" max:"256" doc:"Rows a step. Without it the endpoint decides."`
	LearningRate *float64 `hcl:"learning_rate_multiplier,optional" min:"0.0001" max:"100" doc:"Of the endpoint's own rate. Without it the endpoint decides."`
	Beta         *float64 `hcl:"beta,optional" min:"0" max:"2" doc:"How close the model stays to the one it began from; for dpo alone. Without it the endpoint decides."`
	Suffix       string   `hcl:"suffix,optional" doc:"A part of the new model's name, of at most 64 characters."`
}

// maxSuffix is what the API takes.
const maxSuffix = 64

// Validate checks what the types do not.
func (c *Config) Validate(p *sdk.Problems) {
	if strings.TrimSpace(c.BaseModel) == "" {
		p.Attr("base_model").Errorf("Unsuitable value", "The name of the model to begin from cannot be empty.")
	}
	if len(c.Suffix) > maxSuffix {
		p.Attr("suffix").Errorf("Unsuitable value", "A suffix has at most %d characters; this one has %d.", maxSuffix, len(c.Suffix))
	}
	if c.Beta != nil && c.Method != "dpo" {
		p.Attr("beta").Errorf("Unsuitable argument", "beta belongs to method = \"dpo\".")
	}
}

// Component is finetune "openai".
func Component() sdk.Component {
	return sdk.Training(train,
		sdk.Doc("Trains a model by OpenAI's fine-tuning API, or another endpoint that has it: uploads the files, makes a job, follows its loss, and finds it again after a crash. Blocks that refer to it use the new model."),
		sdk.Behavior("1"),
		sdk.Trains(
			schema.Format{Output: "openai_sft", Argument: "method", Value: "supervised"},
			schema.Format{Output: "openai_dpo", Argument: "method", Value: "dpo"},
		),
		sdk.TrainsBy(schema.TrainerAPI),
	)
}

// hyperparameters are the API's. What is not set is left to the endpoint.
type hyperparameters struct {
	Epochs       *int     `json:"n_epochs,omitempty"`
	BatchSize    *int     `json:"batch_size,omitempty"`
	LearningRate *float64 `json:"learning_rate_multiplier,omitempty"`
	Beta         *float64 `json:"beta,omitempty"`
}

// Method is the API's object of that name for a configuration.
func Method(c Config) map[string]any {
	return map[string]any{
		"type":   c.Method,
		c.Method: map[string]any{"hyperparameters": hyperparameters{c.Epochs, c.BatchSize, c.LearningRate, c.Beta}},
	}
}

func train(ctx context.Context, cfg Config, job *sdk.Job) (*sdk.Tuned, error) {
	return job.Tune(ctx, sdk.TuneRequest{Model: cfg.BaseModel, Method: Method(cfg), Suffix: cfg.Suffix})
}
