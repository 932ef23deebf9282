package engine

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/key"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// A finetune step is a component like others, whose input is one row: the names,
// sizes and digests of the files that a dataset's output has. Its one row says
// what was trained. So a training is found in the cache by what it was trained on
// and how, and compared and shown as rows are. Two things differ: the row of its
// input is made of files that a dataset writes, and the steps that use its model
// have keys only once that has a name. A build runs those in a stage of their own.

// tunedModel is what the steps that use a trained model need of it.
type tunedModel struct {
	id       string
	revision string // see spec.Model
}

// ready are the steps that can be prepared now: the models that they use are
// known, and what they rest on is prepared, too.
func (b *build) ready() (steps []*stepState) {
	in := map[*stepState]bool{}
	for _, st := range b.order {
		if st.prepared {
			continue
		}
		can := true
		for _, s := range st.After {
			can = can && b.states[s].tuned != nil
		}
		for _, s := range st.Inputs {
			can = can && (b.states[s].prepared || in[b.states[s]])
		}
		if can {
			steps, in[st] = append(steps, st), true
		}
	}
	return steps
}

// stage are the steps that are prepared and have not run.
func (b *build) stage() (steps []*stepState) {
	for _, st := range b.order {
		if st.prepared && !st.settled {
			steps = append(steps, st)
		}
	}
	return steps
}

// endStage takes note of what a stage came to, and says whether there is more to
// run.
func (b *build) endStage(stage []*stepState) bool {
	if b.stopping.Load() {
		return false
	}
	for _, st := range stage {
		if !st.hit && (!st.started || st.stopped.Load()) {
			continue
		}
		st.whole = true
	}
	return !b.stopping.Load() && len(b.ready()) > 0
}

// learnTuned reads the model that a finetune step has made.
func (b *build) learnTuned(st *stepState) error {
	if st.Kind != spec.FinetuneStep {
		return nil
	}
	items, err := (&reader{flows: []*flow{st.flow}}).next()
	if err != nil {
		return err
	}
	if len(items) != 1 {
		return &RunError{Address: st.Address, Code: "bad_result", Summary: "the training gave no model", Detail: fmt.Sprintf("It gave %d rows, and one is wanted.", len(items))}
	}
	t := &tunedModel{id: items[0].row.String("model")}
	if st.Role.Component.Trainer != schema.TrainerAPI {
		// One name may stand for one model today and for another tomorrow.
		d := st.flow.sum()
		t.revision = hex.EncodeToString(d[:8])
		if st.Finetune.Name != "" {
			t.id = st.Finetune.Name
		}
	}
	if t.id == "" && st.Finetune.Model != nil {
		return &RunError{Address: st.Address, Code: "bad_result", Summary: "the training gave a model without a name"}
	}
	st.tuned = t
	return nil
}

// giveModels has a step use the models that were trained for it.
func (b *build) giveModels(st *stepState) {
	if len(st.After) == 0 {
		return
	}
	role := *st.Step.Role
	role.Models = map[string]*spec.Model{}
	for slot, m := range st.Step.Role.Models {
		role.Models[slot] = m
		if m.Tuned != nil {
			t := b.states[m.Tuned].tuned
			role.Models[slot] = m.Known(t.id, t.revision)
		}
	}
	st.Role = &role
}

// runFinetune waits for the dataset's files and trains on them.
func (b *build) runFinetune(st *stepState) error {
	dataset := b.states[st.Inputs[0]]
	<-dataset.ended
	b.mu.Lock()
	out := b.outputs[st.Finetune.Output]
	b.mu.Unlock()
	switch {
	case out != nil && !b.halted(st):
	case b.halted(st):
		return errStopped
	default:
		return errBlocked
	}
	if err := b.feedWith(st, out.record); err != nil {
		return err
	}
	st.begin = time.Now() // waiting is not its work
	err := b.runRole(st)
	if err != nil && (b.halted(st) || b.ending()) && !errors.As(err, new(*damagedError)) {
		return errStopped // it was broken off
	}
	return err
}

// feedKnown gives a finetune step its input, where the cache knows what files the
// dataset will have.
func (b *build) feedKnown(st *stepState) error {
	if st.Kind != spec.FinetuneStep || st.feed != nil {
		return nil
	}
	dataset := b.states[st.Inputs[0]]
	if !b.inputWhole(dataset) || dataset.refresh {
		return nil
	}
	parts, err := outputKey(dataset.Dataset, st.Finetune.Output, dataset.offline, b.input(dataset), b.fileDigest)
	if err != nil {
		return fmt.Errorf("%s: %w", st.Finetune.Output.Address, err)
	}
	rec, ok, err := getRecord[outputRecord](b.opts.Store, cache.Digest(parts.Digest()))
	if err != nil || !ok {
		return err
	}
	return b.feedWith(st, rec)
}

// trainingData is the row of a finetune step's input: see sdk.TrainingData.
type trainingData struct {
	Format     string         `json:"format"`
	Train      []trainingFile `json:"train"`
	Validation []trainingFile `json:"validation"`
	Other      []trainingFile `json:"other"`
}

type trainingFile struct {
	Name   string `json:"name"`
	Rows   int64  `json:"rows,omitempty"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// feedWith gives a finetune step its input: the files of an output.
func (b *build) feedWith(st *stepState, rec *outputRecord) error {
	f := st.Finetune
	data := trainingData{Format: f.Output.Role.Component.Name, Train: []trainingFile{}, Validation: []trainingFile{}, Other: []trainingFile{}}
	splits := splitNames(f.Dataset.Dataset.Split)
	for _, file := range rec.Files {
		t := trainingFile{Name: file.Path, Rows: file.Rows, Bytes: file.Size, SHA256: file.Digest.String()}
		switch split := SplitOfFile(path.Base(file.Path), splits); {
		case split == f.Train:
			data.Train = append(data.Train, t)
		case split != "" && split == f.Validation:
			data.Validation = append(data.Validation, t)
		case split == "":
			data.Other = append(data.Other, t)
		}
	}
	if len(data.Train) == 0 || rowsIn(data.Train) == 0 && rec.Splits[f.Train] == 0 {
		return &RunError{Address: st.Address, Code: "no_rows", Summary: "there is nothing to train on",
			Detail: fmt.Sprintf("%s has no rows in the split %q.", f.Output.Address, f.Train)}
	}
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	r, err := row.Parse(text)
	if err != nil {
		return err
	}
	feed := newFlow(b.blobs())
	if err := feed.append([]row.Row{r}); err != nil {
		return err
	}
	if err := feed.finish(nil); err != nil {
		return err
	}
	st.feed = feed
	return nil
}

func rowsIn(files []trainingFile) (n int64) {
	for _, f := range files {
		n += f.Rows
	}
	return n
}

// tuning fills in what a training has beside its row. The files must be those
// that the row names: somebody may have changed them since.
func (b *build) tuning(st *stepState, run *RunSpec) error {
	f := st.Finetune
	b.mu.Lock()
	out := b.outputs[f.Output]
	b.mu.Unlock()
	if out == nil {
		return errBlocked
	}
	if !b.inPlace(b.states[f.Dataset], f.Output, out.Path, out.record) {
		return &RunError{Address: st.Address, Code: "files_changed", Summary: "the files to train on were changed",
			Detail: "They are not what " + f.Output.Address + " wrote. Build again, which writes them anew."}
	}
	dir, err := filepath.Abs(out.Path)
	if err != nil {
		return err
	}
	run.Tuning = &Tuning{
		DataDir: dir, ID: b.trainingID(st), Model: f.Name, Command: f.Command, Environment: f.Environment, Keys: apiKeys(b.opts.Recipe),
		Provider: f.Provider, Price: f.TrainingPrice, Epochs: st.Role.Epochs(0),
	}
	if f.Path == "" {
		return nil
	}
	// Each training has a folder of its own: what another left there is no
	// checkpoint of this one.
	run.WorkDir = filepath.Join(b.outDir(f.Path), run.Tuning.ID[:16])
	if err := os.MkdirAll(run.WorkDir, 0o777); err != nil {
		return fmt.Errorf("%s: the folder of the training: %w: choose another one with path, or -out", st.Address, err)
	}
	return nil
}

// apiKeys are the keys of a recipe's endpoints.
func apiKeys(r *spec.Recipe) (keys []spec.Secret) {
	for _, m := range r.Models {
		for _, p := range m.Providers() {
			keys = append(keys, p.APIKey)
		}
	}
	for _, s := range r.Steps {
		if s.Finetune != nil && s.Finetune.Provider != nil {
			keys = append(keys, s.Finetune.Provider.APIKey)
		}
	}
	return keys
}

// trainingID tells a training that goes on from a new one.
func (b *build) trainingID(st *stepState) string {
	parts := key.New("autosafe.training/1")
	d := b.stepParts(st).Digest()
	parts.AddString("step", cache.Digest(d).String())
	if st.refresh {
		parts.AddInt("refresh", int64(st.mark&ofRefresh>>1))
	}
	return cache.Digest(parts.Digest()).String()
}

// endable has a training break off when the build stops: it may take hours, and
// the next build takes it up where it is.
func (b *build) endable(st *stepState, run Run) Run {
	stop := every(progressInterval, func() {
		if b.halted(st) || b.ending() {
			_ = run.Close() // its end is told by Recv
		}
	})
	ending := func() bool { return b.halted(st) || b.ending() }
	return &endableRun{Run: run, stop: sync.OnceFunc(stop), ending: ending, told: func(n *Note) {
		b.emit(Event{Training: &TrainingProgress{Address: st.Address, Note: *n}})
	}}
}

type endableRun struct {
	Run
	stop   func()
	ending func() bool
	told   func(*Note)
}

// Recv implements Run, and tells of the loss. Whatever a training says that was
// broken off, that is why.
func (r *endableRun) Recv() (RunEvent, error) {
	ev, err := r.Run.Recv()
	if err != nil && !errors.Is(err, io.EOF) && r.ending() {
		return ev, errStopped
	}
	if ev.Note != nil && len(ev.Note.Figures) > 0 {
		r.told(ev.Note)
	}
	return ev, err
}

func (r *endableRun) Close() error {
	err := r.Run.Close()
	r.stop()
	return err
}

// planTuned plans a step whose model must be trained first. Nothing of it is
// known but that.
func (p *planner) planTuned(st *stepState) error {
	sp := StepPlan{Address: st.Address, Status: StatusRun, Reason: "its input must run first"}
	for _, s := range st.After {
		if p.states[s].tuned == nil {
			sp.Reason = "after training: " + s.Address + " must run first"
			break
		}
	}
	sp.Work = unknownWork()
	if st.Role != nil {
		sp.Work.withoutPrice(st.Role)
	}
	if err := st.flow.finish(nil); err != nil {
		return err
	}
	if st.Role == nil {
		for _, out := range outputsOf(st.Step) {
			p.plan.Outputs = append(p.plan.Outputs, OutputPlan{Address: out.Address, Path: p.outDir(out.Path), Status: StatusRun, Reason: sp.Reason})
		}
		sp.Work = Work{Basis: basisExact}.exact()
	}
	p.more[st.Step] = more{rows: unbounded()}
	p.plan.Steps = append(p.plan.Steps, sp)
	p.id.AddString("after", strings.Join([]string{st.Address, sp.Reason}, " "))
	return nil
}

// unknownWork is work of which nobody can say how much there is.
func unknownWork() Work {
	w := Work{Basis: basisUnknown}
	for _, r := range w.ranges() {
		r.High = unbounded()
	}
	return w
}

func unbounded() float64 { return math.Inf(1) }

// estimateTraining says what a training costs at most. How many tokens its files
// have is not known here, but a token is a byte at least.
func (p *planner) estimateTraining(st *stepState, sp *StepPlan) {
	w := &sp.Work
	w.Tasks = Range{Low: float64(sp.RowsMiss), High: 1, Exact: sp.Known}
	p.more[st.Step] = more{rows: 1}
	if st.Role.Component.Trainer != schema.TrainerAPI || st.Finetune.Provider.Type == spec.ProviderOffline || sp.Known && sp.RowsMiss == 0 {
		return
	}
	w.Basis = basisUnknown
	w.CostUSD, w.Seconds = Range{High: unbounded()}, Range{High: unbounded()}
	if st.Finetune.TrainingPrice == nil {
		w.UnpricedTrainings = []string{st.Address}
		return
	}
	if st.feed == nil {
		return
	}
	bytes, ok := p.trainedBytes(st)
	if epochs := st.Role.Epochs(mostEpochs); ok {
		w.Basis = basisDeclared
		w.CostUSD.High = bytes * epochs * *st.Finetune.TrainingPrice / 1e6
	}
}

// mostEpochs is what an endpoint that chooses for itself is taken to choose at
// most.
const mostEpochs = 10

// trainedBytes is the size of the files that are trained on.
func (p *planner) trainedBytes(st *stepState) (float64, bool) {
	items, err := p.reader(st).next()
	if err != nil || len(items) != 1 {
		return 0, false
	}
	var data trainingData
	if err := json.Unmarshal(items[0].row.Bytes(), &data); err != nil {
		return 0, false
	}
	n := 0.0
	for _, f := range data.Train {
		n += float64(f.Bytes)
	}
	return n, true
}
