package engine

import (
	"hash/maphash"
	"math"
	"math/rand/v2"
	"strings"
)

// MinHash (Broder 1997) estimates the Jaccard similarity of two texts' sets
// of three-word shingles from small signatures; banding finds the candidates
// without comparing every pair.

// sketchSize is the number of hash functions. The standard error of an
// estimate near 0.9 is about sqrt(0.09/128) = 0.027.
const sketchSize = 128

type signature [sketchSize]uint32

// shingleWords is the length of a shingle.
const shingleWords = 3

// sketcher holds the hash functions: x -> a*x + b with odd a, of which the
// upper half is taken. They are fixed, since signatures must not vary.
type sketcher struct{ a, b [sketchSize]uint64 }

func newSketcher() *sketcher {
	rng := rand.NewPCG(0x6175746f73616665, 1)
	s := &sketcher{}
	for i := range s.a {
		s.a[i], s.b[i] = rng.Uint64()|1, rng.Uint64()
	}
	return s
}

// sketch computes a text's signature.
func (s *sketcher) sketch(text string) *signature {
	var sig signature
	for i := range sig {
		sig[i] = math.MaxUint32
	}
	w := words(text)
	for i := 0; i == 0 || i+shingleWords <= len(w); i++ {
		h := hashText(strings.Join(w[i:min(len(w), i+shingleWords)], " "))
		for j := range sig {
			if v := uint32((s.a[j]*h + s.b[j]) >> 32); v < sig[j] {
				sig[j] = v
			}
		}
	}
	return &sig
}

// hashText is FNV-1a, finished with a mix so that its upper bits are good.
// It must give the same on every machine and in every release.
func hashText(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	return h ^ h>>33
}

// similarity is the estimated Jaccard similarity.
func (s *signature) similarity(o *signature) float64 {
	same := 0
	for i := range s {
		if s[i] == o[i] {
			same++
		}
	}
	return float64(same) / sketchSize
}

// nearIndex finds earlier signatures that are alike.
type nearIndex struct {
	threshold float64
	rows      int // per band
	kept      []*signature
	bands     []map[uint64][]int32
	seed      maphash.Seed
}

// newNearIndex chooses bands so that a pair at the threshold is missed less
// than once in a thousand.
func newNearIndex(threshold float64) *nearIndex {
	rows := 1
	for _, r := range []int{2, 4, 8, 16, 32} {
		bands := float64(sketchSize / r)
		if missed := math.Pow(1-math.Pow(threshold, float64(r)), bands); missed < 0.001 {
			rows = r
		}
	}
	x := &nearIndex{threshold: threshold, rows: rows, seed: maphash.MakeSeed()}
	for range sketchSize / rows {
		x.bands = append(x.bands, map[uint64][]int32{})
	}
	return x
}

// add keeps a signature unless an earlier one is at least as similar as the
// threshold, and says whether it did.
func (x *nearIndex) add(sig *signature) bool {
	keys := make([]uint64, len(x.bands))
	for b := range x.bands {
		keys[b] = maphash.Comparable(x.seed, band(sig, b*x.rows, x.rows))
		for _, i := range x.bands[b][keys[b]] {
			if sig.similarity(x.kept[i]) >= x.threshold {
				return false
			}
		}
	}
	n := int32(len(x.kept))
	x.kept = append(x.kept, sig)
	for b, k := range keys {
		x.bands[b][k] = append(x.bands[b][k], n)
	}
	return true
}

// band is a part of a signature, as a value that can be hashed.
func band(sig *signature, from, n int) (part [32]uint32) {
	copy(part[:], sig[from:from+n])
	return part
}
