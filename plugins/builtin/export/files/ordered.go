package files

import (
	"fmt"
	"runtime"

	"github.com/autosafe/autosafe/plugins/sdk"
)

// ordered does pieces of work on several cores and takes their results in the
// order in which they were given, so that what is written does not depend on
// which was ready first. Its methods are one goroutine's.
type ordered[T any] struct {
	take  func(T) error // in the caller's goroutine
	bytes int           // of the work under way together; a larger piece goes alone

	pending []piece[T]
	size    int
}

type piece[T any] struct {
	size   int
	result chan outcome[T]
}

type outcome[T any] struct {
	value    T
	err      error
	panicked any
}

// mostCores bounds the memory that work under way takes on large machines.
const mostCores = 8

func cores() int { return min(runtime.GOMAXPROCS(0), mostCores) }

// add begins a piece of work. It waits for earlier ones while too many are
// under way, and takes their results.
func (o *ordered[T]) add(size int, work func() (T, error)) error {
	for len(o.pending) > 0 && (len(o.pending) >= cores() || o.size+size > o.bytes) {
		if err := o.first(); err != nil {
			return err
		}
	}
	p := piece[T]{size, make(chan outcome[T], 1)}
	o.pending, o.size = append(o.pending, p), o.size+size
	go func() {
		var out outcome[T]
		defer func() {
			out.panicked = recover()
			p.result <- out
		}()
		out.value, out.err = work()
	}()
	return nil
}

// first takes the result of the first piece under way.
func (o *ordered[T]) first() error {
	p := o.pending[0]
	o.pending, o.size = o.pending[1:], o.size-p.size
	r := <-p.result
	if r.panicked != nil { // in another goroutine it would end the process
		return sdk.Fail("panic", fmt.Sprint(r.panicked))
	}
	if r.err != nil {
		return r.err
	}
	return o.take(r.value)
}

// drain takes the results of all that is under way.
func (o *ordered[T]) drain() error {
	for len(o.pending) > 0 {
		if err := o.first(); err != nil {
			return err
		}
	}
	return nil
}

// abandon waits for what is under way.
func (o *ordered[T]) abandon() {
	for _, p := range o.pending {
		<-p.result
	}
	o.pending = nil
}
