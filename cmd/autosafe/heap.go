package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// spareHeap is how much garbage may gather before it is collected, in bytes,
// where twice of what is in use would be less. A command that finds nothing to
// do is over by then, and spends nothing on it; in one that moves rows, little
// is in use and much is thrown away.
const spareHeap = 48 << 20

// A program that throws little away, such as a build that waits for models, can
// collect often at no cost, and is kept small: calmRate is how many bytes it
// allocates in a second at most, calmPercent how much garbage it then gathers,
// in percent of what is in use. Who is done within half a second collects nothing.
const (
	calmRate    = 128 << 20
	calmPercent = 40
)

// collectLater has garbage collected later than Go does by itself while little
// is in use and much is thrown away. Who has set the runtime's own variables
// knows better.
func collectLater() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	const least = 4 << 20 // that the runtime reckons with at 100 percent
	calm := new(atomic.Bool)
	debug.SetGCPercent(100 * spareHeap / least)
	afterCollection(calm, 100*spareHeap/least)
	everySoOften(calm, 0, 0)
}

// afterCollection sets, once the next collection is over, when the one after
// it comes.
func afterCollection(calm *atomic.Bool, percent int) {
	// Nothing holds this, so the collection finds it gone.
	runtime.AddCleanup(&struct{ self *int }{}, func(before int) {
		percent := calmPercent
		if !calm.Load() {
			percent = max(100, int(100*spareHeap/max(1<<20, heap("/gc/heap/live:bytes"))))
		}
		if percent != before {
			debug.SetGCPercent(percent)
		}
		afterCollection(calm, percent)
	}, percent)
}

// everySoOften looks at how much was allocated since it last did. What it finds
// calm is collected soon; what has not been calm for a while, and not only to
// write its output, is told so by the next collection.
func everySoOften(calm *atomic.Bool, before uint64, busy int) {
	const pause, while = time.Second / 2, 4
	time.AfterFunc(pause, func() {
		now, busy := heap("/gc/heap/allocs:bytes"), busy+1
		if now-before < calmRate/uint64(time.Second/pause) {
			busy = 0
		}
		switch {
		case busy == 0 && !calm.Swap(true):
			debug.SetGCPercent(calmPercent)
		case busy >= while:
			calm.Store(false)
		}
		everySoOften(calm, now, busy)
	})
}

// heap reads one of the runtime's metrics.
func heap(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
