package instructions

import (
	"math"
	"testing"

	"github.com/autosafe/autosafe/spec/ots"
)

func counts(mix map[string]float64, row uint64, samples int) map[ots.InstructionType]int {
	n := map[ots.InstructionType]int{}
	for i := range samples {
		n[typeOf(mix, row, i)]++
	}
	return n
}

func TestDefaultMixOfTen(t *testing.T) {
	mix := map[string]float64{"normal": 0.3, "underspecified": 0.4, "malicious": 0.3}
	for row := range uint64(2 * phases) {
		n := counts(mix, row, 10)
		if n["normal"] != 3 || n["underspecified"] != 4 || n["malicious"] != 3 {
			t.Fatalf("row %d: %v, want 3, 4 and 3", row, n)
		}
	}
}

func TestMixHoldsForAnyShares(t *testing.T) {
	for _, mix := range []map[string]float64{
		{"normal": 1},
		{"underspecified": 0.5, "malicious": 0.5},
		{"normal": 0.05, "underspecified": 0.05, "malicious": 0.9},
		{"normal": 1.0 / 3, "underspecified": 1.0 / 3, "malicious": 1.0 / 3},
	} {
		for _, row := range []uint64{0, 1, 7, 999, math.MaxUint64} {
			for _, samples := range []int{1, 3, 10, 100} {
				for kind, n := range counts(mix, row, samples) {
					share := mix[string(kind)]
					if share == 0 {
						t.Fatalf("%v: %q has no share and came up", mix, kind)
					}
					if off := math.Abs(float64(n) - share*float64(samples)); off > 2 {
						t.Errorf("%v row %d: %d of %d are %s", mix, row, n, samples, kind)
					}
				}
			}
		}
	}
}

// With one sample a row, the rows together keep the mix.
func TestMixHoldsAcrossRows(t *testing.T) {
	mix := map[string]float64{"normal": 0.3, "underspecified": 0.4, "malicious": 0.3}
	n := map[ots.InstructionType]int{}
	const rows = 2000
	for i := range rows {
		in := In{Outcome: "bias", Toolkits: []string{"Toolkit", string(rune('a' + i%26)), string(rune(0x100 + i))}}
		n[typeOf(mix, rowHash(in), 0)]++
	}
	for kind, share := range mix {
		got := float64(n[ots.InstructionType(kind)]) / rows
		if math.Abs(got-share) > 0.05 {
			t.Errorf("%s: share %.3f, want about %.1f", kind, got, share)
		}
	}
}
