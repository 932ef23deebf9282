package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// allRefs names all records of a store.
func allRefs(s *Store) func(yield func(Kind, Digest) bool) {
	return func(yield func(Kind, Digest) bool) {
		stop := errors.New("stop")
		for _, k := range kinds() {
			if k.local() {
				continue
			}
			err := s.Each(k, func(key Digest, _ []byte) error {
				if !yield(k, key) {
					return stop
				}
				return nil
			})
			if err != nil {
				return
			}
		}
	}
}

// even keeps the keys of what with an even number.
func even(what string, n int) func(Kind, Digest) bool {
	keep := map[Digest]bool{}
	for i := 0; i < n; i += 2 {
		keep[keyOf(what, i)] = true
	}
	return func(_ Kind, key Digest) bool { return keep[key] }
}

func collect(t testing.TB, s *Store, opts CollectOptions) KindCollection {
	t.Helper()
	opts.Kinds = []Kind{Rows}
	r, err := s.Collect(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return r.Kinds[0]
}

func putRows(t testing.TB, s *Store, what string, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := s.Put(Rows, keyOf(what, i), valueOf(what, i)); err != nil {
			t.Fatal(err)
		}
	}
}

// wantRows checks that rows from to to are there, or none of them is.
func wantRows(t testing.TB, s *Store, what string, there func(i int) bool, n int) {
	t.Helper()
	for i := range n {
		v, err := s.Get(Rows, keyOf(what, i))
		switch {
		case there(i) && (err != nil || !bytes.Equal(v, valueOf(what, i))):
			t.Fatalf("%s %d: %d bytes, %v", what, i, len(v), err)
		case !there(i) && !errors.Is(err, ErrNotFound):
			t.Fatalf("%s %d should be gone: %d bytes, %v", what, i, len(v), err)
		}
	}
}

func all(int) bool        { return true }
func none(int) bool       { return false }
func evenOnly(i int) bool { return i%2 == 0 }
func files(dir string) map[string]int64 {
	sizes := map[string]int64{}
	names, _ := filepath.Glob(filepath.Join(dir, "v1", "*", "*"))
	for _, n := range names {
		if fi, err := os.Stat(n); err == nil {
			sizes[filepath.Base(n)] = fi.Size()
		}
	}
	return sizes
}

func TestCollect(t *testing.T) {
	t.Parallel()
	const n = 400
	opts := Options{segmentSize: 64 << 10}
	dir := t.TempDir()
	s := open(t, dir, opts)
	putRows(t, s, "k", 0, n)
	if err := errors.Join(s.Put(Rows, keyOf("w", 0), nil), s.Put(Calls, keyOf("k", 1), []byte("call"))); err != nil {
		t.Fatal(err)
	}
	opened, loaded := open(t, dir, opts), open(t, dir, opts)
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	wantRows(t, opened, "k", all, n)
	wantRows(t, loaded, "k", all, 1)

	before := files(dir)
	dry := collect(t, s, CollectOptions{Keep: even("k", n), DryRun: true})
	if after := files(dir); fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("a dry run changed files: %v, %v", before, after)
	}
	st, err := s.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if st.Kinds[1].Dead != headerSize { // the withdrawn one
		t.Errorf("dead bytes before: %d", st.Kinds[1].Dead)
	}
	r := collect(t, s, CollectOptions{Keep: even("k", n)})
	if r.Dropped != n/2 || r.Dead != 1 || r.Kept != n/2 || r.Busy != 0 || r.Rewritten == 0 {
		t.Errorf("report %+v", r)
	}
	if dry.Dropped != r.Dropped || dry.Dead != r.Dead || dry.Freed != r.Freed || dry.Kept != r.Kept {
		t.Errorf("the dry run said %+v, then it was %+v", dry, r)
	}
	st, err = s.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if k := st.Kinds[1]; k.Dead != 0 || k.Records != n/2 {
		t.Errorf("stats after: %+v", k)
	}
	// Who has the old segments open goes on; who has not looks again.
	wantRows(t, opened, "k", all, n)
	for i := 0; i < n; i += 2 {
		if v, err := loaded.Get(Rows, keyOf("k", i)); err != nil || !bytes.Equal(v, valueOf("k", i)) {
			t.Fatalf("row %d for a process that was there before: %d bytes, %v", i, len(v), err)
		}
	}
	wantRows(t, s, "k", evenOnly, n)
	wantRows(t, open(t, dir, opts), "k", evenOnly, n)
	if v, err := s.Get(Calls, keyOf("k", 1)); err != nil || string(v) != "call" {
		t.Errorf("another kind: %q, %v", v, err)
	}

	before = files(dir)
	if r := collect(t, s, CollectOptions{Keep: even("k", n)}); r.Rewritten+r.Removed != 0 || r.Freed != 0 {
		t.Errorf("a second time: %+v", r)
	}
	if after := files(dir); fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("segments without garbage were touched: %v, %v", before, after)
	}
	putRows(t, opened, "k", 0, n) // what is gone is written again
	if err := opened.Sync(); err != nil {
		t.Fatal(err)
	}
	wantRows(t, s, "k", all, n)
	if r := collect(t, s, CollectOptions{Keep: func(Kind, Digest) bool { return false }}); r.Busy != 1 {
		t.Errorf("with a live writer: %+v", r)
	}
	closeStore(t, opened)
	if r := collect(t, s, CollectOptions{Keep: func(Kind, Digest) bool { return false }}); r.Kept != 0 || r.Busy != 0 {
		t.Errorf("nothing kept: %+v", r)
	}
	wantRows(t, open(t, dir, opts), "k", none, n)
	if names, _ := filepath.Glob(filepath.Join(dir, "v1", "rows", "*")); len(names) != 0 {
		t.Errorf("left: %v", names)
	}
}

// What is young stays, and Before is never later than the start.
func TestCollectBefore(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	putRows(t, s, "k", 0, 10)
	never := func(Kind, Digest) bool { return false }
	for _, before := range []time.Time{time.Now().Add(-time.Hour), time.Unix(1, 0), time.Unix(-1, 0), time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if r := collect(t, s, CollectOptions{Keep: never, Before: before}); r.Kept != 10 {
			t.Errorf("Before %s: %+v", before, r)
		}
	}
	put := false
	r := collect(t, s, CollectOptions{Before: time.Now().Add(time.Hour), Keep: func(Kind, Digest) bool {
		if !put {
			putRows(t, s, "new", 0, 5)
			put = true
		}
		return false
	}})
	if r.Dropped != 10 || r.Kept != 5 {
		t.Errorf("%+v", r)
	}
	wantRows(t, s, "new", all, 5)
}

// An old value must not show again when a newer one goes, though the segment
// of the old one cannot be collected.
func TestCollectUncoversNothing(t *testing.T) {
	for _, how := range []string{"unwanted", "withdrawn", "damaged", "header", "read"} {
		dir := t.TempDir()
		writer, s := open(t, dir, Options{}), open(t, dir, Options{})
		k := keyOf("k", 0)
		newer := []byte("newer")
		if how == "withdrawn" {
			newer = nil
		}
		if err := errors.Join(writer.PutDurable(Rows, k, []byte("older")), s.Refresh(Rows),
			s.PutDurable(Rows, k, newer), s.PutDurable(Rows, keyOf("k", 1), []byte("other"))); err != nil {
			t.Fatal(err)
		}
		path, id := s.logs[Rows].w.seg.path, s.logs[Rows].w.seg.id
		closeStore(t, s)
		if how == "damaged" || how == "header" || how == "read" {
			off := segmentHeader + headerSize
			if how == "header" {
				off -= 3
			}
			flipByte(t, path, off)
		}
		s = open(t, dir, Options{})
		if how == "read" { // the index has forgotten it
			if _, err := s.Get(Rows, k); !errors.Is(err, ErrNotFound) {
				t.Fatal(err)
			}
		}
		keep := func(_ Kind, key Digest) bool { return key == keyOf("k", 1) }
		if r := collect(t, s, CollectOptions{Keep: keep}); r.Busy == 0 {
			t.Fatalf("%s: %+v", how, r)
		}
		for _, s := range []*Store{s, open(t, dir, Options{})} {
			if v, err := s.Get(Rows, k); err == nil && string(v) == "older" {
				t.Errorf("%s: the older value shows", how)
			}
		}
		closeStore(t, writer)
		if r := collect(t, s, CollectOptions{Keep: keep}); r.Kept != 1 || r.Busy != 0 {
			t.Errorf("%s, once the writer is gone: %+v", how, r)
		}
		if _, err := os.Stat(filepath.Join(dir, "v1", "rows", segmentName(id))); err == nil {
			t.Errorf("%s: the segment stays", how)
		}
		s = open(t, dir, Options{})
		if _, err := s.Get(Rows, k); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s, at the end: %v", how, err)
		}
		if v, err := s.Get(Rows, keyOf("k", 1)); err != nil || string(v) != "other" {
			t.Errorf("%s: %q, %v", how, v, err)
		}
	}
}

func flipByte(t testing.TB, path string, off int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[off] ^= 4
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Two segments that each hold the older value of what the other holds newer.
func TestCollectCrossed(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir, Options{}), open(t, dir, Options{})
	x, y := keyOf("x", 0), keyOf("y", 0)
	err := errors.Join(a.PutDurable(Rows, x, []byte("1")), b.PutDurable(Rows, y, []byte("1")), a.Refresh(Rows), b.Refresh(Rows),
		a.PutDurable(Rows, y, []byte("2")), b.PutDurable(Rows, x, []byte("2")), a.Close(), b.Close())
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, dir, Options{})
	r := collect(t, s, CollectOptions{Keep: func(_ Kind, key Digest) bool { return false }})
	if r.Kept != 0 || r.Dropped != 2 || r.Dead != 2 {
		t.Errorf("%+v", r)
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "v1", "rows", "*")); len(names) != 0 {
		t.Errorf("left: %v", names)
	}
}

// Nobody who reads or writes while collections run misses anything.
func TestCollectWhileOthersWork(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opts := Options{segmentSize: 16 << 10}
	const n = 150
	s := open(t, dir, opts)
	putRows(t, s, "kept", 0, n)
	closeStore(t, s)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	keep := map[Digest]bool{}
	for i := range n {
		keep[keyOf("kept", i)] = true
	}
	for g := range 2 { // readers, each time anew or with an old index
		wg.Go(func() {
			old := open(t, dir, opts)
			for i := 0; ctx.Err() == nil; i++ {
				s := old
				var said notes
				if i%3 == g {
					o := opts
					o.Damaged = said.add
					s = open(t, dir, o)
				}
				for j := range n {
					if v, err := s.Get(Rows, keyOf("kept", (j*7+i)%n)); err != nil || !bytes.Equal(v, valueOf("kept", (j*7+i)%n)) {
						t.Errorf("reader %d, round %d: %d bytes, %v; %s", g, i, len(v), err, said.String())
						return
					}
				}
				if s != old {
					_ = s.Close()
				}
			}
		})
	}
	for g := range 2 { // writers of rubbish, and of what others must find
		wg.Go(func() {
			s := open(t, dir, opts)
			for i := 0; ctx.Err() == nil; i++ {
				for j := range 10 {
					if err := s.Put(Rows, keyOf("rubbish", j), fmt.Appendf(nil, "%d %d", g, i)); err != nil {
						t.Error(err)
					}
				}
				// A copy of what is kept, so that the old one is superseded.
				j := (i*2 + g) % n
				if err := s.add(s.logs[Rows], keyOf("kept", j), valueOf("kept", j), i%2 == 0); err != nil {
					t.Error(err)
				}
				if i%4 == 3 {
					_ = s.Close()
					s = open(t, dir, opts)
				}
			}
		})
	}
	var collectors sync.WaitGroup
	for g := range 2 {
		collectors.Go(func() {
			s := open(t, dir, opts)
			for i := range 15 {
				_, err := s.Collect(t.Context(), CollectOptions{Kinds: []Kind{Rows}, Keep: func(_ Kind, key Digest) bool { return keep[key] }})
				if err != nil {
					t.Errorf("collection %d of %d: %v", i, g, err)
				}
			}
		})
	}
	collectors.Wait()
	stop()
	wg.Wait()
	s = open(t, dir, opts)
	wantRows(t, s, "kept", all, n)
	if r, err := s.Verify(t.Context()); err != nil || len(r.Damage) > 0 {
		t.Errorf("Verify: %+v, %v", r.Damage, err)
	}
}
