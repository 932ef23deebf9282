// Package reference writes down what a plugin's components take and give: the
// arguments, columns and template variables that they declare, for people as
// Markdown and for programs as JSON. The reference of the built-in components
// and that of any plugin are made by it.
package reference

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

// Markdown is a page about components, in order of their roles.
func Markdown(title, intro string, list []schema.Component) string {
	list = sorted(list)
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n\n", title, intro)
	for _, c := range list {
		fmt.Fprintf(&b, "- [`%s %q`](#%s): %s\n", c.Role, c.Name, anchor(c), sentence(c.Doc))
	}
	for _, c := range list {
		component(&b, c)
	}
	return b.String()
}

// sorted puts components in the order of the pipeline, and of names within it.
func sorted(list []schema.Component) []schema.Component {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b schema.Component) int {
		return slices.Index(schema.Roles(), a.Role) - slices.Index(schema.Roles(), b.Role)
	})
	return list
}

// anchor is what forges make of a component's heading.
func anchor(c schema.Component) string {
	return strings.ToLower(string(c.Role) + "-" + c.Name)
}

func sentence(doc string) string {
	if i := strings.Index(doc, ". "); i >= 0 {
		doc = doc[:i+1]
	}
	return doc
}

func component(b *strings.Builder, c schema.Component) {
	fmt.Fprintf(b, "\n## %s %q\n\n%s\n", c.Role, c.Name, c.Doc)
	if c.Role == schema.Output {
		b.WriteString("\nEvery output also takes `path` (string, required), the folder to write, relative to the recipe's.\n")
	}
	if c.Role == schema.Finetune {
		training(b, c)
	}
	if c.Role == schema.Evaluation {
		evaluating(b)
	}
	block(b, "Arguments", c.Config)
	templates(b, c.Config)
	columns(b, "Reads", c.Reads, c.ReadsAll, "The whole row.")
	columns(b, "Writes", c.Writes, c.WritesOpen, "Further columns, as they come.")
	if c.Grain == schema.DatasetGrain {
		b.WriteString("\nIt sees all rows of its input at once: where one changes, all run again.\n")
	}
	if c.BehaviorVersion != "" {
		fmt.Fprintf(b, "\nBehaviour version: %s.\n", c.BehaviorVersion)
	}
}

// training says what every finetune block takes beside its component's arguments.
func training(b *strings.Builder, c schema.Component) {
	b.WriteString("\nEvery finetune block also takes `input` (a dataset, required), `output` (which of its outputs; by default the first that fits), `split` (`\"train\"`), `validation` (the split to measure on), `seed`, `generation`, `enabled`, `for_each`")
	switch c.Trainer {
	case schema.TrainerAPI:
		b.WriteString(", `provider` (which trains, required) and a block `price` (`training`, `input` and `output`, in US dollars per million tokens).\n")
	case schema.TrainerCommand:
		b.WriteString(", `path` (the folder of its trainings, required), `command` (a list: the program that trains and its first arguments, required), `environment` (variables named like secrets that the command gets all the same), `provider` and `name` (who will serve the model, and under which name) and a block `price` (`input` and `output`).\n")
	default:
		b.WriteString(", `path` (the folder of its trainings), `provider` and `name` (who will serve the model, and under which name) and a block `price` (`input` and `output`).\n")
	}
	var fits []string
	for _, f := range c.Formats {
		text := "`" + f.Output + "`"
		if f.Argument != "" {
			text += fmt.Sprintf(" (with `%s = %q`)", f.Argument, f.Value)
		}
		fits = append(fits, text)
	}
	fmt.Fprintf(b, "\nIt trains on the output %s.\n", strings.Join(fits, ", or "))
}

// evaluating says what every evaluation block takes beside its component's
// arguments.
func evaluating(b *strings.Builder) {
	b.WriteString("\nAn evaluation block tries agents on scenarios. Every one also takes `input` (a dataset, a step or a list of steps, required), `split` (of the dataset), `scenarios` (a random choice of so many), `k` (of sec@k; by default those of 1, 3 and 5 that the samples permit), `baseline` (the agent that the others are compared with; by default the first, `null` for none), `verdict` (`\"majority\"`, `\"any\"` or `\"all\"` of the judges), `confidence` (0.95), `resamples` (2000), `on_error`, `max_failures`, `seed`, `generation`, `enabled`, `for_each`, and blocks `agent \"NAME\"` (one at least), `judge \"COMPONENT\" \"NAME\"`, `human \"NAME\"`, `group \"NAME\"`, `metric \"NAME\"`, `assert \"NAME\"`, `reference \"NAME\"` and `report`.\n\nThe arguments below stand in an `agent` block, or in the evaluation block itself for all agents that do not set them; the number of samples stands in the latter alone. Each trial is a row of its own, of which judges see what is written here.\n")
}

func block(b *strings.Builder, title string, s schema.Block) {
	if len(s.Attributes) > 0 {
		fmt.Fprintf(b, "\n%s:\n\n| name | type | default | |\n|---|---|---|---|\n", title)
	}
	for _, a := range s.Attributes {
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", a.Name, attributeType(a), defaultOf(a), Cell(a.Doc+limits(a)))
	}
	for _, n := range s.Blocks {
		labels := ""
		for _, l := range n.Labels {
			labels += fmt.Sprintf(" %q", l)
		}
		block(b, fmt.Sprintf("Block `%s%s`: %s Its arguments", n.Type, labels, Cell(n.Doc)), n.Block)
	}
}

func attributeType(a schema.Attribute) string {
	switch a.Kind {
	case schema.Model:
		return "model"
	case schema.Template:
		return "template"
	case schema.Files:
		return "path or paths"
	case schema.Samples:
		return "number of samples"
	case schema.RowMap:
		return "map of CEL over `record`"
	case schema.JSONSchema:
		return "JSON Schema"
	}
	return TypeName(a.Type)
}

// TypeName is a type in words.
func TypeName(ty cty.Type) string {
	switch {
	case ty == cty.NilType || ty == cty.DynamicPseudoType:
		return "any"
	case ty.IsListType():
		return "list of " + TypeName(ty.ElementType())
	case ty.IsMapType():
		return "map of " + TypeName(ty.ElementType())
	case ty.IsObjectType():
		names := make([]string, 0, len(ty.AttributeTypes()))
		for name := range ty.AttributeTypes() {
			names = append(names, name)
		}
		slices.Sort(names)
		return "object {" + strings.Join(names, ", ") + "}"
	}
	return ty.FriendlyName()
}

// longDefault is where a default is shown in full below the table.
const longDefault = 60

func defaultOf(a schema.Attribute) string {
	switch {
	case a.Required:
		return "required"
	case a.Default == cty.NilVal:
		return ""
	}
	text, err := schema.ValueToJSON(a.Default)
	if err != nil {
		return ""
	}
	if len(text) > longDefault {
		return "see below"
	}
	return "`" + Cell(string(text)) + "`"
}

func limits(a schema.Attribute) string {
	var out []string
	if len(a.OneOf) > 0 {
		out = append(out, "One of "+strings.Join(a.OneOf, ", ")+".")
	}
	if a.Min != nil {
		out = append(out, fmt.Sprintf("At least %v.", *a.Min))
	}
	if a.Max != nil {
		out = append(out, fmt.Sprintf("At most %v.", *a.Max))
	}
	if a.Sensitive {
		out = append(out, "Sensitive: in no key, log or file.")
	}
	if a.Volatile {
		out = append(out, "In no key.")
	}
	if len(out) == 0 {
		return ""
	}
	return " " + strings.Join(out, " ")
}

// Cell makes text fit a table's cell.
func Cell(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return strings.ReplaceAll(s, "|", "\\|")
}

// templates lists the variables and the default text of each template.
func templates(b *strings.Builder, s schema.Block) {
	for _, a := range s.Attributes {
		if a.Kind == schema.Template {
			fmt.Fprintf(b, "\nVariables of `%s`:\n\n| variable | type | |\n|---|---|---|\n", a.Name)
			for _, v := range a.Variables {
				fmt.Fprintf(b, "| `{{ .%s }}` | %s | %s |\n", v.Name, TypeName(v.Type), Cell(v.Doc))
			}
		}
		if a.Default == cty.NilVal || a.Type != cty.String {
			continue
		}
		if text := a.Default.AsString(); len(text) > longDefault {
			fence := "```"
			if strings.Contains(text, fence) {
				fence = "````"
			}
			fmt.Fprintf(b, "\nDefault of `%s`:\n\n%stext\n%s\n%s\n", a.Name, fence, strings.TrimSpace(text), fence)
		}
	}
}

func columns(b *strings.Builder, title string, list []schema.Column, open bool, rest string) {
	if len(list) == 0 && !open {
		return
	}
	fmt.Fprintf(b, "\n%s:\n\n", title)
	for _, c := range list {
		name := "`" + c.Name + "`"
		if c.Name == schema.BlockName {
			name = "a column named after the block"
		}
		optional := ""
		if c.Optional {
			optional = ", optional"
		}
		fmt.Fprintf(b, "- %s (%s%s)", name, TypeName(c.Type), optional)
		if c.Doc != "" {
			fmt.Fprintf(b, ": %s", c.Doc)
		}
		b.WriteString("\n")
	}
	if open {
		fmt.Fprintf(b, "- %s\n", rest)
	}
}
