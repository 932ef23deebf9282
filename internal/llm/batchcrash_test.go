package llm

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec"
)

// A process is killed at each request that a batch takes, before the endpoint
// has done what it asks and after. The next process pays nothing twice.
func TestBatchSurvivesKill(t *testing.T) {
	const n = 12
	for _, op := range []llmtest.BatchOp{llmtest.OpUpload, llmtest.OpCreate, llmtest.OpRetrieve, llmtest.OpContent} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprint(op, " after ", after), func(t *testing.T) {
				r := newBatchRig(t, llmtest.Options{Reply: echo})
				w := r.start(Options{})
				r.server.SetBatchFaults(llmtest.BatchFault{Op: op, Nth: []int{1}, After: after, Do: w.kill, Reset: true})
				wait := w.begin(w.calls(0, n)...)
				w.gathered(n)
				w.quiet()
				for i, got := range wait() {
					if got.err == nil {
						t.Errorf("call %d was answered by a dead process", i)
					}
				}
				next := r.start(Options{})
				r.finish(next, n)
				if made := next.tally.Made.Load(); made != n {
					t.Errorf("%d made", made)
				}
				if got := len(r.server.Batches()); op != llmtest.OpUpload && got != 1 && !(op == llmtest.OpCreate && !after) {
					t.Errorf("%d batches", got)
				}
			})
		}
	}
}

// finish has a process make calls, whatever of them stands in batches, and
// wants each answered, and paid once by whoever.
func (r *batchRig) finish(w *worker, n int) {
	r.t.Helper()
	wait := w.begin(w.calls(0, n)...)
	w.pump(func() {
		for i, got := range w.good(wait()) {
			if want := fmt.Sprint("re: call ", i); got.reply.Content != want {
				r.t.Errorf("call %d has the answer %q", i, got.reply.Content)
			}
		}
	})
	r.paidOnce(n)
	r.settled()
}

// A process is killed as it keeps the answers: what is kept stays, and the
// rest is fetched again.
func TestBatchKilledAmongItsAnswers(t *testing.T) {
	const n = 3*groupSize + 7
	r := newBatchRig(t, llmtest.Options{Reply: echo})
	w := r.start(Options{})
	r.server.SetBatchFaults(llmtest.BatchFault{Op: llmtest.OpContent, Nth: []int{1}, Cut: true})
	// The second attempt, after half of the file, finds the process dead.
	w.clock.onSleep = func() {
		if r.server.BatchOps(llmtest.OpContent) > 0 {
			w.kill()
		}
	}
	wait := w.begin(w.calls(0, n)...)
	w.gathered(n)
	w.quiet()
	for _, got := range wait() {
		if got.err == nil {
			t.Error("a call was answered by a dead process")
		}
	}
	if kept := len(r.disk.logs[0]); kept < groupSize || kept == n {
		t.Errorf("%d answers are kept", kept)
	}
	r.finish(r.start(Options{}), n)
}

// The answer to the request that makes the batch is lost: it was made, and is
// found.
func TestBatchMadeWithoutAnAnswer(t *testing.T) {
	for _, fault := range []llmtest.BatchFault{{Reset: true}, {Status: 500}, {Status: 504}, {Body: "what?", Status: 200}} {
		r := newBatchRig(t, llmtest.Options{Reply: echo})
		fault.Op, fault.Nth, fault.After = llmtest.OpCreate, []int{1}, true
		r.server.SetBatchFaults(fault)
		w := r.start(Options{})
		w.all(w.calls(0, 5)...)
		r.paidOnce(5)
		r.settled()
		if got := len(r.server.Batches()); got != 1 {
			t.Errorf("%d batches after %+v", got, fault)
		}
	}
}

// The endpoint takes no batch at all, and then does: nothing is left of the
// first attempts.
func TestBatchIsNotMade(t *testing.T) {
	r := newBatchRig(t, llmtest.Options{Reply: echo})
	r.server.SetBatchFaults(llmtest.BatchFault{Op: llmtest.OpCreate, Status: 429})
	r.model.Provider.Outage = 1 // so that it is not waited for long
	w := r.start(Options{})
	wait := w.begin(w.calls(0, 3)...)
	w.gathered(3)
	w.quiet()
	for _, got := range wait() {
		if codeOf(got.err) != CodeRateLimited || !asError(got.err).Transient {
			t.Errorf("error %v", got.err)
		}
	}
	if n := r.server.BatchOps(llmtest.OpCreate); n != 5 || r.server.BatchFiles() != 0 {
		t.Errorf("%d attempts, %d files are left", n, r.server.BatchFiles())
	}
	r.settled()
	r.server.SetBatchFaults()
	r.finish(w, 3)
}

// Whether a batch was made is not known in the end: the next process looks.
func TestBatchMayHaveBeenMade(t *testing.T) {
	for _, made := range []bool{false, true} {
		r := newBatchRig(t, llmtest.Options{Reply: echo})
		w := r.start(Options{})
		r.server.SetBatchFaults(
			llmtest.BatchFault{Op: llmtest.OpCreate, Nth: []int{1}, After: made, Reset: true},
			llmtest.BatchFault{Op: llmtest.OpCreate, Reset: true},
			llmtest.BatchFault{Op: llmtest.OpList, Status: 500})
		wait := w.begin(w.calls(0, 3)...)
		w.gathered(3)
		w.quiet()
		for _, got := range wait() {
			if codeOf(got.err) != CodeUnavailable {
				t.Errorf("error %v", got.err)
			}
		}
		r.server.SetBatchFaults()
		r.finish(r.start(Options{}), 3)
		if n := len(r.server.Batches()); made && n != 1 {
			t.Errorf("%d batches", n)
		}
	}
}

// Among many batches of others, ours is found.
func TestBatchIsFoundAmongMany(t *testing.T) {
	r := newBatchRig(t, llmtest.Options{Reply: echo})
	w := r.start(Options{})
	r.server.SetBatchFaults(llmtest.BatchFault{Op: llmtest.OpCreate, Nth: []int{1}, After: true, Do: w.kill, Reset: true})
	wait := w.begin(w.calls(0, 2)...)
	w.gathered(2)
	w.quiet()
	wait()
	other := r.start(Options{})
	r.model.Batch.MaxRequests = 1
	for i := range 120 {
		other.good(other.begin(other.request(100 + i))())
	}
	r.model.Batch.MaxRequests = 0
	next := r.start(Options{})
	next.good(next.begin(next.calls(0, 2)...)())
	if n := r.server.BatchOps(llmtest.OpList); n != 2 {
		t.Errorf("%d pages", n)
	}
	r.paidOnce(122)
}

// The build is stopped: what is sent goes on without it, and the next build
// takes it up.
func TestBatchIsLeftToTheEndpoint(t *testing.T) {
	r := newBatchRig(t, llmtest.Options{Reply: echo, Batches: llmtest.BatchOptions{Plan: func(llmtest.Batch) llmtest.BatchPlan { return llmtest.BatchPlan{Polls: 5} }}})
	w := r.start(Options{})
	r.server.SetBatchFaults(llmtest.BatchFault{Op: llmtest.OpRetrieve, Nth: []int{2}, Do: func() { close(w.stop) }})
	sent := w.begin(w.calls(0, 4)...)
	w.gathered(4)
	waiting := func() []result { return nil }
	r.server.SetBatchFaults(llmtest.BatchFault{Op: llmtest.OpRetrieve, Nth: []int{2}, Do: func() {
		waiting = w.begin(w.calls(4, 6)...)
		w.gathered(2)
		close(w.stop)
	}})
	w.quiet()
	for _, got := range append(sent(), waiting()...) {
		if e := asError(got.err); e.Code != CodeInterrupted || !strings.Contains(e.Summary, "stopping") {
			t.Errorf("error %v", got.err)
		}
	}
	id := r.server.Batches()[0].ID
	if !slices.ContainsFunc(w.notes, func(n string) bool { return strings.Contains(n, id) && strings.Contains(n, "4 requests") }) {
		t.Errorf("told %q", w.notes)
	}
	list, err := ListBatches(r.disk.open())
	if err != nil || len(list) != 1 || list[0].ID != id || list[0].Requests != 4 || list[0].Model != "judge" || !list[0].At(r.model.Provider) {
		t.Errorf("list %+v, %v", list, err)
	}
	next := r.start(Options{})
	r.finish(next, 6)
	r.wantSizes(4, 6)
	if made := next.tally.Made.Load(); made != 6 {
		t.Errorf("%d made", made)
	}
}

// The build is stopped before the batch is made: it is not made then.
func TestBatchIsNotSentWhenStopping(t *testing.T) {
	for _, op := range []llmtest.BatchOp{llmtest.OpUpload, llmtest.OpCreate} {
		r := newBatchRig(t, llmtest.Options{Reply: echo})
		w := r.start(Options{})
		// At the upload, the request hangs; before the batch is made, the file is there.
		r.server.SetBatchFaults(llmtest.BatchFault{Op: llmtest.OpUpload, Do: func() { close(w.stop) }, Hang: op == llmtest.OpUpload})
		wait := w.begin(w.calls(0, 3)...)
		w.gathered(3)
		w.quiet()
		for _, got := range wait() {
			if codeOf(got.err) != CodeInterrupted {
				t.Errorf("error %v", got.err)
			}
		}
		if n := len(r.server.Batches()); n != 0 {
			t.Errorf("%d batches", n)
		}
		r.settled()
		r.server.SetBatchFaults()
		r.finish(r.start(Options{}), 3)
	}
}

// Live calls wait for a batch that they stand in, and are made live if that
// comes to nothing.
func TestLiveCallWaitsForABatch(t *testing.T) {
	for _, status := range []string{"completed", "cancelled"} {
		r := newBatchRig(t, llmtest.Options{Reply: echo, Batches: llmtest.BatchOptions{Plan: func(llmtest.Batch) llmtest.BatchPlan {
			return llmtest.BatchPlan{Polls: 3, Status: status, Answered: 2}
		}}})
		w := r.start(Options{})
		r.server.SetBatchFaults(llmtest.BatchFault{Op: llmtest.OpRetrieve, Nth: []int{1}, After: true, Do: w.kill, Reset: true})
		wait := w.begin(w.calls(0, 4)...)
		w.gathered(4)
		w.quiet()
		wait()
		if status == "cancelled" {
			r.cancelAll()
		}
		live := *r.model
		live.Mode = spec.ModeLive
		r.model = &live
		next := r.start(Options{})
		r.finish(next, 4)
		if got := r.server.Calls(); status == "completed" && got != 0 || status == "cancelled" && got != 2 {
			t.Errorf("%s: %d live calls", status, got)
		}
	}
}

// cancelAll cancels all batches of the disk, as the command does.
func (r *batchRig) cancelAll() (list []BatchInfo) {
	r.t.Helper()
	store := r.disk.open()
	open, err := ListBatches(store)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, b := range open {
		got, err := CancelBatch(r.t.Context(), Options{Batches: store}, r.model.Provider, b)
		if err != nil {
			r.t.Errorf("cancel: %v", err)
		}
		list = append(list, got)
	}
	return list
}

// Two processes make the same calls: one sends the batch, and both have its
// answers, whichever is killed.
func TestProcessesShareBatches(t *testing.T) {
	const n = 20
	for _, killed := range []bool{false, true} {
		r := newBatchRig(t, llmtest.Options{Reply: echo})
		a, b := r.start(Options{}), r.start(Options{})
		waitA := a.begin(a.calls(0, n)...)
		a.gathered(n)
		waitB := b.begin(b.calls(0, n)...)
		eventually(t, "b does not wait", func() bool { return b.store.waits.Load() == n })
		if killed {
			r.server.SetBatchFaults(llmtest.BatchFault{Op: llmtest.OpRetrieve, Nth: []int{1}, Do: a.kill, Reset: true})
		}
		a.quiet()
		gotA := waitA()
		b.pump(func() { b.good(waitB()) })
		if !killed {
			a.good(gotA)
		}
		r.paidOnce(n)
		r.settled()
		if got := r.sizes(); !slices.Equal(got, []int{n}) {
			t.Errorf("killed %v: batches of %v", killed, got)
		}
		if made := b.tally.Made.Load(); made != 0 && !killed || made != n && killed {
			t.Errorf("killed %v: b made %d", killed, made)
		}
	}
}

// A batch whose requests fill several chunks is taken up by another process,
// also where one of them is damaged.
func TestBatchOfManyChunks(t *testing.T) {
	const n = 24
	for _, damaged := range []bool{false, true} {
		r := newBatchRig(t, llmtest.Options{Reply: func(req llmtest.Request) (llmtest.Reply, bool) {
			text, _, _ := strings.Cut(*req.Messages[0].Content, "\n")
			return llmtest.Reply{Content: "re: " + text}, true
		}, Batches: llmtest.BatchOptions{Plan: func(llmtest.Batch) llmtest.BatchPlan { return llmtest.BatchPlan{Reverse: true} }}})
		long := func(w *worker) []Request {
			requests := w.calls(0, n)
			for i := range requests {
				requests[i].Messages[0].Content += "\n" + strings.Repeat("x", 50_000)
			}
			return requests
		}
		w := r.start(Options{})
		r.server.SetBatchFaults(llmtest.BatchFault{Op: llmtest.OpRetrieve, Nth: []int{1}, Do: w.kill, Reset: true})
		wait := w.begin(long(w)...)
		w.gathered(n)
		w.quiet()
		wait()
		if damaged {
			for k, v := range r.disk.logs[1] {
				if strings.HasPrefix(string(v), `{"key":`) {
					r.disk.logs[1][k] = v[:len(v)/2]
				}
			}
		}
		next := r.start(Options{})
		// All of them wait before the batch is looked at.
		all := make(chan struct{})
		r.server.SetBatchFaults(llmtest.BatchFault{Op: llmtest.OpRetrieve, Nth: []int{2}, Do: func() { <-all }})
		wait = next.begin(long(next)...)
		eventually(t, "they do not wait", func() bool { return next.tally.InFlight.Load() == n && next.joined() == n })
		close(all)
		for i, got := range next.good(wait()) {
			if want := fmt.Sprint("re: call ", i); got.reply.Content != want {
				t.Errorf("call %d has the answer %.50q", i, got.reply.Content)
			}
		}
		r.paidOnce(n)
		if chunks := len(r.server.Batches()[0].Requests); chunks != n {
			t.Errorf("%d requests", chunks)
		}
		if !damaged {
			r.settled()
		}
	}
}

// joined is how many calls wait in the runs of the process.
func (w *worker) joined() (n int) {
	b := w.client.batches
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, run := range b.runs {
		run.mu.Lock()
		n += len(run.calls)
		run.mu.Unlock()
	}
	return n
}

func TestReadLine(t *testing.T) {
	const most = 10
	in := bufio.NewReaderSize(strings.NewReader("one\r\n\n"+strings.Repeat("x", 5000)+"\ntwo\nlast"), 16)
	var got []string
	for {
		line, err := readLine(in, most)
		got = append(got, string(line)+"|"+fmt.Sprint(err))
		if errors.Is(err, io.EOF) {
			break
		}
	}
	want := []string{"one|<nil>", "|<nil>", "|" + errTooLarge.Error(), "two|<nil>", "last|EOF"}
	if !slices.Equal(got, want) {
		t.Errorf("lines %q", got)
	}
}
