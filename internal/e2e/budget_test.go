package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// TestBudget builds under a budget, at an endpoint that keeps its own account.
// No build costs more than it may, one that stops says so, and the next ones go
// on where it stopped: nothing is paid for twice.
func TestBudget(t *testing.T) {
	t.Parallel()
	const perToken = 1000.0 / 1e6 // US dollars, as the recipe has it
	content := func(r llmtest.Request) string {
		return fmt.Sprintf(`{"reason":"%0*d","score":2}`, 10+len(r.Raw)%300, 0)
	}
	server := start(t, llmtest.Options{
		Latency: time.Millisecond,
		Reply:   func(r llmtest.Request) (llmtest.Reply, bool) { return llmtest.Reply{Content: content(r)}, true },
	})
	bill := func(p *project) (usd float64) {
		for _, r := range p.requests() {
			usd += float64(len(r.Raw)/4+len(content(r))/4+1) * perToken
		}
		return usd
	}
	whole := small(t, server, 30)
	// Until a model has answered once, nobody knows how long its answers are:
	// max_tokens says how long they can be.
	for _, model := range []string{"critic", "second"} {
		name := "name     = \"" + model + "\"\n"
		whole.edit(recipe, name, name+"  max_tokens = 200\n")
	}
	want := whole.mustBuild().sum
	cost := bill(whole)
	if d := want.Calls.CostUSD - cost; d > 1e-6 || d < -1e-6 {
		t.Fatalf("the build says that it cost %v, the endpoint %v", want.Calls.CostUSD, cost)
	}
	for _, part := range []float64{0.01, 0.3, 0.7, 2} {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			p := whole.fresh(t)
			budget := cost * part
			paid, builds := 0.0, 0
			for ; builds < 200; builds++ {
				r := p.build("-budget-usd", fmt.Sprint(budget))
				spent := bill(p) - paid
				paid += spent
				if spent > budget+1e-9 || r.sum.Calls.CostUSD-spent > 1e-6 || spent-r.sum.Calls.CostUSD > 1e-6 {
					t.Fatalf("build %d cost %v of a budget of %v, and says %v", builds, spent, budget, r.sum.Calls.CostUSD)
				}
				if r.code == 0 {
					break
				}
				if r.code != 6 || r.sum.OK {
					t.Fatalf("build %d: exit %d, %s\n%s", builds, r.code, r.sum.Error, tail(r.stderr))
				}
				if spent < budget/3 && part > 0.1 {
					t.Errorf("build %d stopped after %v of %v", builds, spent, budget)
				}
				if spent == 0 { // not one call fits in
					if part > 0.05 {
						t.Errorf("build %d made no call with a budget of %v", builds, budget)
					}
					break
				}
			}
			p.mustBuild()
			if asked := p.bodies(); sum(asked) != len(asked) || len(asked) != 60 {
				t.Errorf("%d calls, %d of them different, want 60", sum(asked), len(asked))
			}
			sameFiles(t, p.dist(), whole.dist())
		})
	}
}
