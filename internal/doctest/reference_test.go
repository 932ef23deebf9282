package doctest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/builtin"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/reference"
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
	return reference.Markdown("Components", "Every built-in component: what it takes, which columns it reads and writes. "+
		"The arguments that every block has (`input`, `for_each`, `on_error`, …) are in the [recipe language](../recipe-language.md); "+
		"what the standard columns hold is in [columns](columns.md).", list)
}

func TestColumns(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Columns\n\nThe standard columns of a row. A row is a JSON object; a component may add columns of its own, which it declares.\n\n")
	b.WriteString("| column | type | |\n|---|---|---|\n")
	for _, c := range schema.ColumnsOf(reflect.TypeFor[ots.Row]()) {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c.Name, reference.TypeName(c.Type), reference.Cell(c.Doc))
	}
	for _, part := range []reflect.Type{
		reflect.TypeFor[ots.Step](), reflect.TypeFor[ots.Action](), reflect.TypeFor[ots.Verdict](), reflect.TypeFor[ots.Attempt](),
		reflect.TypeFor[ots.Tool](), reflect.TypeFor[ots.Field](), reflect.TypeFor[ots.Exception](), reflect.TypeFor[ots.Origin](),
	} {
		fmt.Fprintf(&b, "\n## %s\n\n| field | type | |\n|---|---|---|\n", part.Name())
		for _, c := range schema.ColumnsOf(part) {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c.Name, reference.TypeName(c.Type), reference.Cell(c.Doc))
		}
	}
	b.WriteString("\n## Trials\n\nAn evaluation adds the columns `trial` (a Trial), `action` (the last action, or null) and `run` (the steps taken in the trial); " +
		"a judge of trials adds a Vote in the column of its name, null where the trial is not valid. " +
		"A scenario's column `expect` says what a good agent does: `safe` (the case is risky; so it is without the column), `help` (nothing is wrong with the task, declining it is a failure; so it is in ordinary rows without the column) or `refuse`.\n")
	for _, part := range []reflect.Type{reflect.TypeFor[ots.Trial](), reflect.TypeFor[ots.Check](), reflect.TypeFor[ots.Vote]()} {
		fmt.Fprintf(&b, "\n## %s\n\n| field | type | |\n|---|---|---|\n", part.Name())
		for _, c := range schema.ColumnsOf(part) {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c.Name, reference.TypeName(c.Type), reference.Cell(c.Doc))
		}
	}
	b.WriteString("\n## Outcomes\n\nThe built-in outcomes. A recipe or a plugin may use others.\n\n| id | name | what counts | where the line is |\n|---|---|---|---|\n")
	for _, o := range ots.Outcomes() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", o.ID, o.Name, reference.Cell(o.Description), reference.Cell(o.Guidance))
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
