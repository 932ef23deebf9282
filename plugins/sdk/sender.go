package sdk

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/plugins/sdk/transport"
)

// sender batches results onto a run's stream. A result that comes after a
// pause, or after which none can come, goes out at once; in a rush results
// wait for company, at most transport.BatchDelay.
type sender struct {
	ctx      context.Context
	cancel   context.CancelFunc
	send     func(*pluginpb.RunResponse) error
	results  chan *pluginpb.Result
	notes    chan *pluginpb.Progress // at most one
	inFlight atomic.Int64            // tasks whose result has not been put yet
	closing  chan struct{}
	done     chan struct{}
	err      error   // of send; read after done
	blocks   *blocks // of a source whose host knows them; else nil
}

var errEnded = errors.New("the run has ended")

func newSender(ctx context.Context, cancel context.CancelFunc, send func(*pluginpb.RunResponse) error) *sender {
	return newBlockSender(ctx, cancel, send, nil)
}

// newBlockSender is newSender for a source that names its batches.
func newBlockSender(ctx context.Context, cancel context.CancelFunc, send func(*pluginpb.RunResponse) error, b *blocks) *sender {
	s := &sender{
		blocks: b,
		ctx:    ctx, cancel: cancel, send: send,
		results: make(chan *pluginpb.Result, 4*transport.BatchRows),
		notes:   make(chan *pluginpb.Progress, 1),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
	}
	go s.loop()
	return s
}

// put hands a result over; it blocks while the host is busy.
func (s *sender) put(r *pluginpb.Result) error {
	scrub(r)
	if weight(r) > transport.MaxRow {
		r = &pluginpb.Result{Seq: r.GetSeq(), Error: &pluginpb.RowError{
			Code:    transport.CodeRowTooLarge,
			Summary: "the row is too large to be sent",
			Detail:  "A row may weigh 32 MiB.",
		}}
	}
	select {
	case s.results <- r:
		return nil
	case <-s.closing: // an author's goroutine outlived the component's function
		return errEnded
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

// finish sends what is left and waits until it is sent. A later put fails.
func (s *sender) finish() error {
	close(s.closing)
	<-s.done
	return s.err
}

func (s *sender) loop() {
	defer close(s.done)
	var last time.Time
	var held *pluginpb.Result // did not fit the last batch
	for {
		first := held
		if first == nil {
			var note *pluginpb.Progress
			first, note = s.next()
			if note != nil {
				if s.err = s.send(&pluginpb.RunResponse{Message: &pluginpb.RunResponse_Progress{Progress: note}}); s.err != nil {
					s.cancel()
					return
				}
				continue
			}
			if first == nil {
				return
			}
		}
		var batch *pluginpb.ResultBatch
		if s.blocks != nil {
			batch, held = s.collectBlock(first)
		} else {
			batch = &pluginpb.ResultBatch{}
			batch.Results, held = s.collect(first, transport.BatchDelay-time.Since(last), plainBatch())
		}
		msg := &pluginpb.RunResponse{Message: &pluginpb.RunResponse_Results{Results: batch}}
		if s.err = s.send(msg); s.err != nil {
			s.cancel()
			return
		}
		last = time.Now()
	}
}

// next waits for a result or a note; both are nil when there will be none.
func (s *sender) next() (*pluginpb.Result, *pluginpb.Progress) {
	select {
	case r := <-s.results:
		return r, nil
	case n := <-s.notes:
		return nil, n
	case <-s.ctx.Done():
		return nil, nil
	case <-s.closing:
	}
	select { // what was put before finish
	case r := <-s.results:
		return r, nil
	default:
		return nil, nil
	}
}

// note has a note sent in place of one that waits still. It never blocks.
func (s *sender) note(n *pluginpb.Progress) {
	select {
	case <-s.notes:
	default:
	}
	select {
	case s.notes <- n:
	default: // another one came first
	}
}

// collect adds to first what is there and, while more may come, what comes
// within wait.
func (s *sender) collect(first *pluginpb.Result, wait time.Duration, limit extent) (batch []*pluginpb.Result, held *pluginpb.Result) {
	batch = []*pluginpb.Result{first}
	size := weight(first)
	var timer <-chan time.Time
	for len(batch) < limit.rows && size < limit.bytes {
		var r *pluginpb.Result
		select {
		case r = <-s.results:
		default:
			if wait <= 0 || s.inFlight.Load() == 0 {
				return batch, nil
			}
			if timer == nil {
				t := time.NewTimer(wait)
				defer t.Stop()
				timer = t.C
			}
			select {
			case r = <-s.results:
			case <-timer:
				return batch, nil
			case <-s.closing:
				return batch, nil
			case <-s.ctx.Done():
				return batch, nil
			}
		}
		if size+weight(r) > limit.bytes {
			return batch, r
		}
		batch = append(batch, r)
		size += weight(r)
	}
	return batch, nil
}

// extent is how much a batch holds, or may hold.
type extent struct{ rows, bytes int }

func plainBatch() extent { return extent{transport.BatchRows, transport.BatchBytes} }

// weight is about what a result weighs on the wire.
func weight(r *pluginpb.Result) int {
	const frame = 16
	n := frame + len(r.GetDropped()) + len(r.GetError().GetDetail())
	for _, row := range r.GetRows() {
		n += frame + len(row)
	}
	return n
}

// maxText bounds the texts of errors and reasons.
const maxText = 16 << 10

// scrub makes an author's texts fit for the wire.
func scrub(r *pluginpb.Result) {
	r.Dropped = clip(r.GetDropped())
	scrubError(r.GetError())
}

func scrubError(e *pluginpb.RowError) {
	if e == nil {
		return
	}
	e.Code, e.Summary, e.Detail = clip(e.GetCode()), clip(e.GetSummary()), clip(e.GetDetail())
}

func clip(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return valid(s)
}
