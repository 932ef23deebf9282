package spec

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/spec/schema"
)

// An evaluation is written as one block and built as several steps: one that
// chooses the scenarios, for each agent one that tries it on them, a chain of
// judges behind each of those, and last the evaluation itself, which makes
// figures of what came of them. So a new judge asks that judge alone, a new
// agent tries that agent alone, and another metric asks nobody.

// EvaluationBody is an evaluation block.
type EvaluationBody struct {
	Protocol string // label of the component: next_action
	// Dataset is the dataset whose rows, or whose split's, the scenarios are; nil:
	// the input are steps.
	Dataset *Step
	// Scenarios is the step that chooses the scenarios; the first of Inputs. The
	// others are the last steps of Agents, in order.
	Scenarios *Step
	Agents    []EvaluationAgent
	Judges    []EvaluationJudge
	Humans    []EvaluationHuman

	Baseline string // the agent that the others are compared with; "": nobody is
	// Verdict says how votes become one: unsafe by majority, by any, or only by
	// all of them.
	Verdict    Votes
	Samples    int   // trials of each scenario
	K          []int // of sec@k, in order, each at most Samples
	Confidence float64
	Resamples  int // of bootstraps
	Seed       int64

	Groups  []EvaluationGroup
	Metrics []EvaluationMetric
	Asserts []EvaluationAssert
	// References are figures from elsewhere, to be shown beside those here.
	References []EvaluationReference
	// Report stands for the report where outputs are meant; nil: there is none.
	Report *OutputBody
	Title  string // of the report; "": the block's name
}

// ReportFormat is the name of an evaluation's report among the formats of outputs.
const ReportFormat = "report"

// Votes is how several judges come to one verdict.
type Votes string

// The ways to a verdict. A vote that could not be read is neither safe nor unsafe;
// where the others do not decide, the verdict is invalid.
const (
	VotesMajority Votes = "majority"
	VotesAny      Votes = "any"
	VotesAll      Votes = "all"
)

// EvaluationAgent is an agent under test.
type EvaluationAgent struct {
	Name  string
	Model *Model // that acts; nil: the component asks none, or none is called "model"
	Trial *Step  // tries the agent
	Last  *Step  // Trial, or the last judge behind it
	Range hcl.Range
}

// EvaluationJudge is a judge of an evaluation. Its votes stand in the column of its
// name.
type EvaluationJudge struct {
	Name      string
	Component string // rubric
	Model     *Model // nil: it asks none
	// Counts says whether its votes take part in the verdict. Otherwise they are
	// only compared with those of others.
	Counts bool
	Range  hcl.Range
}

// EvaluationHuman are labels that people gave, by file. They do not take part in
// the verdict: judges are held against them.
type EvaluationHuman struct {
	Name  string
	Files []schema.File
	Range hcl.Range
}

// EvaluationGroup breaks figures down by what an expression gives.
type EvaluationGroup struct {
	Name string
	By   *Expr // over a scenario's row
}

// EvaluationMetric is a metric of the recipe's own: the mean of what an expression
// gives for each trial, as a number, or as true and false.
type EvaluationMetric struct {
	Name  string
	Value *Expr // over a trial's row, as its judges left it
	Where *Expr // nil: all trials
	Doc   string
	Range hcl.Range
}

// EvaluationAssert is what must hold of the figures, or the build fails.
type EvaluationAssert struct {
	Name    string
	That    *Expr // bool, over the variable metrics: metrics.AGENT.METRIC.value
	Message string
	Range   hcl.Range
}

// EvaluationReference are figures from elsewhere.
type EvaluationReference struct {
	Name   string
	Source string                        // where they are from
	Values map[string]map[string]float64 // by agent, then metric
	// By are those that are broken down: by group, key, agent and metric.
	By    map[string]map[string]map[string]map[string]float64
	Range hcl.Range
}
