package schema

import (
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// Check says what is wrong with a component's description, if anything: it is
// for descriptions that come from outside.
func (c Component) Check() error {
	if !slices.Contains(Roles(), c.Role) {
		return fmt.Errorf("unknown role %q", c.Role)
	}
	if c.Name != "" && !identifier(c.Name) {
		return fmt.Errorf("component name %q is no identifier", c.Name)
	}
	if err := c.Config.check(0); err != nil {
		return err
	}
	for _, a := range c.Config.Attributes {
		if reserved(c.Role, a.Name) {
			return fmt.Errorf("argument %q is reserved: every %s block has it", a.Name, c.Role)
		}
	}
	if err := c.checkEvaluation(); err != nil {
		return err
	}
	if c.Role == ThreatSource && (len(c.Reads) > 0 || c.ReadsAll) {
		return fmt.Errorf("a threat source reads no columns")
	}
	if err := c.checkGrain(); err != nil {
		return err
	}
	if err := c.checkTraining(); err != nil {
		return err
	}
	for _, list := range [][]Column{c.Reads, c.Writes} {
		if err := checkColumns(list); err != nil {
			return err
		}
	}
	return c.checkCalls()
}

func (c Component) checkEvaluation() error {
	if c.Role != Evaluation {
		return nil
	}
	for _, n := range c.Config.Blocks {
		if reserved(c.Role, n.Type) {
			return fmt.Errorf("block type %q is reserved: every evaluation block has it", n.Type)
		}
	}
	if slices.ContainsFunc(c.Writes, func(w Column) bool { return w.Name == BlockName }) {
		return fmt.Errorf("it writes a column with the name of its block: an evaluation's agents all write the same columns")
	}
	return nil
}

func (c Component) checkGrain() error {
	switch {
	case c.Grain == RowGrain:
		return nil
	case c.Grain != DatasetGrain:
		return fmt.Errorf("unknown grain %q", c.Grain)
	case c.Role == ThreatSource || c.Role == Output || c.Role == Finetune || c.Role == Evaluation:
		return fmt.Errorf("a %s has no grain", c.Role)
	case slices.ContainsFunc(c.Config.Attributes, func(a Attribute) bool { return a.Kind == Samples }):
		return fmt.Errorf("a component that sees all rows at once takes no samples")
	}
	return nil
}

func (c Component) checkTraining() error {
	if c.Role != Finetune {
		if len(c.Formats) > 0 || c.Trainer != TrainerOwn {
			return fmt.Errorf("a %s trains nothing", c.Role)
		}
		return nil
	}
	switch c.Trainer {
	case TrainerOwn, TrainerAPI, TrainerCommand:
	default:
		return fmt.Errorf("unknown trainer %q", c.Trainer)
	}
	if len(c.Formats) == 0 {
		return fmt.Errorf("it does not say which outputs of a dataset it trains on")
	}
	for _, f := range c.Formats {
		if !identifier(f.Output) {
			return fmt.Errorf("format %q is no name of an output", f.Output)
		}
		if a, ok := c.Config.Attribute(f.Argument); f.Argument != "" && (!ok || a.Type != cty.String) {
			return fmt.Errorf("format %q hangs on %q, which is no text among the arguments", f.Output, f.Argument)
		}
	}
	if slices.ContainsFunc(c.Config.Attributes, func(a Attribute) bool {
		return a.Kind == Model || a.Kind == Samples || a.Kind == RowMap || a.Kind == Template
	}) {
		return fmt.Errorf("a finetune component takes no models, samples, mappings or templates")
	}
	return nil
}

// maxCalls bounds what a component may declare of its calls.
const maxCalls = 1 << 20

func (c Component) checkCalls() error {
	n := c.Calls
	if n == nil {
		return nil
	}
	if n.Min < 0 || n.Max < n.Min || n.Max > maxCalls {
		return fmt.Errorf("a task takes %d to %d model calls: these are no bounds", n.Min, n.Max)
	}
	times := []string{n.Times}
	for _, m := range n.More {
		if m.Max < 0 || m.Max > maxCalls {
			return fmt.Errorf("a task takes %d more model calls: this is no bound", m.Max)
		}
		if a, ok := c.Config.Attribute(m.Argument); !ok || a.Type != cty.String {
			return fmt.Errorf("model calls hang on %q, which is no text among the arguments", m.Argument)
		}
		times = append(times, m.Times...)
	}
	for _, name := range times {
		if a, ok := c.Config.Attribute(name); name != "" && (!ok || a.Type != cty.Number) {
			return fmt.Errorf("model calls are counted times %q, which is no number among the arguments", name)
		}
	}
	return nil
}

func checkColumns(list []Column) error {
	seen := map[string]bool{}
	for _, col := range list {
		if col.Name == "" || seen[col.Name] {
			return fmt.Errorf("column %q is unnamed or declared twice", col.Name)
		}
		if col.Type == cty.NilType {
			return fmt.Errorf("column %q has no type", col.Name)
		}
		seen[col.Name] = true
	}
	return nil
}

// maxDepth bounds nested blocks, so that a hostile description ends.
const maxDepth = 8

func (b Block) check(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("blocks are nested more than %d deep", maxDepth)
	}
	seen := map[string]bool{}
	samples := false
	for _, a := range b.Attributes {
		if !identifier(a.Name) || seen[a.Name] {
			return fmt.Errorf("argument %q is no identifier or declared twice", a.Name)
		}
		seen[a.Name] = true
		if err := a.check(); err != nil {
			return fmt.Errorf("argument %q: %w", a.Name, err)
		}
		if a.Kind == Samples {
			if samples || depth > 0 {
				return fmt.Errorf("argument %q: one argument of kind samples is allowed, outside nested blocks", a.Name)
			}
			samples = true
		}
	}
	for _, n := range b.Blocks {
		if !identifier(n.Type) || seen[n.Type] {
			return fmt.Errorf("block type %q is no identifier or declared twice", n.Type)
		}
		seen[n.Type] = true
		if n.Min < 0 || n.Max < 0 || n.Max > 0 && n.Min > n.Max {
			return fmt.Errorf("block type %q: wrong bounds", n.Type)
		}
		if err := n.Block.check(depth + 1); err != nil {
			return fmt.Errorf("%s: %w", n.Type, err)
		}
	}
	return nil
}

func (a Attribute) check() error {
	switch a.Kind {
	case Value, Model, Template, Files, Samples, RowMap, JSONSchema:
	default:
		return fmt.Errorf("unknown kind %q", a.Kind)
	}
	if a.Type == cty.NilType {
		return fmt.Errorf("no type")
	}
	if a.Default == cty.NilVal {
		return nil
	}
	if a.Required {
		return fmt.Errorf("required, and yet it has a default")
	}
	if _, err := convert.Convert(a.Default, a.Type); err != nil {
		return fmt.Errorf("default: %w", err)
	}
	return nil
}

// identifier says whether s can stand in a recipe as a name: ASCII letters,
// digits and underscores, not beginning with a digit.
func identifier(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
		case '0' <= c && c <= '9' && i > 0:
		default:
			return false
		}
	}
	return s != ""
}
