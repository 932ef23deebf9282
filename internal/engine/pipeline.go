package engine

import (
	"cmp"
	"runtime"
)

// pipeline does work on many values at once and keeps their order: rows are
// read, decoded and judged on all cores, but leave in the order in which they
// came.
type pipeline[A, B any] struct {
	// next gives the next value; ok is false after the last. It may wait.
	next func() (value A, ok bool, err error)
	// stop makes a next that waits return. It is called at most once, when
	// the results are not wanted any more.
	stop func()
	// work is called for several values at the same time.
	work func(A) (B, error)
	// done is given the results in order, as soon as they are there.
	done func(B) error
	// ahead is on how many values more than two it works at most; 0: as many as
	// there are cores.
	ahead int
}

// run ends after the last value, or at the first error in the order of the
// values. Nothing of it is left when it returns. It works on a bounded number of
// values, so that memory is bounded, too.
func (p pipeline[A, B]) run() error {
	type result struct {
		value B
		err   error
	}
	queue := make(chan chan result, cmp.Or(p.ahead, runtime.GOMAXPROCS(0)))
	quit := make(chan struct{})
	var ended error // of next
	go func() {
		defer close(queue)
		for {
			value, ok, err := p.next()
			if err != nil || !ok {
				ended = err
				return
			}
			c := make(chan result, 1)
			go func() {
				out, err := p.work(value)
				c <- result{out, err}
			}()
			select {
			case queue <- c:
			case <-quit:
				<-c
				return
			}
		}
	}()
	var failed error
	for c := range queue {
		r := <-c
		if failed != nil {
			continue
		}
		if failed = r.err; failed == nil {
			failed = p.done(r.value)
		}
		if failed != nil {
			close(quit)
			p.stop()
		}
	}
	if failed != nil {
		return failed
	}
	return ended
}
