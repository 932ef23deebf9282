package cli

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/evaluate"
	"github.com/autosafe/autosafe/internal/evaluate/report"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/internal/provenance"
	"github.com/autosafe/autosafe/internal/publish"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/lockfile"
)

// selection says how much of a recipe is planned or built, and what of it
// anew.
type selection struct {
	Limit   int  `json:"limit,omitempty"`
	Targets list `json:"targets,omitempty"`
	Refresh list `json:"refresh,omitempty"`
}

func (s *selection) declare(flags *flag.FlagSet) {
	flags.Func("limit", "cut every source off after `N` rows; a full build later uses what was made", s.setLimit)
	flags.Var(&s.Targets, "target", "only the step at `ADDRESS` and what it rests on; may be repeated")
	flags.Var(&s.Refresh, "refresh", "make the rows at `ADDRESS` anew, with new answers; may be repeated")
}

// setLimit reads -limit, of which 0 is none.
func (s *selection) setLimit(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return errors.New("it is a number of rows, 1 or more")
	}
	s.Limit = n
	return nil
}

func (s *selection) given() bool {
	return s.Limit != 0 || len(s.Targets) > 0 || len(s.Refresh) > 0
}

// check holds the addresses to a recipe's.
func (s *selection) check(recipe *spec.Recipe) hcl.Diagnostics {
	var diags hcl.Diagnostics
	known := addresses(recipe)
	for _, given := range []struct {
		flag string
		list list
	}{{"-target", s.Targets}, {"-refresh", s.Refresh}} {
		for _, address := range given.list {
			if len(covered(recipe, address)) == 0 {
				diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unknown address", Detail: fmt.Sprintf(
					"%s: %s", given.flag, noSuchStep(address, known))})
			}
		}
	}
	for _, address := range s.Refresh {
		if steps := covered(recipe, address); len(steps) > 0 && !slices.ContainsFunc(steps, func(s *spec.Step) bool { return s.Role != nil }) {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Nothing to refresh", Detail: fmt.Sprintf(
				"-refresh: %s asks no model. Name the step whose answers are to be bought anew.", address), Subject: &steps[0].Range})
		}
	}
	return diags
}

// covered are the steps that an address stands for.
func covered(recipe *spec.Recipe, address string) []*spec.Step {
	return slices.DeleteFunc(slices.Clone(recipe.Steps), func(s *spec.Step) bool { return !engine.Covers(address, s) })
}

// noSuchStep says that an address is none of those known.
func noSuchStep(address string, known []string) string {
	return "There is no step " + view.Quote(address) + " in this recipe." + meant(address, known)
}

// meant guesses which address was meant: one of a for_each block's, one of
// which the first word was left out, the dataset of an output, or one that is
// spelt alike.
func meant(address string, known []string) string {
	if address == "" {
		return ""
	}
	for _, k := range known {
		if strings.HasPrefix(k, address+"[") || strings.HasSuffix(k, "."+address) || strings.HasPrefix(address, k+".") {
			return " Did you mean " + view.Quote(k) + "?"
		}
	}
	return view.DidYouMean(address, known)
}

// engine is the engine for a session.
func (s *session) engine(sel selection, more engine.Options) *engine.Engine {
	more.Recipe, more.Store, more.Runner = s.recipe, s.store, s.host
	more.Limit, more.Targets, more.Refresh = sel.Limit, sel.Targets, sel.Refresh
	more.DecodeCall = decodeCall
	more.Documents = publish.New(s.published)
	more.Evaluator = evaluate.New(report.Reporter{})
	return engine.New(more)
}

// published is what the documents beside datasets are made of.
func (s *session) published() (publish.Options, error) {
	opts := publish.Options{Store: s.store, Version: cmp.Or(s.version, Version), Recipe: provenance.RecipeOf(s.source, s.recipe)}
	if len(s.source.RequiredPlugins) == 0 {
		return opts, nil
	}
	lock, err := os.ReadFile(filepath.Join(s.source.Dir, lockfile.Name))
	if errors.Is(err, fs.ErrNotExist) {
		return opts, nil
	}
	opts.Lock = cache.Sum(lock)
	return opts, err
}

// decodeCall reads what a stored model call took.
func decodeCall(value []byte) (engine.CallUsage, error) {
	call, err := llm.DecodeOutline(value)
	if err != nil {
		return engine.CallUsage{}, err
	}
	return engine.CallUsage{
		Model: call.Model, Seconds: float64(call.Millis) / 1000,
		InputTokens: call.Usage.InputTokens, OutputTokens: call.Usage.OutputTokens,
	}, nil
}

// lastBuild tells what the last build of the recipe had under an address.
func (s *session) lastBuild() (func(address string) (engine.LastStep, bool), error) {
	last, ok, err := provenance.Last(s.store, s.source.Dir, addresses(s.recipe)...)
	if err != nil || !ok {
		return nil, err
	}
	return provenance.LastSteps(s.store, last), nil
}
