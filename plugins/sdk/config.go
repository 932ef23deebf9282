package sdk

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"text/template"

	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

// Model is a model that a recipe gives to the component: the slot through
// which Call.Complete reaches it; "" where the recipe leaves it out.
type Model string

// SchemaKind makes the argument a reference to a model block.
func (Model) SchemaKind() schema.Kind { return schema.Model }

// Files are the files that a path, glob or list of them names, sorted.
type Files []schema.File

// SchemaKind makes the argument a path relative to the recipe.
func (Files) SchemaKind() schema.Kind { return schema.Files }

// Template is a text/template over V, with the functions of
// schema.TemplateFuncs. Its variables are V's members by their json names:
// {{ .instruction }}; a member named "row" of type
// map[string]json.RawMessage gives the row's columns: {{ .row.name }}.
type Template[V any] struct {
	text string
	tmpl *template.Template
}

// NewTemplate parses a template; configurations do it by themselves.
func NewTemplate[V any](text string) (Template[V], error) {
	tmpl, err := schema.ParseTemplate("template", text)
	if err != nil {
		return Template[V]{}, fmt.Errorf("the template does not parse: %s", strings.TrimPrefix(err.Error(), "template: "))
	}
	return Template[V]{text: text, tmpl: tmpl}, nil
}

// SchemaKind makes the argument a template.
func (Template[V]) SchemaKind() schema.Kind { return schema.Template }

// SchemaVariables are V's members.
func (Template[V]) SchemaVariables() []schema.Variable {
	return schema.VariablesOf(reflect.TypeFor[V]())
}

// Text is the template as written.
func (t Template[V]) Text() string { return t.text }

// Execute fills the template in. An unset template gives "".
func (t Template[V]) Execute(v V) (string, error) {
	if t.tmpl == nil {
		return "", nil
	}
	data, err := schema.TemplateData(v)
	if err != nil {
		return "", Fail("bad_template", err.Error())
	}
	b := boundedText{room: maxTemplateText}
	if err := t.tmpl.Execute(&b, data); err != nil {
		return "", Fail("bad_template", strings.TrimPrefix(err.Error(), "template: "))
	}
	return b.String(), nil
}

// maxTemplateText bounds what a template may make, in bytes: far more than a
// model can read, and little enough that loops within loops end.
const maxTemplateText = 16 << 20

// boundedText is text up to a bound.
type boundedText struct {
	strings.Builder
	room int
}

func (b *boundedText) Write(p []byte) (int, error) {
	if b.room -= len(p); b.room < 0 {
		return 0, fmt.Errorf("the text would be longer than %d MiB", maxTemplateText>>20)
	}
	return b.Builder.Write(p)
}

// UnmarshalJSON parses the template's text.
func (t *Template[V]) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	parsed, err := NewTemplate[V](text)
	if err != nil {
		return err
	}
	*t = parsed
	return nil
}

// MarshalJSON gives the template's text.
func (t Template[V]) MarshalJSON() ([]byte, error) { return json.Marshal(t.text) }

// validator is implemented by configurations with checks of their own. They
// run after the types have been checked.
type validator interface{ Validate(p *Problems) }

// Problems collects what is wrong with a configuration.
type Problems struct{ diags []schema.Diagnostic }

// Key is a step into a map by key, for Problems.Attr.
type Key string

// Attr names the value at fault: an argument, then steps into it, each an int
// (an element), a string (a member or a nested block's argument) or a Key.
func (p *Problems) Attr(name string, steps ...any) *Problem {
	path := cty.GetAttrPath(name)
	for _, s := range steps {
		switch s := s.(type) {
		case int:
			path = path.IndexInt(s)
		case Key:
			path = path.IndexString(string(s))
		default:
			path = path.GetAttr(fmt.Sprint(s))
		}
	}
	return &Problem{problems: p, path: path}
}

// Errorf reports a problem with the block as a whole. The summary is terse
// and the same for every problem of its class; the detail says what is wrong
// with this one and what to do.
func (p *Problems) Errorf(summary, format string, args ...any) {
	(&Problem{problems: p}).Errorf(summary, format, args...)
}

// Problem is a place in a configuration.
type Problem struct {
	problems *Problems
	path     cty.Path
}

// Errorf reports a problem at the place.
func (p *Problem) Errorf(summary, format string, args ...any) {
	p.add(false, summary, fmt.Sprintf(format, args...))
}

// Warnf reports something that is allowed but likely wrong.
func (p *Problem) Warnf(summary, format string, args ...any) {
	p.add(true, summary, fmt.Sprintf(format, args...))
}

func (p *Problem) add(warning bool, summary, detail string) {
	p.problems.diags = append(p.problems.diags, schema.Diagnostic{
		Warning: warning, Summary: summary, Detail: detail, Path: p.path,
	})
}
