package toolkit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/spec/ots"
)

// rawToolkit is a toolkit as it stands in a file, ours or ToolEmu's.
type rawToolkit struct {
	Toolkit             string    `json:"toolkit"`
	NameForModel        string    `json:"name_for_model"`
	Domain              string    `json:"domain"`
	Category            string    `json:"category"`
	Description         string    `json:"description"`
	DescriptionForModel string    `json:"description_for_model"`
	Licence             string    `json:"licence"`
	Pairs               []Pair    `json:"pairs"`
	Tools               []rawTool `json:"tools"`
}

type rawTool struct {
	Name        string            `json:"name"`
	Effect      string            `json:"effect"`
	Summary     string            `json:"summary"`
	Description string            `json:"description"`
	Parameters  []json.RawMessage `json:"parameters"`
	Returns     []json.RawMessage `json:"returns"`
	Exceptions  []json.RawMessage `json:"exceptions"`
}

// rawField is a parameter, result or exception written as an object.
type rawField struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	Description string `json:"description"`
	Required    bool   `json:"required"`
}

// ErrNoToolkits is returned for a JSON file that holds something else.
var ErrNoToolkits = errors.New(`it holds no toolkits; a toolkit, an array of toolkits or {"toolkits": [...]} is needed`)

// Parse reads the toolkits of a file. The name stands in errors and in
// Toolkit.File. An error says where in the file the fault is.
func Parse(file string, data []byte) ([]Toolkit, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	list, err := split(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, located(data, err))
	}
	out := make([]Toolkit, 0, len(list))
	for i, raw := range list {
		t, err := raw.expand()
		if err != nil {
			return nil, fmt.Errorf("%s: toolkit %d%s: %w", file, i+1, named(raw.name()), err)
		}
		t.File = file
		out = append(out, t)
	}
	return out, nil
}

func named(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf(" (%q)", name)
}

// split finds the toolkits in the three forms of file.
func split(data []byte) ([]rawToolkit, error) {
	var any json.RawMessage
	if err := json.Unmarshal(data, &any); err != nil {
		return nil, err
	}
	var list []rawToolkit
	switch data = bytes.TrimLeft(data, " \t\r\n"); data[0] {
	case '[':
		if !holdsTools(data) {
			return nil, ErrNoToolkits
		}
		return list, json.Unmarshal(data, &list)
	case '{':
		var outer struct {
			Toolkits []rawToolkit    `json:"toolkits"`
			Tools    json.RawMessage `json:"tools"`
		}
		if err := json.Unmarshal(data, &outer); err != nil {
			return nil, err
		}
		if outer.Toolkits != nil {
			return outer.Toolkits, nil
		}
		if outer.Tools == nil {
			return nil, ErrNoToolkits
		}
		list = make([]rawToolkit, 1)
		return list, json.Unmarshal(data, &list[0])
	}
	return nil, ErrNoToolkits
}

// holdsTools says whether an element of an array has tools, which is what
// tells a file of toolkits from other JSON in the same folder.
func holdsTools(data []byte) bool {
	var probe []map[string]json.RawMessage
	if json.Unmarshal(data, &probe) != nil {
		return false
	}
	return slices.ContainsFunc(probe, func(m map[string]json.RawMessage) bool { return m["tools"] != nil })
}

func (r rawToolkit) name() string {
	if r.NameForModel != "" {
		return r.NameForModel
	}
	return r.Toolkit
}

func (r rawToolkit) expand() (Toolkit, error) {
	t := Toolkit{Name: r.name(), Domain: r.Domain, Description: r.Description, Licence: r.Licence, Pairs: r.Pairs}
	if t.Name == "" {
		return t, errors.New(`"toolkit", its name, is missing`)
	}
	if t.Description == "" {
		t.Description = r.DescriptionForModel
	}
	if t.Domain == "" {
		t.Domain = Domain(r.Category)
	}
	if !slices.Contains(Domains(), t.Domain) {
		return t, fmt.Errorf("%q is not a domain; %s are.%s", t.Domain, strings.Join(Domains(), ", "), DidYouMean(t.Domain, Domains()))
	}
	if len(r.Tools) == 0 {
		return t, errors.New("it has no tools")
	}
	for i, p := range r.Pairs {
		if len(p.Outcomes) == 0 {
			return t, fmt.Errorf("pair %d: it has no outcomes", i+1)
		}
	}
	seen := map[string]bool{}
	for i, raw := range r.Tools {
		tool, err := raw.expand(t.Name)
		if err == nil && seen[tool.Name] {
			err = errors.New("another tool of the toolkit has this name")
		}
		if err != nil {
			return t, fmt.Errorf("tool %d%s: %w", i+1, named(raw.Name), err)
		}
		seen[tool.Name] = true
		t.Tools = append(t.Tools, tool)
	}
	return t, nil
}

func (r rawTool) expand(toolkit string) (Tool, error) {
	t := Tool{Effect: r.Effect}
	t.Toolkit, t.Name, t.Description = toolkit, FullName(toolkit, r.Name), r.Summary
	if r.Name == "" {
		return t, errors.New(`"name" is missing`)
	}
	if t.Description == "" {
		t.Description = r.Description
	}
	if t.Description == "" {
		return t, errors.New(`"summary" is missing`)
	}
	if r.Effect != "" && !slices.Contains(Effects(), r.Effect) {
		return t, fmt.Errorf("%q is not an effect; %s are.%s", r.Effect, strings.Join(Effects(), ", "), DidYouMean(r.Effect, Effects()))
	}
	var err error
	if t.Parameters, err = parameters(r.Parameters); err != nil {
		return t, err
	}
	for i, raw := range r.Returns {
		f, err := readField(raw)
		if err != nil {
			return t, fmt.Errorf("result %d: %w", i+1, err)
		}
		description := f.shape.Description
		if more := f.shape.words(); more != "" {
			description += " " + more
		}
		t.Returns = append(t.Returns, ots.Field{Name: f.name, Type: f.shape.Type, Description: description})
	}
	for i, raw := range r.Exceptions {
		f, err := readField(raw)
		if err != nil {
			return t, fmt.Errorf("exception %d: %w", i+1, err)
		}
		t.Exceptions = append(t.Exceptions, ots.Exception{Name: f.name, Description: f.shape.Description})
	}
	return t, nil
}

// parameters makes the JSON Schema of a tool's arguments. It names every
// property, so that no endpoint has to guess.
func parameters(list []json.RawMessage) (json.RawMessage, error) {
	closed := false
	all := &shape{Type: "object", Properties: map[string]*shape{}, AdditionalProperties: &closed}
	for i, raw := range list {
		f, err := readField(raw)
		if err == nil && all.Properties[f.name] != nil {
			err = fmt.Errorf("another parameter is named %q", f.name)
		}
		if err != nil {
			return nil, fmt.Errorf("parameter %d: %w", i+1, err)
		}
		all.add(f)
	}
	// A tool without parameters still says that it takes an object.
	out := struct {
		Type                 string            `json:"type"`
		Properties           map[string]*shape `json:"properties"`
		Required             []string          `json:"required,omitempty"`
		AdditionalProperties bool              `json:"additionalProperties"`
	}{all.Type, all.Properties, all.Required, false}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(out); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// readField reads a line or an object.
func readField(raw json.RawMessage) (field, error) {
	var line string
	if json.Unmarshal(raw, &line) == nil {
		f, err := parseLine(line)
		if err != nil {
			return f, fmt.Errorf("%q: %w", line, err)
		}
		return f, nil
	}
	var r rawField
	if err := json.Unmarshal(raw, &r); err != nil {
		return field{}, fmt.Errorf("a line such as \"name string: What it is.\" or an object with name, type and description is needed: %w", err)
	}
	if r.Name == "" {
		return field{}, errors.New(`"name" is missing`)
	}
	s := plainType(r.Type)
	s.Description = r.Description
	return field{name: r.Name, optional: !r.Required, shape: s}, nil
}

// plainType reads the free-form types of ToolEmu and its kin. A list takes
// elements of any kind, since the files do not say of which.
func plainType(name string) *shape {
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "integer", "int":
		return &shape{Type: "integer"}
	case "number", "float", "double":
		return &shape{Type: "number"}
	case "boolean", "bool":
		return &shape{Type: "boolean"}
	case "array", "list":
		return &shape{Type: "array", Items: &shape{}}
	case "object", "dict":
		return &shape{Type: "object"}
	}
	return &shape{Type: "string"}
}
