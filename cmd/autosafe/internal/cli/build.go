package cli

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/provenance"
	"github.com/autosafe/autosafe/internal/telemetry"
)

func buildCommand() command {
	return command{
		name: "build", args: "[DIR | PLANFILE]", maxArgs: 1, takes: takesRecipe,
		short: "make a recipe's datasets",
		long: `Builds the recipe in DIR (the current folder by default): runs what the cache
does not hold, and writes the datasets' outputs. Calls that were answered once
are never made again, whatever happened to the build in between.

With a file that autosafe plan -out wrote, does what that plan says; if a plan
made now would say something else, it does nothing and tells what changed.

-refresh makes rows anew until a build with it has ended well: one that was
interrupted, or failed, goes on from there when it is asked for again.

-budget-usd stops before the calls of this build have cost more than that. What
was answered is kept: build again, with more, to go on from there.

-audit makes a share of the rows of components that call themselves
deterministic once more, when all is built, and fails if a byte differs. It
keeps nothing of what it makes.

-replay answers calls from a log that autosafe calls export wrote, and keeps the
answers in the cache. What is not in the log is called as usual, or refused with
-offline.

The first interrupt (Ctrl-C) lets calls in flight finish and keeps them; the
second one stops at once.

Exit codes: 0 done; 1 error; 4 an assert of an evaluation failed, and all else is
built; 5 more rows failed than allowed; 6 the budget was reached; 64 wrong usage;
130 interrupted.`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			var how buildFlags
			flags.StringVar(&how.OutDir, "out", "", "write outputs below `DIR` instead of the recipe's folder")
			flags.BoolVar(&how.offline, "offline", false, "make no call; use only those in the cache")
			flags.BoolVar(&how.keepGoing, "keep-going", false, "when a step fails, finish what does not rest on it")
			flags.Var(&how.budget, "budget-usd", "stop before the calls made cost more than `X` US dollars")
			flags.StringVar(&how.replay, "replay", "", "answer calls from the recorded log in `FILE`")
			flags.StringVar(&how.metrics, "metrics", "", "answer Prometheus on `ADDR`, such as localhost:9464, while the build runs")
			flags.Var(&how.audit, "audit", "make `SHARE` of the rows of deterministic components again, such as 1%, and compare")
			flags.BoolVar(&how.traces, "traces", false, "send OpenTelemetry spans to where OTEL_EXPORTER_OTLP_ENDPOINT says")
			how.selection.declare(flags)
			return func(inv *invocation) int { return inv.build(how) }
		},
	}
}

// buildFlags are what a build is asked to do, and how.
type buildFlags struct {
	buildJob
	offline, keepGoing bool
	budget             amount // 0: any
	replay             string // a log that calls are answered from
	metrics            string // address to answer Prometheus on
	traces             bool
	audit              share     // of rows that are made again; 0: none
	plan               *planFile // to be done; nil: whatever is missing
}

// amount is a number above 0 that a flag gives.
type amount float64

func (a *amount) String() string { return strconv.FormatFloat(float64(*a), 'f', -1, 64) }

// Set implements flag.Value.
func (a *amount) Set(s string) error {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f > 0) || math.IsInf(f, 0) {
		return errors.New("it is a number above 0")
	}
	*a = amount(f)
	return nil
}

// usage says what is wrong with the flags; "" if nothing is.
func (how *buildFlags) usage() string {
	if how.offline && len(how.Refresh) > 0 {
		return "-refresh asks models anew, and -offline forbids it"
	}
	if how.metrics != "" {
		if err := telemetry.CheckAddress(how.metrics); err != nil {
			return "-metrics: " + err.Error()
		}
	}
	if how.replay != "" && len(how.Refresh) > 0 {
		return "-refresh asks models anew, and -replay answers from a log"
	}
	return ""
}

// job reads the plan, if the argument is one, and takes its place in the
// flags.
func (inv *invocation) job(how *buildFlags) (dir string, code int) {
	dir = inv.dir()
	if text := how.usage(); text != "" {
		return "", inv.usageError("%s", text)
	}
	if !isPlanFile(dir) {
		return dir, exitDone
	}
	if how.given() || how.OutDir != "" || len(inv.varFiles) > 0 {
		return "", inv.usageError("a plan says what is built, from what and where: give -limit, -target, -refresh, -var-file and the outputs' folder to autosafe plan")
	}
	p, err := readPlan(dir)
	if err == nil {
		err = p.adopt(inv)
	}
	if err != nil {
		return "", inv.fail("Unusable plan", err)
	}
	how.plan, how.buildJob = p, p.buildJob
	if text := how.usage(); text != "" {
		return "", inv.fail("Unusable plan", fmt.Errorf("%s was made with -refresh %s: %s. Build it without -offline, or plan again without -refresh",
			view.Quote(dir), p.Refresh.String(), text))
	}
	return p.Recipe, exitDone
}

// nothingBuilt is the summary of a build that did not begin.
func (inv *invocation) nothingBuilt(why string) int {
	inv.view.Summary(&engine.Summary{Type: "summary", Steps: []engine.StepSummary{}, Outputs: []engine.OutputSummary{}, Error: why}, nil)
	return exitError
}

func (inv *invocation) build(how buildFlags) int {
	dir, code := inv.job(&how)
	if code != exitDone {
		if code == exitError {
			inv.nothingBuilt("the plan cannot be used")
		}
		return code
	}
	began := time.Now()
	log, err := openReplay(how.replay)
	if err != nil {
		inv.fail("Unusable log", err)
		return inv.nothingBuilt("the recorded log cannot be used")
	}
	defer func() { _ = log.Close() }() // it was only read
	s, ok := inv.open(dir, needs{cache: true, offline: how.offline, refresh: len(how.Refresh) > 0, budget: float64(how.budget), replay: log})
	if !ok {
		return inv.nothingBuilt("the recipe cannot be built")
	}
	if diags, why := inv.refuse(s, &how); diags.HasErrors() {
		inv.report(s.source, diags)
		inv.closeSession(s)
		return inv.nothingBuilt(why)
	}
	inv.view.Order(addresses(s.recipe))
	ctx, interrupt := inv.watchSignals(s, patience)
	w, err := inv.watch(s, &how, interrupt, began)
	if err != nil {
		interrupt.end()
		inv.fail("The build cannot be watched", err)
		inv.closeSession(s)
		return inv.nothingBuilt("a flag cannot be met")
	}
	e := s.engine(how.selection, engine.Options{OutDir: how.OutDir, Events: w.event, Interrupt: s.stop, KeepGoing: how.keepGoing})
	sum, err := e.Build(ctx)
	w.end(err != nil)
	var audited hcl.Diagnostics
	if err == nil && how.audit > 0 {
		audited, err = inv.audit(ctx, e, sum, how.audit)
	}
	sum.PluginProcesses = s.host.Started()
	switch {
	case err == nil:
	case interrupt.twice.Load():
		err = engine.ErrInterrupted // whatever broke, broke because of it
	case s.overBudget.Load() && !interrupt.once.Load() && errors.Is(err, engine.ErrInterrupted):
		err = errBudget
	}
	if err != nil {
		sum.Error = err.Error()
	}
	go func() { _ = s.disconnect() }() // close waits for it, and has the error
	fresh := inv.record(s, &how, sum, began)
	if cerr := s.close(); err == nil && cerr != nil {
		err, sum.OK, sum.Error = cerr, false, cerr.Error()
	}
	interrupt.end()
	inv.view.EndProgress()
	inv.replayed(log)
	diags := buildDiagnostics(s.recipe, err)
	if errors.Is(err, errAudit) {
		diags = audited
	}
	if errors.Is(err, errBudget) {
		diags = hcl.Diagnostics{overBudget(sum, float64(how.budget))}
	}
	if (errors.Is(err, errBudget) || errors.Is(err, engine.ErrInterrupted)) && len(how.Refresh) > 0 {
		diags[0].Detail += " Give -refresh again: what this build made anew is not made again."
	}
	if inv.json { // the summary is the last line
		inv.report(s.source, diags)
		inv.view.Summary(sum, s.recipe)
	} else { // what went wrong stands where it is seen
		inv.view.Summary(sum, s.recipe)
		if fresh {
			inv.view.Recorded(sum.Build)
		}
		inv.report(s.source, diags)
	}
	return buildExit(err)
}

// refuse says why a build must not begin: addresses that there are not, a plan
// that does not hold any more, models that nobody knows the price of or has
// the key to.
func (inv *invocation) refuse(s *session, how *buildFlags) (diags hcl.Diagnostics, why string) {
	if diags = how.check(s.recipe); diags.HasErrors() {
		return diags, "the flags do not fit the recipe"
	}
	var err error
	if how.plan != nil {
		why = "the plan is stale"
		var now *engine.Plan
		if now, err = inv.makePlan(s, how.buildJob); err == nil {
			diags = how.plan.check(now, s)
		}
	}
	if err == nil && !diags.HasErrors() && how.budget > 0 && !how.offline {
		why = "a model has no price"
		diags, err = inv.unpriced(s, how.buildJob)
	}
	if err == nil && !diags.HasErrors() && !how.offline && how.replay == "" { // a log needs no key
		why = "a key is missing"
		diags, err = inv.keyless(s, how.buildJob)
	}
	if err != nil {
		return hcl.Diagnostics{problem("Plan failed", err)}, "the recipe cannot be planned"
	}
	return diags, why
}

// record keeps the record of a build, and says whether that is a new one. It
// is no reason for a build to fail.
func (inv *invocation) record(s *session, how *buildFlags, sum *engine.Summary, began time.Time) (fresh bool) {
	b := provenance.NewBuild(sum, provenance.Info{
		Version: Version, Source: s.source, Recipe: s.recipe, Options: how.options(), Began: began,
	})
	id, err := provenance.Save(s.store, b)
	if err != nil {
		inv.view.Notify("The build is not recorded", err.Error())
		return false
	}
	sum.Build = id
	return b.Fresh
}

// options are the flags of a build that its record tells of.
func (how *buildFlags) options() map[string]string {
	options := map[string]string{}
	if how.Limit > 0 {
		options[provenance.OptionLimit] = strconv.Itoa(how.Limit)
	}
	if len(how.Targets) > 0 {
		options[provenance.OptionTarget] = how.Targets.String()
	}
	if len(how.Refresh) > 0 {
		options["refresh"] = how.Refresh.String()
	}
	if how.offline {
		options["offline"] = "true"
	}
	if how.replay != "" {
		options["replay"] = filepath.Base(how.replay)
	}
	if how.budget > 0 {
		options["budget-usd"] = strconv.FormatFloat(float64(how.budget), 'f', -1, 64)
	}
	return options
}

// errBudget ends a build whose calls would have cost more than allowed.
var errBudget = errors.New("budget reached")

// overBudget says how much was spent and how to go on.
func overBudget(sum *engine.Summary, budget float64) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: "Budget reached", Detail: fmt.Sprintf(
		"This build spent %s of %s, and another call could have passed that. Every answer is kept: "+
			"build again, with a larger -budget-usd or without one, to go on from here; autosafe plan says what is left to pay.",
		view.USD(sum.Calls.CostUSD), view.USD(budget))}
}

func buildExit(err error) int {
	var several engine.Failures
	if errors.As(err, &several) {
		code := buildExit(several[0])
		for _, err := range several[1:] {
			if buildExit(err) != code {
				return exitError // what needs looking at comes before rows that failed
			}
		}
		return code
	}
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errBudget):
		return exitBudget
	case errors.Is(err, engine.ErrInterrupted):
		return exitInterrupted
	case errors.Is(err, engine.ErrTooManyFailures):
		return exitFailures
	case errors.Is(err, engine.ErrAssertFailed):
		return exitAssert
	}
	return exitError
}
