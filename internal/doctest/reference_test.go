package doctest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/plugins/builtin"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
	"github.com/autosafe/autosafe/spec/schema"
)

// root is the repository's folder, seen from here.
const root = "../.."

var update = flag.Bool("update", false, "write docs/reference anew")

const made = "<!-- Made by go test ./internal/doctest -update. Do not edit. -->\n\n"

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join(root, "docs", "reference", name)
	got = made + got
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("docs/reference/%s is not what the code says; go test ./internal/doctest -update writes it anew.\n%s", name, firstDifference(got, string(want)))
	}
}

// firstDifference shows the first line in which two texts differ.
func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			return fmt.Sprintf("line %d is   %q\nshould be %q", i+1, strings.Join(w[min(i, len(w)):min(i+1, len(w))], ""), g[i])
		}
	}
	return fmt.Sprintf("it has %d lines too many", len(w)-len(g))
}

func TestComponents(t *testing.T) {
	golden(t, "components.md", componentsPage(t, builtin.Plugin()))
}

// componentsPage is the reference of a plugin's components.
func componentsPage(t *testing.T, p sdk.Plugin) string {
	t.Helper()
	list, err := sdk.Describe(p)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(list, func(a, b schema.Component) int {
		return slices.Index(schema.Roles(), a.Role) - slices.Index(schema.Roles(), b.Role)
	})
	var b strings.Builder
	b.WriteString("# Components\n\nEvery built-in component: what it takes, which columns it reads and writes. ")
	b.WriteString("The arguments that every block has (`input`, `for_each`, `on_error`, …) are in the [recipe language](../recipe-language.md); ")
	b.WriteString("what the standard columns hold is in [columns](columns.md).\n\n")
	for _, c := range list {
		fmt.Fprintf(&b, "- [`%s %q`](#%s): %s\n", c.Role, c.Name, anchor(c), sentence(c.Doc))
	}
	for _, c := range list {
		component(&b, c)
	}
	return b.String()
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
	block(b, "Arguments", c.Config)
	templates(b, c.Config)
	columns(b, "Reads", c.Reads, c.ReadsAll, "The whole row.")
	columns(b, "Writes", c.Writes, c.WritesOpen, "Further columns, as they come.")
	if c.BehaviorVersion != "" {
		fmt.Fprintf(b, "\nBehaviour version: %s.\n", c.BehaviorVersion)
	}
}

func block(b *strings.Builder, title string, s schema.Block) {
	if len(s.Attributes) > 0 {
		fmt.Fprintf(b, "\n%s:\n\n| name | type | default | |\n|---|---|---|---|\n", title)
	}
	for _, a := range s.Attributes {
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", a.Name, attributeType(a), defaultOf(a), cell(a.Doc+limits(a)))
	}
	for _, n := range s.Blocks {
		labels := ""
		for _, l := range n.Labels {
			labels += fmt.Sprintf(" %q", l)
		}
		block(b, fmt.Sprintf("Block `%s%s`: %s Its arguments", n.Type, labels, cell(n.Doc)), n.Block)
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
	return typeName(a.Type)
}

func typeName(ty cty.Type) string {
	switch {
	case ty == cty.NilType || ty == cty.DynamicPseudoType:
		return "any"
	case ty.IsListType():
		return "list of " + typeName(ty.ElementType())
	case ty.IsMapType():
		return "map of " + typeName(ty.ElementType())
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
	return "`" + cell(string(text)) + "`"
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

// cell makes text fit a table's cell.
func cell(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return strings.ReplaceAll(s, "|", "\\|")
}

// templates lists the variables and the default text of each template.
func templates(b *strings.Builder, s schema.Block) {
	for _, a := range s.Attributes {
		if a.Kind == schema.Template {
			fmt.Fprintf(b, "\nVariables of `%s`:\n\n| variable | type | |\n|---|---|---|\n", a.Name)
			for _, v := range a.Variables {
				fmt.Fprintf(b, "| `{{ .%s }}` | %s | %s |\n", v.Name, typeName(v.Type), cell(v.Doc))
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
		fmt.Fprintf(b, "- %s (%s%s)", name, typeName(c.Type), optional)
		if c.Doc != "" {
			fmt.Fprintf(b, ": %s", c.Doc)
		}
		b.WriteString("\n")
	}
	if open {
		fmt.Fprintf(b, "- %s\n", rest)
	}
}

func TestColumns(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Columns\n\nThe standard columns of a row. A row is a JSON object; a component may add columns of its own, which it declares.\n\n")
	b.WriteString("| column | type | |\n|---|---|---|\n")
	for _, c := range schema.ColumnsOf(reflect.TypeFor[ots.Row]()) {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c.Name, typeName(c.Type), cell(c.Doc))
	}
	for _, part := range []reflect.Type{
		reflect.TypeFor[ots.Step](), reflect.TypeFor[ots.Action](), reflect.TypeFor[ots.Verdict](), reflect.TypeFor[ots.Attempt](),
		reflect.TypeFor[ots.Tool](), reflect.TypeFor[ots.Field](), reflect.TypeFor[ots.Exception](), reflect.TypeFor[ots.Origin](),
	} {
		fmt.Fprintf(&b, "\n## %s\n\n| field | type | |\n|---|---|---|\n", part.Name())
		for _, c := range schema.ColumnsOf(part) {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c.Name, typeName(c.Type), cell(c.Doc))
		}
	}
	b.WriteString("\n## Outcomes\n\nThe built-in outcomes. A recipe or a plugin may use others.\n\n| id | name | what counts | where the line is |\n|---|---|---|---|\n")
	for _, o := range ots.Outcomes() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", o.ID, o.Name, cell(o.Description), cell(o.Guidance))
	}
	b.WriteString("\n## Instruction types\n\n")
	for _, it := range ots.InstructionTypes() {
		fmt.Fprintf(&b, "- `%s`: %s\n", it, it.Definition())
	}
	b.WriteString("\n## Scenario classes\n\n| class | instruction | context | source of the risk |\n|---|---|---|---|\n")
	for _, c := range ots.Classes() {
		i, ctx, _ := c.Parts()
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", c, i, ctx, ots.RiskSource(i, ctx))
	}
	golden(t, "columns.md", b.String())
}
