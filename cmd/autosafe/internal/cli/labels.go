package cli

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
	"github.com/autosafe/autosafe/internal/evaluate"
	"github.com/autosafe/autosafe/spec"
)

func labelsCommand() command {
	return command{
		name: "labels", short: "have people label the trials of an evaluation",
		long: `Gives trials of an evaluation to people, and checks what they gave back. A human
block in the evaluation names their files, and judges are held against them.`,
		group: []command{labelsExportCommand(), labelsCheckCommand()},
	}
}

func labelsExportCommand() command {
	return command{
		name: "labels export", args: "ADDRESS [DIR]", minArgs: 1, maxArgs: 2, takes: takesRecipe,
		short: "write trials for people to label",
		long: `Writes what the agents of the evaluation at ADDRESS, such as
evaluation.next_action.safety, did in their trials, for people to label, as the
last build left it: a line for each scenario and what was done in it, in an order
that -seed decides. What several trials came to alike is one line; trials that were
not valid are left out.

Whoever labels fills in "label" with safe, unsafe or invalid, may fill in "useful"
with true or false and "note" with anything, and leaves "item" as it is, which says
what the label is of. Labelling is blind: which agent it was and what judges say
stands in the file only with -with-agent and -with-verdicts.

A file that is there already is not overwritten: somebody may have labelled it.
Text that a spreadsheet would take for a formula begins with ', which is taken back
where labels are read.`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			var how labelsExport
			flags.StringVar(&how.out, "o", "", "write to `FILE`; required")
			flags.StringVar(&how.format, "format", "", "write `FORMAT`, csv or jsonl; by default as the file is called")
			flags.IntVar(&how.n, "n", 0, "write at most `N` lines, chosen at random; 0 writes all")
			flags.Int64Var(&how.seed, "seed", 1, "of the choice and the order: any number `S`")
			flags.StringVar(&how.agent, "agent", "", "only trials of the agent called `NAME`")
			flags.BoolVar(&how.withAgent, "with-agent", false, "say which agents it was")
			flags.BoolVar(&how.withVerdicts, "with-verdicts", false, "say what the judges say")
			return func(inv *invocation) int { return inv.exportLabels(how) }
		},
	}
}

func labelsCheckCommand() command {
	return command{
		name: "labels check", args: "FILE ...", minArgs: 1, maxArgs: -1,
		short: "check files of labels that people gave",
		long: `Reads files of labels as an evaluation does whose human blocks name them, and says
what is wrong with them, and at which line, or how many labels they hold. FILE is
CSV, of which the first line names the columns, or JSON lines; it has "item" and
"label", and may have "useful" and "annotator". What else stands in it is left
alone.

Exit code 0: no problems; 1: problems, or a file could not be read.`,
		setup: func(*flag.FlagSet) func(*invocation) int {
			return func(inv *invocation) int { return inv.checkLabels() }
		},
	}
}

func (inv *invocation) checkLabels() int {
	code := exitDone
	totals := view.LabelTotals{Labels: map[string]int{}}
	for _, file := range inv.args {
		problems, err := checkLabelFile(file, &totals)
		if err != nil {
			inv.fail("Cannot read labels", err)
			code = exitError
		}
		for _, p := range problems {
			inv.view.LabelProblem(p)
			totals.Problems++
			code = exitError
		}
		totals.Files++
	}
	inv.view.LabelsChecked(totals)
	return code
}

// checkLabelFile reads a file of labels, and counts what it holds.
func checkLabelFile(file string, totals *view.LabelTotals) ([]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	labels, err := evaluate.ReadLabels(file, f)
	if err != nil {
		return []string{err.Error()}, nil
	}
	var problems []string
	first := map[[2]string]int{}
	for _, l := range labels {
		if l.Label == "" && l.Useful == "" {
			totals.Blank++
			continue
		}
		id := [2]string{l.Annotator, l.Item}
		if line, twice := first[id]; twice {
			problems = append(problems, fmt.Sprintf("%s, line %d: the item %s was labelled in line %d already; keep one of them", file, l.Line, l.Item, line))
			continue
		}
		first[id] = l.Line
		totals.Labels[cmp.Or(l.Label, "useful_only")]++
	}
	return problems, nil
}

// labelsExport is what an export is asked for.
type labelsExport struct {
	out, format, agent      string
	n                       int
	seed                    int64
	withAgent, withVerdicts bool
}

// usage says what is wrong with the flags; "" if nothing is.
func (how *labelsExport) usage() string {
	if how.out == "" {
		return "it needs -o FILE"
	}
	if how.format == "" {
		how.format = strings.TrimPrefix(strings.ToLower(filepath.Ext(how.out)), ".")
	}
	switch {
	case how.format != "csv" && how.format != "jsonl":
		return "-format is csv or jsonl, or the file is called so"
	case how.n < 0:
		return "-n is a number of lines, 0 or more"
	}
	return ""
}

func (inv *invocation) exportLabels(how labelsExport) int {
	if text := how.usage(); text != "" {
		return inv.usageError("%s", text)
	}
	if _, err := os.Lstat(how.out); err == nil {
		return inv.fail("Not written", fmt.Errorf("%s is there already, and labels may stand in it. Move it away, or give another name", view.Quote(how.out)))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return inv.fail("Not written", err)
	}
	if err := writable(how.out); err != nil {
		return inv.fail("Not written", err)
	}
	dir := "."
	if len(inv.args) == 2 {
		dir = inv.args[1]
	}
	s, ok := inv.open(dir, needs{cache: true})
	if !ok {
		return exitError
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	sheet, err := inv.labelSheet(ctx, s, inv.args[0], &how)
	if err == nil {
		err = writeWholeWith(how.out, 0o644, sheet.write)
	}
	closed := inv.closeSession(s)
	switch {
	case ctx.Err() != nil:
		return inv.interrupted("nothing was written")
	case err != nil:
		return inv.fail("Not written", err)
	case !closed:
		return exitError
	}
	inv.view.LabelsExported(how.out, len(sheet.lines), sheet.items, sheet.invalid)
	return exitDone
}

// labelSheet makes the lines that are to be labelled.
func (inv *invocation) labelSheet(ctx context.Context, s *session, address string, how *labelsExport) (*labelSheet, error) {
	step, err := evaluationAt(s.recipe, address)
	if err != nil {
		return nil, err
	}
	agents := step.Evaluation.Agents
	if how.agent != "" {
		var names []string
		for _, a := range agents {
			names = append(names, a.Name)
		}
		agents = slices.DeleteFunc(slices.Clone(agents), func(a spec.EvaluationAgent) bool { return a.Name != how.agent })
		if len(agents) == 0 {
			return nil, fmt.Errorf("%s has no agent %s.%s It has %s", step.Address, view.Quote(how.agent), view.DidYouMean(how.agent, names), strings.Join(names, ", "))
		}
	}
	sheet := newLabelSheet(step.Evaluation, how)
	told := false
	for _, fill := range []bool{false, true} { // which lines, then what stands in them
		for _, a := range agents {
			rows, limit, err := s.rows(a.Last.Address)
			if err != nil {
				return nil, err
			}
			if limit > 0 && !told {
				inv.sliceOnly(limit)
				told = true
			}
			for r, err := range rows {
				if err = cmp.Or(err, ctx.Err()); err != nil {
					return nil, err
				}
				if fill {
					err = sheet.fill(a.Name, r)
				} else {
					sheet.meet(r)
				}
				if err != nil {
					return nil, fmt.Errorf("%s: row %s: %w", a.Last.Address, view.Quote(r.String("id")), err)
				}
			}
		}
		if !fill {
			sheet.choose()
		}
	}
	return sheet, nil
}

// evaluationAt is the evaluation at an address.
func evaluationAt(recipe *spec.Recipe, address string) (*spec.Step, error) {
	var known []string
	for _, step := range recipe.Steps {
		if step.Evaluation == nil {
			continue
		}
		if step.Address == address {
			return step, nil
		}
		known = append(known, step.Address)
	}
	if len(known) == 0 {
		return nil, errors.New("this recipe has no evaluation")
	}
	return nil, fmt.Errorf("there is no evaluation %s in this recipe.%s", view.Quote(address), meant(address, known))
}
