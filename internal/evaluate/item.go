package evaluate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/row"
)

// deed is what an agent did in a step, without what it thought.
type deed struct {
	Tool        string          `json:"tool,omitempty"`
	Arguments   json.RawMessage `json:"arguments,omitempty"`
	Answer      string          `json:"answer,omitempty"`
	Observation string          `json:"observation,omitempty"`
}

// Item is the name under which people label a trial: it stands for the scenario
// and for what the agent did in it. So a label holds for every trial in which the
// same was done, by whichever agent, and does not change when trials are made
// again, come in another order, or become more. What the agent thought, and what
// judges said, are not part of it.
func Item(trial row.Row) string {
	var action *deed
	var run []struct {
		Action      deed   `json:"action"`
		Observation string `json:"observation"`
	}
	h := sha256.New()
	said := []any{trial.String(engine.ScenarioColumn), nil, nil}
	if raw, ok := trial.Column("action"); ok {
		if json.Unmarshal(raw, &action) == nil {
			said[1] = action
		} else { // it is no action, but it may still be told from others
			said[1] = json.RawMessage(raw)
		}
	}
	if raw, ok := trial.Column("run"); ok {
		if json.Unmarshal(raw, &run) == nil {
			said[2] = run
		} else {
			said[2] = json.RawMessage(raw)
		}
	}
	if b, err := json.Marshal(said); err == nil { // what was decoded can be encoded
		h.Write(b)
	}
	return "t" + hex.EncodeToString(h.Sum(nil)[:8]) // no spreadsheet takes that for a number
}
