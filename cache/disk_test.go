package cache

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A full disk: errors that say so, nothing acknowledged is lost, and once
// there is room everything that was buffered is written.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	if err := s.PutDurable(Calls, keyOf("k", 0), []byte("v")); err != nil {
		t.Fatal(err)
	}
	write := s.env.write
	s.env.write = func(f *os.File, b []byte, off int64) error {
		_ = write(f, b[:len(b)/2], off) // the half that fits
		return &fs.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
	}
	err := s.PutDurable(Calls, keyOf("k", 1), []byte("v"))
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "free some disk space") || !strings.Contains(err.Error(), dir) {
		t.Fatalf("PutDurable: %v", err)
	}
	noise, refused := make([]byte, 100_000), 0
	r := rand.New(rand.NewPCG(5, 5))
	for i := range 40 {
		for j := range noise {
			noise[j] = byte(r.Uint32())
		}
		if err := s.Put(Calls, keyOf("n", i), noise); err != nil {
			refused++
		}
	}
	if refused < 20 {
		t.Errorf("the buffer took %d of 40 values of 100 kB", 40-refused)
	}
	other := open(t, dir, Options{})
	if v, err := other.Get(Calls, keyOf("k", 0)); err != nil || string(v) != "v" {
		t.Errorf("another process: %q, %v", v, err)
	}
	s.env.write = write
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Get(Calls, keyOf("n", 0)); err != nil {
		t.Error(err)
	}
	if r, err := other.Verify(t.Context()); err != nil || len(r.Damage) > 0 {
		t.Errorf("Verify: %+v, %v", r.Damage, err)
	}
}

// After a sync that failed, nothing is called durable that may not be.
func TestSyncFails(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	sync := s.env.sync
	s.env.sync = func(*os.File) error { return syscall.EIO }
	if err := s.PutDurable(Calls, keyOf("k", 0), []byte("v")); !errors.Is(err, syscall.EIO) {
		t.Fatalf("PutDurable: %v", err)
	}
	s.env.sync = sync
	if err := s.PutDurable(Calls, keyOf("k", 1), []byte("v")); !errors.Is(err, syscall.EIO) {
		t.Fatalf("second PutDurable: %v", err)
	}
	if v, err := s.Get(Calls, keyOf("k", 0)); err != nil || string(v) != "v" {
		t.Errorf("Get: %q, %v", v, err)
	}
	if err := s.Close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("Close: %v", err)
	}
	s = open(t, dir, Options{})
	if err := s.PutDurable(Calls, keyOf("k", 2), []byte("v")); err != nil {
		t.Error(err)
	}
}

// Callers that come while a sync is under way share the next one.
func TestGroupCommit(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	sync1, calls := s.env.sync, 0
	began, release := make(chan struct{}), make(chan struct{})
	s.env.sync = func(f *os.File) error {
		if calls++; calls == 1 {
			close(began)
			<-release
		}
		return sync1(f)
	}
	var wg sync.WaitGroup
	put := func(i int) {
		if err := s.PutDurable(Calls, keyOf("k", i), valueOf("k", i)); err != nil {
			t.Error(err)
		}
	}
	wg.Go(func() { put(0) })
	select {
	case <-began:
	case <-time.After(patience):
		t.Fatal("nothing was synced")
	}
	for i := range 100 {
		wg.Go(func() { put(i + 1) })
	}
	g := &s.logs[Calls].group
	eventually(t, "not all wait for the next sync", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.next != nil && g.next.callers == 100
	})
	close(release)
	wg.Wait()
	if calls != 2 {
		t.Errorf("%d syncs for 101 callers", calls)
	}
}

// Too many open files are no damage: a miss would buy a call again.
func TestTooManyOpenFiles(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	if err := s.PutDurable(Calls, keyOf("k", 0), []byte("v")); err != nil {
		t.Fatal(err)
	}
	l := s.logs[Calls]
	err := l.follow(func() (place, error) {
		return place{}, l.unread(l.segs[0], &fs.PathError{Op: "open", Path: l.segs[0].path, Err: syscall.EMFILE})
	})
	if !errors.Is(err, syscall.EMFILE) || !strings.Contains(err.Error(), "limit of open files") {
		t.Error(err)
	}
}
