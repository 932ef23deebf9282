package provenance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/row"
)

// TestLineage holds the ways of rows that arrived and of rows that did not.
func TestLineage(t *testing.T) {
	k := newKitchen(t)
	b := k.build()
	for name, c := range map[string]struct{ address, id string }{
		"arrived":       {"dataset.d", "e.1-1"},
		"source":        {"threat_source.lines.src", "b"},
		"filtered":      {"dataset.d", "b.1"},
		"dropped":       {"distill.kept", "c"},
		"dropped_child": {"distill.kept", "c.1"},
		"failed":        {"simulator.act.runs", "d.0"},
		"became":        {"dataset.d", "b"},
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, "lineage_"+name, k.neutral(k.lineage(b, c.address, c.id), b))
		})
	}
}

// TestLineageOfEveryRow: each row of each step leads to the source row from
// which its id says it comes, also where ids say nothing.
func TestLineageOfEveryRow(t *testing.T) {
	for _, odd := range []bool{false, true} {
		k := newKitchen(t)
		if odd { // ids that look as if they were children, and equal ones
			k.files["rows.jsonl"] = strings.NewReplacer(`"id":"a"`, `"id":"a.1"`, `"id":"b"`, `"id":"a"`, `"id":"e"`, `"id":"-1.1"`).Replace(sourceRows)
		}
		b := k.build()
		s := stateOf(context.Background(), k.store, b)
		for _, address := range []string{"simulator.act.runs", "distill.kept"} {
			rows, err := s.output(address)
			if err != nil {
				t.Fatal(err)
			}
			pos := int64(0)
			for r, err := range rows.rows(context.Background()) {
				if err != nil {
					t.Fatal(err)
				}
				l := &lineage{LineageReport: &LineageReport{}, state: s}
				if err := l.climb(spot{address, pos}, r); err != nil {
					t.Fatal(err)
				}
				last := l.Path[len(l.Path)-1]
				if last.Address != "threat_source.lines.src" || last.Gone != "" {
					t.Fatalf("%s %s ends at %+v", address, r.String("id"), last)
				}
				source, err := s.rowAt(spot{last.Address, last.Position})
				if err != nil || source.String("instruction") != r.String("instruction") {
					t.Errorf("%s %s comes from %s", address, r.String("id"), source.Bytes())
				}
				pos++
			}
			if pos == 0 {
				t.Errorf("%s has no rows", address)
			}
		}
	}
}

func TestLineageOfWhatIsNotThere(t *testing.T) {
	k := newKitchen(t)
	b := k.build()
	ctx := context.Background()
	if _, err := Lineage(ctx, k.store, b, "distill.none", "a"); !errors.As(err, new(*NoStepError)) {
		t.Error(err)
	}
	for _, id := range []string{"", "zz", "zz.1", "a.9999999999999999999", "..", "-1", "\x00", strings.Repeat("1.", 5000)} {
		if _, err := Lineage(ctx, k.store, b, "dataset.d", id); !errors.As(err, new(*NoRowError)) {
			t.Errorf("%q: %v", id[:min(len(id), 20)], err)
		}
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := Lineage(stopped, k.store, b, "dataset.d", "a.1"); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestLineageWithoutWhatIsStored: each kind gone in turn is told, and breaks
// nothing.
func TestLineageWithoutWhatIsStored(t *testing.T) {
	for _, c := range []struct {
		kind cache.Kind
		gone bool // the row itself
	}{{cache.Steps, true}, {cache.Blobs, true}, {cache.Rows, false}, {cache.Calls, false}} {
		t.Run(c.kind.String(), func(t *testing.T) {
			k := newKitchen(t)
			b := k.build()
			k.lose(c.kind)
			r, err := Lineage(context.Background(), k.store, b, "dataset.d", "a.1")
			if c.gone {
				if err == nil {
					t.Errorf("%+v", r)
				}
				return
			}
			if err != nil || len(r.Path) != 4 {
				t.Fatal(err)
			}
			task := r.Path[2].Task
			if task == nil || c.kind == cache.Rows && (task.Stored || len(task.Calls) > 0) {
				t.Errorf("%+v", task)
			}
			if c.kind == cache.Calls && (len(task.Calls) != 2 || task.Calls[0].Stored) {
				t.Errorf("%+v", task.Calls)
			}
			if _, err := Lineage(context.Background(), k.store, b, "dataset.d", "c"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLineageOfAnUnfinishedBuild: what a build did not come to is not told
// from another build.
func TestLineageOfAnUnfinishedBuild(t *testing.T) {
	k := newKitchen(t)
	k.build()
	k.edit("main.hcl", `keep = "row.safe_verdict`, `keep = "1 / 0 > 0 && row.safe_verdict`)
	bad := k.build()
	var gone *GoneError
	if _, err := Lineage(context.Background(), k.store, bad, "distill.kept", "a.1"); !errors.As(err, &gone) {
		t.Error(err)
	}
	if r := k.lineage(bad, "simulator.act.runs", "a.1"); !r.Found {
		t.Error("what it did come to is not told")
	}
}

// TestVerdicts finds decisions wherever they stand, and nothing else.
func TestVerdicts(t *testing.T) {
	r, err := row.Parse([]byte(`{"safe_verdict":{"label":"safe","outcome":"","reason":"fine"},
		"attempts":[{"verdict":{"label":"unsafe","outcome":"data_loss","reason":"x"}},{"verdict":7},{"verdict":{"label":"safe","reason":"y"}}],
		"rubric":{"score":3,"reason":"good"},"text":"\"reason\" \"label\"","deep":[[[[[[{"label":"a","reason":"b"}]]]]]],"other":{"reason":"no label"}}`))
	if err != nil {
		t.Fatal(err)
	}
	l := &lineage{LineageReport: &LineageReport{Path: []Hop{{Address: "reflector.r", Writes: []string{"safe_verdict", "attempts"}}}}}
	want := []Verdict{
		{"attempts[0].verdict", "reflector.r", "unsafe", "data_loss", "x"},
		{"attempts[2].verdict", "reflector.r", "safe", "", "y"},
		{"rubric", "", "3", "", "good"},
		{"safe_verdict", "reflector.r", "safe", "", "fine"},
	}
	if diff := cmp.Diff(want, l.verdicts(r)); diff != "" {
		t.Error(diff)
	}
}

// TestHostileCalls: a record may hold anything; it is shown or passed over.
func TestHostileCalls(t *testing.T) {
	k := newKitchen(t)
	for i, record := range []string{
		``, `null`, `[]`, `{`, "\x00\xff", `{"format":"autosafe.answer/1"}`,
		`{"format":"autosafe.answer/1","request":[],"answer":{"finish_reason":"stop"}}`,
		`{"format":"autosafe.answer/1","request":{"model":7,"messages":"x"},"answer":{"finish_reason":"stop"}}`,
		`{"format":"autosafe.answer/1","request":{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"hi\u001b[2J"}]},{"content":null,"tool_calls":[{"function":{"name":"f","arguments":"{"}}]},null]},"answer":{"finish_reason":"stop","tool_calls":[{"name":"g","arguments":"\u0000"}]}}`,
	} {
		key := cache.Sum(fmt.Append(nil, i))
		if err := k.store.Put(cache.Calls, key, []byte(record)); err != nil {
			t.Fatal(err)
		}
		call, err := loadCall(k.store, key.String(), prices{})
		if err != nil || call.Stored != (i >= 6) {
			t.Errorf("%s: %v, stored %v", record, err, call.Stored)
		}
		if _, err := json.Marshal(call); err != nil {
			t.Errorf("%s: %v", record, err)
		}
		if _, err := diffCalls(k.store, []string{key.String(), "zz"}, []string{"", key.String()}, prices{}); err != nil {
			t.Error(err)
		}
	}
}

// TestDropsOfOtherRows: a record may say that a step took fewer rows than it
// did.
func TestDropsOfOtherRows(t *testing.T) {
	d := dropped{1 << 3}
	if got := d.left(200); got != 199 {
		t.Errorf("row 200 is row %d", got)
	}
	if d.has(64) || !d.has(3) {
		t.Error("other rows are dropped")
	}
}
