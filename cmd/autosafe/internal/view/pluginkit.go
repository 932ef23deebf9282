package view

import (
	"fmt"
	"strings"
)

// PluginSchema is what a plugin's components take and give.
type PluginSchema struct {
	Name, Version string
	Components    any // to be written as JSON
	Markdown      string
}

// PluginSchema shows a plugin's components.
func (v *View) PluginSchema(s PluginSchema) {
	if v.opts.JSON {
		v.line(struct {
			Type       string `json:"type"`
			Name       string `json:"name"`
			Version    string `json:"version"`
			Components any    `json:"components"`
		}{"plugin_schema", s.Name, s.Version, s.Components})
		return
	}
	v.result(CleanLines(s.Markdown))
}

// PluginCheck is what became of one check of a plugin.
type PluginCheck struct {
	Name     string   `json:"name"` // judge/tone/config
	Passed   bool     `json:"passed"`
	Problems []string `json:"problems,omitempty"`
}

// PluginChecks are the checks of one plugin.
type PluginChecks struct {
	Type    string        `json:"type"`
	Plugin  string        `json:"plugin"`
	Version string        `json:"version"`
	Passed  bool          `json:"passed"`
	Checks  []PluginCheck `json:"checks"`
	Untried []string      `json:"untried"` // components that no case runs
}

// PluginTested shows the checks of a plugin.
func (v *View) PluginTested(c PluginChecks) {
	c.Type = "plugin_test"
	if v.opts.JSON {
		v.lastLine(c)
		return
	}
	var b strings.Builder
	failed := 0
	for _, k := range c.Checks {
		mark := "ok  "
		if !k.Passed {
			mark = "FAIL"
			failed++
		}
		fmt.Fprintf(&b, "%s  %s\n", mark, Clean(k.Name))
		for _, p := range k.Problems {
			for _, line := range wrap(Clean(p), max(v.outWidth()-6, 0)) {
				fmt.Fprintf(&b, "      %s\n", line)
			}
		}
	}
	if len(c.Untried) > 0 {
		fmt.Fprintf(&b, "\nNo case runs %s. Write cases for them into conformance.hcl.\n", Clean(strings.Join(c.Untried, ", ")))
	}
	fmt.Fprintf(&b, "\n%s %s: %d checks, ", Clean(c.Plugin), Clean(c.Version), len(c.Checks))
	if failed == 0 {
		b.WriteString("all passed.\n")
	} else {
		fmt.Fprintf(&b, "%d failed.\n", failed)
	}
	v.result(b.String())
}

// PluginMade shows what plugins new has written, and what to do next.
func (v *View) PluginMade(dir string, files, next []string) {
	if v.opts.JSON {
		v.lastLine(struct {
			Type  string   `json:"type"`
			Dir   string   `json:"dir"`
			Files []string `json:"files"`
			Next  []string `json:"next"`
		}{"plugin_new", dir, files, next})
		return
	}
	var b strings.Builder
	for _, f := range files {
		b.WriteString("  " + Clean(f) + "\n")
	}
	b.WriteString("\nWhat to do next:\n\n")
	for _, command := range next {
		b.WriteString("  " + Clean(command) + "\n")
	}
	v.result(fmt.Sprintf("%s holds a plugin, its tests and a recipe that uses it:\n\n%s", Clean(dir), b.String()))
}
