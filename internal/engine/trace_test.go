package engine

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/spec"
)

// collect2 takes all of a sequence, and its first error.
func collect2[T any](seq iter.Seq2[T, error]) (list []T, err error) {
	for v, err := range seq {
		if err != nil {
			return list, err
		}
		list = append(list, v)
	}
	return list, nil
}

func mustLoad(t *testing.T, p *pipe, s StepSummary) *StepRecord {
	t.Helper()
	rec, ok, err := LoadStep(p.store, s.Key)
	if err != nil || !ok {
		t.Fatalf("no record of %s under %s: %v", s.Address, s.Key, err)
	}
	return rec
}

// TestTrace holds what the cache remembers of a build against what ran.
func TestTrace(t *testing.T) {
	p := newPipe(t, rows(9000)...)
	p.samples, p.filter = 1, "row.n % 3 != 1"
	p.onError, p.allowed = spec.OnErrorDrop, -1
	p.fake.work = func(task Task) Result {
		var n int
		if _, err := fmt.Sscanf(string(task.Row), `{"n":%d}`, &n); err == nil && n%1000 == 7 {
			return Result{Dropped: "odd"}
		} else if n%1000 == 8 {
			return Result{Err: &RowError{Code: "bad", Summary: "bad"}}
		}
		res := echo(task)
		res.Calls = []string{fmt.Sprint("call", n)}
		return res
	}
	first, again := p.build(nil), p.build(nil)
	for i := range first.Steps {
		if first.Steps[i].Key != again.Steps[i].Key {
			t.Errorf("%s has another key as a hit", first.Steps[i].Address)
		}
	}
	if rec, ok, err := LoadOutput(p.store, again.Outputs[0].Key); err != nil || !ok || rec.Rows != again.Outputs[0].Rows {
		t.Errorf("output record: %+v, %v, %v", rec, ok, err)
	}
	rec := mustLoad(t, p, first.Steps[1])
	tasks, err := collect2(rec.AllTasks(p.store))
	if err != nil || len(tasks) != 9000 || len(rec.Trace) != 3 {
		t.Fatalf("%d tasks in %d blobs, %v", len(tasks), len(rec.Trace), err)
	}
	for i, want := range map[int]TaskRecord{
		6: {Calls: []string{"call6"}}, 7: {Dropped: "odd"}, 8: {Err: &RowError{Code: "bad", Summary: "bad"}},
	} {
		got, ok, err := LoadTask(p.store, tasks[i].Key)
		if err != nil || !ok || len(got.Rows) != tasks[i].Rows {
			t.Fatalf("task %d: %+v, %v, %v", i, got, ok, err)
		}
		got.Rows = nil
		if d := cmp.Diff(&want, got, cmp.Transformer("nil", func(c []string) []string { return slices.Concat([]string{}, c) })); d != "" {
			t.Errorf("task %d: %s", i, d)
		}
	}
	all, err := collect2(rec.AllRows(p.store))
	if err != nil || len(all) != 9000-18 || all[7].String("made") != "9/0" {
		t.Errorf("%d rows, %v", len(all), err)
	}
	dist := mustLoad(t, p, first.Steps[2])
	drops, err := collect2(dist.AllDrops(p.store))
	if err != nil || int64(len(drops)) != first.Steps[2].Dropped["filter.f"] || drops[1] != (DropTrace{4, 1}) {
		t.Errorf("%d drops, %v", len(drops), err)
	}
	for _, none := range []*StepRecord{dist, mustLoad(t, p, first.Steps[0])} {
		if tasks, err := collect2(none.AllTasks(p.store)); len(tasks) > 0 || err != nil {
			t.Errorf("tasks of no component: %d, %v", len(tasks), err)
		}
	}
	if blobs, err := collect2(rec.AllBlobs(p.store)); err != nil || len(blobs) < 1+1+3+9000/chunkRows {
		t.Errorf("%d blobs, %v", len(blobs), err)
	}
}

// TestTraceOfOperations says which operation left which row out, also where
// rows are chosen at the end.
func TestTraceOfOperations(t *testing.T) {
	p := newPipe(t, rows(12)...)
	p.samples = 1
	seed := int64(3)
	p.ops = []*spec.Op{
		{Kind: spec.OpFilter, Name: "f", Keep: mustExpr("row.n != 3")},
		{Kind: spec.OpSample, Name: "s", N: 6, Seed: &seed},
		{Kind: spec.OpLimit, Name: "l", Max: 5},
	}
	sum := p.build(nil)
	rec := mustLoad(t, p, sum.Steps[2])
	drops, err := collect2(rec.AllDrops(p.store))
	if err != nil {
		t.Fatal(err)
	}
	left := map[int64]int{}
	for _, d := range drops {
		left[d.Position] = d.Op
	}
	kept := map[string]bool{}
	all, err := collect2(rec.AllRows(p.store))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		kept[r.String("made")] = true
	}
	ops := map[int]int{}
	for i := range int64(12) {
		if _, gone := left[i]; gone == kept[fmt.Sprintf("%d/0", i)] {
			t.Errorf("row %d: left out %v", i, gone)
		}
		ops[left[i]]++
	}
	if d := cmp.Diff(map[int]int{0: 5, 1: 1, 2: 5, 3: 1}, ops); d != "" || left[3] != 1 {
		t.Errorf("drops by operation: %s", d)
	}
}

// TestTraceDamaged reads traces that are not what they should be.
func TestTraceDamaged(t *testing.T) {
	p := newPipe(t, rows(5)...)
	sum := p.build(nil)
	rec := mustLoad(t, p, sum.Steps[1])
	good, err := p.store.Blob(rec.Trace[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"empty": {}, "unknown kind": {9, 1}, "cut short": good[:len(good)-1], "one is missing": good[:34], "huge count": append(slices.Clone(good[:33]), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1),
	} {
		d, err := p.store.PutBlob(b)
		if err != nil {
			t.Fatal(err)
		}
		bad := *rec
		bad.Trace, bad.Dropped = []cache.Digest{d}, []countRecord{{Op: 1, N: 1000}}
		if _, err := collect2(bad.AllTasks(p.store)); err == nil {
			t.Errorf("%s: read as if nothing were wrong", name)
		}
		b = append([]byte{traceDrops}, b...)
		if bad.Trace[0], err = p.store.PutBlob(b); err != nil {
			t.Fatal(err)
		}
		if _, err := collect2(bad.AllDrops(p.store)); err == nil {
			t.Errorf("%s: drops read as if nothing were wrong", name)
		}
	}
	lost := *rec
	lost.Trace, lost.Manifest = []cache.Digest{{1}}, cache.Digest{1}
	_, err = collect2(lost.AllTasks(p.store))
	_, err2 := collect2(lost.AllRows(p.store))
	_, err3 := collect2(lost.AllBlobs(p.store))
	for _, err := range []error{err, err2, err3} {
		if !errors.Is(err, cache.ErrNotFound) {
			t.Errorf("lost blobs: %v", err)
		}
	}
}

// FuzzTrace reads any bytes as a trace.
func FuzzTrace(f *testing.F) {
	store, err := cache.Open(f.TempDir(), cache.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { store.Close() })
	f.Add([]byte{traceTasks, 1}, int64(1))
	f.Add([]byte{traceDrops, 1, 2, 1, 4}, int64(2))
	f.Fuzz(func(t *testing.T, b []byte, n int64) {
		d, err := store.PutBlob(b)
		if err != nil {
			t.Fatal(err)
		}
		rec := &StepRecord{Tasks: n, Manifest: d, Trace: []cache.Digest{d}, Rows: n}
		for task, err := range rec.AllTasks(store) {
			if err == nil && task.Rows < 0 {
				t.Errorf("a task of %d rows", task.Rows)
			}
		}
		for drop, err := range rec.AllDrops(store) {
			if err == nil && (drop.Position < 0 || drop.Op < 0) {
				t.Errorf("drop %+v", drop)
			}
		}
		for range rec.AllRows(store) {
		}
		for range rec.AllBlobs(store) {
		}
	})
}
