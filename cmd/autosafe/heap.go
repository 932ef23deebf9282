package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/autosafe/autosafe/cmd/autosafe/internal/cli"
)

// Rows and model calls leave much garbage and keep little, of which Go would
// collect a few megabytes at a time: very often where rows are moved. So it is
// collected about once in collectEvery. What gathers until then is at least
// leastSpare, or leastPercent of what is in use if that is more, at most
// mostSpare or half of what is in use, and at most doubled from one time to the next.
// firstHeap is how large the heap becomes before anything is collected: a
// command that finds nothing to do is over by then, and spends nothing on it. A
// plugin is started where there is something to do: servedHeap is for it.
const (
	firstHeap    = 32 << 20
	servedHeap   = 12 << 20
	collectEvery = 150 * time.Millisecond
	leastSpare   = 4 << 20
	mostSpare    = 8 << 20 // or half of what is in use
	leastPercent = 40
)

// collection is one that is over.
type collection struct {
	at        time.Time
	allocated uint64  // bytes since the start of the process
	spare     float64 // bytes that may gather until the next one
	percent   int     // that says so, of what is in use
}

// collectSteadily has garbage collected as above. Who has set the runtime's own
// variables knows better.
func collectSteadily(args []string) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	const least = 4 << 20 // that the runtime reckons with at 100 percent
	first := firstHeap
	if cli.ServesPlugin(args) {
		first = servedHeap
	}
	debug.SetGCPercent(100 * first / least)
	collection{at: time.Now(), spare: leastSpare / 2}.awaitNext()
}

// awaitNext sets, once the next collection is over, when the one after it
// comes.
func (last collection) awaitNext() {
	// Nothing holds this, so the collection finds it gone.
	runtime.AddCleanup(&struct{ self *int }{}, func(last collection) {
		now := collection{at: time.Now(), allocated: heap("/gc/heap/allocs:bytes")}
		rate := float64(now.allocated-last.allocated) / max(now.at.Sub(last.at), time.Millisecond).Seconds()
		live := max(1<<20, float64(heap("/gc/heap/live:bytes")))
		now.spare = min(max(rate*collectEvery.Seconds(), leastSpare), max(mostSpare, live/2), 2*last.spare)
		if now.percent = max(leastPercent, int(100*now.spare/live)); now.percent != last.percent {
			debug.SetGCPercent(now.percent)
		}
		now.awaitNext()
	}, last)
}

// heap reads one of the runtime's metrics.
func heap(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
