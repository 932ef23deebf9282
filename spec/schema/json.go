package schema

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

// node is the part of JSON Schema that Go types need. Its members are in the
// order in which they are best read.
type node struct {
	Type                 string          `json:"type,omitempty"`
	Description          string          `json:"description,omitempty"`
	Enum                 []string        `json:"enum,omitempty"`
	Minimum              json.Number     `json:"minimum,omitempty"`
	Maximum              json.Number     `json:"maximum,omitempty"`
	Items                *node           `json:"items,omitempty"`
	Properties           properties      `json:"properties,omitempty"`
	Required             []string        `json:"required,omitempty"`
	AdditionalProperties json.RawMessage `json:"additionalProperties,omitempty"`
}

// properties keeps members in order of declaration, since models write
// members in the order in which the schema names them: a reason before a
// label is thought before it is decided.
type properties []property

type property struct {
	name string
	node *node
}

func (p properties) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	b.WriteByte('{')
	for i, m := range p {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(m.node)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return []byte(b.String()), nil
}

// JSONSchemaOf makes a JSON Schema from a Go type: doc tags become
// descriptions, oneof enums, min and max bounds; objects take no further
// members, and every member that is neither a pointer nor omitempty is
// required. json.RawMessage, interfaces and recursive members take any JSON.
// Members stand in order of declaration.
func JSONSchemaOf(t reflect.Type) json.RawMessage {
	b, err := json.Marshal(schemaOf(t, nil))
	if err != nil { // strings and numbers alone: cannot happen
		return json.RawMessage("{}")
	}
	return b
}

func schemaOf(t reflect.Type, seen []reflect.Type) *node {
	t = deref(t)
	switch instance(t).(type) {
	case json.Marshaler:
		return &node{}
	case encoding.TextMarshaler:
		return &node{Type: "string"}
	}
	switch t.Kind() {
	case reflect.String:
		return &node{Type: "string"}
	case reflect.Bool:
		return &node{Type: "boolean"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return &node{Type: "integer"}
	case reflect.Float32, reflect.Float64:
		return &node{Type: "number"}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return &node{Type: "string"}
		}
		return &node{Type: "array", Items: schemaOf(t.Elem(), seen)}
	case reflect.Map:
		elem, err := json.Marshal(schemaOf(t.Elem(), seen))
		if err != nil {
			return &node{Type: "object"}
		}
		return &node{Type: "object", AdditionalProperties: elem}
	case reflect.Struct:
		return schemaOfStruct(t, seen)
	}
	return &node{}
}

func schemaOfStruct(t reflect.Type, seen []reflect.Type) *node {
	for _, s := range seen {
		if s == t {
			return &node{}
		}
	}
	seen = append(seen, t)
	n := &node{Type: "object", Properties: properties{}, AdditionalProperties: json.RawMessage("false")}
	for _, f := range jsonFields(t) {
		p := schemaOf(f.Type, seen)
		p.Description = f.doc
		constrain(p, f.Tag)
		n.Properties = append(n.Properties, property{f.name, p})
		if !f.optional {
			n.Required = append(n.Required, f.name)
		}
	}
	return n
}

// constrain applies a member's tags; oneof on a list is about its elements.
func constrain(p *node, tag reflect.StructTag) {
	if list := tag.Get("oneof"); list != "" {
		target := p
		if p.Items != nil {
			target = p.Items
		}
		target.Enum = strings.Split(list, ",")
	}
	p.Minimum = number(tag.Get("min"))
	p.Maximum = number(tag.Get("max"))
}

// number keeps a tag's number if it is one.
func number(text string) json.Number {
	if _, err := strconv.ParseFloat(text, 64); err != nil {
		return ""
	}
	return json.Number(text)
}
