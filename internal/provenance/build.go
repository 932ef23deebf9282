package provenance

import (
	"cmp"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/key"
	"github.com/autosafe/autosafe/spec"
)

// Info is what a build's record holds beside its summary.
type Info struct {
	Version string       // of autosafe
	Source  *spec.Source // after Decode
	Recipe  *spec.Recipe
	Options map[string]string // flags that matter
	Began   time.Time
}

// NewBuild makes the record of a build, which Save gives its id.
func NewBuild(sum *engine.Summary, info Info) *Build {
	b := &Build{
		Format: recordFormat, Time: info.Began.UTC().Truncate(time.Millisecond), Seconds: sum.Seconds, Version: info.Version,
		OK: sum.OK, Error: sum.Error, AssertsFailed: !sum.OK && sum.AssertsFailed, Options: info.Options,
		Calls: sum.Calls, Offline: sum.Offline, Evaluations: sum.Evaluations,
		Steps: []Step{}, Outputs: []Output{},
	}
	b.Recipe, b.contents = recipeOf(info)
	for _, m := range info.Recipe.Models {
		b.Models = append(b.Models, modelOf(tunedBy(m, sum)))
	}
	steps, outputs := map[string]*spec.Step{}, map[string][]*spec.OutputBody{}
	for _, s := range info.Recipe.Steps {
		steps[s.Address] = s
		if s.Dataset != nil {
			outputs[s.Address] = s.Dataset.Outputs
		}
	}
	for _, s := range sum.Steps {
		b.Steps = append(b.Steps, b.stepOf(s, steps[s.Address]))
	}
	for _, o := range sum.Outputs {
		b.Outputs = append(b.Outputs, b.outputOf(o, outputs))
	}
	slices.SortFunc(b.Plugins, func(x, y Plugin) int {
		return cmp.Or(cmp.Compare(x.Source, y.Source), cmp.Compare(x.Digest, y.Digest))
	})
	return b
}

// RecipeOf is what a recipe says, without its secrets.
func RecipeOf(source *spec.Source, recipe *spec.Recipe) Recipe {
	r, _ := recipeOf(Info{Source: source, Recipe: recipe})
	return r
}

// recipeOf reads what the recipe says, without its secrets.
func recipeOf(info Info) (Recipe, map[cache.Digest][]byte) {
	r := Recipe{Dir: absolute(info.Recipe.Dir), Files: []File{}, Variables: info.Recipe.Variables}
	contents := map[cache.Digest][]byte{}
	list := key.New("autosafe.recipe/1")
	if info.Source != nil {
		for _, f := range info.Source.Recorded() {
			d := cache.Sum(f.Content)
			contents[d] = f.Content
			r.Files = append(r.Files, File{f.Name, d})
			list.AddString("file."+f.Name, d.String())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Variables)) {
		list.AddString("variable."+name, r.Variables[name])
	}
	r.Digest = list.Digest()
	return r, contents
}

func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return dir
}

// tunedBy is a model that the build trained under the name that it got.
func tunedBy(m *spec.Model, sum *engine.Summary) *spec.Model {
	for _, s := range sum.Steps {
		if m.Tuned != nil && s.Address == m.Tuned.Address {
			return m.Known(s.Model, "")
		}
	}
	return m
}

func modelOf(m *spec.Model) Model {
	out := Model{Name: m.Name, ID: m.ID, Part: string(engine.ModelPart(m))}
	if m.Provider != nil {
		out.Endpoint = m.Provider.Identity()
	}
	if m.Price != nil {
		out.Price = &Price{Input: m.Price.Input, Output: m.Price.Output, CachedInput: m.Price.CachedInput, Listed: m.Price.Listed}
		if m.Price.BatchShare != 1 {
			out.Price.Share = m.Price.BatchShare
		}
	}
	return out
}

func (b *Build) stepOf(sum engine.StepSummary, s *spec.Step) Step {
	out := Step{StepSummary: sum, Key: sum.Key}
	if s == nil {
		return out
	}
	out.Kind = string(s.Kind)
	for _, in := range s.Inputs {
		out.Inputs = append(out.Inputs, in.Address)
	}
	for _, in := range s.After {
		out.After = append(out.After, in.Address)
	}
	for _, op := range s.Distill {
		out.Distill = append(out.Distill, opOf(op))
	}
	if s.Role == nil {
		return out
	}
	out.Component, out.Plugin, out.Code = b.component(s.Role)
	out.Samples, out.BlockColumn = s.Role.Samples, s.Role.BlockColumn
	for slot, m := range s.Role.Models {
		if out.Models == nil {
			out.Models = map[string]string{}
		}
		out.Models[slot] = m.Name
	}
	return out
}

// component names a component and notes its plugin.
func (b *Build) component(role *spec.RoleBody) (name, plugin, code string) {
	p := Plugin{role.Plugin.Source, role.Plugin.Version, role.Plugin.Digest}
	if !slices.Contains(b.Plugins, p) {
		b.Plugins = append(b.Plugins, p)
	}
	return string(role.Component.Role) + " " + role.Component.Name, p.Source, engine.CodePart(role)
}

func opOf(op *spec.Op) Op {
	out := Op{Kind: string(op.Kind), Name: op.Name, Max: op.Max + op.N}
	if op.Kind == spec.OpDedupe {
		out.Similarity = op.Similarity
	}
	if op.Keep != nil {
		out.Text = op.Keep.Text()
	}
	if op.By != nil {
		out.Text = op.By.Text()
	}
	if op.Split != nil {
		out.Text = op.Of + " of " + op.Split.By.Text()
	}
	return out
}

// outputOf finds the block of an output by its format and path.
func (b *Build) outputOf(sum engine.OutputSummary, outputs map[string][]*spec.OutputBody) Output {
	out := Output{OutputSummary: sum, Key: sum.Key}
	for _, o := range outputs[sum.Address] {
		if o.Role.Component.Name == sum.Format {
			out.Component, out.Plugin, out.Code = b.component(&o.Role)
		}
	}
	return out
}

// likeness is equal for two builds that made the same of the same, whatever
// they found in the cache and however long they took.
func (b *Build) likeness() cache.Digest {
	like := *b
	like.ID, like.Previous, like.Time, like.Seconds = "", "", time.Time{}, 0
	like.Calls = engine.CallCounts{}
	like.Options = map[string]string{} // how it was made says nothing of what
	for _, name := range []string{OptionLimit, OptionTarget} {
		if value, ok := b.Options[name]; ok {
			like.Options[name] = value
		}
	}
	like.Steps = slices.Clone(b.Steps)
	for i := range like.Steps {
		s := &like.Steps[i]
		s.Status, s.Seconds, s.RowsHit, s.Calls = "", 0, 0, engine.CallCounts{}
	}
	like.Outputs = slices.Clone(b.Outputs)
	for i := range like.Outputs {
		like.Outputs[i].Status = ""
	}
	text, err := json.Marshal(like)
	if err != nil { // a number that JSON does not know; like nothing then
		return cache.Digest{}
	}
	return cache.Sum(text)
}

// idle says whether a build made no call and wrote nothing.
func (b *Build) idle() bool {
	if b.Calls.Made > 0 || b.Calls.Failed > 0 {
		return false
	}
	for _, o := range b.Outputs {
		if o.Status != engine.StatusHit {
			return false
		}
	}
	return true
}
