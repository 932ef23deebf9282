package cache

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// furnished is a store with all that a folder can have: several segments,
// among them collected ones, claims, leftovers of killed processes.
func furnished(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	opts := Options{segmentSize: 8 << 10}
	s := open(t, dir, opts)
	putRows(t, s, "d", 0, 60)
	putRows(t, s, "rubbish", 0, 60)
	for i := range 20 {
		if _, err := s.PutBlob(valueOf("d", i)); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Put(Calls, keyOf("d", i), valueOf("d", i)), s.Put(Builds, keyOf("d", i), valueOf("d", i))); err != nil {
			t.Fatal(err)
		}
	}
	release, err := s.Claim(t.Context(), Calls, keyOf("d", 0))
	if err != nil {
		t.Fatal(err)
	}
	release()
	keep := map[Digest]bool{}
	for i := range 60 {
		keep[keyOf("d", i)] = true
	}
	collect(t, s, CollectOptions{Keep: func(_ Kind, key Digest) bool { return keep[key] }})
	closeStore(t, s)
	for _, name := range []string{"0123456789abcdef" + sidecarExt, "0123456789abcdef" + segmentExt + tempExt} {
		if err := os.WriteFile(filepath.Join(dir, "v1", "rows", name), []byte("left behind"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// tryFurnished reads everything: right or not there. It returns how many
// records of one kind are lost, and how many of the others.
func tryFurnished(t *testing.T, s *Store, what, kind string) (ofKind, others int) {
	t.Helper()
	see := func(of string, v []byte, err error, want []byte) {
		t.Helper()
		switch {
		case errors.Is(err, ErrNotFound) && of == kind:
			ofKind++
		case errors.Is(err, ErrNotFound):
			others++
		case err != nil || !bytes.Equal(v, want):
			t.Fatalf("%s: %s: %d bytes, %v", what, of, len(v), err)
		}
	}
	for i := range 60 {
		v, err := s.Get(Rows, keyOf("d", i))
		see("rows", v, err, valueOf("d", i))
	}
	for i := range 20 {
		for _, k := range []Kind{Calls, Builds} {
			v, err := s.Get(k, keyOf("d", i))
			see(k.String(), v, err, valueOf("d", i))
		}
		v, err := s.Blob(Sum(valueOf("d", i)))
		see("blobs", v, err, valueOf("d", i))
	}
	return ofKind, others
}

// allFiles are all files below dir.
func allFiles(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// Any file of a cache cut or flipped at a random place, as a power cut or a
// bad disk may: never a panic or a wrong value, only the file's kind loses
// something, Repair puts it in order, and puts and collections go on.
func TestAnyFileDamaged(t *testing.T) {
	t.Parallel()
	master := furnished(t)
	opts := Options{segmentSize: 8 << 10}
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 15))
	open := func(t testing.TB, dir string, opts Options) *Store {
		s := open(t, dir, opts)
		s.env.sync = func(*os.File) error { return nil }
		return s
	}
	for round, path := range repeat(allFiles(t, master), rounds(t, 1)) {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(master)); err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(master, path)
		if err != nil {
			t.Fatal(err)
		}
		what, most := hurt(t, r, filepath.Join(dir, name))
		kind := filepath.Base(filepath.Dir(name))
		try := func(s *Store) {
			t.Helper()
			if ofKind, others := tryFurnished(t, s, what, kind); ofKind > most || others > 0 {
				t.Fatalf("%s: of %s %d are lost, at most %d are damaged; of others %d", what, kind, ofKind, most, others)
			}
		}
		reported := lostIn(t, what, verified(t, dir, opts))
		s := open(t, dir, opts)
		try(s)
		if ofKind, _ := tryFurnished(t, s, what, kind); ofKind != reported {
			t.Fatalf("%s: %d are lost, Verify says %d", what, ofKind, reported)
		}
		if err := s.Each(Rows, func(Digest, []byte) error { return nil }); err != nil {
			t.Fatalf("%s: Each: %v", what, err)
		}
		if _, err := s.Stats(); err != nil {
			t.Fatalf("%s: Stats: %v", what, err)
		}
		closeStore(t, s)
		s = open(t, dir, opts)
		switch round % 3 {
		case 0:
			repairFurnished(t, s, what)
		case 1:
			if _, err := s.Collect(t.Context(), CollectOptions{}); err != nil {
				t.Fatalf("%s: Collect: %v", what, err)
			}
		}
		try(s)
		putRows(t, s, "d", 0, 60)
		for i := range 20 {
			_, err := s.PutBlob(valueOf("d", i))
			if err := errors.Join(err, s.Put(Calls, keyOf("d", i), valueOf("d", i)), s.Put(Builds, keyOf("d", i), valueOf("d", i))); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
		closeStore(t, s)
		most = 0
		s = open(t, dir, opts)
		try(s)
		closeStore(t, s)
	}
}

func repeat(paths []string, n int) (all []string) {
	for range n {
		all = append(all, paths...)
	}
	return all
}

// hurt cuts or flips the file. It says so, and how many records are damaged
// at most.
func hurt(t *testing.T, r *rand.Rand, path string) (what string, most int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	what = filepath.Base(path)
	id, segment := segmentID(what)
	switch at := r.IntN(len(b) + 1); {
	case at == len(b):
		b, what = append(b, "more"...), what+" with more behind it"
	case r.IntN(2) == 0:
		sc := newScanner(bytes.NewReader(b), id, segmentHeader, int64(len(b)))
		for sp, ok := sc.next(); ok; sp, ok = sc.next() {
			if sp.off+sp.n > int64(at) {
				most++
			}
		}
		b, what = b[:at], what+" cut"
	default:
		for range 1 + r.IntN(3) {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
			most++
		}
		what += " flipped"
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if !segment {
		most = 0 // costs nothing
	}
	return what, most
}

func repairFurnished(t *testing.T, s *Store, what string) {
	t.Helper()
	found, err := s.Repair(t.Context())
	if err != nil {
		t.Fatalf("%s: Repair: %v", what, err)
	}
	for _, d := range found.Damage {
		if !d.Repaired {
			t.Fatalf("%s: not repaired: %+v", what, d)
		}
	}
	if after, err := s.Verify(t.Context()); err != nil || len(after.Damage) > 0 {
		t.Fatalf("%s: after Repair: %+v, %v", what, after.Damage, err)
	}
}

// Repair leaves alone what somebody writes to, and says so.
func TestRepairBusy(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	if err := s.PutDurable(Rows, keyOf("k", 0), []byte("v")); err != nil {
		t.Fatal(err)
	}
	path := onlySegment(t, dir, "rows")
	closeStore(t, s)
	flipByte(t, path, segmentHeader+headerSize)
	writer := open(t, dir, Options{})
	if err := writer.PutDurable(Rows, keyOf("k", 1), []byte("v")); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{})
	if r, err := s.Repair(t.Context()); err != nil || len(r.Damage) != 1 || r.Damage[0].Repaired {
		t.Errorf("busy: %+v, %v", r, err)
	}
	if _, err := open(t, dir, Options{ReadOnly: true}).Repair(t.Context()); !errors.Is(err, ErrReadOnly) {
		t.Errorf("read-only: %v", err)
	}
	closeStore(t, writer)
	if r, err := s.Repair(t.Context()); err != nil || len(r.Damage) != 1 || !r.Damage[0].Repaired {
		t.Errorf("free: %+v, %v", r, err)
	}
	if r, err := s.Repair(t.Context()); err != nil || len(r.Damage) != 0 || r.Records != 1 {
		t.Errorf("again: %+v, %v", r, err)
	}
}

// A disk that fills up in the middle of a collection or an import: an error
// that says so, and everything that was there still is.
func TestDiskFullLater(t *testing.T) {
	const n = 300
	dir := t.TempDir()
	opts := Options{segmentSize: 64 << 10}
	s := open(t, dir, opts)
	putRows(t, s, "k", 0, n)
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	write := s.env.write
	for _, room := range []int{0, 1, 3} {
		left := room
		s.env.write = func(f *os.File, b []byte, off int64) error {
			if left--; left < 0 {
				_ = write(f, b[:len(b)/2], off)
				return &fs.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
			}
			return write(f, b, off)
		}
		_, err := s.Collect(t.Context(), CollectOptions{Keep: even("k", n)})
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "free some disk space") {
			t.Fatalf("Collect with room for %d: %v", room, err)
		}
		wantEven(t, open(t, dir, opts), n)
		if left, _ := filepath.Glob(filepath.Join(dir, "v1", "rows", "*"+tempExt)); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
	// What can go without anything being written goes all the same.
	s.env.write = write
	putRows(t, s, "rubbish", 0, n)
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	s.env.write = func(f *os.File, _ []byte, _ int64) error {
		return &fs.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
	}
	keep := map[Digest]bool{}
	for i := range n {
		keep[keyOf("k", i)] = true
	}
	full, err := s.Collect(t.Context(), CollectOptions{Kinds: []Kind{Rows}, Keep: func(_ Kind, key Digest) bool { return keep[key] }})
	if !errors.Is(err, syscall.ENOSPC) || full.Kinds[0].Removed == 0 || full.Kinds[0].Rewritten > 0 || full.Kinds[0].Freed == 0 {
		t.Errorf("Collect without room: %+v, %v", full, err)
	}
	wantEven(t, open(t, dir, opts), n)
	bundle := makeBundle(t, 20)
	s.env.write = func(f *os.File, b []byte, off int64) error {
		return &fs.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
	}
	if _, err := s.Import(t.Context(), bytes.NewReader(bundle)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Import: %v", err)
	}
	s.env.write = write
	if _, err := s.Import(t.Context(), bytes.NewReader(bundle)); err != nil {
		t.Errorf("Import with room again: %v", err)
	}
	if r, err := s.Collect(t.Context(), CollectOptions{Kinds: []Kind{Rows}, Keep: even("k", n)}); err != nil || r.Kinds[0].Busy > 0 {
		t.Errorf("Collect with room again: %+v, %v", r, err)
	}
	wantEven(t, s, n)
}

// wantEven checks that the even rows are there, whatever became of the others.
func wantEven(t *testing.T, s *Store, n int) {
	t.Helper()
	for i := 0; i < n; i += 2 {
		if v, err := s.Get(Rows, keyOf("k", i)); err != nil || !bytes.Equal(v, valueOf("k", i)) {
			t.Fatalf("row %d: %v", i, err)
		}
	}
}

// A store that is only read: nothing is written, and what needs to says so.
func TestReadOnlyStore(t *testing.T) {
	dir := furnished(t)
	before := allFiles(t, dir)
	s := open(t, dir, Options{ReadOnly: true})
	if _, lost := tryFurnished(t, s, "read-only", ""); lost > 0 {
		t.Errorf("%d are lost", lost)
	}
	_, collectErr := s.Collect(t.Context(), CollectOptions{})
	_, importErr := s.Import(t.Context(), bytes.NewReader(nil))
	for _, err := range []error{collectErr, importErr} {
		if !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), dir) {
			t.Error(err)
		}
	}
	if r, err := s.Collect(t.Context(), CollectOptions{DryRun: true, Kinds: []Kind{Rows}, Keep: func(Kind, Digest) bool { return false }}); err != nil || r.Kinds[0].Dropped != 60 || r.Kinds[0].Freed == 0 {
		t.Errorf("dry run: %+v, %v", r, err)
	}
	var b bytes.Buffer
	if n, err := s.Export(t.Context(), &b, allRefs(s)); err != nil || n != 120 {
		t.Errorf("Export: %d, %v", n, err)
	}
	if err := s.Refresh(Rows); err != nil {
		t.Error(err)
	}
	if after := allFiles(t, dir); len(after) != len(before) {
		t.Errorf("files before %v, after %v", before, after)
	}
}
