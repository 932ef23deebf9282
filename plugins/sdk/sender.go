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
	inFlight atomic.Int64 // tasks whose result has not been put yet
	closing  chan struct{}
	done     chan struct{}
	err      error // of send; read after done
}

var errEnded = errors.New("the run has ended")

func newSender(ctx context.Context, cancel context.CancelFunc, send func(*pluginpb.RunResponse) error) *sender {
	s := &sender{
		ctx: ctx, cancel: cancel, send: send,
		results: make(chan *pluginpb.Result, 4*transport.BatchRows),
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
			if first = s.next(); first == nil {
				return
			}
		}
		var batch []*pluginpb.Result
		batch, held = s.collect(first, transport.BatchDelay-time.Since(last))
		msg := &pluginpb.RunResponse{Message: &pluginpb.RunResponse_Results{Results: &pluginpb.ResultBatch{Results: batch}}}
		if s.err = s.send(msg); s.err != nil {
			s.cancel()
			return
		}
		last = time.Now()
	}
}

// next waits for a result; nil when there will be none.
func (s *sender) next() *pluginpb.Result {
	select {
	case r := <-s.results:
		return r
	case <-s.ctx.Done():
		return nil
	case <-s.closing:
	}
	select { // what was put before finish
	case r := <-s.results:
		return r
	default:
		return nil
	}
}

// collect adds to first what is there and, while more may come, what comes
// within wait.
func (s *sender) collect(first *pluginpb.Result, wait time.Duration) (batch []*pluginpb.Result, held *pluginpb.Result) {
	batch = []*pluginpb.Result{first}
	size := weight(first)
	var timer <-chan time.Time
	for len(batch) < transport.BatchRows && size < transport.BatchBytes {
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
		if size+weight(r) > transport.BatchBytes {
			return batch, r
		}
		batch = append(batch, r)
		size += weight(r)
	}
	return batch, nil
}

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
