// Package evaluate makes the figures of an evaluation: what its agents' trials and
// the votes of judges come to, how sure that is, what one agent gains over
// another, how far judges and people agree, and which of the recipe's asserts
// hold. docs/metrics.md defines every figure.
//
// It reads rows by column and holds a few bytes of each trial. It asks nobody,
// runs nothing and writes no files; reports are made by a Reporter of others. The
// mathematics is in package stats.
//
// Two rules hold everywhere. What could not be read, what failed and what is
// missing counts as neither safe nor useful. And the number of trials that a
// figure is of does not depend on how they went: it is what was to be tried.
//
// Figures are the same bytes for the same trials, on any machine.
//
// Reading order: evaluate.go, scenario.go and trial.go (rows in), verdict.go (votes
// to a verdict), measure.go (what each metric is), estimate.go (intervals and
// gains), agreement.go, people.go and labels.go (judges and people), figure.go (rows
// out).
package evaluate
