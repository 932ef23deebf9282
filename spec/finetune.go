package spec

import (
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

// A finetune block trains a model on the files of a dataset's output. The host
// needs to know more of it than of other components: whose files, who trains, and
// who serves the result.

// defaultTrain is the split that is trained on.
const defaultTrain = "train"

// finetuneShape is the shape of a finetune block.
func finetuneShape(c *schema.Component) schema.Block {
	zero := bound(0)
	byCommand := c.Trainer == schema.TrainerCommand
	attrs := []schema.Attribute{
		{Name: "for_each", Kind: kindMeta},
		{Name: "enabled", Kind: kindMeta},
		{Name: "seed", Type: cty.Number, Default: cty.Zero, Min: zero},
		{Name: "generation", Type: cty.Number, Default: cty.Zero, Min: zero},
		{Name: "input", Kind: kindMeta, Required: true, Doc: "the dataset whose files are trained on, such as dataset.agent_safety."},
		{Name: "output", Type: cty.String, Doc: "which of its outputs."},
		{Name: "split", Type: cty.String, Default: cty.StringVal(defaultTrain)},
		{Name: "validation", Type: cty.String},
		{Name: "provider", Kind: kindMeta, Required: c.Trainer == schema.TrainerAPI, Doc: "the provider that trains, such as provider.openai.main."},
	}
	if c.Trainer != schema.TrainerAPI {
		attrs = append(attrs,
			schema.Attribute{Name: "name", Type: cty.String},
			schema.Attribute{Name: "path", Type: cty.String, Required: byCommand, Doc: "the folder of its trainings, relative to the recipe's."})
	}
	if byCommand {
		attrs = append(attrs,
			schema.Attribute{Name: "command", Type: cty.List(cty.String), Required: true, Doc: "the program that trains, and its first arguments."},
			schema.Attribute{Name: "environment", Type: cty.List(cty.String)})
	}
	shape := c.Config
	shape.Attributes = append(attrs, shape.Attributes...)
	shape.Blocks = append(slices.Clip(shape.Blocks), schema.NestedBlock{Type: "price", Max: 1, Block: schema.Block{Attributes: []schema.Attribute{
		{Name: "training", Type: cty.Number, Min: zero, Max: bound(1e6), Doc: "US dollars per million tokens that are trained on."},
		{Name: "input", Type: cty.Number, Min: zero, Max: bound(1e6), Doc: "US dollars per million tokens."},
		{Name: "output", Type: cty.Number, Min: zero, Max: bound(1e6), Doc: "US dollars per million tokens."},
	}}})
	return shape
}

// configureFinetune evaluates a finetune block.
func (d *decoder) configureFinetune(b *block, step *Step, v *blockValue, ctx *hcl.EvalContext) hcl.Diagnostics {
	role, diags := d.roleBody(b.component, b.plugin, v)
	step.Role = role
	body := &FinetuneBody{Train: v.text("split"), Validation: v.text("validation"), Name: v.text("name")}
	step.Finetune = body
	for _, name := range []string{"name", "path", "command", "environment", "output", "split", "validation"} {
		d.openValue(name, v)
	}
	diags = append(diags, d.finetuneInput(b, step, ctx)...)
	if body.Dataset != nil {
		diags = append(diags, body.chooseOutput(role, v)...)
		diags = append(diags, body.checkSplits(v)...)
	}
	diags = append(diags, d.finetuneProvider(b, body, ctx)...)
	diags = append(diags, body.readCommand(b, v)...)
	diags = append(diags, body.readPath(v)...)
	for _, nested := range v.nested {
		if nested.typ == "price" {
			body.TrainingPrice = nested.float("training")
		}
	}
	if body.Provider != nil {
		body.Model = d.resultModel(step, v)
	}
	return diags
}

// finetuneInput finds the dataset.
func (d *decoder) finetuneInput(b *block, step *Step, ctx *hcl.EvalContext) hcl.Diagnostics {
	attr, ok := b.node.attrs["input"]
	if !ok {
		return nil // it was reported as missing
	}
	v, diags := attr.Expr.Value(ctx)
	if diags.HasErrors() || !v.IsWhollyKnown() {
		return diags
	}
	v, _ = unmark(v)
	rng := attr.Expr.Range()
	r, ok := asReference(v)
	if !ok || r.kind != stepRef || r.block.typ != "dataset" {
		return append(diags, problemAt(rng, "Unsuitable value", "\"input\" of a finetune block takes a reference to a dataset, such as dataset.agent_safety; %s was given.%s", describe(v), quoteHint(v, "dataset.agent_safety")))
	}
	in := r.instance()
	if in == nil {
		return append(diags, problemAt(rng, "Reference to a disabled step", "The input %s is not enabled, so there are no files to train on. Enable it, or give this step the same condition: enabled = ...", r.addr))
	}
	step.Inputs, step.Finetune.Dataset = []*Step{in}, in
	return diags
}

// chooseOutput finds the output to train on: the one that is named, or else the
// first of a fitting format.
func (f *FinetuneBody) chooseOutput(role *RoleBody, v *blockValue) hcl.Diagnostics {
	outputs := f.Dataset.Dataset.Outputs
	fits := func(out *OutputBody) bool {
		return slices.ContainsFunc(role.Component.Formats, func(format schema.Format) bool {
			return format.Output == out.Role.Component.Name && (format.Argument == "" || v.text(format.Argument) == format.Value)
		})
	}
	var names []string
	for _, out := range outputs {
		names = append(names, out.Role.Component.Name)
	}
	if _, given := v.known("output"); given {
		return f.namedOutput(role, v, names, fits)
	}
	for _, format := range role.Component.Formats {
		for _, out := range outputs {
			if out.Role.Component.Name == format.Output && fits(out) {
				f.Output = out
				return nil
			}
		}
	}
	return hcl.Diagnostics{problemAt(v.expr("input").Range(), "No fitting output", "%s has no output that %s trains on%s: it takes %s. Add one to the dataset, such as output %q { path = \"dist/%s\" }.",
		f.Dataset.Address, v.title(), settingHint(role, v), oneOf(formatNames(role, v)), formatNames(role, v)[0], formatNames(role, v)[0])}
}

func (f *FinetuneBody) namedOutput(role *RoleBody, v *blockValue, names []string, fits func(*OutputBody) bool) hcl.Diagnostics {
	want, rng := v.text("output"), v.expr("output").Range()
	var found []*OutputBody
	for _, out := range f.Dataset.Dataset.Outputs {
		if out.Role.Component.Name == want || strings.TrimPrefix(out.Address, f.Dataset.Address+".output.") == want {
			found = append(found, out)
		}
	}
	switch {
	case len(found) == 0:
		return hcl.Diagnostics{problemAt(rng, "No such output", "%s has no output %q.%s It has %s.", f.Dataset.Address, want, suggest(want, names), listed(names))}
	case !fits(found[0]):
		return hcl.Diagnostics{problemAt(rng, "Unfitting output", "%s does not train on %q%s: it takes %s.", v.title(), want, settingHint(role, v), oneOf(formatNames(role, v)))}
	}
	f.Output = found[0]
	return nil
}

// formatNames are the outputs that a block can be trained on as it is set.
func formatNames(role *RoleBody, v *blockValue) []string {
	var names []string
	for _, f := range role.Component.Formats {
		if (f.Argument == "" || v.text(f.Argument) == f.Value) && !slices.Contains(names, f.Output) {
			names = append(names, f.Output)
		}
	}
	if len(names) == 0 { // no format goes with this setting
		for _, f := range role.Component.Formats {
			names = append(names, f.Output)
		}
	}
	return names
}

// settingHint names the arguments that decide about the format.
func settingHint(role *RoleBody, v *blockValue) string {
	for _, f := range role.Component.Formats {
		if f.Argument != "" {
			return fmt.Sprintf(" with %s = %q", f.Argument, v.text(f.Argument))
		}
	}
	return ""
}

// checkSplits checks that the dataset has the splits that are named.
func (f *FinetuneBody) checkSplits(v *blockValue) hcl.Diagnostics {
	var diags hcl.Diagnostics
	names := f.Dataset.Dataset.splitNames()
	for attr, name := range map[string]string{"split": f.Train, "validation": f.Validation} {
		if name != "" && !slices.Contains(names, name) {
			diags = append(diags, problemAt(v.expr(attr).Range(), "No such split", "%s has no split %q.%s It has %s.", f.Dataset.Address, name, suggest(name, names), listed(names)))
		}
	}
	if f.Validation != "" && f.Validation == f.Train {
		diags = append(diags, problemAt(v.expr("validation").Range(), "Unsuitable value", "The split %q is trained on, so what is measured on it says nothing. Name another one.", f.Train))
	}
	return diags
}

// finetuneProvider finds who trains, or serves the result.
func (d *decoder) finetuneProvider(b *block, body *FinetuneBody, ctx *hcl.EvalContext) hcl.Diagnostics {
	attr, ok := b.node.attrs["provider"]
	if !ok {
		return nil
	}
	providers := d.modelContext(d.baseContext()).Variables["provider"]
	child := ctx.NewChild()
	child.Variables = map[string]cty.Value{"provider": providers}
	v, diags := attr.Expr.Value(child)
	if diags.HasErrors() {
		return diags
	}
	v, _ = unmark(v)
	at, diag := providerOf(v, attr.Expr)
	if diag != nil {
		return append(diags, diag)
	}
	if len(at) == 0 || at[0].block == nil {
		return append(diags, problemAt(attr.Expr.Range(), "Unsuitable value", "\"provider\" takes a reference to a provider block, such as provider.openai.main."))
	}
	p, moreDiags := d.provider(at[0].block)
	body.Provider = p
	if p == nil {
		return append(diags, moreDiags...)
	}
	if b.component.Trainer != schema.TrainerAPI && body.Name == "" {
		moreDiags = append(moreDiags, problemAt(attr.Expr.Range(), "Missing required argument", "The argument \"name\" is required beside \"provider\" in %s: the name by which that will serve the model.", b.node.title()))
	}
	return append(diags, moreDiags...)
}

// readCommand reads what is about a command.
func (f *FinetuneBody) readCommand(b *block, v *blockValue) hcl.Diagnostics {
	if b.component.Trainer != schema.TrainerCommand {
		return nil
	}
	var diags hcl.Diagnostics
	if b.plugin.Path != "" {
		return hcl.Diagnostics{problemAt(b.node.head, "Unusable component", "%s wants a command run, which autosafe does for its own components alone. This is a fault of its plugin; tell its author.", b.node.title())}
	}
	f.Command, f.Environment = v.textList("command"), v.textList("environment")
	if command, ok := v.known("command"); ok && (command.LengthInt() == 0 || len(f.Command) == 0 || f.Command[0] == "") {
		diags = append(diags, problemAt(v.expr("command").Range(), "Unsuitable value", "\"command\" takes a program and its arguments, such as [\"llamafactory-cli\", \"train\"]; there is no program."))
	}
	return diags
}

// readPath reads the folder of the trainings.
func (f *FinetuneBody) readPath(v *blockValue) hcl.Diagnostics {
	if _, ok := v.known("path"); !ok {
		return nil
	}
	var diags hcl.Diagnostics
	given := filepath.ToSlash(v.text("path"))
	f.Path = path.Clean(given)
	if !filepath.IsLocal(filepath.FromSlash(f.Path)) || f.Path == "." {
		diags = append(diags, problemAt(v.expr("path").Range(), "Invalid output path", "%q is not a folder below the recipe's. Give one such as \"models/agent\".", given))
	}
	if f.Dataset != nil && overlap(f.Path, f.Output.path()) {
		diags = append(diags, problemAt(v.expr("path").Range(), "Overlapping outputs", "%q is where %s writes. Give the training a folder of its own.", given, f.Output.Address))
	}
	return diags
}

func (o *OutputBody) path() string {
	if o == nil || o.Path == "" {
		return "\x00" // overlaps with nothing
	}
	return o.Path
}

// textList reads a list of strings.
func (b *blockValue) textList(name string) (list []string) {
	v, ok := b.known(name)
	if !ok || !v.CanIterateElements() {
		return nil
	}
	for _, elem := range v.Elements() {
		if !elem.IsNull() {
			list = append(list, elem.AsString())
		}
	}
	return list
}

// resultModel is the model that a finetune block makes, as other blocks use it.
func (d *decoder) resultModel(step *Step, v *blockValue) *Model {
	m := &Model{
		Name: step.Address, Provider: step.Finetune.Provider, Range: step.Range, Tuned: step,
		Structured: StructuredAuto, ToolForm: ToolsAuto, Mode: ModeLive, ReplyRetries: defaultReplyRetries,
	}
	for _, nested := range v.nested {
		if in, out := nested.float("input"), nested.float("output"); nested.typ == "price" && in != nil && out != nil {
			m.Price = &Price{Input: *in, Output: *out, BatchShare: 1}
		}
	}
	d.models[step.Address] = m
	return m
}

// defaultReplyRetries is that of model blocks.
const defaultReplyRetries = 2

// tunedModel is the model of a finetune block that an argument refers to.
func tunedModel(r *reference, rng hcl.Range) (*Model, hcl.Diagnostics) {
	step := r.instance()
	switch {
	case step == nil:
		return nil, hcl.Diagnostics{problemAt(rng, "Reference to a disabled step", "%s is not enabled, so there is no such model. Enable it, or use another model.", r.addr)}
	case step.Finetune == nil:
		return nil, nil // it was in error
	case step.Finetune.Model == nil && step.Role != nil && step.Role.Component.Trainer != schema.TrainerAPI:
		return nil, hcl.Diagnostics{problemAt(rng, "No such model", "%s does not say who serves the model that it trains. Give it provider = ... and name = ..., or use another model.", r.addr)}
	}
	return step.Finetune.Model, nil
}

// take makes a model of a model block that of a finetune block.
func (m *Model) take(b *block, at providerAt) hcl.Diagnostics {
	tuned, diags := tunedModel(at.tuned, at.rng)
	if tuned == nil {
		return diags
	}
	if m.Provider != nil {
		return append(diags, problemAt(at.rng, "Unsuitable providers", "A model that is trained here has one place to be served from. Name %s alone.", at.tuned.addr))
	}
	if attr := b.node.attrs["name"]; attr != nil {
		diags = append(diags, problemAt(attr.Range, "Unsuitable argument", "%s gives the model its name, so %q does not go with it. Take it out.", at.tuned.addr, "name"))
	}
	m.Provider, m.Tuned = tuned.Provider, tuned.Tuned
	if m.Price == nil {
		m.Price = tuned.Price
	}
	return diags
}

// after are the finetune steps whose models a component uses, in order of
// address.
func (b *RoleBody) after() (steps []*Step) {
	for _, m := range b.Models {
		if m.Tuned != nil && !slices.Contains(steps, m.Tuned) {
			steps = append(steps, m.Tuned)
		}
	}
	slices.SortFunc(steps, func(x, y *Step) int { return strings.Compare(x.Address, y.Address) })
	return steps
}

// Known gives the model under the name by which an endpoint serves it, and the
// revision of it.
func (m *Model) Known(id, revision string) *Model {
	known := *m
	known.ID, known.Revision, known.Tuned = id, revision, nil
	return &known
}

// Epochs is what a component's configuration says of how often the data is gone
// through; def where it says nothing.
func (b *RoleBody) Epochs(def float64) float64 {
	var config struct {
		Epochs *float64 `json:"epochs"`
	}
	if json.Unmarshal(b.Config, &config) == nil && config.Epochs != nil {
		return *config.Epochs
	}
	return def
}

// SecretName says whether a variable of the environment is named like a secret.
func SecretName(name string) bool { return secretName(name) }
