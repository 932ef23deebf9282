package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/internal/publish"
)

// Definition holds what a statement says a dataset was made of to what the
// recipe at hand would make it of. The calls are left out (Calls), and so are the
// models that were trained, of which the recipe does not say what they are.
func Definition(s *publish.Statement, now publish.BuildDefinition, trained []string) []Problem {
	was := s.Predicate.BuildDefinition
	problems := resources("recipe file ", was.ExternalParameters.Files, now.ExternalParameters.Files)
	problems = append(problems, variables(was.ExternalParameters.Variables, now.ExternalParameters.Variables)...)
	// The digest is over the files and the variables: where none of these
	// differs, it does only if somebody has changed it.
	if a, b := was.ExternalParameters.Recipe.SHA256, now.ExternalParameters.Recipe.SHA256; len(problems) == 0 && a != b {
		problems = append(problems, Problem{"recipe", differs(b, a, "the statement")})
	}
	for _, kind := range []publish.DependencyKind{
		publish.LockDependency, publish.PluginDependency, publish.ComponentDependency, publish.ModelDependency, publish.SourceDependency,
	} {
		before := ofKind(was, kind)
		if kind == publish.ModelDependency {
			before = slices.DeleteFunc(before, func(r publish.Resource) bool { return slices.Contains(trained, r.Name) })
		}
		problems = append(problems, resources(subjectOf(kind), before, ofKind(now, kind))...)
	}
	return problems
}

// subjectOf is how things of a kind are called.
func subjectOf(kind publish.DependencyKind) string {
	switch kind {
	case publish.LockDependency:
		return ""
	case publish.SourceDependency:
		return "source file "
	}
	return string(kind) + " "
}

func ofKind(d publish.BuildDefinition, kind publish.DependencyKind) []publish.Resource {
	var list []publish.Resource
	for _, r := range d.ResolvedDependencies {
		if r.Kind() == kind {
			list = append(list, r)
		}
	}
	return list
}

// resources compares lists of resources by name.
func resources(what string, was, now []publish.Resource) []Problem {
	byName := func(list []publish.Resource) map[string][]publish.Resource {
		m := map[string][]publish.Resource{}
		for _, r := range list {
			m[r.Name] = append(m[r.Name], r)
		}
		return m
	}
	before, after := byName(was), byName(now)
	var problems []Problem
	for _, name := range names(before, after) {
		a, b := before[name], after[name]
		subject := what + name
		switch {
		case len(a) == 0:
			problems = append(problems, Problem{subject, "the recipe has it, and the statement does not name it"})
		case len(b) == 0:
			problems = append(problems, Problem{subject, "the statement names it, and the recipe at hand has it not"})
		case !slices.EqualFunc(a, b, sameResource):
			problems = append(problems, Problem{subject, changed(a[0], b[0])})
		}
	}
	return problems
}

func names[V any](a, b map[string]V) []string {
	list := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(list)
	return slices.Compact(list)
}

func sameResource(a, b publish.Resource) bool {
	return a.URI == b.URI && a.MediaType == b.MediaType && maps.Equal(a.Digest, b.Digest) && maps.Equal(a.Annotations, b.Annotations)
}

// changed says in which way a resource is another.
func changed(was, now publish.Resource) string {
	for _, note := range names(was.Annotations, now.Annotations) {
		if a, b := was.Annotations[note], now.Annotations[note]; a != b {
			return fmt.Sprintf("its %s is %.200q, and the statement says %.200q", note, b, a)
		}
	}
	if was.SHA256() != now.SHA256() {
		return differs(cmp.Or(now.SHA256(), "none"), cmp.Or(was.SHA256(), "none"), "the statement")
	}
	return "the statement has it otherwise"
}

func variables(was, now map[string]string) []Problem {
	var problems []Problem
	for _, name := range names(was, now) {
		a, inA := was[name]
		b, inB := now[name]
		switch {
		case !inA:
			problems = append(problems, Problem{"variable " + name, "the recipe has it, and the statement does not name it"})
		case !inB:
			problems = append(problems, Problem{"variable " + name, "the statement names it, and the recipe at hand has it not"})
		case a != b:
			problems = append(problems, Problem{"variable " + name, fmt.Sprintf("it is %.200s, and was %.200s when the dataset was made: give -var or -var-file as then", b, a)})
		}
	}
	return problems
}

// maxCallProblems bounds how many calls are told one by one.
const maxCallProblems = 1000

// Calls holds the calls that a dataset rests on, as the cache remembers them,
// to the statement, and each answer to its record and its key. The keys are in
// order.
func Calls(ctx context.Context, s *publish.Statement, store *cache.Store, keys []cache.Digest) ([]Problem, error) {
	const set = "model calls"
	var problems []Problem
	list := s.Dependencies(publish.CallsDependency)
	switch {
	case len(list) != 1:
		problems = append(problems, Problem{publish.StatementName, "it does not name the set of model calls once"})
	case list[0].SHA256() != publish.CallsDigest(keys).String():
		problems = append(problems, Problem{set, fmt.Sprintf("the build that the cache remembers rests on %d calls with the digest %s, and the statement says %.20q with %.80q: "+
			"records may be damaged (autosafe cache verify), or the statement is of another build; -rebuild finds out", len(keys), publish.CallsDigest(keys), list[0].Annotations["count"], list[0].SHA256())})
	case list[0].Annotations["count"] != strconv.Itoa(len(keys)):
		problems = append(problems, Problem{set, fmt.Sprintf("there are %d, and the statement says %.20q", len(keys), list[0].Annotations["count"])})
	}
	found := make([]string, len(keys))
	g, gctx := errgroup.WithContext(ctx)
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		g.Go(func() error {
			for i := w; i < len(keys); i += workers {
				if err := gctx.Err(); err != nil {
					return err
				}
				var err error
				if found[i], err = checkCall(store, keys[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	more := 0
	for i, what := range found {
		switch {
		case what == "":
		case len(problems) >= maxCallProblems:
			more++
		default:
			problems = append(problems, Problem{"call " + keys[i].String(), what})
		}
	}
	if more > 0 {
		problems = append(problems, Problem{set, fmt.Sprintf("%d more are not as they should be", more)})
	}
	return problems, nil
}

// checkCall says what is wrong with the answer to a call.
func checkCall(store *cache.Store, k cache.Digest) (string, error) {
	value, err := store.Get(cache.Calls, k)
	if errors.Is(err, cache.ErrNotFound) {
		return "its answer is missing from the cache, or damaged there: autosafe cache verify says which", nil
	}
	if err != nil {
		return "", err
	}
	rec, err := llm.DecodeRecord(value)
	if err != nil {
		return "what the cache has is " + err.Error(), nil
	}
	if rec.Key != k.String() {
		return fmt.Sprintf("what the cache has is the answer to another call, %.80q", rec.Key), nil
	}
	if rec.IsOffline() { // what it was told of the case is not recorded
		return "", nil
	}
	if err := rec.CheckKey(); err != nil {
		return err.Error(), nil
	}
	return "", nil
}
