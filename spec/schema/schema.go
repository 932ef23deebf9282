// Package schema describes components: what configuration a component takes,
// which columns it reads and which it writes. The recipe language checks
// recipes against these descriptions, the engine derives cache keys from
// them, and the plugin SDK makes them from Go structs, so that there is one
// description and not three.
//
// It is not a validator of values and knows neither HCL syntax nor gRPC.
package schema

import "github.com/zclconf/go-cty/cty"

// Role is the part a component plays in a pipeline; it is also the block type
// that declares one in a recipe.
type Role string

// The roles, in pipeline order.
const (
	ThreatSource Role = "threat_source"
	Simulator    Role = "simulator"
	Reflector    Role = "reflector"
	Judge        Role = "judge"
	Output       Role = "output" // a dataset's output block
	Finetune     Role = "finetune"
	Evaluation   Role = "evaluation" // tries an agent on a scenario
)

// Roles lists every role in pipeline order.
func Roles() []Role {
	return []Role{ThreatSource, Simulator, Reflector, Judge, Output, Finetune, Evaluation}
}

// Component is one thing that a plugin can do.
type Component struct {
	Role Role
	Name string // "retry"; without the plugin's prefix
	Doc  string

	Config Block

	// Reads are the columns of an input row that the component may look at.
	// Only these are sent to it and only these stand in its row key. A
	// threat source reads nothing.
	Reads []Column
	// ReadsAll says that the component sees whole rows (outputs do).
	ReadsAll bool

	// Writes are the columns that the component adds or replaces. A column
	// named BlockName is renamed by the host to the name of the block.
	Writes []Column
	// WritesOpen says that rows may hold further, undeclared columns.
	WritesOpen bool

	// Grain says what of its input the component must see to answer a row.
	Grain Grain

	// BehaviorVersion stands for the component's code in cache keys. Where it
	// is empty, the digest of the plugin binary does.
	BehaviorVersion string
	// Deterministic promises the same bytes for the same input.
	Deterministic bool
	// Calls bounds the model calls that one task takes, for estimates; nil
	// says nothing.
	Calls *Calls

	// Formats are the outputs of a dataset that a finetune component trains on,
	// the best first; nothing else has any.
	Formats []Format
	// Trainer is who trains for a finetune component.
	Trainer Trainer
}

// Format is an output that a finetune component trains on.
type Format struct {
	Output string // name of the output's component: openai_sft
	// Argument and Value bind the format to a setting of the block: it is
	// trained on only where the argument has that value. Empty: always.
	Argument, Value string
}

// Trainer is who carries out a training.
type Trainer string

// The trainers.
const (
	// TrainerOwn is the plugin itself, within what it is granted.
	TrainerOwn Trainer = ""
	// TrainerAPI is an endpoint, which the host asks: the block names a provider.
	TrainerAPI Trainer = "api"
	// TrainerCommand is a command that the recipe gives. Only autosafe's own
	// components have it: they write what it reads, run it and follow its log.
	TrainerCommand Trainer = "command"
)

// Grain is what of its input a component must see to answer a row.
type Grain string

// The grains.
const (
	RowGrain Grain = "" // the row alone: it is cached by row
	// DatasetGrain is all rows, in order: to leave out duplicates, to balance. A
	// change of any row runs all of them again.
	DatasetGrain Grain = "dataset"
)

// Calls bounds the model calls that a component makes for one task: an input
// row, or one sample of it. Replies that do not fit and are asked for again
// come on top.
type Calls struct {
	Min, Max int
	// Times names an integer argument by which Max is multiplied; empty: none.
	Times string
	// More are calls on top of Max.
	More []MoreCalls
}

// MoreCalls are calls that a component makes for one task where an argument has
// a value.
type MoreCalls struct {
	Argument, Value string // an argument that is text, and what it must be
	Max             int
	Times           []string // integer arguments by which Max is multiplied
}

// BlockName is the column name that stands for the name of the block that
// uses the component: judge "rubric" "quality" writes a column "quality".
const BlockName = "$block"

// Block is the body of a block: its attributes and nested blocks.
type Block struct {
	Attributes []Attribute
	Blocks     []NestedBlock
}

// Kind says how the host treats an attribute's value.
type Kind string

// The kinds of attribute.
const (
	// Value is an ordinary value; the zero Kind.
	Value Kind = ""
	// Model is a reference to a model block. The plugin receives the
	// attribute's name as the slot through which it calls the model, or null.
	Model Kind = "model"
	// Template is a Go text/template over Attribute.Variables. Its text is
	// part of the configuration, and so of the key.
	Template Kind = "template"
	// Files is a path, a glob, or a list of them, relative to the recipe's
	// folder. The plugin receives a list of File; keys hold relative names
	// and content digests, never absolute paths.
	Files Kind = "files"
	// Samples is a count of independent repetitions per input row. The host
	// hands each (row, sample) to the plugin on its own and keys it by the
	// sample's index, so raising the count pays only for the new samples.
	Samples Kind = "samples"
	// RowMap is a map from column name to a CEL expression over `record`, the
	// row as the component emitted it; the host replaces the row by the
	// mapped columns. The name * stands for all columns of an object.
	RowMap Kind = "row_map"
	// JSONSchema is an HCL object that is a JSON Schema. A column named
	// BlockName takes its type from the attribute.
	JSONSchema Kind = "json_schema"
)

// Attribute is one argument of a block.
type Attribute struct {
	Name     string
	Type     cty.Type // the type of the value written in the recipe
	Kind     Kind
	Required bool
	Default  cty.Value // cty.NilVal if there is none
	Doc      string

	Sensitive bool // never logged, never stored, in no key
	Volatile  bool // cannot change the output (a timeout); in no key

	OneOf    []string // the strings allowed, or allowed as elements or keys
	Min, Max *float64 // inclusive bounds of a number

	Variables []Variable // of a Template
}

// NestedBlock is a block type inside a block.
type NestedBlock struct {
	Type   string
	Labels []string // label names; a labelled block may repeat
	Min    int
	Max    int // 0: any number
	Block  Block
	Doc    string
}

// Column is a column of a row.
type Column struct {
	Name string
	Type cty.Type // cty.DynamicPseudoType: any JSON
	Doc  string
	// Optional is set on a column in Reads that may be absent.
	Optional bool
}

// Variable is a value that a template may use, as {{ .Name }}.
type Variable struct {
	Name string
	Type cty.Type
	Doc  string
}

// RowVariable is the name of the template variable that holds the row's
// columns: {{ .row.instruction }}. The host works out from a template that
// declares it which columns the component reads.
const RowVariable = "row"

// File is one file of an attribute of kind Files, as a plugin receives it.
type File struct {
	Name string `json:"name"` // relative to the recipe's folder, with slashes
	Path string `json:"path"` // where to open it
}

// Diagnostic is a problem with a configuration. Path leads from the block's
// body to the value at fault; the host adds the source line.
type Diagnostic struct {
	Warning bool
	Summary string // terse, fixed per class of problem
	Detail  string // what is wrong with this one, and what to do
	Path    cty.Path
}

// Attribute returns the attribute of that name.
func (b Block) Attribute(name string) (Attribute, bool) {
	for _, a := range b.Attributes {
		if a.Name == name {
			return a, true
		}
	}
	return Attribute{}, false
}
