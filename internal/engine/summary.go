package engine

import (
	"encoding/json"
	"math"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/key"
)

// Summary is the outcome of a build. It is the last line of build -json.
type Summary struct {
	Type    string          `json:"type"` // "summary"
	OK      bool            `json:"ok"`
	Seconds float64         `json:"seconds"`
	Steps   []StepSummary   `json:"steps"`
	Calls   CallCounts      `json:"calls"`
	Outputs []OutputSummary `json:"outputs"`
	// Evaluations are those that came to their end, in the recipe's order.
	Evaluations []EvaluationSummary `json:"evaluations,omitempty"`
	Error       string              `json:"error,omitempty"` // why OK is false

	// AssertsFailed says that OK is false for nothing but asserts that do not hold:
	// all that was to be built was built.
	AssertsFailed bool `json:"-"`

	// PluginProcesses is how many plugin processes the build started.
	PluginProcesses int `json:"plugin_processes"`

	// Limit is the number of source rows that the build was limited to; 0 is
	// all of them.
	Limit int `json:"limit,omitempty"`
	// Build is the id under which the build is recorded.
	Build string `json:"build,omitempty"`

	// PriceList is the date of autosafe's own price list, if some of the cost
	// rests on it.
	PriceList string `json:"price_list,omitempty"`

	// Offline says that some row rests on the offline model.
	Offline bool `json:"offline_model,omitempty"`
}

// Status is what a build did with a step, or would do.
type Status string

// The statuses.
const (
	StatusHit     Status = "hit"     // found whole in the cache: no row was touched
	StatusRun     Status = "run"     // rows were looked up one by one, and some may have run
	StatusSkipped Status = "skipped" // not reached
	StatusNew     Status = "new"     // plan: nothing of it is in the cache
)

// StepSummary is one step of a build.
type StepSummary struct {
	Address    string           `json:"address"`
	Status     Status           `json:"status"`
	RowsIn     int64            `json:"rows_in"`
	RowsOut    int64            `json:"rows_out"`
	RowsHit    int64            `json:"rows_hit"` // tasks answered from the cache
	RowsFailed int64            `json:"rows_failed"`
	Dropped    map[string]int64 `json:"dropped"`          // rows left out, by reason
	Failed     map[string]int64 `json:"failed,omitempty"` // failed rows, by code
	Calls      CallCounts       `json:"calls"`
	Seconds    float64          `json:"seconds"`
	// Model is what a finetune step made.
	Model string `json:"model,omitempty"`

	// Key is the step's key, under which LoadStep finds its record; zero if
	// the step did not come to its end, or is a dataset.
	Key cache.Digest `json:"-"`
}

// OutputSummary is one output of a dataset, or the report of an evaluation.
type OutputSummary struct {
	Address string `json:"address"` // of the dataset or evaluation; Format and Path tell its outputs apart
	Path    string `json:"path"`
	Files   int    `json:"files"`
	Rows    int64  `json:"rows"`
	SHA256  string `json:"sha256"` // over the files' names and digests, in order of name
	Format  string `json:"format"`
	// Splits are the rows written, by split.
	Splits map[string]int64 `json:"splits,omitempty"`
	// Skipped are rows that the format has no place for, by reason.
	Skipped map[string]int64 `json:"skipped,omitempty"`
	Status  Status           `json:"status"`

	// Key is the output's key, under which LoadOutput finds its record.
	Key    cache.Digest `json:"-"`
	record *outputRecord
}

// Plan is what a build would do.
type Plan struct {
	// ID is equal for two plans exactly if they say the same of the same
	// recipe, cache and outputs: a build refuses a saved plan whose ID is not
	// that of a plan made now.
	ID      string       `json:"id"`
	Steps   []StepPlan   `json:"steps"`
	Outputs []OutputPlan `json:"outputs"`
	// Total adds the steps up. Steps run side by side, so its seconds lie
	// between those of the longest step and their sum.
	Total Work `json:"total"`
	// Refusals are why a build would do nothing of it: what stands in the way
	// of a dataset's outputs, each a *RunError.
	Refusals []error `json:"-"`
}

// Changes says whether a build would do anything.
func (p *Plan) Changes() bool {
	for _, s := range p.Steps {
		if s.Status != StatusHit {
			return true
		}
	}
	for _, o := range p.Outputs {
		if o.Status != StatusHit {
			return true
		}
	}
	return false
}

// StepPlan is one step of a plan. Its counts are of the rows that are known;
// they are the build's own where Known. Where it is false, an earlier step has
// tasks to run, whose rows will come on top: Work then counts these too, as
// an estimate.
type StepPlan struct {
	Address string `json:"address"`
	Status  Status `json:"status"`
	// Reason is for people; Changed are the names of the parts of the step's
	// key that differ from those of the last build, if there was one.
	Reason   string   `json:"reason"`
	Changed  []string `json:"changed,omitempty"`
	Known    bool     `json:"known"`
	RowsIn   int64    `json:"rows_in"`
	RowsHit  int64    `json:"rows_hit"`  // tasks in the cache
	RowsMiss int64    `json:"rows_miss"` // tasks to run: equal ones run once
	RowsOut  int64    `json:"rows_out"`  // of the hits
	Work     Work     `json:"work"`

	// Base are the parts of the step's key that do not depend on its input,
	// Parts all of them (nil where the input is not known).
	Base  key.List `json:"-"`
	Parts key.List `json:"-"`
}

// Work is what the model calls of a step will take.
type Work struct {
	Tasks        Range `json:"tasks"`
	Calls        Range `json:"calls"`
	InputTokens  Range `json:"input_tokens"`
	OutputTokens Range `json:"output_tokens"`
	CostUSD      Range `json:"cost_usd"`
	Seconds      Range `json:"seconds"` // at the declared limits
	// Basis is where the figures are from: "exact", "history" (what the same
	// step took before), "declared" (what its component says a task takes) or
	// "unknown" (the component says nothing, or an earlier step, which has never
	// run, may give it any number of rows).
	Basis string `json:"basis"`
	// Unpriced names models that are asked, or may be, and have no price.
	Unpriced []string `json:"unpriced,omitempty"`
	// UnpricedTuned and UnpricedTrainings name finetune steps: those whose model
	// is asked, and those that may train, without a price.
	UnpricedTuned     []string `json:"unpriced_tuned,omitempty"`
	UnpricedTrainings []string `json:"unpriced_trainings,omitempty"`
}

// Range is a number that lies between two. High is infinite where nobody can
// say how great it may be; in JSON it is left out then.
type Range struct {
	Low   float64
	High  float64
	Exact bool // then Low is High
}

// Bounded says whether there is a greatest number.
func (r Range) Bounded() bool { return !math.IsInf(r.High, 1) }

// rangeJSON is a range in JSON, which has no infinite numbers.
type rangeJSON struct {
	Low   float64  `json:"low"`
	High  *float64 `json:"high,omitempty"`
	Exact bool     `json:"exact"`
}

// MarshalJSON implements json.Marshaler.
func (r Range) MarshalJSON() ([]byte, error) {
	out := rangeJSON{Low: r.Low, Exact: r.Exact}
	if r.Bounded() {
		out.High = &r.High
	}
	return json.Marshal(out)
}

// UnmarshalJSON implements json.Unmarshaler.
func (r *Range) UnmarshalJSON(b []byte) error {
	var in rangeJSON
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*r = Range{Low: in.Low, High: math.Inf(1), Exact: in.Exact}
	if in.High != nil {
		r.High = *in.High
	}
	return nil
}

// OutputPlan is one output of a plan.
type OutputPlan struct {
	Address string `json:"address"`
	Path    string `json:"path"`
	Status  Status `json:"status"`
	Reason  string `json:"reason"`
}
