package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/autosafe/autosafe/cache"
)

// A component of the grain "dataset" sees all rows of its input before it
// answers any. So a row's answer depends on all of them and on its place: both
// are in its key. Answers count only if the component ran to its end over this
// very input, of which a record of its own tells; where one is missing, all
// rows run again.

// whole is the input of such a component.
type whole struct {
	digest cache.Digest // of what the component reads of each row, in order
	known  bool         // it ran to its end over this very input
	at     int          // the place of the row that is dispatched next
	sent   bool         // all rows are at the plugin
}

// Bounds on an input that a component sees at once: it holds all of it in memory.
const (
	maxWholeRows  = 1 << 20
	maxWholeBytes = 2 << 30
)

// survey reads the whole input, for its digest.
func (s *rowStep) survey() error {
	if s.whole == nil {
		return nil
	}
	var digests []cache.Digest
	var columns []byte
	size, all, in := int64(0), sha256.New(), s.reader(s.st)
	for {
		items, err := in.next()
		if err != nil && s.halted(s.st) {
			err = errStopped
		}
		if err != nil {
			return err
		}
		if len(items) == 0 {
			break
		}
		for i := range items {
			columns = s.appendReads(columns[:0], items[i].row)
			d := cache.Sum(columns)
			all.Write(d[:])
			digests = append(digests, d)
			size += int64(len(columns))
		}
		if len(digests) > maxWholeRows || size > maxWholeBytes {
			return &RunError{Address: s.st.Address, Code: "input_too_large", Summary: "the component sees all rows at once, and there are too many",
				Detail: fmt.Sprintf("It takes %d rows and %d MiB at most. Let it see less, by a distill block before it.", maxWholeRows, maxWholeBytes>>20)}
		}
	}
	all.Sum(s.whole.digest[:0])
	return s.lookUpWhole(digests)
}

// lookUpWhole finds out whether the component ran over this input before, and
// whether all that came of it is still there.
func (s *rowStep) lookUpWhole(digests []cache.Digest) error {
	rec, err := getRow(s.opts.Store, s.wholeKey())
	if err != nil || rec == nil || s.st.refresh {
		return err
	}
	for i, d := range digests {
		if rec, err := getRow(s.opts.Store, s.keyOf(d, i, 0)); err != nil || rec == nil {
			return err
		}
	}
	s.whole.known = true
	return nil
}

// wholeKey is the key of the record that the component ran to its end.
func (s *rowStep) wholeKey() cache.Digest {
	return s.keys.key(cache.Sum(append([]byte("autosafe.whole\n"), s.whole.digest[:]...)), 0)
}

// keyOf is the key of one sample of a row.
func (s *rowStep) keyOf(columns cache.Digest, place, sample int) cache.Digest {
	if s.whole != nil {
		b := bytes.Join([][]byte{[]byte("autosafe.whole\n"), s.whole.digest[:], columns[:]}, nil)
		columns = cache.Sum(binary.AppendUvarint(b, uint64(place)))
	}
	return s.keys.key(columns, sample)
}

// place notes where in the input some rows are.
func (s *rowStep) place(rows *span) {
	if s.whole != nil {
		rows.at = s.whole.at
		s.whole.at += rows.n - rows.from
	}
}

func (s *rowStep) allSent() {
	if s.whole != nil {
		s.whole.sent = true
	}
}

// remember notes that the component ran to its end, unless trying again may
// give another result.
func (s *rowStep) remember() error {
	if s.whole == nil || s.whole.known || s.dry != nil {
		return nil
	}
	passing := false
	s.st.count(func(p *progress) { passing = p.transient })
	if passing {
		return nil
	}
	b, err := (&rowRecord{}).encode()
	if err != nil {
		return err
	}
	return s.opts.Store.Put(cache.Rows, s.wholeKey(), b)
}
