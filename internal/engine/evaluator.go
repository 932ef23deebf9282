package engine

import (
	"context"
	"iter"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

// Evaluator makes figures of trials, and reports of figures. What they say is not
// known here.
type Evaluator interface {
	// Version stands for its code in keys.
	Version() string
	// Figures gives the rows of an evaluation.
	Figures(ctx context.Context, e *Evaluation) ([]row.Row, error)
	// Asserts says which of an evaluation's asserts hold of its figures, in the
	// recipe's order.
	Asserts(e *spec.EvaluationBody, figures []row.Row) ([]Assertion, error)
	// ReportVersion stands for the report's code in keys.
	ReportVersion() string
	// ReportNames are the files that Report may write, relative to its folder.
	ReportNames(e *spec.EvaluationBody) []string
	// Report writes the report into dir and gives the files, in any order.
	Report(ctx context.Context, e *Evaluation, figures []row.Row, asserts []Assertion, dir string) ([]Artifact, error)
}

// Evaluation is an evaluation whose trials have ended.
type Evaluation struct {
	Step    *spec.Step // of kind EvaluationStep
	Offline bool       // some row rests on the offline model
	Limit   int        // rows that sources were cut off at; 0: they were not
	// Scenarios are the scenarios that each agent was tried on. The column
	// ScenarioColumn tells them apart.
	Scenarios func() iter.Seq2[row.Row, error]
	Trials    []Trials // in order of the agents
	// Sources are the steps that the scenarios rest on, inputs first.
	Sources []*spec.Step
}

// Trials are what came of an agent: at most Samples rows for each scenario, fewer
// where a row failed or was dropped.
type Trials struct {
	Agent  string
	Rows   func() iter.Seq2[row.Row, error]
	Digest cache.Digest // of the rows
	// Failed and Dropped are rows that the agent's step and its judges left out,
	// by code and reason.
	Failed, Dropped map[string]int64
	Calls           CallCounts // of the agent's step and its judges, when they ran; cost included
}

// ScenarioColumn is the column that the scenarios' step adds: a digest of the
// scenario, which its trials carry along.
const ScenarioColumn = "scenario"

// Assertion is an assert and whether it holds.
type Assertion struct {
	Name    string `json:"name"`
	That    string `json:"that"`
	OK      bool   `json:"ok"`
	Message string `json:"message,omitempty"` // what was found, and what the recipe says of it
}
