package spec

import (
	"fmt"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

func templateAttribute() schema.Attribute {
	tool := cty.Object(map[string]cty.Type{"name": cty.String, "parameters": cty.DynamicPseudoType})
	return schema.Attribute{Name: "prompt", Type: cty.String, Kind: schema.Template, Variables: []schema.Variable{
		{Name: "instruction", Type: cty.String},
		{Name: "tools", Type: cty.List(tool)},
		{Name: "labels", Type: cty.Map(cty.String)},
		{Name: "round", Type: cty.Number},
		{Name: "action", Type: cty.Object(map[string]cty.Type{"tool": cty.String, "arguments": cty.DynamicPseudoType})},
		{Name: "anything", Type: cty.DynamicPseudoType},
		{Name: schema.RowVariable, Type: cty.DynamicPseudoType},
	}}
}

func TestTemplateColumns(t *testing.T) {
	for _, test := range []struct {
		text string
		want string
		all  bool
	}{
		{"no variables", "", false},
		{"{{ .instruction }}", "", false},
		{"{{ .row.name }} {{ .row.verdict.label }}", "name verdict", false},
		{"{{ $.row.name }}", "name", false},
		{"{{ range .tools }}{{ $.row.name }}{{ .name }}{{ end }}", "name", false},
		{"{{ with .row }}{{ .name }}{{ .verdict.label }}{{ end }}", "name verdict", false},
		{"{{ $r := .row }}{{ $r.name }}", "name", false},
		{"{{ with $r := .row }}{{ $r.name }}{{ end }}", "name", false},
		{`{{ index .row "name" }}`, "name", false},
		{`{{ index .row "verdict" "label" }}`, "verdict", false},
		{`{{ (index .row "verdict").label }}`, "verdict", false},
		{"{{ index .row .instruction }}", "", true},
		{"{{ json .row }}", "", true},
		{"{{ .row | json | indent 2 }}", "", true},
		{"{{ .row }}", "", true},
		{"{{ json . }}", "", true},
		{"{{ . }}", "", true},
		{"{{ range .row }}{{ . }}{{ end }}", "", true},
		{"{{ range $k, $v := .row }}{{ $k }}{{ end }}", "", true},
		{"{{ if .row }}x{{ end }}", "", true},
		{"{{ with .row }}{{ . }}{{ end }}", "", true},
		{`{{ define "a" }}{{ .name }}{{ end }}{{ template "a" .row }}`, "name", false},
		{`{{ define "a" }}{{ .row.name }}{{ end }}{{ template "a" . }}`, "name", false},
		{`{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" .row }}`, "", true},
		{`{{ define "unused" }}{{ .row.score }}{{ end }}`, "", false},
		{`{{ block "a" .row }}{{ .ok }}{{ end }}`, "ok", false},
		{"{{ $x := .row.name }}{{ $x = .row.score }}{{ $x }}", "name score", false},
		{"{{ $x := .instruction }}{{ $x = .row }}{{ $x.name }}", "", true},
		{"{{ $x := .action }}{{ $x = .row.verdict }}{{ $x.label }}", "verdict", false},
		{"{{ $x := .action }}{{ $x = .action }}{{ $x.tool }}", "", false},
		{"{{/* .row.oops */}}{{ .row.ok }}", "ok", false},
		{"{{ if and .row.ok (gt .round 1) }}{{ .row.name | lower }}{{ else if .row.score }}b{{ end }}", "name ok score", false},
	} {
		columns, all, diags := checkTemplate(templateAttribute(), test.text, nil, testColumns())
		if diags.HasErrors() {
			t.Errorf("%s: %v", test.text, diags)
			continue
		}
		if got := strings.Join(columns, " "); got != test.want || all != test.all {
			t.Errorf("%s reads %q, all %v; want %q, %v", test.text, got, all, test.want, test.all)
		}
	}
	columns, _, diags := checkTemplate(templateAttribute(), "{{ .row.extra.deep }}", nil, Columns{Open: true})
	if diags.HasErrors() || strings.Join(columns, " ") != "extra" {
		t.Errorf("open rows: columns %q, %v", columns, diags)
	}
	attr := templateAttribute()
	attr.Variables = attr.Variables[:1]
	if _, all, _ := checkTemplate(attr, "{{ json . }}", nil, testColumns()); all {
		t.Error("a template without the row reads all columns")
	}
}

func TestTemplateErrors(t *testing.T) {
	variables := " The variables are action, anything, instruction, labels, round, row, tools."
	columns := " The columns are any, attempts, counts, name, names, ok, other, pair, score, tools, verdict."
	for _, test := range []struct{ text, marked, summary, detail string }{
		{"{{ .instrution }}", "instrution", summaryUnknownVariable, `There is no variable "instrution". Did you mean "instruction"?` + variables},
		{"{{ .score }}", "score", summaryUnknownVariable, `There is no variable "score". The row's column is .row.score.` + variables},
		{"a\n\n  {{ .row.nmae }}", "nmae", summaryUnknownColumn, `The rows that come in have no column "nmae". Did you mean "name"?` + columns},
		{"{{ .row.verdict.lable }}", "lable", summaryUnknownField, `There is no field "lable" here. Did you mean "label"? The fields are label, reason, score.`},
		{"{{ $.row.verdict.lable }}", "lable", summaryUnknownField, `There is no field "lable" here. Did you mean "label"? The fields are label, reason, score.`},
		{"{{ $r := .row }}{{ $r.nmae }}", "nmae", summaryUnknownColumn, `The rows that come in have no column "nmae". Did you mean "name"?` + columns},
		{`{{ index .row "nmae" }}`, `"nmae"`, summaryUnknownColumn, `The rows that come in have no column "nmae". Did you mean "name"?` + columns},
		{"{{ .action.tol }}", "tol", summaryUnknownField, `There is no field "tol" here. Did you mean "tool"? The fields are arguments, tool.`},
		{"{{ range .tools }}{{ .nmae }}{{ end }}", "nmae", summaryUnknownField, `There is no field "nmae" here. Did you mean "name"? The fields are name, parameters.`},
		{"{{ range $i, $t := .tools }}{{ $t.nmae }}{{ end }}", "nmae", summaryUnknownField, `There is no field "nmae" here. Did you mean "name"? The fields are name, parameters.`},
		{"{{ range .tools }}{{ .row.name }}{{ end }}", "row", summaryUnknownField, `There is no field "row" here. The fields are name, parameters.`},
		{"{{ (index .tools 0).nmae }}", "nmae", summaryUnknownField, `There is no field "nmae" here. Did you mean "name"? The fields are name, parameters.`},
		{"{{ .tools.name }}", "name", summaryWrongType, `A list has no field "name". Go over its elements with range.`},
		{"{{ .instruction.x }}", "x", summaryWrongType, `A string has no field "x".`},
		{"{{ range .instruction }}{{ end }}", ".instruction", summaryWrongType, `range goes over a list, a map or a number, not over a string.`},
		{"{{ jsn .row }}", "jsn", summaryUnknownFunction, `There is no function "jsn". Did you mean "json"?`},
		{"{{ .instruction | uper }}", "uper", summaryUnknownFunction, `There is no function "uper". Did you mean "upper"?`},
		{"{{ lower .tools }}", "lower", summaryWrongType, `The function lower takes a string here, not a list.`},
		{"{{ .row | lower }}", "lower", summaryWrongType, `The function lower takes a string here, not the row.`},
		{"{{ indent .instruction }}", "indent", summaryWrongType, `The function indent takes 2 arguments, not 1.`},
		{"{{ .instruction 1 }}", ".instruction", summaryTemplate, `.instruction is not a function and takes no arguments.`},
		{`{{ template "nope" }}`, `"nope"`, summaryTemplate, `No template "nope" is defined here.`},
		{`{{ define "a" }}{{ .nmae }}{{ end }}{{ template "a" .row }}{{ template "a" .row }}`, "nmae", summaryUnknownColumn, `The rows that come in have no column "nmae". Did you mean "name"?` + columns},
		{"one\n  {{ if .row.ok }}\ntwo", "two", summaryTemplate, "Unexpected EOF."},
		{"one\n  {{ .row.name\n}} \n {{ end }}", "{{ end }}", summaryTemplate, "Unexpected {{end}}."},
		{"{{ $x }}", "{{ $x }}", summaryTemplate, `Undefined variable "$x".`},
	} {
		src := "x = <<-EOT\n" + "    " + strings.ReplaceAll(test.text, "\n", "\n    ") + "\n  EOT\n"
		expr, text := attributeOf(t, "a.hcl", src)
		_, _, diags := checkTemplate(templateAttribute(), text, expr, testColumns())
		if len(diags) != 1 {
			t.Errorf("%s: got %d problems, want 1: %v", test.text, len(diags), diags)
			continue
		}
		if got := marked(t, src, diags[0].Subject); got != test.marked {
			t.Errorf("%s: the error points at %q, want %q", test.text, got, test.marked)
		}
		got, _, _ := strings.Cut(diags[0].Detail, " The functions are")
		if diags[0].Summary != test.summary || got != test.detail {
			t.Errorf("%s:\n got %s; %s\nwant %s; %s", test.text, diags[0].Summary, got, test.summary, test.detail)
		}
	}
}

// A template from a file has no place in the recipe: the detail says the line.
func TestTemplateFromFile(t *testing.T) {
	expr, _ := attributeOf(t, "a.hcl", "x = v")
	_, _, diags := checkTemplate(templateAttribute(), "one\ntwo {{ .row.nmae }}\n{{ .oops }}", expr, testColumns())
	if len(diags) != 2 {
		t.Fatalf("got %v", diags)
	}
	for i, want := range []string{"(Line 2 of the template.)", "(Line 3 of the template.)"} {
		if !strings.HasSuffix(diags[i].Detail, want) || marked(t, "x = v", diags[i].Subject) != "v" {
			t.Errorf("got %s at %v, want it to end with %s", diags[i].Detail, diags[i].Subject, want)
		}
	}
}

func TestTemplateLimits(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("a", maxTemplateBytes+1),
		strings.Repeat("{{if 1}}", maxTemplateBytes/8),
		"{{" + strings.Repeat("(", maxTemplateBytes-2),
	} {
		if _, all, diags := checkTemplate(templateAttribute(), text, nil, testColumns()); !diags.HasErrors() || !all {
			t.Errorf("%.20s…: no error", text)
		}
	}
}

// Templates that use each other twice are checked in no more time than there
// are templates.
func TestTemplateChainEnds(t *testing.T) {
	var b strings.Builder
	const links = 60
	for i := range links {
		fmt.Fprintf(&b, `{{ define "t%d" }}{{ template "t%d" . }}{{ template "t%d" . }}{{ end }}`, i, i+1, i+1)
	}
	fmt.Fprintf(&b, `{{ define "t%d" }}{{ .row.name }}{{ end }}{{ template "t0" . }}`, links)
	columns, _, diags := checkTemplate(templateAttribute(), b.String(), nil, testColumns())
	if diags.HasErrors() || strings.Join(columns, " ") != "name" {
		t.Errorf("%v %v", columns, diags)
	}
	twice := `{{ define "a" }}{{ .label }}{{ end }}{{ template "a" .row.verdict }}{{ template "a" .action }}`
	if _, _, diags := checkTemplate(templateAttribute(), twice, nil, testColumns()); len(diags) != 1 {
		t.Errorf("a template is checked with each type of data: %v", diags)
	}
}

// What the check lets through, the template package parses too.
func FuzzTemplate(f *testing.F) {
	for _, text := range []string{
		"{{ .row.name }}", "{{ range $i, $t := .tools }}{{ $t.name }}{{ break }}{{ end }}", `{{ define "a" }}{{ . }}{{ end }}{{ template "a" .row }}`,
		"{{ with $x := .row }}{{ $x.name }}{{ else }}{{ end }}", "{{ (index .tools 0).name | json }}", "{{- /* c */ -}}", "{{ $ }}", "{{ nil }}",
		"{{ index }}", "{{ 1 | 2 }}", "{{ .a.b.c.d }}", "{{ $x := 1 }}{{ $x = .row }}", "{{ range 3 }}{{ . }}{{ end }}", "{{ template \"x\" }}", "{{ len }}", "{{ (.row) .name }}",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, _, diags := checkTemplate(templateAttribute(), text, nil, testColumns())
		if _, err := schema.ParseTemplate("prompt", text); err != nil && !diags.HasErrors() {
			t.Errorf("the check passes a template that does not parse: %v", err)
		}
	})
}

func TestSuggest(t *testing.T) {
	known := []string{"label", "name", "outcome", "ok"}
	for given, want := range map[string]string{
		"lable": "label", "Label": "label", "nam": "name", "nmae": "name", "outcom": "outcome", "out_come": "outcome",
		"xyz": "", "": "", "k": "", "something": "",
	} {
		full := ""
		if want != "" {
			full = ` Did you mean "` + want + `"?`
		}
		if got := suggest(given, known); got != full {
			t.Errorf("suggest(%q) = %q, want %q", given, got, full)
		}
	}
}
