package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// TestGatewayFailsAtARow has a gateway say of a row that the endpoint is down,
// each time, while it answers all others. The row ends by itself, and the build
// goes on without it; the next one has it.
func TestGatewayFailsAtARow(t *testing.T) {
	t.Parallel()
	for _, status := range []int{502, 503, 504} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			bad := func(r llmtest.Request) bool {
				text := *r.Messages[len(r.Messages)-1].Content
				return r.Model == "critic" && strings.Contains(text, "Ask number 1.")
			}
			// The others are answered when this one has failed.
			var once sync.Once
			failed := make(chan struct{})
			server := start(t, llmtest.Options{
				Reply: func(llmtest.Request) (llmtest.Reply, bool) {
					<-failed
					return llmtest.Reply{}, false
				},
				Faults: []llmtest.Fault{{Status: status, Match: func(r llmtest.Request) bool {
					if !bad(r) {
						return false
					}
					once.Do(func() { close(failed) })
					return true
				}}},
			})
			p := small(t, server, 4)
			p.edit(recipe, "  retries  = 0\n", "  retries  = 1\n  outage   = \"20s\"\n")
			p.edit(recipe, "  model  = model.critic\n", "  model  = model.critic\n  on_error = \"drop\"\n")
			first := p.mustBuild().sum
			lost := map[string]int64{}
			for _, st := range first.Steps {
				for code, n := range st.Failed {
					lost[code] += n
				}
			}
			if len(lost) != 1 || lost["unavailable"] != 1 {
				t.Errorf("rows failed: %v", lost)
			}
			seen := map[string]bool{}
			for _, r := range p.requests() {
				if !bad(r) && seen[string(r.Raw)] {
					t.Errorf("asked twice: %.200s", r.Raw)
				}
				seen[string(r.Raw)] = true
			}
			server.Reset()
			p.mustBuild()
			want := small(t, server, 4)
			want.mustBuild()
			sameFiles(t, p.dist(), want.dist())
		})
	}
}
