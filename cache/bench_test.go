package cache

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
)

// benchValues are n values of about 2 KB.
func benchValues(n, size int) [][]byte {
	r := rand.New(rand.NewPCG(9, 9))
	values := make([][]byte, n)
	for i := range values {
		values[i] = text(r, size)
	}
	return values
}

func BenchmarkPutBlob(b *testing.B) {
	s := open(b, b.TempDir(), Options{})
	values := benchValues(1000, 2000)
	b.SetBytes(2000)
	b.ReportAllocs()
	v := make([]byte, 2000)
	for i := 0; b.Loop(); i++ {
		copy(v, values[i%1000])
		v[0], v[1], v[2], v[3] = byte(i), byte(i>>8), byte(i>>16), byte(i>>24)
		if _, err := s.PutBlob(v); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Sync(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkPutBlobParallel(b *testing.B) {
	s := open(b, b.TempDir(), Options{})
	values := benchValues(1000, 2000)
	b.SetBytes(2000)
	b.RunParallel(func(pb *testing.PB) {
		r := rand.New(rand.NewPCG(rand.Uint64(), 1))
		v := make([]byte, 2000)
		for pb.Next() {
			n := r.Uint64()
			copy(v, values[n%1000])
			v[0], v[1], v[2], v[3] = byte(n), byte(n>>8), byte(n>>16), byte(n>>24)
			if _, err := s.PutBlob(v); err != nil {
				b.Fatal(err)
			}
		}
	})
	if err := s.Sync(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkBlob(b *testing.B) {
	s := open(b, b.TempDir(), Options{})
	var ds []Digest
	for _, v := range benchValues(10000, 2000) {
		d, err := s.PutBlob(v)
		if err != nil {
			b.Fatal(err)
		}
		ds = append(ds, d)
	}
	if err := s.Sync(); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(2000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := s.Blob(ds[i%len(ds)]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	s := open(b, b.TempDir(), Options{})
	for i, v := range benchValues(10000, 2000) {
		if err := s.Put(Rows, keyOf("b", i), v); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Sync(); err != nil {
		b.Fatal(err)
	}
	b.Run("hit", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := s.Get(Rows, keyOf("b", i%10000)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("miss", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := s.Get(Rows, keyOf("none", i)); err == nil {
				b.Fatal("found")
			}
		}
	})
}

func BenchmarkPutDurable(b *testing.B) {
	for _, callers := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := open(b, b.TempDir(), Options{})
			values := benchValues(1000, 5000)
			var wg sync.WaitGroup
			b.ResetTimer()
			for g := range callers {
				wg.Go(func() {
					for i := g; i < b.N; i += callers {
						if err := s.PutDurable(Calls, keyOf("d", i), values[i%1000]); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
		})
	}
}

// BenchmarkMillion opens a store with a million rows.
func BenchmarkMillion(b *testing.B) {
	const n = 1_000_000
	dir := b.TempDir()
	s := open(b, dir, Options{})
	values := benchValues(1000, 300)
	for i := range n {
		if err := s.Put(Rows, keyOf("m", i), values[i%1000]); err != nil {
			b.Fatal(err)
		}
	}
	for i := range 16 {
		if err := s.Put(Steps, keyOf("s", i), values[i]); err != nil {
			b.Fatal(err)
		}
	}
	closeStore(b, s)
	read := func(b *testing.B, k Kind, what string) {
		s := open(b, dir, Options{})
		for i := range 16 {
			if _, err := s.Get(k, keyOf(what, i)); err != nil {
				b.Fatal(err)
			}
		}
		closeStore(b, s)
	}
	b.Run("open+16steps", func(b *testing.B) {
		for b.Loop() {
			read(b, Steps, "s")
		}
	})
	b.Run("open+16rows", func(b *testing.B) {
		for b.Loop() {
			read(b, Rows, "m")
		}
	})
	b.Run("memory", func(b *testing.B) {
		var before, after runtime.MemStats
		for b.Loop() {
			runtime.GC()
			runtime.ReadMemStats(&before)
			s := open(b, dir, Options{})
			if _, err := s.Get(Rows, keyOf("m", 0)); err != nil {
				b.Fatal(err)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/1e6, "MB-index")
			closeStore(b, s)
		}
	})
	b.Run("rebuild", func(b *testing.B) {
		for b.Loop() {
			names, err := os.ReadDir(dir + "/v1/rows")
			if err != nil {
				b.Fatal(err)
			}
			for _, e := range names {
				if _, ok := segmentID(e.Name()); !ok {
					_ = os.Remove(dir + "/v1/rows/" + e.Name())
				}
			}
			begun := time.Now()
			read(b, Rows, "m")
			b.ReportMetric(time.Since(begun).Seconds(), "s/rebuild")
		}
	})
}

// BenchmarkClaim takes and lets go a claim that nobody else wants, while other
// claims are held by another store.
func BenchmarkClaim(b *testing.B) {
	for _, held := range []int{0, 4000} {
		b.Run(fmt.Sprintf("held=%d", held), func(b *testing.B) {
			dir := b.TempDir()
			s, other := open(b, dir, Options{}), open(b, dir, Options{})
			for i := range held {
				if _, err := other.Claim(b.Context(), Calls, keyOf("held", i)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				release, err := s.Claim(b.Context(), Calls, keyOf("c", i))
				if err != nil {
					b.Fatal(err)
				}
				release()
			}
		})
	}
}

// BenchmarkRefresh looks for news where there is none, as before each call.
func BenchmarkRefresh(b *testing.B) {
	dir := b.TempDir()
	for range 8 { // segments of eight processes
		s := open(b, dir, Options{})
		if err := s.PutDurable(Calls, keyOf("k", 0), []byte("v")); err != nil {
			b.Fatal(err)
		}
	}
	s := open(b, dir, Options{})
	for b.Loop() {
		if err := s.Refresh(Calls); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCollect collects 100,000 rows of which half go, and then, with
// nothing to do, looks at the other half.
func BenchmarkCollect(b *testing.B) {
	const n = 100_000
	values := benchValues(1000, 1000)
	keep := map[Digest]bool{}
	for i := 0; i < n; i += 2 {
		keep[keyOf("m", i)] = true
	}
	opts := CollectOptions{Kinds: []Kind{Rows}, Keep: func(_ Kind, key Digest) bool { return keep[key] }}
	var half, idle time.Duration
	for b.Loop() {
		b.StopTimer()
		dir := b.TempDir()
		s := open(b, dir, Options{segmentSize: 8 << 20})
		for i := range n {
			if err := s.Put(Rows, keyOf("m", i), values[i%1000]); err != nil {
				b.Fatal(err)
			}
		}
		if err := s.Sync(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		for _, d := range []*time.Duration{&half, &idle} {
			begun := time.Now()
			if _, err := s.Collect(b.Context(), opts); err != nil {
				b.Fatal(err)
			}
			*d += time.Since(begun)
		}
		b.StopTimer()
		closeStore(b, s)
		b.StartTimer()
	}
	b.ReportMetric(float64(n)*float64(b.N)/half.Seconds(), "rows/s")
	b.ReportMetric(float64(n)/2*float64(b.N)/idle.Seconds(), "rows/s-idle")
}

// BenchmarkBundle exports and imports 10,000 rows of 2 KB.
func BenchmarkBundle(b *testing.B) {
	s := open(b, b.TempDir(), Options{})
	for i, v := range benchValues(10000, 2000) {
		if err := s.Put(Rows, keyOf("b", i), v); err != nil {
			b.Fatal(err)
		}
	}
	var bundle bytes.Buffer
	b.Run("export", func(b *testing.B) {
		b.SetBytes(10000 * 2000)
		for b.Loop() {
			bundle.Reset()
			if _, err := s.Export(b.Context(), &bundle, allRefs(s)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("import", func(b *testing.B) {
		b.SetBytes(10000 * 2000)
		for b.Loop() {
			into := open(b, b.TempDir(), Options{})
			if r, err := into.Import(b.Context(), bytes.NewReader(bundle.Bytes())); err != nil || r.Added != 10000 {
				b.Fatal(r, err)
			}
			closeStore(b, into)
		}
	})
}
