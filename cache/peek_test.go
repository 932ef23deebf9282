package cache

import (
	"errors"
	"testing"
)

// Peek gives what this store knows; what another has put is known after a Get
// that missed, or a Refresh.
func TestPeek(t *testing.T) {
	dir := t.TempDir()
	open := func() *Store {
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	}
	a, b := open(), open()
	k := Sum([]byte("key"))
	if _, err := a.Peek(Calls, k); !errors.Is(err, ErrNotFound) {
		t.Fatalf("of nothing: %v", err)
	}
	if err := b.PutDurable(Calls, k, []byte("value")); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Peek(Calls, k); !errors.Is(err, ErrNotFound) {
		t.Errorf("before a look at what others have put: %v", err)
	}
	if err := a.Refresh(Calls); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*Store{"the other": a, "its own": b} {
		if v, err := s.Peek(Calls, k); err != nil || string(v) != "value" {
			t.Errorf("%s: %q, %v", name, v, err)
		}
	}
}
