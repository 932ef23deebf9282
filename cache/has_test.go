package cache

import (
	"bytes"
	"testing"
)

// TestHasBlob tells what is there from what is not: put by this store or by
// another, written or not, and damaged in its head.
func TestHasBlob(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	other := open(t, dir, Options{})
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<12)
	d, err := s.PutBlob(big)
	if err != nil {
		t.Fatal(err)
	}
	if !s.HasBlob(d) || s.HasBlob(Sum([]byte("nothing"))) {
		t.Error("before it is written")
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	if !s.HasBlob(d) || !other.HasBlob(d) {
		t.Error("after it is written")
	}
	closeStore(t, s)
	path := onlySegment(t, dir, "blobs")
	flipByte(t, path, segmentHeader+headerSize+5)
	s = open(t, dir, Options{})
	if !s.HasBlob(d) {
		t.Error("the content is nobody's business here")
	}
	if _, err := s.Blob(d); err == nil || s.HasBlob(d) {
		t.Errorf("after its damage was found: %v", err)
	}
	closeStore(t, s)
	flipByte(t, path, segmentHeader+20)
	if s = open(t, dir, Options{}); s.HasBlob(d) {
		t.Error("with a damaged head")
	}
	closeStore(t, s)
	if s.HasBlob(d) {
		t.Error("after Close")
	}
}
