package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/spec"
)

func buildCommand() command {
	return command{
		name: "build", args: "[DIR]", maxArgs: 1, recipe: true,
		short: "make a recipe's datasets",
		long: `Builds the recipe in DIR (the current folder by default): runs what the cache
does not hold, and writes the datasets' outputs. Calls that were answered once
are never made again, whatever happened to the build in between.

The first interrupt (Ctrl-C) lets calls in flight finish and keeps them; the
second one stops at once.

Exit codes: 0 done; 1 error; 5 more rows failed than allowed; 64 wrong usage;
130 interrupted.`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			out := flags.String("out", "", "write outputs below `DIR` instead of the recipe's folder")
			offline := flags.Bool("offline", false, "make no call; use only those in the cache")
			return func(inv *invocation) int { return inv.build(*out, *offline) }
		},
	}
}

func (inv *invocation) build(out string, offline bool) int {
	s, ok := inv.open(inv.dir(), needs{cache: true, offline: offline})
	if !ok {
		inv.view.Summary(&engine.Summary{Type: "summary", Steps: []engine.StepSummary{}, Outputs: []engine.OutputSummary{}, Error: "the recipe cannot be built"}, nil)
		return exitError
	}
	inv.view.Order(addresses(s.recipe))
	ctx, interrupt := inv.watchSignals(s)
	e := engine.New(engine.Options{
		Recipe: s.recipe, Store: s.store, Runner: s.host,
		OutDir: out, Events: inv.view.Event, Interrupt: s.stop,
	})
	sum, err := e.Build(ctx)
	sum.PluginProcesses = s.host.Started()
	if err != nil && interrupt.twice.Load() {
		err = engine.ErrInterrupted // whatever broke, broke because of it
		sum.Error = err.Error()
	}
	if cerr := s.close(); err == nil && cerr != nil {
		err, sum.OK, sum.Error = cerr, false, cerr.Error()
	}
	interrupt.end()
	inv.view.EndProgress()
	diags := buildDiagnostics(s.recipe, err)
	if inv.json { // the summary is the last line
		inv.report(s.source, diags)
		inv.view.Summary(sum, s.recipe)
	} else { // what went wrong stands where it is seen
		inv.view.Summary(sum, s.recipe)
		inv.report(s.source, diags)
	}
	return buildExit(err)
}

func buildExit(err error) int {
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, engine.ErrInterrupted):
		return exitInterrupted
	case errors.Is(err, engine.ErrTooManyFailures):
		return exitFailures
	}
	return exitError
}

// buildDiagnostics tells what ended a build. What a plugin has to say of its
// configuration stands at its place in the recipe.
func buildDiagnostics(recipe *spec.Recipe, err error) hcl.Diagnostics {
	var runErr *engine.RunError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, engine.ErrInterrupted):
		return hcl.Diagnostics{{Severity: hcl.DiagWarning, Summary: "Interrupted",
			Detail: "What was finished is kept; build again to go on from here."}}
	case errors.Is(err, engine.ErrTooManyFailures):
		return hcl.Diagnostics{tooManyFailures(recipe, err)}
	case errors.As(err, &runErr):
		return runDiagnostics(recipe, runErr)
	}
	return hcl.Diagnostics{problem("Build failed", err)}
}

// tooManyFailures finds the step whose rows failed and says what can be done.
func tooManyFailures(recipe *spec.Recipe, err error) *hcl.Diagnostic {
	d := problem("Too many failed rows", err)
	for _, s := range recipe.Steps {
		if !strings.HasPrefix(err.Error(), s.Address+": ") {
			continue
		}
		d.Subject = &s.Range
		if s.OnError == spec.OnErrorDrop && s.MaxFailures < 0 {
			d.Detail = fmt.Sprintf("Every row of %s failed, so that nothing is left. Most likely there is one reason for all; it stands above.", s.Address)
			return d
		}
		d.Detail += fmt.Sprintf("\n\n%s allows %d failed rows. To leave failed rows out, write on_error = \"drop\"; "+
			"max_failures = N allows some. What has been finished is kept: build again to go on from here.", s.Address, s.MaxFailures)
		return d
	}
	return d
}

func runDiagnostics(recipe *spec.Recipe, e *engine.RunError) hcl.Diagnostics {
	place, body := find(recipe, e.Address)
	if body != nil && len(e.Diagnostics) > 0 {
		var diags hcl.Diagnostics
		for _, d := range e.Diagnostics {
			diags = append(diags, body.Diagnose(d))
		}
		return diags
	}
	// A summary may end in advice, which is better read below the place.
	summary, advice, _ := strings.Cut(e.Summary, ": ")
	detail := strings.TrimSpace(e.Detail + "\n" + sentence(advice))
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: capital(summary), Detail: detail, Subject: place}}
}

// find gives the place of a step or output in the recipe, and its component.
func find(recipe *spec.Recipe, address string) (*hcl.Range, *spec.RoleBody) {
	for _, s := range recipe.Steps {
		if s.Address == address {
			return &s.Range, s.Role
		}
		if s.Dataset == nil {
			continue
		}
		for _, out := range s.Dataset.Outputs {
			if out.Address == address {
				return &out.Range, &out.Role
			}
		}
	}
	return nil, nil
}

// interrupts is the watch for signals during a build.
type interrupts struct {
	twice atomic.Bool // the user does not want to wait
	end   func()
}

// patience is how long a build may take to end once it was told to stop at
// once.
const patience = 2 * time.Second

// watchSignals closes the session's stop channel at the first interrupt and
// cancels the context at the second. A build that does not end then is ended
// here; its plugins' processes die with it. None of this waits for the view:
// it waits itself where nobody reads what it writes.
func (inv *invocation) watchSignals(s *session) (context.Context, *interrupts) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 3)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done, watched := make(chan struct{}), make(chan struct{})
	i := &interrupts{end: func() { signal.Stop(signals); close(done); <-watched; cancel() }}
	go func() {
		defer close(watched)
		select {
		case <-signals:
			close(s.stop)
		case <-done:
			return
		}
		told := inBackground(func() {
			inv.view.Notify("Stopping", "calls in flight are finished and kept; interrupt again to stop at once")
		})
		select {
		case <-signals:
			i.twice.Store(true)
			cancel()
		case <-done:
			<-told
			return
		}
		select {
		case <-signals:
		case <-time.After(patience):
		case <-done:
			<-told
			return
		}
		select {
		case <-inBackground(func() { inv.view.EndProgress(); inv.view.Exit(exitInterrupted) }):
		case <-time.After(patience):
		}
		os.Exit(exitInterrupted)
	}()
	return ctx, i
}

// inBackground runs f and closes the channel when it is done.
func inBackground(f func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	return done
}
