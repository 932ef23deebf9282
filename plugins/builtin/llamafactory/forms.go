package llamafactory

import (
	"encoding/json"
	"slices"

	"github.com/autosafe/autosafe/plugins/builtin/export"
)

// names are a form's words for keys and roles.
type names struct {
	messages, role, text string
	roles                map[string]string // system, user, assistant, call and tool
}

func (cfg Config) names() names {
	if cfg.Formatting == "openai" {
		return names{"messages", "role", "content", map[string]string{
			"system": "system", "user": "user", "assistant": "assistant", "call": "function", "tool": "tool",
		}}
	}
	return names{"conversations", "from", "value", map[string]string{
		"system": "system", "user": "human", "assistant": "gpt", "call": "function_call", "tool": "observation",
	}}
}

// named is a conversation in the ShareGPT or the OpenAI form. The system
// message is a column of its own.
func (cfg Config) named(tools string, turns []export.Turn) map[string]any {
	row := map[string]any{"system": "", "tools": tools}
	if turns[0].Role == "system" {
		row["system"], turns = turns[0].Text, turns[1:]
	}
	messages := []map[string]string{}
	for _, t := range turns {
		messages = append(messages, cfg.message(t))
	}
	row[cfg.names().messages] = messages
	return row
}

func (cfg Config) message(t export.Turn) map[string]string {
	n := cfg.names()
	role, text := t.Role, t.Text
	switch {
	case t.Role == "assistant" && t.Tool != "":
		role, text = "call", callText(t)
		if t.Reasoning != "" {
			text = export.ThinkOpen + t.Reasoning + export.ThinkClose + text
		}
	case t.Reasoning != "" && cfg.Thoughts == "tags":
		text = export.ThinkOpen + t.Reasoning + export.ThinkClose + text
	}
	return map[string]string{n.role: n.roles[role], n.text: text}
}

// callText is the JSON of a call. Markup characters are escaped in it, so that
// no argument can look like the marks around a thought.
func callText(t export.Turn) string {
	text, err := json.Marshal(struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	}{t.Tool, t.Arguments})
	if err != nil {
		return "" // which the validator refuses
	}
	return string(text)
}

type v1Message struct {
	Role       string          `json:"role"`
	Content    []v1Part        `json:"content"`
	LossWeight json.RawMessage `json:"loss_weight"` // with its point, so that every reader takes it for a float
}

type v1Part struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// v1Messages is a conversation in the v1 form.
func v1Messages(turns []export.Turn) []v1Message {
	out := []v1Message{}
	for _, t := range turns {
		m := v1Message{Role: t.Role, LossWeight: json.RawMessage("0.0")}
		if t.Learn {
			m.LossWeight = json.RawMessage("1.0")
		}
		if t.Reasoning != "" {
			m.Content = append(m.Content, v1Part{"reasoning", t.Reasoning})
		}
		if t.Text != "" || t.Role == "tool" {
			m.Content = append(m.Content, v1Part{"text", t.Text})
		}
		if t.Role == "assistant" && t.Tool != "" {
			m.Content = append(m.Content, v1Part{"tool_call", callText(t)})
		}
		out = append(out, m)
	}
	return out
}

// files are an output's data files by the entry that stands for each, and the
// entries in order.
func (cfg Config) files(all []string) (entries []string, of map[string]string) {
	count := map[string]int{}
	for _, f := range all {
		count[export.SplitOf(f)]++
	}
	of, next := map[string]string{}, map[string]int{}
	for _, f := range all {
		split := export.SplitOf(f)
		name := entryName(cfg.Name, cfg.Stage, split)
		if count[split] > 1 {
			name += "_" + shardNumber(next[split])
			next[split]++
		}
		of[name] = f
		entries = append(entries, name)
	}
	slices.Sort(entries)
	return entries, of
}
