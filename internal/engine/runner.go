package engine

import (
	"context"

	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// Runner runs components. The plugin host is the one that starts processes;
// tests have one that does not.
type Runner interface {
	// Start begins one run of a component. The process behind it is started
	// when the first run needs it and shared by all runs of a build.
	Start(ctx context.Context, spec RunSpec) (Run, error)
}

// RunSpec is all that a run depends on, as plain values.
type RunSpec struct {
	Address     string // for messages and call accounting
	Depth       int    // how far from a source: the calls of deeper steps go first
	Plugin      spec.PluginRef
	Role        schema.Role
	Component   string
	Config      []byte                 // what the plugin receives, files filled in
	Files       []string               // that Config names, by their absolute paths
	Models      map[string]*spec.Model // by slot
	Seed        int64
	Generation  int
	WorkDir     string // outputs write below it; else empty
	Whole       bool   // the tasks are all rows of the input, in order; a part of them is no run
	Refresh     bool   // stored answers of models do not count
	RefreshMark uint64 // but for those of this refresh

	// Tuning is what a finetune component has beside its row; nil for the others.
	Tuning *Tuning

	// Known, if set, asks a source to name its batches where it can, and to
	// leave those out that Known gives. It is called once, when the process
	// stands.
	Known func() ([][32]byte, error)
}

// Tuning is what a training depends on that does not stand in its row, or stands
// in no key.
type Tuning struct {
	DataDir     string // where the files lie
	ID          string // equal for trainings of the same files with the same settings
	Model       string // by which the result will be served, if the recipe says it
	Command     []string
	Environment []string       // variables that the command gets
	Keys        []spec.Secret  // of the recipe's endpoints, which it does not get under any name
	Provider    *spec.Provider // that is asked to train; nil: none
	Price       *float64       // US dollars per million tokens; nil: not known
	Epochs      float64        // how often the files are gone through, at most
}

// Run is one component at work on a stream of tasks. Send and Recv may be
// used at the same time by one goroutine each.
type Run interface {
	// Send hands tasks over; it blocks while the plugin is busy.
	Send(tasks []Task) error
	// CloseSend says that no task will follow.
	CloseSend() error
	// Recv gives the next results. It ends with io.EOF when the component is
	// done, with a *RunError if the run cannot go on.
	Recv() (RunEvent, error)
	// Counts are the model calls of this run so far.
	Counts() CallCounts
	// Close ends the run and frees what it holds. It may be called twice.
	Close() error
}

// Task is one input row, or one sample of it.
type Task struct {
	Seq    uint64
	Row    []byte // canonical JSON of the columns the component reads
	Sample int
	Seed   int64
	Split  string // outputs only
}

// RunEvent is what a run sends: results, or a file that an output has
// finished.
type RunEvent struct {
	Results  []Result
	Artifact *Artifact

	// Note says how far the component is; it is for people and in no result.
	Note *Note

	// Block names the results; nil if they have no name.
	Block *[32]byte
	// Same is how many results were left out, which are those of the Block.
	Same int
}

// Note is how far a component says that it is.
type Note struct {
	Text  string `json:"text,omitempty"`
	Done  int64  `json:"done,omitempty"`
	Total int64  `json:"total,omitempty"` // 0: not known
	// Figures are numbers of the work, by name: loss, epoch.
	Figures map[string]float64 `json:"figures,omitempty"`
}

// Result answers one task. A source numbers its results from 0, in order.
type Result struct {
	Seq  uint64
	Rows [][]byte // the columns written, as JSON objects
	// Parsed are Rows as they were read, where the Runner has read them.
	Parsed  []row.Row
	Dropped string // reason, if the row was left out on purpose
	Err     *RowError
	Calls   []string // keys of the model calls made for it, in order
}

// row reads the i-th row.
func (r *Result) row(p *row.Parser, i int) (row.Row, error) {
	if len(r.Parsed) == len(r.Rows) {
		return r.Parsed[i], nil
	}
	return p.Parse(r.Rows[i])
}

// RowError is why a row failed.
type RowError struct {
	Code      string `json:"code"`
	Summary   string `json:"summary"`
	Detail    string `json:"detail,omitempty"`
	Transient bool   `json:"transient,omitempty"`
}

func (e *RowError) Error() string {
	if e.Detail == "" {
		return e.Summary
	}
	return e.Summary + ": " + e.Detail
}

// RunError ends a run and with it the build: a plugin that died, a
// configuration that it refused, a model that will not answer anybody.
type RunError struct {
	Address string // of the step or output
	Code    string
	Summary string
	Detail  string
	// Diagnostics are problems with the block's configuration.
	Diagnostics []schema.Diagnostic
}

func (e *RunError) Error() string {
	if e.Detail == "" {
		return e.Summary
	}
	return e.Summary + ": " + e.Detail
}

// Artifact is a file that an output wrote.
type Artifact struct {
	Path      string // relative to WorkDir, with slashes
	Rows      int64
	MediaType string
}

// CallCounts are model calls and what they cost.
type CallCounts struct {
	Made         int64   `json:"made"`
	Cached       int64   `json:"cached"`
	Retried      int64   `json:"retried"`
	Failed       int64   `json:"failed"`
	InputTokens  int64   `json:"input_tokens"`
	OutputTokens int64   `json:"output_tokens"`
	CostUSD      float64 `json:"cost_usd"`
	// Estimated are those of Made whose endpoint did not report tokens.
	Estimated int64 `json:"estimated,omitempty"`
	InFlight  int64 `json:"-"`
}

// Add adds o to c.
func (c *CallCounts) Add(o CallCounts) {
	c.Made += o.Made
	c.Cached += o.Cached
	c.Retried += o.Retried
	c.Failed += o.Failed
	c.InputTokens += o.InputTokens
	c.OutputTokens += o.OutputTokens
	c.CostUSD += o.CostUSD
	c.Estimated += o.Estimated
	c.InFlight += o.InFlight
}
