package view

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/internal/provenance"
	"github.com/autosafe/autosafe/spec"
)

// BuildLine is a build in a list of builds.
type BuildLine struct {
	provenance.Build
	Tags []string
}

// Builds lists builds, of so many that are recorded.
func (v *View) Builds(list []BuildLine, recorded int) {
	if v.opts.JSON {
		for _, b := range list {
			tags := b.Tags
			if tags == nil {
				tags = []string{}
			}
			v.line(struct {
				Type string   `json:"type"`
				Tags []string `json:"tags"`
				*provenance.Build
			}{"build", tags, &b.Build})
		}
		v.lastLine(struct {
			Type     string `json:"type"`
			Listed   int    `json:"listed"`
			Recorded int    `json:"recorded"`
		}{"builds", len(list), recorded})
		return
	}
	if len(list) == 0 {
		v.result("No build is recorded in this cache. autosafe build records one.\n")
		return
	}
	t := table{
		heads: []string{"Build", "Time", "", "Rows", "Calls", "Cost", "Recipe"},
		spare: []string{"Cost"},
	}
	for i := range list {
		b := &list[i]
		about := Clean(nearPath(b.Recipe.Dir))
		if options := buildOptions(b.Options); options != "" {
			about += "  (" + options + ")"
		}
		if len(b.Tags) > 0 {
			about += "  [" + Clean(strings.Join(b.Tags, ", ")) + "]"
		}
		t.add(Clean(b.ID), when(b.Time), buildEnded(&b.Build), number(datasetRows(&b.Build)), number(b.Calls.Made), dollars(b.Calls.CostUSD), about)
	}
	var b strings.Builder
	t.render(&b, v.outWidth())
	if more := recorded - len(list); more > 0 {
		fmt.Fprintf(&b, "… and %s; -n 0 lists all\n", plural(int64(more), "older build"))
	}
	v.result(b.String())
}

// buildEnded says how a build ended, in a word.
func buildEnded(b *provenance.Build) string {
	switch {
	case b.OK:
		return "ok"
	case b.AssertsFailed:
		return "assert"
	case strings.HasPrefix(b.Error, "interrupted"):
		return "stopped"
	case strings.Contains(b.Error, "budget"):
		return "budget"
	}
	return "failed"
}

// datasetRows are the rows that a build's datasets hold.
func datasetRows(b *provenance.Build) (n int64) {
	for _, s := range b.Steps {
		if s.Kind == string(spec.DatasetStep) {
			n += s.RowsOut
		}
	}
	return n
}

// buildOptions are the flags of a build that count.
func buildOptions(options map[string]string) string {
	var parts []string
	for _, name := range sortedKeys(options) {
		if name == "budget-usd" { // it says nothing of what was built
			continue
		}
		text := "-" + Clean(name)
		if value := options[name]; value != "true" {
			text += " " + Clean(value)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " ")
}

// Tagged says that a tag was set or removed, and which build had it before.
func (v *View) Tagged(name, build, before string) {
	switch {
	case v.opts.JSON:
		v.lastLine(struct {
			Type  string `json:"type"`
			Name  string `json:"name"`
			Build string `json:"build,omitempty"`
			Was   string `json:"was,omitempty"`
		}{"tag", name, build, before})
	case build == "":
		v.result("The tag " + Clean(name) + " is removed from build " + Clean(before) + ".\n")
	case before != "" && before != build:
		v.result(Clean(name) + " is build " + Clean(build) + " now; it was " + Clean(before) + ".\n")
	default:
		v.result(Clean(name) + " is build " + Clean(build) + ".\n")
	}
}

func sortedKeys(m map[string]string) []string {
	return slices.Sorted(maps.Keys(m))
}
