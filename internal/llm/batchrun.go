package llm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	openai "github.com/sashabaranov/go-openai"

	"github.com/autosafe/autosafe/spec"
)

// batchRun sees a batch through, from its first note to its last answer. One
// goroutine does so.
type batchRun struct {
	b    *batches
	e    *endpoint
	api  *batchAPI
	id   batchID
	lane *lane // nil if the batch was found, not made
	// where says in which chunk each request is kept.
	where map[[32]byte]int

	note *batchNote
	// seenAlive: the batch was under way when this process first heard of it.
	seenAlive bool
	full      bool // the endpoint had no room for it

	mu    sync.Mutex
	calls map[[32]byte]*batchCall // who waits for an answer
	over  bool                    // nobody can come any more
}

func newBatchRun(b *batches, e *endpoint, id batchID) *batchRun {
	return &batchRun{b: b, e: e, api: newBatchAPI(e), id: id, note: &batchNote{}, calls: map[[32]byte]*batchCall{}}
}

// add lets a call wait for the batch; false if that is over.
func (r *batchRun) add(call *batchCall) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return false
	}
	r.calls[call.key] = call
	return true
}

// drop takes a call off the list; false if it has, or will have, a result.
func (r *batchRun) drop(call *batchCall) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.calls[call.key] != call {
		return false
	}
	delete(r.calls, call.key)
	return true
}

// waits gives a call that waits and takes it off the list; nil if none does.
func (r *batchRun) waits(key [32]byte) *batchCall {
	r.mu.Lock()
	defer r.mu.Unlock()
	call := r.calls[key]
	delete(r.calls, key)
	return call
}

// peek is waits for who goes on waiting.
func (r *batchRun) peek(key [32]byte) *batchCall {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls[key]
}

// waiting are the keys of those who wait for a request of the batch.
func (r *batchRun) waiting() (keys [][32]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range r.calls {
		keys = append(keys, key)
	}
	return keys
}

// take is waits for all calls that a lane gathered.
func (r *batchRun) take() (calls []*batchCall) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, c := range r.calls {
		if c.run == r {
			calls = append(calls, c)
			delete(r.calls, k)
		}
	}
	slices.SortFunc(calls, func(a, b *batchCall) int { return slices.Compare(a.key[:], b.key[:]) })
	return calls
}

// end gives everybody who is left the same result, and ends the run.
func (r *batchRun) end(res batchResult) {
	r.mu.Lock()
	r.over = true
	left := r.calls
	r.calls = nil
	r.mu.Unlock()
	r.b.forget(r)
	for _, c := range left {
		c.give(res)
	}
}

// send makes a batch of calls and sees it through.
func (r *batchRun) send(calls []*batchCall) {
	ctx := r.b.ctx
	release, err := r.b.book.store.Claim(ctx, r.id)
	if err != nil {
		release = func() {} // without it, another process may fetch the answers too
	}
	err = r.prepare(ctx, calls)
	if err == nil {
		err = r.make(ctx)
	}
	if err == nil {
		err = r.seeThrough(ctx)
	}
	r.end(batchResult{err: err})
	release()
	r.lane.ended(r.full)
}

// prepare notes a batch.
func (r *batchRun) prepare(ctx context.Context, calls []*batchCall) error {
	if err := r.b.c.canKeep(); err != nil {
		return err
	}
	p, m := r.e.provider, r.lane.model
	r.note = &batchNote{
		Format: batchFormat, ID: r.id.String(), Identity: identityOf(p), Endpoint: r.e.name, Provider: p.Name,
		Label: m.Name, Model: m.ID, URL: lineURL(p), Created: r.b.c.clock.now().UTC(),
	}
	var err error
	if r.where, err = r.b.book.prepare(ctx, r.id, r.note, calls); err != nil {
		return storeFailed(err)
	}
	return nil
}

// make uploads the file and makes the batch. Where it ends in an error and
// certainly made none, nothing is left of the batch.
func (r *batchRun) make(ctx context.Context) error {
	maybe, err := r.tryMake(ctx)
	if err == nil || maybe || ctx.Err() != nil {
		return err // the next build looks whether there is one
	}
	if r.note.FileID != "" {
		r.api.remove(ctx, r.note.FileID)
	}
	if serr := r.b.book.settle(ctx, r.id, r.note); serr != nil {
		return storeFailed(serr)
	}
	return err
}

// tryMake makes the batch. With an error, maybe says that there may be one all
// the same.
func (r *batchRun) tryMake(ctx context.Context) (maybe bool, err error) {
	if err := r.upload(ctx); err != nil {
		return false, err
	}
	if r.b.c.stopped() {
		return false, interrupted(errStopping)
	}
	metadata := map[string]any{metaBatch: r.note.ID, metaAgent: clip(plain(r.b.c.opts.UserAgent), 100), metaBuild: clip(plain(r.b.c.opts.Build), 100)}
	var batch openai.Batch
	err = r.again(ctx, func() (f *failure, err error) {
		if maybe {
			found, f, err := r.api.find(ctx, r.note.ID, r.note.Created)
			if f != nil || err != nil {
				return f, err
			}
			if found != nil {
				batch = *found
				return nil, nil
			}
		}
		batch, f, err = r.api.create(ctx, r.note.ID, r.note.FileID, r.note.URL, metadata)
		maybe = err != nil || f != nil && f.retry && !f.noContact && f.err.Code != CodeRateLimited
		return f, err
	})
	if err != nil {
		return maybe, err
	}
	return true, r.made(batch)
}

// made notes that the batch was made.
func (r *batchRun) made(batch openai.Batch) error {
	r.note.BatchID, r.note.Phase = batch.ID, phaseSent
	r.look(batch)
	if err := r.b.book.save(r.id, r.note); err != nil {
		return storeFailed(err) // its name stands in the metadata, too
	}
	if r.note.Requests >= manyRequests {
		debug.FreeOSMemory() // that of gathering them is not needed for hours
	}
	return nil
}

// manyRequests are worth to give memory back for.
const manyRequests = 5000

// upload sends the batch's file. It is called off when the build stops.
func (r *batchRun) upload(ctx context.Context) error {
	var file openai.File
	name := "autosafe-" + r.note.ID[:16] + ".jsonl"
	err := r.stoppable(ctx, func(ctx context.Context) error {
		return r.again(ctx, func() (f *failure, err error) {
			up := newUpload(name, r.note.Bytes, func() io.Reader { return r.b.book.file(r.id, r.note) })
			file, f, err = r.api.upload(ctx, up)
			return f, err
		})
	})
	if err != nil {
		return err
	}
	r.note.FileID, r.note.Phase = file.ID, phaseUploaded
	if err := r.b.book.save(r.id, r.note); err != nil {
		return storeFailed(err)
	}
	return nil
}

// stoppable does what is called off when the build stops.
func (r *batchRun) stoppable(ctx context.Context, do func(context.Context) error) error {
	stopping, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-r.b.c.opts.Stopping:
			cancel()
		case <-done:
		}
	}()
	err := do(stopping)
	if err != nil && ctx.Err() == nil && r.b.c.stopped() {
		return interrupted(errStopping)
	}
	return err
}

// again makes a request with the retries that a model call has. One that is
// told to slow down waits for its turn.
func (r *batchRun) again(ctx context.Context, try func() (*failure, error)) error {
	begun, used := r.b.c.clock.now(), 0
	for n := 1; ; n++ {
		f, err := try()
		if err != nil || f == nil {
			return err
		}
		slow := f.err.Code == CodeRateLimited && r.b.c.clock.now().Sub(begun) < outage(r.e.provider)
		if !slow {
			used++
		}
		if !f.retry || used > r.e.provider.Retries {
			return r.e.final(f, n-1)
		}
		r.e.tell(f)
		if err := r.b.c.clock.sleep(ctx, backoff(n, f.after)); err != nil {
			return interrupted(err)
		}
	}
}

// patiently makes a request about a batch that is under way. It is in no
// hurry: only an endpoint that was not reached for long ends the wait.
func (r *batchRun) patiently(ctx context.Context, try func() (*failure, error)) error {
	begun := r.b.c.clock.now()
	for n := 0; ; n++ {
		f, err := try()
		switch {
		case err != nil || f == nil:
			return err
		case !f.retry:
			return r.unknown(f)
		case r.b.c.clock.now().Sub(begun) > outage(r.e.provider):
			last := r.e.final(f, n)
			last.Fatal = true
			return last
		}
		r.e.tell(f)
		if err := r.b.c.clock.sleep(ctx, max(pollPause(n), f.after)); err != nil {
			return interrupted(err)
		}
	}
}

// unknown is the error of a batch that the endpoint does not tell of.
func (r *batchRun) unknown(f *failure) *Error {
	e := r.e.final(f, 0)
	if e.Code == CodeNotFound {
		e.Fatal = true
		e.Summary = fmt.Sprintf("%s does not know %s, which was sent on %s: check that provider %q has the key, the project and the base_url that it was sent with, or forget it with autosafe batches cancel %s",
			r.e.name, batchName(r.note), r.note.Created.Format(time.DateOnly), r.e.provider.Name, r.note.BatchID)
	}
	return e
}

// resume takes up a batch that another process left behind, or waits for the
// one that sees to it.
func (r *batchRun) resume() {
	ctx := r.b.ctx
	release, err := r.b.c.claimJob(ctx, r.b.book.store, r.id)
	if err == nil {
		err = r.resumed(ctx)
		release()
	}
	r.end(batchResult{err: err})
}

func (r *batchRun) resumed(ctx context.Context) error {
	note, err := r.b.book.note(r.id)
	if err != nil {
		return storeFailed(err)
	}
	if note == nil { // it is settled
		return nil
	}
	r.note = note
	if note.Phase == phaseUploaded {
		var found *openai.Batch
		err := r.patiently(ctx, func() (f *failure, err error) {
			found, f, err = r.api.find(ctx, note.ID, note.Created)
			return f, err
		})
		if err != nil {
			return err
		}
		if found != nil {
			if err := r.made(*found); err != nil {
				return err
			}
		}
	}
	if note.Phase != phaseSent {
		if err := r.b.book.settle(ctx, r.id, note); err != nil {
			return storeFailed(err)
		}
		return nil
	}
	r.where = map[[32]byte]int{}
	for at := range note.Chunks {
		items, err := r.b.book.chunk(r.id, at)
		if err != nil {
			continue // answers to these are not known for what they are
		}
		for _, item := range items {
			r.where[item.key] = at
		}
	}
	return r.seeThrough(ctx)
}

// seeThrough waits for the batch and reads what came of it.
func (r *batchRun) seeThrough(ctx context.Context) error {
	batch, err := r.await(ctx)
	if err == nil {
		err = r.harvest(ctx, batch)
	}
	if errors.Is(err, errStopping) && r.b.c.opts.Notify != nil {
		r.b.c.opts.Notify(fmt.Sprintf("%s (%d requests of model %q) goes on at the endpoint", batchName(r.note), r.note.Requests, r.note.Label),
			fmt.Sprintf("The same build takes its answers when it runs again. autosafe batches list shows what is under way, autosafe batches cancel %s ends it.", r.note.BatchID))
	}
	return err
}

// await asks after the batch until it has ended.
func (r *batchRun) await(ctx context.Context) (batch openai.Batch, err error) {
	for n := 0; ; n++ {
		err = r.stoppable(ctx, func(ctx context.Context) error {
			return r.patiently(ctx, func() (f *failure, err error) {
				batch, f, err = r.api.retrieve(ctx, r.note.BatchID)
				return f, err
			})
		})
		if err != nil {
			return batch, err
		}
		r.look(batch)
		if ended(batch) {
			return batch, nil
		}
		r.seenAlive = r.seenAlive || batch.Status != statusCancelling
		if err := r.b.c.clock.sleep(ctx, pollPause(n)); err != nil {
			return batch, interrupted(err)
		}
	}
}

// The states of a batch that mean something here.
const (
	statusCompleted  = "completed"
	statusFailed     = "failed"
	statusExpired    = "expired"
	statusCancelling = "cancelling"
	statusCancelled  = "cancelled"
)

func ended(b openai.Batch) bool {
	return slices.Contains([]string{statusCompleted, statusFailed, statusExpired, statusCancelled}, strings.ToLower(b.Status))
}

// look notes how the batch is doing, for people.
func (r *batchRun) look(b openai.Batch) {
	changed := r.note.Status != b.Status || r.note.Done != b.RequestCounts.Completed || r.note.Failed != b.RequestCounts.Failed
	r.note.Status, r.note.Done, r.note.Failed = clip(plain(b.Status), 40), b.RequestCounts.Completed, b.RequestCounts.Failed
	r.note.Seen = r.b.c.clock.now().UTC()
	if changed && r.note.Phase == phaseSent {
		_ = r.b.book.save(r.id, r.note) // for those who list batches: of no matter to the build
	}
	r.b.report(r)
}

// defaultOutage is how long an endpoint that does not answer is waited for.
const defaultOutage = 15 * time.Minute

func outage(p *spec.Provider) time.Duration {
	if p.Outage > 0 {
		return p.Outage
	}
	return defaultOutage
}
