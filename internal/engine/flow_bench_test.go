package engine

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

// benchSource are rows of about 1 KB as a source sends them.
func benchSource(n int) []string {
	text := strings.Repeat("lorem ipsum dolor\\n", 20)
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`{"n": %d, "id": "case-%d", "text": "%s", "steps": [{"tool": "a", "said": "%s"}, {"tool": "b%d", "said": "%s"}], "ok": true}`,
			i, i, text, text[:100], i, text[:200])
	}
	return list
}

func benchStore(b *testing.B, dir string) *cache.Store {
	b.Helper()
	store, err := cache.Open(dir, cache.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { store.Close() })
	return store
}

func benchChunk(b *testing.B) []row.Row {
	b.Helper()
	rows := make([]row.Row, 0, chunkRows)
	var p row.Parser
	for _, text := range benchSource(chunkRows) {
		r, err := p.Parse([]byte(text))
		if err != nil {
			b.Fatal(err)
		}
		rows = append(rows, r)
	}
	return rows
}

// BenchmarkChunk is a chunk of 256 rows of 1 KB: put together, stored, read
// whole and read row by row.
func BenchmarkChunk(b *testing.B) {
	rows := benchChunk(b)
	text := encodeChunk(nil, rows)
	run := func(name string, f func(i int) error) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := f(i); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	var buffer []byte
	run("encode", func(int) error {
		buffer = encodeChunk(buffer[:0], rows)
		return nil
	})
	store := benchStore(b, b.TempDir())
	run("store", func(i int) error {
		one := rows[0].WithString("id", fmt.Sprint("other", i)) // else it is there already
		_, err := store.PutBlob(encodeChunk(nil, append([]row.Row{one}, rows[1:]...)))
		return err
	})
	digest, err := store.PutBlob(text)
	if err != nil {
		b.Fatal(err)
	}
	run("texts", func(int) error {
		_, err := (&chunk{n: len(rows), sealed: true, digest: digest}).texts(store)
		return err
	})
	run("rows", func(int) error {
		_, err := (&chunk{n: len(rows), sealed: true, digest: digest}).load(store)
		return err
	})
}

// BenchmarkSourceFlow takes rows of 1 KB from a source into a flow, 256 at a
// time, and stores them.
func BenchmarkSourceFlow(b *testing.B) {
	body := &spec.RoleBody{}
	results := make([]Result, 0, chunkRows)
	size := 0
	for _, text := range benchSource(chunkRows) {
		results = append(results, Result{Rows: [][]byte{[]byte(text)}})
		size += len(text)
	}
	f := newFlow(benchStore(b, b.TempDir()))
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		rows := readSource(body, results)
		list := make([]hashed, len(rows))
		for i := range rows {
			list[i] = rows[i].hashed
		}
		if err := f.appendHashed(list); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.finish(nil); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(chunkRows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkRowsFound is a build in which one of 20,000 rows of 1 KB changed:
// the source is read again, and every row is looked up.
func BenchmarkRowsFound(b *testing.B) {
	const n = 20000
	p := benchPipe(b, benchSource(n))
	store := benchStore(b, filepath.Join(p.dir, "cache"))
	build := func(i int) {
		p.source[n/2] = fmt.Sprintf(`{"n":%d,"id":"changed"}`, n+i)
		r := p.recipe()
		r.Steps[0].Seed = int64(i) // the source's file has changed
		if _, err := New(Options{Recipe: r, Store: store, Runner: p.fake}).Build(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	build(0)
	b.ReportAllocs()
	for i := 1; b.Loop(); i++ {
		build(i)
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
