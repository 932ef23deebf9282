package cli

import (
	"testing"

	"github.com/autosafe/autosafe/internal/engine"
)

// So many answers in a log leave so many calls to ask.
func TestAnswer(t *testing.T) {
	six := engine.Range{Low: 6, High: 6, Exact: true}
	for _, tt := range []struct {
		calls   engine.Range
		answers float64
		want    engine.Range
		cost    float64 // at least, of $12 before
	}{
		{six, 0, six, 12},
		{six, 1, engine.Range{Low: 5, High: 6}, 10},
		{six, 6, engine.Range{Low: 0, High: 6}, 0},
		{six, 99, engine.Range{Low: 0, High: 6}, 0},
		{engine.Range{Low: 3, High: 9}, 1, engine.Range{Low: 2, High: 9}, 8},
		{engine.Range{Low: 0, High: 9}, 1, engine.Range{Low: 0, High: 9}, 12},
	} {
		w := engine.Work{Calls: tt.calls, CostUSD: engine.Range{Low: 12, High: 12, Exact: true}}
		total := w
		before := w
		answer(&w, tt.answers)
		lower(&total, before, w)
		if w.Calls != tt.want || w.CostUSD.Low != tt.cost || w.CostUSD.High != 12 {
			t.Errorf("%+v less %v: %+v, $%v, want %+v, $%v", tt.calls, tt.answers, w.Calls, w.CostUSD, tt.want, tt.cost)
		}
		if total.Calls != w.Calls || total.CostUSD.Low != w.CostUSD.Low {
			t.Errorf("%+v less %v: the total is %+v, of %+v", tt.calls, tt.answers, total, w)
		}
	}
}
