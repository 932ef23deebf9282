package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/row"
)

// TestPassedRows passes a choice of rows on, among them the last one that a
// chunk can hold, and finds the same ones by the manifest.
func TestPassedRows(t *testing.T) {
	store := &memoryBlobs{}
	whole := newFlow(store)
	for i := range 3*chunkRows + 10 {
		r, err := row.Parse(fmt.Appendf(nil, `{"n":%d}`, i))
		if err != nil {
			t.Fatal(err)
		}
		if err := whole.append([]row.Row{r}); err != nil {
			t.Fatal(err)
		}
	}
	if err := whole.finish(nil); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	some := newFlow(store)
	var want []string
	for _, items := range readAll(t, whole) {
		items = slices.DeleteFunc(items, func(it item) bool { return it.ref.index != chunkRows-1 && random.IntN(3) == 0 })
		for _, it := range items {
			want = append(want, string(it.row.Bytes()))
		}
		if err := some.pass(items); err != nil {
			t.Fatal(err)
		}
	}
	if err := some.finish(nil); err != nil {
		t.Fatal(err)
	}
	manifest, err := some.manifest()
	if err != nil {
		t.Fatal(err)
	}
	opened, err := openFlow(store, manifest, int64(len(want)))
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]*flow{"passed": some, "opened": opened} {
		var got []string
		for _, items := range readAll(t, f) {
			for _, it := range items {
				got = append(got, string(it.row.Bytes()))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d rows, want %d, or in another order", name, len(got), len(want))
		}
	}
}

// readAll reads a flow to its end.
func readAll(t *testing.T, f *flow) (list [][]item) {
	t.Helper()
	for in := (&reader{flows: []*flow{f}}); ; {
		items, err := in.next()
		if err != nil {
			t.Fatal(err)
		}
		if len(items) == 0 {
			return list
		}
		list = append(list, items)
	}
}

// TestManifestBeyondChunk has a manifest name a row that no chunk can hold.
func TestManifestBeyondChunk(t *testing.T) {
	store := &memoryBlobs{}
	b := append([]byte{1}, make([]byte, 32)...) // one segment, of the chunk with the digest 0…
	b = append(b, 5, 1, 0x80, 0x02)             // of 5 rows, one of which: number 256
	manifest, err := store.PutBlob(b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openFlow(store, manifest, 1); !errors.Is(err, errMalformed) {
		t.Errorf("got %v", err)
	}
}

// memoryBlobs is a blobStore.
type memoryBlobs struct{ blobs sync.Map }

func (m *memoryBlobs) PutBlob(b []byte) (cache.Digest, error) {
	d := cache.Sum(b)
	m.blobs.Store(d, slices.Clone(b))
	return d, nil
}

func (m *memoryBlobs) Blob(d cache.Digest) ([]byte, error) {
	if b, ok := m.blobs.Load(d); ok {
		return b.([]byte), nil
	}
	return nil, cache.ErrNotFound
}

func (m *memoryBlobs) HasBlob(d cache.Digest) bool { _, ok := m.blobs.Load(d); return ok }
