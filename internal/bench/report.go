package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// report is what becomes docs/benchmarks.md.
type report struct {
	machine  [][2]string
	bars     []bar
	sections []section
	took     time.Duration
	quick    bool
}

// bar is something that autosafe is held to.
type bar struct {
	what, want, got string
	holds, unknown  bool
}

// section is a case: a table with words around it.
type section struct {
	title, intro string
	head         []string
	rows         [][]string
}

func (r *report) bar(what, want, got string, holds bool) {
	r.bars = append(r.bars, bar{what: what, want: want, got: got, holds: holds})
}

// unknownBar is one that could not be tested.
func (r *report) unknownBar(what, want, why string) {
	r.bars = append(r.bars, bar{what: what, want: want, got: why, unknown: true})
}

// times are the cells of a contender: its name, how long it took, and the time
// of its processors.
func (c *contender) times() []string {
	if c.missing != "" {
		return []string{c.name, c.missing, "", ""}
	}
	return []string{c.name, seconds(c.wall()), between(c.wall()), seconds(c.cpu())}
}

func timesHead(more ...string) []string {
	return append([]string{"", "wall", "min to max", "CPU"}, more...)
}

// nothing reports builds with nothing to do.
func (r *report) nothing(few, many, ninja, empty, snakemake *contender, size sizes) {
	s := section{
		title: "Nothing to do",
		intro: fmt.Sprintf("A recipe of 15 steps, all built: a source, ten filters, a limit and three datasets. "+
			"Beside it ninja with %s copies of a file and their concatenations, and Snakemake with as many rules as the recipe has steps. "+
			"The whole process is measured, from its start to its end. `autosafe version` does nothing but start and end.", thousands(size.edges)),
		head: timesHead("to ninja"),
	}
	for _, c := range []*contender{few, many, empty, ninja, snakemake} {
		cell := ""
		switch {
		case ninja.missing != "" || c.missing != "":
		case c == snakemake:
			cell = times(c.wall().median / ninja.wall().median)
		default:
			cell = times(ratio(c, ninja, wallOf).median)
		}
		s.rows = append(s.rows, append(c.times(), cell))
	}
	r.sections = append(r.sections, s)
	for _, c := range []*contender{few, many} {
		what := "Nothing to do, " + strings.TrimPrefix(c.name, "autosafe, ")
		r.bar(what, "at most 20 ms", seconds(c.wall()), c.wall().median <= 0.020)
		if ninja.missing != "" {
			r.unknownBar(what, "at most 3 times ninja", "ninja is not installed")
			continue
		}
		got := ratio(c, ninja, wallOf).median
		r.bar(what, "at most 3 times ninja", times(got), got <= 3)
	}
	got := ratio(many, few, wallOf).median
	r.bar(fmt.Sprintf("Nothing to do, %s rows to %s", thousands(size.manyRows), thousands(size.fewRows)), "at most 1.2 times", times(got), got <= 1.2)
}

// oneRow reports the change of one row.
func (r *report) oneRow(changed, same *contender, n int, calls spread) {
	s := section{
		title: "One changed row",
		intro: fmt.Sprintf("A `jsonl` source of %s rows of 1 KB, a judge that asks a model about each, and an output that writes them all. "+
			"One row's text is changed and the recipe built, and later built again. The model is a local endpoint that counts. "+
			"Where the time goes, one after the other: the digest of the changed file, before which nothing is known to be missing; "+
			"the start of the plugin's process; the source, which reads the file and sends the block of rows that changed; "+
			"then the longest part, the output, which is sent all rows from the cache and writes its file anew; and the digest of that file. "+
			"A quarter of a second would take an output that is sent nothing but what changed, with the rest of its file taken over from the one that stands there. "+
			"That a component must promise to write row by row, and a second digest over pieces of the file would have to be kept with it.", thousands(n)),
		head: timesHead("calls"),
		rows: [][]string{
			append(changed.times(), counts(calls)),
			append(same.times(), "0"),
		},
	}
	r.sections = append(r.sections, s)
	beyond := spreadOf(differences(changed, same))
	r.bar(fmt.Sprintf("One changed row of %s: calls", thousands(n)), "exactly 1", counts(calls), calls.low == 1 && calls.high == 1)
	r.bar(fmt.Sprintf("One changed row of %s: beyond nothing to do", thousands(n)), "at most 1 s", seconds(beyond), beyond.median <= 1)
}

func differences(a, b *contender) []float64 {
	var out []float64
	for i := range min(len(a.samples), len(b.samples)) {
		out = append(out, a.samples[i].wall.Seconds()-b.samples[i].wall.Seconds())
	}
	return out
}

// filter reports the change of a filter.
func (r *report) filter(changed *contender, n, calls, processes int) {
	s := section{
		title: "A changed filter",
		intro: fmt.Sprintf("A `jsonl` source of %s rows of 2 KB, a filter whose expression is changed before each build, and an output.", thousands(n)),
		head:  timesHead("calls", "processes started"),
		rows:  [][]string{append(changed.times(), strconv.Itoa(calls), strconv.Itoa(processes))},
	}
	r.sections = append(r.sections, s)
	what := fmt.Sprintf("A changed filter over %s rows", thousands(n))
	r.bar(what, "at most 1.5 s", seconds(changed.wall()), changed.wall().median <= 1.5)
	r.bar(what+": calls, processes", "0, and the writers' 1", fmt.Sprintf("%d, %d", calls, processes), calls == 0 && processes <= 1)
}

// cold reports builds with an empty cache, and their memory.
func (r *report) cold(list []*contender, counts []int) {
	s := section{
		title: "Many rows, cold",
		intro: "Rows of 1 KB from a `jsonl` source through two filters to a `rows` output, with an empty cache. " +
			"A core's share is all rows by the time of all processors of all processes. " +
			"Memory is the sum of the proportional set sizes of all processes, sampled; its largest value counts.",
		head: timesHead("rows/s", "rows/s a core", "peak memory"),
	}
	for i, c := range list {
		n := float64(counts[i])
		s.rows = append(s.rows, append(c.times(), thousands(int(n/c.wall().median)), thousands(int(n/c.cpu().median)), mebibytes(c.peak())))
	}
	r.sections = append(r.sections, s)
	small, large := list[0], list[1]
	n := thousands(counts[1])
	perCore := float64(counts[1]) / large.cpu().median
	r.bar(n+" rows, cold: rows a second a core", "at least 12,000", thousands(int(perCore)), perCore >= 12_000)
	if !memoryKnown {
		r.unknownBar(n+" rows, cold: peak memory", "under 400 MiB", "not measured on this system")
		return
	}
	r.bar(n+" rows, cold: peak memory", "under 400 MiB", mebibytes(large.peak()), large.peak().median < 400)
	growth := large.peak().median / max(small.peak().median, 1)
	r.bar(fmt.Sprintf("%s rows to %s: peak memory", n, thousands(counts[0])), "at most 1.3 times", times(growth), growth <= 1.3)
}

// plan reports the planning of a large recipe.
func (r *report) plan(blocks int, first, done, again *contender) {
	s := section{
		title: "Plan",
		intro: fmt.Sprintf("A recipe of %s blocks: a source, a tree of filters, and a dataset on every hundredth.", thousands(blocks)),
		head:  timesHead(),
		rows:  [][]string{first.times(), done.times(), again.times()},
	}
	r.sections = append(r.sections, s)
	for _, c := range []*contender{first, done} {
		r.bar(fmt.Sprintf("%s blocks: %s", thousands(blocks), c.name), "at most 400 ms", seconds(c.wall()), c.wall().median <= 0.4)
	}
}

// small reports the comparison of small steps.
func (r *report) small(table [3][]*contender, units int) {
	s := section{
		title: "Many small units of work",
		intro: fmt.Sprintf("%s units each. ninja and Snakemake start a `cp` for each; autosafe asks a local endpoint about a row for each, "+
			"and keeps question and answer so that they survive a crash. They are yardsticks, not equals.", thousands(units)),
		head: []string{""},
	}
	for _, c := range table[0] {
		s.head = append(s.head, c.name, "min to max")
	}
	for i, name := range []string{"from nothing", "one changed", "nothing to do"} {
		row := []string{name}
		for _, c := range table[i] {
			row = append(row, c.times()[1:3]...)
		}
		s.rows = append(s.rows, row)
	}
	r.sections = append(r.sections, s)
}
