package llm

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/autosafe/autosafe/spec"
)

// Replay is a recorded log of calls, a record a line, that calls are answered
// from. It keeps 48 bytes of each record in memory, and the file open.
type Replay struct {
	file   *os.File
	places []logPlace // in order of key

	// Offline is how many records of the offline model were passed over: it
	// answers anew, and what it was told of the case is not recorded.
	Offline int
	models  map[logModel]int // how many calls of each it answers
	used    atomic.Int64
}

// logModel is a model as keys know it: by the identity of its endpoint and the
// endpoint's name for it.
type logModel struct{ identity, id string }

// modelOfRecord is whose answer a record is. Records of earlier releases say no
// identity; for those it is empty.
func modelOfRecord(r Record) logModel { return logModel{r.Identity, r.Model()} }

// logPlace is where a record stands in its file.
type logPlace struct {
	key  [sha256.Size]byte
	off  int64
	size int32
	line int32
}

// LogError says what is wrong with a recorded log.
type LogError struct {
	Path     string
	Problems []string // of lines, the first few
	More     int      // problems beside those
}

func (e *LogError) Error() string {
	text := e.Path + " is no log of calls that can be used: " + strings.Join(e.Problems, "; ")
	if e.More > 0 {
		text += fmt.Sprintf("; and %d more", e.More)
	}
	return text
}

// Bounds of a log.
const (
	maxLogLine     = 2 * maxReply // bytes
	maxLogLines    = 1 << 30
	maxLogProblems = 5 // that are told
)

// OpenReplay reads a log whole and checks every line: that it is a record, and
// that its key is that of its request. It returns a *LogError if one is not.
func OpenReplay(path string) (*Replay, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r := &Replay{file: f, models: map[logModel]int{}}
	bad := &LogError{Path: path}
	if err = r.read(bad); err == nil && len(bad.Problems) > 0 {
		err = bad
	}
	if err != nil {
		_ = f.Close() // it was only read
		return nil, err
	}
	return r, nil
}

// read finds the records, and what is wrong with lines.
func (r *Replay) read(bad *LogError) error {
	in := bufio.NewReaderSize(r.file, 1<<20)
	off := int64(0)
	for n := int32(1); ; n++ {
		line, size, err := readLogLine(in)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("reading %s: %w", bad.Path, err)
		}
		torn := err != nil // the last line has no end
		switch {
		case torn && size == 0:
			r.arrange(bad)
			return nil
		case n == maxLogLines:
			bad.add(n, "it has too many lines")
			return nil
		default:
			r.readRecord(line, logPlace{off: off, size: int32(min(size, maxLogLine)), line: n}, bad, torn)
		}
		off += size
	}
}

// readLogLine reads a line. One that is too long is nil.
func readLogLine(in *bufio.Reader) (line []byte, size int64, err error) {
	for {
		part, err := in.ReadSlice('\n')
		size += int64(len(part))
		if size <= maxLogLine {
			line = append(line, part...)
		} else {
			line = nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, size, err
		}
	}
}

// readRecord takes one line in, or notes what is wrong with it.
func (r *Replay) readRecord(line []byte, at logPlace, bad *LogError, torn bool) {
	if line == nil {
		bad.add(at.line, "it is too long")
		return
	}
	rec, err := DecodeRecord(line)
	switch {
	case len(bytes.TrimSpace(line)) == 0:
		return
	case err != nil && torn:
		bad.add(at.line, "the file ends in the middle of it")
		return
	case err != nil:
		bad.add(at.line, "it is not a record that autosafe calls export wrote")
		return
	case rec.IsOffline():
		r.Offline++
		return
	}
	if err := rec.CheckKey(); err != nil {
		bad.add(at.line, err.Error())
		return
	}
	key, _ := hex.DecodeString(rec.Key) // CheckKey has compared it
	copy(at.key[:], key)
	r.places = append(r.places, at)
	r.models[modelOfRecord(rec)]++
}

// arrange orders the records, and refuses two answers to one call.
func (r *Replay) arrange(bad *LogError) {
	slices.SortFunc(r.places, func(a, b logPlace) int {
		return cmp.Or(bytes.Compare(a.key[:], b.key[:]), cmp.Compare(a.line, b.line))
	})
	r.places = slices.CompactFunc(r.places, func(later, earlier logPlace) bool {
		if later.key != earlier.key {
			return false
		}
		x, xerr := r.record(earlier)
		y, yerr := r.record(later)
		if xerr != nil || yerr != nil || !sameAnswer(x.Answer, y.Answer) {
			bad.add(later.line, fmt.Sprintf("line %d has another answer to the same call: keep one of them", earlier.line))
		}
		r.models[modelOfRecord(y)]--
		return true
	})
}

func sameAnswer(a, b Answer) bool {
	x, xerr := compact(a)
	y, yerr := compact(b)
	return xerr == nil && yerr == nil && bytes.Equal(x, y)
}

func (e *LogError) add(line int32, what string) {
	if len(e.Problems) == maxLogProblems {
		e.More++
		return
	}
	e.Problems = append(e.Problems, fmt.Sprintf("line %d: %s", line, what))
}

// record reads a record again.
func (r *Replay) record(at logPlace) (Record, error) {
	line := make([]byte, at.size)
	if _, err := r.file.ReadAt(line, at.off); err != nil && !errors.Is(err, io.EOF) {
		return Record{}, err
	}
	return DecodeRecord(line)
}

// find gives the record of a call.
func (r *Replay) find(k [sha256.Size]byte) (Record, bool, error) {
	i, ok := slices.BinarySearchFunc(r.places, k, func(p logPlace, k [sha256.Size]byte) int { return bytes.Compare(p.key[:], k[:]) })
	if !ok {
		return Record{}, false, nil
	}
	rec, err := r.record(r.places[i])
	if err == nil && rec.Key != hex.EncodeToString(k[:]) {
		err = errForeignKey
	}
	if err == nil {
		err = rec.CheckKey()
	}
	if err != nil {
		return Record{}, false, fmt.Errorf("line %d of the recorded log was changed during the build: %w", r.places[i].line, err)
	}
	return rec, true, nil
}

// Calls is how many calls the log answers.
func (r *Replay) Calls() int { return len(r.places) }

// CallsOf is how many calls of a model the log answers, at most: it holds the
// answers to so many, whatever was asked.
func (r *Replay) CallsOf(m *spec.Model) int {
	return r.models[logModel{m.Provider.Identity(), m.ID}] + r.models[logModel{"", m.ID}]
}

// Used is how many answers were taken from the log so far.
func (r *Replay) Used() int { return int(r.used.Load()) }

// Close closes the file. There may be none.
func (r *Replay) Close() error {
	if r == nil {
		return nil
	}
	return r.file.Close()
}

// Over is a store in which a call that the log has is answered from the log;
// its answer is then kept in the store below, in place of another one there.
func (r *Replay) Over(below ReadyStore) ReadyStore { return &replayStore{below, r} }

type replayStore struct {
	ReadyStore
	log *Replay
}

// Get implements Store.
func (s *replayStore) Get(k [sha256.Size]byte) ([]byte, bool, error) {
	rec, found, err := s.log.find(k)
	if err != nil {
		return nil, false, err
	}
	value, ok, err := s.ReadyStore.Get(k)
	if !found {
		return value, ok, err
	}
	s.log.used.Add(1)
	if ok && err == nil {
		if kept, err := DecodeRecord(value); err == nil && kept.Key == rec.Key && sameAnswer(kept.Answer, rec.Answer) {
			return value, true, nil
		}
	}
	if value, err = rec.encode(); err == nil {
		err = s.Put(k, value, false) // the log has it, were it lost
	}
	return value, err == nil, err
}

// WriteRecord writes a record as a line of a log.
func WriteRecord(w io.Writer, r Record) error {
	b, err := r.encode()
	if err == nil {
		_, err = w.Write(append(b, '\n'))
	}
	return err
}
