package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

// Recipe lists a recipe's steps and the columns of their rows.
func (v *View) Recipe(r *spec.Recipe) {
	if v.opts.JSON {
		v.steps(r)
		return
	}
	var b strings.Builder
	for _, s := range r.Steps {
		b.WriteString(Clean(s.Address) + "\n")
		if inputs := inputNames(s); len(inputs) > 0 {
			v.property(&b, "from", strings.Join(inputs, ", "))
		}
		if after := afterNames(s); len(after) > 0 {
			v.property(&b, "after", strings.Join(after, ", "))
		}
		if s.Role != nil {
			v.property(&b, "is", firstSentence(s.Role.Component.Doc))
		}
		for _, op := range s.Distill {
			v.operation(&b, op)
		}
		if e := s.Evaluation; e != nil {
			v.evaluation(&b, e)
		}
		if s.Dataset != nil {
			for _, out := range s.Dataset.Outputs {
				v.property(&b, "output", out.Role.Component.Name+" to "+out.Path)
			}
			if s.Dataset.Card != nil {
				v.property(&b, "card", "to "+s.Dataset.Card.Output.Path)
			}
		}
		v.property(&b, "columns", columnNames(s))
	}
	v.result(b.String())
}

// operation tells of an operation of a distill step.
func (v *View) operation(b *strings.Builder, op *spec.Op) {
	switch {
	case op.Kind != spec.OpScenarios:
		v.property(b, string(op.Kind), op.Name)
	case op.Split != nil:
		v.property(b, "split", op.Of)
	}
}

// evaluation tells how an evaluation's trials are made into figures.
func (v *View) evaluation(b *strings.Builder, e *spec.EvaluationBody) {
	var judges []string
	for _, j := range e.Judges {
		judges = append(judges, j.Name)
	}
	for _, h := range e.Humans {
		judges = append(judges, h.Name+" (a person)")
	}
	if len(judges) > 0 {
		v.property(b, "judges", strings.Join(judges, ", "))
	}
	for _, a := range e.Asserts {
		v.property(b, "assert", a.Name)
	}
	if e.Report != nil {
		v.property(b, "report", "to "+e.Report.Path)
	}
}

// property writes one line about a step, or more where it is long.
func (v *View) property(b *strings.Builder, name, value string) {
	const indent = 13
	lines := wrap(Clean(value), min(v.outWidth(), maxTextWidth)-indent)
	fmt.Fprintf(b, "    %-8s %s\n", name, lines[0])
	for _, line := range lines[1:] {
		b.WriteString(strings.Repeat(" ", indent) + line + "\n")
	}
}

func columnNames(s *spec.Step) string {
	var names []string
	for _, c := range s.Columns.List {
		names = append(names, c.Name)
	}
	if s.Columns.Open {
		names = append(names, "…")
	}
	return strings.Join(names, " ")
}

func firstSentence(s string) string {
	if first, _, found := strings.Cut(s, ". "); found {
		return first + "."
	}
	return s
}

type stepLine struct {
	Type    string   `json:"type"`
	Address string   `json:"address"`
	Kind    string   `json:"kind"`
	Inputs  []string `json:"inputs"`
	After   []string `json:"after,omitempty"` // steps that train its models
	Columns []string `json:"columns"`
	Open    bool     `json:"open"`
}

// steps writes a JSON line for each step.
func (v *View) steps(r *spec.Recipe) {
	for _, s := range r.Steps {
		out := stepLine{Type: "step", Address: s.Address, Kind: stepKind(s), Inputs: inputNames(s), After: afterNames(s), Columns: []string{}, Open: s.Columns.Open}
		for _, c := range s.Columns.List {
			out.Columns = append(out.Columns, c.Name)
		}
		v.line(out)
	}
}

func stepKind(s *spec.Step) string {
	if s.Role != nil {
		return string(s.Role.Component.Role)
	}
	return string(s.Kind)
}

func inputNames(s *spec.Step) []string {
	names := []string{}
	for _, in := range s.Inputs {
		names = append(names, in.Address)
	}
	return names
}

// afterNames are the steps that train a step's models.
func afterNames(s *spec.Step) (names []string) {
	for _, in := range s.After {
		names = append(names, in.Address)
	}
	return names
}

// Row shows one row of a step: as it is with -json, else column by column.
func (v *View) Row(address string, r row.Row) {
	if v.opts.JSON {
		v.line(rowLine{"row", address, r.Bytes()})
		return
	}
	var b strings.Builder
	b.WriteString(Clean(r.String("id")) + "\n")
	for _, name := range r.Names() {
		if name != "id" {
			value, _ := r.Column(name)
			fmt.Fprintf(&b, "  %s: %s\n", Clean(name), indented(value))
		}
	}
	v.result(b.String() + "\n")
}

// indented shows a JSON value on as many lines as it needs.
func indented(value []byte) string {
	var b bytes.Buffer
	if len(value) < 100 || json.Indent(&b, value, "  ", "  ") != nil {
		return Clean(string(value))
	}
	return CleanLines(b.String())
}

// GraphFormat is how a graph is written.
type GraphFormat string

// The formats of graphs.
const (
	GraphDOT     GraphFormat = "dot"
	GraphMermaid GraphFormat = "mermaid"
	GraphJSON    GraphFormat = "json"
)

// Valid says whether f is one of the formats.
func (f GraphFormat) Valid() bool { return f == GraphDOT || f == GraphMermaid || f == GraphJSON }

// Graph prints a recipe's graph.
func (v *View) Graph(r *spec.Recipe, format GraphFormat) {
	switch format {
	case GraphJSON:
		v.steps(r)
	case GraphMermaid:
		v.result(mermaid(r))
	default:
		v.result(dot(r))
	}
}

func dot(r *spec.Recipe) string {
	var b strings.Builder
	b.WriteString("digraph recipe {\n  rankdir = TB;\n  node [shape = box];\n")
	for i, s := range r.Steps {
		fmt.Fprintf(&b, "  n%d [label = %s];\n", i, strconv.Quote(Clean(s.Address)))
	}
	edges(r, func(from, to int, model bool) {
		style := ""
		if model {
			style = " [style = dashed]"
		}
		fmt.Fprintf(&b, "  n%d -> n%d%s;\n", from, to, style)
	})
	b.WriteString("}\n")
	return b.String()
}

func mermaid(r *spec.Recipe) string {
	// Mermaid writes characters by name or number between # and ;.
	escape := strings.NewReplacer(`"`, "#quot;", "#", "#35;", "<", "#lt;", ">", "#gt;", "&", "#amp;")
	var b strings.Builder
	b.WriteString("flowchart TD\n")
	for i, s := range r.Steps {
		fmt.Fprintf(&b, "  n%d[\"%s\"]\n", i, escape.Replace(Clean(s.Address)))
	}
	edges(r, func(from, to int, model bool) {
		arrow := "-->"
		if model {
			arrow = "-.->"
		}
		fmt.Fprintf(&b, "  n%d %s n%d\n", from, arrow, to)
	})
	return b.String()
}

// edges are the ways of rows, and of models that steps train for others.
func edges(r *spec.Recipe, f func(from, to int, model bool)) {
	index := map[*spec.Step]int{}
	for i, s := range r.Steps {
		index[s] = i
		for _, in := range s.Inputs {
			f(index[in], i, false)
		}
		for _, in := range s.After {
			f(index[in], i, true)
		}
	}
}
