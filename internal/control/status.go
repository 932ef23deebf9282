package control

import (
	"os"
	"sync"
	"time"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
)

// Status is how a build is doing.
type Status struct {
	PID     int       `json:"pid"`
	Recipe  string    `json:"recipe"`  // its folder
	Version string    `json:"version"` // of autosafe
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"`
	// State is "running", "paused" or "stopping".
	State string `json:"state"`
	// Calls are those of all steps so far.
	Calls  engine.CallCounts `json:"calls"`
	Steps  []Step            `json:"steps"`
	Models []ModelStatus     `json:"models"`
}

// The states of a build and of its steps.
const (
	StateRunning  = "running"
	StatePaused   = "paused"
	StateStopping = "stopping"
	StateWaiting  = "waiting" // a step that has not begun
	StateDone     = "done"
)

// ModelStatus is how calls to a model go.
type ModelStatus = llm.ModelStatus

// Step is how a step is doing.
type Step struct {
	Address  string            `json:"address"`
	State    string            `json:"state"` // waiting, running or done
	RowsIn   int64             `json:"rows_in"`
	RowsOut  int64             `json:"rows_out"`
	RowsHit  int64             `json:"rows_hit"`
	InFlight int64             `json:"in_flight"` // tasks under way
	Failed   int64             `json:"rows_failed"`
	Dropped  int64             `json:"rows_dropped"`
	Calls    engine.CallCounts `json:"calls"`
}

// Target is the build that is watched and steered.
type Target struct {
	Recipe  string // its folder
	Version string
	Began   time.Time
	Steps   []string // addresses, in the recipe's order
	Models  llm.Control
	// Stopping is closed once the build begins nothing new; it may be nil.
	Stopping <-chan struct{}
	// Stop ends the build: once what is in flight has finished, or at once.
	Stop func(now bool)
}

// board keeps what is known of a build.
type board struct {
	target Target

	mu     sync.Mutex
	steps  []Step
	at     map[string]int
	paused bool
}

func newBoard(t Target) *board {
	b := &board{target: t, at: map[string]int{}}
	for _, address := range t.Steps {
		b.step(address)
	}
	return b
}

// step is a step's place on the board, with mu held.
func (b *board) step(address string) *Step {
	i, ok := b.at[address]
	if !ok {
		i = len(b.steps)
		b.at[address] = i
		b.steps = append(b.steps, Step{Address: address, State: StateWaiting})
	}
	return &b.steps[i]
}

// event notes what happened in the build.
func (b *board) event(ev engine.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case ev.Started != nil:
		b.step(ev.Started.Address).State = StateRunning
	case ev.Progress != nil:
		p := ev.Progress
		s := b.step(p.Address)
		if s.State == StateDone {
			return // told late
		}
		*s = Step{
			Address: p.Address, State: StateRunning, RowsIn: p.RowsIn, RowsOut: p.RowsOut, RowsHit: p.RowsHit,
			InFlight: p.InFlight, Failed: p.Failed, Dropped: sum(p.Dropped), Calls: p.Calls,
		}
	case ev.Finished != nil:
		f := ev.Finished
		*b.step(f.Address) = Step{
			Address: f.Address, State: StateDone, RowsIn: f.RowsIn, RowsOut: f.RowsOut, RowsHit: f.RowsHit,
			Failed: f.RowsFailed, Dropped: sum(f.Dropped), Calls: f.Calls,
		}
	}
}

func sum(counts map[string]int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// status tells all.
func (b *board) status() Status {
	models := b.target.Models.Status()
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Status{
		PID: os.Getpid(), Recipe: b.target.Recipe, Version: b.target.Version, Began: b.target.Began.UTC().Truncate(time.Millisecond),
		Seconds: time.Since(b.target.Began).Seconds(), State: StateRunning, Steps: append([]Step{}, b.steps...), Models: append([]ModelStatus{}, models...),
	}
	for i := range s.Steps {
		s.Calls.Add(s.Steps[i].Calls)
	}
	if b.paused {
		s.State = StatePaused
	}
	select {
	case <-b.target.Stopping:
		s.State = StateStopping
	default:
	}
	return s
}
