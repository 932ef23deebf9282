package llm

import (
	"math"
	"sync/atomic"
)

// Tally counts calls. One belongs to each step; the zero value is ready.
type Tally struct {
	Made         atomic.Int64 // answered by an endpoint in this build
	Cached       atomic.Int64 // answered from the store
	Retried      atomic.Int64 // attempts beyond the first, in transport
	Failed       atomic.Int64 // gave no answer
	Unfit        atomic.Int64 // answered, but did not fit
	InputTokens  atomic.Int64 // of calls made
	OutputTokens atomic.Int64 // of calls made
	nanoUSD      atomic.Int64 // of calls made, where the model has a price
	InFlight     atomic.Int64
}

// AddCost adds US dollars.
func (t *Tally) AddCost(usd float64) { t.nanoUSD.Add(int64(math.Round(usd * 1e9))) }

// CostUSD is the cost of the calls made.
func (t *Tally) CostUSD() float64 { return float64(t.nanoUSD.Load()) / 1e9 }
