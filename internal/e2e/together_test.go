package e2e

import (
	"sync"
	"testing"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// TestTwoBuildsAtOnce builds one recipe on one cache by two processes at
// once, into one folder and into two. Both succeed with equal outputs.
func TestTwoBuildsAtOnce(t *testing.T) {
	t.Parallel()
	server := start(t, llmtest.Options{Latency: 2 * time.Millisecond})
	whole := pipeline(t, server)
	want := whole.mustBuild().sum
	once := whole.bodies()
	for _, tt := range []struct {
		name string
		args func(i int) []string
	}{
		{"one folder", func(int) []string { return nil }},
		{"two folders", func(i int) []string { return []string{"-out", t.TempDir()} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := whole.fresh(t)
			var got [2]result
			args := [2][]string{tt.args(0), tt.args(1)}
			var wg sync.WaitGroup
			for i := range got {
				wg.Go(func() { got[i] = p.build(args[i]...) })
			}
			wg.Wait()
			for i, r := range got {
				if r.code != 0 {
					t.Errorf("build %d: exit %d: %s\n%s", i, r.code, r.sum.Error, tail(r.stderr))
				} else if r.sum.totals() != want.totals() {
					t.Errorf("build %d: totals\n%s\nwant\n%s", i, r.sum.totals(), want.totals())
				}
				if dir := p.dist(); args[i] == nil {
					sameFiles(t, dir, whole.dist())
				} else {
					sameFiles(t, args[i][1]+"/dist", whole.dist())
				}
			}
			for body, n := range p.bodies() {
				if n > 2*once[body] {
					t.Errorf("asked %d times, by one build %d times: %.200s", n, once[body], body)
				}
			}
			p.key += "-after"
			wantIdle(t, p, p.mustBuild(args[1]...).sum)
		})
	}
}
