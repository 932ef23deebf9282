package llm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/autosafe/autosafe/spec"
)

// A model with mode "batch" is asked by the files of OpenAI's Batch API. Calls
// that wait are gathered in a lane (batchlane.go) until there are enough, or no
// more come; a run (batchrun.go) sends them and waits for the endpoint, which
// may take a day; its results (batchresult.go) are read and kept as live
// answers are. What is sent is noted first (batchnote.go). A call that stands
// in a batch, of this process or of one that is gone, waits for that, live
// calls too: nothing is asked twice.

// The bounds of a batch where the recipe sets none, and those of OpenAI's API.
const (
	DefaultBatchRequests = 50_000
	DefaultBatchBytes    = 100 << 20
	DefaultBatchWait     = 10 * time.Second

	maxBatchRequests = 50_000
	maxBatchBytes    = 200_000_000
)

// batches are the batches of a client.
type batches struct {
	c      *client
	book   *notebook
	ctx    context.Context // ends with the client
	cancel context.CancelFunc
	work   sync.WaitGroup
	// quiet calls f when d has passed, unless it is called off before; for
	// tests to replace.
	quiet func(d time.Duration, f func()) (off func())

	mu    sync.Mutex
	ended bool // the client is closed
	lanes map[laneID]*lane
	runs  map[batchID]*batchRun
	shown map[batchID]BatchInfo

	// ahead are answers that this client took out of batches before anybody
	// asked for them. Who asks first has made the call.
	ahead map[[sha256.Size]byte]struct{}

	reporting sync.Mutex  // so that reports come in order
	room      sync.Once   // the user was told that the endpoint has none
	paused    atomic.Bool // no batch is sent
}

// laneID tells apart what cannot share a batch: a file is for one model.
type laneID struct {
	endpoint *endpoint
	model    string
	bounds   spec.Batch
}

func newBatches(c *client) *batches {
	ctx, cancel := context.WithCancel(context.Background())
	return &batches{
		c: c, book: newNotebook(c.opts.Batches), ctx: ctx, cancel: cancel,
		quiet: func(d time.Duration, f func()) func() {
			t := time.AfterFunc(d, f)
			return func() { t.Stop() }
		},
		lanes: map[laneID]*lane{}, runs: map[batchID]*batchRun{}, shown: map[batchID]BatchInfo{},
		ahead: map[[sha256.Size]byte]struct{}{},
	}
}

// close ends what is under way. Batches that were sent go on at the endpoint.
func (b *batches) close() {
	b.mu.Lock()
	b.ended = true
	b.mu.Unlock()
	for _, l := range b.allLanes() {
		l.close()
	}
	b.cancel()
	b.work.Wait()
}

func (b *batches) allLanes() []*lane {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Values(b.lanes))
}

// begin sends a batch of calls beside the caller; false if the client is
// closed.
func (b *batches) begin(l *lane, calls []*batchCall) bool {
	r := newBatchRun(b, l.e, newBatchID())
	r.lane = l
	for _, c := range calls {
		c.run = r
		r.calls[c.key] = c
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return false
	}
	b.runs[r.id] = r
	b.work.Go(func() { r.send(calls) })
	return true
}

// batchCall is a call that waits for a batch.
type batchCall struct {
	key   [sha256.Size]byte
	req   Request
	order order
	keyed []byte // the body in the key, if another one is sent
	tries int    // how often it stood in a batch that gave no answer
	done  chan batchResult

	// Of a call in a lane, and guarded by it.
	run  *batchRun // that it is in; nil while it waits
	gone bool      // nobody waits for it
}

// batchResult is what became of a call: answer, fail or err is set. None of
// them says that it is to be asked anew.
type batchResult struct {
	answer *Answer  // which is kept
	fail   *failure // of this call alone
	err    error    // of all the batch
	// With fail: tries is how often the call stood in a batch for nothing,
	// this one included.
	tries    int
	endpoint *endpoint
}

func (c *batchCall) item() batchItem {
	return batchItem{key: c.key, body: oneLine(c.order.body), head: itemHead{
		Key: hex.EncodeToString(c.key[:]), Purpose: c.req.Purpose, Sample: c.req.Sample, Generation: c.req.Generation, Refresh: c.req.RefreshMark,
		Keyed: c.keyed, Tries: c.tries,
	}}
}

// give ends the wait of a call. It is called once for each wait.
func (c *batchCall) give(r batchResult) { c.done <- r }

// pending is the batch that a call stands in. It must be asked before the store
// is for the call's answer: a batch is settled once its answers are stored, so
// that one of the two is found.
func (b *batches) pending(k [sha256.Size]byte, req Request) *batchID {
	if b.c.opts.Store == nil || b.c.opts.Offline || isFree(req.Model) {
		return nil
	}
	if id, ok := b.book.pending(k); ok {
		return &id
	}
	return nil
}

// batched answers a call by a batch: pending, which it stands in already, or
// for a model of that mode the next one. The answer is nil if the call is to
// be made live. keyed is the body in the call's key.
func (b *batches) batched(ctx context.Context, e *endpoint, k [sha256.Size]byte, req Request, o order, keyed []byte, pending *batchID) (*got, error) {
	live := req.Model.Mode != spec.ModeBatch
	if live && pending == nil {
		return nil, nil
	}
	call := &batchCall{key: k, req: req, order: o, done: make(chan batchResult, 1)}
	if !bytes.Equal(keyed, o.body) {
		call.keyed = keyed
	}
	call.order.model = batchPriced(req.Model)
	o.tally.InFlight.Add(1)
	defer o.tally.InFlight.Add(-1)
	if pending != nil {
		paid := b.c.budget.force(call.order.model, len(o.body))
		res := b.join(ctx, e, *pending, call)
		if out, again, err := b.outcome(call, res, paid); !again {
			return out, err
		}
		if found := b.c.stored(k, false); res.fail == nil && found.ok && !req.Refresh { // another process took the answer
			out := b.c.give(found, k, req, o.tally)
			return &out, nil
		}
		if live {
			return nil, nil
		}
	}
	for {
		paid, err := b.c.budget.admit(ctx, call.order.model, len(o.body))
		if err != nil {
			return nil, err
		}
		res := b.laneFor(e, req.Model).wait(ctx, call)
		if out, again, err := b.outcome(call, res, paid); !again {
			return out, err
		}
		call.run = nil // for the next one; nobody else knows of the call now
	}
}

// outcome makes of a result what the call ends in, unless it is to be asked
// again.
func (b *batches) outcome(call *batchCall, res batchResult, paid grant) (out *got, again bool, err error) {
	if res.answer != nil {
		paid.answered(res.answer.Usage)
		count(*res.answer, call.order.model, call.order.tally)
		return &got{answer: *res.answer, key: call.key}, false, nil
	}
	paid.unanswered(false)
	switch {
	case res.err != nil:
		return nil, false, res.err
	case res.fail == nil:
		return nil, true, nil
	}
	e := res.endpoint
	call.tries = res.tries
	if !res.fail.retry || call.tries > e.provider.Retries {
		return nil, false, e.final(res.fail, max(0, call.tries-1))
	}
	e.tell(res.fail)
	call.order.tally.Retried.Add(1)
	return nil, true, nil
}

func (b *batches) isAhead(k [sha256.Size]byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ahead[k] = struct{}{}
}

// bought counts an answer that was taken out of a batch ahead; false if it was
// not, and so comes from the cache.
func (b *batches) bought(k [sha256.Size]byte, req Request, a Answer, tally *Tally) bool {
	b.mu.Lock()
	_, ok := b.ahead[k]
	delete(b.ahead, k)
	b.mu.Unlock()
	if !ok {
		return false
	}
	m := batchPriced(req.Model)
	b.c.budget.force(m, 0).answered(a.Usage)
	count(a, m, tally)
	return true
}

// batchPriced is the model as its calls in batches are charged for, whatever
// way it is asked now.
func batchPriced(m *spec.Model) *spec.Model {
	if m.Mode == spec.ModeBatch {
		return m
	}
	in := *m
	in.Mode = spec.ModeBatch
	if m.Price != nil {
		price := *m.Price
		if price.BatchShare <= 0 || price.BatchShare == 1 {
			price.BatchShare = defaultBatchShare
		}
		in.Price = &price
	}
	return &in
}

// force is admit for a request that was sent already: it is paid whether or
// not there is room.
func (b *budget) force(m *spec.Model, bytes int) grant {
	if b == nil || !m.Priced() {
		return grant{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	most := b.most(m, bytes)
	b.reserved += most
	return grant{b, m, most}
}

// defaultBatchShare is what a call in a batch costs, of what it costs live.
const defaultBatchShare = 0.5

// laneFor is where calls of a model are gathered.
func (b *batches) laneFor(e *endpoint, m *spec.Model) *lane {
	id := laneID{e, m.ID, m.Batch}
	b.mu.Lock()
	defer b.mu.Unlock()
	l, ok := b.lanes[id]
	if !ok {
		l = newLane(b, e, m)
		b.lanes[id] = l
	}
	return l
}

// join waits for a call that stands in a batch.
func (b *batches) join(ctx context.Context, e *endpoint, id batchID, call *batchCall) batchResult {
	b.mu.Lock()
	r, waits := b.runs[id], false
	switch {
	case r != nil:
		waits = r.add(call)
	case b.ended:
		b.mu.Unlock()
		return batchResult{err: interrupted(context.Canceled)}
	default:
		r = newBatchRun(b, e, id)
		waits = r.add(call)
		b.runs[id] = r
		b.work.Go(r.resume)
	}
	b.mu.Unlock()
	if !waits { // it has ended in the meantime
		return batchResult{}
	}
	select {
	case res := <-call.done:
		return res
	case <-ctx.Done():
		if r.drop(call) {
			return batchResult{err: interrupted(ctx.Err())}
		}
		return <-call.done
	}
}

// forget takes a run that has ended off the list.
func (b *batches) forget(r *batchRun) {
	b.mu.Lock()
	delete(b.runs, r.id)
	b.mu.Unlock()
	b.report(r)
}

// storeFailed is the error of calls whose batch cannot be noted.
func storeFailed(err error) *Error {
	return &Error{Code: CodeStore, Fatal: true, Summary: "a batch cannot be noted in the cache, so it is not sent", Detail: clip(plain(err.Error()), maxDetail)}
}

// batchName is how people are told of a batch.
func batchName(n *batchNote) string {
	if n.BatchID != "" {
		return "batch " + n.BatchID
	}
	return fmt.Sprintf("the batch %s (not sent yet)", n.ID[:12])
}
