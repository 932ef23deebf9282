package key

import (
	"crypto/sha256"
	"strings"
	"testing"
)

// The digest is that of the encoded list, whatever the sizes of its parts.
func TestDigestIsOfTheEncoding(t *testing.T) {
	for n := range 600 {
		l := New("tag/1")
		l.AddString(strings.Repeat("n", n%300), strings.Repeat("v", n))
		l.AddInt("number", int64(n))
		l.AddString("large", strings.Repeat("x", 20*n))
		if got, want := l.Digest(), sha256.Sum256(l.Encode()); got != want {
			t.Fatalf("%d: %x, want %x", n, got, want)
		}
	}
}
