package cache

import (
	"bytes"
	"testing"
)

// FuzzScan feeds any bytes to the segment reader: it must walk them from end
// to end, without overlap, and every whole record must decode.
func FuzzScan(f *testing.F) {
	const id = 42
	c := newCodec()
	var seg []byte
	for i, n := range []int{0, 10, 500} {
		rec, err := c.encode(Rows, keyOf("f", i), bytes.Repeat([]byte("ab"), n))
		if err != nil {
			f.Fatal(err)
		}
		seal(*rec, id, int64(len(seg)), uint64(i))
		seg = append(seg, *rec...)
	}
	f.Add(seg, 0, byte(0))
	f.Add(seg[:len(seg)-1], 9, byte(1))
	f.Add(append([]byte("xx"), seg...), 100, byte(255))
	f.Add(bytes.Repeat(recordMagic(), 50), 7, byte(3))
	f.Fuzz(func(t *testing.T, b []byte, at int, flip byte) {
		b = append([]byte(nil), b...)
		if at >= 0 && at < len(b) {
			b[at] ^= flip
		}
		sc, pos := newScanner(bytes.NewReader(b), id, 0, int64(len(b))), int64(0)
		for {
			sp, ok := sc.next()
			if !ok {
				break
			}
			if sp.off != pos || sp.n <= 0 {
				t.Fatalf("stretch at %d of %d bytes, want it at %d", sp.off, sp.n, pos)
			}
			pos += sp.n
			if sp.whole {
				if _, err := c.decode(sp.rec, &sp.head); err != nil {
					t.Fatal(err)
				}
			}
		}
		if pos != int64(len(b)) {
			t.Fatalf("ended at %d of %d", pos, len(b))
		}
	})
}

// FuzzSidecar feeds any bytes to the reader of sidecars.
func FuzzSidecar(f *testing.F) {
	b := sidecarHead(7)
	for i := range 3 {
		e := entry{fold: fold{uint64(i), 9}, seq: 5, off: uint32(segmentHeader + 100*i), n: 100}
		b = e.appendTo(b)
	}
	f.Add(b, int64(332))
	f.Add(b[:60], int64(100))
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		entries, clean := parseSidecar(b, 7, size)
		at := int64(segmentHeader)
		for _, e := range entries {
			if int64(e.off) != at || e.end() > size || e.n == 0 {
				t.Fatalf("entry %+v at %d of %d", e, at, size)
			}
			at = e.end()
		}
		if clean && len(b) != sidecarHeader+len(entries)*entrySize {
			t.Fatal("clean, but not all of it was read")
		}
	})
}
