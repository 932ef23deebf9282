package cache

import (
	"errors"
	"testing"
	"time"
)

// EachPut tells when records were put, of those that are wanted; PutAt does so
// for one.
func TestEachPut(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	before := time.Now()
	putRows(t, s, "k", 0, 20)
	if err := s.Put(Rows, keyOf("k", 7), nil); err != nil { // withdrawn
		t.Fatal(err)
	}
	asked, given := map[Digest]bool{}, map[Digest]time.Time{}
	want := func(k Digest, put time.Time) bool {
		asked[k] = true
		return k != keyOf("k", 3) && !put.Before(before)
	}
	err := s.EachPut(Rows, want, func(k Digest, put time.Time, value []byte) error {
		given[k] = put
		if string(value) == "" {
			t.Error("a value is empty")
		}
		return nil
	})
	_, unwanted := given[keyOf("k", 3)]
	if err != nil || len(asked) < 19 || len(given) != 18 || unwanted {
		t.Errorf("%d asked about, %d given, %v", len(asked), len(given), err)
	}
	for k, put := range given {
		if at, ok := s.PutAt(Rows, k); !ok || !at.Equal(put) || put.After(time.Now().Add(time.Second)) {
			t.Errorf("put at %v, %v; want %v", at, ok, put)
		}
	}
	if _, ok := s.PutAt(Rows, keyOf("none", 1)); ok {
		t.Error("what was not put has a time")
	}
	stop := errors.New("stop")
	if err := s.EachPut(Rows, nil, func(Digest, time.Time, []byte) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("it ends with %v", err)
	}
}
