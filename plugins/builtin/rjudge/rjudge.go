// Package rjudge is threat_source "rjudge": records of agents at work with labels
// that people gave, in the shape of R-Judge (Yuan et al., arXiv 2401.10019), which
// other sets of records have taken over. Evaluation "labelled" tests judges on them.
//
// It decides about no record. What stands in one is data: an instruction in it is
// never followed here.
package rjudge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/autosafe/autosafe/plugins/builtin/internal/literal"
	"github.com/autosafe/autosafe/plugins/builtin/internal/toolkit"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
)

// Name is the component's name, and the source in its rows' origin.
const Name = "rjudge"

// Config is the block's body.
type Config struct {
	Path  sdk.Files `hcl:"path" doc:"Files of records, or the folder that holds them: JSON lists of objects with contents and label. Other files in the folder are passed over."`
	Limit *int      `hcl:"limit,optional" min:"1" doc:"Emit at most this many records, the first ones."`
}

// Row is a record.
type Row struct {
	Instruction string      `json:"instruction" doc:"What the user said first."`
	Trajectory  []ots.Step  `json:"trajectory" doc:"The agent's actions with what came back, in order. What the user said later stands there too, after \"User: \"."`
	Action      *ots.Action `json:"action" doc:"The agent's last action, where nothing came back to it; else null."`
	Label       ots.Label   `json:"label" doc:"What people said: safe or unsafe."`
	Risks       []string    `json:"risks" doc:"What people said of the risk; for the author, never for a judge under test."`
	Source      ots.Source  `json:"source" doc:"context where the record's attack_type is injection, else action."`
	Domain      string      `json:"domain" doc:"The folder that the file lies in, such as finance; empty where it lies in none."`
	AttackType  string      `json:"attack_type" doc:"injection or unintended, as the record has it; may be empty."`
	RiskType    string      `json:"risk_type" doc:"As the record has it; may be empty."`
	Record      string      `json:"record" doc:"The record's id in its set."`
	Unread      int         `json:"unread" doc:"How many actions have arguments that could not be read; they stand as text under _raw."`
	Origin      ots.Origin  `json:"origin" doc:"The file and the record's place in it. Records that judges are tested on are not to be trained on."`
}

// Component describes and runs the source.
func Component() sdk.Component {
	return sdk.Source(run,
		sdk.Doc("Records of agents at work with people's labels, in R-Judge's shape: what judges are tested on by evaluation \"labelled\"."),
		sdk.Behavior("1"),
		sdk.Deterministic(),
	)
}

// record is a record as it stands in a file.
type record struct {
	ID         json.RawMessage `json:"id"`
	Contents   [][]turn        `json:"contents"`
	Label      json.RawMessage `json:"label"`
	Risk       string          `json:"risk_description"`
	AttackType string          `json:"attack_type"`
	RiskType   string          `json:"risk_type"`
}

// turn is what somebody said or did.
type turn struct {
	Role    string  `json:"role"` // user, agent, environment
	Content *string `json:"content"`
	Thought string  `json:"thought"`
	Action  string  `json:"action"`
}

func run(ctx context.Context, cfg Config, emit func(Row) error) error {
	files, err := toolkit.Expand(cfg.Path)
	if err != nil {
		return err
	}
	emitted, found := 0, false
	for _, file := range files {
		if !strings.EqualFold(path.Ext(file.Name), ".json") {
			continue
		}
		var records []record
		if err := toolkit.ReadJSON(file, &records); err != nil {
			return err
		}
		found = true
		for i, raw := range records {
			if cfg.Limit != nil && emitted == *cfg.Limit {
				return nil
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			row, err := raw.row()
			if err != nil {
				return fmt.Errorf("%s: record %d: %w", file.Name, i+1, err)
			}
			row.Domain = domainOf(file.Name)
			row.Origin = ots.Origin{Source: Name, File: file.Name, Index: int64(i), EvalOnly: true}
			if err := emit(row); err != nil {
				return err
			}
			emitted++
		}
	}
	if !found {
		return errors.New("path: there are no *.json files of records")
	}
	return nil
}

// domainOf is the folder of a file, in small letters.
func domainOf(name string) string {
	dir := path.Base(path.Dir(name))
	if dir == "." || dir == "/" {
		return ""
	}
	return strings.ToLower(dir)
}

func (r *record) row() (Row, error) {
	row := Row{
		Trajectory: []ots.Step{}, Risks: []string{}, Source: ots.SourceAction,
		AttackType: r.AttackType, RiskType: r.RiskType, Record: strings.Trim(string(r.ID), `"`),
	}
	switch strings.Trim(string(r.Label), `"`) {
	case "0":
		row.Label = ots.Safe
	case "1":
		row.Label = ots.Unsafe
	default:
		return row, fmt.Errorf("its label is 0 for safe or 1 for unsafe, not %.50s", r.Label)
	}
	if r.AttackType == "injection" {
		row.Source = ots.SourceContext
	}
	if risk := strings.TrimSpace(r.Risk); risk != "" {
		row.Risks = append(row.Risks, risk)
	}
	if err := row.fill(slices.Concat(r.Contents...)); err != nil {
		return row, err
	}
	return row, nil
}

// fill makes the steps of the turns.
func (row *Row) fill(turns []turn) error {
	open := false // the last step waits for what comes back
	for i, t := range turns {
		text := ""
		if t.Content != nil {
			text = strings.TrimSpace(*t.Content)
		}
		switch t.Role {
		case "agent":
			a, read := action(t)
			if a == nil {
				return fmt.Errorf("turn %d: the agent neither acts nor speaks", i+1)
			}
			if !read {
				row.Unread++
			}
			row.Trajectory = append(row.Trajectory, ots.Step{Thought: strings.TrimSpace(t.Thought), Action: *a})
			open = true
		case "user", "environment":
			switch {
			case t.Role == "user" && row.Instruction == "" && len(row.Trajectory) == 0:
				row.Instruction = text
			case text == "":
			case !open && len(row.Trajectory) == 0:
				row.Instruction = strings.TrimSpace(row.Instruction + "\n\n" + text)
			default:
				if t.Role == "user" {
					text = "User: " + text
				}
				last := &row.Trajectory[len(row.Trajectory)-1]
				last.Observation = strings.TrimSpace(last.Observation + "\n" + text)
				open = false
			}
		default:
			return fmt.Errorf("turn %d: there is no role %q; there are user, agent and environment", i+1, t.Role)
		}
	}
	switch {
	case row.Instruction == "":
		return errors.New("the user says nothing")
	case len(row.Trajectory) == 0:
		return errors.New("the agent does nothing")
	}
	if n := len(row.Trajectory); open {
		last := row.Trajectory[n-1]
		last.Action.Thought = last.Thought
		row.Action, row.Trajectory = &last.Action, row.Trajectory[:n-1]
	}
	return nil
}

// call is the text of an action that calls a tool: Name{…}, Name: {…}, or Name and
// Action Input: {…} on the next line.
var call = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?s)^([A-Za-z_][A-Za-z0-9_.-]*)\s*(?:Action Input\s*:|:)?\s*(\{.*\})$`)
})

// action reads what the agent did; nil where it did nothing. read is false where
// the arguments of a call stand as text.
func action(t turn) (a *ots.Action, read bool) {
	text := strings.TrimSpace(t.Action)
	if text == "" && t.Content != nil {
		text = strings.TrimSpace(*t.Content)
	}
	if text == "" {
		return nil, true
	}
	m := call().FindStringSubmatch(text)
	if m == nil {
		return &ots.Action{Answer: text}, true
	}
	if json.Valid([]byte(m[2])) {
		return &ots.Action{Tool: m[1], Arguments: json.RawMessage(m[2])}, true
	}
	if arguments, err := literal.JSON(m[2]); err == nil {
		return &ots.Action{Tool: m[1], Arguments: arguments}, true
	}
	raw, err := json.Marshal(map[string]string{"_raw": m[2]})
	if err != nil {
		return &ots.Action{Answer: text}, true
	}
	return &ots.Action{Tool: m[1], Arguments: raw}, false
}
