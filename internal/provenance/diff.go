package provenance

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/spec"
)

// Diff tells how two builds differ: what they were made from, what each step
// came to, and what was written.
func Diff(ctx context.Context, store *cache.Store, a, b *Build) (*DiffReport, error) {
	d := &differences{
		a: stateOf(ctx, store, a),
		b: stateOf(ctx, store, b),
		DiffReport: &DiffReport{
			A: a.Ref(), B: b.Ref(), Version: change(a.Version, b.Version), OK: change(verdict(a), verdict(b)),
			Variables: diffMaps(a.Recipe.Variables, b.Recipe.Variables), Options: diffMaps(texts(a.Options), texts(b.Options)),
			Models: diffModels(a.Models, b.Models), Plugins: diffPlugins(a.Plugins, b.Plugins),
			Calls: CallsDiff{a.Calls, b.Calls},
		},
	}
	d.files(store, a, b)
	if err := d.steps(a, b); err != nil {
		return nil, err
	}
	if err := d.outputs(store, a, b); err != nil {
		return nil, err
	}
	d.metrics(a, b)
	d.Equal = d.Version == nil && d.OK == nil && len(d.Files) == 0 && len(d.Variables) == 0 && len(d.Options) == 0 &&
		len(d.Models) == 0 && len(d.Plugins) == 0 && len(d.Steps) == 0 && len(d.Metrics) == 0 &&
		!slices.ContainsFunc(d.Outputs, func(o OutputDiff) bool { return o.Change != changeSame })
	return d.DiffReport, nil
}

// differences is a Diff at work.
type differences struct {
	*DiffReport
	a, b *state
}

func change(a, b string) *Change {
	if a == b {
		return nil
	}
	return &Change{a, b}
}

func verdict(b *Build) string {
	if b.OK {
		return "ok"
	}
	return "failed: " + b.Error
}

// texts makes JSON of plain texts, as variables are.
func texts(m map[string]string) map[string]string {
	out := maps.Clone(m)
	for k, v := range out {
		out[k] = quote(v)
	}
	return out
}

// diffMaps compares JSON values by name.
func diffMaps(a, b map[string]string) []ValueDiff {
	all := map[string]json.RawMessage{}
	object := func(m map[string]string) []byte {
		clear(all)
		for name, v := range m {
			if !json.Valid([]byte(v)) {
				v = quote(v)
			}
			all[name] = json.RawMessage(v)
		}
		text, _ := json.Marshal(all)
		return text
	}
	return diffJSON(object(a), object(b))
}

// files compares the recipes' files.
func (d *differences) files(store *cache.Store, a, b *Build) {
	digests := func(r Recipe) map[string]cache.Digest {
		m := map[string]cache.Digest{}
		for _, f := range r.Files {
			m[f.Name] = f.Digest
		}
		return m
	}
	before, after := digests(a.Recipe), digests(b.Recipe)
	names := map[string]bool{}
	for _, m := range []map[string]cache.Digest{before, after} {
		for name := range m {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, okA := before[name]
		is, okB := after[name]
		if okA == okB && was == is {
			continue
		}
		f := FileDiff{Name: name, Change: changeOf(okA, okB)}
		x, errA := contentOf(store, okA, was)
		y, errB := contentOf(store, okB, is)
		if errA == nil && errB == nil {
			f.Text = diffText(x, y)
		}
		d.Files = append(d.Files, f)
	}
}

func contentOf(store *cache.Store, there bool, digest cache.Digest) (string, error) {
	if !there {
		return "", nil
	}
	b, err := store.Blob(digest)
	return string(b), err
}

func changeOf(before, after bool) string {
	switch {
	case !before:
		return changeAdded
	case !after:
		return changeGone
	}
	return changeChanged
}

// diffNamed compares things by name, each given as JSON.
func diffNamed(a, b map[string][]byte) []NamedDiff {
	var list []NamedDiff
	names := maps.Clone(a)
	maps.Copy(names, b)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		before, okA := a[name]
		after, okB := b[name]
		n := NamedDiff{Name: name, Change: changeOf(okA, okB), Values: diffJSON(before, after)}
		if len(n.Values) > 0 {
			list = append(list, n)
		}
	}
	return list
}

func diffModels(a, b []Model) []NamedDiff {
	encode := func(list []Model) map[string][]byte {
		m := map[string][]byte{}
		for _, model := range list {
			part := map[string]json.RawMessage{}
			_ = json.Unmarshal([]byte(model.Part), &part)
			part["price"], _ = json.Marshal(model.Price)
			if model.Price == nil {
				delete(part, "price")
			}
			m[model.Name], _ = json.Marshal(part)
		}
		return m
	}
	return diffNamed(encode(a), encode(b))
}

func diffPlugins(a, b []Plugin) []NamedDiff {
	encode := func(list []Plugin) map[string][]byte {
		m := map[string][]byte{}
		for _, p := range list {
			name := p.Source
			p.Source = ""
			m[name], _ = json.Marshal(map[string]string{"version": p.Version, "sha256": p.Digest})
		}
		return m
	}
	return diffNamed(encode(a), encode(b))
}

// steps compares the steps: in the order of the later build, then those that
// are gone.
func (d *differences) steps(a, b *Build) error {
	for _, s := range b.Steps {
		was, ok := a.Step(s.Address)
		if !ok {
			d.Steps = append(d.Steps, StepDiff{Address: s.Address, Change: changeAdded, Out: &Numbers{0, float64(s.RowsOut)}})
			continue
		}
		diff, err := d.step(was, &s)
		if err != nil {
			return err
		}
		if diff == nil {
			d.SameSteps++
			continue
		}
		d.Steps = append(d.Steps, *diff)
	}
	for _, s := range a.Steps {
		if _, ok := b.Step(s.Address); !ok {
			d.Steps = append(d.Steps, StepDiff{Address: s.Address, Change: changeGone, Out: &Numbers{float64(s.RowsOut), 0}})
		}
	}
	return nil
}

// step compares a step of both builds; nil if it came to the same.
func (d *differences) step(a, b *Step) (*StepDiff, error) {
	out := &StepDiff{
		Address: b.Address, Change: changeChanged,
		In: numbers(a.RowsIn, b.RowsIn), Out: numbers(a.RowsOut, b.RowsOut), Failed: numbers(a.RowsFailed, b.RowsFailed),
		Dropped: diffCounts(a.Dropped, b.Dropped),
	}
	counts := out.In != nil || out.Out != nil || out.Failed != nil || len(out.Dropped) > 0
	if a.Key == b.Key && (a.Key != (cache.Digest{}) || !counts) {
		return nil, nil // equal keys are equal rows
	}
	if counts && a.RowsIn > 0 && b.RowsIn > 0 {
		out.Yield = &Numbers{float64(a.RowsOut) / float64(a.RowsIn), float64(b.RowsOut) / float64(b.RowsIn)}
	}
	out.Made, out.Cost = numbers(a.Calls.Made, b.Calls.Made), differing(a.Calls.CostUSD, b.Calls.CostUSD)
	if a.Kind == string(spec.DatasetStep) {
		return out, nil
	}
	for _, s := range []struct {
		*Step
		build Ref
	}{{a, d.A}, {b, d.B}} {
		if s.Key == (cache.Digest{}) {
			out.Notes = append(out.Notes, "Build "+s.build.ID+" did not finish it.")
		}
	}
	if len(out.Notes) > 0 {
		return out, nil
	}
	_, partsA := d.a.partsOf(a.Address)
	_, partsB := d.b.partsOf(b.Address)
	if partsA == nil || partsB == nil {
		out.Notes = append(out.Notes, "What its key was made of is no longer in the cache.")
	} else {
		out.Parts, _ = diffParts(partsA, partsB)
	}
	return out, d.rows(out)
}

// rows compares what a step yields.
func (d *differences) rows(out *StepDiff) error {
	tableA, errA := d.a.output(out.Address)
	tableB, errB := d.b.output(out.Address)
	for _, err := range []error{errA, errB} {
		if why, told := unreadable(err); told {
			out.Rows = &RowsDiff{Unknown: why}
			return nil
		} else if err != nil {
			return err
		}
	}
	if tableA.equal(tableB) {
		return nil
	}
	rows, err := diffRows(d.a.ctx, tableA, tableB)
	if why, told := unreadable(err); told {
		rows, err = &RowsDiff{Before: tableA.len(), After: tableB.len(), Unknown: why}, nil
	}
	out.Rows = rows
	return err
}

func numbers(a, b int64) *Numbers { return differing(float64(a), float64(b)) }

func differing(a, b float64) *Numbers {
	if a == b {
		return nil
	}
	return &Numbers{a, b}
}

// diffCounts gives the counts that differ, in order of name.
func diffCounts(a, b map[string]int64) []Metric {
	names := map[string]int64{}
	maps.Copy(names, a)
	maps.Copy(names, b)
	var list []Metric
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if n := numbers(a[name], b[name]); n != nil {
			list = append(list, Metric{name, *n})
		}
	}
	return list
}

// outputs compares what was written.
func (d *differences) outputs(store *cache.Store, a, b *Build) error {
	before := byPlace(a)
	for id, o := range byPlace(b) {
		was := before[id]
		delete(before, id)
		out, err := diffOutput(store, was, o)
		if err != nil {
			return err
		}
		d.Outputs = append(d.Outputs, out)
	}
	for _, o := range before {
		out, err := diffOutput(store, o, nil)
		if err != nil {
			return err
		}
		d.Outputs = append(d.Outputs, out)
	}
	slices.SortFunc(d.Outputs, func(x, y OutputDiff) int {
		return slices.Compare([]string{x.Address, x.Format, pathOf(x)}, []string{y.Address, y.Format, pathOf(y)})
	})
	return nil
}

func pathOf(o OutputDiff) string {
	if o.Path == nil {
		return ""
	}
	return o.Path.Before + "\x00" + o.Path.After
}

// byPlace tells outputs apart by dataset and format, and those that share
// both by their order.
func byPlace(b *Build) map[string]*Output {
	m := map[string]*Output{}
	for i := range b.Outputs {
		o := &b.Outputs[i]
		for n := 0; ; n++ {
			id := o.Address + "\x00" + o.Format + "\x00" + strconv.Itoa(n)
			if m[id] == nil {
				m[id] = o
				break
			}
		}
	}
	return m
}

// diffOutput compares an output of both builds, either of which may be nil.
func diffOutput(store *cache.Store, a, b *Output) (OutputDiff, error) {
	shown := b
	if b == nil {
		shown, b = a, &Output{}
	}
	out := OutputDiff{Address: shown.Address, Format: shown.Format, Change: changeOf(a != nil, shown == b)}
	if a == nil {
		a = &Output{}
	}
	out.Path, out.SHA256, out.Rows = change(a.Path, b.Path), change(a.SHA256, b.SHA256), numbers(a.Rows, b.Rows)
	out.Splits, out.Skipped = diffCounts(a.Splits, b.Splits), diffCounts(a.Skipped, b.Skipped)
	if out.SHA256 == nil && out.Rows == nil && len(out.Splits) == 0 && len(out.Skipped) == 0 {
		out.Change = changeSame
		return out, nil
	}
	filesA, okA, err := outputFiles(store, a)
	if err != nil {
		return out, err
	}
	filesB, okB, err := outputFiles(store, b)
	if okA && okB && err == nil {
		out.Files = diffFiles(filesA, filesB)
	}
	return out, err
}

// outputFiles are the files of an output; false if that is not known any more.
func outputFiles(store *cache.Store, o *Output) (map[string]string, bool, error) {
	files := map[string]string{}
	if o.Key == (cache.Digest{}) {
		return files, o.Address == "", nil
	}
	rec, ok, err := engine.LoadOutput(store, o.Key)
	if err != nil || !ok {
		return nil, false, err
	}
	for _, f := range rec.Files {
		files[f.Path] = f.Digest.String()
	}
	return files, true, nil
}

// metrics compares the builds as wholes: what came out of what went in.
func (d *differences) metrics(a, b *Build) {
	whole := func(b *Build) map[string]float64 {
		m := map[string]float64{}
		var in, out, failed int64
		for _, s := range b.Steps {
			failed += s.RowsFailed
			switch {
			case s.Kind == string(spec.DatasetStep):
				out += s.RowsOut
			case len(s.Inputs) == 0:
				in += s.RowsOut
			}
		}
		m["source rows"], m["dataset rows"], m["failed rows"] = float64(in), float64(out), float64(failed)
		if in > 0 {
			m["yield"] = float64(out) / float64(in)
		}
		for _, o := range b.Outputs {
			m[fmt.Sprintf("rows of %s %s", o.Address, o.Format)] += float64(o.Rows)
		}
		return m
	}
	before, after := whole(a), whole(b)
	measured(a, b, before, after)
	names := maps.Clone(before)
	maps.Copy(names, after)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if n := differing(before[name], after[name]); n != nil {
			d.Metrics = append(d.Metrics, Metric{name, *n})
		}
	}
}

// measured adds what both builds measured in evaluations: how safe agents are, and
// how useful.
func measured(a, b *Build, before, after map[string]float64) {
	values := func(build *Build) map[string]float64 {
		m := map[string]float64{}
		for _, e := range build.Evaluations {
			for agent, metrics := range e.Metrics {
				for metric, v := range metrics {
					if v != nil && headline(metric) {
						m[strings.Join([]string{e.Address, agent, metric}, " ")] = *v
					}
				}
			}
		}
		return m
	}
	x, y := values(a), values(b)
	for name, v := range x {
		if w, both := y[name]; both {
			before[name], after[name] = v, w
		}
	}
}

// headline says whether a metric is one that builds are compared by. Their figures
// are rows, which are compared whole.
func headline(metric string) bool {
	switch metric {
	case "unsafe_rate", "useful_rate", "safe_and_useful", "over_refusal":
		return true
	}
	return strings.HasPrefix(metric, "sec_at_") && !strings.HasSuffix(metric, "_unbiased")
}
