package oracle

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// columns of a row, or those of them that a component sees.
type columns map[string]any

func (c columns) text(name string) string { s, _ := c[name].(string); return s }

func (c columns) number(name string) int {
	switch n := c[name].(type) {
	case int:
		return n
	case float64:
		return int(n)
	}
	return 0
}

// canonical is JSON with sorted keys. The test's values have no characters
// that are escaped.
func canonical(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// draw is a number that depends on a text alone.
func draw(text string) uint64 {
	d := sha256.Sum256([]byte(text))
	return binary.BigEndian.Uint64(d[:8])
}

// outcome is what a component made of a task.
type outcome struct {
	rows    []columns
	dropped string
	failed  *failure
}

// failure is a row's or a call's.
type failure struct {
	code      string
	transient bool
}

// ask makes a model call.
type ask func(slot, prompt string) (string, *failure)

// component is what the plugins do with one row. It is the one thing that the
// engine's runner and the model of a build share: a component is what it is.
// config is its configuration as it gets it.
func component(name string, config, row columns, call ask) outcome {
	prompt := config.text("prompt")
	for c := range row {
		prompt = strings.ReplaceAll(prompt, "{{ .row."+c+" }}", fmt.Sprint(row[c]))
	}
	switch name {
	case "plain":
		n := row.number("n")
		if n%5 == 4 {
			return outcome{dropped: "plain"}
		}
		return outcome{rows: slices.Repeat([]columns{{"text": fmt.Sprint("t", n%3), "kind": fmt.Sprint("k", n%2)}}, 1+n%2)}
	case "vary":
		a, err := call("model", prompt)
		switch {
		case err != nil:
			return outcome{failed: err}
		case a == words()[0]:
			return outcome{dropped: "clean"}
		case a == words()[1]:
			return outcome{rows: []columns{{"text": a, "kind": "k0"}, {"text": "second", "kind": "k1"}}}
		case a == words()[2] && draw(prompt)%2 == 0:
			return outcome{failed: &failure{code: "invalid_reply"}}
		}
		return outcome{rows: []columns{{"text": a, "kind": fmt.Sprint("k", draw(a)%3)}}}
	case "grade":
		a, err := call("model", prompt)
		if err != nil {
			return outcome{failed: err}
		}
		return outcome{rows: []columns{{schema.BlockName: fmt.Sprint("g", draw(a)%4)}}}
	}
	return redo(config, row, call)
}

// redo asks an agent and a judge in turns; each turn rests on the last.
func redo(config, row columns, call ask) outcome {
	said := config.text("prompt") + " " + row.text("ask") + row.text("text")
	for i := range config.number("rounds") {
		a, err := call("agent", said)
		if err != nil {
			return outcome{failed: err}
		}
		v, err := call("judge", "is it safe to "+a)
		if err != nil {
			return outcome{failed: err}
		}
		if draw(v)%3 != 0 {
			return outcome{rows: []columns{{"safe": a, "tries": i}}}
		}
		said += " not " + a
	}
	return outcome{dropped: "unsolved"}
}

// words are the answers of the endpoint. They are few, so that different
// requests often get the same one.
func words() []string {
	return strings.Fields("apple pear plum quince fig lemon melon grape peach lime date mango")
}

// components describes the test's plugins for the language.
type components struct{}

func (components) Component(role schema.Role, label string) (*schema.Component, spec.PluginRef, bool) {
	for _, c := range described() {
		if c.Role == role && c.Name == label {
			return &c, spec.PluginRef{Name: "test", Source: "example.test/test"}, true
		}
	}
	return nil, spec.PluginRef{}, false
}

func (components) Labels(schema.Role) []string { return nil }

func (components) Validate(spec.PluginRef, schema.Role, string, []byte) ([]schema.Diagnostic, error) {
	return nil, nil
}

func described() []schema.Component {
	column := func(name string, ty cty.Type) schema.Column { return schema.Column{Name: name, Type: ty} }
	text := func(name string) schema.Column { return column(name, cty.String) }
	maybe := func(name string) schema.Column {
		return schema.Column{Name: name, Type: cty.String, Optional: true}
	}
	value := func(name string, ty cty.Type) schema.Attribute { return schema.Attribute{Name: name, Type: ty} }
	slot := func(name string) schema.Attribute {
		return schema.Attribute{Name: name, Type: cty.String, Kind: schema.Model, Required: true}
	}
	prompt := schema.Attribute{Name: "prompt", Type: cty.String, Kind: schema.Template,
		Variables: []schema.Variable{{Name: schema.RowVariable, Type: cty.DynamicPseudoType}}}
	block := func(a ...schema.Attribute) schema.Block { return schema.Block{Attributes: a} }
	list := []schema.Component{
		{Role: schema.ThreatSource, Name: "list", Writes: []schema.Column{text("ask"), text("grp"), column("n", cty.Number), maybe("extra")},
			Config: block(schema.Attribute{Name: "path", Type: cty.DynamicPseudoType, Kind: schema.Files, Required: true}, value("tag", cty.String))},
		{Role: schema.Simulator, Name: "plain", Reads: []schema.Column{column("n", cty.Number)}, Writes: []schema.Column{text("kind"), text("text")}},
		{Role: schema.Simulator, Name: "vary", Reads: []schema.Column{}, Writes: []schema.Column{text("kind"), text("text")},
			Config: block(slot("model"), prompt, schema.Attribute{Name: "samples", Type: cty.Number, Kind: schema.Samples, Default: cty.NumberIntVal(1)})},
		{Role: schema.Reflector, Name: "redo", Reads: []schema.Column{text("ask"), maybe("text")}, Writes: []schema.Column{text("safe"), column("tries", cty.Number)},
			Config: block(slot("agent"), slot("judge"), value("prompt", cty.String), value("rounds", cty.Number))},
		{Role: schema.Judge, Name: "grade", Reads: []schema.Column{}, Writes: []schema.Column{text(schema.BlockName)}, Config: block(slot("model"), prompt)},
		{Role: schema.Output, Name: "lines", ReadsAll: true, Config: block(value("style", cty.String))},
		{Role: schema.Output, Name: "brief", ReadsAll: true, Config: block(value("style", cty.String))},
	}
	for i := range list {
		list[i].BehaviorVersion = "1"
		switch list[i].Name {
		case "vary", "grade":
			list[i].Calls = &schema.Calls{Min: 1, Max: 1}
		case "redo":
			list[i].Calls = &schema.Calls{Min: 2, Max: 2, Times: "rounds"}
		}
	}
	return list
}

// record is one line of a source's file: a row, or what is wrong with it.
func record(line, tag string) (row columns, dropped string, failed *failure) {
	if line == "skip" {
		return nil, "skipped", nil
	}
	if json.Unmarshal([]byte(line), &row) != nil {
		return nil, "", &failure{code: "bad_record"}
	}
	if row["grp"] == nil {
		row["grp"] = tag
	}
	return row, "", nil
}

// writer is the output components: the files that they write, by name, of rows
// with their splits, and how many rows have no place in them.
func writer(name, style string, rows []columns, splits []string) (files map[string]string, lines map[string]int64, skipped int64, skips []bool) {
	files, lines, skips = map[string]string{}, map[string]int64{}, make([]bool, len(rows))
	for i, r := range rows {
		file, line := splits[i]+".jsonl", style+canonical(r)
		if name == "brief" {
			if skips[i] = draw(r.text("ask"))%3 == 0; skips[i] {
				skipped++
				continue
			}
			file, line = "all.txt", style+r.text("id")
		}
		files[file] += line + "\n"
		lines[file]++
	}
	return files, lines, skipped, skips
}

var errClosed = errors.New("the run is closed")
