// Package provenance remembers builds: what each was made from, what it did
// and what came of it. It answers why something runs again (Why), what differs
// between two builds (Diff), where a row comes from (Lineage), what of the cache
// a build rests on (Reach) and what answers were worth (Usage).
//
// It reads what the engine left in the cache and runs nothing. What cannot be
// read any more, since it was collected or is damaged, is told as gone.
package provenance

import (
	"fmt"
	"time"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/spec"
)

// Build is the record of one build. It holds no secret: values of sensitive
// variables are left out, and secrets are cut out of the recipe's files.
type Build struct {
	Format   int       `json:"format"`
	ID       string    `json:"id"` // 12 hex digits
	Previous string    `json:"previous,omitempty"`
	Time     time.Time `json:"time"`
	Seconds  float64   `json:"seconds"`
	Version  string    `json:"version"` // of autosafe
	OK       bool      `json:"ok"`
	Error    string    `json:"error,omitempty"`

	// AssertsFailed says that asserts which do not hold are all that kept OK from
	// being true.
	AssertsFailed bool `json:"asserts_failed,omitempty"`

	Recipe  Recipe            `json:"recipe"`
	Options map[string]string `json:"options,omitempty"` // flags that matter: limit, target, refresh, offline

	Models  []Model           `json:"models,omitempty"`
	Plugins []Plugin          `json:"plugins,omitempty"`
	Steps   []Step            `json:"steps"`
	Outputs []Output          `json:"outputs"`
	Calls   engine.CallCounts `json:"calls"`
	Offline bool              `json:"offline_model,omitempty"`

	// Evaluations are those that came to their end.
	Evaluations []engine.EvaluationSummary `json:"evaluations,omitempty"`

	// Fresh says, after Save, that this build got a record of its own.
	Fresh bool `json:"-"`

	contents map[cache.Digest][]byte // of Recipe.Files, until Save has put them
}

// Recipe is what a build was asked to make.
type Recipe struct {
	Dir       string            `json:"dir"`    // absolute
	Digest    cache.Digest      `json:"digest"` // over names and contents of Files, and Variables
	Files     []File            `json:"files"`  // the recipe's own files, in order of name
	Variables map[string]string `json:"variables,omitempty"`
}

// File is a file of the recipe; its content is the blob Digest.
type File struct {
	Name   string       `json:"name"` // relative to the recipe's folder, with slashes
	Digest cache.Digest `json:"sha256"`
}

// Model is a model of the recipe as the build used it.
type Model struct {
	Name     string `json:"name"`     // the block's label
	Endpoint string `json:"endpoint"` // as in the records of calls
	ID       string `json:"model"`    // the endpoint's name for it
	// Part is what of the model stands in keys, as JSON.
	Part  string `json:"part,omitempty"`
	Price *Price `json:"price,omitempty"`
}

// Price is in US dollars per million tokens.
type Price struct {
	Input       float64  `json:"input"`
	Output      float64  `json:"output"`
	CachedInput *float64 `json:"cached_input,omitempty"` // else as Input
	Share       float64  `json:"share,omitempty"`        // of it all, that a call in a batch costs; else 1
	// Listed is the date of autosafe's price list, if it is from there.
	Listed string `json:"listed,omitempty"`
}

// Plugin is a plugin that a step or an output is made of.
type Plugin struct {
	Source  string `json:"source"`
	Version string `json:"version,omitempty"`
	Digest  string `json:"sha256,omitempty"` // of the binary; empty for the built-in one
}

// Step is a step as the build left it.
type Step struct {
	engine.StepSummary
	Key    cache.Digest `json:"key"`  // of its record; zero if it did not end, or is a dataset
	Kind   string       `json:"kind"` // role, distill, dataset or finetune
	Inputs []string     `json:"inputs,omitempty"`
	// After are the steps that trained models of this one.
	After []string `json:"after,omitempty"`
	// Component is the component's role and name, such as "simulator trajectory".
	Component string `json:"component,omitempty"`
	Plugin    string `json:"plugin,omitempty"` // its source
	Code      string `json:"code,omitempty"`   // what of its code stands in keys
	// Models are the labels of the models it asks, by slot.
	Models  map[string]string `json:"models,omitempty"`
	Distill []Op              `json:"distill,omitempty"`
	Samples int               `json:"samples,omitempty"` // tasks a row; 0 is one
	// BlockColumn is the column that is named after the block.
	BlockColumn string `json:"block_column,omitempty"`
}

// Op is an operation of a distill step.
type Op struct {
	Kind string `json:"kind"` // filter, dedupe, balance, sample, limit, mix, scenarios
	Name string `json:"name"`
	Text string `json:"text,omitempty"` // its expression
	// Max is the number of rows that balance (a group), limit, sample and mix
	// keep; Similarity is that of dedupe.
	Max        int     `json:"max,omitempty"`
	Similarity float64 `json:"similarity,omitempty"`
}

// reason is why an operation left a row out.
func (o Op) reason(sep string) string {
	if o.Kind == string(spec.OpScenarios) {
		return "not among the scenarios"
	}
	return o.Kind + sep + o.Name
}

// Output is an output as the build left it.
type Output struct {
	engine.OutputSummary
	Key       cache.Digest `json:"key"`
	Component string       `json:"component,omitempty"`
	Plugin    string       `json:"plugin,omitempty"`
	Code      string       `json:"code,omitempty"`
}

// Ref names a build.
type Ref struct {
	ID   string    `json:"id"`
	Time time.Time `json:"time"`
}

// The options of a build that say which part of the recipe it was of.
const (
	OptionLimit  = "limit"
	OptionTarget = "target"
)

// Ended says whether a build came to its end: an assert that does not hold says
// something of what was built, and keeps nothing from being built.
func (b *Build) Ended() bool { return b.OK || b.AssertsFailed }

// Whole says whether a build was of the whole recipe, and came to its end.
func (b *Build) Whole() bool {
	return b.Ended() && b.Options[OptionLimit] == "" && b.Options[OptionTarget] == ""
}

// Ref is the build's name.
func (b *Build) Ref() Ref { return Ref{b.ID, b.Time} }

// Step finds a step by its address.
func (b *Build) Step(address string) (*Step, bool) {
	for i := range b.Steps {
		if b.Steps[i].Address == address {
			return &b.Steps[i], true
		}
	}
	return nil, false
}

// NotFoundError says that there is no such build, or no such tag.
type NotFoundError struct{ Name string }

func (e *NotFoundError) Error() string {
	text := fmt.Sprintf("there is no build %q: autosafe builds lists them", e.Name)
	if isHex(e.Name) && len(e.Name) < minPrefix {
		text += fmt.Sprintf("; the beginning of an id takes %d digits or more", minPrefix)
	}
	return text
}

// AmbiguousError says that the beginning of an id fits several builds.
type AmbiguousError struct {
	Name string
	IDs  []string
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("%q is the beginning of %d builds: give more digits", e.Name, len(e.IDs))
}

// NoStepError says that a build has no such step.
type NoStepError struct{ Address, Build string }

func (e *NoStepError) Error() string {
	return fmt.Sprintf("build %s has no step %s", e.Build, e.Address)
}

// NoRowError says that neither a step nor what it is made of has such a row.
type NoRowError struct{ Address, Row string }

func (e *NoRowError) Error() string {
	return fmt.Sprintf("no row %q in %s, nor in what it is made of", e.Row, e.Address)
}

// GoneError says that what a build left of a step cannot be read any more, or
// never was whole.
type GoneError struct {
	Address string
	Why     string
}

func (e *GoneError) Error() string { return e.Address + ": " + e.Why }
