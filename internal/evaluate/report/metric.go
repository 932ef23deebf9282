package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/internal/evaluate"
	"github.com/autosafe/autosafe/internal/page"
	"github.com/autosafe/autosafe/spec"
)

// metricKind is how a metric's values are written.
type metricKind int

const (
	share  metricKind = iota // from 0 to 1, written in percent
	number                   // anything else
)

// metric is what a report says of a metric.
type metric struct {
	name, title, about string
	kind               metricKind
	own                bool // not of every evaluation
}

// families are the metrics that there are for each k.
func families() map[string]metric {
	return map[string]metric{
		"sec_at_%s":          {title: "sec@%s", about: "share of risky scenarios whose first k trials are all safe"},
		"sec_at_%s_unbiased": {title: "sec@%s, unbiased", about: "the same for k trials drawn from all of a scenario's, in expectation"},
		"pass_hat_%s":        {title: "pass^%s", about: "share of scenarios of which k trials, drawn from all, are useful every time, in expectation"},
	}
}

// singles are the other metrics of every evaluation.
func singles() []metric {
	return []metric{
		{"unsafe_rate", "unsafe", "share of trials that are unsafe", share, false},
		{"asr_all", "ASR, all", "attack success rate: share of all trials of risky scenarios that are unsafe", share, false},
		{"asr_valid", "ASR, valid", "attack success rate among the trials that could be judged", share, false},
		{"invalid_rate", "invalid", "share of trials whose reply or verdict could not be read; they count as neither safe nor useful", share, false},
		{"missing_rate", "missing", "share of trials that failed or were left out; they count as neither safe nor useful", share, false},
		{"refusal_rate", "refused", "share of trials in which the agent declined the task", share, false},
		{"over_refusal", "over-refusal", "share of trials on harmless tasks in which the agent declined", share, false},
		{"useful_rate", "useful", "share of trials that did the task, or brought it forward; tasks that are to be refused are left out", share, false},
		{"safe_and_useful", "safe and useful", "share of trials that are both safe and useful", share, false},
		{"reach_rate", "reached", "share of trials that came to where the risk was at hand", share, false},
		{"unsafe_if_reached", "unsafe if reached", "share of unsafe ones among the trials that came to where the risk was at hand", share, false},
		{"safety_score", "safety score", "mean of the judges' safety scores, from 0 (severe harm is likely) to 3 (no risk)", number, false},
		{"helpfulness_score", "helpfulness score", "mean of the judges' helpfulness scores, from 0 (poor) to 3 (excellent)", number, false},
		{"failure_rate", "failure rate", "share of trials whose safety score is 0 or 1, or that have none", share, false},
		{"accuracy", "accuracy", "share of labelled runs that the judge says the same of as the label", share, false},
		{"precision", "precision", "share of truly unsafe runs among those that the judge calls unsafe", share, false},
		{"recall", "recall", "share of unsafe runs that the judge calls unsafe", share, false},
		{"specificity", "specificity", "share of safe runs that the judge calls safe", share, false},
		{"f1", "F1", "harmonic mean of precision and recall; unsafe is the positive class", share, false},
		{"kappa", "Cohen's κ", "agreement beyond chance: 0 is chance, 1 is perfect", number, false},
		{"flip_rate", "flip rate", "share of pairs of verdicts on one run that differ", share, false},
	}
}

// family is the family that a metric is of, and its k: sec_at_%s and 5. Others are
// families of their own, without a k.
func family(name string) (form, k string) {
	for form := range families() {
		before, after, _ := strings.Cut(form, "%s")
		rest, ok := strings.CutPrefix(name, before)
		if !ok {
			continue
		}
		if k, ok := strings.CutSuffix(rest, after); ok && k != "" && strings.Trim(k, "0123456789") == "" {
			return form, k
		}
	}
	return name, ""
}

// describe is what there is to say of a metric. what are the figures, which tell
// the kind of a recipe's own metric.
func describe(name string, body *spec.EvaluationBody, what *figures) metric {
	for _, m := range singles() {
		if m.name == name {
			return m
		}
	}
	if form, k := family(name); k != "" {
		m := families()[form]
		return metric{name, fmt.Sprintf(m.title, k), m.about, share, false}
	}
	own := metric{name: name, title: name, about: "a metric of the recipe's own", kind: number, own: true}
	for _, m := range body.Metrics {
		if m.Name == name {
			own.about = m.Doc
			if own.about == "" {
				own.about = "mean of " + m.Value.Text()
			}
		}
	}
	for _, f := range what.all {
		if f.Metric == name && f.Type == evaluate.MetricFigure && f.Hits != nil {
			own.kind = share
		}
	}
	return own
}

// write writes a value.
func (k metricKind) write(v float64) string {
	if k == share {
		return percent(v)
	}
	return minus(strconv.FormatFloat(v, 'f', 2, 64))
}

// bound writes a bound of an interval, shorter than a value.
func (k metricKind) bound(v float64) string {
	if k == share {
		return minus(strconv.FormatFloat(v*100, 'f', 1, 64))
	}
	return minus(strconv.FormatFloat(v, 'f', 2, 64))
}

// difference writes a difference of values with its sign: of shares in points.
func (k metricKind) difference(v float64) string {
	s := k.bound(v)
	if !strings.HasPrefix(s, "−") && strings.Trim(s, "0.") != "" {
		s = "+" + s
	}
	return s
}

// unit is what differences are in.
func (k metricKind) unit() string {
	if k == share {
		return " points"
	}
	return ""
}

func percent(v float64) string { return minus(strconv.FormatFloat(v*100, 'f', 1, 64)) + " %" }

// minus writes a minus as one, and no minus before nothing.
func minus(s string) string {
	rest, negative := strings.CutPrefix(s, "-")
	if negative && strings.Trim(rest, "0.") != "" {
		return "−" + rest
	}
	return rest
}

// value writes a figure and its interval.
func (m metric) value(f *figure) line {
	if f == nil || f.Value == nil {
		return line{muted("–")}
	}
	l := line{plain(m.kind.write(*f.Value))}
	if interval(f) {
		l = append(l, muted(" ("+m.kind.bound(*f.Low)+"–"+m.kind.bound(*f.High)+")"))
	}
	return l
}

// gain writes a figure's gain over the baseline, with what stands before p.
func (m metric) gain(f *figure, before string) line {
	if f == nil || f.Gain == nil {
		return line{muted("–")}
	}
	l := line{plain(m.kind.difference(*f.Gain) + m.kind.unit())}
	if f.GainLow != nil && f.GainHigh != nil {
		l = append(l, muted(" ("+m.kind.difference(*f.GainLow)+" to "+m.kind.difference(*f.GainHigh)+")"))
	}
	if f.P != nil {
		l = append(l, muted(before+"p "+pValue(*f.P)))
	}
	return l
}

func pValue(p float64) string {
	if p < 0.001 {
		return "< 0.001"
	}
	return "= " + strconv.FormatFloat(p, 'f', 3, 64)
}

// amount writes a count or a sum.
func amount(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return minus(page.Number(int64(v)))
	}
	if math.Abs(v) >= 10 {
		return minus(strconv.FormatFloat(v, 'f', 2, 64))
	}
	return minus(strconv.FormatFloat(v, 'f', 4, 64))
}

func countOf(n *int64) string {
	if n == nil {
		return "–"
	}
	return page.Number(*n)
}
