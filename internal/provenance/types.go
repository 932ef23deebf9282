package provenance

import (
	"encoding/json"

	"github.com/autosafe/autosafe/internal/engine"
)

// ---- differences of values ----

// TextDiff is the difference of two texts, as unified diffs show it.
type TextDiff struct {
	Hunks   []Hunk `json:"hunks"`
	Added   int    `json:"added"` // lines
	Removed int    `json:"removed"`
	// Truncated says that the difference is longer than Hunks shows.
	Truncated bool `json:"truncated,omitempty"`
}

// Hunk is a run of lines around changes. Line numbers count from 1.
type Hunk struct {
	OldStart int    `json:"old_start"`
	OldLines int    `json:"old_lines"`
	NewStart int    `json:"new_start"`
	NewLines int    `json:"new_lines"`
	Lines    []Line `json:"lines"`
}

// Line is a line of a hunk, without its line feed.
type Line struct {
	Op   string `json:"op"` // " ", "-" or "+"
	Text string `json:"text"`
	// Marks are the bytes of Text, from and to, that differ from the line in
	// whose place it stands, where the two are alike.
	Marks [][2]int `json:"marks,omitempty"`
}

// ValueDiff is a place in a JSON value where two values differ.
type ValueDiff struct {
	Path   string `json:"path"`             // temperature, stop[1]; "" is the value itself
	Before string `json:"before,omitempty"` // JSON, cut if long; empty: not there
	After  string `json:"after,omitempty"`
	// Text is set for two texts that are long or have several lines; Before
	// and After are empty then.
	Text *TextDiff `json:"text,omitempty"`
}

// FilesDiff is the difference of two lists of files.
type FilesDiff struct {
	Added   []FileChange `json:"added,omitempty"` // the first few
	Gone    []FileChange `json:"gone,omitempty"`
	Changed []FileChange `json:"changed,omitempty"`
	// How many there are of each.
	AddedCount   int `json:"added_count"`
	GoneCount    int `json:"gone_count"`
	ChangedCount int `json:"changed_count"`
}

// FileChange is a file with its digests, "" where it is not there.
type FileChange struct {
	Name   string `json:"name"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// PartKind says how a part's difference is shown.
type PartKind string

// The kinds of part.
const (
	PartText  PartKind = "text"  // prompts, expressions: Text
	PartJSON  PartKind = "json"  // values, models, operations: Values
	PartFiles PartKind = "files" // Files
	PartCode  PartKind = "code"  // a component's code: Before and After
	PartInput PartKind = "input" // the input's digest: Before and After; Input of the report says more
	PartPlain PartKind = "plain" // a number, a name: Before and After
)

// PartDiff is a part of a key that differs.
type PartDiff struct {
	Name   string   `json:"name"` // config.prompt, model.agent, op.0.filter
	Kind   PartKind `json:"kind"`
	Change string   `json:"change"` // added, gone or changed
	// Before and After are the values where they are short; for code
	// "behavior 3" or "binary 1f2e...", with the plugin's version before it.
	Before string      `json:"before,omitempty"`
	After  string      `json:"after,omitempty"`
	Text   *TextDiff   `json:"text,omitempty"`
	Values []ValueDiff `json:"values,omitempty"`
	Files  *FilesDiff  `json:"files,omitempty"`
}

// RowsDiff is the difference of two lists of rows. Rows are the same if their
// ids are; their position in their source does not count.
type RowsDiff struct {
	Before    int64 `json:"before"` // rows
	After     int64 `json:"after"`
	Added     int64 `json:"added"`
	Gone      int64 `json:"gone"`
	Changed   int64 `json:"changed"`
	Reordered bool  `json:"reordered,omitempty"` // equal but for their order
	// The first few of each, in order.
	AddedIDs   []string    `json:"added_ids,omitempty"`
	GoneIDs    []string    `json:"gone_ids,omitempty"`
	ChangedIDs []RowChange `json:"changed_ids,omitempty"`
	// Unknown says why the rows could not be compared; the counts are 0 then.
	Unknown string `json:"unknown,omitempty"`
}

// RowChange is a row whose content differs, and the columns that do.
type RowChange struct {
	ID      string   `json:"id"`
	Columns []string `json:"columns"`
}

// ---- why ----

// WhyReport says why a step runs, or ran.
type WhyReport struct {
	Address string `json:"address"`
	// Pending: a build would do something for this step now. Then Before is
	// the last build and After nil; else the two builds between which the
	// step's key changed last, if there are two.
	Pending bool          `json:"pending"`
	Status  engine.Status `json:"status"` // what a build would do now
	Reason  string        `json:"reason"` // the plan's
	Before  *Ref          `json:"before,omitempty"`
	After   *Ref          `json:"after,omitempty"`

	// Parts are the parts of the key that differ, that of the input too.
	Parts []PartDiff `json:"parts"`
	Same  int        `json:"same"` // parts that do not
	// Input is the difference of the rows that the step takes.
	Input *RowsDiff `json:"input,omitempty"`
	// Causes are the steps upstream whose own parts differ, nearest first.
	Causes []Cause `json:"causes,omitempty"`
	// Outputs are those of a dataset.
	Outputs []OutputWhy `json:"outputs,omitempty"`
	// Notes are sentences: what could not be told and why.
	Notes []string `json:"notes,omitempty"`

	Row *RowWhy `json:"row,omitempty"`
}

// Cause is a step whose own parts changed, and so, perhaps, its rows.
type Cause struct {
	Address string     `json:"address"`
	Via     []string   `json:"via"` // addresses from it down to the step asked about, both left out
	Parts   []PartDiff `json:"parts"`
	New     bool       `json:"new,omitempty"` // the step was not there before
}

// OutputWhy says why an output is written.
type OutputWhy struct {
	Address string        `json:"address"`
	Path    string        `json:"path"`
	Status  engine.Status `json:"status"`
	Reason  string        `json:"reason"`
	Parts   []PartDiff    `json:"parts,omitempty"`
}

// RowWhy says why a row runs, or ran.
type RowWhy struct {
	ID    string `json:"id"`    // as asked
	Input string `json:"input"` // id of the row of the step's input
	// Before and After: the row was, and is, among the step's input. Where
	// that input cannot be read, or is not made yet, it is unknown.
	Before        bool `json:"in_before"`
	After         bool `json:"in_after"`
	BeforeUnknown bool `json:"before_unknown,omitempty"`
	AfterUnknown  bool `json:"after_unknown,omitempty"`
	// Reads are the columns the component reads; nil is all of them.
	Reads []string `json:"reads,omitempty"`
	// Columns are those it reads that differ.
	Columns []ValueDiff `json:"columns,omitempty"`
	// BaseChanged: the step's own parts differ, and so every row's key.
	BaseChanged bool      `json:"base_changed"`
	Tasks       []TaskWhy `json:"tasks"`
	Notes       []string  `json:"notes,omitempty"`
}

// TaskWhy is a task of a row: the row, or one sample of it.
type TaskWhy struct {
	Sample int    `json:"sample"`
	Before string `json:"before,omitempty"` // key
	After  string `json:"after,omitempty"`
	// Hit: the task's outcome is in the cache, under the key After (or
	// Before, where there is no other).
	Hit     bool   `json:"hit"`
	Outcome string `json:"outcome,omitempty"` // "2 rows", "dropped: unsolved", "failed: ..."
	// Calls are the model calls, before and after laid side by side; those of
	// the last build alone where nothing else is known.
	Calls []CallDiff `json:"calls,omitempty"`
}

// CallDiff is a call of a row, before and after.
type CallDiff struct {
	// Change is same (the stored answer was used again), changed, added, gone,
	// or only (there is nothing to compare with).
	Change string       `json:"change"`
	Before *Call        `json:"before,omitempty"`
	After  *Call        `json:"after,omitempty"`
	Params []ValueDiff  `json:"params,omitempty"` // of the request, messages left out
	First  *MessageDiff `json:"first,omitempty"`  // the first message that differs
	More   int          `json:"more,omitempty"`   // messages after it that differ too
}

// MessageDiff is a message of a request that differs.
type MessageDiff struct {
	Index int      `json:"index"` // from 0
	Role  string   `json:"role"`
	Text  TextDiff `json:"text"`
}

// ---- diff ----

// DiffReport is the difference of two builds.
type DiffReport struct {
	A Ref `json:"a"`
	B Ref `json:"b"`
	// Equal: nothing below differs.
	Equal bool `json:"equal"`

	Version   *Change      `json:"version,omitempty"` // of autosafe
	OK        *Change      `json:"ok,omitempty"`
	Files     []FileDiff   `json:"files,omitempty"`     // of the recipe
	Variables []ValueDiff  `json:"variables,omitempty"` // Path is the name
	Options   []ValueDiff  `json:"options,omitempty"`
	Models    []NamedDiff  `json:"models,omitempty"`
	Plugins   []NamedDiff  `json:"plugins,omitempty"`
	Steps     []StepDiff   `json:"steps,omitempty"` // those that differ
	SameSteps int          `json:"same_steps"`
	Outputs   []OutputDiff `json:"outputs,omitempty"` // all
	Calls     CallsDiff    `json:"calls"`
	// Metrics are numbers of the builds as wholes: rows of the outputs, yields.
	Metrics []Metric `json:"metrics,omitempty"`
}

// Change is a value before and after; "" is none.
type Change struct {
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// FileDiff is a file of the recipe that differs.
type FileDiff struct {
	Name   string    `json:"name"`
	Change string    `json:"change"`         // added, gone or changed
	Text   *TextDiff `json:"text,omitempty"` // nil: a content is no longer stored
}

// NamedDiff is a model or a plugin that differs.
type NamedDiff struct {
	Name   string      `json:"name"`
	Change string      `json:"change"` // added, gone or changed
	Values []ValueDiff `json:"values,omitempty"`
}

// StepDiff is a step that differs.
type StepDiff struct {
	Address string     `json:"address"`
	Change  string     `json:"change"` // added, gone or changed
	Parts   []PartDiff `json:"parts,omitempty"`
	Rows    *RowsDiff  `json:"rows,omitempty"` // that it yields
	In      *Numbers   `json:"in,omitempty"`   // rows
	Out     *Numbers   `json:"out,omitempty"`
	Yield   *Numbers   `json:"yield,omitempty"` // out/in
	Failed  *Numbers   `json:"failed,omitempty"`
	Made    *Numbers   `json:"made,omitempty"` // calls
	Cost    *Numbers   `json:"cost_usd,omitempty"`
	Dropped []Metric   `json:"dropped,omitempty"` // by reason, those that differ
	Notes   []string   `json:"notes,omitempty"`
}

// Numbers are a number before and after.
type Numbers struct {
	Before float64 `json:"before"`
	After  float64 `json:"after"`
}

// Metric is a named number before and after.
type Metric struct {
	Name string `json:"name"`
	Numbers
}

// OutputDiff is an output of one or both builds.
type OutputDiff struct {
	Address string     `json:"address"` // of the dataset
	Format  string     `json:"format"`
	Change  string     `json:"change"` // same, added, gone or changed
	Path    *Change    `json:"path,omitempty"`
	SHA256  *Change    `json:"sha256,omitempty"` // nil: equal
	Rows    *Numbers   `json:"rows,omitempty"`
	Splits  []Metric   `json:"splits,omitempty"` // those that differ
	Skipped []Metric   `json:"skipped,omitempty"`
	Files   *FilesDiff `json:"files,omitempty"`
}

// CallsDiff are the calls of two builds.
type CallsDiff struct {
	Before engine.CallCounts `json:"before"`
	After  engine.CallCounts `json:"after"`
}

// ---- lineage ----

// LineageReport is where a row comes from, or where it was left.
type LineageReport struct {
	Build   Ref    `json:"build"`
	Address string `json:"address"`
	ID      string `json:"id"`
	Found   bool   `json:"found"`   // the row is in the step
	Matches int    `json:"matches"` // rows with this id there; the first is shown
	// Row is the row, or, if it is not in the step, the nearest one upstream.
	Row json.RawMessage `json:"row,omitempty"`
	// Fates say, for a row that is not in the step, what became of it from
	// the step where it was last seen.
	Fates []Fate `json:"fates,omitempty"`
	// Path goes from the step where the row is up to its source.
	Path     []Hop     `json:"path"`
	Origin   *Origin   `json:"origin,omitempty"`
	Verdicts []Verdict `json:"verdicts,omitempty"` // in the row
	Notes    []string  `json:"notes,omitempty"`
}

// Hop is a step that a row went through.
type Hop struct {
	Address   string `json:"address"`
	Kind      string `json:"kind"` // role, distill or dataset
	Component string `json:"component,omitempty"`
	ID        string `json:"id"`       // of the row as it left the step
	Position  int64  `json:"position"` // among the step's rows, from 0
	// Writes are the columns that the step added or changed.
	Writes []string `json:"writes,omitempty"`
	Task   *Task    `json:"task,omitempty"` // of a component
	Ops    []OpPass `json:"ops,omitempty"`  // of a distill step: passed, all of them
	// Gone says why the path could not be followed further.
	Gone string `json:"gone,omitempty"`
}

// Task is the task that gave a row.
type Task struct {
	Key    string `json:"key"`
	Sample int    `json:"sample"`
	Rows   int    `json:"rows"`            // it gave
	Stored bool   `json:"stored"`          // its record is there
	Calls  []Call `json:"calls,omitempty"` // model calls, in order
}

// OpPass is an operation that a row passed, or at which it was dropped.
type OpPass struct {
	Position int `json:"position"` // from 1
	Op
	Passed bool `json:"passed"`
}

// Fate is what became of a row in a step.
type Fate struct {
	Address string `json:"address"`
	Input   string `json:"input"` // id of the row that came in
	Sample  int    `json:"sample"`
	// Outcome is kept, dropped or failed; lost if it cannot be told.
	Outcome string           `json:"outcome"`
	Rows    []string         `json:"rows,omitempty"`   // ids of what it became
	Reason  string           `json:"reason,omitempty"` // of a drop
	Op      *OpPass          `json:"op,omitempty"`     // that dropped it
	Error   *engine.RowError `json:"error,omitempty"`
	Task    *Task            `json:"task,omitempty"`
}

// Origin says where a source's row is from.
type Origin struct {
	Address  string `json:"address"` // of the source step
	Source   string `json:"source,omitempty"`
	File     string `json:"file,omitempty"`
	Index    int64  `json:"index"`
	Licence  string `json:"licence,omitempty"`
	EvalOnly bool   `json:"eval_only,omitempty"`
}

// Verdict is a judge's decision that stands in a row.
type Verdict struct {
	Path    string `json:"path"`              // safe_verdict, attempts[0].verdict
	Address string `json:"address,omitempty"` // of the step that wrote it
	Label   string `json:"label"`
	Outcome string `json:"outcome,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// Call is a model call of a task.
type Call struct {
	Key        string `json:"key"`
	Stored     bool   `json:"stored"` // its record is there; else nothing below is known
	Purpose    string `json:"purpose,omitempty"`
	Endpoint   string `json:"endpoint,omitempty"`
	Model      string `json:"model,omitempty"`
	Sample     int    `json:"sample,omitempty"`
	Generation int    `json:"generation,omitempty"`
	// Params are the other fields of the request: temperature, tools.
	Params   json.RawMessage `json:"params,omitempty"`
	Messages []Message       `json:"messages,omitempty"`
	Reply    *Reply          `json:"reply,omitempty"`

	InputTokens  int      `json:"input_tokens,omitempty"`
	OutputTokens int      `json:"output_tokens,omitempty"`
	Estimated    bool     `json:"estimated,omitempty"` // tokens: the endpoint did not report them
	CostUSD      *float64 `json:"cost_usd,omitempty"`  // nil: no price was recorded
	Millis       int64    `json:"millis,omitempty"`
}

// Message is a message of a request.
type Message struct {
	Role      string     `json:"role"`
	Content   string     `json:"content"`
	ToolCalls []ToolCall `json:"tool_calls,omitempty"`
	ToolID    string     `json:"tool_call_id,omitempty"`
}

// ToolCall is a tool call that a model made.
type ToolCall struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// Reply is what a model answered.
type Reply struct {
	Content      string     `json:"content"`
	ToolCalls    []ToolCall `json:"tool_calls,omitempty"`
	FinishReason string     `json:"finish_reason"`
	Refusal      string     `json:"refusal,omitempty"`
	Reasoning    string     `json:"reasoning,omitempty"`
}

// ---- reach and usage ----

// Lost is something of a build that cannot be read any more.
type Lost struct {
	Build   string `json:"build"`
	Address string `json:"address"`
	What    string `json:"what"`
}

// UsageReport is what the stored answers are worth.
type UsageReport struct {
	Builds int `json:"builds"` // recorded
	// Calls are the stored answers.
	Calls        int64 `json:"calls"`
	InputTokens  int64 `json:"input_tokens"`
	OutputTokens int64 `json:"output_tokens"`
	// WorthUSD is what they cost at the prices of the newest builds; Unpriced
	// are calls of models without one.
	WorthUSD float64 `json:"worth_usd"`
	Unpriced int64   `json:"unpriced"`
	Unread   int64   `json:"unread,omitempty"` // records that are no answers

	Models []ModelUsage `json:"models,omitempty"`

	// Made and PaidUSD are of the recorded builds; Reused are calls that they
	// rest on and did not make, and SavedUSD what those cost.
	Made     int64   `json:"made"`
	PaidUSD  float64 `json:"paid_usd"`
	Reused   int64   `json:"reused"`
	SavedUSD float64 `json:"saved_usd"`
}

// ModelUsage are the stored answers of a model.
type ModelUsage struct {
	Endpoint     string  `json:"endpoint"`
	Model        string  `json:"model"`
	Calls        int64   `json:"calls"`
	InputTokens  int64   `json:"input_tokens"`
	OutputTokens int64   `json:"output_tokens"`
	WorthUSD     float64 `json:"worth_usd"`
	Priced       bool    `json:"priced"`
}
