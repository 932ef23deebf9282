package cache

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// model plays several processes on one folder and knows what each may see.
type model struct {
	t      *testing.T
	r      *rand.Rand
	dir    string
	stores []*Store
	// durable is what every store must see; unsynced is what each store has
	// put since, which it must see itself.
	durable  map[Digest][]byte
	unsynced []map[Digest][]byte
	// past has every value that a key had; changed are the keys of which a
	// store may know an older one; loose are those that a collection may have
	// dropped.
	past    map[Digest][][]byte
	changed map[Digest]bool
	loose   map[Digest]bool
}

func (m *model) open() *Store {
	return open(m.t, m.dir, Options{segmentSize: 32 << 10})
}

// settle makes store i's puts durable.
func (m *model) settle(i int) {
	for k, v := range m.unsynced[i] {
		if old, ok := m.durable[k]; ok && !bytes.Equal(old, v) {
			m.changed[k] = true
		}
		m.durable[k] = v
		delete(m.loose, k)
	}
	m.unsynced[i] = map[Digest][]byte{}
}

// busy reports whether another store than i has an unsynced value of k: whose
// is later would then depend on who syncs last.
func (m *model) busy(i int, k Digest) bool {
	for j, u := range m.unsynced {
		if _, ok := u[k]; ok && j != i {
			return true
		}
	}
	return false
}

// check reads a key with store i, after Refresh where another store may have
// given it a newer value.
func (m *model) check(i int, k Digest) {
	m.t.Helper()
	want, own := m.unsynced[i][k]
	ok := own
	if !own {
		if m.busy(i, k) {
			return
		}
		if want, ok = m.durable[k]; m.changed[k] {
			m.refresh(i)
		}
	}
	m.wants(m.stores[i], k, want, ok, m.loose[k] && !own, m.past[k])
}

// wants checks what a store says of a key. One that is loose may be gone; who
// had it open may still see what it knew.
func (m *model) wants(s *Store, k Digest, want []byte, ok, loose bool, past [][]byte) {
	m.t.Helper()
	got, err := s.Get(Rows, k)
	switch {
	case loose && errors.Is(err, ErrNotFound):
	case loose && err == nil && slices.ContainsFunc(past, func(v []byte) bool { return bytes.Equal(v, got) }):
	case !ok && !errors.Is(err, ErrNotFound):
		m.t.Fatalf("%s: %v, want it not found", k, err)
	case ok && (err != nil || !bytes.Equal(got, want)):
		m.t.Fatalf("%s: %d bytes, %v; want %d bytes", k, len(got), err, len(want))
	}
}

func (m *model) refresh(i int) {
	m.t.Helper()
	if err := m.stores[i].Refresh(Rows); err != nil {
		m.t.Fatal(err)
	}
}

// put gives a key a new value, sometimes none. The store looks at what others
// did first.
func (m *model) put(i int, k Digest, n int, put func(Kind, Digest, []byte) error) bool {
	m.t.Helper()
	if m.busy(i, k) {
		return false
	}
	m.refresh(i)
	v := text(m.r, m.r.IntN(n))
	if err := put(Rows, k, v); err != nil {
		m.t.Fatal(err)
	}
	m.unsynced[i][k] = v
	m.past[k] = append(m.past[k], v)
	return true
}

// collect drops a tenth of the keys, but for those that somebody is about to
// put: that they are young is what protects them otherwise.
func (m *model) collect(i int) {
	m.t.Helper()
	drop := m.r.IntN(10)
	keep := func(_ Kind, k Digest) bool { return int(k[0])%10 != drop || m.busy(-1, k) }
	if _, err := m.stores[i].Collect(m.t.Context(), CollectOptions{Keep: keep}); err != nil {
		m.t.Fatal(err)
	}
	m.settle(i)
	for k, v := range m.durable {
		if !keep(Rows, k) || len(v) == 0 {
			m.loose[k] = true
		}
	}
}

// fresh looks at the folder as a process that starts does.
func (m *model) fresh() {
	m.t.Helper()
	s := m.open()
	for k, want := range m.durable {
		if !m.busy(-1, k) {
			m.wants(s, k, want, true, m.loose[k], [][]byte{want})
		}
	}
	closeStore(m.t, s)
}

func (m *model) step() {
	i := m.r.IntN(len(m.stores))
	s := m.stores[i]
	k := keyOf("model", m.r.IntN(300))
	switch n := m.r.IntN(1000); {
	case n < 400:
		m.check(i, k)
	case n < 750:
		m.put(i, k, 3000, s.Put)
	case n < 850:
		if m.put(i, k, 300, s.PutDurable) {
			m.settle(i)
		}
	case n < 930:
		if err := s.Sync(); err != nil {
			m.t.Fatal(err)
		}
		m.settle(i)
	case n < 950:
		closeStore(m.t, s)
		m.settle(i)
		m.stores[i] = m.open()
	case n < 970:
		m.collect(i)
	case n < 980:
		m.fresh()
	default:
		for k := range m.durable {
			m.check(i, k)
		}
	}
}

func TestModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		m := &model{t: t, r: rand.New(rand.NewPCG(seed, 7)), dir: t.TempDir(), durable: map[Digest][]byte{},
			past: map[Digest][][]byte{}, changed: map[Digest]bool{}, loose: map[Digest]bool{}}
		for range 4 {
			m.stores = append(m.stores, m.open())
			m.unsynced = append(m.unsynced, map[Digest][]byte{})
		}
		for range 1500 {
			m.step()
		}
		for i, s := range m.stores {
			closeStore(t, s)
			m.settle(i)
		}
		m.fresh()
		r, err := m.open().Verify(t.Context())
		if err != nil || len(r.Damage) > 0 {
			t.Fatalf("Verify: %+v, %v", r.Damage, err)
		}
	}
}
