package publish

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/page"
	"github.com/autosafe/autosafe/spec"
)

// facts are what is known of a dataset.
type facts struct {
	ctx     context.Context
	opts    Options
	data    *engine.Dataset
	said    *spec.Card
	splits  []string // those of the dataset, for training first
	outputs []output
	rows    *tally
	calls   *calls
	models  []*model
}

// output is an output of the dataset.
type output struct {
	engine.DatasetOutput
	name   string            // that no other has; of a Hub configuration
	folder string            // below the card's
	files  []file            // that autosafe wrote
	splits map[string][]file // those with rows, by split
	order  []string          // the splits, those of the dataset first
}

// fileSet names the output's files in Croissant.
func (o *output) fileSet() string { return o.name + "-files" }

// format is the name of the output's component.
func (o *output) format() string { return o.Role.Component.Name }

// gather finds out what there is to say.
func gather(ctx context.Context, opts Options, d *engine.Dataset) (*facts, error) {
	f := &facts{ctx: ctx, opts: opts, data: d, said: d.Step.Dataset.Card, splits: slices.Clone(d.Splits)}
	rank := func(split string) int {
		return slices.Index([]string{"cr:TrainingSplit", "cr:ValidationSplit", "cr:TestSplit", "cr:Split"}, splitURL(split))
	}
	slices.SortStableFunc(f.splits, func(a, b string) int { return rank(a) - rank(b) })
	names := map[string]bool{splitsName: true}
	for _, o := range d.Outputs {
		f.outputs = append(f.outputs, f.outputOf(o, names))
	}
	f.models = modelsOf(d)
	var err error
	if f.rows, err = count(ctx, d, judgeColumns(d)); err != nil {
		return nil, err
	}
	f.calls, err = gatherCalls(ctx, opts.Store, d)
	return f, err
}

func (f *facts) outputOf(o engine.DatasetOutput, names map[string]bool) output {
	out := output{DatasetOutput: o, splits: map[string][]file{}}
	out.folder = strings.TrimPrefix(o.Path, f.said.Output.Path+"/")
	out.name = strings.Map(func(r rune) rune {
		if r == '/' || r == ' ' {
			return '_'
		}
		return r
	}, out.folder)
	for base, n := out.name, 2; names[out.name] || names[out.fileSet()]; n++ {
		out.name = base + "_" + strconv.Itoa(n)
	}
	names[out.name], names[out.fileSet()] = true, true
	for _, rec := range o.Record.Files {
		one := file{path.Join(out.folder, rec.Path), rec.Digest.String(), rec.Size, rec.Rows, rec.MediaType}
		out.files = append(out.files, one)
		if split := engine.SplitOfFile(path.Base(rec.Path), f.splits); split != "" && isData(rec.Path) {
			out.splits[split] = append(out.splits[split], one)
		}
	}
	for _, s := range f.splits {
		if len(out.splits[s]) > 0 {
			out.order = append(out.order, s)
		}
	}
	out.files = append(out.files, file{path.Join(out.folder, engine.NoteName), cache.Sum(o.Note).String(), int64(len(o.Note)), 0, "application/json"})
	return out
}

// isData says whether a file is named as those with rows are.
func isData(name string) bool {
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst")
	return slices.Contains([]string{".jsonl", ".json", ".parquet"}, path.Ext(name))
}

// model is a model that the dataset's rows rest on.
type model struct {
	*spec.Model
	uses []use
}

// use is a step that asks a model, and as what.
type use struct {
	address string
	slots   []string
}

// modelsOf are the models of all steps and outputs, in order of name. Models
// of one name are one.
func modelsOf(d *engine.Dataset) []*model {
	byName := map[string]*model{}
	note := func(address string, role *spec.RoleBody) {
		for _, slot := range sortedKeys(role.Models) {
			m := role.Models[slot]
			known := byName[m.Name]
			if known == nil {
				known = &model{Model: m}
				byName[m.Name] = known
			}
			if n := len(known.uses); n == 0 || known.uses[n-1].address != address {
				known.uses = append(known.uses, use{address: address})
			}
			last := &known.uses[len(known.uses)-1]
			last.slots = append(last.slots, slot)
		}
	}
	for _, s := range d.Steps {
		if s.Role != nil {
			note(s.Address, s.Role)
		}
	}
	for _, o := range d.Outputs {
		note(o.Address, &o.Role)
	}
	var list []*model
	for _, name := range sortedKeys(byName) {
		list = append(list, byName[name])
	}
	return list
}

// judges are the models that give verdicts: those in a slot of that name.
func (f *facts) judges() []string {
	found := map[string]bool{}
	for _, s := range f.data.Steps {
		if s.Role == nil {
			continue
		}
		for slot, m := range s.Role.Models {
			if slot == "judge" || s.Role.Component.Role == "judge" {
				found[modelName(m)] = true
			}
		}
	}
	return sortedKeys(found)
}

// offlineName is the stand-in for models.
const offlineName = "autosafe's offline model"

// modelName is what an endpoint calls a model, or, of the stand-in, that.
func modelName(m *spec.Model) string {
	if m.Provider.Type == spec.ProviderOffline {
		return offlineName
	}
	return m.ID
}

// named writes the name of a model.
func named(name string) string {
	if name == offlineName {
		return name
	}
	return page.Code(name)
}

func allNamed(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = named(n)
	}
	return strings.Join(out, ", ")
}

// judgeColumns are the columns that judge steps have written.
func judgeColumns(d *engine.Dataset) []string {
	var names []string
	for _, s := range d.Steps {
		if s.Role != nil && s.Role.Component.Role == "judge" && s.Role.BlockColumn != "" {
			names = append(names, s.Role.BlockColumn)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// drop is how many rows a step left out for a reason.
type drop struct {
	reason string
	n      int64
}

// drops are the rows that a step left out, and those that failed: by reason,
// most first, or by operation, in order.
func drops(s *engine.DatasetStep) (dropped, failed []drop) {
	if s.Kind == spec.DistillStep {
		for _, op := range s.Distill {
			dropped = append(dropped, drop{reason: string(op.Kind) + "." + op.Name})
		}
	}
	for _, c := range s.Record.Dropped {
		if c.Op > 0 && c.Op <= len(s.Distill) {
			dropped[c.Op-1].n += c.N
			continue
		}
		dropped = append(dropped, drop{c.Reason, c.N})
	}
	for _, code := range sortedKeys(s.Record.Failed) {
		failed = append(failed, drop{code, s.Record.Failed[code]})
	}
	if s.Kind != spec.DistillStep {
		slices.SortStableFunc(dropped, func(a, b drop) int { return cmp.Compare(b.n, a.n) })
	}
	return dropped, failed
}

// tried is how many rows or tasks a step had to decide about.
func tried(s *engine.DatasetStep) int64 {
	if len(s.Inputs) > 0 && s.Record.Tasks > 0 {
		return s.Record.Tasks
	}
	dropped, failed := drops(s)
	return s.Record.Rows + total(dropped) + total(failed)
}

func total(list []drop) (n int64) {
	for _, d := range list {
		n += d.n
	}
	return n
}
