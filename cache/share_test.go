package cache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"testing"
	"time"
)

// A newer value of a known key is seen after Refresh, whoever wrote it.
func TestRefresh(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir, Options{}), open(t, dir, Options{})
	k := keyOf("k", 0)
	want := func(s *Store, v string) {
		t.Helper()
		if got, err := s.Get(Steps, k); err != nil || string(got) != v {
			t.Fatalf("%q, %v; want %q", got, err, v)
		}
	}
	if err := a.PutDurable(Steps, k, []byte("1")); err != nil {
		t.Fatal(err)
	}
	want(b, "1")
	if err := errors.Join(a.PutDurable(Steps, k, []byte("2")), b.Refresh(Steps)); err != nil {
		t.Fatal(err)
	}
	want(b, "2")
	if err := errors.Join(b.Put(Steps, k, []byte("3")), a.Refresh(Steps)); err != nil {
		t.Fatal(err)
	}
	want(a, "2") // b has it in memory still
	if err := errors.Join(b.Sync(), a.Refresh(Steps)); err != nil {
		t.Fatal(err)
	}
	want(a, "3")
	// The order of segments in the folder means nothing.
	if err := errors.Join(a.PutDurable(Steps, k, []byte("4")), b.Refresh(Steps)); err != nil {
		t.Fatal(err)
	}
	want(b, "4")
	want(open(t, dir, Options{}), "4")
	if err := a.Refresh(Blobs); err != nil {
		t.Error(err)
	}
	if a.Refresh(77) == nil || a.Each(77, nil) == nil {
		t.Error("an unknown kind was accepted")
	}
	closeStore(t, b)
	if err := b.Refresh(Steps); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestEach(t *testing.T) {
	dir := t.TempDir()
	opts := Options{segmentSize: 16 << 10}
	s := open(t, dir, opts)
	putRows(t, s, "k", 0, 50)
	if err := errors.Join(s.Put(Rows, keyOf("k", 3), []byte("newer")), s.Put(Rows, keyOf("k", 4), nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutBlob(nil); err != nil {
		t.Fatal(err)
	}
	other := open(t, dir, opts)
	if err := other.PutDurable(Rows, keyOf("k", 5), []byte("of another process")); err != nil {
		t.Fatal(err)
	}
	want := map[Digest][]byte{}
	for i := range 50 {
		want[keyOf("k", i)] = valueOf("k", i)
	}
	want[keyOf("k", 3)], want[keyOf("k", 5)] = []byte("newer"), []byte("of another process")
	for k, v := range want {
		if len(v) == 0 {
			delete(want, k)
		}
	}
	delete(want, keyOf("k", 4))
	check := func(s *Store) {
		t.Helper()
		seen := map[Digest]bool{}
		err := s.Each(Rows, func(key Digest, v []byte) error {
			if seen[key] || !bytes.Equal(v, want[key]) {
				t.Errorf("%s: %d bytes, want %d; seen %t", key, len(v), len(want[key]), seen[key])
			}
			seen[key] = true
			_, err := s.Get(Rows, key)
			return err
		})
		if err != nil || len(seen) != len(want) {
			t.Errorf("%d of %d, %v", len(seen), len(want), err)
		}
	}
	check(s)
	closeStore(t, s)
	s = open(t, dir, opts)
	check(s)
	n := 0
	if err := s.Each(Blobs, func(key Digest, v []byte) error { n++; return nil }); err != nil || n != 1 {
		t.Errorf("%d blobs, %v", n, err)
	}
	stop := errors.New("stop")
	if err := s.Each(Rows, func(Digest, []byte) error { return stop }); err != stop {
		t.Error(err)
	}
	// One goes through while another collects.
	first := true
	err := other.Each(Rows, func(Digest, []byte) error {
		if first {
			collect(t, s, CollectOptions{})
			first = false
		}
		n++
		return nil
	})
	if err != nil || n != 1+len(want) {
		t.Errorf("%d, %v", n, err)
	}
}

// A put is spared while the record is young; an old one is written again, so
// that a collection sees that it is in use.
func TestOldRecordsAreRenewed(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	long := uint64(time.Now().Add(-2 * spareFor).UnixNano())
	for _, k := range []Kind{Rows, Blobs} {
		l, v := s.logs[k], []byte("value")
		rec, err := s.codec.encode(k, Sum(v), v)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.ready(); err != nil {
			t.Fatal(err)
		}
		if _, err := l.put(Sum(v), *rec); err != nil {
			t.Fatal(err)
		}
		w := l.w // as if it had been put long ago
		binary.LittleEndian.PutUint64(w.buf[offSeq:], long)
		seal(w.buf, w.seg.id, segmentHeader, long)
		w.entries[0].seq = long
	}
	for range 2 {
		_, err := s.PutBlob([]byte("value"))
		if err := errors.Join(err, s.Put(Rows, Sum([]byte("value")), []byte("value"))); err != nil {
			t.Fatal(err)
		}
	}
	before := time.Now().Add(-spareFor)
	r, err := s.Collect(t.Context(), CollectOptions{Before: before, Keep: func(Kind, Digest) bool { return false }})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range r.Kinds {
		if (k.Kind == "rows" || k.Kind == "blobs") && (k.Kept != 1 || k.Dead != 1) {
			t.Errorf("%+v", k)
		}
	}
}

// A writer that opened a segment before it was collected must not append to it.
func TestCollectedSegmentIsNotAppendedTo(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	if err := s.PutDurable(Rows, keyOf("k", 0), []byte("v")); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	path := onlySegment(t, dir, "rows")
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	collect(t, open(t, dir, Options{}), CollectOptions{Keep: func(Kind, Digest) bool { return false }})
	if _, ok, err := lockSegment(f, path); ok || err != nil {
		t.Errorf("lockSegment: %t, %v", ok, err)
	}
}

// A process that read the folder just when a segment and the one in its place
// were both there finds the records when the first is gone.
func TestTwins(t *testing.T) {
	for _, oldFirst := range []bool{true, false} {
		dir := t.TempDir()
		s := open(t, dir, Options{})
		putRows(t, s, "k", 0, 20)
		closeStore(t, s)
		old := onlySegment(t, dir, "rows")
		s = open(t, dir, Options{})
		l := s.logs[Rows]
		if err := l.ready(); err != nil {
			t.Fatal(err)
		}
		// A collection, up to where it is killed before it removes anything.
		c := &compactor{l: l, opts: &CollectOptions{Before: time.Now()}, older: map[fold]int32{}}
		seg := l.segs[0]
		f, err := seg.file()
		if err != nil {
			t.Fatal(err)
		}
		so := sorter{c: c, src: &source{seg: seg, f: f}, here: map[fold]int32{}}
		if err := errors.Join(so.sort(t.Context()), c.copy(t.Context(), so.src, so.keep), l.install(c.out)); err != nil {
			t.Fatal(err)
		}
		reader := open(t, dir, Options{})
		r := reader.logs[Rows]
		if err := r.ready(); err != nil {
			t.Fatal(err)
		}
		ids := []uint64{c.out.id, seg.id}
		if oldFirst {
			ids[0], ids[1] = ids[1], ids[0]
		}
		// As if the folder had named them in this order.
		r.mu.Lock()
		for _, id := range ids {
			r.byID[id].covered = 0
			if _, err := r.catchUp(r.byID[id]); err != nil {
				t.Fatal(err)
			}
		}
		r.mu.Unlock()
		closeStore(t, s)
		if err := errors.Join(os.Remove(old), os.Remove(sidecarPath(old))); err != nil {
			t.Fatal(err)
		}
		wantRows(t, reader, "k", all, 20)
		n := 0
		if err := reader.Each(Rows, func(Digest, []byte) error { n++; return nil }); err != nil || n != 20 {
			t.Errorf("Each: %d, %v", n, err)
		}
		// Its index may still name what is gone; a collection knows better.
		if k := collect(t, reader, CollectOptions{}); k.Kept != 20 || k.Dead != 0 {
			t.Errorf("%+v", k)
		}
		wantRows(t, open(t, dir, Options{}), "k", all, 20)
	}
}

// Of many who refresh at a time, each then finds what was durable before it
// asked, though most of them have not looked themselves.
func TestRefreshTogether(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir, Options{}), open(t, dir, Options{})
	const each = 50
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range each {
				k := keyOf("k", g*each+i)
				if err := errors.Join(a.PutDurable(Calls, k, []byte("v")), b.Refresh(Calls)); err != nil {
					t.Error(err)
					return
				}
				if v, err := b.Peek(Calls, k); err != nil || string(v) != "v" {
					t.Errorf("writer %d, record %d: %q, %v", g, i, v, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
