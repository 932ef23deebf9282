package cli

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/signal"
	"syscall"

	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/spec"
)

func buildCommand() command {
	return command{
		name: "build", args: "[DIR]",
		short: "make a recipe's datasets",
		long: `Builds the recipe in DIR (the current folder by default): runs what the cache
does not hold, and writes the datasets' outputs. Calls that were answered once
are never made again, whatever happened to the build in between.

The first interrupt (Ctrl-C) lets calls in flight finish and keeps them; the
second one stops at once.

Exit codes: 0 done; 1 error; 5 more rows failed than allowed; 64 wrong usage;
130 interrupted.`,
		setup: func(flags *flag.FlagSet, _ *common) func(*invocation) int {
			out := flags.String("out", "", "write outputs below `DIR` instead of the recipe's folder")
			return func(inv *invocation) int { return inv.build(*out) }
		},
	}
}

func (inv *invocation) build(out string) int {
	dir, ok := inv.dir()
	if !ok {
		return inv.usageError("build takes one folder at most")
	}
	s, ok := inv.open(dir)
	if !ok {
		inv.view.Summary(&engine.Summary{Type: "summary", Steps: []engine.StepSummary{}, Outputs: []engine.OutputSummary{}, Error: "the recipe has errors"})
		return exitError
	}
	stop := inv.watchSignals(s)
	e := engine.New(engine.Options{
		Recipe: s.recipe, Store: s.store, Runner: s.host,
		OutDir: out, Events: inv.view.Event, Interrupt: s.stop,
	})
	sum, err := e.Build(context.Background())
	sum.PluginProcesses = s.host.Started()
	stop()
	if cerr := s.close(); err == nil && cerr != nil {
		err, sum.OK, sum.Error = cerr, false, cerr.Error()
	}
	inv.view.EndProgress()
	inv.reportBuildError(s, err)
	inv.view.Summary(sum)
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

// reportBuildError shows what ended a build. A plugin's complaints about its
// configuration are shown at their place in the recipe.
func (inv *invocation) reportBuildError(s *session, err error) {
	if err == nil {
		return
	}
	var runErr *engine.RunError
	switch {
	case errors.Is(err, engine.ErrInterrupted):
		inv.view.Diagnostics(nil, hcl.Diagnostics{{Severity: hcl.DiagWarning, Summary: "Interrupted",
			Detail: "What was finished is kept; build again to go on from here."}})
	case errors.As(err, &runErr):
		inv.report(s.source, runDiagnostics(s.recipe, runErr))
	default:
		inv.view.Diagnostics(nil, hcl.Diagnostics{problem("Build failed", err)})
	}
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
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: e.Summary, Detail: e.Detail, Subject: place}}
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

// watchSignals closes the session's stop channel at the first interrupt and
// ends the process at the second.
func (inv *invocation) watchSignals(s *session) (stop func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		select {
		case <-signals:
			inv.view.Notify("Stopping", "calls in flight are finished and kept; interrupt again to stop at once")
			close(s.stop)
		case <-done:
			return
		}
		select {
		case <-signals:
			s.host.Close()
			os.Exit(exitInterrupted)
		case <-done:
		}
	}()
	return func() { signal.Stop(signals); close(done) }
}
