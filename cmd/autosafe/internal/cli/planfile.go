package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/spec"
)

// planFormat names the form of plan files.
const planFormat = "autosafe.plan/1"

// maxPlanFile bounds what is read as a plan file.
const maxPlanFile = 256 << 20

// buildJob is what a build is asked to do, beside how it is to go about it.
type buildJob struct {
	selection
	OutDir string `json:"output_dir,omitempty"`
}

// planFile is a plan with all that is needed to do it. It holds no value of a
// sensitive variable.
type planFile struct {
	Format   string `json:"format"`
	SHA256   string `json:"sha256"` // of the file, with zeros in this place
	Autosafe string `json:"autosafe"`
	Recipe   string `json:"recipe"` // its folder
	Cache    string `json:"cache,omitempty"`
	// Vars and VarFiles are as they were given. Withheld are variables that
	// were given and are sensitive.
	Vars     []string `json:"vars,omitempty"`
	VarFiles []string `json:"var_files,omitempty"`
	Withheld []string `json:"withheld,omitempty"`
	buildJob
	// Variables are all that have a value, from wherever it is.
	Variables map[string]string `json:"variables,omitempty"`
	// Files are the digests of the recipe's files.
	Files map[string]string `json:"files"`
	// Parts are digests of the parts of steps' keys, see partSums.
	Parts map[string]map[string]string `json:"parts,omitempty"`
	Plan  *engine.Plan                 `json:"plan"`
}

// savePlan writes a plan file, whole or not at all.
func (inv *invocation) savePlan(file string, job buildJob, s *session, plan *engine.Plan) error {
	p := planFile{Format: planFormat, SHA256: noSum, Autosafe: Version, buildJob: job, Variables: s.recipe.Variables, Files: fileDigests(s.source), Parts: partSums(plan), Plan: plan}
	for _, given := range inv.vars {
		name, _, _ := strings.Cut(given, "=")
		name = strings.TrimSpace(name)
		if _, open := s.recipe.Variables[name]; open {
			p.Vars = append(p.Vars, given)
		} else if !slices.Contains(p.Withheld, name) {
			p.Withheld = append(p.Withheld, name)
		}
	}
	paths := []*string{&p.Recipe, &p.Cache}
	p.Recipe, p.Cache, p.VarFiles = s.source.Dir, inv.cacheDir, slices.Clone(inv.varFiles)
	for i := range p.VarFiles {
		paths = append(paths, &p.VarFiles[i])
	}
	for _, path := range paths {
		if err := makeAbs(path); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return err
	}
	return writeWhole(file, seal(append(text, '\n')), 0o644)
}

// fileDigests are the digests of a recipe's files by name.
func fileDigests(source *spec.Source) map[string]string {
	files := map[string]string{}
	for _, f := range source.Recorded() {
		files[f.Name] = cache.Sum(f.Content).String()
	}
	return files
}

// makeAbs makes a path that is not empty absolute.
func makeAbs(path *string) (err error) {
	if *path != "" {
		*path, err = filepath.Abs(*path)
	}
	return err
}

// isPlanFile holds for a file that is not one of a recipe.
func isPlanFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && !strings.HasSuffix(path, ".hcl") && !strings.HasSuffix(path, ".hcl.json")
}

// readPlan reads a plan file.
func readPlan(path string) (*planFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPlanFile+1))
	if err != nil {
		return nil, err
	}
	var p planFile
	if len(text) > maxPlanFile || json.Unmarshal(bytes.TrimSpace(text), &p) != nil || !strings.HasPrefix(p.Format, "autosafe.plan/") {
		return nil, fmt.Errorf("%s is no plan: build takes the folder of a recipe, or a file that autosafe plan -out wrote", path)
	}
	if p.Format != planFormat || p.Plan == nil || p.Recipe == "" {
		return nil, fmt.Errorf("%s was written by autosafe %s in a form that %s does not read: plan again", path, p.Autosafe, Version)
	}
	if !sealed(text, p.SHA256) {
		return nil, fmt.Errorf("%s was changed after autosafe plan wrote it: plan again", view.Quote(path))
	}
	return &p, nil
}

// adopt has the invocation work as the plan says. What the plan withholds is
// taken from the command line.
func (p *planFile) adopt(inv *invocation) error {
	var missing, given []string
	for _, v := range inv.vars {
		name, _, _ := strings.Cut(v, "=")
		name = strings.TrimSpace(name)
		if !slices.Contains(p.Withheld, name) {
			return fmt.Errorf("-var %s: the plan says what its variables are; plan again to change one", name)
		}
		given = append(given, name)
	}
	for _, name := range p.Withheld {
		if !slices.Contains(given, name) && inv.getenv("AUTOSAFE_VAR_"+name) == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the plan was made with -var %s, which is sensitive and therefore not in the file: give it again", strings.Join(missing, ", "))
	}
	inv.vars = append(slices.Clone(p.Vars), inv.vars...)
	inv.varFiles = p.VarFiles
	if inv.cacheDir == "" {
		inv.cacheDir = p.Cache
	}
	return nil
}

// check refuses a plan that is not the one made now.
func (p *planFile) check(now *engine.Plan, s *session) hcl.Diagnostics {
	changes := p.stale(now, s.recipe.Variables, fileDigests(s.source))
	if len(changes) == 0 {
		return nil
	}
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Stale plan", Detail: "A plan made now differs from the saved one, so nothing was done:\n\n  " +
		strings.Join(changes, "\n  ") + "\n\nPlan again, and build that."}}
}

// stale says what differs between a plan and the one made now; nothing if
// they are the same.
func (p *planFile) stale(now *engine.Plan, variables, files map[string]string) []string {
	if p.Plan.ID == now.ID {
		return nil
	}
	var changes []string
	for _, name := range slices.Sorted(allKeys(p.Files, files)) {
		was, ok := p.Files[name]
		is, still := files[name]
		switch {
		case !ok:
			changes = append(changes, name+": is new in the recipe")
		case !still:
			changes = append(changes, name+": is no longer in the recipe")
		case was != is:
			changes = append(changes, name+": was edited")
		}
	}
	for _, name := range slices.Sorted(allKeys(p.Variables, variables)) {
		was, ok := p.Variables[name]
		is, still := variables[name]
		if was != is || ok != still {
			changes = append(changes, fmt.Sprintf("variable %s: was %s, is %s", name, orUnset(was, ok), orUnset(is, still)))
		}
	}
	parts, steps := partSums(now), map[string]engine.StepPlan{}
	for _, s := range p.Plan.Steps {
		steps[s.Address] = s
	}
	for _, s := range now.Steps {
		was, ok := steps[s.Address]
		delete(steps, s.Address)
		if !ok {
			changes = append(changes, s.Address+": is new")
		} else if a, b := stepSays(was), stepSays(s); a != b {
			changes = append(changes, s.Address+": was "+a+"; is "+b)
		} else {
			changes = append(changes, stepChanges(was, s, p.Parts[s.Address], parts[s.Address])...)
		}
	}
	for _, s := range p.Plan.Steps {
		if _, gone := steps[s.Address]; gone {
			changes = append(changes, s.Address+": is gone")
		}
	}
	if outputs := staleOutputs(p.Plan.Outputs, now.Outputs); len(outputs) > 0 {
		changes = append(changes, outputs...)
	}
	if len(changes) == 0 {
		changes = append(changes, "the recipe or the cache: the numbers are the same, but not what they stand for")
	}
	return changes
}

func staleOutputs(was, is []engine.OutputPlan) (changes []string) {
	if reflect.DeepEqual(was, is) {
		return nil
	}
	before := map[string]engine.OutputPlan{}
	for _, o := range was {
		before[o.Address] = o
	}
	for _, o := range is {
		if b, ok := before[o.Address]; ok && b != o {
			changes = append(changes, fmt.Sprintf("%s: was %s; is %s", o.Address, outputSays(b), outputSays(o)))
		}
	}
	return changes
}

func outputSays(o engine.OutputPlan) string { return view.PlanStatus(o.Status) + " (" + o.Reason + ")" }

// stepSays is a step's part of a plan in few words.
func stepSays(s engine.StepPlan) string {
	text := view.PlanStatus(s.Status)
	if s.Reason != "" && s.Status != engine.StatusHit {
		text += " (" + s.Reason + ")"
	}
	if s.RowsIn > 0 {
		text += fmt.Sprintf(", %d in", s.RowsIn)
	}
	if s.RowsMiss > 0 {
		text += fmt.Sprintf(", %d to run", s.RowsMiss)
	}
	return text
}

func orUnset(value string, set bool) string {
	if !set {
		return "unset"
	}
	return value
}

// allKeys gives the keys of both maps, each once.
func allKeys(a, b map[string]string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range a {
			if !yield(k) {
				return
			}
		}
		for k := range b {
			if _, both := a[k]; !both && !yield(k) {
				return
			}
		}
	}
}
