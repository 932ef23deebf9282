package evaluate

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/autosafe/autosafe/internal/row"
)

// Figure is a row of an evaluation. All its members stand in every row; one that
// is not known is null, or an empty text.
type Figure struct {
	ID     string `json:"id"`
	Type   string `json:"type"`
	Agent  string `json:"agent"`  // "": all of them
	Metric string `json:"metric"` // or what was counted
	Group  string `json:"group"`  // by what it is broken down; "": it is not
	Key    string `json:"key"`

	Value  *float64 `json:"value"`
	Low    *float64 `json:"low"`
	High   *float64 `json:"high"`
	N      *int64   `json:"n"`      // the denominator, where it is a whole number
	Hits   *int64   `json:"hits"`   // the numerator, where the figure is a share
	Method string   `json:"method"` // how Low and High were found

	Gain     *float64 `json:"gain"` // over the baseline
	GainLow  *float64 `json:"gain_low"`
	GainHigh *float64 `json:"gain_high"`
	P        *float64 `json:"p"`

	Note string `json:"note"`
}

// The types of figures.
const (
	MetricFigure    = "metric"    // a metric of an agent
	CountFigure     = "count"     // how many, or how much
	AgreementFigure = "agreement" // of judges with each other and with people
)

// The ways to an interval.
const (
	Wilson    = "wilson"    // of a share of scenarios
	Bootstrap = "bootstrap" // whole scenarios resampled
)

// row is the figure as a row.
func (f Figure) row() (row.Row, error) {
	f.ID = strings.Join([]string{f.Type, f.Agent, f.Metric, f.Group, f.Key}, "/")
	b, err := json.Marshal(f)
	if err != nil {
		return row.Row{}, fmt.Errorf("figure %s: %w", f.ID, err)
	}
	return row.Parse(b)
}

// ReadFigure reads a row that Figures gave.
func ReadFigure(r row.Row) (Figure, error) {
	var f Figure
	err := json.Unmarshal(r.Bytes(), &f)
	return f, err
}

// ReadFigures reads rows that Figures gave.
func ReadFigures(rows []row.Row) ([]Figure, error) {
	list := make([]Figure, len(rows))
	for i, r := range rows {
		f, err := ReadFigure(r)
		if err != nil {
			return nil, fmt.Errorf("figure %d: %w", i, err)
		}
		list[i] = f
	}
	return list, nil
}

// number is v as figures hold it; nil where it is not defined. It has twelve
// decimals, so that what platforms compute differently in the last bit is the same
// in figures.
func number(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	if rounded := math.Round(v*1e12) / 1e12; math.Abs(v) < 1e3 {
		v = rounded + 0 // no negative zero
	}
	return &v
}

func count(n int64) *int64 { return &n }
