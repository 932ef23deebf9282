package cache

import (
	"encoding/binary"
	"math/bits"
)

// fold is a key in 128 bits: what the indexes know of it. Keys are digests,
// so that two with one fold are not to be met; if it happens, the later hides
// the earlier, which is a miss, as the full key is compared on every read.
type fold struct{ a, b uint64 }

// foldKey folds both halves of the key together, so that keys which differ in
// a few bytes only, wherever, stay apart.
func foldKey(k *Digest) fold {
	w := func(i int) uint64 { return binary.LittleEndian.Uint64(k[i:]) }
	return fold{
		a: mix(w(0) + w(16)*0x9E3779B97F4A7C15),
		b: mix(w(8) + w(24)*0xC2B2AE3D27D4EB4F),
	}
}

// mix spreads the bits of x; it is one to one.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xFF51AFD7ED558CCD
	x ^= x >> 33
	x *= 0xC4CEB9FE1A85EC53
	return x ^ x>>33
}

// place is where a record stands.
type place struct {
	seg    uint32 // in the log's list of segments
	off, n uint32
}

// table is an open-addressing hash table from fold to place: 28 bytes an
// entry, at most 1/maxLoad * growth times as much with its free slots.
// It is split into shards, so that growing never holds the table twice.
type table struct {
	shards [64]shard
	count  int // entries that are not dead
}

type shard struct {
	slots []slot
	used  int // slots that are not free
}

// slot has four words for the fold, so that it is not padded to 32 bytes.
type slot struct {
	fold [4]uint32
	place
}

// A slot with n = 0 is free. A dead one keeps its fold: its record was found
// damaged.
const deadSize = 1

func (f fold) words() [4]uint32 {
	return [4]uint32{uint32(f.a), uint32(f.a >> 32), uint32(f.b), uint32(f.b >> 32)}
}

// hash is evenly spread even if one half of the fold is constant.
func (f fold) hash() uint64 { return f.a ^ bits.RotateLeft64(f.b, 17) }

// find returns the index of the slot for w, or of the free slot for it.
// The shard must have a free slot.
func (s *shard) find(w [4]uint32, h uint64) (int, bool) {
	n := uint64(len(s.slots))
	i := uint64(uint32(h)) * n >> 32
	for s.slots[i].n != 0 {
		if s.slots[i].fold == w {
			return int(i), true
		}
		if i++; i == n {
			i = 0
		}
	}
	return int(i), false
}

// get returns the place for f; dead entries are not found.
func (t *table) get(f fold) (place, bool) {
	h := f.hash()
	s := &t.shards[h>>58]
	if len(s.slots) == 0 {
		return place{}, false
	}
	i, ok := s.find(f.words(), h)
	if !ok || s.slots[i].n == deadSize {
		return place{}, false
	}
	return s.slots[i].place, true
}

// set makes p the place for f.
func (t *table) set(f fold, p place) {
	h := f.hash()
	s := &t.shards[h>>58]
	if (s.used+1)*5 > len(s.slots)*4 {
		s.resize(max(8, len(s.slots)*3/2))
	}
	i, ok := s.find(f.words(), h)
	if !ok {
		s.used++
	}
	if !ok || s.slots[i].n == deadSize {
		t.count++
	}
	s.slots[i] = slot{fold: f.words(), place: p}
}

// drop forgets f if its place is still p.
func (t *table) drop(f fold, p place) {
	h := f.hash()
	s := &t.shards[h>>58]
	if len(s.slots) == 0 {
		return
	}
	if i, ok := s.find(f.words(), h); ok && s.slots[i].place == p {
		s.slots[i].place = place{n: deadSize}
		t.count--
	}
}

// each calls f for every entry that is not dead.
func (t *table) each(f func(fold, place)) {
	for i := range t.shards {
		for _, s := range t.shards[i].slots {
			if s.n > deadSize {
				f(s.key(), s.place)
			}
		}
	}
}

// key is the fold of the slot.
func (s *slot) key() fold {
	return fold{a: uint64(s.fold[0]) | uint64(s.fold[1])<<32, b: uint64(s.fold[2]) | uint64(s.fold[3])<<32}
}

// reserve makes room for n more entries.
func (t *table) reserve(n int) {
	if n < 1024 {
		return
	}
	for i := range t.shards {
		s := &t.shards[i]
		// A little more than the mean, for the spread between shards.
		want := (s.used + n/len(t.shards)) * 135 / 100
		if want > len(s.slots) {
			s.resize(want)
		}
	}
}

// resize moves the shard to n slots; n must exceed used.
func (s *shard) resize(n int) {
	old := s.slots
	s.slots = make([]slot, n)
	for _, o := range old {
		if o.n == 0 {
			continue
		}
		i, _ := s.find(o.fold, o.key().hash())
		s.slots[i] = o
	}
}
