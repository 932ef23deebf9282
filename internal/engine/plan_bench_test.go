package engine

import (
	"context"
	"fmt"
	"testing"

	"github.com/autosafe/autosafe/spec"
)

// wide repeats a recipe of four blocks until there are as many as asked for.
func wide(p *pipe, blocks int) *spec.Recipe {
	all := &spec.Recipe{Dir: p.dir}
	for i := range blocks / 4 {
		p.names = fmt.Sprint("_", i)
		p.prompt = fmt.Sprint(i)
		r := p.recipe()
		r.Steps[3].Dataset.Outputs[0].Path += p.names
		all.Steps = append(all.Steps, r.Steps...)
	}
	return all
}

// BenchmarkPlan plans 1,000 blocks: with nothing to do, and with the first
// step of each chain changed.
func BenchmarkPlan(b *testing.B) {
	for _, edited := range []bool{false, true} {
		b.Run(fmt.Sprintf("edited=%v", edited), func(b *testing.B) {
			p := newPipe(b, rows(5)...)
			p.onError = spec.OnErrorDrop
			opts := Options{Recipe: wide(p, 1000), Store: p.store, Runner: p.fake}
			sum, err := New(opts).Build(context.Background())
			if err != nil {
				b.Fatal(err)
			}
			opts.Last = lastOf(sum)
			if edited {
				p.samples = 3
				opts.Recipe = wide(p, 1000)
			}
			b.ResetTimer()
			for range b.N {
				plan, err := New(opts).Plan(context.Background())
				if err != nil || plan.Changes() != edited {
					b.Fatal(plan.Changes(), err)
				}
			}
		})
	}
}
