package cli

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/provenance"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

func showCommand() command {
	return command{
		name: "show", args: "[ADDRESS] [DIR]", maxArgs: 2, takes: takesRecipe,
		short: "show a recipe's steps, rows, and where a row comes from",
		long: `Without ADDRESS lists the steps of the recipe in DIR (the current folder by
default) with their columns. With the address of a step, such as
reflector.retry.safe, shows rows that the last build left in the cache; where
only a slice was built, with -limit, those of the slice. Nothing is run.

With -row shows where one row comes from: its source, every model call with its
prompt and reply, every verdict, and the filters it passed, or the one that
dropped it. -build asks an earlier build.

With -json each row is one line, whole, under "row"; with -row all is one line.`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			var how showFlags
			flags.StringVar(&how.row, "row", "", "show where the row with this `ID` comes from")
			flags.StringVar(&how.build, "build", "", "with -row: as this `BUILD` left it, by default the last one of the recipe")
			flags.BoolVar(&how.full, "full", false, "with -row: do not cut long messages")
			flags.IntVar(&how.n, "n", 3, "show at most `N` rows; 0 shows all")
			return func(inv *invocation) int { return inv.show(how) }
		},
	}
}

type showFlags struct {
	row, build string
	full       bool
	n          int
}

func (inv *invocation) show(how showFlags) int {
	address, dir := showArgs(inv.args)
	switch {
	case how.n < 0:
		return inv.usageError("-n is a number of rows, 0 or more")
	case how.row != "" && address == "":
		return inv.usageError("-row needs the ADDRESS of a step")
	case how.row == "" && (how.build != "" || how.full):
		return inv.usageError("-build and -full go with -row")
	}
	s, ok := inv.open(dir, needs{cache: address != ""})
	if !ok {
		return exitError
	}
	code := exitDone
	var err error
	switch {
	case address == "":
		inv.view.Recipe(s.recipe)
	case how.row != "":
		err = inv.showLineage(s, address, how)
	default:
		err = inv.showRows(s, address, how.n)
	}
	if err != nil {
		code = inv.fail("Nothing to show", err)
	}
	if !inv.closeSession(s) {
		code = exitError
	}
	return code
}

// showArgs tells an address and a folder apart, either of which may be left
// out. A single argument is a folder if there is one of that name, or if it
// looks like a path.
func showArgs(args []string) (address, dir string) {
	switch {
	case len(args) == 2:
		return args[0], args[1]
	case len(args) == 0:
		return "", "."
	case isDir(args[0]) || looksLikePath(args[0]):
		return "", args[0]
	}
	return args[0], "."
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// looksLikePath holds for what is no address. In an address, slashes stand in
// brackets alone.
func looksLikePath(s string) bool {
	name, _, _ := strings.Cut(s, "[")
	return strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, ".")
}

func (inv *invocation) showRows(s *session, address string, n int) error {
	if known := addresses(s.recipe); !slices.Contains(known, address) {
		return errors.New(noSuchStep(address, known))
	}
	rows, err := inv.rows(s, address)
	if err != nil {
		return err
	}
	shown := 0
	rows(func(r row.Row, rerr error) bool {
		if err = rerr; err != nil {
			return false
		}
		inv.view.Row(address, r)
		shown++
		return n == 0 || shown < n
	})
	return err
}

// rows are those that the last build left at an address: all, or, where only a
// slice was built, that.
func (inv *invocation) rows(s *session, address string) (iter.Seq2[row.Row, error], error) {
	rows, limit, err := s.rows(address)
	if limit > 0 {
		inv.sliceOnly(limit)
	}
	return rows, err
}

// sliceOnly says that rows are not all that there would be.
func (inv *invocation) sliceOnly(limit int) {
	inv.view.Notify("Only a slice of this has been built", fmt.Sprintf(
		"-limit %d cut every source off there. Run autosafe build for all rows.", limit))
}

// rows are those that the last build left at an address, and the -limit of the
// slice that they are of; 0: of all.
func (s *session) rows(address string) (rows iter.Seq2[row.Row, error], limit int, err error) {
	ctx := context.Background()
	rows, err = s.engine(selection{}, engine.Options{}).Rows(ctx, address)
	if !errors.As(err, new(*engine.NotBuiltError)) {
		return rows, 0, err
	}
	limit, lerr := s.lastLimit(address)
	if lerr != nil {
		return nil, 0, lerr
	}
	if limit > 0 {
		slice, serr := s.engine(selection{Limit: limit}, engine.Options{}).Rows(ctx, address)
		if serr == nil {
			return slice, limit, nil
		}
		if !errors.As(serr, new(*engine.NotBuiltError)) {
			return nil, 0, serr
		}
	}
	if whole, lerr := s.lastFinished(address); lerr != nil || whole == nil {
		return nil, 0, cmp.Or(lerr, fmt.Errorf("%w: run autosafe build first", err))
	}
	return nil, 0, fmt.Errorf("%w as it is asked for now: an earlier build made it otherwise, and autosafe why %s says what differs. Run autosafe build to make it", err, address)
}

// lastLimit is the -limit of the newest build that came to a step's end; 0 if
// it had none.
func (s *session) lastLimit(address string) (int, error) {
	b, err := s.lastFinished(address)
	if err != nil || b == nil {
		return 0, err
	}
	limit, _ := strconv.Atoi(b.Options[provenance.OptionLimit]) // "": none
	return limit, nil
}

// lastFinished is the newest build that came to a step's end; nil if none did.
func (s *session) lastFinished(address string) (*provenance.Build, error) {
	b, ok, err := provenance.Last(s.store, s.source.Dir, addresses(s.recipe)...)
	if err != nil || !ok {
		return nil, err
	}
	b, _, err = provenance.Finished(s.store, b, address)
	return b, err
}

// showLineage tells where a row of a recorded build comes from.
func (inv *invocation) showLineage(s *session, address string, how showFlags) error {
	b, err := inv.lineageBuild(s, how.build, address)
	if err != nil {
		return err
	}
	if _, ok := b.Step(address); !ok {
		var known []string
		for _, step := range b.Steps {
			known = append(known, step.Address)
		}
		return fmt.Errorf("build %s has no step %s.%s", b.ID, view.Quote(address), view.DidYouMean(address, known))
	}
	l, err := provenance.Lineage(context.Background(), s.store, b, address, how.row)
	if err != nil {
		return err
	}
	inv.view.Lineage(l, how.full)
	return nil
}

// lineageBuild is the build that is asked about: the last, or, where that did
// not come to the step's end, the newest before it that did.
func (inv *invocation) lineageBuild(s *session, name, address string) (*provenance.Build, error) {
	if name != "" {
		return findBuild(s.store, s.source.Dir, name)
	}
	b, ok, err := provenance.Last(s.store, s.source.Dir, addresses(s.recipe)...)
	if err == nil && !ok {
		err = errors.New("this recipe has not been built: run autosafe build first")
	}
	if err != nil {
		return nil, err
	}
	if whole, ok, err := provenance.Finished(s.store, b, address); err != nil || ok {
		return whole, err
	}
	return b, nil
}

func addresses(r *spec.Recipe) []string {
	var list []string
	for _, s := range r.Steps {
		list = append(list, s.Address)
	}
	return list
}
