package engine

import (
	"math"
	"testing"
)

func TestProject(t *testing.T) {
	source := pace{rowsOut: 100, done: true}
	for _, tt := range []struct {
		name  string
		steps []pace
		total float64
		least bool
	}{
		{"nothing", nil, 0, false},
		{"done", []pace{source, {inputs: []int{0}, samples: 1, priced: true, done: true, costUSD: 3}}, 3, false},
		{"half of the rows", []pace{source, {inputs: []int{0}, samples: 1, rowsIn: 50, rowsOut: 50, tasks: 50, priced: true, costUSD: 2}}, 4, false},
		{"half of the samples", []pace{source, {inputs: []int{0}, samples: 2, rowsIn: 50, rowsOut: 100, tasks: 100, priced: true, costUSD: 2}}, 4, false},
		{"some in flight", []pace{source, {inputs: []int{0}, samples: 1, rowsIn: 50, rowsOut: 40, tasks: 50, inFlight: 10, priced: true, costUSD: 2}}, 5, false},
		{"half of them hits", []pace{source, {inputs: []int{0}, samples: 1, rowsIn: 50, rowsOut: 50, tasks: 50, hits: 25, priced: true, costUSD: 2}}, 4, false},
		{"all hits so far", []pace{source, {inputs: []int{0}, samples: 1, rowsIn: 50, rowsOut: 50, tasks: 50, hits: 50, priced: true}}, 0, false},
		{"all hits", []pace{source, {inputs: []int{0}, samples: 1, rowsIn: 100, rowsOut: 100, tasks: 100, hits: 100, priced: true, inputDone: true}}, 0, false},
		{"not begun", []pace{source, {inputs: []int{0}, samples: 1, priced: true}}, 0, true},
		{"a source that goes on", []pace{{rowsOut: 100}, {inputs: []int{0}, samples: 1, rowsIn: 50, rowsOut: 50, tasks: 50, priced: true, costUSD: 2}}, 4, true},
		{"behind a filter", []pace{source,
			{inputs: []int{0}, samples: 1, rowsIn: 50, rowsOut: 25, tasks: 50},
			{inputs: []int{1}, samples: 1, rowsIn: 20, rowsOut: 20, tasks: 20, priced: true, costUSD: 2}}, 5, false},
		{"two inputs", []pace{source, source, {inputs: []int{0, 1}, samples: 1, rowsIn: 100, rowsOut: 100, tasks: 100, priced: true, costUSD: 2}}, 4, false},
	} {
		got := project(tt.steps)
		if math.Abs(got.TotalUSD-tt.total) > 1e-9 || got.Least != tt.least {
			t.Errorf("%s: %+v, want a total of %v, least %v", tt.name, got, tt.total, tt.least)
		}
	}
}
