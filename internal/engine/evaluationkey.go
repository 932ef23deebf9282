package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/internal/key"
	"github.com/autosafe/autosafe/spec"
)

// The key of an evaluation is made of what its figures are computed from, and how:
// not of its asserts, its title and what it is compared with in the report, which
// change no figure.

// Tags of the lists.
const (
	evaluationTag = "autosafe.evaluation/1"
	reportTag     = "autosafe.report/1"
)

// trialsPrefix begins the names of the parts that say what an agent's trials came
// to.
const trialsPrefix = "trials."

// evaluationBase are the parts of an evaluation's key that do not depend on its
// trials.
func (b *build) evaluationBase(s *spec.Step) (key.List, error) {
	e := s.Evaluation
	list := key.New(evaluationTag)
	list.AddString("code", b.evaluatorVersion())
	list.AddString("protocol", e.Protocol)
	var agents []string
	for _, a := range e.Agents {
		agents = append(agents, a.Name)
	}
	addJSON(&list, "agents", agents)
	for _, j := range e.Judges {
		addJSON(&list, "judge."+j.Name, struct {
			Component string `json:"component"`
			Counts    bool   `json:"counts"`
		}{j.Component, j.Counts})
	}
	for _, h := range e.Humans {
		files, err := filesPart(h.Files, b.fileDigest)
		if err != nil {
			return nil, fmt.Errorf("%s: human %q: %w", s.Address, h.Name, err)
		}
		list.Add("human."+h.Name, files)
	}
	list.AddString("baseline", e.Baseline)
	list.AddString("verdict", string(e.Verdict))
	list.AddInt("samples", int64(e.Samples))
	addJSON(&list, "k", e.K)
	addJSON(&list, "confidence", e.Confidence)
	list.AddInt("resamples", int64(e.Resamples))
	list.AddInt("seed", e.Seed)
	for _, g := range e.Groups {
		list.AddString("group."+g.Name, g.By.Text())
	}
	for _, m := range e.Metrics {
		part := struct {
			Value string `json:"value"`
			Where string `json:"where,omitempty"`
		}{Value: m.Value.Text()}
		if m.Where != nil {
			part.Where = m.Where.Text()
		}
		addJSON(&list, "metric."+m.Name, part)
	}
	return list, nil
}

func (b *build) evaluatorVersion() string {
	if b.opts.Evaluator == nil {
		return ""
	}
	return b.opts.Evaluator.Version()
}

// addJSON adds a part that JSON can always hold.
func addJSON(list *key.List, name string, value any) {
	b, err := json.Marshal(value)
	if err != nil { // only a NaN or an infinity, which the language cannot write
		b = []byte(err.Error())
	}
	list.Add(name, b)
}

// evaluationKey is the key of an evaluation whose trials are whole.
func (b *build) evaluationKey(st *stepState) key.List {
	list := slices.Clone(st.base)
	list.AddString(inputPart, b.input(st).String())
	for i := range st.Evaluation.Agents {
		a := &st.Evaluation.Agents[i]
		failed, dropped := b.leftOut(a)
		addJSON(&list, trialsPrefix+a.Name, struct {
			Rows    string   `json:"rows"`
			Failed  string   `json:"failed,omitempty"`
			Dropped string   `json:"dropped,omitempty"`
			Calls   []string `json:"calls,omitempty"`
		}{b.states[a.Last].flow.sum().String(), counted(failed), counted(dropped), b.callParts(a)})
	}
	return list
}

// callParts are what the figures of calls and their costs rest on: the keys of an
// agent's steps that ask models, and the prices of these. Another prompt is another
// number of tokens, though all trials may come out as they did.
func (b *build) callParts(a *spec.EvaluationAgent) (list []string) {
	for i, s := range b.trialSteps(a) {
		if s.Role == nil || len(s.Role.Models) == 0 {
			continue
		}
		list = append(list, fmt.Sprintf("%d %x", i, b.stepParts(s).Digest()))
		for _, slot := range slices.Sorted(maps.Keys(s.Role.Models)) {
			if p := s.Role.Models[slot].Price; p != nil {
				list = append(list, fmt.Sprint(i, " ", slot, " ", p.Cost(1e6, 0, 0), " ", p.Cost(0, 1e6, 0), " ", p.Cost(0, 0, 1e6)))
			}
		}
	}
	return list
}

// callsAnew says whether calls of an evaluation's trials may be others though
// nothing in its key is.
func (b *build) callsAnew(st *stepState) bool {
	return slices.ContainsFunc(st.Evaluation.Agents, func(a spec.EvaluationAgent) bool {
		return slices.ContainsFunc(b.trialSteps(&a), func(s *stepState) bool { return s.refresh })
	})
}

// reportParts are the parts of a report's key: its figures, what they were made of,
// and what the recipe says of them.
func (b *build) reportParts(st *stepState) (key.List, error) {
	e := st.Evaluation
	list := key.New(reportTag)
	if b.opts.Evaluator != nil {
		list.AddString("code", b.opts.Evaluator.ReportVersion())
	}
	list.AddString("evaluation", st.Address)
	list.AddString("title", e.Title)
	if e.Dataset != nil { // by its name, which is in no key of its rows
		list.AddString("dataset", e.Dataset.Address)
	}
	d := b.stepParts(st).Digest()
	list.AddString("figures", fmt.Sprintf("%x %s", d, st.flow.sum()))
	for _, m := range e.Metrics {
		list.AddString("doc."+m.Name, m.Doc)
	}
	for _, a := range e.Asserts {
		place := fmt.Sprintf("%s:%d", filepath.Base(a.Range.Filename), a.Range.Start.Line) // it is reported there
		list.AddString("assert."+a.Name, a.That.Text()+"\n"+a.Message+"\n"+place)
	}
	for _, r := range e.References {
		addJSON(&list, "reference."+r.Name, struct {
			Source string
			Values map[string]map[string]float64
			By     map[string]map[string]map[string]map[string]float64 `json:",omitempty"`
		}{r.Source, r.Values, r.By})
	}
	for _, s := range Above(st.Step) { // their rows stand for themselves, in the figures' key
		list.AddString("step."+s.Address, fmt.Sprintf("%x", b.states[s].base.Digest()))
		if s.Role == nil {
			continue
		}
		for _, slot := range slices.Sorted(maps.Keys(s.Role.Models)) { // by which names they are told of
			m := s.Role.Models[slot]
			list.AddString("model."+s.Address+"."+slot, m.Name)
			if m.Tuned != nil {
				list.AddString("trained."+s.Address+"."+slot, m.Tuned.Address)
			}
		}
	}
	list.AddString("offline", fmt.Sprint(st.offline))
	list.AddInt("limit", int64(b.opts.Limit))
	return list, nil
}

// isInput says whether a part of a key depends on the rows that a step takes.
func isInput(name string) bool { return name == inputPart || strings.HasPrefix(name, trialsPrefix) }
