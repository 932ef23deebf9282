package cache

import (
	"bufio"
	"bytes"
	"errors"
	"strconv"
	"testing"
)

// Several real processes write at once while this one has the folder open.
func TestProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, Options{segmentSize: 1 << 20})
	if _, err := s.Get(Rows, keyOf("child", 0)); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	if err := s.PutDurable(Rows, keyOf("own", 0), []byte("v")); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for range 3 {
		cmd := childCommand(t, "put", dir)
		go func() { done <- cmd.Run() }()
	}
	for range 3 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	for i := range 500 {
		if v, err := s.Get(Rows, keyOf("child", i)); err != nil || !bytes.Equal(v, valueOf("child", i)) {
			t.Fatalf("record %d: %d bytes, %v", i, len(v), err)
		}
	}
	if v, err := s.Get(Rows, keyOf("own", 0)); err != nil || string(v) != "v" {
		t.Fatalf("own record: %q, %v", v, err)
	}
	if r, err := s.Verify(t.Context()); err != nil || len(r.Damage) > 0 {
		t.Fatalf("Verify: %+v, %v", r.Damage, err)
	}
}

// Whatever a process was told is durable is there after kill -9.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	acked := map[int]bool{}
	for round := range 4 {
		cmd := childCommand(t, "flood", dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, heard := bufio.NewScanner(out), 0
		for lines.Scan() {
			i, err := strconv.Atoi(lines.Text())
			if err != nil {
				break // cut by the kill
			}
			acked[i] = true
			if heard++; heard == 150+40*round {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
		s := open(t, dir, Options{segmentSize: 1 << 20})
		for i := range acked {
			if v, err := s.Get(Calls, keyOf("flood", i)); err != nil || !bytes.Equal(v, valueOf("flood", i)) {
				t.Fatalf("round %d: record %d was acknowledged: %d bytes, %v", round, i, len(v), err)
			}
		}
		// The next writer goes on in the same segment.
		if err := s.PutDurable(Calls, keyOf("after", round), []byte("v")); err != nil {
			t.Fatal(err)
		}
		if r, err := s.Verify(t.Context()); err != nil || len(r.Damage) > 0 {
			t.Fatalf("Verify: %+v, %v", r.Damage, err)
		}
		closeStore(t, s)
	}
}
