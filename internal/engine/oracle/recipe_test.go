package oracle

import (
	"fmt"
	"slices"
	"strings"
)

// A recipe as the test sees it: what the text says, and nothing worked out.
type recipe struct {
	models [3]model
	steps  []*step // inputs before their users
	suffix string  // of every block's name
	// backwards writes the blocks in the opposite order.
	backwards bool
	comment   string
}

// model is a model block.
type model struct {
	host        string // of its provider: "one" or "two"
	id          string
	temperature int // tenths
}

// step is a block. Which fields count depends on its component.
type step struct {
	name        string
	comp        string // list, vary, plain, redo, grade, distill, dataset
	inputs      []*step
	onError     string
	maxFailures int // -1: not set
	seed        int
	generation  int

	file    string // list
	tag     string // list
	prompt  string // vary, redo, grade: before the column
	column  string // vary, grade: that the prompt shows
	model   int    // vary, redo, grade
	judge   int    // redo
	rounds  int    // redo
	samples int    // vary
	ops     []op
	split   *split
	outputs []output
}

// op is an operation of a distill step.
type op struct {
	kind   string // filter, dedupe, near, balance, sample, limit, mix
	name   string
	column string // filter, dedupe, near, balance
	filter int    // which expression
	n      int
	seed   int // -1: none
}

type split struct {
	column string
	share  int // of "train", in tenths; 10: there is but one
	seed   int
}

type output struct {
	comp  string // lines, brief
	path  string
	style string
}

// source is what each kind of source writes; optional columns left out.
func sourceColumns() []string { return []string{"ask", "grp", "n"} }

// columns are those that every row of a step surely has, block columns named
// as the step is.
func (r *recipe) columns(s *step) []string {
	var cols []string
	for i, in := range s.inputs {
		have := r.columns(in)
		if i == 0 {
			cols = have
			continue
		}
		cols = slices.DeleteFunc(cols, func(c string) bool { return !slices.Contains(have, c) })
	}
	add := func(names ...string) {
		for _, n := range names {
			if !slices.Contains(cols, n) {
				cols = append(cols, n)
			}
		}
	}
	switch s.comp {
	case "list":
		add(sourceColumns()...)
	case "vary", "plain":
		add("kind", "text")
	case "redo":
		add("safe", "tries")
	case "grade":
		add(s.name + r.suffix)
	}
	return cols
}

// col is a column of the step's input: the wanted one, or else ask.
func (r *recipe) col(s *step, want string) string {
	in := &step{inputs: s.inputs}
	cols := r.columns(in)
	if want == "grade" { // whichever block's
		for _, c := range cols {
			if strings.HasPrefix(c, "grade") {
				return c
			}
		}
	}
	if slices.Contains(cols, want) {
		return want
	}
	return "ask"
}

// address of a step.
func (r *recipe) address(s *step) string {
	role := map[string]string{"list": "threat_source.list", "vary": "simulator.vary", "plain": "simulator.plain", "redo": "reflector.redo", "grade": "judge.grade", "distill": "distill", "dataset": "dataset"}[s.comp]
	return role + "." + s.name + r.suffix
}

// filters are the expressions that a filter may have, over a column.
func filters() []string {
	return []string{"true", "row.%s != 'ask3'", "size(row.%s) %% 2 == 0", "row.n >= 2", "row.%s < 'm'", "false || row.n != 1", "has(row.extra) || row.n > 0", "1 / (int(row.n) - 1) < 9"}
}

// filterText is the expression of a filter.
func filterText(i int, column string) string {
	if strings.Contains(filters()[i], "%") {
		return fmt.Sprintf(filters()[i], column)
	}
	return filters()[i]
}

// text is the recipe in its language.
func (r *recipe) text() string {
	var blocks []string
	for i, m := range r.models {
		blocks = append(blocks, fmt.Sprintf("model \"m%d%s\" {\n  provider    = provider.openai.%s\n  name        = %q\n  temperature = %.1f\n}\n", i, r.suffix, m.host, m.id, float64(m.temperature)/10))
	}
	for _, host := range []string{"one", "two"} {
		if slices.ContainsFunc(r.models[:], func(m model) bool { return m.host == host }) {
			blocks = append(blocks, fmt.Sprintf("provider \"openai\" %q {\n  base_url = \"http://%s.test/v1\"\n  api_key  = \"k\"\n  retries  = 0\n}\n", host, host))
		}
	}
	for _, s := range r.steps {
		blocks = append(blocks, r.block(s))
	}
	if r.backwards {
		slices.Reverse(blocks)
	}
	return r.comment + strings.Join(blocks, "\n")
}

func (r *recipe) block(s *step) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, "  "+format+"\n", args...) }
	kind, _, _ := strings.Cut(r.address(s), ".")
	label := fmt.Sprintf("%q ", s.comp)
	if s.comp == "distill" || s.comp == "dataset" {
		label = ""
	}
	fmt.Fprintf(&b, "%s %s%q {\n", kind, label, s.name+r.suffix)
	if len(s.inputs) > 0 {
		var list []string
		for _, in := range s.inputs {
			list = append(list, r.address(in))
		}
		line("input = [%s]", strings.Join(list, ", "))
	}
	if s.comp != "dataset" {
		line("on_error = %q", s.onError)
		if s.maxFailures >= 0 {
			line("max_failures = %d", s.maxFailures)
		}
		line("seed = %d", s.seed)
		line("generation = %d", s.generation)
	}
	r.arguments(s, line)
	for _, o := range s.ops {
		r.op(s, o, line)
	}
	if s.split != nil {
		line("split {\n    by = \"row.%s\"\n    seed = %d", r.col(s, s.split.column), s.split.seed)
		if s.split.share == 10 {
			line("  ratios = { train = 1 }\n  }")
		} else {
			line("  ratios = { train = %.1f, test = %.1f }\n  }", float64(s.split.share)/10, float64(10-s.split.share)/10)
		}
	}
	for _, o := range s.outputs {
		line("output %q {\n    path = %q\n    style = %q\n  }", o.comp, o.path, o.style)
	}
	b.WriteString("}\n")
	return b.String()
}

// arguments are those of the step's component.
func (r *recipe) arguments(s *step, line func(string, ...any)) {
	slot := func(name string, i int) { line("%s = model.m%d%s", name, i, r.suffix) }
	switch s.comp {
	case "list":
		line("path = %q", s.file)
		line("tag = %q", s.tag)
	case "vary":
		slot("model", s.model)
		line("samples = %d", s.samples)
		line("prompt = %q", r.prompt(s))
	case "redo":
		slot("agent", s.model)
		slot("judge", s.judge)
		line("rounds = %d", s.rounds)
		line("prompt = %q", s.prompt)
	case "grade":
		slot("model", s.model)
		line("prompt = %q", r.prompt(s))
	}
}

// prompt is the template of a step.
func (r *recipe) prompt(s *step) string {
	return s.prompt + " {{ .row." + r.col(s, s.column) + " }}"
}

func (r *recipe) op(s *step, o op, line func(string, ...any)) {
	seed := ""
	if o.seed >= 0 {
		seed = fmt.Sprintf("    seed = %d\n", o.seed)
	}
	by := r.col(s, o.column)
	switch o.kind {
	case "filter":
		line("filter %q {\n    keep = %q\n  }", o.name, filterText(o.filter, by))
	case "dedupe":
		line("dedupe %q {\n    by = \"row.%s\"\n  }", o.name, by)
	case "whole": // rows that are equal in all but id and origin
		line("dedupe %q {\n  }", o.name)
	case "near":
		line("dedupe %q {\n    by = \"row.%s\"\n    similarity = 0.9\n  }", o.name, by)
	case "balance":
		line("balance %q {\n    by = \"row.%s\"\n    max = %d\n%s  }", o.name, by, o.n, seed)
	case "sample":
		line("sample %q {\n    n = %d\n%s  }", o.name, o.n, seed)
	case "limit":
		line("limit %q {\n    max = %d\n%s  }", o.name, o.n, seed)
	case "mix":
		line("mix %q {\n    by = \"row.%s\"\n    weights = { %s }\n%s%s  }", o.name, r.col(s, "grp"), o.weightsText(), o.mostText(), seed)
	}
}
