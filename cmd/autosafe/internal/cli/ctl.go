package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
	"github.com/autosafe/autosafe/internal/control"
)

func ctlCommand() command {
	return command{
		name:  "ctl",
		short: "watch and steer a running build: status, pause, resume, limit, stop",
		long: `Watches and steers a build of yours that runs on this machine. A build can be
found from its first model call on. Where several run, -build says which one, by
the folder of its recipe or the number of its process.`,
		group: []command{
			{
				name: "ctl status", takes: takesNone, short: "show how far the build is, and how each model is doing",
				long: `Shows how far each step is, what the build has spent so far, and for each model
how many calls are in flight, how many are allowed, and what its endpoint says.
Where several builds run, lists them.`,
				setup: ctlSetup((*invocation).ctlStatus),
			},
			{
				name: "ctl pause", takes: takesNone, short: "begin no further call; what is in flight finishes",
				long:  `Begins no further call until autosafe ctl resume. What is in flight finishes.`,
				setup: ctlSetup(func(inv *invocation, of ctlFlags) int { return inv.ctl(of, "paused", (*control.Running).Pause) }),
			},
			{
				name: "ctl resume", takes: takesNone, short: "go on after pause",
				long:  `Goes on after autosafe ctl pause.`,
				setup: ctlSetup(func(inv *invocation, of ctlFlags) int { return inv.ctl(of, "resumed", (*control.Running).Resume) }),
			},
			{
				name: "ctl limit", args: "MODEL N", minArgs: 2, maxArgs: 2, takes: takesNone, short: "hold a model to N calls at a time",
				long: `Holds a model to N calls at a time, more or fewer than its recipe says, for the
rest of the build; 0 goes back to what the recipe says. MODEL is model.LABEL, the
label, or the endpoint's name for the model.`,
				setup: ctlSetup((*invocation).ctlLimit),
			},
			{
				name: "ctl stop", takes: takesNone, short: "end the build, as Ctrl-C does",
				long: `Ends the build as an interrupt does: calls in flight are finished and kept,
nothing new starts, and its exit code is 130. With -now it does not wait for calls
in flight.`,
				setup: func(flags *flag.FlagSet) func(*invocation) int {
					now := flags.Bool("now", false, "do not wait for calls in flight")
					return ctlSetup(func(inv *invocation, of ctlFlags) int {
						return inv.ctl(of, "stopping", func(r *control.Running, ctx context.Context) error { return r.Stop(ctx, *now) })
					})(flags)
				},
			},
		},
	}
}

// ctlFlags say which build is meant.
type ctlFlags struct {
	build string // its folder or process; empty: the only one
	wait  time.Duration
}

// ctlSetup declares the flags and gives them to run.
func ctlSetup(run func(inv *invocation, of ctlFlags) int) func(*flag.FlagSet) func(*invocation) int {
	return func(flags *flag.FlagSet) func(*invocation) int {
		var of ctlFlags
		flags.StringVar(&of.build, "build", "", "the build of the recipe in `DIR`, or the number of its process")
		flags.DurationVar(&of.wait, "wait", 10*time.Second, "wait at most `TIME` for a build to answer")
		return func(inv *invocation) int { return run(inv, of) }
	}
}

// running finds the builds that are meant.
func (inv *invocation) running(of ctlFlags) ([]*control.Running, error) {
	list, silent, err := control.Find(context.Background(), control.Dir(inv.getenv), of.wait)
	if err != nil {
		return nil, err
	}
	var meant []*control.Running
	for _, r := range list {
		if of.build == "" || strconv.Itoa(r.Status.PID) == of.build || r.Status.Recipe == realPath(of.build) {
			meant = append(meant, r)
		}
	}
	switch {
	case len(meant) > 0 && of.build == "" && silent > 0:
		return nil, fmt.Errorf("beside these builds another one runs, which does not answer; choose with -build DIR or -build PROCESS:\n%s", builds(list))
	case len(meant) > 0:
		return meant, nil
	case len(list) > 0:
		return nil, fmt.Errorf("no running build has the folder or process number %s:\n%s", view.Quote(of.build), builds(list))
	case silent > 0:
		return nil, errors.New("a build runs, but does not answer: it may be suspended")
	}
	return nil, errors.New("no build of yours runs on this machine; a build can be found from its first model call on")
}

// builds lists builds, for errors.
func builds(list []*control.Running) string {
	var lines []string
	for _, r := range list {
		lines = append(lines, fmt.Sprintf("  process %d, %s, %s", r.Status.PID, r.Status.State, view.Clean(r.Status.Recipe)))
	}
	return strings.Join(lines, "\n")
}

func (inv *invocation) ctlStatus(of ctlFlags) int {
	list, err := inv.running(of)
	if err != nil {
		return inv.fail("No build", err)
	}
	if len(list) > 1 {
		var all []control.Status
		for _, r := range list {
			all = append(all, r.Status)
		}
		inv.view.RunningBuilds(all)
		return exitDone
	}
	inv.view.BuildStatus(&list[0].Status)
	return exitDone
}

// ctl asks the one build that is meant for something.
func (inv *invocation) ctl(of ctlFlags, done string, ask func(*control.Running, context.Context) error) int {
	list, err := inv.running(of)
	if err != nil {
		return inv.fail("No build", err)
	}
	if len(list) > 1 {
		return inv.fail("Which build?", fmt.Errorf("several builds run; choose one with -build DIR or -build PROCESS:\n%s", builds(list)))
	}
	if err := ask(list[0], context.Background()); err != nil {
		return inv.fail("Not done", err)
	}
	inv.view.BuildSteered(done, &list[0].Status)
	return exitDone
}

func (inv *invocation) ctlLimit(of ctlFlags) int {
	n, err := strconv.Atoi(inv.args[1])
	if err != nil || n < 0 {
		return inv.usageError("%s is no number of calls: 1 or more, or 0 for what the recipe says", view.Quote(inv.args[1]))
	}
	model := strings.TrimPrefix(inv.args[0], "model.")
	done := fmt.Sprintf("%s is held to %d at a time", view.Clean(inv.args[0]), n)
	if n == 0 {
		done = view.Clean(inv.args[0]) + " is held to what the recipe says"
	}
	return inv.ctl(of, done, func(r *control.Running, ctx context.Context) error { return r.Limit(ctx, model, n) })
}
