package sdk

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"

	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/spec/schema"
)

// TrainingFile is a file of the dataset's output that is trained on.
type TrainingFile struct {
	Name   string `json:"name" doc:"its name below the output's folder"`
	Rows   int64  `json:"rows,omitempty" doc:"rows in it, where the output counts them"`
	Bytes  int64  `json:"bytes" doc:"its size"`
	SHA256 string `json:"sha256" doc:"digest of its content"`
}

// TrainingData is what a finetune component is given: the files of an output of
// a dataset, by what they are for.
type TrainingData struct {
	Format     string         `json:"format" doc:"the output that wrote the files"`
	Train      []TrainingFile `json:"train" doc:"files to train on"`
	Validation []TrainingFile `json:"validation" doc:"files to measure on while it trains; may be empty"`
	Other      []TrainingFile `json:"other" doc:"files of the output that belong to no split"`
}

// Tuned is a model that was trained.
type Tuned struct {
	Model       string       `json:"model" doc:"the name by which an endpoint knows the model"`
	Base        string       `json:"base" doc:"the model that it was trained from"`
	Job         string       `json:"job" doc:"the endpoint's name for the training; empty where there is none"`
	Folder      string       `json:"folder" doc:"where it lies below the block's path; empty where an endpoint has it"`
	Steps       int          `json:"steps" doc:"training steps"`
	Tokens      int64        `json:"tokens" doc:"tokens trained on, where that is known"`
	Checkpoints []Checkpoint `json:"checkpoints" doc:"models as they were on the way"`
	Curve       []Point      `json:"curve" doc:"loss by step"`
}

// Checkpoint is a model as it was while it was trained.
type Checkpoint struct {
	Model string   `json:"model" doc:"name by which an endpoint knows it, or its folder"`
	Step  int      `json:"step" doc:"after how many steps"`
	Loss  *float64 `json:"valid_loss,omitempty" doc:"loss over the validation files"`
}

// Point is what a training says of itself at one step.
type Point struct {
	Step      int      `json:"step" doc:"the step"`
	Epoch     *float64 `json:"epoch,omitempty" doc:"passes over the data so far"`
	Loss      *float64 `json:"loss,omitempty" doc:"loss over what is trained on"`
	ValidLoss *float64 `json:"valid_loss,omitempty" doc:"loss over the validation files"`
}

// Job is one training.
type Job struct {
	Data  TrainingData
	Dir   string // where the files lie
	Work  string // a folder of the training's own, which stays; empty where the block names none
	ID    string // equal for two trainings of the same files with the same settings
	Seed  int64
	Model string // by which the endpoint will know the result, if the recipe says it
	// Command is what the recipe has run, for components that train by one.
	Command []string

	ctx    context.Context
	run    string
	seq    uint64
	models completer
}

// Path is where a file of the training lies.
func (j *Job) Path(f TrainingFile) string { return filepath.Join(j.Dir, filepath.FromSlash(f.Name)) }

// Progress shows how far the training is.
func (j *Job) Progress(note string, p Point, total int) {
	if j.ctx == nil { // a job of a test's own making
		return
	}
	s, ok := j.ctx.Value(progressKey{}).(*sender)
	if !ok {
		return
	}
	m := &pluginpb.Progress{Note: clip(note), Done: uint64(max(p.Step, 0)), Total: uint64(max(total, 0)), Figures: map[string]float64{}}
	for name, f := range map[string]*float64{"loss": p.Loss, "valid_loss": p.ValidLoss, "epoch": p.Epoch} {
		if f != nil {
			m.Figures[name] = *f
		}
	}
	s.note(m)
}

// TuneRequest asks an endpoint to train.
type TuneRequest struct {
	Model  string // to begin from
	Method any    // the API's object "method", as JSON
	Suffix string // of the new model's name
}

// Tune has the block's endpoint train on the job's files. The host sees to all
// of it: the files, the job, its failures, and that a job which is under way is
// found again. An error from it ends the build with the host's code.
func (j *Job) Tune(ctx context.Context, req TuneRequest) (*Tuned, error) {
	method, err := json.Marshal(req.Method)
	if err != nil {
		return nil, fmt.Errorf("method: %w", err)
	}
	r, err := j.models.tune(ctx, &pluginpb.TuneRequest{
		Run: j.run, Seq: j.seq, Model: valid(req.Model), MethodJson: method, Suffix: valid(req.Suffix), Seed: j.Seed,
	})
	if err != nil {
		return nil, err
	}
	if e := r.GetError(); e != nil {
		return nil, &Error{Code: e.GetCode(), Summary: e.GetSummary(), Detail: e.GetDetail(), Transient: e.GetTransient()}
	}
	var out Tuned
	if err := json.Unmarshal(r.GetTunedJson(), &out); err != nil {
		return nil, fmt.Errorf("what the host says of the training: %w", err)
	}
	return &out, nil
}

// Training makes a finetune component: fn trains a model on a job's files and
// says what came of it. What the block is trained on must be said with Trains.
// An error of fn ends the build; it is not remembered, and the next build tries
// again, with the same Job.ID.
func Training[C any](fn func(ctx context.Context, cfg C, job *Job) (*Tuned, error), opts ...Option) Component {
	return build[C](tuneShape, reflect.TypeFor[TrainingData](), reflect.TypeFor[Tuned](), opts, func(cfg C) instance {
		return instance{tune: func(ctx context.Context, job *Job) (*Tuned, error) { return fn(ctx, cfg, job) }}
	})
}

// Trains says which outputs of a dataset a finetune component trains on, the best
// first.
func Trains(formats ...schema.Format) Option {
	return func(c *Component) { c.desc.Formats = formats }
}

// TrainsBy says who carries out the training: an endpoint, or a command.
func TrainsBy(t schema.Trainer) Option { return func(c *Component) { c.desc.Trainer = t } }

// tune runs a finetune component.
func (r *runner) tune(inst instance) error {
	return r.gathered(func(ctx context.Context, tasks []*pluginpb.Task, out *sender) error {
		for _, task := range tasks {
			if err := r.train(ctx, inst, task, out); err != nil {
				return err
			}
		}
		return nil
	})
}

// train carries out one training.
func (r *runner) train(ctx context.Context, inst instance, task *pluginpb.Task, out *sender) error {
	t := r.start.GetTraining()
	if t == nil {
		return &Error{Code: "host_too_old", Summary: "this autosafe does not know finetune components", Detail: "Use a newer autosafe."}
	}
	job := &Job{
		Dir: t.GetDataDir(), Work: r.start.GetWorkDir(), ID: t.GetId(), Seed: r.start.GetSeed(), Model: t.GetModel(), Command: t.GetCommand(),
		ctx: ctx, run: r.start.GetAddress(), seq: task.GetSeq(), models: r.models,
	}
	if err := json.Unmarshal(task.GetRow(), &job.Data); err != nil {
		return Fail("bad_row", err.Error())
	}
	tuned, err := inst.tune(ctx, job)
	if err != nil {
		return err
	}
	if tuned.Checkpoints == nil {
		tuned.Checkpoints = []Checkpoint{}
	}
	if tuned.Curve == nil {
		tuned.Curve = []Point{}
	}
	row, err := encodeRow(tuned)
	if err != nil {
		return err
	}
	return out.put(&pluginpb.Result{Seq: task.GetSeq(), Rows: [][]byte{row}})
}
