package e2e

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// concurrency is the limit that testdata/pipeline declares: the most calls
// that can be in flight when a build is killed.
const concurrency = 8

// interrupted starts a build, and has end do its worst when the endpoint has
// been asked n times in all and the last of that is not answered. It returns
// when the build's process is gone.
func (p *project) interrupted(h *holds, n int, end func(pid int), args ...string) (stdout string) {
	p.t.Helper()
	stdout, well := p.disturbed(h, n, end, args...)
	if well {
		p.t.Error("the build ended well")
	}
	return stdout
}

// disturbed is interrupted of a build that may end well all the same.
func (p *project) disturbed(h *holds, n int, end func(pid int), args ...string) (stdout string, well bool) {
	p.t.Helper()
	held := h.after(p, max(0, n-len(p.requests())-1))
	defer held.answer()
	cmd := p.command(append([]string{"build", "-json", p.dir}, args...)...)
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	stop := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() })
	defer stop.Stop()
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // ProcessState tells
		close(ended)
	}()
	select {
	case <-ended:
		p.t.Fatalf("the build ended before it had asked %d times", n)
	case <-held.reached:
	}
	end(cmd.Process.Pid)
	held.answer()
	<-ended
	return out.String(), cmd.ProcessState.Success()
}

// wantResumed checks that two builds together asked what one asks, but for
// calls that were in flight when the first one ended, and came to the same.
func wantResumed(t testing.TB, p, whole *project, want, got summary) {
	t.Helper()
	asked, once := p.bodies(), whole.bodies()
	repeated := 0
	for body, n := range asked {
		if once[body] == 0 {
			t.Errorf("the endpoint was asked something that an undisturbed build does not ask: %.300s", body)
		}
		repeated += max(0, n-once[body])
	}
	for body, n := range once {
		if asked[body] < n {
			t.Errorf("asked %d times, in an undisturbed build %d times: %.200s", asked[body], n, body)
		}
	}
	if repeated > concurrency {
		t.Errorf("%d calls were made again; at most %d were in flight", repeated, concurrency)
	}
	if got.totals() != want.totals() {
		t.Errorf("totals\n%s\nof an undisturbed build\n%s", got.totals(), want.totals())
	}
	sameFiles(t, p.dist(), whole.dist())
}

// TestKilled kills a build at some moment and builds again.
func TestKilled(t *testing.T) {
	t.Parallel()
	server, holds := holding(t, llmtest.Options{Latency: 8 * time.Millisecond})
	whole := pipeline(t, server)
	want := whole.mustBuild().sum
	total := len(whole.requests())

	kill := func(p *project) func(int) {
		return func(pid int) {
			killProcess(p.t, pid)
			wantGone(p.t, p.bin)
		}
	}
	for _, part := range []float64{0.02, 0.3, 0.6, 0.9} {
		t.Run("whole", func(t *testing.T) {
			t.Parallel()
			p := whole.fresh(t)
			p.ownBinary()
			n := max(1, int(float64(total)*(part+0.08*rand.Float64())))
			t.Logf("killed after %d of %d requests", n, total)
			p.interrupted(holds, n, kill(p))
			wantResumed(t, p, whole, want, p.mustBuild().sum)
			wantGone(t, p.bin)
		})
	}
	t.Run("again and again", func(t *testing.T) {
		t.Parallel()
		p := whole.fresh(t)
		p.ownBinary()
		kills := 0
		for n := 10; n < total; n += total / 4 {
			p.interrupted(holds, n, kill(p))
			kills++
		}
		got := p.mustBuild().sum
		if extra := len(p.requests()) - total; extra > kills*concurrency {
			t.Errorf("%d calls were made again after %d kills", extra, kills)
		}
		if got.totals() != want.totals() {
			t.Errorf("totals\n%s\nof an undisturbed build\n%s", got.totals(), want.totals())
		}
		sameFiles(t, p.dist(), whole.dist())
	})
	t.Run("the plugin alone", func(t *testing.T) {
		t.Parallel()
		p := whole.fresh(t)
		p.ownBinary()
		out, well := p.disturbed(holds, total/2, func(pid int) {
			for _, child := range processes(t, p.bin) {
				if child != pid {
					killProcess(t, child)
				}
			}
		})
		if !well { // it is started again, and the build does not notice
			t.Errorf("the build failed: %s", tail(out))
		}
		wantGone(t, p.bin)
		wantResumed(t, p, whole, want, p.mustBuild().sum)
	})
}

// TestKilledRefresh kills a build that asks anew. What it was answered counts
// for the next one that is asked to: only what was in flight is asked again.
func TestKilledRefresh(t *testing.T) {
	t.Parallel()
	server, holds := holding(t, llmtest.Options{Identity: steady})
	p := small(t, server, 60)
	p.version("0")
	p.ownBinary()
	p.mustBuild()
	const refresh = "-refresh=judge.rubric.quality"
	server.Reset()
	p.mustBuild(refresh)
	total := len(p.requests())
	server.Reset()
	for _, n := range []int{total / 4, total / 2} {
		p.interrupted(holds, n, func(pid int) { killProcess(t, pid); wantGone(t, p.bin) }, refresh)
	}
	p.mustBuild(refresh)
	if asked := p.bodies(); len(asked) != total || sum(asked) > total+2*concurrency {
		t.Errorf("%d requests, %d of them different; want %d, and at most %d in flight when killed", sum(asked), len(asked), total, 2*concurrency)
	}
	server.Reset()
	if p.mustBuild(refresh); len(p.requests()) != total {
		t.Errorf("a refresh after one that ended well: %d requests, want %d", len(p.requests()), total)
	}
}
