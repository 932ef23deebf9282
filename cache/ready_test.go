package cache

import (
	"errors"
	"testing"
)

// TestReady asks whether records can be kept before there are any.
func TestReady(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	key := Sum([]byte("key"))
	if err := s.Ready(Calls); err != nil {
		t.Error(err)
	}
	if err := errors.Join(s.PutDurable(Calls, key, []byte("value")), s.Close()); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(Calls); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed store: %v", err)
	}
	s, err = Open(dir, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Ready(Calls); !errors.Is(err, ErrReadOnly) {
		t.Errorf("a read-only store: %v", err)
	}
	if v, err := s.Get(Calls, key); err != nil || string(v) != "value" {
		t.Errorf("%q, %v", v, err)
	}
}
