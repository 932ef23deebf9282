package sdk

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
)

// TestFile writes pieces of any length, those that fill buffers exactly among
// them.
func TestFile(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, pieces := range [][]int{{}, {0}, {10}, {fileBuffer}, {fileBuffer, 1}, {fileBuffer - 1, 1, fileBuffer}, {3*fileBuffer + 7}, {5, 9 * fileBuffer, 3}} {
		path := filepath.Join(t.TempDir(), "f")
		file, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		f := newFile(file, &pluginpb.Artifact{Path: "f"})
		var want []byte
		for _, n := range pieces {
			piece := make([]byte, n)
			for i := range piece {
				piece[i] = byte(rng.Uint32())
			}
			want = append(want, piece...)
			if got, err := f.Write(piece); got != n || err != nil {
				t.Fatalf("%v: wrote %d, %v", pieces, got, err)
			}
			clear(piece) // the writer keeps none of it
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte("x")); err == nil {
			t.Error("a closed file took more")
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%v: %d bytes, %v; want %d", pieces, len(got), err, len(want))
		}
	}
}

// TestFileFails writes to a file that cannot be written.
func TestFileFails(t *testing.T) {
	for _, n := range []int{1, 2 * fileBuffer, 40 * fileBuffer} {
		file, err := os.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		f := newFile(file, &pluginpb.Artifact{Path: "f"})
		_, werr := f.Write(make([]byte, n))
		if n > 10*fileBuffer && werr == nil {
			t.Error("no write told of the error")
		}
		if err := f.Close(); err == nil {
			t.Error("no error")
		}
		f.abandon()
	}
}
