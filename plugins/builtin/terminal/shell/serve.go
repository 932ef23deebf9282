package shell

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// Argument is a program's only argument where it is to become the process of
// sessions: its main, or a test's TestMain, calls Serve then.
const Argument = "autosafe-shell"

// Serves says whether arguments, without the program's name, ask for Serve.
func Serves(args []string) bool { return len(args) == 1 && args[0] == Argument }

const (
	exitMemory = 137
	// stackBytes is how deep the interpreter may nest before the process ends: it
	// parses what nests too deep in one go.
	stackBytes = 256 << 20
	watchEvery = 5 * time.Millisecond
	// heldBytes is how much a process may keep between commands without looking what
	// of it is in use.
	heldBytes = 48 << 20
)

// Serve runs sessions, one after another, as the other end of its standard input
// and output asks, until there is no other end.
func Serve() int {
	debug.SetMaxStack(stackBytes)
	debug.SetTraceback("none")
	requests := make(chan request)
	done := make(chan int, 1)
	go func() { // reads on while a command runs, to see the parent die
		for {
			var r request
			if err := receive(os.Stdin, &r); err != nil {
				done <- 0
				return
			}
			requests <- r
		}
	}()
	go func() { done <- serve(requests, os.Stdout) }()
	return <-done
}

func serve(requests <-chan request, out io.Writer) int {
	var e *engine
	var memory atomic.Int64
	watching := false
	for r := range requests {
		var resp response
		var err error
		switch {
		case r.Start != nil:
			memory.Store(r.Start.Limits.Memory)
			debug.SetMemoryLimit(r.Start.Limits.Memory / 4 * 3)
			if !watching { // before the engine counts what runs anyway
				watching = true
				go watch(&memory)
			}
			if err = confine(r.Start.Limits); err == nil {
				e, err = newEngine(*r.Start)
			}
		case e == nil:
			err = fmt.Errorf("no session was started")
		case r.Run != nil:
			resp.Result = e.run(context.Background(), *r.Run, time.Duration(r.Millis)*time.Millisecond)
			resp.Busy = e.m.Busy()
		case r.Restore != nil:
			if err = e.restore(*r.Restore); err == nil {
				e.told, e.had = 0, map[string]bool{}
			}
		}
		if err != nil {
			resp.Error = err.Error()
		} else {
			resp.Delta = e.delta()
		}
		if err := send(out, resp); err != nil {
			return 1
		}
		giveBack()
	}
	return 0
}

// giveBack gives the system the memory that a large command has left: sessions wait
// for a model most of their time, and there are many.
func giveBack() {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}}
	metrics.Read(samples)
	var held uint64
	for _, s := range samples {
		held += s.Value.Uint64()
	}
	if held > heldBytes {
		debug.FreeOSMemory()
	}
}

// watch ends the process once it holds more than it may: what the system limits is
// address space, which is more.
func watch(limit *atomic.Int64) {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	for range time.Tick(watchEvery) {
		metrics.Read(samples)
		if samples[0].Value.Uint64()+samples[1].Value.Uint64() > uint64(limit.Load()) {
			os.Exit(exitMemory)
		}
	}
}
