// Package report writes the report of an evaluation: a page in Markdown and in
// HTML, its plots, the figures as JSON and CSV, and what came of the asserts as
// JUnit XML and SARIF.
//
// A page is put together once, as blocks (content.go), which are then written as
// Markdown and as HTML. No block holds markup: what models, tools and files said
// is text wherever it stands, cut to a length that a reader can take, and
// links in it lead nowhere. The bytes follow from the recipe, the figures and the
// trials alone.
//
// It makes no figures, and decides nothing: which trial is safe is told to it.
package report
