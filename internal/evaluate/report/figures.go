package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/internal/evaluate"
	"github.com/autosafe/autosafe/internal/row"
)

// figure is a row of an evaluation's figures.
type figure = evaluate.Figure

// cell says which figure is meant.
type cell struct{ agent, metric, group, key string }

// figures are an evaluation's figures by what they are of.
type figures struct {
	all        []figure
	byCell     map[cell]*figure // of type metric
	metrics    []string         // that have a value for some agent, in order
	counts     []*figure
	agreements []*figure
	keys       map[string][]string // of groups, in order
}

func readFigures(rows []row.Row) (*figures, error) {
	all, err := evaluate.ReadFigures(rows)
	if err != nil {
		return nil, err
	}
	f := &figures{all: all, byCell: map[cell]*figure{}, keys: map[string][]string{}}
	for i := range all {
		g := &f.all[i]
		switch g.Type {
		case evaluate.CountFigure:
			f.counts = append(f.counts, g)
		case evaluate.AgreementFigure:
			f.agreements = append(f.agreements, g)
		case evaluate.MetricFigure:
			f.byCell[cell{g.Agent, g.Metric, g.Group, g.Key}] = g
			if g.Group == "" && g.Value != nil && !slices.Contains(f.metrics, g.Metric) {
				f.metrics = append(f.metrics, g.Metric)
			}
			if g.Group != "" && !slices.Contains(f.keys[g.Group], g.Key) {
				f.keys[g.Group] = append(f.keys[g.Group], g.Key)
			}
		}
	}
	return f, nil
}

// of is the figure of a metric over all scenarios; nil: it is not known.
func (f *figures) of(agent, metric string) *figure { return f.in(agent, metric, "", "") }

// in is the figure of a metric over a part of the scenarios; nil: it is not known.
func (f *figures) in(agent, metric, group, key string) *figure {
	if g := f.byCell[cell{agent, metric, group, key}]; g != nil && g.Value != nil {
		return g
	}
	return nil
}

// known are those of the metrics that some agent has a value for.
func (f *figures) known(metrics ...string) []string {
	return slices.DeleteFunc(slices.Clone(metrics), func(m string) bool { return !slices.Contains(f.metrics, m) })
}

// knownIn are those of the metrics that some agent has a value for in a group.
func (f *figures) knownIn(group string, metrics ...string) []string {
	return slices.DeleteFunc(slices.Clone(metrics), func(m string) bool {
		return !slices.ContainsFunc(f.all, func(g figure) bool {
			return g.Type == evaluate.MetricFigure && g.Group == group && g.Metric == m && g.Value != nil
		})
	})
}

// atK are the metrics of a family that are known, such as sec_at_1 and sec_at_5.
func (f *figures) atK(form string, ks []int) []string {
	var names []string
	for _, k := range ks {
		names = append(names, fmt.Sprintf(form, k))
	}
	return f.known(names...)
}

// interval says whether a figure has one.
func interval(f *figure) bool { return f.Low != nil && f.High != nil }

// confusionLabels splits confusion.safe.unsafe; ok says that it is such a name.
func confusionLabels(metric string) (first, second string, ok bool) {
	rest, ok := strings.CutPrefix(metric, "confusion.")
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, ".")
}
