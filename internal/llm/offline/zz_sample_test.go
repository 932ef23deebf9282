package offline

import (
	"fmt"
	"os"
	"testing"
)

func TestZZ(t *testing.T) {
	if os.Getenv("ZZ") == "" {
		return
	}
	kits := loadToolkits(t)
	i := 0
	for _, n := range names(kits) {
		for _, k := range kinds {
			for s := range 2 {
				i++
				p := newPlay(t, kits[n], outcomes[(i*7+s)%10], k, s)
				var g struct {
					Instruction         string
					Achievements, Risks []string
				}
				p.call("generator", genSchema, nil, &g)
				fmt.Printf("[%s %s %s] %s\n", n, k, outcomes[(i*7+s)%10], g.Instruction)
				if i%9 == 0 {
					fmt.Println("    ", g.Achievements, g.Risks)
				}
			}
		}
	}
}
