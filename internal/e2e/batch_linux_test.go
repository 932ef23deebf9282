package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// batched makes a small project whose models are asked in batches.
func batched(t testing.TB, server *llmtest.Server, n int) *project {
	t.Helper()
	p := small(t, server, n)
	for _, model := range []string{"critic", "second"} {
		name := "name     = \"" + model + "\"\n"
		p.edit(recipe, name, name+"  mode     = \"batch\"\n  batch {\n    wait = \"100ms\"\n  }\n")
	}
	return p
}

// live turns the batches of a project off.
func (p *project) live() {
	p.t.Helper()
	p.write(recipe, strings.ReplaceAll(p.read(recipe), `mode     = "batch"`, `mode     = "live"`))
}

// paid counts the requests that a server has answered in batches, each of
// which it has been paid for. Plans here answer the first ones of a batch.
func paid(s *llmtest.Server) map[string]int {
	n := map[string]int{}
	for _, b := range s.Batches() {
		for _, r := range b.Requests[:b.Answered] {
			n[string(r.Raw)]++
		}
	}
	return n
}

// paidOnce wants each of so many requests paid once.
func paidOnce(t testing.TB, s *llmtest.Server, n int) {
	t.Helper()
	got := paid(s)
	for _, r := range s.Requests() {
		got[string(r.Raw)]++
	}
	if len(got) != n || sum(got) != n {
		t.Errorf("%d requests were paid, %d different ones; want %d", sum(got), len(got), n)
	}
}

// inProgress has the first batch be asked about twice, and answer so many of
// its requests if it is cancelled.
func inProgress(answered int) func(llmtest.Batch) llmtest.BatchPlan {
	begun := false
	return func(llmtest.Batch) llmtest.BatchPlan { // one at a time
		if begun {
			return llmtest.BatchPlan{}
		}
		begun = true
		return llmtest.BatchPlan{Polls: 1, Answered: answered}
	}
}

// A build in batches comes to what a live one does, at half the price, and
// either fills the cache for the other.
func TestBatches(t *testing.T) {
	t.Parallel()
	const n = 40
	server := start(t, llmtest.Options{Identity: steady})
	whole := small(t, start(t, llmtest.Options{Identity: steady}), n)
	want := whole.mustBuild().sum
	p := batched(t, server, n)
	got := p.mustBuild().sum
	if got.totals() != want.totals() || got.Calls.Made != 2*n || server.Calls() != 0 {
		t.Errorf("totals\n%s\nof a live build\n%s, %d made, %d live", got.totals(), want.totals(), got.Calls.Made, server.Calls())
	}
	sameFiles(t, p.dist(), whole.dist())
	paidOnce(t, server, 2*n)
	if half := want.Calls.CostUSD / 2; got.Calls.CostUSD < half-1e-6 || got.Calls.CostUSD > half+1e-6 {
		t.Errorf("it cost %v, a live build %v", got.Calls.CostUSD, want.Calls.CostUSD)
	}
	for _, b := range server.Batches() {
		if b.Metadata["autosafe_build"] != "recipe" || !strings.HasPrefix(b.Metadata["autosafe"], "autosafe/") || strings.Contains(fmt.Sprint(b.Metadata), p.key) {
			t.Errorf("metadata %v", b.Metadata)
		}
	}

	// Nothing is bought again, whatever the mode.
	p.live()
	if again := p.mustBuild().sum; again.Calls.Made != 0 || again.totals() != want.totals() {
		t.Errorf("live over batches: %d made", again.Calls.Made)
	}
	whole.server = server
	whole.write(recipe, p.read(recipe))
	paidOnce(t, server, 2*n)
	if list := p.run("batches"); list.code != 0 || !strings.Contains(list.stdout, "No batch is under way") {
		t.Errorf("batches: exit %d, %s", list.code, list.stdout)
	}
}

// endsAt starts a build that is ended at a request for files or batches.
func (p *project) endsAt(op llmtest.BatchOp, after bool, end syscall.Signal) (code int, stderr string) {
	p.t.Helper()
	cmd := p.command("build", p.dir)
	var out bytes.Buffer
	cmd.Stderr = &out
	var pid atomic.Int64
	p.server.SetBatchFaults(llmtest.BatchFault{Op: op, Nth: []int{p.server.BatchOps(op) + 1}, After: after, Reset: end == syscall.SIGKILL, Do: func() {
		eventually(p.t, "no process", func() bool { return pid.Load() != 0 })
		if err := syscall.Kill(int(pid.Load()), end); err != nil {
			p.t.Error(err)
		}
	}}, llmtest.BatchFault{Op: op, Hang: true}) // it may come to that before it hears of its end
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	pid.Store(int64(cmd.Process.Pid))
	_ = cmd.Wait() // ProcessState tells
	p.server.SetBatchFaults()
	return cmd.ProcessState.ExitCode(), out.String()
}

// A build is killed at each request that its batches take. The next one pays
// nothing twice, and comes to the same.
func TestBatchesKilled(t *testing.T) {
	t.Parallel()
	const n = 15
	whole := small(t, start(t, llmtest.Options{Identity: steady}), n)
	want := whole.mustBuild().sum
	for _, op := range []llmtest.BatchOp{llmtest.OpUpload, llmtest.OpCreate, llmtest.OpRetrieve, llmtest.OpContent} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprint(op, " ", after), func(t *testing.T) {
				t.Parallel()
				server := start(t, llmtest.Options{Identity: steady})
				p := batched(t, server, n)
				p.ownBinary()
				if code, _ := p.endsAt(op, after, syscall.SIGKILL); code == 0 {
					t.Error("the build ended well")
				}
				wantGone(t, p.bin)
				got := p.mustBuild().sum
				paidOnce(t, server, 2*n)
				if got.totals() != want.totals() || got.Calls.Made != 2*n {
					t.Errorf("%d made, totals\n%s\nof an undisturbed build\n%s", got.Calls.Made, got.totals(), want.totals())
				}
				sameFiles(t, p.dist(), whole.dist())
			})
		}
	}
}

// A build that is interrupted leaves its batch to the endpoint and says so;
// the next one takes the answers.
func TestBatchesInterrupted(t *testing.T) {
	t.Parallel()
	const n = 20
	server := start(t, llmtest.Options{Identity: steady, Batches: llmtest.BatchOptions{Plan: inProgress(0)}})
	p := batched(t, server, n)
	code, stderr := p.endsAt(llmtest.OpRetrieve, true, os.Interrupt.(syscall.Signal))
	id := server.Batches()[0].ID
	if code != 130 || !strings.Contains(stderr, "batch "+id) || !strings.Contains(stderr, "autosafe batches cancel "+id) {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	list := p.run("batches", "list")
	if list.code != 0 || !strings.Contains(list.stdout, id) || !strings.Contains(list.stdout, "critic") {
		t.Errorf("batches list: exit %d\n%s%s", list.code, list.stdout, list.stderr)
	}
	if got := p.mustBuild().sum; got.Calls.Made != 2*n {
		t.Errorf("%d made", got.Calls.Made)
	}
	paidOnce(t, server, 2*n)
}

// A batch is cancelled: what it answered is kept, the rest is asked again.
func TestBatchesCancelled(t *testing.T) {
	t.Parallel()
	const n = 20
	server := start(t, llmtest.Options{Identity: steady, Batches: llmtest.BatchOptions{Plan: inProgress(3)}})
	p := batched(t, server, n)
	if code, stderr := p.endsAt(llmtest.OpRetrieve, true, os.Interrupt.(syscall.Signal)); code != 130 {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	for _, c := range []struct {
		args []string
		code int
		text string
	}{
		{[]string{"batches", "cancel"}, 64, "-all"},
		{[]string{"batches", "cancel", "batch_none", p.dir}, 1, "batch_none"},
		{[]string{"batches", "cancel", "-all", p.dir}, 0, "cancelling"},
		{[]string{"batches", "cancel", server.Batches()[0].ID, p.dir}, 0, "cancelling"},
	} {
		r := p.run(c.args...)
		if r.code != c.code || !strings.Contains(r.stdout+r.stderr, c.text) {
			t.Errorf("%v: exit %d\n%s%s", c.args, r.code, r.stdout, r.stderr)
		}
	}
	p.mustBuild()
	paidOnce(t, server, 2*n)
	if first := server.Batches()[0]; first.Status != "cancelled" || first.Answered == 0 {
		t.Errorf("the first batch is %s, %d answered", first.Status, first.Answered)
	}
}

// Two builds at once share their batches.
func TestBatchesShared(t *testing.T) {
	t.Parallel()
	const n = 20
	server := start(t, llmtest.Options{Identity: steady})
	projects := batched(t, server, n).copies(t, 2)
	var made int64
	for i, r := range atOnce(projects) {
		if r.code != 0 {
			t.Errorf("build %d: exit %d\n%s", i, r.code, tail(r.stderr))
		}
		made += r.sum.Calls.Made
	}
	paidOnce(t, server, 2*n)
	if made != 2*n {
		t.Errorf("the builds say that they made %d calls together, want %d", made, 2*n)
	}
	sameFiles(t, projects[0].dist(), projects[1].dist())
}

// A build waits for a batch that a build left which is gone, and says for
// what; -json tells of the batch too.
func TestBatchesTold(t *testing.T) {
	t.Parallel()
	server := start(t, llmtest.Options{Identity: steady})
	p := batched(t, server, 5)
	r := p.run("build", "-progress", "plain", p.dir)
	id := server.Batches()[0].ID
	if r.code != 0 || !strings.Contains(r.stderr, id+": waiting for ") {
		t.Errorf("exit %d\n%s", r.code, r.stderr)
	}
	q := p.fresh(t)
	if got := q.mustBuild(); !strings.Contains(got.stdout, `{"type":"batch","name":"`) {
		t.Errorf("no line about a batch:\n%s", tail(got.stdout))
	}
}

// A whole pipeline goes in waves, with one model live among those in batches,
// and comes to what a live one does.
func TestBatchesPipeline(t *testing.T) {
	t.Parallel()
	whole := pipeline(t, start(t, llmtest.Options{}))
	whole.plain()
	want := whole.mustBuild().sum
	server := start(t, llmtest.Options{})
	p := pipeline(t, server)
	p.plain()
	for _, model := range []string{"generator", "agent", "judge", "reflector"} {
		name := "name        = \"" + model + "\"\n"
		p.edit(recipe, name, name+"  mode        = \"batch\"\n  batch {\n    wait = \"100ms\"\n  }\n")
	}
	got := p.mustBuild().sum
	if got.totals() != want.totals() || got.Calls.Made != want.Calls.Made {
		t.Errorf("totals\n%s\nof a live build\n%s, %d calls, live %d", got.totals(), want.totals(), got.Calls.Made, want.Calls.Made)
	}
	sameFiles(t, p.dist(), whole.dist())
	asked := paid(server)
	for body, n := range p.bodies() {
		asked[body] += n
	}
	if once := whole.bodies(); !maps.Equal(asked, once) {
		t.Errorf("%d requests were paid, live %d", sum(asked), sum(once))
	}
	if live := p.asked(); len(live) != 1 || live["environment"] == 0 {
		t.Errorf("asked live %v", live)
	}
}
