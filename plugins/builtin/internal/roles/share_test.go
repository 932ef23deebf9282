package roles

import (
	"fmt"
	"math"
	"testing"
)

// Over a row's first n samples the share holds for every n, so raising
// samples never changes an earlier one.
func TestAdversarialShareOfARow(t *testing.T) {
	for _, share := range []float64{0, 0.1, 0.5, 0.75, 1} {
		for _, phase := range []float64{0, 0.25, 0.5, 0.999} {
			n := 0
			for sample := range 200 {
				if Adversarial(share, phase, sample) {
					n++
				}
				if off := math.Abs(float64(n) - share*float64(sample+1)); off >= 1+1e-9 {
					t.Fatalf("share %v, phase %v: %d of %d", share, phase, n, sample+1)
				}
			}
			if share == 0 && n != 0 || share == 1 && n != 200 {
				t.Errorf("share %v: %d of 200", share, n)
			}
		}
	}
}

func TestAdversarialShareAcrossRows(t *testing.T) {
	for _, share := range []float64{0.2, 0.5} {
		n := 0
		const rows = 4000
		for i := range rows {
			if Adversarial(share, Phase(Case{Instruction: fmt.Sprint("task ", i)}), 0) {
				n++
			}
		}
		if got := float64(n) / rows; math.Abs(got-share) > 0.03 {
			t.Errorf("share %.3f of rows, want about %.1f", got, share)
		}
	}
}
