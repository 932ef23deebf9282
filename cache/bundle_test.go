package cache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// makeBundle is a bundle with n calls, n rows and n blobs, and one row more
// that was withdrawn.
func makeBundle(t testing.TB, n int) []byte {
	t.Helper()
	s := open(t, t.TempDir(), Options{})
	for i := range n {
		_, err := s.PutBlob(valueOf("b", i))
		if err := errors.Join(err, s.Put(Rows, keyOf("r", i), valueOf("r", i)), s.Put(Calls, keyOf("c", i), valueOf("c", i)),
			s.Put(Files, keyOf("f", i), []byte("memo"))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Put(Rows, keyOf("w", 0), nil); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	got, err := s.Export(t.Context(), &b, allRefs(s))
	if err != nil || got != int64(3*n) {
		t.Fatal(got, err)
	}
	return b.Bytes()
}

// wantBundle counts what of the bundle is in the store; what is there must be
// right.
func wantBundle(t testing.TB, s *Store, n int) (there int64) {
	t.Helper()
	see := func(v []byte, err error, want []byte) {
		t.Helper()
		switch {
		case err == nil && bytes.Equal(v, want):
			there++
		case !errors.Is(err, ErrNotFound):
			t.Fatalf("%d bytes, %v", len(v), err)
		}
	}
	for i := range n {
		v, err := s.Get(Rows, keyOf("r", i))
		see(v, err, valueOf("r", i))
		v, err = s.Get(Calls, keyOf("c", i))
		see(v, err, valueOf("c", i))
		v, err = s.Blob(Sum(valueOf("b", i)))
		see(v, err, valueOf("b", i))
	}
	return there
}

func TestBundle(t *testing.T) {
	b := makeBundle(t, 50)
	dir := t.TempDir()
	s := open(t, dir, Options{})
	if r, err := s.Import(t.Context(), bytes.NewReader(b)); err != nil || r.Records != 150 || r.Added != 150 || r.Bytes != int64(len(b)) {
		t.Fatalf("%+v, %v", r, err)
	}
	sizes := files(dir)
	if r, err := s.Import(t.Context(), bytes.NewReader(b)); err != nil || r.Added != 0 || r.Same != 150 || r.Local != 0 {
		t.Fatalf("a second time: %+v, %v", r, err)
	}
	if again := files(dir); fmt.Sprint(sizes) != fmt.Sprint(again) {
		t.Errorf("a second import wrote: %v, %v", sizes, again)
	}
	if n := wantBundle(t, open(t, dir, Options{}), 50); n != 150 {
		t.Errorf("%d records are there", n)
	}
	if _, err := s.Get(Files, keyOf("f", 0)); !errors.Is(err, ErrNotFound) {
		t.Errorf("a memo came along: %v", err)
	}
	var again bytes.Buffer
	if n, err := s.Export(t.Context(), &again, allRefs(s)); err != nil || n != 150 {
		t.Error(n, err)
	}
}

// Where the store has another value, a call stays, and of other records the
// later one does.
func TestImportKeepsLocal(t *testing.T) {
	older := open(t, t.TempDir(), Options{})
	put := func(s *Store, v string) {
		t.Helper()
		if err := errors.Join(s.Put(Calls, Digest{1}, []byte(v)), s.Put(Steps, Digest{1}, []byte(v))); err != nil {
			t.Fatal(err)
		}
	}
	put(older, "older")
	local := open(t, t.TempDir(), Options{})
	put(local, "local")
	newer := open(t, t.TempDir(), Options{})
	put(newer, "newer")
	for _, c := range []struct {
		from            *Store
		added, local    int64
		wantCall, wantS string
	}{{older, 0, 2, "local", "local"}, {newer, 1, 1, "local", "newer"}} {
		var b bytes.Buffer
		if _, err := c.from.Export(t.Context(), &b, allRefs(c.from)); err != nil {
			t.Fatal(err)
		}
		r, err := local.Import(t.Context(), &b)
		if err != nil || r.Added != c.added || r.Local != c.local {
			t.Errorf("%+v, %v", r, err)
		}
		call, err1 := local.Get(Calls, Digest{1})
		step, err2 := local.Get(Steps, Digest{1})
		if err1 != nil || err2 != nil || string(call) != c.wantCall || string(step) != c.wantS {
			t.Errorf("call %q, step %q; %v, %v", call, step, err1, err2)
		}
	}
	// A withdrawn record counts as none.
	if err := local.Put(Steps, Digest{1}, nil); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	_, err := older.Export(t.Context(), &b, allRefs(older))
	if r, ierr := local.Import(t.Context(), &b); err != nil || ierr != nil || r.Added != 1 {
		t.Errorf("%+v, %v, %v", r, err, ierr)
	}
}

// Each byte flipped, and each length: one clear error, and everything whole is
// there.
func TestDamagedBundle(t *testing.T) {
	t.Parallel()
	const n = 4
	b := makeBundle(t, n)
	r := rand.New(rand.NewPCG(1, 2))
	try := func(what string, bad []byte, least int64) {
		t.Helper()
		s := open(t, t.TempDir(), Options{})
		s.env.sync = func(*os.File) error { return nil }
		report, err := s.Import(t.Context(), bytes.NewReader(bad))
		if !errors.Is(err, ErrBundle) {
			t.Fatalf("%s: %+v, %v", what, report, err)
		}
		there := wantBundle(t, s, n)
		if there < least || report.Added != there {
			t.Fatalf("%s: %d records are there of %d; %+v", what, there, least, report)
		}
		if r.IntN(3) > 0 {
			closeStore(t, s)
			return
		}
		if vr, err := s.Verify(t.Context()); err != nil || len(vr.Damage) > 0 {
			t.Fatalf("%s: Verify: %+v, %v", what, vr, err)
		}
		if rr, err := s.Import(t.Context(), bytes.NewReader(b)); err != nil || rr.Added != 3*n-there {
			t.Fatalf("%s, then the whole bundle: %+v, %v", what, rr, err)
		}
		closeStore(t, s)
	}
	for i := 0; i < len(b); i += 1 + r.IntN(400) {
		bad := append([]byte(nil), b...)
		bad[i] ^= 1 << r.IntN(8)
		try(fmt.Sprintf("byte %d of %d flipped", i, len(b)), bad, 3*n-1)
	}
	for i := bundleHeader; i < len(b); i += 1 + r.IntN(900) {
		whole, at := int64(0), int64(bundleHeader)
		for {
			h, ok := parseHeader(b[at:], bundleID, at)
			if !ok || at+h.size() > int64(i) {
				break
			}
			whole, at = whole+1, at+h.size()
		}
		try(fmt.Sprintf("cut at %d of %d", i, len(b)), b[:i], whole)
	}
	try("with more behind it", append(append([]byte(nil), b...), "more"...), 3*n)
	try("with a part gone", append(append([]byte(nil), b[:2000]...), b[2500:]...), 0)
}

// One place of damage is not told of as several.
func TestDamagedBundleSays(t *testing.T) {
	t.Parallel()
	b := makeBundle(t, 4)
	for _, c := range []struct {
		flip []int
		want string
	}{
		{[]int{bundleHeader + headerSize}, "the bundle is damaged: a stretch of it is not what was written, "},
		{[]int{0, bundleHeader + headerSize}, "the bundle is damaged: 2 stretches of it are not what was written, the first its header"},
	} {
		bad := append([]byte(nil), b...)
		for _, i := range c.flip {
			bad[i] ^= 1
		}
		s := open(t, t.TempDir(), Options{})
		if _, err := s.Import(t.Context(), bytes.NewReader(bad)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q in it", c.flip, err, c.want)
		}
	}
}

func TestNoBundle(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	b := makeBundle(t, 1)
	other := append([]byte(nil), b...)
	for i := range other[bundleHeader:] {
		other[bundleHeader+i] ^= 0x55
	}
	other[8] = 9
	for _, c := range []struct {
		b    []byte
		want string
	}{
		{nil, "does not begin as a bundle does"},
		{[]byte("PK\x03\x04 some other file, which is long enough to have a header of that size, and more than that"), "does not begin"},
		{other, "of version 9"},
		{b[:bundleHeader], "ends too early"},
	} {
		if r, err := s.Import(t.Context(), bytes.NewReader(c.b)); !errors.Is(err, ErrBundle) || !strings.Contains(err.Error(), c.want) || r.Added != 0 {
			t.Errorf("%q: %+v, %v", c.want, r, err)
		}
	}
	broken := errors.New("the cable was pulled")
	_, err := s.Import(t.Context(), io.MultiReader(bytes.NewReader(b[:100]), &failingReader{broken}))
	if !errors.Is(err, broken) || errors.Is(err, ErrBundle) {
		t.Errorf("a reader that fails: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Import(ctx, bytes.NewReader(b)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

type failingReader struct{ err error }

func (f *failingReader) Read([]byte) (int, error) { return 0, f.err }

// hostile makes a bundle of one record as somebody would who knows the format.
func hostile(kind Kind, key Digest, flags byte, raw uint32, stored []byte) []byte {
	rec := append(make([]byte, headerSize), stored...)
	copy(rec, recordMagic())
	rec[offFlags], rec[offKind] = flags, byte(kind)
	binary.LittleEndian.PutUint32(rec[offStored:], uint32(len(stored)))
	binary.LittleEndian.PutUint32(rec[offRaw:], raw)
	copy(rec[offKey:], key[:])
	sum := valueSum(rec)
	copy(rec[offSum:], sum[:])
	seal(rec, bundleID, bundleHeader, 1)
	b := append(bundleHead(), rec...)
	h := sha256.New()
	h.Write(b)
	return append(b, bundleEndOf(1, h)...)
}

// Bundles that are well formed and mean harm.
func TestHostileBundle(t *testing.T) {
	enc, err := newCodec().encoder()
	if err != nil {
		t.Fatal(err)
	}
	bomb := enc.EncodeAll(make([]byte, 500<<20), nil)
	dir := t.TempDir()
	s := open(t, dir, Options{})
	long := hostile(Rows, Digest{1}, 0, 5, []byte("hello"))
	binary.LittleEndian.PutUint32(long[bundleHeader+offStored:], maxBundled-1)
	binary.LittleEndian.PutUint32(long[bundleHeader+offRaw:], maxBundled-1)
	seal(long[bundleHeader:], bundleID, bundleHeader, 1)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for what, b := range map[string][]byte{
		"a bomb":                      hostile(Rows, Digest{1}, flagZstd, 100<<20, bomb),
		"a bomb that says so":         hostile(Rows, Digest{1}, flagZstd, 500<<20, bomb),
		"a length of 4 GB":            hostile(Rows, Digest{1}, 0, 1<<32-1, []byte("hello")),
		"a length that does not come": long,
		"an unknown kind":             hostile(99, Digest{1}, 0, 5, []byte("hello")),
		"a memo of a file":            hostile(Files, Digest{1}, 0, 5, []byte("hello")),
		"what a plugin said":          hostile(Describe, Digest{1}, 0, 5, []byte("hello")),
		"an unknown flag":             hostile(Rows, Digest{1}, 64, 5, []byte("hello")),
		"a blob under another digest": hostile(Blobs, Digest{1}, 0, 5, []byte("hello")),
		"not what zstd makes":         hostile(Rows, Digest{1}, flagZstd, 5, []byte("hello")),
	} {
		if r, err := s.Import(t.Context(), bytes.NewReader(b)); !errors.Is(err, ErrBundle) || r.Added != 0 {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 200<<20 {
		t.Errorf("%d MB were allocated", n>>20)
	}
	if names := files(dir); len(names) > 0 {
		t.Errorf("written: %v", names)
	}
}

func TestExportErrors(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	if err := s.Put(Rows, Digest{1}, []byte("v")); err != nil {
		t.Fatal(err)
	}
	refs := func(keys ...Digest) func(yield func(Kind, Digest) bool) {
		return func(yield func(Kind, Digest) bool) {
			for _, k := range keys {
				if !yield(Rows, k) {
					return
				}
			}
		}
	}
	var b bytes.Buffer
	n, err := s.Export(t.Context(), &b, refs(Digest{2}, Digest{1}, Digest{3}))
	if n != 1 || !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "lacks 2 records") || !strings.Contains(err.Error(), "rows 02") {
		t.Errorf("%d, %v", n, err)
	}
	if r, err := open(t, t.TempDir(), Options{}).Import(t.Context(), &b); err != nil || r.Added != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := s.Export(t.Context(), io.Discard, func(yield func(Kind, Digest) bool) { yield(Files, Digest{}) }); err == nil {
		t.Error("a memo of a file was exported")
	}
	// A full disk: no half bundle under the name, and an older one stays.
	path := filepath.Join(t.TempDir(), "bundle")
	if _, err := s.ExportFile(t.Context(), path, refs(Digest{1})); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := s.env.write
	s.env.write = func(f *os.File, b []byte, off int64) error {
		_ = write(f, b[:len(b)/2], off)
		return syscall.ENOSPC
	}
	if _, err := s.ExportFile(t.Context(), path, refs(Digest{1})); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "free some disk space") {
		t.Errorf("full: %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the older bundle: %d bytes, %v", len(got), err)
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	s.env.write = write
	if _, err := s.ExportFile(t.Context(), path, refs(Digest{1}, Digest{2})); !errors.Is(err, ErrNotFound) {
		t.Errorf("a file that lacks a record: %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the older bundle: %d bytes, %v", len(got), err)
	}
	if _, err := s.ExportFile(t.Context(), filepath.Join(path, "below"), refs(Digest{1})); err == nil {
		t.Error("exported below a file")
	}
}
