package llm

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/autosafe/autosafe/spec"
)

// lane gathers the calls of a model into batches. The first due calls of those
// that wait are to be sent as soon as may be; the others wait for company.
type lane struct {
	b     *batches
	e     *endpoint
	model *spec.Model
	most  spec.Batch // the bounds, all set

	mu      sync.Mutex
	waiting []*batchCall
	due     int
	fresh   int64  // bytes of those that wait for company
	off     func() // calls the end of the quiet time off
	open    int    // batches under way
	// limit is how many requests a batch may have since the endpoint said that
	// it has enough; 0: as many as most says. Then one batch is sent at a time.
	limit   int
	refused int // times in a row that it said so
}

func newLane(b *batches, e *endpoint, m *spec.Model) *lane {
	most := m.Batch
	if most.MaxRequests <= 0 {
		most.MaxRequests = DefaultBatchRequests
	}
	if most.MaxBytes <= 0 {
		most.MaxBytes = DefaultBatchBytes
	}
	if most.Wait <= 0 {
		most.Wait = DefaultBatchWait
	}
	most.MaxRequests = min(most.MaxRequests, maxBatchRequests)
	most.MaxBytes = min(most.MaxBytes, maxBatchBytes)
	return &lane{b: b, e: e, model: m, most: most, off: func() {}}
}

// wait puts a call into the next batch, and waits for what becomes of it.
func (l *lane) wait(ctx context.Context, call *batchCall) batchResult {
	stopping := l.b.c.opts.Stopping
	select {
	case <-stopping:
		return batchResult{err: interrupted(errStopping)}
	default:
	}
	l.add(call)
	for {
		var why error
		select {
		case res := <-call.done:
			return res
		case <-l.b.ctx.Done():
			why = context.Canceled
		case <-ctx.Done():
			why = ctx.Err()
		case <-stopping:
			// A batch that is being sent, or was, decides for its calls.
			if l.leave(call, false) {
				return batchResult{err: interrupted(errStopping)}
			}
			stopping = nil
			continue
		}
		if l.leave(call, true) {
			return batchResult{err: interrupted(why)}
		}
		return <-call.done
	}
}

// leave takes a call back: one that waits and, if asked, one that is in a
// batch. It fails if there is a result.
func (l *lane) leave(call *batchCall, sent bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case call.run == nil:
		call.gone = true // it is left out when its turn comes
		return true
	case sent:
		return call.run.drop(call)
	}
	return false
}

// lineBytes is about what a call takes in a file.
func lineBytes(c *batchCall) int64 { return int64(len(c.order.body)) + 160 }

func (l *lane) add(call *batchCall) {
	l.mu.Lock()
	defer l.mu.Unlock()
	size := lineBytes(call)
	if len(l.waiting) > l.due && l.fresh+size > l.most.MaxBytes {
		l.allDue()
	}
	l.waiting = append(l.waiting, call)
	l.fresh += size
	if len(l.waiting)-l.due >= l.most.MaxRequests || l.fresh >= l.most.MaxBytes {
		l.allDue()
	} else {
		l.off()
		l.off = l.b.quiet(l.most.Wait, l.quietOver)
	}
	l.send()
}

// quietOver: no call has come for a while.
func (l *lane) quietOver() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.allDue()
	l.send()
}

// allDue says that nobody waits for company any more. l.mu is held, as in all
// that follows.
func (l *lane) allDue() {
	l.due, l.fresh = len(l.waiting), 0
	l.off()
	l.off = func() {}
}

// send sends the calls that are due.
func (l *lane) send() {
	for l.due > 0 && (l.limit == 0 || l.open == 0) && !l.b.c.stopped() && !l.b.paused.Load() {
		n := l.fill()
		var calls []*batchCall
		for _, c := range l.waiting[:n] {
			if !c.gone {
				calls = append(calls, c)
			}
		}
		l.waiting = slices.Delete(l.waiting, 0, n)
		l.due -= n
		if len(calls) > 0 && l.b.begin(l, calls) {
			l.open++
		}
	}
}

// fill is how many of the calls that are due go into one batch.
func (l *lane) fill() int {
	most := l.most.MaxRequests
	if l.limit > 0 {
		most = min(most, l.limit)
	}
	var size int64
	for n, c := range l.waiting[:l.due] {
		size += lineBytes(c)
		if n == most || n > 0 && size > l.most.MaxBytes {
			return n
		}
	}
	return l.due
}

// resume sends what was held back.
func (l *lane) resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.send()
}

// ended notes that a batch is under way no more.
func (l *lane) ended(full bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if !full {
		l.refused = 0
		if l.limit *= 2; l.limit >= l.most.MaxRequests {
			l.limit = 0
		}
	}
	l.send()
}

// refusal counts that a batch was too much for the endpoint.
func (l *lane) refusal() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused++
	return l.refused
}

// enough takes the calls of a batch back that was more than the endpoint has
// room for now. Where nothing else of ours takes room there, batches get
// smaller. It fails if they cannot.
func (l *lane) enough(r *batchRun) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	size, alone := r.note.Requests, l.open <= 1
	switch {
	case alone && size <= 1 || l.b.c.stopped():
		return false
	case alone:
		l.limit = (size + 1) / 2
	case l.limit == 0:
		l.limit = size
	}
	calls := r.take()
	for _, c := range calls {
		c.run = nil
	}
	l.waiting = slices.Insert(l.waiting, 0, calls...)
	l.due += len(calls)
	return true
}

// close calls off what waits for company.
func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.off()
}

// oneLine is a body without line breaks, which would end its line of the file.
func oneLine(body []byte) []byte {
	if bytes.IndexByte(body, '\n') < 0 && bytes.IndexByte(body, '\r') < 0 {
		return body
	}
	var b bytes.Buffer
	if json.Compact(&b, body) != nil {
		return body // the endpoint will say what is wrong with it
	}
	return b.Bytes()
}

// pollPause is how long to wait before a batch is asked about for the n-th
// time more.
func pollPause(n int) time.Duration {
	d := 2 * time.Second
	for ; n > 0 && d < maxPollPause; n-- {
		d = d * 3 / 2
	}
	return min(d, maxPollPause)
}

const maxPollPause = 60 * time.Second

// stopped says whether nothing new is to be begun.
func (c *client) stopped() bool {
	select {
	case <-c.opts.Stopping:
		return true
	default:
		return false
	}
}
