package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/autosafe/autosafe/internal/llm/llmtest"
)

// killedAt runs a command and kills it, with every process that it started,
// after a while; false if it was done before.
func (p *project) killedAt(after time.Duration, args ...string) bool {
	p.t.Helper()
	cmd := p.command(args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stdout = io.Discard
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	err := cmd.Wait()
	timer.Stop()
	// A plugin leaves when its host is gone, but may still be on its way.
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	return err != nil
}

// TestKilledAtRandom kills builds at random moments, each followed by a build
// that must come to the right output, asking again at most what was in flight.
// -e2e.rounds=4 kills four times as often.
func TestKilledAtRandom(t *testing.T) {
	t.Parallel()
	const lanes, kills = 4, 200
	calm := llmtest.Options{Identity: steady, Latency: time.Millisecond}
	whole := small(t, start(t, calm), 24)
	whole.version("0")
	begun := time.Now()
	want := whole.mustBuild().sum.totals()
	took := time.Since(begun)
	total := len(whole.requests())
	for lane := range lanes {
		t.Run(fmt.Sprint("lane ", lane), func(t *testing.T) {
			t.Parallel()
			p := whole.fork(t)
			p.server = start(t, calm)
			seed := rand.Uint64()
			rng := rand.New(rand.NewPCG(seed, 0))
			for killed, round := 0, 0; killed < roundsOf(kills/lanes); round++ {
				p.version(fmt.Sprint("round ", round))
				p.server.Reset()
				inFlight := 0
				for p.killedAt(time.Duration(rng.Int64N(int64(took)*3/2)), "build", "-json", p.dir) {
					inFlight += concurrency
					if killed++; rng.IntN(4) > 0 { // else the next one is killed too
						break
					}
				}
				got := p.mustBuild()
				if got.sum.totals() != want {
					t.Fatalf("seed %d, round %d: totals\n%s\nwant\n%s", seed, round, got.sum.totals(), want)
				}
				if asked := p.bodies(); len(asked) != total || sum(asked) > total+inFlight {
					t.Fatalf("seed %d, round %d: %d requests, %d of them different; want %d, and at most %d in flight when killed",
						seed, round, sum(asked), len(asked), total, inFlight)
				}
				sameFiles(t, p.dist(), whole.dist())
				if t.Failed() {
					t.Fatalf("seed %d, round %d", seed, round)
				}
			}
		})
	}
}
