package llm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/autosafe/autosafe/spec"
)

// BatchInfo is what is known of a batch that is not settled.
type BatchInfo struct {
	Name     string    `json:"name"`         // ours; it stands in the batch's metadata
	ID       string    `json:"id,omitempty"` // the endpoint's; empty: it was not sent, as far as is known
	Model    string    `json:"model"`        // label of the block
	Provider string    `json:"provider"`     // label of the block
	Endpoint string    `json:"endpoint"`     // address, without secrets
	Requests int       `json:"requests"`
	Done     int       `json:"done"`
	Failed   int       `json:"failed"`
	Status   string    `json:"status"`
	Created  time.Time `json:"created"`
	Seen     time.Time `json:"seen,omitzero"` // when the endpoint last told

	identity string
}

func (n *batchNote) info() BatchInfo {
	i := BatchInfo{
		Name: n.ID, ID: n.BatchID, Model: n.Label, Provider: n.Provider, Endpoint: n.Endpoint, Requests: n.Requests,
		Done: n.Done, Failed: n.Failed, Status: n.Status, Created: n.Created, Seen: n.Seen, identity: n.Identity,
	}
	if i.ID == "" {
		i.Status = n.Phase
	}
	return i
}

// ListBatches lists the batches of a store that are not settled, in the order
// in which they were made. Nobody is asked.
func ListBatches(store BatchStore) ([]BatchInfo, error) {
	book := newNotebook(store)
	list := []BatchInfo{}
	for _, id := range book.open() {
		note, err := book.note(id)
		if err != nil {
			return nil, err
		}
		if note != nil {
			list = append(list, note.info())
		}
	}
	slices.SortStableFunc(list, func(a, b BatchInfo) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Name, b.Name))
	})
	return list, nil
}

// At says whether the batch is at a provider's endpoint.
func (i BatchInfo) At(p *spec.Provider) bool { return identityOf(p) == i.identity }

// CancelBatch asks the endpoint to end a batch of the store. What is answered
// by then the next build that wants it takes, and pays for. A batch that was
// never sent, or that the endpoint does not know, is forgotten.
func CancelBatch(ctx context.Context, opts Options, p *spec.Provider, batch BatchInfo) (BatchInfo, error) {
	c := newClient(opts)
	defer func() { _ = c.Close() }() // it never fails
	id, ok := parseBatchID(batch.Name)
	if !ok {
		return batch, fmt.Errorf("%q is not the name of a batch", batch.Name)
	}
	if len(p.Missing) > 0 {
		return batch, missingKey(p)
	}
	e, err := c.endpointFor(p)
	if err != nil {
		return batch, err
	}
	r := newBatchRun(c.batches, e, id)
	if r.note, err = c.batches.book.note(id); err != nil || r.note == nil {
		return batch, err
	}
	err = r.cancelNow(ctx)
	return r.note.info(), err
}

// cancelNow asks for the batch's end.
func (r *batchRun) cancelNow(ctx context.Context) error {
	if r.note.Phase == phaseUploaded {
		err := r.again(ctx, func() (*failure, error) {
			found, f, err := r.api.find(ctx, r.note.ID, r.note.Created)
			if found != nil {
				r.note.BatchID, r.note.Phase = found.ID, phaseSent
			}
			return f, err
		})
		if err != nil {
			return err
		}
	}
	if r.note.Phase != phaseSent {
		return r.forget(ctx, "not sent")
	}
	gone := false
	err := r.again(ctx, func() (*failure, error) {
		batch, f, err := r.api.cancel(ctx, r.note.BatchID)
		if f != nil && f.err.Code == CodeNotFound {
			gone = true
			return nil, nil
		}
		// A batch that has ended cannot be cancelled any more: say how it ended.
		if f != nil && !f.retry && f.err.Code == CodeRejected {
			batch, f, err = r.api.retrieve(ctx, r.note.BatchID)
		}
		if f == nil && err == nil {
			r.look(batch)
		}
		return f, err
	})
	if gone {
		return r.forget(ctx, "unknown there")
	}
	return err
}

// claimTime is how long a command tries to get hold of a batch.
const claimTime = 2 * time.Second

// forget settles a batch that there is not, unless a build is about to send it.
func (r *batchRun) forget(ctx context.Context, status string) error {
	soon, cancel := context.WithTimeout(ctx, claimTime)
	defer cancel()
	release, err := r.b.book.store.Claim(soon, r.id)
	if err != nil {
		return errors.New("a build that is running sees to it; stop that first")
	}
	defer release()
	r.note.Status, r.note.Seen = status, r.b.c.clock.now().UTC()
	err = r.b.book.settle(ctx, r.id, r.note)
	if r.note.BatchID == "" {
		r.note.Phase = status
	}
	return err
}

// report tells how the batches that are waited for are doing.
func (b *batches) report(r *batchRun) {
	if b.c.opts.OnBatches == nil {
		return
	}
	b.reporting.Lock()
	defer b.reporting.Unlock()
	b.mu.Lock()
	if _, waited := b.runs[r.id]; waited {
		b.shown[r.id] = r.note.info()
	} else {
		delete(b.shown, r.id)
	}
	list := make([]BatchInfo, 0, len(b.shown))
	for _, i := range b.shown {
		list = append(list, i)
	}
	b.mu.Unlock()
	slices.SortFunc(list, func(a, b BatchInfo) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Name, b.Name)) })
	b.c.opts.OnBatches(list)
}

// steered has a pause hold batches back, too. Those that were sent go on.
type steered struct {
	Control
	batches *batches
}

// Pause implements Control.
func (s steered) Pause() {
	s.Control.Pause()
	s.batches.paused.Store(true)
}

// Resume implements Control.
func (s steered) Resume() {
	s.Control.Resume()
	s.batches.paused.Store(false)
	for _, l := range s.batches.allLanes() {
		l.resume()
	}
}
