package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/internal/provenance"
	"github.com/autosafe/autosafe/internal/publish"
	"github.com/autosafe/autosafe/internal/signing"
	"github.com/autosafe/autosafe/internal/verify"
	"github.com/autosafe/autosafe/spec"
)

func verifyCommand() command {
	return command{
		name: "verify", args: "[PATH]", maxArgs: 1, takes: takesRecipe,
		short: "hold a published dataset to its statement, or build it again",
		long: `Checks the dataset in PATH (the current folder by default), the folder that a
card block names: every file against SHA256SUMS and against the statement in
provenance.intoto.json, and the signature of that statement. It says which file
or record is not as it should be.

-key names a public key that must have signed: a PEM file, one of minisign, or
minisign's line itself. Without it nobody vouches for the statement.

-recipe names the recipe that the dataset is said to be made of. Its files and
variables, the lock file, plugins, models and source files are held to the
statement; and so is the set of model calls that the cache remembers for it, of
which each answer is held to its checksum and its key.

-rebuild builds the dataset again, without a network, into a folder of its own,
from nothing but the recipe and the answers that the cache has, and compares all
files byte by byte.

Exit codes: 0 all is as it should be; 1 something is not; 64 wrong usage.`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			var how verifyFlags
			flags.Var(&how.keys, "key", "one of the public `KEY`s, a file or a minisign key, must have signed; may be repeated")
			flags.StringVar(&how.recipe, "recipe", "", "hold it to the recipe in `DIR` and to the cache, too")
			flags.BoolVar(&how.rebuild, "rebuild", false, "with -recipe: build it again from cached answers, and compare")
			return func(inv *invocation) int { return inv.verify(how) }
		},
	}
}

type verifyFlags struct {
	keys    list
	recipe  string
	rebuild bool
}

func (inv *invocation) verify(how verifyFlags) int {
	if how.rebuild && how.recipe == "" {
		return inv.usageError("-rebuild takes a recipe: -recipe DIR")
	}
	var keys []*signing.PublicKey
	for _, text := range how.keys {
		key, err := signing.ReadPublicKey(text)
		if err != nil {
			return inv.fail("Unusable key", err)
		}
		keys = append(keys, key)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return inv.verifyFolder(ctx, keys, how)
}

func (inv *invocation) verifyFolder(ctx context.Context, keys []*signing.PublicKey, how verifyFlags) int {
	dir := inv.dir()
	folder, err := verify.Open(dir)
	if err != nil {
		return inv.fail("No dataset", unopenable(dir, err))
	}
	defer folder.Close()
	report, err := verify.Run(ctx, folder, keys)
	if err == nil && how.recipe != "" && report.Statement != nil {
		v := verification{inv, how, folder, report}
		if !v.origin(ctx) && ctx.Err() == nil {
			return exitError
		}
	}
	if ctx.Err() != nil {
		return inv.interrupted("nothing was changed; verify again")
	}
	if err != nil {
		return inv.fail("Unreadable dataset", err)
	}
	inv.view.Verified(dir, report)
	if !report.OK() {
		return exitError
	}
	return exitDone
}

// verification holds a dataset to what it was made of.
type verification struct {
	inv    *invocation
	how    verifyFlags
	folder *verify.Folder
	report *verify.Report
}

// origin holds the dataset to the recipe, the cache, and itself built again. It
// reports itself what keeps it from that, and says whether it came to the end.
func (v *verification) origin(ctx context.Context) bool {
	store, err := v.inv.openCacheWith(cache.Options{ReadOnly: true, Damaged: v.inv.view.Damaged})
	if err != nil {
		v.inv.fail("Cache unusable", err)
		return false
	}
	defer func() { _ = store.Close() }() // it was only read
	scratch, err := os.MkdirTemp("", "autosafe-verify-")
	if err != nil {
		v.inv.fail("No room to work in", err)
		return false
	}
	defer os.RemoveAll(scratch)
	s, ok := v.inv.open(v.how.recipe, needs{cache: true, offline: true, scratch: filepath.Join(scratch, "cache"), answers: store})
	if !ok {
		return false
	}
	// What is said of the version is what it was then: only that differs between
	// versions that make the same of the same.
	s.version = v.report.Statement.Predicate.RunDetails.Builder.Version["autosafe"]
	err = v.against(ctx, s, store, filepath.Join(scratch, "out"))
	if err != nil && ctx.Err() == nil {
		v.inv.view.EndProgress()
		v.inv.report(s.source, buildDiagnostics(s.recipe, err))
	}
	return v.inv.closeSession(s) && err == nil
}

func (v *verification) against(ctx context.Context, s *session, store *cache.Store, out string) error {
	address := v.report.Statement.Predicate.BuildDefinition.ExternalParameters.Dataset
	step := datasetStep(s.recipe, address)
	if step == nil {
		v.report.Add("recipe", v.how.recipe, []verify.Problem{{Subject: publish.StatementName, What: fmt.Sprintf("it is of %.200q, which the recipe in %s has not, or not with a card", address, v.how.recipe)}})
		return nil
	}
	opts, err := s.published()
	if err != nil {
		return err
	}
	d, trained := recipeDataset(step)
	now, err := publish.Define(opts, d, nil)
	if err != nil {
		return err
	}
	v.report.Add("recipe", "files, variables, lock, plugins, models and sources of "+v.how.recipe, verify.Definition(v.report.Statement, now, trained))
	if err := v.calls(ctx, s, store, address); err != nil {
		return err
	}
	if !v.how.rebuild {
		return nil
	}
	return v.rebuild(ctx, s, step, out)
}

// datasetStep is a dataset with a card; nil if there is none of that name.
func datasetStep(recipe *spec.Recipe, address string) *spec.Step {
	for _, s := range recipe.Steps {
		if s.Address == address && s.Dataset != nil && s.Dataset.Card != nil {
			return s
		}
	}
	return nil
}

// recipeDataset is a dataset as the recipe has it, before it is built. Models that
// finetune blocks train are left out and named: what they are no recipe says.
func recipeDataset(step *spec.Step) (d *engine.Dataset, trained []string) {
	d = &engine.Dataset{Step: step}
	for _, s := range engine.Above(step) {
		role := s.Role
		if role != nil {
			known := *role
			known.Models = map[string]*spec.Model{}
			for slot, m := range role.Models {
				if m.Tuned != nil {
					trained = append(trained, m.Name)
				} else {
					known.Models[slot] = m
				}
			}
			role = &known
		}
		d.Steps = append(d.Steps, engine.DatasetStep{Step: s, Role: role})
	}
	for _, o := range step.Dataset.Outputs {
		d.Outputs = append(d.Outputs, engine.DatasetOutput{OutputBody: o})
	}
	return d, trained
}

// calls holds the answers in the cache to the statement: those of the last
// build of this very recipe.
func (v *verification) calls(ctx context.Context, s *session, store *cache.Store, address string) error {
	digest := provenance.RecipeOf(s.source, s.recipe).Digest
	builds, err := provenance.List(store)
	if err != nil {
		return err
	}
	why := "the cache remembers no whole build of this recipe: build it, or take in a bundle with autosafe cache import"
	for i := range builds { // newest first
		if !builds[i].Ended() || builds[i].Recipe.Digest != digest {
			continue
		}
		keys, err := provenance.DatasetCalls(ctx, store, &builds[i], address)
		if err != nil {
			var gone *provenance.GoneError
			if !errors.As(err, &gone) {
				return err
			}
			why = err.Error()
			continue
		}
		problems, err := verify.Calls(ctx, v.report.Statement, store, keys)
		if err == nil {
			v.report.Add("calls", fmt.Sprintf("%d answers in the cache, of build %s", len(keys), builds[i].ID), problems)
		}
		return err
	}
	if v.how.rebuild { // which finds them itself
		return nil
	}
	v.report.Add("calls", "the cache", []verify.Problem{{Subject: "model calls", What: why}})
	return nil
}

// training is a finetune step that a dataset rests on; nil if there is none.
func training(dataset *spec.Step) *spec.Step {
	for _, s := range engine.Above(dataset) {
		if len(s.After) > 0 {
			return s.After[0]
		}
	}
	return nil
}

// rebuild builds the dataset again and compares.
func (v *verification) rebuild(ctx context.Context, s *session, step *spec.Step, out string) error {
	if t := training(step); t != nil { // which costs, and gives another model
		return fmt.Errorf("%s rests on the model of %s, which would be trained again: verify it without -rebuild", step.Address, t.Address)
	}
	var sel selection
	sel.Limit = v.report.Statement.Predicate.BuildDefinition.ExternalParameters.Limit
	sel.Targets = list{step.Address}
	v.inv.view.Order(addresses(s.recipe))
	e := s.engine(sel, engine.Options{OutDir: out, Events: v.inv.view.Event, Interrupt: s.stop})
	_, err := e.Build(ctx)
	v.inv.view.EndProgress()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var call *engine.RunError
	if errors.As(err, &call) && call.Code == string(llm.CodeOffline) {
		v.report.Add("rebuild", "from cached answers", []verify.Problem{{Subject: step.Address, What: fmt.Sprintf(
			"it cannot be built again: the cache lacks an answer to %s; take in a bundle that has it with autosafe cache import", view.Clean(call.Address))}})
		return nil
	}
	if err != nil {
		for _, d := range buildDiagnostics(s.recipe, err) {
			what := d.Summary
			if d.Detail != "" {
				what += ": " + d.Detail
			}
			v.report.Add("rebuild", "from cached answers", []verify.Problem{{Subject: step.Address, What: view.Clean(what)}})
		}
		return nil
	}
	again, err := verify.Open(filepath.Join(out, filepath.FromSlash(step.Dataset.Card.Output.Path)))
	if err != nil {
		return err
	}
	defer again.Close()
	n, problems, err := verify.Compare(ctx, v.folder, again)
	if err == nil {
		v.report.Add("rebuild", fmt.Sprintf("%d files that were built again from cached answers", n), problems)
	}
	return err
}
