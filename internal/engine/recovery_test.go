package engine

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/spec"
)

// TestOneMissBeforeManyHits has a task that must run with more answers behind
// it, in one chunk, than may be open at once.
func TestOneMissBeforeManyHits(t *testing.T) {
	p := newPipe(t, rows(chunkRows)...)
	p.samples, p.onError, p.allowed = maxOpenRows/chunkRows+2, spec.OnErrorDrop, -1
	p.fake.work = func(task Task) Result {
		if string(task.Row) == `{"n":0}` && task.Sample == 0 {
			return Result{Err: &RowError{Code: "unavailable", Summary: "not now", Transient: true}}
		}
		return echo(task)
	}
	p.build(nil)
	p.fake.work = echo
	done := make(chan *Summary, 1)
	go func() {
		sum, _ := p.engine().Build(context.Background())
		done <- sum
	}()
	select {
	case sum := <-done:
		if want := int64(len(p.source) * p.samples); sum.Steps[1].RowsOut != want {
			t.Errorf("%+v, want %d rows", sum, want)
		}
	case <-time.After(patience):
		t.Fatal("the build hangs")
	}
}

// TestPluginSaysInterrupted has a plugin that calls a row interrupted in a
// build that goes on: such a row would be missing without a word.
func TestPluginSaysInterrupted(t *testing.T) {
	for _, transient := range []bool{false, true} {
		p := newPipe(t, rows(3)...)
		p.fake.work = func(task Task) Result {
			if string(task.Row) == `{"n":1}` {
				return Result{Err: &RowError{Code: codeInterrupted, Summary: "the row was interrupted", Transient: transient}}
			}
			return echo(task)
		}
		sum := p.build(func(err error) bool { return errors.Is(err, ErrTooManyFailures) })
		if sum.Steps[1].RowsFailed == 0 {
			t.Errorf("transient %v: no failure was counted: %+v", transient, sum.Steps[1])
		}
	}
}

// TestWriteError has a cache that takes no more rows while the input goes on:
// the build must tell why it ended.
func TestWriteError(t *testing.T) {
	p := newPipe(t, rows(4*linearRoom)...)
	closed, err := cache.Open(t.TempDir(), cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	b := p.attempt()
	b.order[1].flow = newFlow(closed)
	if err := b.run(); !errors.Is(err, cache.ErrClosed) {
		t.Errorf("the build ended with %v", err)
	}
}

// TestCallsCountOnce has a cache that cannot be healed.
func TestCallsCountOnce(t *testing.T) {
	p := newPipe(t, rows(600)...)
	p.build(nil)
	p.fake.counts.Made = 5
	b := p.attempt()
	if err := b.lookUp(b.order[0]); err != nil {
		t.Fatal(err)
	}
	if err := b.order[0].flow.open(); err != nil {
		t.Fatal(err)
	}
	loseBlobs(t, p, &b.order[0].flow.segments[1].chunk.digest)
	p.samples = 3 // so that the source's rows are read
	e := p.engine()
	e.opts.Events = func(ev Event) {
		if ev.Notice != nil {
			p.store.Close()
		}
	}
	p.fake.taken()
	sum, err := e.Build(context.Background())
	if err == nil {
		t.Fatal("nothing was lost")
	}
	started, _ := p.fake.taken()
	if want := int64(5 * len(started)); want == 0 || sum.Calls.Made != want {
		t.Errorf("%d calls, want %d of %v", sum.Calls.Made, want, started)
	}
}

// loseBlobs closes the store, makes unreadable the blobs that it holds, or
// one of them, and opens it again.
func loseBlobs(t *testing.T, p *pipe, only *cache.Digest) {
	t.Helper()
	if err := p.store.Close(); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(p.dir, "cache", "v1", "blobs", "*.seg"))
	if err != nil || len(segments) != 1 {
		t.Fatal(segments, err)
	}
	b, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	lost := b
	if only != nil {
		i := bytes.Index(b, only[:]) // in the header of its record
		if i < 0 {
			t.Fatal("no such blob")
		}
		lost = b[i : i+1]
	}
	for i := range lost {
		lost[i] ^= 0x40
	}
	if err := os.WriteFile(segments[0], b, 0o644); err != nil {
		t.Fatal(err)
	}
	p.open()
}

// TestLostBlobsAreMadeAgain loses all that the records of steps point to: the
// next build makes it again, and the one after that has nothing to do.
func TestLostBlobsAreMadeAgain(t *testing.T) {
	p := newPipe(t, rows(600)...)
	p.build(nil)
	want := p.output()
	loseBlobs(t, p, nil)
	if got := p.build(nil).Steps[0].Status; got != run {
		t.Errorf("a source that ran is called a %s", got)
	}
	p.fake.taken()
	got := statuses(p.build(nil))
	if started, _ := p.fake.taken(); started != nil || !slices.Equal(got, []Status{hit, hit, hit, hit}) {
		t.Errorf("the damage was not healed: %v, started %v", got, started)
	}
	if p.output() != want {
		t.Error("the output changed")
	}
}

// TestCardTellsOfItsOwnRows goes forth and back between two recipes that
// export the same bytes, one of them over the offline model.
func TestCardTellsOfItsOwnRows(t *testing.T) {
	p := newPipe(t, rows(3)...)
	for round, offline := range []bool{false, true, false, true} {
		p.provider = spec.ProviderOpenAI
		if offline {
			p.provider = spec.ProviderOffline
		}
		p.build(nil)
		card, err := readCard(filepath.Join(p.dir, "dist"))
		if err != nil || card.NotForTraining != offline || strings.Contains(card.Note, "offline") != offline {
			t.Errorf("round %d, offline %v: %+v, %v", round, offline, card, err)
		}
	}
}

// TestNothingWorkedIsNoHit allows a step of which nothing was left, then
// takes the leave back.
func TestNothingWorkedIsNoHit(t *testing.T) {
	p := newPipe(t, rows(3)...)
	p.onError, p.allowed = spec.OnErrorDrop, 6
	p.fake.work = func(Task) Result { return Result{Err: &RowError{Code: "invalid_reply", Summary: "no JSON"}} }
	p.build(nil)
	p.allowed = -1
	p.build(func(err error) bool { return errors.Is(err, ErrTooManyFailures) })
}

// TestPluginDies has a plugin die after any number of answers: the build ends
// with the plugin's error, leaves no goroutine behind, and the next build goes
// on with what was answered.
func TestPluginDies(t *testing.T) {
	const tasks = 2 * 600
	for _, dieAt := range []int{1, 63, 64, 65, 500, tasks - 1, tasks} {
		p := newPipe(t, rows(tasks/2)...)
		p.fake.dieAt = dieAt
		before := runtime.NumGoroutine()
		p.build(func(err error) bool { return errors.Is(err, errDied) })
		for begun := time.Now(); runtime.NumGoroutine() > before && time.Since(begun) < patience; {
			time.Sleep(10 * time.Millisecond)
		}
		if after := runtime.NumGoroutine(); after > before {
			t.Errorf("after %d answers: %d goroutines, %d before", dieAt, after, before)
		}
		p.fake.dieAt = 0
		if sum := p.build(nil); sum.Steps[1].RowsHit != int64(dieAt) || sum.Steps[1].RowsOut != tasks {
			t.Errorf("after %d answers: %+v", dieAt, sum.Steps[1])
		}
	}
}

// TestRowThatIsNone has a stored row that cannot be read: it is run again.
func TestRowThatIsNone(t *testing.T) {
	p := newPipe(t, rows(1)...)
	for _, stored := range []string{"\x01\x02{x\x00\x00", "\x01\x01{\x00\x00", "\x01", ""} {
		k := cache.Sum([]byte(stored))
		if err := p.store.Put(cache.Rows, k, []byte(stored)); err != nil {
			t.Fatal(err)
		}
		if rec, err := getRow(p.store, k); rec != nil || err != nil {
			t.Errorf("%q gave %+v, %v", stored, rec, err)
		}
	}
}

// TestDamagedManifest damages where a step's rows lie: a build that needs none
// of them does not mind, and the first that does makes them again.
func TestDamagedManifest(t *testing.T) {
	p := newPipe(t, rows(600)...)
	p.build(nil)
	want := p.output()
	b := p.attempt()
	if err := b.lookUp(b.order[0]); err != nil {
		t.Fatal(err)
	}
	damageContent(t, p, *b.order[0].flow.closed)
	if sum := p.build(nil); sum.Steps[0].Status != hit {
		t.Errorf("nothing to do: %v", statuses(sum))
	}
	p.prompt = "q" // so that the source's rows are read
	if sum := p.build(nil); sum.Steps[0].Status != run || p.output() != want {
		t.Errorf("built: %v", statuses(sum))
	}
	if sum := p.build(nil); sum.Steps[0].Status != hit {
		t.Errorf("built again: %v", statuses(sum))
	}
}

// damageContent flips a bit in a blob, behind the head of its record.
func damageContent(t *testing.T, p *pipe, d cache.Digest) {
	t.Helper()
	if err := p.store.Close(); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(p.dir, "cache", "v1", "blobs", "*.seg"))
	if err != nil || len(segments) != 1 {
		t.Fatal(segments, err)
	}
	b, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(b, d[:])
	if i < 0 {
		t.Fatal("no such blob")
	}
	b[i+90] ^= 0x40 // the head is 80 bytes, the digest among them
	if err := os.WriteFile(segments[0], b, 0o644); err != nil {
		t.Fatal(err)
	}
	p.open()
}
