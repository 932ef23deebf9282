package engine

import (
	"testing"

	"github.com/autosafe/autosafe/spec"
)

// Several providers behind a model answer as many calls at a time as they all
// take together.
func TestInFlightOfReplicas(t *testing.T) {
	a, b := &spec.Provider{Limits: spec.Limits{Concurrency: 100}}, &spec.Provider{}
	for _, tt := range []struct {
		model *spec.Model
		want  int
	}{
		{&spec.Model{Provider: b}, 64},
		{&spec.Model{Provider: a}, 200},
		{&spec.Model{Provider: a, Replicas: []*spec.Provider{a, b, b}}, 2 * (100 + 64 + 64)},
	} {
		if got := inFlightLimit(&spec.RoleBody{Models: map[string]*spec.Model{"m": tt.model}}); got != tt.want {
			t.Errorf("%d rows, want %d", got, tt.want)
		}
	}
}
