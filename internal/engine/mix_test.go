package engine

import (
	"maps"
	"testing"
)

func TestMixQuotas(t *testing.T) {
	type counts = map[string]int
	for _, c := range []struct {
		weights map[string]float64
		have    counts
		most    int
		want    counts
	}{
		{map[string]float64{"a": 1, "b": 1}, counts{"a": 10, "b": 3}, 1 << 40, counts{"a": 3, "b": 3}},
		{map[string]float64{"a": 1. / 3, "b": 1. / 3, "c": 1. / 3}, counts{"a": 3, "b": 3, "c": 3}, 1 << 40, counts{"a": 3, "b": 3, "c": 3}},
		{map[string]float64{"a": .7, "b": .3}, counts{"a": 70, "b": 30}, 10, counts{"a": 7, "b": 3}},
		{map[string]float64{"a": .7, "b": .3}, counts{"a": 70, "b": 30}, 1, counts{"a": 1, "b": 0}},
		{map[string]float64{"a": 1, "b": 1, "c": 1}, counts{"a": 9, "b": 9, "c": 9}, 8, counts{"a": 3, "b": 3, "c": 2}},
		{map[string]float64{"a": 1, "b": 9}, counts{"a": 5}, 4, counts{"a": 4}},
		{map[string]float64{"a": 1e-300, "b": 1e300}, counts{"a": 5, "b": 5}, 100, counts{"a": 0, "b": 5}},
		{map[string]float64{"a": 1}, counts{}, 4, counts{}},
	} {
		if got := mixQuotas(c.weights, c.have, c.most); !maps.Equal(got, c.want) {
			t.Errorf("%v of %v, at most %d: %v, want %v", c.weights, c.have, c.most, got, c.want)
		}
	}
}
