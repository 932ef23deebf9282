package llm

import (
	"math"
	"sync/atomic"

	"github.com/autosafe/autosafe/spec"
)

// CostUSD is what an answer of a model with that usage costs, in US dollars;
// 0 for the offline model, and where the model has no price.
func CostUSD(m *spec.Model, u Usage) float64 {
	if m.Price == nil || isFree(m) {
		return 0
	}
	cached := min(u.CachedInputTokens, u.InputTokens)
	return m.Price.Cost(float64(u.InputTokens), float64(cached), float64(u.OutputTokens))
}

// Tally counts calls. One belongs to each step; the zero value is ready.
type Tally struct {
	Made         atomic.Int64 // answered by an endpoint in this build
	Cached       atomic.Int64 // answered from the store
	Retried      atomic.Int64 // attempts beyond the first, in transport
	Failed       atomic.Int64 // gave no answer
	Unfit        atomic.Int64 // answered, but did not fit
	InputTokens  atomic.Int64 // of calls made
	OutputTokens atomic.Int64 // of calls made
	Estimated    atomic.Int64 // calls made of which the endpoint did not report tokens
	nanoUSD      atomic.Int64 // of calls made, where the model has a price
	InFlight     atomic.Int64
}

// AddCost adds US dollars.
func (t *Tally) AddCost(usd float64) { t.nanoUSD.Add(nanoUSD(usd)) }

// nanoUSD counts dollars in whole nanodollars, so that sums are exact.
func nanoUSD(usd float64) int64 { return int64(math.Round(min(max(usd, 0), maxUSD) * 1e9)) }

// maxUSD bounds amounts, so that a sum of two fits.
const maxUSD = 4e9

// CostUSD is the cost of the calls made.
func (t *Tally) CostUSD() float64 { return float64(t.nanoUSD.Load()) / 1e9 }
