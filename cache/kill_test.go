package cache

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// roundsEnv multiplies the rounds of the tests that kill processes and damage
// files.
const roundsEnv = "AUTOSAFE_CACHE_TEST_ROUNDS"

// rounds is n, or a multiple of it.
func rounds(t *testing.T, n int) int {
	t.Helper()
	text := os.Getenv(roundsEnv)
	if text == "" {
		return n
	}
	times, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n * times
}

const killRows = 60 // records that are kept while processes are killed

// childCollect makes rubbish and collects it, until killed.
func childCollect(dir string, out io.Writer) error {
	keep := map[Digest]bool{}
	for i := range killRows {
		keep[keyOf("kept", i)] = true
	}
	opts := Options{segmentSize: 16 << 10}
	fmt.Fprintln(out, "ready")
	for round := 0; ; round++ {
		s, err := Open(dir, opts)
		if err != nil {
			return err
		}
		l := s.logs[Rows]
		for i := range 20 {
			err = errors.Join(err, s.Put(Rows, keyOf("rubbish", i), valueOf("rubbish", round+i)))
		}
		// Copies, so that old ones go.
		for i := range 15 {
			n := (round*7 + i) % killRows
			err = errors.Join(err, l.ready(), s.add(l, keyOf("kept", n), valueOf("kept", n), false))
		}
		if err = errors.Join(err, s.Close()); err != nil {
			return err
		}
		if s, err = Open(dir, opts); err != nil {
			return err
		}
		_, err = s.Collect(context.Background(), CollectOptions{Keep: func(_ Kind, key Digest) bool { return keep[key] }})
		if err = errors.Join(err, s.Close()); err != nil {
			return err
		}
	}
}

// killAtRandom starts a child, and kills it a little later than its first
// word.
func killAtRandom(t *testing.T, r *rand.Rand, mode, dir string) {
	t.Helper()
	cmd := childCommand(t, mode, dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Duration(r.IntN(60_000)) * time.Microsecond)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child ended by itself: %v", err)
	}
}

// Processes that are killed while they collect lose nothing that is kept, and
// what they leave the next collection removes.
func TestKilledCollections(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opts := Options{segmentSize: 16 << 10}
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	s := open(t, dir, opts)
	putRows(t, s, "kept", 0, killRows)
	closeStore(t, s)
	old := open(t, dir, opts)
	wantRows(t, old, "kept", all, 1)
	for round := range rounds(t, 24) {
		killAtRandom(t, r, "collect", dir)
		if round%3 == 0 { // before anybody heals
			wantRows(t, open(t, dir, Options{ReadOnly: true}), "kept", all, killRows)
		}
		wantRows(t, old, "kept", all, killRows)
		if round%4 > 0 {
			continue
		}
		s := open(t, dir, opts)
		wantRows(t, s, "kept", all, killRows)
		collect(t, s, CollectOptions{Keep: func(_ Kind, key Digest) bool { _, err := s.Get(Rows, key); return err == nil && isKept(key) }})
		wantRows(t, s, "kept", all, killRows)
		st, err := s.Stats()
		if err != nil {
			t.Fatal(err)
		}
		if k := st.Kinds[1]; k.Dead != 0 || k.Records != killRows {
			t.Fatalf("round %d: %+v", round, k)
		}
		if report, err := s.Verify(t.Context()); err != nil || len(report.Damage) > 0 {
			t.Fatalf("round %d: Verify: %+v, %v", round, report.Damage, err)
		}
		for name := range files(dir) {
			id, _, _ := strings.Cut(name, ".")
			if _, err := os.Stat(filepath.Join(dir, "v1", "rows", id+segmentExt)); err != nil || strings.HasSuffix(name, segmentExt+tempExt) {
				t.Errorf("round %d: %s was left", round, name)
			}
		}
		closeStore(t, s)
	}
}

func isKept(key Digest) bool {
	for i := range killRows {
		if key == keyOf("kept", i) {
			return true
		}
	}
	return false
}

// A killed export leaves no bundle, or the whole one of before.
func TestKilledExports(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 2))
	s := open(t, dir, Options{})
	putRows(t, s, "k", 0, 300)
	closeStore(t, s)
	bundle := filepath.Join(dir, "bundle")
	for round := range rounds(t, 8) {
		killAtRandom(t, r, "export", dir)
		b, err := os.ReadFile(bundle)
		if err != nil {
			t.Fatal(err)
		}
		into := open(t, t.TempDir(), Options{})
		if report, err := into.Import(t.Context(), bytes.NewReader(b)); err != nil || report.Added != 300 {
			t.Fatalf("round %d: %+v, %v", round, report, err)
		}
		closeStore(t, into)
	}
	if _, err := open(t, dir, Options{}).ExportFile(t.Context(), bundle, allRefs(s)); !errors.Is(err, ErrClosed) && err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{})
	if n, err := s.ExportFile(t.Context(), bundle, allRefs(s)); err != nil || n != 300 {
		t.Fatal(n, err)
	}
	if left, _ := filepath.Glob(bundle + ".*"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
