package engine

// Event is something that happened in a build. Exactly one field is set.
type Event struct {
	Started    *StepStarted
	Progress   *StepProgress
	Projection *Projection // of the whole build, where calls have a price
	Failed     *RowFailed
	Finished   *StepSummary
	Output     *OutputSummary
	Notice     *Notice
	Training   *TrainingProgress
}

// StepStarted is sent when a step begins to run (not for a hit).
type StepStarted struct {
	Address string `json:"address"`
}

// StepProgress is sent some times a second for each running step.
type StepProgress struct {
	Address  string           `json:"address"`
	RowsIn   int64            `json:"rows_in"` // so far
	RowsOut  int64            `json:"rows_out"`
	RowsHit  int64            `json:"rows_hit"`
	InFlight int64            `json:"in_flight"` // tasks at the plugin
	Failed   int64            `json:"failed"`
	Dropped  map[string]int64 `json:"dropped,omitempty"`
	Calls    CallCounts       `json:"calls"`
	// InputDone says that RowsIn is final.
	InputDone bool `json:"input_done"`
	// Note is what the component last said of how far it is; nil: nothing.
	Note *Note `json:"note,omitempty"`
}

// RowFailed is sent for each failed row.
type RowFailed struct {
	Address string    `json:"address"`
	Row     string    `json:"row"` // its id
	Error   *RowError `json:"error"`
}

// TrainingProgress is sent when a finetune step tells of its loss.
type TrainingProgress struct {
	Address string `json:"address"`
	Note
}

// Notice is a message for the user: damage that was healed, a pause.
type Notice struct {
	Warning bool   `json:"warning"`
	Address string `json:"address,omitempty"`
	Summary string `json:"summary"`
	Detail  string `json:"detail,omitempty"`
}
