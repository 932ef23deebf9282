package instructions

import (
	"hash/fnv"
	"math"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
)

// tolerance allows for shares such as 0.1 that have no exact binary form.
const tolerance = 1e-9

func checkMix(p *sdk.Problems, mix map[string]float64) {
	sum := 0.0
	for _, t := range ots.InstructionTypes() {
		share := mix[string(t)]
		if share < 0 || share > 1 {
			p.Attr("mix", sdk.Key(t)).Errorf("Unsuitable share", "A share is between 0 and 1, not %v.", share)
			return
		}
		sum += share
	}
	if math.Abs(sum-1) > tolerance {
		p.Attr("mix").Errorf("Unsuitable mix", "The shares add up to %v; they must add up to 1.", math.Round(sum*1e6)/1e6)
	}
}

// phases is how many places in the sequence of types a row may start at.
const phases = 1000

// typeOf is the instruction type of a row's sample. The types follow a fixed
// sequence in which every stretch holds each type in its share, as nearly as
// whole numbers allow; ten in a row of the default mix are 3, 4 and 3. A row
// starts at a place of its own, so that also with few samples a row all the
// rows together keep the mix. The number of samples plays no part.
func typeOf(mix map[string]float64, row uint64, sample int) ots.InstructionType {
	types := ots.InstructionTypes()
	given := make([]int, len(types))
	last := 0
	for n := 1; n <= int(row%phases)+sample+1; n++ {
		// The type that is furthest behind its share comes next.
		last = -1
		most := 0.0
		for i, t := range types {
			behind := mix[string(t)]*float64(n) - float64(given[i])
			if mix[string(t)] > 0 && (last < 0 || behind > most+tolerance) {
				last, most = i, behind
			}
		}
		if last < 0 {
			return ots.InstructionNormal // a mix without any share is refused before
		}
		given[last]++
	}
	return types[last]
}

// rowHash is a number made from the columns read, the same on every machine.
func rowHash(in In) uint64 {
	h := fnv.New64a()
	write := func(s string) {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	write(in.Domain)
	write(in.Outcome)
	for _, t := range in.Toolkits {
		write(t)
	}
	for _, t := range in.Tools {
		write(t.Name)
	}
	return h.Sum64()
}
