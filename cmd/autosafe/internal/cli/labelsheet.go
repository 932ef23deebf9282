package cli

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/internal/evaluate"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/ots"
)

// labelSheet is what people are given to label. Trials are gone through twice, so
// that no more of them is held than what is written.
type labelSheet struct {
	body    *spec.EvaluationBody
	how     *labelsExport
	met     map[string]bool // items
	items   int             // that there are
	invalid int             // trials that were left out
	lines   []string        // items to be written, in order
	content map[string]*labelLine
}

// labelLine is a line of the sheet.
type labelLine struct {
	agents, verdicts              map[string]bool
	instruction, history, actions string
}

func newLabelSheet(body *spec.EvaluationBody, how *labelsExport) *labelSheet {
	return &labelSheet{body: body, how: how, met: map[string]bool{}, content: map[string]*labelLine{}}
}

// labelled is what of a trial's row stands in the sheet.
type labelled struct {
	Instruction string      `json:"instruction"`
	Trajectory  []ots.Step  `json:"trajectory"`
	Trial       ots.Trial   `json:"trial"`
	Action      *ots.Action `json:"action"`
	Run         []ots.Step  `json:"run"`
}

// valid says whether there is anything to label in a trial.
func valid(r row.Row) bool {
	var v struct{ Valid bool }
	trial, _ := r.Column("trial")
	return json.Unmarshal(trial, &v) == nil && v.Valid
}

// meet notes what a trial is of.
func (s *labelSheet) meet(r row.Row) {
	if !valid(r) {
		s.invalid++
		return
	}
	s.met[evaluate.Item(r)] = true
}

// choose decides which items are written, and in which order: by luck, which depends
// on the item and the seed alone.
func (s *labelSheet) choose() {
	luck := func(item string) string {
		sum := sha256.Sum256(append(binary.AppendVarint(nil, s.how.seed), item...))
		return string(sum[:])
	}
	s.lines = slices.SortedFunc(maps.Keys(s.met), func(a, b string) int { return cmp.Or(strings.Compare(luck(a), luck(b)), strings.Compare(a, b)) })
	s.items = len(s.lines)
	if s.how.n > 0 {
		s.lines = s.lines[:min(s.how.n, len(s.lines))]
	}
	for _, item := range s.lines {
		s.content[item] = nil
	}
	s.met = nil
}

// fill writes down what stands in the line of a trial, if it has one.
func (s *labelSheet) fill(agent string, r row.Row) error {
	if !valid(r) {
		return nil
	}
	item := evaluate.Item(r)
	line, wanted := s.content[item]
	if !wanted {
		return nil
	}
	if line == nil {
		var v labelled
		if err := json.Unmarshal(r.Bytes(), &v); err != nil {
			return err
		}
		line = &labelLine{
			agents: map[string]bool{}, verdicts: map[string]bool{},
			instruction: v.Instruction, history: stepsText(v.Trajectory), actions: actionsText(&v),
		}
		s.content[item] = line
	}
	line.agents[agent] = true
	if !s.how.withVerdicts {
		return nil
	}
	for _, j := range s.body.Judges {
		var vote struct{ Label, Reason string }
		column, _ := r.Column(j.Name)
		if json.Unmarshal(column, &vote) == nil && vote.Label != "" {
			text := j.Name + ": " + vote.Label
			if vote.Reason != "" {
				text += ", " + vote.Reason
			}
			line.verdicts[text] = true
		}
	}
	return nil
}

// stepsText is steps as people read them.
func stepsText(steps []ots.Step) string {
	var b strings.Builder
	for i, s := range steps {
		fmt.Fprintf(&b, "%d. %s\n", i+1, actionText(&s.Action))
		if s.Observation != "" {
			b.WriteString("   -> " + strings.ReplaceAll(strings.TrimSpace(s.Observation), "\n", "\n      ") + "\n")
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// actionsText is what an agent did in its trial: its steps, and its action where that
// is none of them.
func actionsText(v *labelled) string {
	text := stepsText(v.Run)
	if v.Action == nil {
		return text
	}
	if n := len(v.Run); n > 0 && sameAction(&v.Run[n-1].Action, v.Action) {
		return text
	}
	last := actionText(v.Action)
	if text == "" {
		return last
	}
	return fmt.Sprintf("%s\n%d. %s", text, len(v.Run)+1, last)
}

func sameAction(a, b *ots.Action) bool {
	return a.Tool == b.Tool && a.Answer == b.Answer && string(a.Arguments) == string(b.Arguments)
}

// actionText is an action as people read it: Tool(name: value, ...), or the answer.
func actionText(a *ots.Action) string {
	if a.Tool == "" {
		return "Answer: " + strings.TrimSpace(a.Answer)
	}
	args, err := row.Parse(a.Arguments)
	if err != nil { // of any form
		return a.Tool + "(" + string(a.Arguments) + ")"
	}
	var list []string
	for name, value := range args.All() {
		text := string(value)
		var s string
		if json.Unmarshal(value, &s) == nil && len(value) > 0 && value[0] == '"' {
			text = s
		}
		list = append(list, string(name)+": "+text)
	}
	return a.Tool + "(" + strings.Join(list, ", ") + ")"
}

// heads are the columns of the sheet.
func (s *labelSheet) heads() []string {
	heads := []string{"item"}
	if s.how.withAgent {
		heads = append(heads, "agent")
	}
	heads = append(heads, "instruction", "history", "actions")
	if s.how.withVerdicts {
		heads = append(heads, "verdicts")
	}
	return append(heads, "label", "useful", "note")
}

// cells are the line of an item, by column.
func (s *labelSheet) cells(item string) map[string]string {
	line := s.content[item]
	if line == nil { // what it was of is gone since
		line = &labelLine{}
	}
	return map[string]string{
		"item": item, "instruction": line.instruction, "history": line.history, "actions": line.actions,
		"agent":    strings.Join(slices.Sorted(maps.Keys(line.agents)), ", "),
		"verdicts": strings.Join(slices.Sorted(maps.Keys(line.verdicts)), "\n"),
	}
}

// write writes the sheet.
func (s *labelSheet) write(w io.Writer) error {
	if s.how.format == "jsonl" {
		return s.writeJSON(w)
	}
	out := csv.NewWriter(w)
	heads := s.heads()
	if err := out.Write(heads); err != nil {
		return err
	}
	for _, item := range s.lines {
		var line []string
		cells := s.cells(item)
		for _, head := range heads {
			line = append(line, evaluate.Defuse(cells[head]))
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func (s *labelSheet) writeJSON(w io.Writer) error {
	for _, item := range s.lines {
		cells := s.cells(item)
		b := []byte("{")
		for i, head := range s.heads() {
			if i > 0 {
				b = append(b, ',')
			}
			text, err := json.Marshal(cells[head])
			if err != nil {
				return err
			}
			b = fmt.Appendf(b, "%q:%s", head, text)
		}
		if _, err := w.Write(append(b, "}\n"...)); err != nil {
			return err
		}
	}
	return nil
}
