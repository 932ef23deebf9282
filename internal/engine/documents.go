package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/key"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

// Documents stand beside the outputs of a dataset that has a card. They are made
// after the outputs, of what these and the steps came to, and are an output
// themselves in all else: they have a key and a record, are written in a folder
// of their own and moved into place, and are left alone where they stand as
// they should. What they say is not known here (Documenter).

// Documenter makes the documents of datasets.
type Documenter interface {
	// Names are the files that it may write for a card, relative to its folder.
	Names(card *spec.Card) []string
	// Parts are what the documents are made of beside what the engine knows of:
	// the versions of the texts, the files of the recipe.
	Parts(card *spec.Card) (key.List, error)
	// Write writes the documents into dir and gives the files, in any order.
	Write(ctx context.Context, d *Dataset, dir string) ([]Artifact, error)
}

// LostError is the error of a Documenter for what the cache should remember of a
// step or an output and does not, or not any more. The build makes it again, of
// answers that it has.
type LostError struct {
	Key cache.Digest // of the step's or the output's record
	Err error
}

func (e *LostError) Error() string { return e.Err.Error() }

// Unwrap implements errors.Unwrap.
func (e *LostError) Unwrap() error { return e.Err }

// Dataset is a dataset as a build left it.
type Dataset struct {
	Step    *spec.Step
	Steps   []DatasetStep   // all that it rests on, inputs first
	Outputs []DatasetOutput // in the recipe's order, the documents left out
	Offline bool            // some row rests on the offline model
	Limit   int             // rows that sources were cut off at; 0: they were not
	Rows    int64           // in all
	Splits  []string        // their names, in the recipe's order

	each func() iter.Seq2[DatasetRow, error]
}

// All gives the rows, in order.
func (d *Dataset) All() iter.Seq2[DatasetRow, error] { return d.each() }

// DatasetRow is a row of a dataset and its split.
type DatasetRow struct {
	Row   row.Row
	Split string
}

// DatasetStep is a step that a dataset rests on.
type DatasetStep struct {
	*spec.Step
	Role   *spec.RoleBody // that of the Step, with the models that were trained for it
	Key    cache.Digest   // LoadStep finds its record
	Record *StepRecord
}

// DatasetOutput is an output of a dataset, with the files that it wrote.
type DatasetOutput struct {
	*spec.OutputBody
	Key    cache.Digest // LoadOutput finds its record
	Record *OutputRecord
	Dir    string // where the files stand, to look into them
	// Note is the content of the file autosafe.json beside the others.
	Note []byte
}

// NoteName is the file beside an output's files that says what they are.
const NoteName = cardName

// NotedFile is a document as the note beside it has it.
type NotedFile struct {
	Path, MediaType string
	Digest          cache.Digest
	Size            int64
}

// DocumentsNote is the content of the note beside documents, which are in order of
// name. It follows from them, so that it shows whether somebody changed the note,
// which no list of checksums names: it has the digest of that list.
func DocumentsNote(files []NotedFile, offline bool) ([]byte, error) {
	c := &card{Format: spec.CardFormat, NotForTraining: offline, Splits: map[string]int64{}}
	if offline {
		c.Note = offlineNote
	}
	for _, f := range files {
		c.Files = append(c.Files, fileRecord{Path: f.Path, Digest: f.Digest, Size: f.Size, MediaType: f.MediaType})
	}
	return c.encode()
}

// documentsTag names what the key of documents is made of.
const documentsTag = "autosafe.documents/1"

// documents brings the documents beside a dataset's outputs up to date.
func (b *build) documents(st *stepState) (ran bool, err error) {
	card := st.Dataset.Card
	if card == nil || b.opts.Documents == nil {
		return false, nil
	}
	out := &card.Output
	above, fresh := b.above(st)
	d, err := b.dataset(st, above)
	if err != nil {
		return false, fmt.Errorf("%s: %w", out.Address, err)
	}
	parts, err := b.documentParts(d)
	if err != nil {
		return false, fmt.Errorf("%s: %w", out.Address, err)
	}
	return b.bring(b.documentFiles(st, d), parts, fresh)
}

// Above are the steps that a dataset rests on, inputs first.
func Above(dataset *spec.Step) []*spec.Step {
	var list []*spec.Step
	seen := map[*spec.Step]bool{}
	var visit func(s *spec.Step)
	visit = func(s *spec.Step) {
		if seen[s] {
			return
		}
		seen[s] = true
		for _, in := range s.Inputs {
			visit(in)
		}
		if s != dataset {
			list = append(list, s)
		}
	}
	visit(dataset)
	return list
}

// above are the states of all steps that a dataset rests on, inputs first, each
// once it has ended; fresh says that one of them ran, after which equal keys
// may stand for other calls.
func (b *build) above(st *stepState) (list []*stepState, fresh bool) {
	for _, step := range Above(st.Step) {
		s := b.states[step]
		if b.dry == nil {
			<-s.ended
		}
		list, fresh = append(list, s), fresh || !s.hit
	}
	return list, fresh
}

// dataset puts together what the documents are made of.
func (b *build) dataset(st *stepState, above []*stepState) (*Dataset, error) {
	d := &Dataset{Step: st.Step, Offline: st.offline, Limit: b.opts.Limit, Splits: splitNames(st.Dataset.Split)}
	for _, s := range above {
		rec, err := b.stepRecordOf(s)
		if err != nil {
			return nil, err
		}
		d.Steps = append(d.Steps, DatasetStep{Step: s.Step, Role: s.Role, Key: s.key, Record: rec})
	}
	for _, in := range st.Inputs {
		d.Rows += b.states[in].flow.count()
	}
	for _, out := range st.Dataset.Outputs {
		k, rec, err := b.outputRecordOf(st, out)
		if err != nil {
			return nil, err
		}
		note, err := cardOf(out, st.offline, rec).encode()
		if err != nil {
			return nil, err
		}
		d.Outputs = append(d.Outputs, DatasetOutput{OutputBody: out, Key: k, Record: rec, Dir: b.outDir(out.Path), Note: note})
	}
	d.each = func() iter.Seq2[DatasetRow, error] { return b.datasetRows(st) }
	return d, nil
}

// stepRecordOf is what a step came to that is a hit, or has run.
func (b *build) stepRecordOf(s *stepState) (*stepRecord, error) {
	if s.rec != nil {
		return s.rec, nil
	}
	return nil, &RunError{ // a file changed while the build ran
		Code: "unrecorded", Summary: "what " + s.Address + " came to was not recorded", Detail: "So nothing can be written beside the outputs. Build again.",
	}
}

// outputRecordOf is what an output came to: in this build, or, for a plan, as
// the cache has it.
func (b *build) outputRecordOf(st *stepState, out *spec.OutputBody) (cache.Digest, *outputRecord, error) {
	b.mu.Lock()
	sum := b.outputs[out]
	b.mu.Unlock()
	if sum != nil {
		return sum.Key, sum.record, nil
	}
	parts, err := outputKey(st.Dataset, out, st.offline, b.input(st), b.fileDigest)
	if err != nil {
		return cache.Digest{}, nil, err
	}
	k := cache.Digest(parts.Digest())
	rec, ok, err := getRecord[outputRecord](b.opts.Store, k)
	if err == nil && !ok {
		err = &RunError{Code: "unrecorded", Summary: "what " + out.Address + " came to was not recorded", Detail: "Build again."}
	}
	return k, rec, err
}

func (f *flow) count() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rows
}

// datasetRows reads a dataset's rows with their splits.
func (b *build) datasetRows(st *stepState) iter.Seq2[DatasetRow, error] {
	return func(yield func(DatasetRow, error) bool) {
		for r, err := range b.reader(st).all() {
			out := DatasetRow{Row: r}
			switch {
			case err != nil:
			case b.halted(st):
				err = errStopped
			default:
				if out.Split, err = splitOf(st.Dataset.Split, r); err != nil {
					err = fmt.Errorf("%s: split: %w", st.Address, err)
				}
			}
			if !yield(out, err) || err != nil {
				return
			}
		}
	}
}

// documentParts are the parts of the documents' key: what the card says, and
// what every step and output came to.
func (b *build) documentParts(d *Dataset) (key.List, error) {
	said, err := b.opts.Documents.Parts(d.Step.Dataset.Card)
	if err != nil {
		return nil, err
	}
	list := append(key.New(documentsTag), said...)
	for _, s := range d.Steps {
		list.AddString("step."+s.Address, s.Key.String()+" "+s.Record.Digest.String())
		said, err := json.Marshal(struct {
			In, Out, Tasks int64
			Dropped        []countRecord    `json:",omitempty"`
			Failed         map[string]int64 `json:",omitempty"`
		}{s.Record.RowsIn, s.Record.Rows, s.Record.Tasks, s.Record.Dropped, s.Record.Failed})
		if err != nil {
			return nil, err
		}
		list.Add("counts."+s.Address, said)
		if s.Role == nil {
			continue
		}
		for _, slot := range slices.Sorted(maps.Keys(s.Role.Models)) { // what of them is in no other key
			m := s.Role.Models[slot]
			price, err := json.Marshal(m.Price)
			if err != nil {
				return nil, err
			}
			list.AddString("model."+s.Address+"."+slot, m.Name+" "+string(price))
		}
	}
	for _, o := range d.Outputs {
		list.AddString("output."+o.Address, o.Path+" "+o.Key.String())
		for _, f := range o.Record.Files {
			list.AddString("file."+o.Path+"/"+f.Path, f.Digest.String())
		}
	}
	list.AddInt("limit", int64(d.Limit))
	return list, nil
}

// documentFiles are the documents of a dataset; d is nil where they are not written.
func (b *build) documentFiles(st *stepState, d *Dataset) *madeFiles {
	card := st.Dataset.Card
	return &madeFiles{
		st: st, out: &card.Output, names: func() []string { return b.opts.Documents.Names(card) },
		write: func(dir string) ([]Artifact, error) {
			files, err := b.opts.Documents.Write(b.ctx, d, dir)
			var lost *LostError
			if errors.As(err, &lost) {
				return nil, errors.Join(&damagedError{err}, withdraw(b.opts.Store, lost.Key))
			}
			return files, err
		},
	}
}

// checkDocuments looks for what is in the way of documents that may be
// written.
func (b *build) checkDocuments(st *stepState) error {
	card := st.Dataset.Card
	if card == nil || b.opts.Documents == nil {
		return nil
	}
	return b.checkMade(b.documentFiles(st, nil))
}

// planDocuments plans the documents of a dataset whose outputs are all in
// place; where one is not, they follow it.
func (p *planner) planDocuments(st *stepState, waits string, written bool) (*OutputPlan, cache.Digest, error) {
	card := st.Dataset.Card
	if card == nil || p.opts.Documents == nil {
		return nil, cache.Digest{}, nil
	}
	out := &card.Output
	o := &OutputPlan{Address: out.Address, Path: p.outDir(out.Path), Status: StatusRun}
	switch {
	case waits != "":
		o.Reason = inputFirst(st, waits)
		return o, cache.Digest{}, nil
	case written:
		o.Reason = "it tells of outputs that must be written"
		return o, cache.Digest{}, nil
	}
	above, fresh := p.above(st)
	if fresh {
		o.Reason = "a step that it tells of must run"
		return o, cache.Digest{}, nil
	}
	d, err := p.dataset(st, above)
	if err != nil {
		return nil, cache.Digest{}, err
	}
	parts, err := p.documentParts(d)
	if err != nil {
		return nil, cache.Digest{}, fmt.Errorf("%s: %w", out.Address, err)
	}
	k, err := p.planMade(p.documentFiles(st, nil), parts, o)
	return o, k, err
}
