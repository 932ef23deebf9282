package sdk

import "github.com/autosafe/autosafe/spec/schema"

// Role is the part that a component plays in a pipeline, and the type of the
// block that uses it.
type Role = schema.Role

// The roles, in the order of the pipeline.
const (
	ThreatSource = schema.ThreatSource
	Simulator    = schema.Simulator
	Reflector    = schema.Reflector
	Judge        = schema.Judge
	Output       = schema.Output
	Finetune     = schema.Finetune
	Evaluation   = schema.Evaluation
)
