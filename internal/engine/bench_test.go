package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/spec"
)

// BenchmarkFilters pushes 20,000 rows of 1 KB from a source through two
// filters into an output, from an empty cache.
func BenchmarkFilters(b *testing.B) {
	const n = 20000
	text := strings.Repeat("lorem ipsum dolor ", 55)
	source := make([]string, n)
	for i := range source {
		source[i] = fmt.Sprintf(`{"n":%d,"text":"%s"}`, i, text)
	}
	p := benchPipe(b, source)
	cols := spec.Columns{Open: true}
	filters := func() []*spec.Op {
		return []*spec.Op{
			{Kind: spec.OpFilter, Name: "a", Keep: mustExprOver("row.n >= 10", cols)},
			{Kind: spec.OpFilter, Name: "b", Keep: mustExprOver("row.text.contains('dolor') && row.n % 7 != 3", cols)},
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		os.RemoveAll(p.dir)
		store, err := cache.Open(filepath.Join(p.dir, "cache"), cache.Options{})
		if err != nil {
			b.Fatal(err)
		}
		r := p.recipe()
		dist := r.Steps[2]
		dist.Inputs, dist.Distill = r.Steps[:1], filters()
		r.Steps = append(r.Steps[:1], r.Steps[2:]...)
		if _, err := New(Options{Recipe: r, Store: store, Runner: p.fake}).Build(context.Background()); err != nil {
			b.Fatal(err)
		}
		if err := store.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkNothingToDo is the second build of 20,000 rows.
func BenchmarkNothingToDo(b *testing.B) {
	p := benchPipe(b, rows(20000))
	store, err := cache.Open(filepath.Join(p.dir, "cache"), cache.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	p.samples = 1
	r := p.recipe()
	build := func() {
		if _, err := New(Options{Recipe: r, Store: store, Runner: p.fake}).Build(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	build()
	b.ReportAllocs()
	for b.Loop() {
		build()
	}
}

func benchPipe(b *testing.B, source []string) *pipe {
	b.Helper()
	p := &pipe{dir: b.TempDir(), source: source, samples: 1, filter: "true", prompt: "p", onError: spec.OnErrorFail}
	p.fake = &fakeRunner{rows: func(string) []string { return p.source }, work: echo}
	return p
}

func mustExprOver(text string, cols spec.Columns) *spec.Expr {
	e, err := spec.CompileExpr(text, cols)
	if err != nil {
		panic(err)
	}
	return e
}
