package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/autosafe/autosafe/internal/row"
)

func numbered(t *testing.T, from, to int) (list []row.Row) {
	t.Helper()
	for i := from; i < to; i++ {
		r, err := row.Parse(fmt.Appendf(nil, `{"n":%d}`, i))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

// TestPatience reads what is still being written: a patient reader is given
// chunks as a whole, and at the end what is left. One whose patience is over
// takes what there is.
func TestPatience(t *testing.T) {
	const ever = time.Hour
	for _, c := range []struct {
		name     string
		patience time.Duration
		cut      bool // after the rows that are there first
		first    int  // rows that the reader is given first
	}{
		{"patient", ever, false, chunkRows},
		{"patient, and the chunk ends", ever, true, 10},
		{"impatient", 0, false, 10},
		{"a little", time.Nanosecond, false, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFlow(&memoryBlobs{})
			if err := f.append(numbered(t, 0, 10)); err != nil {
				t.Fatal(err)
			}
			in := &reader{flows: []*flow{f}, patience: c.patience}
			given := make(chan int)
			go func() {
				defer close(given)
				for {
					s, ok, err := in.span()
					if err != nil || !ok {
						return
					}
					given <- s.n - s.from
				}
			}()
			if c.cut {
				f.cut()
			}
			first := -1
			if c.first < chunkRows {
				first = <-given // before there are more
			}
			if err := f.append(numbered(t, 10, chunkRows+5)); err != nil {
				t.Fatal(err)
			}
			if first < 0 {
				first = <-given
			}
			if first != c.first {
				t.Errorf("%d rows came first, want %d", first, c.first)
			}
			all := make(chan int)
			go func() {
				sum := first
				for n := range given {
					sum += n
				}
				all <- sum
			}()
			if err := f.finish(nil); err != nil {
				t.Fatal(err)
			}
			if sum := <-all; sum != chunkRows+5 {
				t.Errorf("%d rows in all", sum)
			}
		})
	}
	t.Run("stopped", func(t *testing.T) {
		f := newFlow(&memoryBlobs{})
		if err := f.append(numbered(t, 0, 1)); err != nil {
			t.Fatal(err)
		}
		in := &reader{flows: []*flow{f}, patience: ever}
		ended := make(chan error)
		go func() {
			_, _, err := in.span()
			ended <- err
		}()
		in.stop()
		if err := <-ended; err != errStopped {
			t.Errorf("it ended with %v", err)
		}
	})
}

// TestChunkThatGrew: whoever was given the first rows of a chunk, and asks what it is
// stored as when it has more, is not kept waiting for what never comes. The writer may
// be waiting for him.
func TestChunkThatGrew(t *testing.T) {
	f := newFlow(&memoryBlobs{})
	if err := f.append(numbered(t, 0, 100)); err != nil {
		t.Fatal(err)
	}
	s, ok, err := (&reader{flows: []*flow{f}}).span()
	if err != nil || !ok || s.n != 100 {
		t.Fatalf("%d rows, %t, %v", s.n, ok, err)
	}
	if err := f.append(numbered(t, 100, chunkRows)); err != nil {
		t.Fatal(err)
	}
	told := make(chan bool, 1)
	go func() {
		_, ok := f.stored(s.segment.chunk, s.n)
		told <- ok
	}()
	select {
	case ok := <-told:
		if ok {
			t.Error("100 rows are stored as a chunk of more")
		}
	case <-time.After(time.Minute):
		t.Fatal("it waits for ever")
	}
}
