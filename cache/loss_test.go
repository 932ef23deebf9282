package cache

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// lossy is a store with n records of each of two kinds; the odd ones were put
// twice.
func lossy(t *testing.T, n int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	s := open(t, dir, Options{})
	for i := range n {
		for _, k := range []Kind{Calls, Builds} {
			if err := s.Put(k, keyOf("l", i), []byte("an older value")); i%2 == 1 && err != nil {
				t.Fatal(err)
			}
			if err := s.Put(k, keyOf("l", i), valueOf("l", i+1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	closeStore(t, s)
	return dir
}

// lost is how many of the calls cannot be read as they were put last.
func lost(s *Store, n int) (gone int) {
	for i := range n {
		if v, err := s.Get(Calls, keyOf("l", i)); err != nil || string(v) != string(valueOf("l", i+1)) {
			gone++
		}
	}
	return gone
}

// What is cut off, removed or zeroed is counted by Verify however often it
// looks, told exactly by the first that heals it, and not told again.
func TestLossIsTold(t *testing.T) {
	t.Parallel()
	const n = 40
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	for round := range 3 * rounds(t, 6) {
		dir := lossy(t, n)
		path := onlySegment(t, dir, "calls")
		fi, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		at := r.Int64N(fi.Size())
		what := fmt.Sprintf("cut at %d of %d", at, fi.Size())
		switch round % 3 {
		case 0:
			err = os.Truncate(path, at)
		case 1:
			what = "removed"
			err = os.Remove(path)
		case 2:
			what = "zeroed, " + what
			err = errors.Join(os.Truncate(path, at), os.Truncate(path, fi.Size()))
		}
		if err != nil {
			t.Fatal(err)
		}
		want := lost(open(t, dir, Options{ReadOnly: true}), n)
		for range 2 {
			if got := lostIn(t, what, verified(t, dir, Options{ReadOnly: true})); got != want {
				t.Fatalf("%s: Verify says %d are lost, %d are", what, got, want)
			}
			if got := lostIn(t, what, verified(t, dir, Options{})); got != want {
				t.Fatalf("%s: Verify of a store that writes says %d are lost, %d are", what, got, want)
			}
		}
		if round%3 == 2 {
			continue // told record by record, when they are read
		}
		for _, opts := range []Options{{ReadOnly: true}, {}} {
			wantTold(t, what, dir, opts, want)
		}
		var said notes
		s := open(t, dir, Options{Damaged: said.add})
		if got := lost(s, n); got != want || said.String() != "" {
			t.Fatalf("%s, healed: %d are lost, not %d; told: %s", what, got, want, said.String())
		}
		closeStore(t, s)
		rep := verified(t, dir, Options{})
		if len(rep.Damage) > 0 {
			t.Fatalf("%s, healed: %+v", what, rep.Damage)
		}
		if n := len(rep.Earlier); want > 0 && (n != 1 || rep.Earlier[0].Records != int64(want) || rep.Earlier[0].Kind != "calls") || want == 0 && n > 0 {
			t.Fatalf("%s, healed: %d were lost, noted: %+v", what, want, rep.Earlier)
		}
	}
}

// wantTold checks that a store tells of n lost calls, once.
func wantTold(t *testing.T, what, dir string, opts Options, n int) {
	t.Helper()
	var said notes
	opts.Damaged = said.add
	s := open(t, dir, opts)
	for range 2 {
		_, _ = s.Get(Calls, keyOf("l", 0))
		if err := s.Refresh(Calls); err != nil {
			t.Fatal(err)
		}
	}
	if !opts.ReadOnly {
		if err := s.PutDurable(Calls, keyOf("another", 0), []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	closeStore(t, s)
	if want := "calls: "; n > 0 && (len(said.all) != 1 || !strings.HasPrefix(said.all[0], want) || !strings.Contains(said.all[0], Calls.lost(int64(n)))) {
		t.Fatalf("%s: %d are lost, told: %q", what, n, said.all)
	}
}

// A crash tears what nobody was promised: that is not told as a loss. Without
// an index nobody can know.
func TestTornIsNoLoss(t *testing.T) {
	dir := lossy(t, 4)
	path := onlySegment(t, dir, "calls")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(make([]byte, 100))
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	if r := verified(t, dir, Options{}); len(r.Damage) != 1 || !r.Damage[0].Harmless || r.Damage[0].Length != 100 {
		t.Errorf("torn: %+v", r.Damage)
	}
	if err := os.Remove(sidecarPath(path)); err != nil {
		t.Fatal(err)
	}
	if r := verified(t, dir, Options{}); len(r.Damage) != 1 || r.Damage[0].Harmless || !strings.Contains(r.Damage[0].Means, "cannot be told") {
		t.Errorf("torn, without an index: %+v", r.Damage)
	}
	var said notes
	s := open(t, dir, Options{Damaged: said.add})
	if got := lost(s, 4); got > 0 || !strings.Contains(said.String(), "cannot be told") {
		t.Errorf("%d are lost, told: %s", got, said.String())
	}
}

// What is lost and was put again since, or stands elsewhere, is no loss; nor
// is the index that a collection leaves when it is killed.
func TestLossMadeGood(t *testing.T) {
	dir := lossy(t, 4)
	path := onlySegment(t, dir, "calls")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile(sidecarPath(path))
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, dir, Options{})
	if r, err := s.Collect(t.Context(), CollectOptions{Kinds: []Kind{Calls}}); err != nil || r.Kinds[0].Rewritten != 1 {
		t.Fatal(r, err)
	}
	closeStore(t, s)
	if err := os.WriteFile(sidecarPath(path), index, 0o600); err != nil {
		t.Fatal(err)
	}
	var said notes
	for _, opts := range []Options{{ReadOnly: true, Damaged: said.add}, {Damaged: said.add}} {
		if r := verified(t, dir, opts); len(r.Damage) > 0 {
			t.Errorf("only the index: %+v", r.Damage)
		}
		s := open(t, dir, opts)
		if got := lost(s, 4); got > 0 {
			t.Errorf("only the index: %d are lost", got)
		}
		closeStore(t, s)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "v1", "calls", "*"+sidecarExt)); len(left) != 1 || said.String() != "" {
		t.Errorf("left: %v, told: %s", left, said.String())
	}
	cut := before[:len(before)/2]
	if err := errors.Join(os.WriteFile(path, cut, 0o600), os.WriteFile(sidecarPath(path), index, 0o600)); err != nil {
		t.Fatal(err)
	}
	if r := verified(t, dir, Options{}); len(r.Damage) != 1 || !r.Damage[0].Harmless || r.Damage[0].Lost > 0 {
		t.Errorf("half of it: %+v", r.Damage)
	}
}

// Notes of losses: one that is damaged spoils no other, Verify tells, and
// Repair leaves it out.
func TestLossNotes(t *testing.T) {
	dir := lossy(t, 2)
	l := open(t, dir, Options{}).logs[Calls]
	for n := range int64(3) {
		l.noteLoss(n + 1)
	}
	path := filepath.Join(dir, "v1", "calls", lossFile)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		bad := append([]byte(nil), b...)
		bad[i] ^= 1
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		r := verified(t, dir, Options{ReadOnly: true})
		if len(r.Damage) != 1 || !r.Damage[0].Harmless || r.Damage[0].Offset > int64(i) || len(r.Earlier) < 1 {
			t.Fatalf("byte %d: %+v", i, r)
		}
	}
	for cut := range b {
		if err := os.WriteFile(path, b[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		l.noteLoss(9)
		s := open(t, dir, Options{})
		if _, err := s.Repair(t.Context()); err != nil {
			t.Fatal(err)
		}
		st, err := s.Stats()
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range st.Kinds {
			if n := len(k.Losses); k.Kind == "calls" && (n == 0 || k.Losses[n-1].Records != 9) {
				t.Fatalf("cut at %d: %+v", cut, k)
			}
		}
		if r := verified(t, dir, Options{}); len(r.Damage) > 0 {
			t.Fatalf("cut at %d, repaired: %+v", cut, r.Damage)
		}
	}
}

// Processes that write, collect and are killed meanwhile cause no false alarm.
func TestNoFalseAlarm(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opts := Options{segmentSize: 16 << 10}
	s := open(t, dir, opts)
	putRows(t, s, "kept", 0, killRows)
	closeStore(t, s)
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 2))
	for range rounds(t, 2) {
		stop := startChildren(t, dir, "flood", "collect", "flood")
		for range 5 + r.IntN(10) {
			var said notes
			s := open(t, dir, Options{segmentSize: opts.segmentSize, Damaged: said.add, ReadOnly: r.IntN(2) == 0})
			for _, k := range []Kind{Rows, Calls} {
				if err := s.Refresh(k); err != nil {
					t.Fatal(err)
				}
			}
			report, err := s.Verify(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			closeStore(t, s)
			for _, d := range report.Damage {
				if !d.Harmless {
					t.Fatalf("Verify: %+v", d)
				}
			}
			for _, text := range said.all {
				if !strings.Contains(text, "nothing else is lost") {
					t.Fatalf("told: %s", text)
				}
			}
			if len(report.Earlier) > 0 {
				t.Fatalf("noted: %+v", report.Earlier)
			}
		}
		stop()
	}
}

// startChildren starts other processes; stop kills them.
func startChildren(t *testing.T, dir string, modes ...string) (stop func()) {
	t.Helper()
	var all []func()
	for _, mode := range modes {
		cmd := childCommand(t, mode, dir)
		cmd.Stderr = nil
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var once sync.Once
		end := func() {
			once.Do(func() {
				_ = cmd.Process.Kill()
				_, _ = io.Copy(io.Discard, out)
				_ = cmd.Wait()
			})
		}
		t.Cleanup(end)
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		all = append(all, end)
	}
	return func() {
		for _, end := range all {
			end()
		}
	}
}
