package pluginhost

import (
	"context"
	"errors"
	"hash/maphash"
	"io"
	"slices"
	"sync"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/spec/schema"
)

// lastingSource is the run of a source that goes on when its process dies. In
// another process the source starts from its first row. What it had given
// before is held to be the same, and not passed on again; if it is not the same,
// or was left out as known, the run ends.
type lastingSource struct {
	ctx    context.Context
	cancel context.CancelFunc
	host   *Host
	comp   *schema.Component
	spec   engine.RunSpec
	needs  needs

	// Of Recv alone.
	given   uint64       // results passed on
	sum     maphash.Hash // of them
	skip    uint64       // results that are still to be compared
	again   maphash.Hash // of those that were
	leftOut bool         // some were not sent, being known
	inVain  int

	mu     sync.Mutex
	run    *run
	past   []*run
	closed bool
}

func (h *Host) startSource(ctx context.Context, comp *schema.Component, spec engine.RunSpec) (engine.Run, error) {
	l := &lastingSource{host: h, comp: comp, spec: spec, needs: h.needsOf(spec)}
	l.again.SetSeed(l.sum.Seed())
	l.ctx, l.cancel = context.WithCancel(ctx)
	r, err := h.begin(l.ctx, comp, spec, l.needs)
	if err != nil {
		l.cancel()
		return nil, err
	}
	l.run = r
	return l, nil
}

func (l *lastingSource) now() *run {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.run
}

// Send gives the error of the run: a source takes no tasks.
func (l *lastingSource) Send(tasks []engine.Task) error { return l.now().Send(tasks) }

// CloseSend says that no task will follow.
func (l *lastingSource) CloseSend() error {
	if err := l.now().CloseSend(); !isCrash(err) {
		return err
	}
	return nil // Recv tells
}

// Recv gives the next results.
func (l *lastingSource) Recv() (engine.RunEvent, error) {
	for {
		r := l.now()
		ev, err := r.Recv()
		if isCrash(err) && !l.leftOut && l.ctx.Err() == nil && !l.host.isClosed() {
			if err = l.restart(r, err); err == nil {
				continue
			}
		}
		switch {
		case err == nil:
			ev, err = l.take(ev)
		case errors.Is(err, io.EOF) && l.skip > 0:
			err = givesOthers()
		}
		switch {
		case err != nil:
			return engine.RunEvent{}, err
		case len(ev.Results) > 0 || ev.Same > 0 || ev.Note != nil:
			return ev, nil
		}
	}
}

// take notes what was given, and leaves out what was given before.
func (l *lastingSource) take(ev engine.RunEvent) (engine.RunEvent, error) {
	if ev.Same > 0 {
		l.leftOut = true
		l.inVain = 0
		return ev, nil
	}
	for l.skip > 0 && len(ev.Results) > 0 {
		addResult(&l.again, ev.Results[0])
		ev.Results, ev.Block = ev.Results[1:], nil
		if l.skip--; l.skip == 0 && l.again.Sum64() != l.sum.Sum64() {
			return ev, givesOthers()
		}
	}
	for _, res := range ev.Results {
		addResult(&l.sum, res)
	}
	if len(ev.Results) > 0 {
		l.given += uint64(len(ev.Results))
		l.inVain = 0
	}
	return ev, nil
}

// givesOthers is the error of a source that gave fewer rows, or other ones, than
// before its process died.
func givesOthers() *engine.RunError {
	return &engine.RunError{Code: crashed, Summary: "the plugin's process died, and gives other rows now", Detail: "It was started " +
		"anew, and a source must then give the rows again that it gave before, in their order. This one gives others. Build again: all rows are then taken from one run of it."}
}

// addResult adds what a result says to a sum.
func addResult(sum *maphash.Hash, res engine.Result) {
	for _, row := range res.Rows {
		_, _ = sum.Write(row)
		_ = sum.WriteByte('\n')
	}
	_, _ = sum.WriteString(res.Dropped)
	if res.Err != nil {
		_, _ = sum.WriteString(res.Err.Code)
	}
	_ = sum.WriteByte(0)
}

// restart begins anew in another process.
func (l *lastingSource) restart(r *run, cause error) error {
	if l.inVain++; l.inVain > maxInVain {
		return cause
	}
	l.needs.own = l.host.owners.Add(1)
	spec := l.spec
	spec.Known = nil // what is compared must be sent
	fresh, err := l.host.begin(l.ctx, l.comp, spec, l.needs)
	if err != nil {
		return err
	}
	l.skip = l.given
	l.again.Reset()
	l.mu.Lock()
	l.past = append(l.past, r)
	closed := l.closed
	if !closed {
		l.run = fresh
	}
	l.mu.Unlock()
	if closed {
		return errors.Join(cause, fresh.Close())
	}
	if err := fresh.CloseSend(); err != nil && !isCrash(err) {
		return err
	}
	return nil
}

// Counts are the model calls, of which a source makes none.
func (l *lastingSource) Counts() engine.CallCounts { return l.now().Counts() }

// Close ends the run and frees what it holds.
func (l *lastingSource) Close() error {
	l.cancel()
	l.mu.Lock()
	l.closed = true
	list := append(slices.Clone(l.past), l.run)
	l.mu.Unlock()
	var err error
	for _, r := range list {
		err = errors.Join(err, r.Close())
	}
	return err
}
