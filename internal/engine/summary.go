package engine

// Summary is the outcome of a build. It is the last line of build -json.
type Summary struct {
	Type    string          `json:"type"` // "summary"
	OK      bool            `json:"ok"`
	Seconds float64         `json:"seconds"`
	Steps   []StepSummary   `json:"steps"`
	Calls   CallCounts      `json:"calls"`
	Outputs []OutputSummary `json:"outputs"`
	Error   string          `json:"error,omitempty"` // why OK is false

	// PluginProcesses is how many plugin processes the build started.
	PluginProcesses int `json:"plugin_processes"`

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
}

// OutputSummary is one output of a dataset.
type OutputSummary struct {
	Address string `json:"address"` // of the dataset; Format and Path tell its outputs apart
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
}

// Plan is what a build would do.
type Plan struct {
	Steps   []StepPlan   `json:"steps"`
	Outputs []OutputPlan `json:"outputs"`
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

// StepPlan is one step of a plan. Rows are exact where Known, else they are
// not yet known because an earlier step must run first.
type StepPlan struct {
	Address  string `json:"address"`
	Status   Status `json:"status"`
	Reason   string `json:"reason"`
	Known    bool   `json:"known"`
	RowsIn   int64  `json:"rows_in"`
	RowsHit  int64  `json:"rows_hit"`  // tasks in the cache
	RowsMiss int64  `json:"rows_miss"` // tasks to run
	RowsOut  int64  `json:"rows_out"`  // of a hit
}

// OutputPlan is one output of a plan.
type OutputPlan struct {
	Address string `json:"address"`
	Path    string `json:"path"`
	Status  Status `json:"status"`
	Reason  string `json:"reason"`
}
