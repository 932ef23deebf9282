package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// small is a store with a few records, one of them overwritten, and a way to
// try it after damage.
type small struct {
	values map[Digest][]byte
	blobs  [][]byte
	files  map[string][]byte // of the undamaged store
}

func makeSmall(t *testing.T) *small {
	t.Helper()
	dir := t.TempDir()
	sm := &small{values: map[Digest][]byte{}, files: map[string][]byte{}}
	r := rand.New(rand.NewPCG(3, 4))
	s := open(t, dir, Options{})
	if err := s.Put(Calls, keyOf("small", 1), []byte("an older value")); err != nil {
		t.Fatal(err)
	}
	for i, n := range []int{0, 30, 200, 5} {
		k, v := keyOf("small", i), text(r, n)
		if err := s.Put(Calls, k, v); err != nil {
			t.Fatal(err)
		}
		sm.values[k] = v
		sm.blobs = append(sm.blobs, v)
		if _, err := s.PutBlob(v); err != nil {
			t.Fatal(err)
		}
	}
	closeStore(t, s)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(dir, path)
			sm.files[name], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sm
}

// lay writes the store into dir with one file changed; nil removes it.
func (sm *small) lay(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	for n, b := range sm.files {
		path := filepath.Join(dir, n)
		if n == name {
			b = content
		}
		err := os.MkdirAll(filepath.Dir(path), 0o700)
		if b == nil {
			err = errors.Join(err, os.RemoveAll(path))
		} else {
			err = errors.Join(err, os.WriteFile(path, b, 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// try reads everything: right or not found. It returns how many are lost.
func (sm *small) try(t *testing.T, s *Store, what string) (lost int) {
	t.Helper()
	see := func(got []byte, err error, want []byte) {
		t.Helper()
		if errors.Is(err, ErrNotFound) {
			lost++
		} else if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s: got %q, %v; want %q", what, got, err, want)
		}
	}
	for k, want := range sm.values {
		got, err := s.Get(Calls, k)
		see(got, err, want)
	}
	for _, want := range sm.blobs {
		got, err := s.Blob(Sum(want))
		see(got, err, want)
	}
	return lost
}

// heal puts everything again; then nothing may be lost, also after reopening.
func (sm *small) heal(t *testing.T, dir string, s *Store, what string) {
	t.Helper()
	for k, v := range sm.values {
		if err := s.Put(Calls, k, v); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	for _, b := range sm.blobs {
		if _, err := s.PutBlob(b); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	for _, when := range []string{"put again", "reopened"} {
		if lost := sm.try(t, s, what+", "+when); lost > 0 {
			t.Fatalf("%s, %s: %d are lost", what, when, lost)
		}
		closeStore(t, s)
		s = open(t, dir, Options{})
	}
	closeStore(t, s)
}

// Every byte of a store, flipped alone: no wrong answer, one record lost at
// most, Verify tells, and puts heal.
func TestFlipEachByte(t *testing.T) {
	t.Parallel()
	sm := makeSmall(t)
	dir := t.TempDir()
	for name, b := range sm.files {
		data := strings.HasSuffix(name, segmentExt)
		for i := range b {
			if !strings.Contains(name, "v1") && i%50 != 0 {
				continue // README and CACHEDIR.TAG
			}
			what := fmt.Sprintf("%s, byte %d", filepath.Base(name), i)
			bad := append([]byte(nil), b...)
			bad[i] ^= 1 << (i % 8)
			sm.lay(t, dir, name, bad)
			var said notes
			s := open(t, dir, Options{ReadOnly: true, Damaged: said.add})
			s.env.patience = 0
			lost := sm.try(t, s, what)
			if lost > 1 || lost == 1 && !data {
				t.Fatalf("%s: %d are lost", what, lost)
			}
			if lost > 0 && said.String() == "" {
				t.Fatalf("%s: nothing was said", what)
			}
			report, err := s.Verify(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if len(report.Damage) == 0 {
				t.Fatalf("%s: Verify found nothing", what)
			}
			if n := lostIn(t, what, report) + withdrawn(s); n != lost {
				t.Fatalf("%s: Verify says that %d are lost, %d are", what, n, lost)
			}
			for _, d := range report.Damage {
				if filepath.Base(d.File) != filepath.Base(name) || int64(i) < d.Offset || int64(i) >= d.Offset+d.Length || d.Means == "" {
					t.Fatalf("%s: Verify says %+v", what, d)
				}
			}
			closeStore(t, s)
			if i%13 == 0 {
				// With the index lost as well, the rest must still be found.
				side := strings.TrimSuffix(name, segmentExt) + sidecarExt
				if data {
					_ = os.Remove(filepath.Join(dir, side))
					s = open(t, dir, Options{ReadOnly: true})
					// An older value may show: the newer one is gone without trace.
					sm.tryAfterTwoFaults(t, s, what)
				}
				sm.heal(t, dir, open(t, dir, Options{}), what)
				if err := os.RemoveAll(filepath.Join(dir, "v1")); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// tryAfterTwoFaults is try that accepts the overwritten value.
func (sm *small) tryAfterTwoFaults(t *testing.T, s *Store, what string) {
	t.Helper()
	lost := 0
	for k, want := range sm.values {
		got, err := s.Get(Calls, k)
		switch {
		case errors.Is(err, ErrNotFound):
			lost++
		case err != nil || !bytes.Equal(got, want) && string(got) != "an older value":
			t.Fatalf("%s, index lost: %q, %v", what, got, err)
		}
	}
	if lost > 1 {
		t.Fatalf("%s, index lost: %d are lost", what, lost)
	}
}

// Each file cut at every length, and removed.
func TestTruncate(t *testing.T) {
	t.Parallel()
	sm := makeSmall(t)
	dir := t.TempDir()
	for name, b := range sm.files {
		for n := -1; n < len(b); n++ {
			if !strings.Contains(name, "v1") && n%100 != 0 {
				continue // README and CACHEDIR.TAG
			}
			what := fmt.Sprintf("%s cut at %d", filepath.Base(name), n)
			var cut []byte
			if n >= 0 {
				cut = append([]byte{}, b[:n]...)
			}
			sm.lay(t, dir, name, cut)
			report := verified(t, dir, Options{})
			s := open(t, dir, Options{})
			// What was overwritten shows again if the newer one is cut off.
			lost := sm.tryAfterCut(t, s, what)
			if n := lostIn(t, what, report) + withdrawn(s); n != lost {
				t.Fatalf("%s: Verify says that %d are lost, %d are", what, n, lost)
			}
			if n%9 > 0 {
				closeStore(t, s)
				continue
			}
			sm.heal(t, dir, s, what)
			s = open(t, dir, Options{})
			if !strings.Contains(name, "v1") { // nothing but Repair writes a notice anew
				if _, err := s.Repair(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if r, err := s.Verify(context.Background()); err != nil || len(r.Damage) > 0 {
				t.Fatalf("%s: after healing Verify says %+v, %v", what, r.Damage, err)
			}
			closeStore(t, s)
			if err := os.RemoveAll(filepath.Join(dir, "v1")); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// lostIn is how many records are lost, as a report says; what is not harmless
// must be counted.
func lostIn(t *testing.T, what string, r Report) (n int) {
	t.Helper()
	for _, d := range r.Damage {
		n += int(d.Lost)
		if d.Harmless != (d.Lost == 0) {
			t.Fatalf("%s: Verify says %+v", what, d)
		}
	}
	return n
}

// withdrawn is 1 if the record of small that is empty, which stands for none,
// is lost.
func withdrawn(s *Store) int {
	if _, err := s.Get(Calls, keyOf("small", 0)); err != nil {
		return 1
	}
	return 0
}

// verified is the report of a store that is opened for that alone.
func verified(t *testing.T, dir string, opts Options) Report {
	t.Helper()
	s := open(t, dir, opts)
	s.env.patience = 0
	r, err := s.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	return r
}

// tryAfterCut reads everything: right, older, or not found. It returns how
// many values are not what was put last.
func (sm *small) tryAfterCut(t *testing.T, s *Store, what string) (lost int) {
	t.Helper()
	for _, b := range sm.blobs {
		if _, err := s.Blob(Sum(b)); err != nil {
			lost++
		}
	}
	for k, want := range sm.values {
		got, err := s.Get(Calls, k)
		if errors.Is(err, ErrNotFound) || err == nil && string(got) == "an older value" {
			lost++
			continue
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s: got %q, %v", what, got, err)
		}
	}
	return lost
}

// Damage of many kinds at once, in a store of several segments.
func TestRandomDamage(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 11))
		dir := t.TempDir()
		opts := Options{segmentSize: 64 << 10}
		s := open(t, dir, opts)
		fill := func() {
			t.Helper()
			for i := range 200 {
				if err := s.Put(Rows, keyOf("d", i), valueOf("d", i)); err != nil {
					t.Fatal(err)
				}
			}
		}
		try := func() (lost int) {
			t.Helper()
			for i := range 200 {
				v, err := s.Get(Rows, keyOf("d", i))
				if errors.Is(err, ErrNotFound) {
					lost++
				} else if err != nil || !bytes.Equal(v, valueOf("d", i)) {
					t.Fatalf("seed %d, record %d: %d bytes, %v", seed, i, len(v), err)
				}
			}
			return lost
		}
		fill()
		closeStore(t, s)
		files, err := filepath.Glob(filepath.Join(dir, "v1", "rows", "*"))
		if err != nil || len(files) < 4 {
			t.Fatal(files, err)
		}
		for range 1 + r.IntN(5) {
			harm(t, r, files)
		}
		s = open(t, dir, opts)
		try()
		fill()
		for range 2 {
			if lost := try(); lost > 0 {
				t.Fatalf("seed %d: %d are lost after healing", seed, lost)
			}
			closeStore(t, s)
			s = open(t, dir, opts)
		}
		closeStore(t, s)
	}
}

// harm damages one of the files.
func harm(t *testing.T, r *rand.Rand, files []string) {
	t.Helper()
	path := files[r.IntN(len(files))]
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || len(b) == 0 {
		return
	}
	from := r.IntN(len(b))
	to := min(len(b), from+1+r.IntN(6000))
	switch r.IntN(6) {
	case 0:
		b[from] ^= 1 << r.IntN(8)
	case 1:
		clear(b[from:to])
	case 2:
		b = b[:from]
	case 3: // bytes vanish
		b = append(b[:from:from], b[to:]...)
	case 4: // a copy of one part over another
		copy(b[r.IntN(len(b)):], b[from:to])
	case 5:
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A value that holds a copy of a segment must not be taken for records, even
// when the search for the next record runs through it.
func TestSegmentWithinValue(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	if err := s.PutDurable(Calls, keyOf("k", 1), []byte("old")); err != nil {
		t.Fatal(err)
	}
	path := onlySegment(t, dir, "calls")
	copied, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 200 { // so that zstd does not help
		copied = append(copied, byte(r.Uint32()))
	}
	at, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Put(Calls, keyOf("k", 1), []byte("new")), s.Put(Calls, keyOf("k", 2), copied),
		s.Put(Calls, keyOf("k", 3), []byte("three")), s.Close()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[at.Size()+headerSize+3+offStored] ^= 1 // the length of record 2
	if err := errors.Join(os.WriteFile(path, b, 0o600), os.Remove(sidecarPath(path))); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{})
	for i, want := range map[int]string{1: "new", 3: "three"} {
		if v, err := s.Get(Calls, keyOf("k", i)); err != nil || string(v) != want {
			t.Errorf("record %d: %q, %v", i, v, err)
		}
	}
	if _, err := s.Get(Calls, keyOf("k", 2)); !errors.Is(err, ErrNotFound) {
		t.Errorf("damaged record: %v", err)
	}
}

// A torn end is cut by the next writer, also where it is longer than what that
// writes, and what stood before it stays.
func TestTornEndIsCut(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	if err := errors.Join(s.PutDurable(Calls, keyOf("k", 1), []byte("one")), s.Close()); err != nil {
		t.Fatal(err)
	}
	path := onlySegment(t, dir, "calls")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(bytes.Repeat([]byte("torn"), 5000))
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	var said notes
	s = open(t, dir, Options{Damaged: said.add})
	if err := errors.Join(s.PutDurable(Calls, keyOf("k", 2), []byte("two")), s.Close()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said.String(), "20000 bytes at the end") {
		t.Errorf("said: %s", said.String())
	}
	s = open(t, dir, Options{})
	for i, want := range map[int]string{1: "one", 2: "two"} {
		if v, err := s.Get(Calls, keyOf("k", i)); err != nil || string(v) != want {
			t.Errorf("record %d: %q, %v", i, v, err)
		}
	}
	if r, err := s.Verify(t.Context()); err != nil || r.Records != 2 || len(r.Damage) > 0 {
		t.Errorf("Verify: %+v, %v", r, err)
	}
}

func onlySegment(t *testing.T, dir, kind string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "v1", kind, "*"+segmentExt))
	if err != nil || len(names) != 1 {
		t.Fatalf("segments of %s: %v, %v", kind, names, err)
	}
	return names[0]
}

// A sidecar that lacks an entry in its middle must not hide the record.
func TestSidecarHole(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	for i := range 5 {
		if err := s.Put(Calls, keyOf("k", i), []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	closeStore(t, s)
	side := sidecarPath(onlySegment(t, dir, "calls"))
	b, err := os.ReadFile(side)
	if err != nil || len(b) != sidecarHeader+5*entrySize {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	hole := sidecarHeader + 2*entrySize
	if err := os.WriteFile(side, append(b[:hole:hole], b[hole+entrySize:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{})
	for i := range 5 {
		if _, err := s.Get(Calls, keyOf("k", i)); err != nil {
			t.Errorf("record %d: %v", i, err)
		}
	}
}
