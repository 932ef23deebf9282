package cache

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestDigest(t *testing.T) {
	d := Sum([]byte("abc"))
	const want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	if d.String() != want {
		t.Fatalf("Sum(abc) = %s", d)
	}
	if back, err := ParseDigest(want); err != nil || back != d {
		t.Fatalf("ParseDigest = %s, %v", back, err)
	}
	var text Digest
	if b, err := d.MarshalText(); err != nil || text.UnmarshalText(b) != nil || text != d {
		t.Fatalf("as text: %s, %v", b, err)
	}
	for _, bad := range []string{"", "ba78", strings.ToUpper(want), want + "00", want[:63] + "g"} {
		if _, err := ParseDigest(bad); err == nil {
			t.Errorf("ParseDigest(%q) was accepted", bad)
		}
	}
}

func TestPutGet(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 3<<20)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	values := map[string][]byte{
		"empty": {}, "one": {0}, "short": []byte("hello"), "text": text(r, 5000),
		"zeros": make([]byte, 8<<20), "noise": noise,
		"magic": bytes.Repeat(recordMagic(), 100),
	}
	dir := t.TempDir()
	s := open(t, dir, Options{})
	check := func(s *Store) {
		t.Helper()
		for name, v := range values {
			for _, k := range []Kind{Steps, Rows, Calls, Files, Describe} {
				key := Sum([]byte(k.String() + name))
				if got, err := s.Get(k, key); err != nil || !bytes.Equal(got, v) {
					t.Errorf("Get(%s, %s): %d bytes, %v", k, name, len(got), err)
				}
			}
			if got, err := s.Blob(Sum(v)); err != nil || !bytes.Equal(got, v) {
				t.Errorf("Blob(%s): %d bytes, %v", name, len(got), err)
			}
		}
		for _, k := range []Kind{Steps, Rows} {
			if _, err := s.Get(k, Digest{}); !errors.Is(err, ErrNotFound) {
				t.Errorf("absent: %v", err)
			}
		}
	}
	for name, v := range values {
		for _, k := range []Kind{Steps, Rows, Calls, Files, Describe} {
			put := s.Put
			if k == Calls {
				put = s.PutDurable
			}
			if err := put(k, Sum([]byte(k.String()+name)), v); err != nil {
				t.Fatal(err)
			}
		}
		if d, err := s.PutBlob(v); err != nil || d != Sum(v) {
			t.Fatalf("PutBlob: %s, %v", d, err)
		}
	}
	check(s)
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	check(s)
	check(open(t, dir, Options{ReadOnly: true}))
	closeStore(t, s)
	check(open(t, dir, Options{}))
}

// Keys may be any bytes, near ones too, and the last put wins.
func TestKeysAndOverwrites(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	keys := []Digest{{}, {31: 1}, {0: 1}, {16: 1}, {15: 1}, {0: 1, 16: 1}, Sum(nil)}
	for i := range 300 {
		keys = append(keys, Digest{8: byte(i), 9: byte(i >> 8), 10: 1}, Digest{30: byte(i >> 8), 31: byte(i), 5: 9})
	}
	for round := range 3 {
		for i, k := range keys {
			if err := s.Put(Rows, k, fmt.Appendf(nil, "%d/%d", i, round)); err != nil {
				t.Fatal(err)
			}
		}
		if round == 1 {
			closeStore(t, s)
			s = open(t, dir, Options{})
		}
	}
	for range 2 {
		for i, k := range keys {
			if v, err := s.Get(Rows, k); err != nil || string(v) != fmt.Sprintf("%d/2", i) {
				t.Fatalf("key %d: %q, %v", i, v, err)
			}
		}
		closeStore(t, s)
		s = open(t, dir, Options{})
	}
}

func TestEqualPutsAreNotWrittenAgain(t *testing.T) {
	dir := t.TempDir()
	var sizes []int64
	for range 3 {
		s := open(t, dir, Options{})
		for i := range 50 {
			if err := s.Put(Rows, keyOf("k", i), valueOf("v", i)); err != nil {
				t.Fatal(err)
			}
			if _, err := s.PutBlob(valueOf("v", i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Sync(); err != nil {
			t.Fatal(err)
		}
		st, err := s.Stats()
		if err != nil {
			t.Fatal(err)
		}
		total := int64(0)
		for _, k := range st.Kinds {
			total += k.Bytes
			if (k.Kind == "rows" || k.Kind == "blobs") && (k.Records != 50 || k.Segments != 1) {
				t.Errorf("stats: %+v", k)
			}
		}
		sizes = append(sizes, total)
		closeStore(t, s)
	}
	if sizes[0] == 0 || sizes[0] != sizes[1] || sizes[1] != sizes[2] {
		t.Errorf("sizes %v", sizes)
	}
}

// Many builds, one after the other, must not make many files.
func TestSegmentsAreReused(t *testing.T) {
	dir := t.TempDir()
	for i := range 100 {
		s := open(t, dir, Options{})
		if err := s.Put(Steps, keyOf("k", i), []byte("v")); err != nil {
			t.Fatal(err)
		}
		closeStore(t, s)
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "v1", "*", "*")); len(names) != 2 {
		t.Errorf("files: %v", names)
	}
}

func TestSegmentsRoll(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{segmentSize: 64 << 10})
	for i := range 400 {
		if err := s.Put(Rows, keyOf("k", i), valueOf("v", i)); err != nil {
			t.Fatal(err)
		}
	}
	check := func(s *Store) {
		t.Helper()
		for i := range 400 {
			if v, err := s.Get(Rows, keyOf("k", i)); err != nil || !bytes.Equal(v, valueOf("v", i)) {
				t.Fatalf("record %d: %v", i, err)
			}
		}
	}
	check(s)
	closeStore(t, s)
	s = open(t, dir, Options{segmentSize: 64 << 10})
	check(s)
	st, err := s.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if n := st.Kinds[1].Segments; n < 4 || n > 20 {
		t.Errorf("%d segments", n)
	}
}

// A kind that is not asked for is not loaded.
func TestKindsLoadLazily(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	for _, k := range []Kind{Steps, Rows} {
		if err := s.Put(k, keyOf("k", 0), []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	closeStore(t, s)
	s = open(t, dir, Options{})
	if _, err := s.Get(Steps, keyOf("k", 0)); err != nil {
		t.Fatal(err)
	}
	for k, l := range s.logs {
		if l.loaded != (k == Steps) {
			t.Errorf("%s: loaded = %t", k, l.loaded)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{segmentSize: 256 << 10})
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 60 {
				n := g*60 + i
				if err := s.PutDurable(Calls, keyOf("c", n), valueOf("c", n)); err != nil {
					t.Error(err)
				}
				d, err := s.PutBlob(valueOf("b", n%100))
				if err != nil {
					t.Error(err)
				}
				if v, err := s.Blob(d); err != nil || !bytes.Equal(v, valueOf("b", n%100)) {
					t.Errorf("blob: %v", err)
				}
				if v, err := s.Get(Calls, keyOf("c", n)); err != nil || !bytes.Equal(v, valueOf("c", n)) {
					t.Errorf("call: %v", err)
				}
				if _, err := s.Get(Rows, keyOf("none", n)); !errors.Is(err, ErrNotFound) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	closeStore(t, s)
	s = open(t, dir, Options{})
	for n := range 960 {
		if v, err := s.Get(Calls, keyOf("c", n)); err != nil || !bytes.Equal(v, valueOf("c", n)) {
			t.Fatalf("call %d: %v", n, err)
		}
	}
}

func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	closeStore(t, open(t, dir, Options{}))
	for name, want := range map[string]string{"README": "confidential", "CACHEDIR.TAG": "8a477f597d28d172789f06886806bc55"} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if fi, err := os.Stat(dir); err != nil || fi.Mode().Perm()&0o077 != 0 {
		t.Errorf("the cache folder is open to others: %v, %v", fi.Mode(), err)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	inner := filepath.Join(dir, "inner")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Mkdir(inner, 0o700),
		os.WriteFile(filepath.Join(inner, "v1"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path string
		opts Options
		want string
	}{
		{file, Options{}, "is a file, not a folder"},
		{filepath.Join(file, "below"), Options{}, "below"},
		{inner, Options{}, "v1 is a file, not a folder"},
		{filepath.Join(dir, "none"), Options{ReadOnly: true}, "there is no cache folder"},
	} {
		if _, err := Open(c.path, c.opts); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Open(%s): %v", c.path, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	if err := s.Put(Rows, Digest{}, []byte("v")); err != nil {
		t.Fatal(err)
	}
	for _, k := range []Kind{0, 77} {
		if _, err := s.Get(k, Digest{}); err == nil || errors.Is(err, ErrNotFound) {
			t.Errorf("Get of kind %d: %v", k, err)
		}
		if err := s.Put(k, Digest{}, nil); err == nil {
			t.Errorf("Put of kind %d was accepted", k)
		}
	}
	closeStore(t, s)
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	_, getErr := s.Get(Rows, Digest{})
	_, blobErr := s.PutBlob(nil)
	for _, err := range []error{getErr, blobErr, s.Put(Rows, Digest{}, nil), s.PutDurable(Steps, Digest{}, nil)} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
	ro := open(t, dir, Options{ReadOnly: true})
	if err := ro.Put(Rows, Digest{}, []byte("other")); !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), dir) {
		t.Errorf("Put into a read-only store: %v", err)
	}
	if v, err := ro.Get(Rows, Digest{}); err != nil || string(v) != "v" {
		t.Errorf("Get: %q, %v", v, err)
	}
}

// A folder that cannot be written gives an error that names it.
func TestUnwritable(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	if err := os.WriteFile(filepath.Join(dir, "v1", "calls"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := s.PutDurable(Calls, Digest{}, []byte("v"))
	if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "v1", "calls")) {
		t.Errorf("PutDurable: %v", err)
	}
	denied := writeError("/c/v1", &fs.PathError{Op: "open", Path: "/c/v1", Err: fs.ErrPermission})
	if !strings.Contains(denied.Error(), "AUTOSAFE_CACHE") || !errors.Is(denied, fs.ErrPermission) {
		t.Error(denied)
	}
}

func TestLargeValue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	big := make([]byte, 64<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(big)
	s := open(t, dir, Options{})
	if err := errors.Join(s.PutDurable(Calls, Digest{1}, big), s.PutDurable(Calls, Digest{2}, []byte("after"))); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if v, err := s.Get(Calls, Digest{1}); err != nil || !bytes.Equal(v, big) {
			t.Fatalf("%d bytes, %v", len(v), err)
		}
		if v, err := s.Get(Calls, Digest{2}); err != nil || string(v) != "after" {
			t.Fatalf("%q, %v", v, err)
		}
		closeStore(t, s)
		s = open(t, dir, Options{})
	}
}

// A put that is spared because another process has the value already is
// durable after Sync even if the other never syncs.
func TestSparedPutIsSynced(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir, Options{}), open(t, dir, Options{})
	if err := a.Put(Rows, keyOf("k", 1), []byte("v")); err != nil {
		t.Fatal(err)
	}
	l := a.logs[Rows]
	l.wmu.Lock()
	err := l.flush(l.w) // written, not synced
	path := l.w.seg.path
	l.wmu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Get(Rows, keyOf("k", 1)); err != nil {
		t.Fatal(err)
	}
	sync1, synced := b.env.sync, ""
	b.env.sync = func(f *os.File) error { synced = f.Name(); return sync1(f) }
	if err := errors.Join(b.Put(Rows, keyOf("k", 1), []byte("v")), b.Sync()); err != nil {
		t.Fatal(err)
	}
	if synced != path {
		t.Errorf("synced %q, want %q", synced, path)
	}
}
