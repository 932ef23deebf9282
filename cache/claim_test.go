package cache

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// childMake makes what nobody has made yet, and says so.
func childMake(s *Store, out io.Writer) error {
	var mu sync.Mutex
	var wg sync.WaitGroup
	errs := make(chan error, 40)
	for i := range 40 {
		wg.Go(func() {
			k := keyOf("made", i)
			release, err := s.Claim(context.Background(), Calls, k)
			if err != nil {
				errs <- err
				return
			}
			defer release()
			if err := s.Refresh(Calls); err != nil {
				errs <- err
				return
			}
			if _, err := s.Get(Calls, k); err == nil {
				return
			}
			time.Sleep(5 * time.Millisecond) // a call takes time
			mu.Lock()
			fmt.Fprintln(out, i)
			mu.Unlock()
			errs <- s.PutDurable(Calls, k, valueOf("made", i))
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return s.Close()
}

// Several processes that want the same make each of it once.
func TestClaimsOfProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const n = 4
	outs := make([]bytes.Buffer, n)
	done := make(chan error)
	for i := range n {
		cmd := childCommand(t, "make", dir)
		cmd.Stdout = &outs[i]
		go func() { done <- cmd.Run() }()
	}
	for range n {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	made := map[string]int{}
	for i := range outs {
		for _, line := range strings.Fields(outs[i].String()) {
			made[line]++
		}
	}
	for i := range 40 {
		if n := made[fmt.Sprint(i)]; n != 1 {
			t.Errorf("record %d was made %d times", i, n)
		}
	}
}

// A process that is killed lets its claims go.
func TestClaimOfKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := childCommand(t, "hold", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "held\n" {
		t.Fatal(line, err)
	}
	s := open(t, dir, Options{})
	short, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := s.Claim(short, Calls, keyOf("held", 0)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a claim that another process holds: %v", err)
	}
	if release, err := s.Claim(t.Context(), Rows, keyOf("held", 0)); err != nil {
		t.Fatalf("the same key of another kind: %v", err)
	} else {
		release()
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if _, err := s.Claim(t.Context(), Calls, keyOf("held", 0)); err != nil {
		t.Fatal(err)
	}
}

// Claims within a process are shared; the last release lets go.
func TestClaimWithinProcess(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir, Options{}), open(t, dir, Options{})
	claim := func(s *Store) func() {
		t.Helper()
		release, err := s.Claim(t.Context(), Calls, keyOf("k", 1))
		if err != nil {
			t.Fatal(err)
		}
		return release
	}
	busy := func() bool {
		t.Helper()
		given, err := b.claims.take(claimOffset(Calls, ptr(keyOf("k", 1))))
		if err != nil {
			t.Fatal(err)
		}
		if given {
			b.claims.releaser(claimOffset(Calls, ptr(keyOf("k", 1))))()
		}
		return !given
	}
	first, second := claim(a), claim(a)
	first()
	first() // counts once
	if !busy() {
		t.Error("free while one of two still claims it")
	}
	second()
	if busy() {
		t.Error("not free after both released")
	}
	third := claim(b)
	third()
	claim(a)
	closeStore(t, a)
	if busy() {
		t.Error("not free after Close")
	}
	if _, err := a.Claim(t.Context(), Calls, keyOf("k", 1)); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func ptr[T any](v T) *T { return &v }

// Thousands of claims wait without a thread each.
func TestManyClaimsWait(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir, Options{}), open(t, dir, Options{})
	const n = 2000
	var releases []func()
	for i := range n {
		release, err := a.Claim(t.Context(), Calls, keyOf("k", i))
		if err != nil {
			t.Fatal(err)
		}
		releases = append(releases, release)
	}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			release, err := b.Claim(t.Context(), Calls, keyOf("k", i))
			if err != nil {
				t.Error(err)
				return
			}
			release()
		})
	}
	// Who holds a thread is in a system call. A few are at any time, to look
	// whether their claim is free.
	stacks := make([]byte, 16<<20)
	eventually(t, "claims that wait hold threads", func() bool {
		b.claims.mu.Lock()
		waiting := b.claims.waiting
		b.claims.mu.Unlock()
		return waiting == n && bytes.Count(stacks[:runtime.Stack(stacks, true)], []byte(" [syscall")) < 100
	})
	for _, release := range releases {
		release()
	}
	wg.Wait()
}

// Where there can be no locks, claims are given.
func TestClaimsWithoutLocks(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	for n := range claimsFiles {
		if err := os.Mkdir(filepath.Join(dir, "v1", claimsFile+strconv.FormatInt(int64(n), 16)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []*Store{s, open(t, dir, Options{}), open(t, dir, Options{ReadOnly: true})} {
		release, err := s.Claim(t.Context(), Calls, keyOf("k", 1))
		if err != nil {
			t.Fatal(err)
		}
		defer release()
	}
}

// A lock that the system cannot give just now is tried again, and switches no
// claim off; only that there are no locks does.
func TestClaimsWithTroubledLocks(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name  string
		errs  []error // of the first tries
		tries int
		held  bool // the claim keeps others out
		idle  bool // there are no claims any more
	}{
		{"short of locks", []error{syscall.ENOLCK, syscall.ENOLCK}, 3, true, false},
		{"short of locks for long", slices.Repeat([]error{syscall.ENOLCK}, lockTries), lockTries, false, false},
		{"a server that fails", []error{syscall.EIO}, 2, true, false},
		{"no locks", []error{syscall.ENOSYS}, 1, false, true},
		{"no locks of this kind", []error{syscall.EINVAL}, 1, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, other := open(t, dir, Options{}), open(t, dir, Options{})
			tries := 0
			s.claims.lock = func(f *os.File, at int64) (bool, error) {
				if tries++; tries <= len(c.errs) {
					return false, c.errs[tries-1]
				}
				return lockRange(f, at)
			}
			k := keyOf(c.name, 1)
			release, err := s.Claim(t.Context(), Calls, k)
			if err != nil {
				t.Fatal(err)
			}
			given, err := other.claims.take(claimOffset(Calls, &k))
			if err != nil || given == c.held {
				t.Errorf("held against others: %v, want %v; %v", !given, c.held, err)
			}
			if tries != c.tries || s.claims.idle != c.idle {
				t.Errorf("%d tries, want %d; idle %v, want %v", tries, c.tries, s.claims.idle, c.idle)
			}
			release()
			if c.held {
				if given, err := other.claims.take(claimOffset(Calls, &k)); err != nil || !given {
					t.Errorf("not free after release: %v", err)
				}
			}
		})
	}
}
