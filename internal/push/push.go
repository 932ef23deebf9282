package push

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/publish"
	"github.com/autosafe/autosafe/internal/signing"
	"github.com/autosafe/autosafe/internal/verify"
)

// Options say how to push.
type Options struct {
	// Endpoint is the store's URL; "" is what the environment says, or else the
	// public one.
	Endpoint string
	// Getenv looks up HF_TOKEN, HF_ENDPOINT and the AWS_* variables.
	Getenv func(string) string

	Message      string // of the commit; "" is one of ours
	Private      bool   // a repository that is made is private
	Delete       bool   // remove what is there and not in the folder
	DryRun       bool   // change nothing
	AllowOffline bool   // push rows that are marked as not for training

	UserAgent string
	Notify    func(what string) // told of each file before it is sent; may be nil
	// Wait is before the first repetition of a request that failed and may
	// succeed, and grows from there; 0 is a second.
	Wait time.Duration
	// PartSize is how large the parts are in which S3 gets large files; 0 is
	// 16 MiB.
	PartSize int64
}

// Action is what becomes of a file.
type Action string

// What becomes of files.
const (
	Upload Action = "upload"
	Same   Action = "same" // it is there already
	Delete Action = "delete"
)

// Change is what becomes of one file there.
type Change struct {
	verify.File
	Action Action `json:"action"`
}

// Report is what a push did, or with a dry run would do.
type Report struct {
	Target  string   `json:"target"`
	DryRun  bool     `json:"dry_run"`
	Created bool     `json:"created"` // the repository was not there
	Files   []Change `json:"files"`   // in order of path
	LeftOut []string `json:"left_out,omitempty"`
	Commit  string   `json:"commit,omitempty"` // of the Hub, that has the files
	URL     string   `json:"url,omitempty"`
	Retries int      `json:"retries"` // requests that were made again

	mu sync.Mutex // of Retries
}

// Count is the number of files of an action, and of their bytes.
func (r *Report) Count(a Action) (files int, bytes int64) {
	for _, f := range r.Files {
		if f.Action == a {
			files++
			bytes += f.Size
		}
	}
	return files, bytes
}

// RefusedError says why a folder is not pushed.
type RefusedError struct {
	Problems []verify.Problem
}

func (e *RefusedError) Error() string {
	first := e.Problems[0]
	if len(e.Problems) == 1 {
		return fmt.Sprintf("%s: %s", first.Subject, first.What)
	}
	return fmt.Sprintf("%s: %s, and %d more problems", first.Subject, first.What, len(e.Problems)-1)
}

// store is where files are pushed to.
type store interface {
	// push brings the files there and fills the report in.
	push(ctx context.Context, files []local, r *Report) error
}

// local is a file of the folder.
type local struct {
	verify.File
	folder *verify.Folder
}

// Run pushes a folder to a target, such as hf://datasets/acme/safety or
// s3://bucket/prefix.
func Run(ctx context.Context, dir, target string, o Options) (*Report, error) {
	if o.Notify == nil {
		o.Notify = func(string) {}
	}
	if o.Wait == 0 {
		o.Wait = time.Second
	}
	r := &Report{Target: target, DryRun: o.DryRun, Files: []Change{}}
	st, err := open(target, &o, r)
	if err != nil {
		return nil, err
	}
	folder, err := verify.Open(dir)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	listed, err := folder.Sums(ctx)
	if err != nil {
		return nil, err
	}
	problems := append(listed.Problems, statement(folder)...)
	if !o.AllowOffline {
		problems = append(problems, notForTraining(folder)...)
	}
	if len(problems) > 0 {
		return nil, &RefusedError{problems}
	}
	r.LeftOut = listed.Extra
	files := make([]local, 0, len(listed.Files)+1)
	for _, f := range listed.Files {
		files = append(files, local{f, folder})
	}
	if folder.Has(publish.EnvelopeName) {
		f, err := folder.Measure(ctx, publish.EnvelopeName)
		if err != nil {
			return nil, err
		}
		files = append(files, local{f, folder})
		slices.SortFunc(files, func(a, b local) int { return strings.Compare(a.Path, b.Path) })
	}
	if err := st.push(ctx, files, r); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		return nil, err
	}
	slices.SortFunc(r.Files, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return r, nil
}

// CheckTarget says what is wrong with a target.
func CheckTarget(target string) error {
	_, err := open(target, &Options{Getenv: func(string) string { return "" }}, nil)
	if errors.As(err, new(credentialsError)) {
		return nil
	}
	return err
}

// credentialsError says that the environment lacks something.
type credentialsError struct{ error }

func open(target string, o *Options, r *Report) (store, error) {
	scheme, rest, ok := strings.Cut(target, "://")
	switch {
	case ok && scheme == "hf":
		return newHub(rest, o, r)
	case ok && scheme == "s3":
		return newS3(rest, o, r)
	}
	return nil, fmt.Errorf("%q is no target: write hf://datasets/ORG/NAME or s3://BUCKET/PREFIX", target)
}

// statement holds the signature, if there is one, to the statement that it is
// over: one that was left from an earlier build would mislead.
func statement(folder *verify.Folder) []verify.Problem {
	if !folder.Has(publish.EnvelopeName) {
		return nil
	}
	text, err := folder.Statement()
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.New("the statement that it signs is missing")
	}
	if err == nil {
		var envelope []byte
		if envelope, err = folder.Envelope(); err == nil {
			_, err = signing.Check(envelope, text, nil)
		}
	}
	if err == nil {
		return nil
	}
	return []verify.Problem{{Subject: publish.EnvelopeName, What: err.Error()}}
}

// notForTraining lists what says that rows are not for training: the card of an
// output, or the statement, by the model that they were made with.
func notForTraining(folder *verify.Folder) []verify.Problem {
	const what = "its rows were made with the offline model, a scripted stand-in, and are not for training: give -allow-offline-model to push them all the same"
	var list []verify.Problem
	for _, name := range folder.Names() {
		if path.Base(name) != engine.NoteName {
			continue
		}
		text, err := folder.Text(name)
		var card struct {
			NotForTraining bool `json:"not_for_training"`
		}
		if err == nil {
			err = json.Unmarshal(text, &card)
		}
		switch {
		case err != nil:
			list = append(list, verify.Problem{Subject: name, What: "it does not say whether its rows are for training: " + err.Error()})
		case card.NotForTraining:
			list = append(list, verify.Problem{Subject: name, What: what})
		}
	}
	if len(list) > 0 || !folder.Has(publish.StatementName) {
		return list
	}
	text, err := folder.Statement()
	if err != nil {
		return []verify.Problem{{Subject: publish.StatementName, What: err.Error()}}
	}
	s, err := publish.ParseStatement(text)
	if err != nil {
		return []verify.Problem{{Subject: publish.StatementName, What: err.Error()}}
	}
	for _, m := range s.Dependencies(publish.ModelDependency) {
		if strings.HasPrefix(m.Annotations["endpoint"], "offline/") {
			return []verify.Problem{{Subject: publish.StatementName, What: what}}
		}
	}
	return nil
}
