package engine

import (
	"errors"
	"fmt"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/key"
)

// A source runs again when its file changed, and then mostly gives the rows
// that it gave before. What its rows became is remembered block by block,
// under names that stand for their content, and the source leaves the blocks
// out that are known. It is a shortcut and nothing else: what is lost of it
// costs time.

// The tags of its keys.
const (
	blockTag  = "autosafe.block/1"
	blocksTag = "autosafe.blocks/1"
)

// maxKnownBlocks bounds what a source is told: 32 bytes each.
const maxKnownBlocks = 1 << 18

// sourceBlocks are the blocks of a source. Those that it tells of names are
// used by its pipeline, the rest by passSource alone.
type sourceBlocks struct {
	build *build
	list  cache.Digest // the names of the last run are under it
	keys  rowKeys
	known map[cache.Digest]int // how many rows they have
	ready chan struct{}        // closed when known, or err, is set
	err   error

	names []byte // of this run, in order
	made  []madeChunk
}

// newSourceBlocks is nil where a source runs without: with a limit, since a
// block counts as a whole.
func (b *build) newSourceBlocks(st *stepState) (*sourceBlocks, error) {
	if b.opts.Limit > 0 {
		return nil, nil
	}
	body := *st.Role
	body.Files = nil // whatever they hold: the names tell
	parts, err := bodyParts(blockTag, &body, b.fileDigest)
	if err != nil {
		return nil, err
	}
	parts.AddInt("seed", st.Seed)
	parts.AddString("column", st.Role.BlockColumn)
	list := key.New(blocksTag)
	list.AddString("of", cache.Digest(parts.Digest()).String())
	list.AddString("address", st.Address) // one of others, read from other files, has another list
	s := &sourceBlocks{build: b, list: list.Digest(), keys: rowKeys{parts.Encode()}, known: map[cache.Digest]int{}, ready: make(chan struct{})}
	go func() { // beside the start of the process
		defer close(s.ready)
		if !st.refresh {
			s.err = s.open()
		}
	}()
	return s, nil
}

// open finds the blocks of the last run.
func (s *sourceBlocks) open() error {
	b, err := s.build.opts.Store.Get(cache.Steps, s.list)
	if err != nil && !errors.Is(err, cache.ErrNotFound) {
		return err
	}
	for d := (decoder{b: b}); len(d.b) > 0 && d.err == nil && len(s.known) < maxKnownBlocks; {
		var name cache.Digest
		copy(name[:], d.take(len(name)))
		rec, err := s.find(name)
		if err != nil {
			return err
		}
		if rec != nil {
			s.known[name] = len(rec.digests)
		}
	}
	return nil
}

// find gives what became of the rows of a block; nil if that is not known, or
// if the rows are gone.
func (s *sourceBlocks) find(name cache.Digest) (*chunkRecord, error) {
	b, err := s.build.opts.Store.Get(cache.Steps, s.keys.key(name, 0))
	if errors.Is(err, cache.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	rec, err := decodeChunkRecord(b)
	if err != nil || len(rec.tasks) != 1 || rec.tasks[0].Key != name {
		return nil, nil
	}
	for _, c := range rec.chunks {
		if !s.build.blobs().HasBlob(c.digest) {
			return nil, nil
		}
	}
	return rec, nil
}

// ask puts into a run what the source is told.
func (s *sourceBlocks) ask(run *RunSpec) {
	if s == nil {
		return
	}
	run.Known = func() ([][32]byte, error) {
		<-s.ready
		names := make([][32]byte, 0, len(s.known))
		for name := range s.known {
			names = append(names, name)
		}
		return names, s.err
	}
}

// wait waits until nothing of it is at work.
func (s *sourceBlocks) wait() {
	if s != nil {
		<-s.ready
	}
}

// read finds what a source left out.
func (s *sourceBlocks) read(ev RunEvent) (*chunkRecord, error) {
	if s == nil || ev.Block == nil || s.known[*ev.Block] != ev.Same {
		return nil, &RunError{Code: "bad_result", Summary: "the plugin left out rows that are not known", Detail: fmt.Sprintf("%d rows", ev.Same)}
	}
	rec, err := s.find(*ev.Block)
	if err == nil && rec == nil { // it was there a moment ago
		err = &damagedError{fmt.Errorf("block %s: %w", cache.Digest(*ev.Block), cache.ErrNotFound)}
	}
	return rec, err
}

// add passes a batch's rows on. Where these are a block they lie in chunks of
// their own.
func (s *sourceBlocks) add(f *flow, rows []hashed, block *[32]byte) error {
	if s == nil || block == nil {
		return f.appendHashed(rows)
	}
	from := f.cut()
	if err := f.appendHashed(rows); err != nil {
		return err
	}
	rec := &chunkRecord{tasks: []TaskTrace{{*block, len(rows)}}, digests: make([][32]byte, 0, len(rows))}
	for _, segment := range f.between(from, f.cut()) {
		rec.chunks = append(rec.chunks, segment.chunk)
	}
	for i := range rows {
		rec.digests = append(rec.digests, rows[i].digest)
	}
	s.names = append(s.names, block[:]...)
	s.made = append(s.made, madeChunk{s.keys.key(*block, 0), rec})
	return s.keep()
}

// again passes the rows of a block on that is known.
func (s *sourceBlocks) again(f *flow, rec *chunkRecord) error {
	s.names = append(s.names, rec.tasks[0].Key[:]...)
	return f.appendStored(rec.chunks, rec.digests)
}

// keep stores the records of blocks whose rows are stored.
func (s *sourceBlocks) keep() error {
	for len(s.made) > 0 && s.made[0].record.stored() {
		m := s.made[0]
		s.made = s.made[1:]
		if err := s.build.opts.Store.Put(cache.Steps, m.key, m.record.encode()); err != nil {
			return err
		}
	}
	return nil
}

// end stores what is left to be stored, once the source has given all.
func (s *sourceBlocks) end(f *flow) error {
	if s == nil || len(s.names) == 0 {
		return nil
	}
	f.sealing.Wait()
	if err := s.keep(); err != nil {
		return err
	}
	return s.build.opts.Store.Put(cache.Steps, s.list, s.names)
}
