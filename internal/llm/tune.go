package llm

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/spec"
)

// A training at an endpoint goes through OpenAI's fine-tuning API: files are
// uploaded, a job is made of them, and the endpoint is asked how it is doing until
// it has ended, which may take days. What is done is noted first (tunenote.go), as
// for batches, and a job bears the training's name in its metadata: so whatever a
// crash leaves behind is found again (tunerun.go), and nothing is trained twice.

// TuneRequest is a training.
type TuneRequest struct {
	Provider *spec.Provider
	// ID is the training's name, in hex: equal for trainings of the same files
	// with the same settings.
	ID   string
	Step string // address of the step, for people

	Model             string          // to begin from
	Method            json.RawMessage // the API's object of that name
	Suffix            string          // of the new model's name
	Seed              int64           // sent if it is not 0
	Train, Validation []TuneFile

	Price  *float64 // US dollars per million tokens; nil: not known
	Epochs float64  // how often the files are gone through; 0: the endpoint decides

	Progress func(TuneProgress) // may be nil
}

// TuneFile is a file to train on.
type TuneFile struct {
	Path   string
	Size   int64
	SHA256 string
}

// TuneProgress is how far a training is.
type TuneProgress struct {
	Note        string
	Step, Steps int
	Figures     map[string]float64
}

// TuneResult is what was trained.
type TuneResult struct {
	Model       string // the endpoint's name for it
	Job         string // the endpoint's name for the training
	Steps       int
	Tokens      int64 // trained on; 0: not known
	Checkpoints []TuneCheckpoint
	Curve       []TunePoint
}

// TuneCheckpoint is a model as it was on the way.
type TuneCheckpoint struct {
	Model     string
	Step      int
	ValidLoss *float64
}

// TunePoint is what a training said of one step.
type TunePoint struct {
	Step            int
	Loss, ValidLoss *float64
}

// assumedEpochs is how often an endpoint is taken to go through the files at most
// if it decides by itself.
const assumedEpochs = 10

// Tune trains a model, or finds the training that is under way or done. It returns
// when that has ended. If the build stops first, the job goes on at the endpoint.
func (c *client) Tune(ctx context.Context, req TuneRequest, tally *Tally) (TuneResult, error) {
	p := req.Provider
	name, ok := parseBatchID(req.ID)
	switch {
	case p == nil || !ok:
		return TuneResult{}, &Error{Code: CodeRejected, Fatal: true, Summary: "the training names no endpoint"}
	case p.Type == spec.ProviderOffline:
		return tuneOffline(req), nil
	case c.opts.Offline:
		return TuneResult{}, &Error{Code: CodeOffline, Fatal: true,
			Summary: fmt.Sprintf("%s was not trained, and -offline allows no call; build without -offline to train it", clip(plain(req.Step), 200))}
	case len(p.Missing) > 0:
		return TuneResult{}, missingKey(p)
	}
	if err := plainLines(slices.Concat(req.Train, req.Validation)); err != nil {
		return TuneResult{}, err
	}
	e, err := c.endpointFor(p)
	if err != nil {
		return TuneResult{}, err
	}
	r := newTuneRun(c, e, name, req, tally)
	return r.run(ctx)
}

// plainLines checks that files are such as the API takes.
func plainLines(files []TuneFile) error {
	for _, f := range files {
		if !strings.HasSuffix(f.Path, ".jsonl") {
			return &Error{Code: CodeValidation, Fatal: true, Summary: "the endpoint takes plain JSON Lines alone",
				Detail: fmt.Sprintf("%s is none: give the output files = \"jsonl\" and compression = \"none\".", clip(plain(filepath.Base(f.Path)), 200))}
		}
	}
	return nil
}

// offlineTuned is how the names of models begin that the offline stand-in has
// "trained": nothing was.
const offlineTuned = "offline-1-tuned-"

// tuneOffline is what the stand-in makes of a training: a name that says what it
// is. It learns nothing, so there is no loss to tell of.
func tuneOffline(req TuneRequest) TuneResult {
	return TuneResult{Model: offlineTuned + req.ID[:12], Job: "offline", Checkpoints: []TuneCheckpoint{}, Curve: []TunePoint{}}
}

// filesReader reads files one after the other.
type filesReader struct {
	left []TuneFile
	open *os.File
}

// Read implements io.Reader.
func (f *filesReader) Read(p []byte) (int, error) {
	for {
		if f.open == nil {
			if len(f.left) == 0 {
				return 0, io.EOF
			}
			file, err := os.Open(f.left[0].Path)
			if err != nil {
				return 0, err
			}
			f.open, f.left = file, f.left[1:]
		}
		n, err := f.open.Read(p)
		if err == io.EOF || err == nil && n == 0 {
			err = nil
			_ = f.open.Close()
			f.open = nil
			if n == 0 {
				continue
			}
		}
		return n, err
	}
}

func sizeOf(files []TuneFile) (n int64) {
	for _, f := range files {
		n += f.Size
	}
	return n
}

// tuneKey is where a training's note lies.
func tuneKey(id batchID) [32]byte { return derived("autosafe.finetune/1", id[:]) }

func tuneListKey() [32]byte { return derived("autosafe.finetune.list/1", nil) }

// trainedModel stands for a training in budgets: each token has the price of an
// input token.
func trainedModel(req TuneRequest) *spec.Model {
	m := &spec.Model{Name: req.Step, ID: req.Model, Provider: req.Provider, MaxTokens: 1}
	if req.Price != nil {
		m.Price = &spec.Price{Input: *req.Price, BatchShare: 1}
	}
	return m
}
