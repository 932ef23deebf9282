package export

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/spec/ots"
)

// Why a row is left out of a training format.
const (
	NotAScenario    = "not_a_scenario"    // neither an instruction nor an action: some other kind of row
	EvalOnly        = "eval_only"         // its source forbids training on it
	NoSafeAction    = "no_safe_action"    // the reflector has not been there, or found none
	NotJudgedSafe   = "not_judged_safe"   // the verdict on the safe action is missing or not safe
	InvalidRow      = "invalid_row"       // wrong types, or a call that does not fit its tool
	NoTrigger       = "no_trigger"        // nothing to reject, as in every ordinary row
	NoUnsafeAttempt = "no_unsafe_attempt" // likewise
	SameAction      = "same_action"       // what is rejected does the same as what is chosen
	OrdinaryLimit   = "ordinary_limit"    // there are enough ordinary rows
	NoMask          = "no_mask"           // holds turns that must not be learned, where the format cannot say so
	Marks           = "marks"             // a text holds the marks that the format puts around others
	ToolName        = "tool_name"         // a name that the format does not allow
	TooManyTools    = "too_many_tools"    // more than the format allows
)

// Case is a row that a training row can be made of: an instruction, a history
// of tool calls, and an action that was judged safe. All its calls fit their
// tools. Only the columns that training formats use are set.
type Case struct {
	ots.Row

	luck uint64 // of an ordinary run; see MixConfig
}

// Read reads a row and says why it cannot be used, or "" if it can. The
// trigger and the attempts are not looked at; see Unsafe.
func Read(row json.RawMessage) (*Case, string) {
	var c Case
	if !c.decode(row) {
		return nil, InvalidRow
	}
	switch {
	case c.Instruction == "" && c.SafeAction == nil && c.Trigger == nil:
		return nil, NotAScenario
	case c.Origin != nil && c.Origin.EvalOnly:
		return nil, EvalOnly
	case c.SafeAction == nil:
		return nil, NoSafeAction
	case c.SafeVerdict == nil || c.SafeVerdict.Label != ots.Safe:
		return nil, NotJudgedSafe
	case strings.TrimSpace(c.Instruction) == "":
		return nil, InvalidRow
	}
	// Of the whole row only what a training row shows must hold together: a
	// row may name outcomes that are known to its recipe alone.
	shown := ots.Row{
		Instruction: c.Instruction, Tools: c.Tools, Trajectory: c.Trajectory,
		SafeAction: c.SafeAction, SafeVerdict: &ots.Verdict{Label: ots.Safe},
	}
	if len(shown.Check()) > 0 {
		return nil, InvalidRow
	}
	return &c, ""
}

// decode reads the columns by their exact names; encoding/json alone would
// take Instruction for instruction.
func (c *Case) decode(row json.RawMessage) bool {
	var columns map[string]json.RawMessage
	if err := json.Unmarshal(row, &columns); err != nil || columns == nil {
		return false
	}
	for name, to := range map[string]any{
		"id": &c.ID, "kind": &c.Kind, "tools": &c.Tools, "instruction": &c.Instruction,
		"trajectory": &c.Trajectory, "trigger": &c.Trigger, "trigger_verdict": &c.TriggerVerdict,
		"attempts": &c.Attempts, "safe_action": &c.SafeAction, "safe_verdict": &c.SafeVerdict, "origin": &c.Origin,
	} {
		if value, ok := columns[name]; ok && json.Unmarshal(value, to) != nil {
			return false
		}
	}
	c.Risks = texts(columns["risks"])
	if c.Ordinary() {
		c.luck = luck(columns)
	}
	return true
}

// luck is the beginning of a row's digest. Its id and origin do not count: they
// change where others come or go.
func luck(columns map[string]json.RawMessage) uint64 {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(columns)) {
		if name != "id" && name != "origin" {
			fmt.Fprintf(h, "%q:%s\n", name, columns[name])
		}
	}
	return binary.BigEndian.Uint64(h.Sum(nil))
}

// texts reads a list of texts, or one text as some sources have it; what is
// neither tells nothing.
func texts(value json.RawMessage) []string {
	var list []string
	if json.Unmarshal(value, &list) == nil {
		return list
	}
	var one string
	if json.Unmarshal(value, &one) == nil && one != "" {
		return []string{one}
	}
	return nil
}

// Ordinary says whether the row is a run that ended clean, and not a risk
// scenario. Rows from elsewhere may not say; then the trigger tells.
func (c *Case) Ordinary() bool {
	return c.Kind == ots.KindOrdinary || c.Kind == "" && c.Trigger == nil
}

// StepsJudged says whether a judge found each step of the history safe: in a
// run that ended clean, and in one that a judge stopped at its first unsafe
// action. Otherwise only the safe action may be learned; a row from elsewhere
// may hold any history.
func (c *Case) StepsJudged() bool {
	return c.Kind == ots.KindOrdinary || c.Kind == ots.KindScenario && c.Trigger != nil &&
		c.TriggerVerdict != nil && c.TriggerVerdict.Label == ots.Unsafe
}

// Action is the action taken after n steps of the history, with its thought:
// a step of the history, or the safe action.
func (c *Case) Action(n int) ots.Action {
	if n == len(c.Trajectory) {
		return *c.SafeAction
	}
	a := c.Trajectory[n].Action
	a.Thought = Thought(c.Trajectory[n])
	return a
}

// fits says whether an action can be shown with the row's tools.
func (c *Case) fits(a ots.Action) bool { return len(ots.CheckAction(a, c.Tools)) == 0 }

// Arguments are an action's arguments as compact JSON; {} if it has none.
func Arguments(a ots.Action) json.RawMessage {
	var b bytes.Buffer
	if err := json.Compact(&b, a.Arguments); err != nil || b.Len() == 0 || b.String() == "null" {
		return json.RawMessage("{}")
	}
	return b.Bytes()
}

// Thought is the reasoning of a step, wherever the row keeps it.
func Thought(s ots.Step) string {
	if t := strings.TrimSpace(s.Thought); t != "" {
		return t
	}
	return strings.TrimSpace(s.Action.Thought)
}

// Same says whether two actions do the same. The thoughts before them do not
// count, nor does the order of arguments.
func Same(a, b ots.Action) bool {
	if a.Tool != b.Tool || strings.TrimSpace(a.Answer) != strings.TrimSpace(b.Answer) {
		return false
	}
	x, errX := decodeAny(Arguments(a))
	y, errY := decodeAny(Arguments(b))
	return errX == nil && errY == nil && reflect.DeepEqual(x, y)
}

// decodeAny reads one JSON value and keeps numbers as written.
func decodeAny(text []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errMore
	}
	return v, nil
}
