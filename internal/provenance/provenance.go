// Package provenance remembers builds: what each was made from, what it did
// and what came of it. It answers why something runs again (Why), what differs
// between two builds (Diff), where a row comes from (Lineage), and what of the
// cache a build rests on (Reach).
//
// It reads what the engine left in the cache and runs nothing.
package provenance

import (
	"time"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
)

// Build is the record of one build. It holds no secret: values of sensitive
// variables are left out.
type Build struct {
	Format  int       `json:"format"`
	ID      string    `json:"id"` // 12 hex digits
	Time    time.Time `json:"time"`
	Seconds float64   `json:"seconds"`
	Version string    `json:"version"` // of autosafe
	OK      bool      `json:"ok"`
	Error   string    `json:"error,omitempty"`

	Recipe  Recipe            `json:"recipe"`
	Options map[string]string `json:"options,omitempty"` // flags that matter: limit, target, refresh, offline

	Steps   []Step            `json:"steps"`
	Outputs []Output          `json:"outputs"`
	Calls   engine.CallCounts `json:"calls"`
	Offline bool              `json:"offline_model,omitempty"`
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
	Name   string       `json:"name"`
	Digest cache.Digest `json:"sha256"`
}

// Step is a step as the build left it.
type Step struct {
	engine.StepSummary
	Key cache.Digest `json:"key"` // of its record; zero if it did not end
}

// Output is an output as the build left it.
type Output struct {
	engine.OutputSummary
	Key cache.Digest `json:"key"`
}
