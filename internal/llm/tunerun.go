package llm

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// tuneRun sees a training through.
type tuneRun struct {
	*batchRun // for its patience
	api       *tuneAPI
	book      *notebook
	id        batchID
	req       TuneRequest
	tally     *Tally
	note      *tuneNote

	found bool // the job was there before this run
	paid  grant
	alive bool // it was under way when this run first heard of it
	// foreign: no build on this cache has made the job.
	foreign bool
	seen    string
	curve   []TunePoint
	steps   int
}

func newTuneRun(c *client, e *endpoint, id batchID, req TuneRequest, tally *Tally) *tuneRun {
	return &tuneRun{
		batchRun: &batchRun{b: c.batches, e: e}, api: newTuneAPI(e), book: c.batches.book, id: id, req: req, tally: tally,
	}
}

// run trains, or finds what was trained.
func (r *tuneRun) run(ctx context.Context) (TuneResult, error) {
	release, err := r.b.c.claimJob(ctx, r.book.store, tuneKey(r.id))
	if err != nil {
		return TuneResult{}, err
	}
	defer release()
	for {
		job, err := r.once(ctx)
		switch {
		case err != nil:
			return TuneResult{}, r.told(err)
		case job.Status == jobSucceeded:
			return r.result(ctx, job)
		}
		if err := r.book.forgetTune(ctx, r.id); err != nil { // who comes next trains anew
			return TuneResult{}, tuneStoreFailed(err)
		}
		// One that was cancelled before this build came to it is of the past.
		if job.Status != jobCancelled || !r.found || r.alive {
			return TuneResult{}, r.why(job)
		}
		r.found = false
	}
}

// once sees a job through that is there, or is made.
func (r *tuneRun) once(ctx context.Context) (job tuneJob, err error) {
	if r.note, err = r.book.tuneNote(r.id); err != nil {
		return job, tuneStoreFailed(err)
	}
	if r.note == nil {
		r.note = r.newNote()
	}
	if err := r.ensureJob(ctx); err != nil {
		return job, err
	}
	return r.await(ctx)
}

func (r *tuneRun) newNote() *tuneNote {
	p := r.e.provider
	return &tuneNote{
		Format: tuneFormat, ID: r.id.String(), Phase: phasePrepared, Identity: identityOf(p), Endpoint: r.e.name, Provider: p.Name,
		Step: r.req.Step, Model: r.req.Model, Created: r.b.c.clock.now().UTC(),
	}
}

func (r *tuneRun) save() error {
	if err := r.book.saveTune(r.id, r.note); err != nil {
		return tuneStoreFailed(err)
	}
	return nil
}

func tuneStoreFailed(err error) *Error {
	return &Error{Code: CodeStore, Fatal: true, Summary: "a training cannot be noted in the cache, so it is not begun", Detail: clip(plain(err.Error()), maxDetail)}
}

// ensureJob sees to it that there is a job: the one that is noted, one that the
// endpoint has under our name, or a new one.
func (r *tuneRun) ensureJob(ctx context.Context) error {
	if r.note.Phase == phaseSent {
		r.found = true
		return nil
	}
	r.say("looking for the training", nil)
	if err := r.lookForJob(ctx); err != nil || r.note.Phase == phaseSent {
		return err
	}
	paid, err := r.b.c.budget.admit(ctx, trainedModel(r.req), r.trainedBytes())
	if err != nil {
		return err
	}
	// What it costs is known when it has ended; until then the room is kept.
	if err := r.begin(ctx); err != nil {
		paid.unanswered(false)
		return err
	}
	r.paid = paid
	return nil
}

// trainedBytes bounds the tokens that are trained on.
func (r *tuneRun) trainedBytes() int {
	epochs := r.req.Epochs
	if epochs <= 0 {
		epochs = assumedEpochs
	}
	return int(min(float64(sizeOf(r.req.Train))*epochs, math.MaxInt32))
}

// lookForJob looks for a job that was made of the training before.
func (r *tuneRun) lookForJob(ctx context.Context) error {
	var job *tuneJob
	err := r.stoppable(ctx, func(ctx context.Context) error {
		return r.again(ctx, func() (f *failure, err error) {
			job, f, err = r.api.find(ctx, r.id.String(), r.note.TrainFile)
			return f, err
		})
	})
	if err != nil || job == nil {
		return err
	}
	r.found, r.foreign = true, r.note.TrainFile == ""
	return r.made(*job)
}

// made notes that there is a job.
func (r *tuneRun) made(job tuneJob) error {
	r.note.JobID, r.note.Phase = job.ID, phaseSent
	r.note.Status, r.note.Seen = clip(plain(job.Status), 40), r.b.c.clock.now().UTC()
	if err := r.save(); err != nil {
		return err
	}
	return nil
}

// begin uploads the files and makes the job.
func (r *tuneRun) begin(ctx context.Context) error {
	if r.note.Phase == phasePrepared {
		r.book.listTunes(ctx, func(ids []string) []string { return append(ids, r.id.String()) })
		if err := r.save(); err != nil {
			return err
		}
	}
	var err error
	if r.note.TrainFile == "" {
		if r.note.TrainFile, err = r.uploadFiles(ctx, "train", r.req.Train); err != nil {
			return err
		}
	}
	if r.note.ValidFile == "" && len(r.req.Validation) > 0 {
		if r.note.ValidFile, err = r.uploadFiles(ctx, "validation", r.req.Validation); err != nil {
			return err
		}
	}
	r.note.Phase = phaseUploaded
	if err := r.save(); err != nil {
		return err
	}
	if r.b.c.stopped() {
		return interrupted(errStopping)
	}
	return r.createJob(ctx)
}

func (r *tuneRun) uploadFiles(ctx context.Context, what string, files []TuneFile) (id string, err error) {
	name := fmt.Sprintf("autosafe-%s-%s.jsonl", r.note.ID[:16], what)
	r.say("uploading the files", nil)
	err = r.stoppable(ctx, func(ctx context.Context) error {
		return r.again(ctx, func() (f *failure, err error) {
			id, f, err = r.api.upload(ctx, name, files)
			return f, err
		})
	})
	return id, err
}

// createJob makes the job. Where it is not certain whether a request has made one,
// it is looked for before the next.
func (r *tuneRun) createJob(ctx context.Context) error {
	body, err := r.body()
	if err != nil {
		return err
	}
	maybe := false
	var job tuneJob
	err = r.again(ctx, func() (f *failure, err error) {
		if maybe {
			found, f, err := r.api.find(ctx, r.note.ID, r.note.TrainFile)
			if f != nil || err != nil {
				return f, err
			}
			if found != nil {
				job = *found
				return nil, nil
			}
		}
		job, f, err = r.api.create(ctx, r.note.ID, body)
		maybe = err != nil || f != nil && f.retry && !f.noContact && f.err.Code != CodeRateLimited
		return f, err
	})
	var e *Error
	if errors.As(err, &e) && e.Code == CodeRateLimited && e.Fatal {
		e.Code = CodeQuota
	}
	if err != nil {
		if !maybe && ctx.Err() == nil { // the files may be at fault: send them again next time
			r.note.Phase, r.note.TrainFile, r.note.ValidFile = phasePrepared, "", ""
			if serr := r.book.forgetTune(ctx, r.id); serr != nil {
				return tuneStoreFailed(serr)
			}
		}
		return err
	}
	return r.made(job)
}

// body is the request for a job.
func (r *tuneRun) body() ([]byte, error) {
	body := struct {
		Model          string            `json:"model"`
		TrainingFile   string            `json:"training_file"`
		ValidationFile string            `json:"validation_file,omitempty"`
		Method         json.RawMessage   `json:"method,omitempty"`
		Suffix         string            `json:"suffix,omitempty"`
		Seed           int64             `json:"seed,omitempty"`
		Metadata       map[string]string `json:"metadata"`
	}{
		r.req.Model, r.note.TrainFile, r.note.ValidFile, r.req.Method, r.req.Suffix, r.req.Seed,
		map[string]string{metaTune: r.note.ID, metaAgent: clip(plain(r.b.c.opts.UserAgent), 100), metaBuild: clip(plain(r.b.c.opts.Build), 100)},
	}
	return compact(body)
}

// await asks after the job until it has ended.
func (r *tuneRun) await(ctx context.Context) (job tuneJob, err error) {
	for n := 0; ; n++ {
		err = r.stoppable(ctx, func(ctx context.Context) error {
			err := r.waitFor(ctx, func() (f *failure, err error) {
				job, f, err = r.api.retrieve(ctx, r.note.JobID)
				return f, err
			})
			if err != nil {
				return err
			}
			return r.hear(ctx, job)
		})
		if err != nil {
			return job, err
		}
		r.look(job)
		if job.ended() {
			return job, nil
		}
		r.alive = true
		if err := r.b.c.clock.sleep(ctx, pollPause(n)); err != nil {
			return job, interrupted(err)
		}
	}
}

// waitFor makes a request about a job that is under way, with much patience.
func (r *tuneRun) waitFor(ctx context.Context, try func() (*failure, error)) error {
	begun := r.b.c.clock.now()
	for n := 0; ; n++ {
		f, err := try()
		switch {
		case err != nil || f == nil:
			return err
		case !f.retry && f.err.Code == CodeNotFound:
			e := r.e.final(f, n)
			e.Code, e.Fatal = CodeTraining, true
			e.Summary = fmt.Sprintf("%s does not know the training %s: check that provider %q has the key, the project and the base_url that it was begun with, or forget it with autosafe finetunes cancel %s",
				r.e.name, r.note.JobID, r.e.provider.Name, r.note.JobID)
			return e
		case !f.retry, r.b.c.clock.now().Sub(begun) > outage(r.e.provider):
			return r.e.final(f, n)
		}
		r.e.tell(f)
		if err := r.b.c.clock.sleep(ctx, max(pollPause(n), f.after)); err != nil {
			return interrupted(err)
		}
	}
}

// look notes how the job is doing.
func (r *tuneRun) look(job tuneJob) {
	changed := r.note.Status != job.Status
	r.note.Status, r.note.Seen = clip(plain(job.Status), 40), r.b.c.clock.now().UTC()
	if changed {
		_ = r.book.saveTune(r.id, r.note) // for those who list trainings: of no matter to the build
	}
}

// hear takes over what the endpoint told of the job since the last time. Once the
// job has ended all of it is read again, as its order is not to be relied on. An
// endpoint that tells nothing, or nothing that can be read, holds no training up.
func (r *tuneRun) hear(ctx context.Context, job tuneJob) error {
	if job.ended() {
		r.seen = ""
	}
	err := r.mayTell(ctx, job.ended(), func() (*failure, error) {
		events, f, err := r.api.events(ctx, job.ID, r.seen)
		for _, e := range events {
			var m tuneMetrics
			if json.Unmarshal(e.Data, &m) == nil && m.Step > 0 && m.Loss != nil {
				r.point(m)
			}
		}
		if n := len(events); n > 0 && f == nil && err == nil {
			r.seen = events[n-1].ID
		}
		return f, err
	})
	if err != nil {
		return err
	}
	note := strings.ReplaceAll(job.Status, "_", " ")
	if len(r.curve) == 0 {
		r.say(note, nil)
		return nil
	}
	last := r.curve[len(r.curve)-1]
	r.say(note, &last)
	return nil
}

// mayTell asks for what is good to know and can be done without: once, or, if it is
// the last occasion, with the retries that a call has. err is set if the build ends.
func (r *tuneRun) mayTell(ctx context.Context, last bool, ask func() (*failure, error)) error {
	if !last {
		_, err := ask()
		return err
	}
	err := r.again(ctx, ask)
	var e *Error
	if errors.As(err, &e) && e.Code != CodeInterrupted {
		return nil
	}
	return err
}

// maxPoints bounds the curve that is kept.
const maxPoints = 10_000

func (r *tuneRun) point(m tuneMetrics) {
	p := TunePoint{Step: int(min(m.Step, math.MaxInt32)), Loss: m.Loss, ValidLoss: m.ValidLoss}
	if p.ValidLoss == nil {
		p.ValidLoss = m.FullLoss
	}
	r.steps = max(r.steps, p.Step, int(min(m.Steps, math.MaxInt32)))
	i, told := slices.BinarySearchFunc(r.curve, p.Step, func(p TunePoint, step int) int { return cmp.Compare(p.Step, step) })
	if !told && len(r.curve) < maxPoints {
		r.curve = slices.Insert(r.curve, i, p)
	}
}

// say shows how far the training is.
func (r *tuneRun) say(note string, p *TunePoint) {
	if r.req.Progress == nil {
		return
	}
	out := TuneProgress{Note: note, Steps: r.steps}
	if p != nil {
		out.Step, out.Figures = p.Step, map[string]float64{}
		for name, f := range map[string]*float64{"loss": p.Loss, "valid_loss": p.ValidLoss} {
			if f != nil {
				out.Figures[name] = *f
			}
		}
	}
	r.req.Progress(out)
}

// told tells the user of a job that goes on without this build.
func (r *tuneRun) told(err error) error {
	var e *Error
	if r.note.Phase == phaseSent && errors.As(err, &e) && e.Code == CodeInterrupted && r.b.c.opts.Notify != nil {
		r.b.c.opts.Notify(fmt.Sprintf("The training %s of %s goes on at the endpoint", r.note.JobID, clip(plain(r.req.Step), 200)),
			fmt.Sprintf("The same build takes it up when it runs again. autosafe finetunes list shows what is under way, autosafe finetunes cancel %s ends it.", r.note.JobID))
	}
	r.paid.unanswered(false)
	return err
}

// why says why a job came to nothing.
func (r *tuneRun) why(job tuneJob) error {
	r.paid.unanswered(false)
	if job.Status == jobCancelled {
		return &Error{Code: CodeCancelled, Fatal: true, Summary: fmt.Sprintf("the training %s was cancelled; build again to train anew", job.ID)}
	}
	e := &Error{Code: CodeTraining, Fatal: true, Summary: fmt.Sprintf("the training %s failed at %s", job.ID, r.e.name)}
	if job.Error == nil {
		return e
	}
	code := strings.ToLower(job.Error.Code)
	e.Detail = r.e.redact.text(strings.TrimSpace(job.Error.Code + ": " + job.Error.Message))
	switch {
	case containsAny(code, "quota", "billing"):
		e.Code, e.Summary = CodeQuota, r.e.name+" says that the account's credit is used up"
	case containsAny(code, "invalid", "validation", "format", "file"), strings.Contains(job.Error.Param, "file"):
		e.Code, e.Summary = CodeValidation, fmt.Sprintf("%s does not take the files of the training %s", r.e.name, job.ID)
	}
	return e
}

// result is what a job came to.
func (r *tuneRun) result(ctx context.Context, job tuneJob) (TuneResult, error) {
	out := TuneResult{Model: clip(plain(job.Tuned), 500), Job: job.ID, Steps: r.steps, Tokens: job.Tokens, Curve: r.curve}
	if out.Model == "" {
		return out, &Error{Code: CodeTraining, Fatal: true, Summary: fmt.Sprintf("%s says that the training %s succeeded, and names no model", r.e.name, job.ID)}
	}
	err := r.mayTell(ctx, true, func() (f *failure, err error) {
		out.Checkpoints, f, err = r.api.checkpoints(ctx, job.ID)
		return f, err
	})
	if err != nil {
		return out, err
	}
	slices.SortStableFunc(out.Checkpoints, func(a, b TuneCheckpoint) int { return cmp.Compare(a.Step, b.Step) })
	m := trainedModel(r.req)
	usage := Usage{InputTokens: int(min(job.Tokens, math.MaxInt32))}
	if r.note.Paid || r.foreign && !r.alive { // it was paid for before
		return out, nil
	}
	if r.found {
		r.paid = r.b.c.budget.force(m, 0)
	}
	r.paid.answered(usage)
	r.tally.AddCost(CostUSD(m, usage))
	r.note.Paid = true
	return out, r.save()
}
