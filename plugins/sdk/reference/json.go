package reference

import (
	"encoding/json"

	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

// Component is a component as JSON.
type Component struct {
	Role            schema.Role `json:"role"`
	Name            string      `json:"name"`
	Doc             string      `json:"doc"`
	Arguments       []Argument  `json:"arguments"`
	Blocks          []Block     `json:"blocks,omitempty"`
	Reads           []Column    `json:"reads,omitempty"`
	ReadsAll        bool        `json:"reads_all,omitempty"`
	Writes          []Column    `json:"writes,omitempty"`
	WritesOpen      bool        `json:"writes_open,omitempty"`
	Grain           string      `json:"grain,omitempty"` // dataset: it sees all rows at once
	BehaviorVersion string      `json:"behavior_version,omitempty"`
	Deterministic   bool        `json:"deterministic,omitempty"`
	Calls           *Calls      `json:"calls,omitempty"`
}

// Argument is an argument of a block.
type Argument struct {
	Name      string          `json:"name"`
	Type      cty.Type        `json:"type"`           // as HCL's cty writes types
	Kind      schema.Kind     `json:"kind,omitempty"` // model, template, files, …
	Required  bool            `json:"required,omitempty"`
	Default   json.RawMessage `json:"default,omitempty"`
	Doc       string          `json:"doc"`
	OneOf     []string        `json:"one_of,omitempty"`
	Min       *float64        `json:"min,omitempty"`
	Max       *float64        `json:"max,omitempty"`
	Sensitive bool            `json:"sensitive,omitempty"`
	Volatile  bool            `json:"volatile,omitempty"`
	Variables []Column        `json:"variables,omitempty"` // of a template
}

// Block is a block within a block.
type Block struct {
	Type      string     `json:"type"`
	Labels    []string   `json:"labels,omitempty"`
	Min       int        `json:"min,omitempty"`
	Max       int        `json:"max,omitempty"` // 0: any number
	Doc       string     `json:"doc"`
	Arguments []Argument `json:"arguments"`
	Blocks    []Block    `json:"blocks,omitempty"`
}

// Column is a column of a row, or a variable of a template.
type Column struct {
	Name     string   `json:"name"`
	Type     cty.Type `json:"type"`
	Doc      string   `json:"doc,omitempty"`
	Optional bool     `json:"optional,omitempty"`
}

// Calls are the model calls of one task.
type Calls struct {
	Min   int    `json:"min"`
	Max   int    `json:"max"`
	Times string `json:"times,omitempty"` // an argument by which max is multiplied
	More  []More `json:"more,omitempty"`
}

// More are calls on top, where an argument has a value.
type More struct {
	Argument string   `json:"argument"`
	Value    string   `json:"value"`
	Max      int      `json:"max"`
	Times    []string `json:"times,omitempty"`
}

// JSON gives components as they are written as JSON, in order of their roles.
func JSON(list []schema.Component) ([]Component, error) {
	out := []Component{}
	for _, c := range sorted(list) {
		j := Component{
			Role: c.Role, Name: c.Name, Doc: c.Doc, ReadsAll: c.ReadsAll, WritesOpen: c.WritesOpen,
			Grain: string(c.Grain), BehaviorVersion: c.BehaviorVersion, Deterministic: c.Deterministic,
			Reads: jsonColumns(c.Reads), Writes: jsonColumns(c.Writes),
		}
		if c.Calls != nil {
			j.Calls = &Calls{Min: c.Calls.Min, Max: c.Calls.Max, Times: c.Calls.Times}
			for _, m := range c.Calls.More {
				j.Calls.More = append(j.Calls.More, More(m))
			}
		}
		var err error
		if j.Arguments, j.Blocks, err = jsonBlock(c.Config); err != nil {
			return nil, err
		}
		out = append(out, j)
	}
	return out, nil
}

func jsonBlock(b schema.Block) ([]Argument, []Block, error) {
	arguments, blocks := []Argument{}, []Block(nil)
	for _, a := range b.Attributes {
		j := Argument{
			Name: a.Name, Type: a.Type, Kind: a.Kind, Required: a.Required, Doc: a.Doc,
			OneOf: a.OneOf, Min: a.Min, Max: a.Max, Sensitive: a.Sensitive, Volatile: a.Volatile,
		}
		if a.Default != cty.NilVal {
			var err error
			if j.Default, err = schema.ValueToJSON(a.Default); err != nil {
				return nil, nil, err
			}
		}
		for _, v := range a.Variables {
			j.Variables = append(j.Variables, Column{Name: v.Name, Type: v.Type, Doc: v.Doc})
		}
		arguments = append(arguments, j)
	}
	for _, n := range b.Blocks {
		j := Block{Type: n.Type, Labels: n.Labels, Min: n.Min, Max: n.Max, Doc: n.Doc}
		var err error
		if j.Arguments, j.Blocks, err = jsonBlock(n.Block); err != nil {
			return nil, nil, err
		}
		blocks = append(blocks, j)
	}
	return arguments, blocks, nil
}

func jsonColumns(list []schema.Column) []Column {
	var out []Column
	for _, c := range list {
		out = append(out, Column{Name: c.Name, Type: c.Type, Doc: c.Doc, Optional: c.Optional})
	}
	return out
}
