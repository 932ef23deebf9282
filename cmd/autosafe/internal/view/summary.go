package view

import (
	"fmt"
	"sort"
	"strings"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/spec"
)

// Summary shows how a build ended: the yield funnel, calls, and outputs. The
// recipe, which may be nil, tells the order of operations.
func (v *View) Summary(sum *engine.Summary, recipe *spec.Recipe) {
	if v.opts.JSON {
		v.lastLine(sum)
		return
	}
	if len(sum.Steps) == 0 {
		return
	}
	var b strings.Builder
	funnel(&b, sum.Steps, operations(recipe), v.outWidth())
	totals(&b, sum)
	outputs(&b, sum, v.outWidth())
	p := v.page()
	p.evaluations(sum.Evaluations, recipe)
	v.result(b.String() + p.String())
}

// Recorded says under which id a build is recorded.
func (v *View) Recorded(id string) {
	if !v.opts.JSON {
		v.result(fmt.Sprintf("\nBuild %s is recorded; autosafe builds lists them.\n", Clean(id)))
	}
}

// USD writes an amount of US dollars.
func USD(usd float64) string { return cents(usd) }

// operations are the operations of each distill step by its address.
func operations(recipe *spec.Recipe) map[string][]*spec.Op {
	ops := map[string][]*spec.Op{}
	if recipe != nil {
		for _, s := range recipe.Steps {
			ops[s.Address] = s.Distill
		}
	}
	return ops
}

// funnel is a table of what became of the rows, step by step: in which order
// they were left out by operations, and for what other reasons they were left
// out or failed.
func funnel(b *strings.Builder, steps []engine.StepSummary, ops map[string][]*spec.Op, width int) {
	t := table{
		heads: []string{"Step", "In", "Out", "Dropped", "Failed", "Calls", "Cost", "Cached", "Time", ""},
		spare: []string{"Cached", "Cost"},
	}
	addresses := make([]string, len(steps))
	for i := range steps {
		addresses[i] = steps[i].Address
	}
	quiet := func(i int) bool { return steps[i].Status == engine.StatusHit && steps[i].RowsFailed == 0 }
	for _, named := range grouped(addresses, quiet) {
		s := &steps[named.at]
		out, cached, time := count(s.RowsOut), number(s.RowsHit), duration(s.Seconds)
		switch s.Status {
		case engine.StatusHit:
			cached, time = "", "cached"
		case engine.StatusSkipped:
			out, time = "", "not run"
		}
		t.add(named.name, number(s.RowsIn), out, number(total(s.Dropped)), number(s.RowsFailed),
			number(s.Calls.Made), dollars(s.Calls.CostUSD), cached, time, "")
		rest := funnelOps(&t, s, ops[s.Address])
		for _, reason := range ranked(rest) {
			t.add("    "+reason.name, "", "", count(reason.n), "", "", "", "", "", "")
		}
		for _, code := range ranked(s.Failed) {
			t.add("    "+code.name, "", "", "", count(code.n), "", "", "", "", "")
		}
	}
	t.render(b, width)
}

// funnelOps adds a distill step's operations, in the recipe's order, and
// returns the reasons that are none of them. How many rows each one saw is
// known if no row was lost on the way.
func funnelOps(t *table, s *engine.StepSummary, ops []*spec.Op) map[string]int64 {
	rest := map[string]int64{}
	for reason, n := range s.Dropped {
		rest[reason] = n
	}
	if s.RowsIn == 0 {
		return rest
	}
	exact := s.RowsIn == s.RowsOut+total(s.Dropped)
	left := s.RowsIn
	for _, op := range ops {
		if op.Kind == spec.OpScenarios { // the reasons tell what it did
			continue
		}
		name := string(op.Kind) + "." + op.Name
		n := s.Dropped[name]
		delete(rest, name)
		in, out := "", ""
		if exact {
			in, out = count(left), count(left-n)
		}
		left -= n
		t.add("    "+Clean(name), in, out, number(n), "", "", "", "", "", "")
	}
	return rest
}

func total(m map[string]int64) (n int64) {
	for _, c := range m {
		n += c
	}
	return n
}

// reason is a number of rows and why.
type reason struct {
	name string
	n    int64
}

// reasonsShown bounds the list of reasons of a step: components may give any.
const reasonsShown = 8

// ranked lists numbers by name, the largest first. The names are cleaned.
func ranked(m map[string]int64) []reason {
	list := make([]reason, 0, len(m))
	for name, n := range m {
		list = append(list, reason{clip(Clean(name), 60), n})
	}
	sort.Slice(list, func(i, j int) bool {
		if list[i].n != list[j].n {
			return list[i].n > list[j].n
		}
		return list[i].name < list[j].name
	})
	if len(list) <= reasonsShown {
		return list
	}
	others := reason{name: plural(int64(len(list)-reasonsShown+1), "other reason")}
	for _, r := range list[reasonsShown-1:] {
		others.n += r.n
	}
	return append(list[:reasonsShown-1], others)
}

// counts writes numbers by name on one line, the largest first.
func counts(m map[string]int64) string {
	var parts []string
	for _, r := range ranked(m) {
		parts = append(parts, r.name+" "+count(r.n))
	}
	return strings.Join(parts, ", ")
}

// totals tells of calls, tokens, money and time.
func totals(b *strings.Builder, sum *engine.Summary) {
	c := sum.Calls
	calls := []string{count(c.Made) + " made"}
	if c.Cached > 0 {
		calls = append(calls, count(c.Cached)+" from the cache")
	}
	if c.Retried > 0 {
		calls = append(calls, count(c.Retried)+" retried")
	}
	if c.Failed > 0 {
		calls = append(calls, count(c.Failed)+" failed")
	}
	fmt.Fprintf(b, "\nModel calls  %s\n", strings.Join(calls, ", "))
	if c.Made > 0 {
		estimated := ""
		if c.Estimated > 0 {
			estimated = "; estimated for " + plural(c.Estimated, "call")
		}
		fmt.Fprintf(b, "Tokens       %s in, %s out%s\n", count(c.InputTokens), count(c.OutputTokens), estimated)
	}
	if usd := dollars(c.CostUSD); usd != "" {
		if sum.PriceList != "" {
			usd += ", by the price list of " + Clean(sum.PriceList)
		}
		fmt.Fprintf(b, "Cost         %s\n", usd)
	}
	fmt.Fprintf(b, "Time         %s\n", duration(sum.Seconds))
}

// outputs lists what was written and where.
func outputs(b *strings.Builder, sum *engine.Summary, width int) {
	if len(sum.Outputs) == 0 {
		return
	}
	b.WriteString("\n")
	t := table{heads: []string{"Output", "Rows", "Skipped", "Files", ""}}
	for _, o := range sum.Outputs {
		about := Clean(o.Format)
		if len(o.Splits) > 0 {
			about += ": " + counts(o.Splits)
		}
		if o.Status == engine.StatusHit {
			about += "; unchanged"
		}
		rows := count(o.Rows)
		if o.Format == spec.CardFormat || o.Format == spec.ReportFormat { // which tell of rows, and have none
			rows = ""
		}
		t.add(Clean(nearPath(o.Path)), rows, number(total(o.Skipped)), count(int64(o.Files)), about)
		for _, r := range ranked(o.Skipped) {
			t.add("    "+r.name, "", count(r.n), "", "")
		}
	}
	t.render(b, width)
	if sum.Offline {
		b.WriteString("\nThese rows come from the offline model, a scripted stand-in. They show the\npipeline; do not train on them.\n")
	}
}
