package llm

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/autosafe/autosafe/spec"
)

// tuneFormat names the stored form of a note on a training.
const tuneFormat = "autosafe.finetune/1"

// tuneNote is what is kept of a training. Its phases are those of batches.
type tuneNote struct {
	Format   string    `json:"format"`
	ID       string    `json:"id"` // ours
	Phase    string    `json:"phase"`
	Identity string    `json:"identity"`
	Endpoint string    `json:"endpoint"`
	Provider string    `json:"provider"`
	Step     string    `json:"step"`
	Model    string    `json:"model"`
	Created  time.Time `json:"created"`

	TrainFile string `json:"train_file,omitempty"`
	ValidFile string `json:"valid_file,omitempty"`
	JobID     string `json:"job_id,omitempty"`
	Paid      bool   `json:"paid,omitempty"` // what it cost was counted

	// What the endpoint last said of it.
	Status string    `json:"status,omitempty"`
	Seen   time.Time `json:"seen,omitzero"`
}

// tuneNote reads a training's note; nil if there is none.
func (n *notebook) tuneNote(id batchID) (*tuneNote, error) {
	v, ok, err := n.store.GetBatch(tuneKey(id))
	if err != nil || !ok || len(v) == 0 {
		return nil, err
	}
	var note tuneNote
	if err := json.Unmarshal(v, &note); err != nil || note.Format != tuneFormat || note.ID != id.String() {
		return nil, nil
	}
	return &note, nil
}

// saveTune makes a training's note durable.
func (n *notebook) saveTune(id batchID, note *tuneNote) error {
	b, err := compact(note)
	if err != nil {
		return err
	}
	return n.store.PutBatch(tuneKey(id), b, true)
}

// forgetTune withdraws a training that came to nothing.
func (n *notebook) forgetTune(ctx context.Context, id batchID) error {
	if err := n.store.PutBatch(tuneKey(id), nil, true); err != nil {
		return err
	}
	n.listTunes(ctx, func(ids []string) []string {
		return slices.DeleteFunc(ids, func(s string) bool { return s == id.String() })
	})
	return nil
}

func (n *notebook) tunes() (ids []string) {
	if v, ok, err := n.store.GetBatch(tuneListKey()); err == nil && ok && len(v) > 0 {
		_ = json.Unmarshal(v, &ids) // one that cannot be read lists none
	}
	return ids
}

// listTunes changes the list of trainings, which serves commands alone.
func (n *notebook) listTunes(ctx context.Context, change func([]string) []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if release, err := n.store.Claim(ctx, tuneListKey()); err == nil {
		defer release()
	}
	if b, err := json.Marshal(change(n.tunes())); err == nil {
		_ = n.store.PutBatch(tuneListKey(), b, true)
	}
}

// TuneInfo is what is known of a training at an endpoint.
type TuneInfo struct {
	Name     string    `json:"name"`         // ours; it stands in the job's metadata
	ID       string    `json:"id,omitempty"` // the endpoint's; empty: no job was made, as far as is known
	Step     string    `json:"step"`
	Model    string    `json:"model"` // that it begins from
	Provider string    `json:"provider"`
	Endpoint string    `json:"endpoint"`
	Status   string    `json:"status"`
	Created  time.Time `json:"created"`
	Seen     time.Time `json:"seen,omitzero"`

	identity string
}

func (n *tuneNote) info() TuneInfo {
	i := TuneInfo{Name: n.ID, ID: n.JobID, Step: n.Step, Model: n.Model, Provider: n.Provider, Endpoint: n.Endpoint,
		Status: n.Status, Created: n.Created, Seen: n.Seen, identity: n.Identity}
	if i.ID == "" {
		i.Status = n.Phase
	}
	return i
}

// ended says whether nothing more is to be expected of the training.
func (n *tuneNote) ended() bool { return (&tuneJob{Status: n.Status}).ended() }

// At says whether the training is at a provider's endpoint.
func (i TuneInfo) At(p *spec.Provider) bool { return identityOf(p) == i.identity }

// ListTunes lists the trainings of a store that have not ended as far as it
// knows, in the order in which they were begun. Nobody is asked.
func ListTunes(store BatchStore) ([]TuneInfo, error) {
	book := newNotebook(store)
	out := []TuneInfo{}
	for _, s := range book.tunes() {
		id, ok := parseBatchID(s)
		if !ok {
			continue
		}
		note, err := book.tuneNote(id)
		if err != nil {
			return nil, err
		}
		if note != nil && !note.ended() {
			out = append(out, note.info())
		}
	}
	slices.SortStableFunc(out, func(a, b TuneInfo) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.Name, b.Name))
	})
	return out, nil
}

// CancelTune asks the endpoint to end a training of the store. One of which no
// job was made is forgotten.
func CancelTune(ctx context.Context, opts Options, p *spec.Provider, t TuneInfo) (TuneInfo, error) {
	c := newClient(opts)
	defer func() { _ = c.Close() }() // it never fails
	id, ok := parseBatchID(t.Name)
	if !ok {
		return t, fmt.Errorf("%q is not the name of a training", t.Name)
	}
	if len(p.Missing) > 0 {
		return t, missingKey(p)
	}
	e, err := c.endpointFor(p)
	if err != nil {
		return t, err
	}
	r := newTuneRun(c, e, id, TuneRequest{Provider: p, ID: t.Name}, &Tally{})
	if r.note, err = c.batches.book.tuneNote(id); err != nil || r.note == nil {
		return t, err
	}
	err = r.cancelNow(ctx)
	return r.note.info(), err
}

// cancelNow asks for the job's end.
func (r *tuneRun) cancelNow(ctx context.Context) error {
	if r.note.Phase == phaseUploaded {
		if err := r.lookForJob(ctx); err != nil {
			return err
		}
	}
	if r.note.Phase != phaseSent {
		soon, cancel := context.WithTimeout(ctx, claimTime)
		defer cancel()
		release, err := r.book.store.Claim(soon, tuneKey(r.id))
		if err != nil {
			return errors.New("a build that is running sees to it; stop that first")
		}
		defer release()
		r.note.Phase, r.note.Status = "not sent", "not sent"
		return r.book.forgetTune(ctx, r.id)
	}
	return r.again(ctx, func() (*failure, error) {
		job, f, err := r.api.cancel(ctx, r.note.JobID)
		// One that has ended cannot be cancelled any more: say how it ended.
		if f != nil && !f.retry && f.err.Code == CodeTraining {
			job, f, err = r.api.retrieve(ctx, r.note.JobID)
		}
		if f == nil && err == nil {
			r.look(job)
		}
		return f, err
	})
}
