package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// aim chooses random moments at which to kill a command. It follows the time
// that the command takes, which nobody knows beforehand.
type aim struct {
	took    time.Duration // by the command, when it was last left alone
	escaped int           // since the last one that was killed
}

// kill runs a command and kills it at some moment, with every process that it
// started; false if it was done before. One that escapes again and again is
// killed ever earlier, at last at its start.
func (a *aim) kill(p *project, rng *rand.Rand, args ...string) bool {
	p.t.Helper()
	after := time.Duration(rng.Int64N(int64(a.took)*5/4+1)) >> a.escaped
	cmd := p.command(args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var stderr strings.Builder
	cmd.Stdout, cmd.Stderr = io.Discard, &stderr
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { p.killGroup(cmd) })
	err := cmd.Wait()
	if escaped := timer.Stop(); escaped && err != nil {
		p.t.Fatalf("%v: %v\n%s", args, err, tail(stderr.String()))
	}
	p.killGroup(cmd) // a plugin leaves when its host is gone, but may still be on its way
	if err == nil {
		a.took = time.Since(begun)
		a.escaped = min(a.escaped+1, 62)
		return false
	}
	a.escaped = 0
	return true
}

// killGroup kills a process and those that it started.
func (p *project) killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

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
	took := time.Since(begun) // a first guess
	total := len(whole.requests())
	for lane := range lanes {
		t.Run(fmt.Sprint("lane ", lane), func(t *testing.T) {
			t.Parallel()
			p := whole.fork(t)
			p.server = start(t, calm)
			seed := rand.Uint64()
			rng := rand.New(rand.NewPCG(seed, 0))
			aim := &aim{took: took}
			for killed, round := 0, 0; killed < roundsOf(kills/lanes); round++ {
				p.version(fmt.Sprint("round ", round))
				p.server.Reset()
				inFlight := 0
				for aim.kill(p, rng, "build", "-json", p.dir) {
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
