package engine

import (
	"math"
	"testing"

	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

// Steps with models in batches have as many rows under way as fill one, within
// bounds; large rows count more.
func TestBatchInFlight(t *testing.T) {
	model := func(mode spec.Mode, most int) *spec.Model {
		return &spec.Model{Mode: mode, Batch: spec.Batch{MaxRequests: most}, Provider: &spec.Provider{Limits: spec.Limits{Concurrency: 10}}}
	}
	for _, tt := range []struct {
		models map[string]*spec.Model
		want   int
	}{
		{nil, 1024},
		{map[string]*spec.Model{"a": model(spec.ModeLive, 30_000)}, 64},
		{map[string]*spec.Model{"a": model(spec.ModeBatch, 0)}, batchTasksUnset},
		{map[string]*spec.Model{"a": model(spec.ModeBatch, 3)}, 64},
		{map[string]*spec.Model{"a": model(spec.ModeBatch, 30_000), "b": model("", 0)}, 30_000},
		{map[string]*spec.Model{"a": model(spec.ModeBatch, 100_000)}, maxBatchTasks},
	} {
		if got := inFlightLimit(&spec.RoleBody{Models: tt.models}); got != tt.want {
			t.Errorf("%v: %d tasks, want %d", tt.models, got, tt.want)
		}
	}
	r, err := row.Parse([]byte(`{"text":""}`))
	if err != nil {
		t.Fatal(err)
	}
	small := pendingTask{row: r}
	large := pendingTask{row: r.WithString("text", string(bytesOf(10*placeBytes)))}
	few, many := &rowStep{places: make(chan struct{}, 64)}, &rowStep{places: make(chan struct{}, batchTasksUnset)}
	if few.placesOf(&large) != 1 || many.placesOf(&small) != 1 || many.placesOf(&large) != 11 {
		t.Errorf("places %d, %d, %d", few.placesOf(&large), many.placesOf(&small), many.placesOf(&large))
	}
}

func bytesOf(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'x'
	}
	return b
}

// How long a batch takes is not known.
func TestBatchSeconds(t *testing.T) {
	e := &estimator{step: &spec.Step{Role: &spec.RoleBody{Models: map[string]*spec.Model{
		"a": {Mode: spec.ModeBatch, Provider: &spec.Provider{}},
	}}}}
	if got := e.seconds(&Work{Calls: Range{Low: 1, High: 5}}, stat{}); got.Low != 0 || !math.IsInf(got.High, 1) {
		t.Errorf("%+v", got)
	}
	if got := e.seconds(&Work{}, stat{}); got.High != 0 {
		t.Errorf("no call takes %+v", got)
	}
}
