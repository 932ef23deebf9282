// Package spec is the recipe language: it reads the HCL files of a folder
// (Parse), evaluates and checks everything that can be checked before a build
// (Source.Decode), and gives the result as plain values (Recipe) from which
// the engine runs steps and derives keys. CEL expressions over rows are
// compiled here and carried along (Expr). Format is the canonical layout.
//
// A file goes parse.go, decode.go (blocks and phases), variables.go, graph.go
// (references and order), step.go (values of a step), then role.go, distill.go,
// dataset.go, finetune.go and evaluation_decode.go by kind, and check.go (columns,
// expressions, templates).
//
// It runs nothing, reaches no network and starts no plugin: components are
// known through a Registry that the caller gives.
package spec

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/spec/schema"
)

// Recipe is a checked recipe: every value evaluated, every reference
// resolved, steps in an order in which inputs come before their users.
type Recipe struct {
	Dir    string // folder of the recipe; relative paths start here
	Steps  []*Step
	Models []*Model // those that enabled steps use, in order of name
	// Variables are the input variables' values as JSON, sensitive ones left
	// out, for the record of a build.
	Variables map[string]string
	// Checked notes which steps were found good, for Options.Checked. It
	// differs from what was given there only where steps were checked anew or
	// are gone.
	Checked []byte
}

// StepKind tells what runs a step.
type StepKind string

// The kinds of step. Role steps are run by plugins, the others by the engine.
const (
	RoleStep    StepKind = "role"
	DistillStep StepKind = "distill"
	DatasetStep StepKind = "dataset"
	// FinetuneStep is a role step whose input is the files of a dataset, and whose
	// one row says what was trained.
	FinetuneStep StepKind = "finetune"
	// EvaluationStep makes figures of trials. Those are role steps of their own.
	EvaluationStep StepKind = "evaluation"
)

// Step is one block that makes rows (or, for a dataset, files).
type Step struct {
	Address string // simulator.trajectory.scenarios, with ["key"] under for_each
	Kind    StepKind
	Name    string // last label
	Inputs  []*Step
	Columns Columns // of the rows the step yields
	Range   hcl.Range

	OnError     OnError
	MaxFailures int // failed rows allowed; with OnErrorDrop, -1 allows any number
	Seed        int64
	Generation  int

	Role    *RoleBody    // RoleStep, FinetuneStep
	Distill []*Op        // DistillStep, in order
	Dataset *DatasetBody // DatasetStep

	Finetune *FinetuneBody // FinetuneStep, which has a Role too

	Evaluation *EvaluationBody // EvaluationStep
	// After are the finetune steps whose models this one uses. They are trained
	// before the step's keys are known.
	After []*Step
}

// OnError says what a failed row does to its step.
type OnError string

// The policies. OnErrorFail is the default: a failed row fails the build once
// more than MaxFailures have failed. OnErrorDrop leaves failed rows out and
// counts them under their reason.
const (
	OnErrorFail OnError = "fail"
	OnErrorDrop OnError = "drop"
)

// RoleBody is a block run by a plugin's component.
type RoleBody struct {
	Plugin    PluginRef
	Component *schema.Component

	// Config is what the plugin receives: canonical JSON, defaults filled in,
	// null where unset, nested blocks as lists of objects with their labels as
	// members, a Model attribute as its own name (or null), Files left out
	// (see Files). The values of Sensitive attributes are in it, so it must
	// not be stored or shown.
	Config []byte
	// KeyConfig is the part of Config that stands in keys, by attribute in
	// order of name: no sensitive, volatile, model, files or samples
	// attribute, no block name, and nothing that is unset.
	KeyConfig []ConfigPart

	Models  map[string]*Model        // by slot: the attribute's name
	Files   map[string][]schema.File // by attribute, sorted by name
	Granted [][]schema.File          // that its plugin may read besides, by path of the grant
	Samples int                      // 0: the component takes no samples
	RowMap  []RowMapping             // empty: none; in order of column

	// Reads are the columns the component sees, after templates have been
	// looked through; nil with ReadsAll.
	Reads    []string
	ReadsAll bool
	// BlockColumn is the column name that takes the place of
	// schema.BlockName; empty if the component writes none.
	BlockColumn string

	value *blockValue // for Diagnose
}

// PluginRef names a plugin. The built-in one has the source "builtin".
type PluginRef struct {
	Name    string // local name in the recipe; "" for the built-in plugin
	Source  string // github.com/acme/autosafe-plugin-acme
	Version string
	Path    string // binary; "" for the built-in plugin
	Digest  string // hex SHA-256 of the binary; "" for the built-in plugin
	Grant   *Grant // what the recipe grants it; nil: nothing
}

// ConfigPart is one named part of a configuration, as canonical JSON (or, for
// a template, its text).
type ConfigPart struct {
	Name  string
	Value []byte
}

// EveryColumn stands for all columns in a mapping: those of the object that the
// expression gives, such as the record itself.
const EveryColumn = "*"

// RowMapping is one column made by a CEL expression over the raw record, or
// EveryColumn.
type RowMapping struct {
	Column string
	Expr   *Expr
}

// Model is a model block with its provider.
type Model struct {
	Name     string // label; in no key
	Provider *Provider
	// Replicas are all the providers that serve the model, Provider first;
	// nil where there is one. They share one identity.
	Replicas []*Provider
	Range    hcl.Range `json:"-"` // of the block's head

	ID string // the endpoint's name for the model
	// Tuned is the finetune step that makes the model; nil: none does. ID is empty
	// then, and known once the step has run.
	Tuned *Step `json:"-"`
	// Revision tells apart models that one endpoint served under one name, one
	// after the other. Where it is not empty it stands in keys; it is not sent.
	Revision        string `json:",omitempty"`
	Temperature     *float64
	TopP            *float64
	MaxTokens       int // 0: not sent
	Stop            []string
	FrequencyPen    *float64
	PresencePen     *float64
	ReasoningEffort string
	Structured      Structured
	ToolForm        ToolForm
	ExtraBody       map[string]json.RawMessage // further fields of the request's body
	ReplyRetries    int                        // how often an unfit reply is asked for again
	Mode            Mode
	Batch           Batch // of ModeBatch
	Price           *Price
}

// ToolForm is how a model is given tools.
type ToolForm string

// The ways to have a model call tools.
const (
	ToolsAuto   ToolForm = "auto"   // native, or JSON where the endpoint refuses that
	ToolsNative ToolForm = "native" // the tools field of the request
	ToolsJSON   ToolForm = "json"   // the tools stand in the prompt; the reply is a JSON object
)

// Mode is how calls reach an endpoint. It is in no key: a live answer and one
// from a batch are the same answer.
type Mode string

// The modes.
const (
	ModeLive  Mode = "live"  // each call by itself, at once
	ModeBatch Mode = "batch" // gathered into OpenAI batches
)

// Batch bounds the batches of a model. Zero is unset.
type Batch struct {
	MaxRequests int           // of one batch
	MaxBytes    int64         // of one batch's file
	Wait        time.Duration // for more requests, before a batch is sent
}

// Structured is how a model is made to answer in JSON.
type Structured string

// The ways to get JSON out of a model.
const (
	StructuredAuto   Structured = "auto"        // the first of the following that the endpoint takes
	StructuredSchema Structured = "json_schema" // response_format: json_schema
	StructuredObject Structured = "json_object" // JSON mode; the schema goes in the prompt
	StructuredText   Structured = "text"        // the schema goes in the prompt; JSON is looked for in the text
)

// Price is in US dollars per million tokens.
type Price struct {
	Input, Output float64
	CachedInput   *float64 // of input that the endpoint had seen before; nil: as Input
	// BatchShare is the share of the price that a call in a batch costs.
	BatchShare float64
	// Listed is the date of the price list that this is from; empty if the
	// recipe says it.
	Listed string
}

// ProviderType is the first label of a provider block.
type ProviderType string

// The providers.
const (
	ProviderOpenAI  ProviderType = "openai"  // any OpenAI-compatible endpoint
	ProviderAzure   ProviderType = "azure"   // Azure OpenAI: models are deployments
	ProviderOffline ProviderType = "offline" // the built-in stand-in; no network
)

// Provider is a provider block.
type Provider struct {
	Type ProviderType
	Name string // label; in no key

	BaseURL      string
	ID           string // stands for the endpoint in keys in place of BaseURL, if set
	APIKey       Secret
	Organization string
	Project      string
	APIVersion   string            // azure only
	Headers      map[string]string // values are secrets
	Query        map[string]string // added to each request's URL; values are secrets
	Proxy        Secret            // URL, "direct", or empty: as the environment says
	CA           []byte            // PEM certificates to trust beside the system's
	Seed         int64             // offline only: varies its answers
	Weight       int               // share of a model's calls among its replicas; 0 is 1
	Limits       Limits
	Timeout      time.Duration // of one attempt
	Retries      int           // of a call that failed in transport
	Outage       time.Duration // how long an endpoint that has answered before is waited for

	// Missing are problems with variables of the environment that APIKey or
	// Headers need and that are not set. They are no problem of the recipe
	// until the endpoint is to be called: then nothing may be sent to it.
	Missing hcl.Diagnostics `json:"-"`
}

// Limits bound what is asked of an endpoint. Zero is unset: no limit to the
// rates, and the client's own to concurrency.
type Limits struct {
	Concurrency           int
	RequestsPerMinute     int
	TokensPerMinute       int // in and out together
	InputTokensPerMinute  int
	OutputTokensPerMinute int
}

// Secret is a string that must not be printed, logged or stored. Formatting
// or marshalling it gives "(sensitive)".
type Secret struct{ value string }

// NewSecret wraps s.
func NewSecret(s string) Secret { return Secret{value: s} }

// Reveal returns the secret itself. Its only use is to put it on the wire.
func (s Secret) Reveal() string { return s.value }

// Format prints no secret, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

func (Secret) String() string { return "(sensitive)" }

// GoString stands in for %#v.
func (Secret) GoString() string { return "(sensitive)" }

// MarshalText keeps the secret out of JSON.
func (Secret) MarshalText() ([]byte, error) { return []byte("(sensitive)"), nil }

// OpKind is a block type inside distill.
type OpKind string

// The operations of a distill block.
const (
	OpFilter  OpKind = "filter"
	OpDedupe  OpKind = "dedupe"
	OpBalance OpKind = "balance"
	OpSample  OpKind = "sample"
	OpLimit   OpKind = "limit"
	OpMix     OpKind = "mix"
	// OpScenarios begins an evaluation: it keeps a split, leaves out what is equal
	// and gives each row its scenario column. No recipe writes it.
	OpScenarios OpKind = "scenarios"
)

// Op is one operation of a distill block.
type Op struct {
	Kind OpKind
	Name string

	Keep *Expr // filter: bool; false drops the row
	By   *Expr // dedupe, balance, mix; nil in dedupe: the whole row
	// Similarity of dedupe: 1 is exact, below 1 is the Jaccard similarity of
	// word shingles, estimated by MinHash, at which a row is a duplicate.
	Similarity float64
	Max        int // balance: rows a group; limit: rows in all
	N          int // sample, mix: rows in all; 0 in mix: as many as can be had
	// Weights of mix are the shares of the groups; they need not add up to 1.
	Weights map[string]float64
	// Seed picks which rows balance, sample, limit and mix keep; nil keeps the
	// first in order (limit, balance) or uses the step's seed (sample, mix).
	Seed *int64
	// Split and Of say which rows scenarios keeps: those that fall to the split Of.
	// nil keeps all.
	Split *Split
	Of    string
	Range hcl.Range
}

// DatasetBody is a dataset block.
type DatasetBody struct {
	Split   *Split // nil: one split named "train"
	Outputs []*OutputBody
	Card    *Card // nil: nothing is written beside the outputs
}

// Split divides rows by ancestry: rows with equal By never part.
type Split struct {
	By     *Expr // string; text is compared after folding case and space
	Ratios []Ratio
	Seed   int64
}

// Ratio is a split's name and its share of all.
type Ratio struct {
	Name  string
	Share float64
}

// OutputBody is an output block of a dataset: a component of role output.
type OutputBody struct {
	Role RoleBody
	Path string // folder, relative to the recipe's
	// Address is dataset.NAME.output.COMPONENT, with a number if it repeats.
	Address string
	Range   hcl.Range
}

// FinetuneBody is what a finetune block says beside its component's arguments.
type FinetuneBody struct {
	Dataset    *Step
	Output     *OutputBody // of the dataset, which is trained on
	Train      string      // the split to train on
	Validation string      // the split to measure on; "": none
	// Provider trains, or will serve what a command trains; nil: nobody does, and
	// no block can use the model.
	Provider *Provider
	Name     string // by which Provider will serve what a command trains
	// Path is the folder of the trainings, relative to the recipe's; "": there is
	// none.
	Path        string
	Command     []string
	Environment []string // variables that the command gets beside the harmless ones
	// TrainingPrice is in US dollars per million tokens that are trained on; nil:
	// not known.
	TrainingPrice *float64
	Model         *Model // what other blocks use
}

// Columns are the columns of a step's rows.
type Columns struct {
	List []schema.Column // in order of name
	Open bool            // rows may hold others
}
