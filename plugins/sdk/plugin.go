// Package sdk is what a plugin is written with: a component is a function
// over typed configuration and typed rows, and the package does the rest. It
// describes the component from the struct tags, checks configurations, moves
// rows in batches, runs many at once, and gives access to models by slot.
//
// It knows nothing of recipes, caches or endpoints; those stay with the host.
// A plugin's main is one call:
//
//	func main() { sdk.Serve(sdk.Plugin{Name: "…", Version: "1.0.0", …}) }
package sdk

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

// Plugin is a set of components, by role and name.
type Plugin struct {
	Name    string // source address: github.com/acme/autosafe-plugin-acme
	Version string // semantic version, without a leading v

	ThreatSources map[string]Component // made by Source
	Simulators    map[string]Component // made by Rows or Dataset
	Reflectors    map[string]Component // made by Rows or Dataset
	Judges        map[string]Component // made by Rows or Dataset
	Outputs       map[string]Component // made by Sink
	Finetunes     map[string]Component // made by Training
	// Evaluations try an agent on a scenario. Made by Rows, with an argument of
	// flags:"samples" for the trials of each scenario. The rows hold the columns
	// trial (ots.Trial), action (*ots.Action) and run ([]ots.Step), whose Go types
	// are in package spec/ots; the agent's model is the argument model.
	Evaluations map[string]Component
}

// Component is one thing that a plugin can do: made by Source, Rows, Dataset,
// Sink or Training.
type Component struct {
	shape shape
	// make gives the component itself, with all that follows here. It works
	// once, and only when the component is asked for: a program that lists many
	// starts as fast as one that lists few.
	make func() Component

	desc schema.Component
	err  error // of the config type's tags or of an option
	open func(desc schema.Component, config []byte) (instance, []schema.Diagnostic)
}

// shape is how a component is fed.
type shape string

const (
	sourceShape shape = "Source"
	rowsShape   shape = "Rows"
	sinkShape   shape = "Sink"
	tuneShape   shape = "Training"
)

// Option says more about a component than its types do.
type Option func(*Component)

// Doc describes the component in a sentence or two.
func Doc(text string) Option { return func(c *Component) { c.desc.Doc = text } }

// Behavior declares a version of the component's behaviour, which stands for
// its code in cache keys. Without it the plugin binary's digest does, so every
// new build of the plugin re-runs its steps. Raise it whenever equal input may
// give different output than before.
func Behavior(version string) Option {
	return func(c *Component) { c.desc.BehaviorVersion = version }
}

// Deterministic promises the same bytes for the same input and seed.
func Deterministic() Option { return func(c *Component) { c.desc.Deterministic = true } }

// Calls declares how many model calls the component makes for one task: at
// least min and at most max, replies that are asked for again left out. Plans
// estimate the cost of a build by it.
func Calls(min, max int) Option { return CallsTimes(min, max, "") }

// CallsTimes is Calls where the greatest number grows with an integer argument
// of the block, such as the number of steps: it is max times that.
func CallsTimes(min, max int, argument string) Option {
	return func(c *Component) { c.desc.Calls = &schema.Calls{Min: min, Max: max, Times: argument} }
}

// CallsWhere adds to Calls what the component makes on top where an argument has
// a value: at most max, times each of the integer arguments named.
func CallsWhere(argument, value string, max int, times ...string) Option {
	return func(c *Component) {
		if c.desc.Calls == nil {
			c.err = cmp.Or(c.err, fmt.Errorf("option CallsWhere comes after Calls or CallsTimes"))
			return
		}
		c.desc.Calls.More = append(c.desc.Calls.More, schema.MoreCalls{Argument: argument, Value: value, Max: max, Times: times})
	}
}

// ReadsAll lets the component see whole rows, and every change of any column
// re-runs it.
func ReadsAll() Option { return func(c *Component) { c.desc.ReadsAll = true } }

// Default sets the default of an argument that is too long for a tag, such as
// a prompt: JSON, or the bare text of a string.
func Default(argument, text string) Option {
	return func(c *Component) {
		for i := range c.desc.Config.Attributes {
			a := &c.desc.Config.Attributes[i]
			if a.Name != argument {
				continue
			}
			v, err := defaultValue(text, a.Type)
			if err != nil {
				c.err = cmp.Or(c.err, fmt.Errorf("argument %q: %w", argument, err))
				return
			}
			a.Default, a.Required = v, false
			return
		}
		c.err = cmp.Or(c.err, fmt.Errorf("option Default: there is no argument %q", argument))
	}
}

// defaultValue takes text as it is for a string: a prompt may well begin with
// a quotation mark.
func defaultValue(text string, ty cty.Type) (cty.Value, error) {
	if ty == cty.String {
		return cty.StringVal(text), nil
	}
	return schema.ParseDefault(text, ty)
}

// family is the components of one role.
type family struct {
	role       schema.Role
	shape      shape
	components map[string]Component
}

func (p Plugin) families() []family {
	return []family{
		{schema.ThreatSource, sourceShape, p.ThreatSources},
		{schema.Simulator, rowsShape, p.Simulators},
		{schema.Reflector, rowsShape, p.Reflectors},
		{schema.Judge, rowsShape, p.Judges},
		{schema.Output, sinkShape, p.Outputs},
		{schema.Finetune, tuneShape, p.Finetunes},
		{schema.Evaluation, rowsShape, p.Evaluations},
	}
}

func semver() *regexp.Regexp {
	return regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
}

// Describe gives the descriptions of a plugin's components, in order of role
// and name, or what is wrong with the plugin. It is pure.
func Describe(p Plugin) ([]schema.Component, error) {
	if p.Name == "" {
		return nil, fmt.Errorf("the plugin has no name")
	}
	if !semver().MatchString(p.Version) {
		return nil, fmt.Errorf("plugin %s: version %q is no semantic version such as 1.2.0", p.Name, p.Version)
	}
	var out []schema.Component
	for _, f := range p.families() {
		for name := range f.components {
			c, err := p.component(f.role, name)
			if err != nil {
				return nil, err
			}
			out = append(out, c.desc)
		}
	}
	slices.SortFunc(out, func(a, b schema.Component) int {
		return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.Name, b.Name))
	})
	return out, nil
}

// DescribeOne is Describe for one component.
func DescribeOne(p Plugin, role schema.Role, name string) (schema.Component, error) {
	c, err := p.component(role, name)
	return c.desc, err
}

// component finds a component and checks its description.
func (p Plugin) component(role schema.Role, name string) (Component, error) {
	for _, f := range p.families() {
		c, ok := f.components[name]
		if f.role != role || !ok {
			continue
		}
		if c.make != nil {
			c = c.make()
		}
		c.desc.Role, c.desc.Name = role, name
		fail := func(err error) (Component, error) {
			return Component{}, fmt.Errorf("%s %q: %w", role, name, err)
		}
		switch {
		case c.open == nil:
			return fail(fmt.Errorf("the component was not made by sdk.%s", f.shape))
		case c.shape != f.shape:
			return fail(fmt.Errorf("components of this role are made by sdk.%s, this one by sdk.%s", f.shape, c.shape))
		case c.err != nil:
			return fail(c.err)
		}
		if err := c.desc.Check(); err != nil {
			return fail(err)
		}
		return c, nil
	}
	return Component{}, fmt.Errorf("plugin %s has no %s %q", p.Name, role, name)
}

// Validate checks one block's configuration, as JSON, and reports everything
// that is wrong with it. It is pure.
func Validate(p Plugin, role schema.Role, component string, configJSON []byte) []schema.Diagnostic {
	c, err := p.component(role, component)
	if err != nil {
		return []schema.Diagnostic{{Summary: "Unusable component", Detail: err.Error()}}
	}
	_, diags := c.open(c.desc, configJSON)
	return diags
}
