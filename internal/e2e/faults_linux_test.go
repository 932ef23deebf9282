package e2e

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// faultRows is how many rows the tests of faults have; two models are asked
// about each.
const faultRows = 100

// firstAsked makes an answer depend on the model and the first question, so
// that whoever is asked once more, and told why, or in another form, says what
// it would have said.
func firstAsked(r llmtest.Request) []byte {
	for _, m := range r.Messages {
		if m.Role == "user" && m.Content != nil {
			return []byte(r.Model + "\n" + *m.Content)
		}
	}
	return r.Raw
}

// stubborn is a small project that does not give up for chance's sake.
func stubborn(t testing.TB, server *llmtest.Server, provider string) *project {
	t.Helper()
	p := small(t, server, faultRows)
	p.edit(recipe, "retries  = 0", "retries  = 50\n"+provider)
	for _, model := range []string{"critic", "second"} {
		name := "name     = \"" + model + "\"\n"
		p.edit(recipe, name, name+"  reply_retries = 20\n")
	}
	return p
}

// at is the project before another endpoint, without a cache, and with a
// binary of its own.
func (p *project) at(t testing.TB, server *llmtest.Server) *project {
	t.Helper()
	q := p.fresh(t)
	q.server = server
	q.ownBinary()
	return q
}

// wantWhole checks that a build has finished every row, and has counted its
// calls as the endpoint did: each request is one that was answered, or one
// that had to be sent again.
func wantWhole(t testing.TB, p *project, got summary, c llmtest.Counts) {
	t.Helper()
	for _, address := range []string{"judge.rubric.quality", "judge.rubric.clarity"} {
		if st := got.step(t, address); st.RowsOut != faultRows || st.RowsFailed != 0 {
			t.Errorf("%s: %d rows out, %d failed: %v", address, st.RowsOut, st.RowsFailed, st.Failed)
		}
	}
	if got.Calls.Failed != 0 || got.Calls.Made+got.Calls.Retried != int64(c.Requests) {
		t.Errorf("the build made %d calls, retried %d and lost %d; the endpoint had %d requests", got.Calls.Made, got.Calls.Retried, got.Calls.Failed, c.Requests)
	}
	cost := float64(got.Calls.InputTokens+got.Calls.OutputTokens) * 1000 / 1e6
	if math.Abs(cost-got.Calls.CostUSD) > 1e-6 {
		t.Errorf("%d tokens in, %d out cost %v, want %v", got.Calls.InputTokens, got.Calls.OutputTokens, got.Calls.CostUSD, cost)
	}
}

// wantNothingLeft waits until nothing of a build is left: no process, and at
// the endpoint no request and no connection.
func wantNothingLeft(t testing.TB, p *project) {
	t.Helper()
	wantGone(t, p.bin)
	eventually(t, "requests or connections are left at the endpoint", func() bool {
		c := p.server.Counts()
		return c.InFlight == 0 && c.Connections == 0
	})
}

// TestFaultyEndpoint builds at an endpoint that fails at random in every way:
// every row finishes, with the answers that a sound endpoint would have given,
// the totals are exact, and nothing is left behind.
func TestFaultyEndpoint(t *testing.T) {
	t.Parallel()
	opts := llmtest.Options{Identity: firstAsked}
	sound := stubborn(t, start(t, opts), `  timeout  = "20s"`)
	sound.mustBuild()
	for seed := range uint64(roundsOf(2)) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			faulty := opts
			faulty.Seed = seed + 1
			faulty.Faults = []llmtest.Fault{
				{Share: 0.10, Status: 429}, {Share: 0.05, Status: 500}, {Share: 0.02, Hang: true}, {Share: 0.02, Cut: true}, {Share: 0.03, Unfit: true},
			}
			p := sound.at(t, start(t, faulty))
			got := p.mustBuild().sum
			wantNothingLeft(t, p)
			c := p.server.Counts()
			wantWhole(t, p, got, c)
			for i, n := range c.Faults {
				if n == 0 {
					t.Errorf("fault %d never happened in %d requests", i, c.Requests)
				}
			}
			// A reply that does not fit was paid for too. One that came too
			// late for the build, on a machine that is busy, is not known to it.
			unfit := int64(c.Faults[4])
			late := got.Calls.Retried - int64(c.Faults[0]+c.Faults[1]+c.Faults[2]+c.Faults[3])
			if most := 2*faultRows + unfit; late < 0 || got.Calls.Made > most || got.Calls.Made < most-late {
				t.Errorf("%d calls were made and %d sent again, with %v faults; want %d made", got.Calls.Made, got.Calls.Retried, c.Faults, most)
			}
			sameFiles(t, p.dist(), sound.dist())
		})
	}
}

// TestKeyRefusedMidway has an endpoint refuse the key in the middle of a
// build: nothing is asked after that was seen, the build says what to do, and
// with the key put right the next one goes on, paying nothing twice.
func TestKeyRefusedMidway(t *testing.T) {
	t.Parallel()
	server := start(t, llmtest.Options{Identity: firstAsked})
	sound := stubborn(t, server, "")
	sound.mustBuild()
	for _, status := range []int{401, 403} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			p := sound.at(t, start(t, llmtest.Options{Identity: firstAsked, Faults: []llmtest.Fault{{From: 41, Status: status}}}))
			first := p.build()
			if first.code != 1 || !strings.Contains(first.stdout, "refuses the API key") || !strings.Contains(first.stdout, "api_key of provider") {
				t.Errorf("exit %d:\n%s", first.code, tail(first.stdout))
			}
			wantNothingLeft(t, p)
			// Whoever was refused has asked for the last time, so that no more
			// can be refused than may be in flight: 8 of each model.
			if c := p.server.Counts(); c.Faults[0] < 1 || c.Faults[0] > 16 || c.Requests-c.Faults[0] != 40 {
				t.Errorf("%d requests, %d of them refused", c.Requests, c.Faults[0])
			}
			p.server.Reset()
			second := p.mustBuild()
			// What was answered as the build ended may not have been seen.
			if made := first.sum.Calls.Made + second.sum.Calls.Made; made != 2*faultRows || first.sum.Calls.Made < 40-16 {
				t.Errorf("%d calls were made, then %d; want %d in all", first.sum.Calls.Made, second.sum.Calls.Made, 2*faultRows)
			}
			sameFiles(t, p.dist(), sound.dist())
		})
	}
}

// TestHalfAnswers has an endpoint give answers that end cleanly and are not
// whole. None is taken for one: each is asked for again, and none is stored.
func TestHalfAnswers(t *testing.T) {
	t.Parallel()
	sound := stubborn(t, start(t, llmtest.Options{Identity: firstAsked}), "")
	sound.mustBuild()
	const choice = `{"index":0,"message":{"role":"assistant","content":"{\"reason\":\"HALF\",\"score\":3}"}`
	for name, body := range map[string]string{
		"no finish_reason":         `{"choices":[` + choice + `}]}`,
		"finish_reason null":       `{"choices":[` + choice + `,"finish_reason":null}]}`,
		"finish_reason empty":      `{"choices":[` + choice + `,"finish_reason":""}]}`,
		"no choices":               `{"choices":[]}`,
		"cut in the middle":        `{"choices":[` + choice,
		"nothing":                  ``,
		"a stream that was cut":    "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"HALF\"}}]}\n\n",
		"a stream that ends badly": "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"HALF\"}}]}\n\ndata: [DONE]\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := sound.at(t, start(t, llmtest.Options{Identity: firstAsked, Faults: []llmtest.Fault{{Every: 10, Body: body, Header: map[string]string{"Content-Type": "application/json"}}}}))
			got := p.mustBuild().sum
			c := p.server.Counts()
			wantWhole(t, p, got, c)
			if got.Calls.Made != 2*faultRows || int64(c.Faults[0]) > got.Calls.Retried || c.Faults[0] == 0 {
				t.Errorf("%d calls were made and %d sent again, for %d half answers", got.Calls.Made, got.Calls.Retried, c.Faults[0])
			}
			sameFiles(t, p.dist(), sound.dist())
		})
	}
}

// TestBudgetWithFaults builds for 10 cents at a time at an endpoint that fails:
// no build costs more, and the builds after one another come to what one
// without a budget comes to, paying nothing twice.
func TestBudgetWithFaults(t *testing.T) {
	t.Parallel()
	opts := llmtest.Options{Identity: firstAsked, Latency: time.Millisecond}
	sound := stubborn(t, start(t, opts), "")
	text := strings.ReplaceAll(sound.read(recipe), "= 1000\n", "= 10\n")
	sound.write(recipe, strings.ReplaceAll(text, "reply_retries", "max_tokens = 200\n  reply_retries"))
	sound.mustBuild()
	opts.Seed = 7
	opts.Faults = []llmtest.Fault{{Share: 0.1, Status: 429}, {Share: 0.05, Status: 500}, {Share: 0.03, Unfit: true}}
	p := sound.at(t, start(t, opts))
	var made int64
	builds := 1
	for ; ; builds++ {
		r := p.build("-budget-usd", "0.10")
		made += r.sum.Calls.Made
		if r.sum.Calls.CostUSD > 0.10+1e-9 {
			t.Errorf("build %d cost %v", builds, r.sum.Calls.CostUSD)
		}
		if r.code == 0 {
			break
		}
		if r.code != 6 || r.sum.Calls.Made == 0 {
			t.Fatalf("build %d: exit %d after %d calls, %s\n%s", builds, r.code, r.sum.Calls.Made, r.sum.Error, tail(r.stderr))
		}
	}
	if builds < 2 {
		t.Error("one build could pay for all: the test proves nothing")
	}
	c := p.server.Counts()
	if want := int64(2*faultRows + c.Faults[2]); made != want || c.Answered != 2*faultRows {
		t.Errorf("%d builds made %d calls, want %d; the endpoint answered %d well", builds, made, want, c.Answered)
	}
	wantNothingLeft(t, p)
	sameFiles(t, p.dist(), sound.dist())
}
