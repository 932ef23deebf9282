package cache

import (
	"bytes"
	"errors"
	"math/rand/v2"
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
}

func (m *model) open() *Store {
	return open(m.t, m.dir, Options{segmentSize: 32 << 10})
}

// settle makes store i's puts durable.
func (m *model) settle(i int) {
	for k, v := range m.unsynced[i] {
		m.durable[k] = v
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

func (m *model) check(i int, k Digest) {
	m.t.Helper()
	want, ok := m.unsynced[i][k]
	if !ok {
		if m.busy(i, k) {
			return
		}
		want, ok = m.durable[k]
	}
	got, err := m.stores[i].Get(Rows, k)
	switch {
	case !ok && !errors.Is(err, ErrNotFound):
		m.t.Fatalf("store %d, %s: %v, want it not found", i, k, err)
	case ok && (err != nil || !bytes.Equal(got, want)):
		m.t.Fatalf("store %d, %s: %d bytes, %v; want %d bytes", i, k, len(got), err, len(want))
	}
}

func (m *model) step() {
	i := m.r.IntN(len(m.stores))
	s := m.stores[i]
	k := keyOf("model", m.r.IntN(300))
	switch n := m.r.IntN(100); {
	case n < 40:
		m.check(i, k)
	case n < 75:
		// A key that another store may have cached is not overwritten: a
		// store looks for newer records on a miss alone.
		if _, ok := m.durable[k]; ok || m.busy(i, k) {
			return
		}
		v := text(m.r, m.r.IntN(3000))
		if err := s.Put(Rows, k, v); err != nil {
			m.t.Fatal(err)
		}
		m.unsynced[i][k] = v
	case n < 85:
		if _, ok := m.durable[k]; ok || m.busy(i, k) {
			return
		}
		v := text(m.r, m.r.IntN(300))
		if err := s.PutDurable(Rows, k, v); err != nil {
			m.t.Fatal(err)
		}
		m.unsynced[i][k] = v
		m.settle(i)
	case n < 95:
		if err := s.Sync(); err != nil {
			m.t.Fatal(err)
		}
		m.settle(i)
	case n < 97:
		closeStore(m.t, s)
		m.settle(i)
		m.stores[i] = m.open()
	case n < 98:
		// Everybody stops; then values may change.
		for j, s := range m.stores {
			closeStore(m.t, s)
			m.settle(j)
		}
		m.stores[i] = m.open()
		for range 20 {
			k, v := keyOf("model", m.r.IntN(300)), text(m.r, m.r.IntN(300))
			if err := m.stores[i].Put(Rows, k, v); err != nil {
				m.t.Fatal(err)
			}
			m.unsynced[i][k] = v
		}
		closeStore(m.t, m.stores[i])
		m.settle(i)
		for j := range m.stores {
			m.stores[j] = m.open()
		}
	default:
		for k := range m.durable {
			m.check(i, k)
		}
	}
}

func TestModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		m := &model{t: t, r: rand.New(rand.NewPCG(seed, 7)), dir: t.TempDir(), durable: map[Digest][]byte{}}
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
		s := m.open()
		r, err := s.Verify(t.Context())
		if err != nil || len(r.Damage) > 0 {
			t.Fatalf("Verify: %+v, %v", r.Damage, err)
		}
		for k, want := range m.durable {
			if got, err := s.Get(Rows, k); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("at the end: %v", err)
			}
		}
	}
}
