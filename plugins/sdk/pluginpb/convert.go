// Package pluginpb is protocol major 1 as generated from plugin.proto, and
// the way between its messages and the types of spec/schema. Plugin authors
// do not need it; the SDK and the host share it.
package pluginpb

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

// FromComponent makes the message that describes a component.
func FromComponent(c schema.Component) (*Component, error) {
	config, err := fromBlock(c.Config)
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", c.Role, c.Name, err)
	}
	m := &Component{
		Role: string(c.Role), Name: c.Name, Doc: c.Doc, Config: config,
		ReadsAll: c.ReadsAll, WritesOpen: c.WritesOpen,
		BehaviorVersion: c.BehaviorVersion, Deterministic: c.Deterministic, Grain: string(c.Grain),
	}
	if n := c.Calls; n != nil && n.Min >= 0 && n.Max >= n.Min && n.Max <= math.MaxInt32 {
		m.Calls = &Calls{Min: uint32(n.Min), Max: uint32(n.Max), Times: n.Times}
		for _, more := range n.More {
			if more.Max >= 0 && more.Max <= math.MaxInt32 {
				m.Calls.More = append(m.Calls.More, &MoreCalls{Argument: more.Argument, Value: more.Value, Max: uint32(more.Max), Times: more.Times})
			}
		}
	}
	m.Trainer = string(c.Trainer)
	for _, f := range c.Formats {
		m.Formats = append(m.Formats, &Format{Output: f.Output, Argument: f.Argument, Value: f.Value})
	}
	if m.Reads, err = fromColumns(c.Reads); err != nil {
		return nil, fmt.Errorf("%s %q: %w", c.Role, c.Name, err)
	}
	if m.Writes, err = fromColumns(c.Writes); err != nil {
		return nil, fmt.Errorf("%s %q: %w", c.Role, c.Name, err)
	}
	return m, nil
}

func fromBlock(b schema.Block) (*Block, error) {
	m := &Block{}
	for _, a := range b.Attributes {
		am, err := fromAttribute(a)
		if err != nil {
			return nil, fmt.Errorf("argument %q: %w", a.Name, err)
		}
		m.Attributes = append(m.Attributes, am)
	}
	for _, n := range b.Blocks {
		inner, err := fromBlock(n.Block)
		if err != nil {
			return nil, fmt.Errorf("block %q: %w", n.Type, err)
		}
		m.Blocks = append(m.Blocks, &NestedBlock{
			Type: n.Type, Labels: n.Labels, Min: uint32(n.Min), Max: uint32(n.Max), Block: inner, Doc: n.Doc,
		})
	}
	return m, nil
}

func fromAttribute(a schema.Attribute) (*Attribute, error) {
	ty, err := fromType(a.Type)
	if err != nil {
		return nil, err
	}
	m := &Attribute{
		Name: a.Name, TypeJson: ty, Kind: string(a.Kind), Required: a.Required, Doc: a.Doc,
		Sensitive: a.Sensitive, Volatile: a.Volatile, OneOf: a.OneOf, Min: a.Min, Max: a.Max,
	}
	if a.Default != cty.NilVal {
		if m.DefaultJson, err = schema.ValueToJSON(a.Default); err != nil {
			return nil, err
		}
	}
	for _, v := range a.Variables {
		ty, err := fromType(v.Type)
		if err != nil {
			return nil, err
		}
		m.Variables = append(m.Variables, &Variable{Name: v.Name, TypeJson: ty, Doc: v.Doc})
	}
	return m, nil
}

func fromColumns(list []schema.Column) ([]*Column, error) {
	var out []*Column
	for _, c := range list {
		ty, err := fromType(c.Type)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", c.Name, err)
		}
		out = append(out, &Column{Name: c.Name, TypeJson: ty, Doc: c.Doc, Optional: c.Optional})
	}
	return out, nil
}

func fromType(ty cty.Type) ([]byte, error) {
	if ty == cty.NilType {
		return nil, fmt.Errorf("it has no type")
	}
	return json.Marshal(ty)
}

// ToComponent reads a component's description and checks it: what comes from
// a plugin may be anything.
func ToComponent(m *Component) (c schema.Component, err error) {
	defer func() { // cty panics at types that no Go program can build
		if p := recover(); p != nil {
			c, err = schema.Component{}, fmt.Errorf("component %s %q: %v", m.GetRole(), m.GetName(), p)
		}
	}()
	c = schema.Component{
		Role: schema.Role(m.GetRole()), Name: m.GetName(), Doc: m.GetDoc(),
		ReadsAll: m.GetReadsAll(), WritesOpen: m.GetWritesOpen(),
		BehaviorVersion: m.GetBehaviorVersion(), Deterministic: m.GetDeterministic(), Grain: schema.Grain(m.GetGrain()),
	}
	fail := func(err error) (schema.Component, error) {
		return schema.Component{}, fmt.Errorf("component %s %q: %w", c.Role, c.Name, err)
	}
	if n := m.GetCalls(); n != nil {
		c.Calls = &schema.Calls{Min: int(n.GetMin()), Max: int(n.GetMax()), Times: n.GetTimes()}
		for _, more := range n.GetMore() {
			c.Calls.More = append(c.Calls.More, schema.MoreCalls{
				Argument: more.GetArgument(), Value: more.GetValue(), Max: int(more.GetMax()), Times: more.GetTimes(),
			})
		}
	}
	c.Trainer = schema.Trainer(m.GetTrainer())
	for _, f := range m.GetFormats() {
		c.Formats = append(c.Formats, schema.Format{Output: f.GetOutput(), Argument: f.GetArgument(), Value: f.GetValue()})
	}
	if c.Config, err = toBlock(m.GetConfig(), 0); err != nil {
		return fail(err)
	}
	if c.Reads, err = toColumns(m.GetReads()); err != nil {
		return fail(err)
	}
	if c.Writes, err = toColumns(m.GetWrites()); err != nil {
		return fail(err)
	}
	if err := c.Check(); err != nil {
		return fail(err)
	}
	return c, nil
}

// maxDepth bounds the blocks that are read; Check then says what is allowed.
const maxDepth = 16

func toBlock(m *Block, depth int) (schema.Block, error) {
	var b schema.Block
	if depth > maxDepth {
		return b, fmt.Errorf("blocks are nested too deep")
	}
	for _, am := range m.GetAttributes() {
		a, err := toAttribute(am)
		if err != nil {
			return b, fmt.Errorf("argument %q: %w", am.GetName(), err)
		}
		b.Attributes = append(b.Attributes, a)
	}
	for _, nm := range m.GetBlocks() {
		inner, err := toBlock(nm.GetBlock(), depth+1)
		if err != nil {
			return b, fmt.Errorf("block %q: %w", nm.GetType(), err)
		}
		if nm.GetMin() > math.MaxInt32 || nm.GetMax() > math.MaxInt32 {
			return b, fmt.Errorf("block %q: wrong bounds", nm.GetType())
		}
		b.Blocks = append(b.Blocks, schema.NestedBlock{
			Type: nm.GetType(), Labels: nm.GetLabels(), Min: int(nm.GetMin()), Max: int(nm.GetMax()),
			Block: inner, Doc: nm.GetDoc(),
		})
	}
	return b, nil
}

func toAttribute(m *Attribute) (schema.Attribute, error) {
	a := schema.Attribute{
		Name: m.GetName(), Kind: schema.Kind(m.GetKind()), Required: m.GetRequired(), Doc: m.GetDoc(),
		Sensitive: m.GetSensitive(), Volatile: m.GetVolatile(), OneOf: m.GetOneOf(),
		Min: m.Min, Max: m.Max,
	}
	var err error
	if a.Type, err = toType(m.GetTypeJson()); err != nil {
		return a, err
	}
	if len(m.GetDefaultJson()) > 0 {
		if a.Default, err = schema.ValueFromJSON(m.GetDefaultJson(), a.Type); err != nil {
			return a, fmt.Errorf("default: %w", err)
		}
	}
	for _, v := range m.GetVariables() {
		ty, err := toType(v.GetTypeJson())
		if err != nil {
			return a, fmt.Errorf("variable %q: %w", v.GetName(), err)
		}
		a.Variables = append(a.Variables, schema.Variable{Name: v.GetName(), Type: ty, Doc: v.GetDoc()})
	}
	return a, nil
}

func toColumns(list []*Column) ([]schema.Column, error) {
	var out []schema.Column
	for _, m := range list {
		ty, err := toType(m.GetTypeJson())
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", m.GetName(), err)
		}
		out = append(out, schema.Column{Name: m.GetName(), Type: ty, Doc: m.GetDoc(), Optional: m.GetOptional()})
	}
	return out, nil
}

func toType(b []byte) (cty.Type, error) {
	var ty cty.Type
	if err := json.Unmarshal(b, &ty); err != nil {
		return cty.NilType, fmt.Errorf("type: %w", err)
	}
	if ty == cty.NilType {
		return cty.NilType, fmt.Errorf("it has no type")
	}
	return ty, nil
}

// FromDiagnostic makes the message for a problem.
func FromDiagnostic(d schema.Diagnostic) *Diagnostic {
	m := &Diagnostic{Warning: d.Warning, Summary: d.Summary, Detail: d.Detail}
	for _, step := range d.Path {
		switch s := step.(type) {
		case cty.GetAttrStep:
			m.Path = append(m.Path, &PathStep{Step: &PathStep_Attribute{Attribute: s.Name}})
		case cty.IndexStep:
			switch {
			case s.Key.Type() == cty.String && s.Key.IsKnown() && !s.Key.IsNull():
				m.Path = append(m.Path, &PathStep{Step: &PathStep_Key{Key: s.Key.AsString()}})
			case s.Key.Type() == cty.Number && s.Key.IsKnown() && !s.Key.IsNull():
				i, _ := s.Key.AsBigFloat().Int64()
				m.Path = append(m.Path, &PathStep{Step: &PathStep_Index{Index: i}})
			}
		}
	}
	return m
}

// ToDiagnostic reads a problem.
func ToDiagnostic(m *Diagnostic) schema.Diagnostic {
	d := schema.Diagnostic{Warning: m.GetWarning(), Summary: m.GetSummary(), Detail: m.GetDetail()}
	for _, step := range m.GetPath() {
		switch s := step.GetStep().(type) {
		case *PathStep_Attribute:
			d.Path = d.Path.GetAttr(s.Attribute)
		case *PathStep_Key:
			d.Path = d.Path.IndexString(s.Key)
		case *PathStep_Index:
			d.Path = d.Path.Index(cty.NumberIntVal(s.Index))
		}
	}
	return d
}
