package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/row"
)

func showCommand() command {
	return command{
		name: "show", args: "[ADDRESS] [DIR]",
		short: "show a recipe's steps, or the rows of one",
		long: `Without ADDRESS lists the steps of the recipe in DIR (the current folder by
default) with their columns. With the address of a step, such as
reflector.retry.safe, shows rows that the last build left in the cache. Nothing
is run.

With -json each row is one line, whole.`,
		setup: func(flags *flag.FlagSet, _ *common) func(*invocation) int {
			id := flags.String("row", "", "show only rows with this `ID`")
			n := flags.Int("n", 3, "show at most `N` rows; 0 shows all")
			return func(inv *invocation) int { return inv.show(*id, *n) }
		},
	}
}

func (inv *invocation) show(id string, n int) int {
	var address string
	switch len(inv.args) {
	case 0:
	case 1, 2:
		// The one argument is a folder if there is one of that name.
		if isDir(inv.args[0]) && len(inv.args) == 1 {
			break
		}
		address, inv.args = inv.args[0], inv.args[1:]
	default:
		return inv.usageError("show takes an address and a folder at most")
	}
	dir, _ := inv.dir()
	s, ok := inv.open(dir)
	if !ok {
		return exitError
	}
	defer s.close()
	if address == "" {
		inv.view.Recipe(s.recipe)
		return exitDone
	}
	if err := inv.showRows(s, address, id, n); err != nil {
		inv.report(nil, append(inv.none(), problem("Nothing to show", err)))
		return exitError
	}
	return exitDone
}

func (inv *invocation) showRows(s *session, address, id string, n int) error {
	if place, _ := find(s.recipe, address); place == nil {
		return fmt.Errorf("no step %q in this recipe.%s", address, inv.view.Suggest(address, addresses(s.recipe)))
	}
	e := engine.New(engine.Options{Recipe: s.recipe, Store: s.store, Runner: s.host})
	rows, err := e.Rows(context.Background(), address)
	var missing *engine.NotBuiltError
	if errors.As(err, &missing) {
		return fmt.Errorf("%w; run autosafe build first", err)
	}
	if err != nil {
		return err
	}
	shown := 0
	rows(func(r row.Row, rerr error) bool {
		if rerr != nil {
			err = rerr
			return false
		}
		if id != "" && r.String("id") != id {
			return true
		}
		inv.view.Row(r)
		shown++
		return n == 0 || shown < n
	})
	if err == nil && id != "" && shown == 0 {
		return fmt.Errorf("%s has no row %q", address, id)
	}
	return err
}
