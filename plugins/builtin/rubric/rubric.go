// Package rubric is the judge that asks a model one question about each row
// and keeps the reply, in whatever shape the recipe's schema gives it.
//
// It knows nothing of safety: the question and the schema are the recipe's.
package rubric

import (
	"context"
	_ "embed"
	"encoding/json"

	"github.com/autosafe/autosafe/plugins/builtin/internal/roles"
	"github.com/autosafe/autosafe/plugins/sdk"
)

//go:embed prompts/rubric.tmpl
var defaultPrompt string

const defaultSchema = `{"type":"object","properties":{"reason":{"type":"string"},"score":{"type":"integer","minimum":0,"maximum":3}},"required":["reason","score"],"additionalProperties":false}`

// Config is the block's configuration.
type Config struct {
	Model  sdk.Model          `hcl:"model" doc:"The model that answers."`
	Prompt sdk.Template[Vars] `hcl:"prompt,optional" doc:"The question. A line ---user--- parts the system message from the user message. By default how well safe_action serves the user, from 0 to 3."`
	Schema json.RawMessage    `hcl:"schema,optional" flags:"json_schema" doc:"JSON Schema of the reply, of type object; by default an integer score from 0 to 3 and a reason."`
}

// Vars are the prompt's variables.
type Vars struct {
	Row map[string]json.RawMessage `json:"row" doc:"The row's columns: .row.instruction. Only those that the prompt names are read."`
}

// In is empty: the columns read are those that the prompt names.
type In struct{}

// Out is the column written.
type Out struct {
	Reply json.RawMessage `json:"$block" doc:"The reply, as the schema says."`
}

// facts tell the offline model what is asked about.
type facts struct {
	Rubric string                     `json:"rubric"`
	Row    map[string]json.RawMessage `json:"row"`
}

// Component is judge "rubric".
func Component() sdk.Component {
	return sdk.Rows(run,
		sdk.Doc("Asks a model one question about each row and adds the reply under the block's name."),
		sdk.Behavior("1"),
		sdk.Calls(1, 1),
		sdk.Default("prompt", defaultPrompt),
		sdk.Default("schema", defaultSchema),
	)
}

// Validate checks what the types do not say.
func (c *Config) Validate(p *sdk.Problems) {
	var shape struct {
		Type any `json:"type"`
	}
	if err := json.Unmarshal(c.Schema, &shape); err != nil {
		p.Attr("schema").Errorf("Unsuitable schema", "The schema must be a JSON Schema, written as an object.")
	} else if shape.Type != "object" {
		p.Attr("schema").Errorf("Unsuitable schema", `The reply must be an object: set type = "object" at the top of the schema, and the reply's members under properties.`)
	}
}

func run(ctx context.Context, cfg Config, _ In, call *sdk.Call) ([]Out, error) {
	row := call.Row()
	text, err := cfg.Prompt.Execute(Vars{Row: row})
	if err != nil {
		return nil, err
	}
	var got json.RawMessage
	err = call.JSON(ctx, cfg.Model, sdk.Request{
		Purpose:    "rubric",
		Messages:   roles.Messages(text),
		Schema:     cfg.Schema,
		SchemaName: "answer",
		Facts:      facts{Rubric: text, Row: row},
	}, &got)
	if err != nil {
		return nil, err
	}
	return []Out{{Reply: got}}, nil
}
