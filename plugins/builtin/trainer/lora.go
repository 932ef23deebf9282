// Package trainer has the finetune components that train by a command: finetune
// "llamafactory", "trl" and "axolotl". Each writes the configuration that its
// trainer reads into the training's folder, runs the command that the recipe gives,
// follows its log, and has it go on from its last checkpoint after a crash.
//
// It trains nothing itself and knows no weights. That the result is served is the
// user's business.
package trainer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/plugins/sdk"
)

// LoRA are the arguments that the three have in common. The defaults are the
// paper's setting.
type LoRA struct {
	BaseModel    string          `hcl:"base_model" doc:"The model to begin from: a name on the Hugging Face Hub, or a folder."`
	Epochs       float64         `hcl:"epochs,optional" default:"5" min:"0.01" max:"1000" doc:"How often the files are gone through."`
	LearningRate float64         `hcl:"learning_rate,optional" default:"0.00005" min:"0" max:"1" doc:"The greatest learning rate."`
	Scheduler    string          `hcl:"scheduler,optional" default:"cosine" oneof:"cosine,linear,constant,constant_with_warmup" doc:"How the learning rate goes on."`
	Warmup       float64         `hcl:"warmup,optional" default:"0.1" min:"0" max:"1" doc:"The share of the steps in which the learning rate rises."`
	Bits         int             `hcl:"bits,optional" default:"4" min:"0" max:"8" doc:"To how many bits the base model is packed: 4 or 8, or 0 for none."`
	Rank         int             `hcl:"rank,optional" default:"2" min:"0" max:"4096" doc:"Rank of the LoRA matrices; 0 trains all weights."`
	Alpha        int             `hcl:"alpha,optional" default:"4" min:"1" max:"8192" doc:"By how much they count."`
	BatchSize    int             `hcl:"batch_size,optional" default:"1" min:"1" max:"4096" doc:"Rows that a device works on at a time."`
	Accumulation int             `hcl:"accumulation,optional" default:"8" min:"1" max:"65536" doc:"How many of these make a step."`
	Length       int             `hcl:"length,optional" default:"4096" min:"16" max:"10000000" doc:"Tokens of a row at most; what is longer is cut off."`
	SaveSteps    int             `hcl:"save_steps,optional" default:"100" min:"1" max:"1000000" flags:"volatile" doc:"After how many steps a checkpoint is written, from which a training that was broken off goes on."`
	Settings     json.RawMessage `hcl:"settings,optional" doc:"Further settings of the trainer, as an object by their own names. They take the place of those that follow from the other arguments."`
}

// check checks what the types do not. reserved are the settings that are
// autosafe's.
func (c *LoRA) check(p *sdk.Problems, reserved ...string) {
	if strings.TrimSpace(c.BaseModel) == "" {
		p.Attr("base_model").Errorf("Unsuitable value", "The name of the model to begin from cannot be empty.")
	}
	if c.Bits != 0 && c.Bits != 4 && c.Bits != 8 {
		p.Attr("bits").Errorf("Unsuitable value", "A model is packed to 4 or 8 bits, or to 0 for none; %d was given.", c.Bits)
	}
	if c.Rank == 0 && c.Bits != 0 {
		p.Attr("rank").Errorf("Unsuitable value", "The weights of a packed model cannot be trained: set bits = 0 beside rank = 0.")
	}
	given, err := c.settings()
	if err != nil {
		p.Attr("settings").Errorf("Unsuitable value", "The settings must be an object, such as { flash_attn = \"fa2\" }.")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if slices.Contains(reserved, name) {
			p.Attr("settings", sdk.Key(name)).Errorf("Reserved setting", "%q is set by autosafe, which finds its files and its checkpoints by it. Take it out.", name)
		}
	}
}

// settings are the further settings by name.
func (c *LoRA) settings() (map[string]json.RawMessage, error) {
	out := map[string]json.RawMessage{}
	if len(c.Settings) == 0 || string(c.Settings) == "null" {
		return out, nil
	}
	err := json.Unmarshal(c.Settings, &out)
	return out, err
}

// setting is one line of a configuration.
type setting struct {
	name  string
	value any
}

// yaml writes settings as YAML, whose values are written as in JSON: every reader
// of YAML takes them, and none mistakes a text for something else.
func yaml(about string, list []setting, further map[string]json.RawMessage) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n", about)
	for _, s := range list {
		if _, ok := further[s.name]; ok {
			continue
		}
		text, err := value(s.value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Fprintf(&b, "%s: %s\n", s.name, text)
	}
	for _, name := range slices.Sorted(maps.Keys(further)) {
		var v any
		d := json.NewDecoder(bytes.NewReader(further[name]))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			return nil, fmt.Errorf("settings: %s: %w", name, err)
		}
		text, err := value(v)
		if err != nil {
			return nil, err
		}
		quoted, err := value(name)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%s: %s\n", quoted, text)
	}
	return b.Bytes(), nil
}

// value writes one value. Numbers have no exponent: without a dot before it, some
// readers of YAML take such a one for a text.
func value(v any) (string, error) {
	switch v := v.(type) {
	case float64:
		return decimal(v), nil
	case json.Number:
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), "eE") {
			return decimal(f), nil
		}
		return v.String(), nil
	case []any:
		var parts []string
		for _, e := range v {
			text, err := value(e)
			if err != nil {
				return "", err
			}
			parts = append(parts, text)
		}
		return "[" + strings.Join(parts, ", ") + "]", nil
	case map[string]any:
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			text, err := value(v[name])
			if err != nil {
				return "", err
			}
			quoted, err := value(name)
			if err != nil {
				return "", err
			}
			parts = append(parts, quoted+": "+text)
		}
		return "{" + strings.Join(parts, ", ") + "}", nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSpace(b.String()), nil
}

func decimal(f float64) string {
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}
