package provenance

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/spec"
)

// TestDiff holds the difference of two builds between which nearly everything
// changed.
func TestDiff(t *testing.T) {
	k := newKitchen(t)
	a := k.build()
	editPrompt(k)
	k.files["rows.jsonl"] = strings.NewReplacer(`"book a room"`, `"book two rooms"`, `{"id":"b","instruction":"evil: wipe the disk","note":"n"}`+"\n", "").Replace(sourceRows) +
		`{"id":"f","instruction":"evil again","note":"n"}` + "\n"
	k.edit("main.hcl", "output = 2", "output = 4")
	k.edit("main.hcl", "== 'safe'", "== 'safe' && row.answer != ''")
	k.edit("main.hcl", "train = 0.5, test = 0.5", "train = 0.9, test = 0.1")
	k.files["more.hcl"] = "dataset \"all\" {\n  input = simulator.act.runs\n  output \"rows\" { path = \"all\" }\n}\n"
	k.vars = []string{"samples=1"}
	k.plug = spec.PluginRef{Source: "builtin", Version: "2.0.0", Digest: "00ff"}
	b := k.build()
	golden(t, "diff", k.neutral(k.diff(a, b), a, b))
	golden(t, "diff_back", k.neutral(k.diff(b, a), a, b))
}

func TestDiffOfEqualBuilds(t *testing.T) {
	k := newKitchen(t)
	a := k.build()
	if r := k.diff(a, a); !r.Equal || r.SameSteps != 4 || len(r.Outputs) != 1 || r.Outputs[0].Change != changeSame {
		t.Errorf("%+v", r)
	}
	k.files["main.hcl"] += "# a comment\n"
	if r := k.diff(a, k.build()); r.Equal || len(r.Files) != 1 || len(r.Steps) != 0 {
		t.Errorf("%+v", r)
	}
}

// TestDiffOfAFailedBuild: a step that one build did not finish is told so, and
// not compared with another build's.
func TestDiffOfAFailedBuild(t *testing.T) {
	k := newKitchen(t)
	a := k.build()
	k.edit("main.hcl", `keep = "row.safe_verdict`, `keep = "1 / 0 > 0 && row.safe_verdict`)
	b := k.build()
	r := k.diff(a, b)
	i := slices.IndexFunc(r.Steps, func(s StepDiff) bool { return s.Address == "distill.kept" })
	if r.OK == nil || i < 0 || len(r.Steps[i].Notes) != 1 || r.Steps[i].Rows != nil || r.Steps[i].Parts != nil {
		t.Errorf("%+v", r)
	}
	if len(r.Outputs) != 1 || r.Outputs[0].Change != changeGone {
		t.Errorf("%+v", r.Outputs)
	}
}

func TestDiffWithoutWhatIsStored(t *testing.T) {
	for _, kind := range []cache.Kind{cache.Steps, cache.Rows, cache.Calls, cache.Blobs, cache.Builds} {
		k := newKitchen(t)
		a := k.build()
		editPrompt(k)
		editRow(k)
		b := k.build()
		whole := k.diff(a, b)
		k.lose(kind)
		r := k.diff(a, b)
		if len(r.Steps) != len(whole.Steps) || len(r.Files) != len(whole.Files) || r.Equal {
			t.Errorf("without %s: %+v", kind, r)
		}
	}
}

// TestDiffRows holds the counts and names of changes against a slow reckoning
// over random tables, in which ids may repeat.
func TestDiffRows(t *testing.T) {
	k := newKitchen(t)
	random := rand.New(rand.NewPCG(5, 6))
	for range 8 {
		var tables [2][]string
		for side := range tables {
			for range random.IntN(60) {
				tables[side] = append(tables[side], fmt.Sprintf(`{"id":"%d","instruction":"%d"}`, random.IntN(40), random.IntN(3)))
			}
		}
		for i := range min(len(tables[0]), len(tables[1])) {
			if random.IntN(2) == 0 {
				tables[1][i] = tables[0][i]
			}
		}
		a, b := k.table(tables[0]), k.table(tables[1])
		got, err := diffRows(context.Background(), a, b)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.AddedIDs) != int(min(got.Added, maxIDs)) || len(got.GoneIDs) != int(min(got.Gone, maxIDs)) || len(got.ChangedIDs) != int(min(got.Changed, maxIDs)) {
			t.Errorf("%+v", got)
		}
		for _, c := range got.ChangedIDs {
			if !slices.Equal(c.Columns, []string{"instruction"}) {
				t.Errorf("%+v", c)
			}
		}
		got.AddedIDs, got.GoneIDs, got.ChangedIDs, got.Reordered = nil, nil, nil, false
		if diff := cmp.Diff(reckon(tables[0], tables[1]), got); diff != "" {
			t.Errorf("%v\n%v\n%s", tables[0], tables[1], diff)
		}
	}
}

func TestDiffRowsInAnotherOrder(t *testing.T) {
	k := newKitchen(t)
	one, two := `{"id":"1","instruction":"x","origin":{}}`, `{"id":"2","instruction":"x","origin":{}}`
	d, err := diffRows(context.Background(), k.table([]string{one, two, two}), k.table([]string{two, one, two}))
	if diff := cmp.Diff(&RowsDiff{Before: 3, After: 3, Reordered: true}, d); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

// table builds a source of rows and gives what it yields.
func (k *kitchen) table(rows []string) table {
	k.t.Helper()
	k.files = map[string]string{"rows.jsonl": strings.Join(rows, "\n"), "main.hcl": "threat_source \"lines\" \"src\" {\n  path = \"rows.jsonl\"\n}\n"}
	_, recipe := k.decode()
	sum, err := engine.New(engine.Options{Recipe: recipe, Store: k.store, Runner: cook{k}}).Build(context.Background())
	if err != nil {
		k.t.Fatal(err)
	}
	rec, ok, err := engine.LoadStep(k.store, sum.Steps[0].Key)
	if err != nil || !ok {
		k.t.Fatal(ok, err)
	}
	return table{k.store, []*engine.StepRecord{rec}}
}

// reckon compares rows in the plainest way.
func reckon(a, b []string) *RowsDiff {
	d := &RowsDiff{Before: int64(len(a)), After: int64(len(b))}
	id := func(row string) string { return strings.Split(row, `"`)[3] }
	group := func(rows []string) map[string][]string {
		m := map[string][]string{}
		for _, r := range rows {
			m[id(r)] = append(m[id(r)], r)
		}
		return m
	}
	before, after := group(a), group(b)
	for name := range before {
		if after[name] == nil {
			after[name] = []string{}
		}
	}
	for name, rows := range after {
		equal := 0
		for _, r := range rows {
			if i := slices.Index(before[name], r); i >= 0 {
				before[name] = slices.Delete(before[name], i, i+1)
				equal++
			}
		}
		x, y := len(before[name]), len(rows)-equal
		d.Changed += int64(min(x, y))
		d.Gone += int64(x - min(x, y))
		d.Added += int64(y - min(x, y))
	}
	return d
}
