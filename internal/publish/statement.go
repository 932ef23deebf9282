package publish

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// What an in-toto statement of ours says it is. The layout is that of
// in-toto's Statement v1 and of SLSA's provenance v1; the names below
// autosafe.dev are ours.
const (
	StatementType = "https://in-toto.io/Statement/v1"
	PredicateType = "https://slsa.dev/provenance/v1"
	BuildType     = "https://autosafe.dev/dataset/v1"
	BuilderID     = "https://autosafe.dev/autosafe"
)

// Statement says of files what they were made of.
type Statement struct {
	Type          string     `json:"_type"`
	Subject       []Resource `json:"subject"` // in order of name
	PredicateType string     `json:"predicateType"`
	Predicate     Predicate  `json:"predicate"`
}

// Resource is a thing under a digest: in-toto's ResourceDescriptor.
type Resource struct {
	Name        string            `json:"name,omitempty"`
	URI         string            `json:"uri,omitempty"`
	Digest      map[string]string `json:"digest,omitempty"`
	MediaType   string            `json:"mediaType,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// SHA256 is the resource's SHA-256 in hex; "" if it has none.
func (r *Resource) SHA256() string { return r.Digest[sha256Name] }

const sha256Name = "sha256"

// Predicate is how the subjects were made.
type Predicate struct {
	BuildDefinition BuildDefinition `json:"buildDefinition"`
	RunDetails      RunDetails      `json:"runDetails"`
}

// BuildDefinition is what a build was given.
type BuildDefinition struct {
	BuildType            string     `json:"buildType"`
	ExternalParameters   Parameters `json:"externalParameters"`
	ResolvedDependencies []Resource `json:"resolvedDependencies"` // see DependencyKind
}

// Parameters are what a user decides.
type Parameters struct {
	Dataset string     `json:"dataset"` // its address
	Recipe  RecipeRef  `json:"recipe"`
	Limit   int        `json:"limit,omitempty"` // rows a source was cut off at; 0: none was
	Files   []Resource `json:"files"`           // of the recipe, in order of name
	// Variables are the recipe's as JSON, sensitive ones left out.
	Variables map[string]string `json:"variables,omitempty"`
}

// RecipeRef names a recipe by what it says.
type RecipeRef struct {
	// SHA256 is over the names and contents of its files, and its variables, as
	// in the records of builds.
	SHA256 string `json:"sha256"`
}

// RunDetails is who built.
type RunDetails struct {
	Builder Builder `json:"builder"`
}

// Builder is autosafe in a version.
type Builder struct {
	ID      string            `json:"id"`
	Version map[string]string `json:"version"`
}

// DependencyKind stands in a dependency's annotations under "kind".
type DependencyKind string

// The kinds of dependency.
const (
	// LockDependency is autosafe.lock.hcl.
	LockDependency DependencyKind = "lock"
	// PluginDependency is the binary of a plugin; its digest is the binary's.
	PluginDependency DependencyKind = "plugin"
	// ComponentDependency is a component with the version of its behaviour in
	// the annotation "code"; it has no digest where no binary stands for it.
	ComponentDependency DependencyKind = "component"
	// ModelDependency is a model; its digest is over what of it stands in keys,
	// which is the annotation "parameters".
	ModelDependency DependencyKind = "model"
	// SourceDependency is a file that a step read; its name is "ADDRESS/NAME".
	SourceDependency DependencyKind = "source"
	// CallsDependency is the set of model calls: its digest is CallsDigest, and
	// the annotation "count" their number.
	CallsDependency DependencyKind = "calls"
)

// Kind is what sort of dependency a resource is; "" if it does not say.
func (r *Resource) Kind() DependencyKind { return DependencyKind(r.Annotations[kindNote]) }

// The annotations of dependencies.
const (
	kindNote       = "kind"
	codeNote       = "code"
	endpointNote   = "endpoint"
	parametersNote = "parameters"
	countNote      = "count"
	versionNote    = "version"
)

// Dependencies gives the dependencies of one kind.
func (s *Statement) Dependencies(kind DependencyKind) []Resource {
	var list []Resource
	for _, r := range s.Predicate.BuildDefinition.ResolvedDependencies {
		if r.Kind() == kind {
			list = append(list, r)
		}
	}
	return list
}

// Encode gives the bytes of the statement's file. Equal statements have equal
// bytes; they are what a signature is over.
func (s *Statement) Encode() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	return b.Bytes(), nil
}

// ParseStatement reads a statement of ours. Fields that it does not know are
// left alone, as in-toto asks.
func ParseStatement(b []byte) (*Statement, error) {
	var s Statement
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	for _, f := range []struct{ name, have, want string }{
		{"_type", s.Type, StatementType},
		{"predicateType", s.PredicateType, PredicateType},
		{"buildType", s.Predicate.BuildDefinition.BuildType, BuildType},
	} {
		if f.have != f.want {
			return nil, fmt.Errorf("statement: its %s is %q; this version reads %q", f.name, f.have, f.want)
		}
	}
	return &s, nil
}
