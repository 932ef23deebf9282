package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"

	"github.com/autosafe/autosafe/internal/provenance"
)

func whyCommand() command {
	return command{
		name: "why", args: "ADDRESS [DIR]", minArgs: 1, maxArgs: 2, takes: takesRecipe,
		short: "explain why a step runs, or ran",
		long: `Lays the key of the step at ADDRESS, such as reflector.retry.safe, beside the
one of the last build, part by part: the changed lines of a prompt, a value
before and after, files, code, and which rows of its input differ and because
of which step. For a step that is up to date, says what made it run last.

With -row: why that row runs, which columns differ, and how its model calls
differ from those made before. Nothing is run and no model is asked.`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			id := flags.String("row", "", "explain the row with this `ID`, of the step or of its input")
			var sel selection
			flags.Func("limit", "as in a build that cuts every source off after `N` rows", sel.setLimit)
			return func(inv *invocation) int { return inv.why(*id, sel) }
		},
	}
}

func (inv *invocation) why(id string, sel selection) int {
	address, dir := inv.args[0], "."
	if len(inv.args) > 1 {
		dir = inv.args[1]
	}
	s, ok := inv.open(dir, needs{cache: true})
	if !ok {
		return exitError
	}
	code := exitDone
	report, err := inv.explain(s, address, id, sel)
	if err == nil {
		inv.view.Why(report)
	} else {
		code = inv.fail("Nothing to explain", err)
	}
	if !inv.closeSession(s) {
		code = exitError
	}
	return code
}

func (inv *invocation) explain(s *session, address, id string, sel selection) (*provenance.WhyReport, error) {
	if known := addresses(s.recipe); !slices.Contains(known, address) {
		return nil, errors.New(noSuchStep(address, known))
	}
	last, _, err := provenance.Last(s.store, s.source.Dir, addresses(s.recipe)...)
	if err != nil {
		return nil, err
	}
	plan, err := inv.makePlan(s, buildJob{selection: sel})
	if err != nil {
		return nil, err
	}
	report, err := provenance.Why(context.Background(), s.store, provenance.Question{
		Recipe: s.recipe, Plan: plan, Last: last, Address: address, Row: id,
	})
	if missing := new(provenance.NoRowError); errors.As(err, &missing) {
		return nil, fmt.Errorf("%w; autosafe show %s lists rows", err, address)
	}
	return report, err
}
