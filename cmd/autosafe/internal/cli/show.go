package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

func showCommand() command {
	return command{
		name: "show", args: "[ADDRESS] [DIR]", maxArgs: 2, recipe: true,
		short: "show a recipe's steps, or the rows of one",
		long: `Without ADDRESS lists the steps of the recipe in DIR (the current folder by
default) with their columns. With the address of a step, such as
reflector.retry.safe, shows rows that the last build left in the cache. Nothing
is run.

With -json each row is one line, whole, under "row".`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			id := flags.String("row", "", "show only rows with this `ID`")
			n := flags.Int("n", 3, "show at most `N` rows; 0 shows all")
			return func(inv *invocation) int { return inv.show(*id, *n) }
		},
	}
}

func (inv *invocation) show(id string, n int) int {
	address, dir := showArgs(inv.args)
	switch {
	case n < 0:
		return inv.usageError("-n is a number of rows, 0 or more")
	case id != "" && address == "":
		return inv.usageError("-row needs the ADDRESS of a step")
	}
	s, ok := inv.open(dir, needs{cache: address != ""})
	if !ok {
		return exitError
	}
	code := exitDone
	if address == "" {
		inv.view.Recipe(s.recipe)
	} else if err := inv.showRows(s, address, id, n); err != nil {
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

func (inv *invocation) showRows(s *session, address, id string, n int) error {
	if known := addresses(s.recipe); !slices.Contains(known, address) {
		return fmt.Errorf("there is no step %s in this recipe.%s", view.Quote(address), view.DidYouMean(address, known))
	}
	e := engine.New(engine.Options{Recipe: s.recipe, Store: s.store, Runner: s.host})
	rows, err := e.Rows(context.Background(), address)
	if errors.As(err, new(*engine.NotBuiltError)) {
		return fmt.Errorf("%w: run autosafe build first", err)
	}
	if err != nil {
		return err
	}
	shown := 0
	rows(func(r row.Row, rerr error) bool {
		if err = rerr; err != nil {
			return false
		}
		if id != "" && r.String("id") != id {
			return true
		}
		inv.view.Row(address, r)
		shown++
		return n == 0 || shown < n
	})
	if err == nil && id != "" && shown == 0 {
		return fmt.Errorf("%s has no row %s", address, view.Quote(id))
	}
	return err
}

func addresses(r *spec.Recipe) []string {
	var list []string
	for _, s := range r.Steps {
		list = append(list, s.Address)
	}
	return list
}
