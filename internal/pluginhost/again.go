package pluginhost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/spec/schema"
)

// A component that works row by row outlives its process. When that dies,
// another is started, which no other run shares, and what was in flight is
// sent again in groups, one after the other, each of a sixteenth of what was in
// flight when the process died. A group that kills its process is divided in
// turn, until the row that does it is alone. So it is known which row it is:
// that row fails, with plugin_crashed, and all others are answered. Answers of
// models that a row had got are in the cache, and calls under way go on.
//
// Of sources see lastingSource. Outputs and components that see all rows at once
// are not begun again, since they need all of them: their crash ends the run.

// crashed is the code of a run or a row whose process died.
const crashed = "plugin_crashed"

const (
	// divide is how many groups a group becomes that killed its process.
	divide = 16
	// maxInVain is how many rows in a row may be failed, or processes die with
	// nothing in flight, while no row is answered.
	maxInVain = 3
)

// lasting is a run that goes on when its process dies.
type lasting struct {
	ctx    context.Context
	cancel context.CancelFunc
	host   *Host
	comp   *schema.Component
	spec   engine.RunSpec
	needs  needs

	mu      sync.Mutex
	changed *sync.Cond
	run     *run            // at work
	past    []*run          // whose process died
	groups  [][]engine.Task // to be sent again, one after the other
	again   bool            // a group is at the plugin, or will be: nothing else is sent
	size    int             // of the group
	closed  bool            // CloseSend was called
	inVain  int
	over    bool // err tells why; or the run was closed
	err     error

	sending sync.WaitGroup
}

func (h *Host) startLasting(ctx context.Context, comp *schema.Component, spec engine.RunSpec) (engine.Run, error) {
	switch {
	case spec.Role == schema.ThreatSource:
		return h.startSource(ctx, comp, spec)
	case spec.Role == schema.Output, spec.Role == schema.Finetune, spec.Whole:
		r, err := h.begin(ctx, comp, spec, h.needsOf(spec))
		if err != nil {
			return nil, err
		}
		return r, nil
	}
	l := &lasting{host: h, comp: comp, spec: spec, needs: h.needsOf(spec)}
	l.ctx, l.cancel = context.WithCancel(ctx)
	l.changed = sync.NewCond(&l.mu)
	r, err := h.begin(l.ctx, comp, spec, l.needs)
	if err != nil {
		l.cancel()
		return nil, err
	}
	l.run = r
	return l, nil
}

// Send hands tasks over; it blocks while the plugin is busy, or others are sent
// again.
func (l *lasting) Send(tasks []engine.Task) error {
	for {
		l.mu.Lock()
		for l.again && !l.over {
			l.changed.Wait()
		}
		r, err := l.run, l.err
		over := l.over
		l.mu.Unlock()
		if over {
			return cmp.Or(err, errRunClosed)
		}
		rest, err := r.send(tasks)
		if !isCrash(err) || !l.recovers() {
			return err
		}
		if len(rest) == 0 {
			return nil // they are sent again
		}
		tasks = rest
		l.mu.Lock()
		for l.run == r && !l.over {
			l.changed.Wait()
		}
		l.mu.Unlock()
	}
}

var errRunClosed = errors.New("the run is closed")

// CloseSend says that no task will follow.
func (l *lasting) CloseSend() error {
	l.mu.Lock()
	l.closed = true
	r, again := l.run, l.again
	l.mu.Unlock()
	if again {
		return nil // later
	}
	if err := r.CloseSend(); !isCrash(err) {
		return err
	}
	return nil
}

// Recv gives the next results.
func (l *lasting) Recv() (engine.RunEvent, error) {
	for {
		l.mu.Lock()
		r := l.run
		l.mu.Unlock()
		ev, err := r.Recv()
		if err == nil {
			l.answered(r, len(ev.Results))
			return ev, nil
		}
		if isCrash(err) && l.recovers() {
			guilty, recovered := l.recover(r, err)
			switch {
			case recovered && guilty != nil:
				return engine.RunEvent{Results: []engine.Result{*guilty}}, nil
			case recovered:
				continue
			}
			l.mu.Lock()
			err = cmp.Or(l.err, err)
			l.mu.Unlock()
		}
		l.end(err)
		return engine.RunEvent{}, err
	}
}

// end notes that the run is over, for those who wait to send.
func (l *lasting) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.over, l.err = true, err
	}
	l.changed.Broadcast()
}

func isCrash(err error) bool {
	var e *engine.RunError
	return errors.As(err, &e) && e.Code == crashed
}

// recovers says whether the run may go on in another process.
func (l *lasting) recovers() bool {
	return l.ctx.Err() == nil && !l.host.isClosed()
}

// answered takes note of results, and sends the next group if that was all of
// one.
func (l *lasting) answered(r *run, results int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if results > 0 {
		l.inVain = 0
	}
	if l.again && !l.over && r.owed() == 0 {
		l.next()
	}
}

// next sends the next group, or ends the recovery. With l.mu.
func (l *lasting) next() {
	r := l.run
	if len(l.groups) > 0 {
		group := l.groups[0]
		l.groups, l.size = l.groups[1:], len(group)
		r.expect(group)
		l.sending.Go(func() { _, _ = r.send(group) }) // Recv tells
		return
	}
	l.again = false
	l.changed.Broadcast()
	if l.closed {
		l.sending.Go(func() { _ = r.CloseSend() }) // Recv tells
	}
}

// recover has the run go on in another process. A row that killed the one
// before it alone, and another before that in company, is guilty.
func (l *lasting) recover(r *run, cause error) (guilty *engine.Result, ok bool) {
	left, calls := r.handOver()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.past = append(l.past, r)
	var e *engine.RunError
	errors.As(cause, &e)
	switch {
	case l.again && l.size == 1 && len(left) == 1:
		guilty = &engine.Result{Seq: left[0].Seq, Calls: calls, Err: &engine.RowError{
			Code: crashed, Summary: "the plugin's process died on this row, again", Transient: true, // it may be the machine's doing
			Detail: fmt.Sprintf("It was started anew, with this row alone, and died as before. %s", e.Detail),
		}}
		l.inVain++
	case len(left) == 0:
		l.inVain++
	default:
		l.groups = append(slices.Collect(slices.Chunk(left, max(1, (len(left)+divide-1)/divide))), l.groups...)
	}
	if l.inVain > maxInVain {
		l.err = &engine.RunError{Code: e.Code, Summary: e.Summary, Detail: fmt.Sprintf(
			"It was started anew %d times, and died each time before it had answered a row. %s", len(l.past)-1, e.Detail)}
		return nil, false
	}
	l.needs.own = l.host.owners.Add(1)
	l.again = true
	l.mu.Unlock()
	fresh, err := l.host.begin(l.ctx, l.comp, l.spec, l.needs)
	l.mu.Lock()
	switch {
	case err != nil:
		l.err = err
		return nil, false
	case l.over: // it was closed meanwhile
		_ = fresh.Close()
		return nil, false
	}
	l.run = fresh
	l.next()
	l.changed.Broadcast()
	return guilty, true
}

// Counts are the model calls of all processes.
func (l *lasting) Counts() engine.CallCounts {
	l.mu.Lock()
	list := append(slices.Clone(l.past), l.run)
	l.mu.Unlock()
	var sum engine.CallCounts
	for i, r := range list {
		if i > 0 && r == list[i-1] {
			continue // it has crashed, and there is no other
		}
		sum.Add(r.Counts())
	}
	return sum
}

// Close ends the run and frees what it holds.
func (l *lasting) Close() error {
	l.end(nil)
	l.cancel()
	l.mu.Lock() // from here on, no run is added
	list := append(slices.Clone(l.past), l.run)
	l.mu.Unlock()
	var err error
	for _, r := range list {
		err = errors.Join(err, r.Close())
	}
	l.sending.Wait()
	return err
}

// owed is how many tasks are at the plugin.
func (r *run) owed() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.tasks)
}

// expect notes tasks that are about to be sent.
func (r *run) expect(tasks []engine.Task) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range tasks {
		r.tasks[t.Seq] = &task{sent: t}
	}
}

// handOver gives up the tasks that are not answered, in their order, and takes
// no more. Of a single one it also gives the calls made for it.
func (r *run) handOver() (list []engine.Task, calls []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = true
	for _, t := range r.tasks {
		list, calls = append(list, t.sent), t.calls
	}
	slices.SortFunc(list, func(a, b engine.Task) int { return cmp.Compare(a.Seq, b.Seq) })
	return list, calls
}

// outlive gives a call a context that goes on when the plugin's process dies:
// the call is paid, and the row that it is for is about to be sent again, whose
// call then has its answer. It ends with the run, and when the plugin calls it
// off.
func (r *run) outlive(ctx context.Context) (context.Context, context.CancelFunc) {
	own, cancel := context.WithCancel(r.calls)
	stop := context.AfterFunc(ctx, func() {
		select { // why it ended, the system tells a little later
		case <-r.process.child.exited:
		case <-own.Done():
		case <-time.After(r.host.grace):
			cancel()
		}
	})
	return own, func() { stop(); cancel() }
}
