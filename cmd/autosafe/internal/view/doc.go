// Package view shows what commands have to say: results on standard output,
// progress and problems on standard error, as text for people or as JSON
// lines for scripts. Nothing that a model, a plugin, an endpoint or a file
// has said reaches a terminal before Clean has seen it.
//
// It decides nothing and knows no exit codes.
//
// # JSON lines
//
// With -json, standard output is JSON lines and nothing else. Every line is
// an object with a "type". Fields and types may be added; those that are here
// stay as they are within a major format version. The first line is
//
//	{"type":"version","format_version":"1.0","autosafe":"0.1.0"}
//
// The last line says how the command ended: a "summary" (build), "plan",
// "why", "lineage" (show -row), "diff", "builds", "tag", "cache_…", "init", "plugins_…", "validate" or "fmt"
// line, and wherever a command fails before it comes to its own
//
//	{"type":"exit_error","code":1}
//
// Before that come, in any number and order:
//
//	diagnostic     a problem; see below
//	notice         a message about no place in the recipe: summary, detail
//	step_started   address
//	row_failed     address, row (its id), error {code, summary, detail, transient}
//	step_finished  a step as it stands in the summary
//	output         an output as it stands in the summary
//	step           show, graph: address, kind, inputs, columns, open
//	row            show ADDRESS: address, row (the row, whole)
//	build          builds: a build's record, with its tags
//	formatted      fmt: file, for each one that was or would be changed
//	autosafe       version: version, protocols, go, platform
//
// The lines of why, lineage, diff and build hold what package provenance says
// (WhyReport, LineageReport, DiffReport, Build), those of plan what package
// engine does (Plan); docs/exit-codes-and-json.md has the fields of all.
//
// A diagnostic is
//
//	{"type":"diagnostic",
//	 "severity":"error",            // or "warning"
//	 "summary":"Unknown column",    // fixed for each kind of problem
//	 "detail":"…",                  // what, why and what to do; may be absent
//	 "range":{                      // absent if it is about no place
//	   "filename":"recipe.hcl",     // as the command line led to it
//	   "start":{"line":7,"column":3,"byte":91},
//	   "end":{"line":7,"column":9,"byte":97}},
//	 "snippet":"  keep = …"}        // the line on which the range starts
//
// Lines and columns count from 1, columns in characters as an editor shows
// them, bytes from 0; the end is the first place behind the range.
package view
