package offline

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
)

// rng is SplitMix64: small, and the same on every platform and Go version.
type rng struct {
	s    uint64
	made int // values made from schemas so far, see tooMany
}

// tooMany ends schemas that ask for more than anybody wants, such as lists of
// nine of themselves.
func (r *rng) tooMany() bool {
	r.made++
	return r.made > 4000
}

// newRNG hashes everything in the request, each part framed by its length.
func newRNG(req Request) *rng {
	h := sha256.New()
	var num [8]byte
	putInt := func(v int64) {
		binary.LittleEndian.PutUint64(num[:], uint64(v))
		h.Write(num[:])
	}
	put := func(b []byte) { putInt(int64(len(b))); h.Write(b) }

	putInt(req.Seed)
	put([]byte(req.Model))
	put([]byte(req.Purpose))
	put(req.Facts)
	putInt(int64(len(req.Messages)))
	for _, m := range req.Messages {
		put([]byte(m.Role))
		put([]byte(m.Content))
	}
	putInt(int64(len(req.Tools)))
	for _, t := range req.Tools {
		put([]byte(t.Name))
		put([]byte(t.Description))
		put(t.Parameters)
	}
	put(req.Schema)
	putInt(int64(req.Sample))
	putInt(int64(req.Generation))
	putInt(req.CallSeed)
	if req.Temperature != nil {
		putInt(int64(math.Float64bits(*req.Temperature)))
	}
	return &rng{s: binary.LittleEndian.Uint64(h.Sum(nil))}
}

func (r *rng) next() uint64 {
	r.s += 0x9e3779b97f4a7c15
	z := r.s
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

// n is a number from 0 to max-1; 0 if max is not positive.
func (r *rng) n(max int) int {
	if max <= 0 {
		return 0
	}
	return int(r.next() % uint64(max))
}

// between is a number from lo to hi.
func (r *rng) between(lo, hi int) int { return lo + r.n(hi-lo+1) }

// permille is true p times in a thousand.
func (r *rng) permille(p int) bool { return r.n(1000) < p }

// pick is one of the words; "" of none.
func (r *rng) pick(words ...string) string {
	if len(words) == 0 {
		return ""
	}
	return words[r.n(len(words))]
}
