package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strconv"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/evaluate"
)

// format names the layout of metrics.json.
const format = "autosafe.evaluation/1"

// json is the figures with what they are of.
func (m *maker) json() ([]byte, error) {
	e := m.in.Evaluation
	head := struct {
		Format     string             `json:"format"`
		Address    string             `json:"address"`
		Title      string             `json:"title"`
		Protocol   string             `json:"protocol"`
		Offline    bool               `json:"offline"`
		Note       string             `json:"note,omitempty"`
		Limit      int                `json:"limit,omitempty"`
		N          int64              `json:"n"`
		Samples    int                `json:"samples"`
		K          []int              `json:"k"`
		Baseline   string             `json:"baseline"`
		Confidence float64            `json:"confidence"`
		Agents     []string           `json:"agents"`
		Judges     []string           `json:"judges"`
		Asserts    []engine.Assertion `json:"asserts"`
		Figures    []json.RawMessage  `json:"figures"`
	}{
		Format: format, Address: e.Step.Address, Title: m.title(), Protocol: m.body.Protocol, Offline: e.Offline, Limit: e.Limit, N: m.scenarios,
		Samples: m.body.Samples, K: m.body.K, Baseline: m.body.Baseline, Confidence: m.body.Confidence, Agents: m.agents(),
		Judges: []string{}, Asserts: append([]engine.Assertion{}, m.in.Asserts...), Figures: []json.RawMessage{},
	}
	if e.Offline {
		head.Note = offlineNote
	}
	for _, j := range m.body.Judges {
		head.Judges = append(head.Judges, j.Name)
	}
	for _, r := range m.in.Figures {
		head.Figures = append(head.Figures, r.Bytes())
	}
	return indented(head)
}

// indented is v as JSON for people and programs.
func indented(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	return b.Bytes(), err
}

// csv is the figures as a table. Each line says whether it rests on the offline
// model.
func (m *maker) csv() ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true // RFC 4180
	rows := [][]string{{"type", "agent", "metric", "group", "key", "value", "low", "high", "n", "hits", "method", "gain", "gain_low", "gain_high", "p", "note", "offline"}}
	for _, f := range m.all {
		row := []string{inert(f.Type), inert(f.Agent), inert(f.Metric), inert(f.Group), inert(f.Key)}
		for _, v := range []*float64{f.Value, f.Low, f.High} {
			row = append(row, exact(v))
		}
		row = append(row, whole(f.N), whole(f.Hits), inert(f.Method))
		for _, v := range []*float64{f.Gain, f.GainLow, f.GainHigh, f.P} {
			row = append(row, exact(v))
		}
		rows = append(rows, append(row, inert(f.Note), strconv.FormatBool(m.in.Evaluation.Offline)))
	}
	err := w.WriteAll(rows)
	return b.Bytes(), err
}

// exact writes a number so that it reads back as it is.
func exact(v *float64) string {
	if v == nil {
		return ""
	}
	return strconv.FormatFloat(*v, 'g', -1, 64)
}

func whole(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

// inert is text of one line that no spreadsheet takes for a formula.
func inert(s string) string { return evaluate.Defuse(visible(s, "")) }
