package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// formatDir is the folder, within the cache folder, of the format that this
// package reads and writes. A format that this code cannot read would be in
// another.
const formatDir = "v1"

// defaultSegmentSize is where a segment counts as full. Each kind has one
// segment below it for each process that writes at the same time.
const defaultSegmentSize = 64 << 20

// Options are the choices at Open; the zero value is fine.
type Options struct {
	// Damaged, if set, is told of damage that was found and is treated as
	// absent. It is called from any goroutine and must not call the store.
	// What it is told may be long and names no values.
	Damaged func(kind, what string)
	// ReadOnly makes every put fail with ErrReadOnly and writes nothing at
	// all. The folder must exist.
	ReadOnly bool

	segmentSize int64 // for tests; 0 = defaultSegmentSize
}

// env is what the logs of one store share.
type env struct {
	readOnly    bool
	segmentSize int64
	damaged     func(kind, what string)

	patience time.Duration // before a torn end is looked at again

	// Tests put failing disks here.
	write func(f *os.File, b []byte, off int64) error
	sync  func(f *os.File) error
}

func (e *env) report(k Kind, what string) {
	if e.damaged != nil {
		e.damaged(k.String(), what)
	}
}

// Store is an open cache folder. All methods may be called at the same time
// from many goroutines, and several processes may have one folder open.
type Store struct {
	dir   string
	env   *env
	codec *codec
	logs  map[Kind]*log

	claims *claims
}

// Open opens the cache in the folder dir and makes the folder if need be.
// It reads next to nothing: the index of a kind is loaded when the kind is
// first used.
func Open(dir string, opts Options) (*Store, error) {
	fi, err := os.Stat(dir)
	switch {
	case err == nil && !fi.IsDir():
		return nil, fmt.Errorf("cache: %s is a file, not a folder: move it away, or choose another cache folder with -cache or AUTOSAFE_CACHE", dir)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, readError(dir, err)
	case err != nil && opts.ReadOnly:
		return nil, fmt.Errorf("cache: there is no cache folder %s (the first build makes it; name another with -cache or AUTOSAFE_CACHE): %w", dir, fs.ErrNotExist)
	}
	root := filepath.Join(dir, formatDir)
	if !opts.ReadOnly {
		if err := furnish(dir, root); err != nil {
			return nil, err
		}
	}
	e := &env{readOnly: opts.ReadOnly, damaged: opts.Damaged, segmentSize: opts.segmentSize, patience: 20 * time.Millisecond}
	if e.segmentSize == 0 {
		e.segmentSize = defaultSegmentSize
	}
	e.write = func(f *os.File, b []byte, off int64) error { _, err := f.WriteAt(b, off); return err }
	e.sync = (*os.File).Sync
	s := &Store{dir: dir, env: e, codec: newCodec(), logs: map[Kind]*log{}, claims: newClaims(root, opts.ReadOnly)}
	for _, k := range kinds() {
		s.logs[k] = newLog(k, root, e, s.codec)
	}
	return s, nil
}

const readme = `This folder is the cache of autosafe.

It holds what models answered, the rows that were made from the answers, and
what is needed to find both again. It may thus hold text that is confidential,
or offensive: give the folder to others with the same care as the data itself.

The folder can be deleted at any time. The next build then asks the models for
everything again, which costs time and money. Damaged files are recognised and
the damaged parts made anew. Several builds may use the folder at once.
`

const cacheDirTag = `Signature: 8a477f597d28d172789f06886806bc55
# This file marks the folder as a cache, so that backups can leave it out.
# It was made by autosafe; see the README beside it.
# For the meaning of this file see https://bford.info/cachedir/
`

// furnish makes the folder and its notices. A folder that is there already
// may be of a medium that cannot be written: that is told at the first put.
func furnish(dir, root string) error {
	if fi, err := os.Stat(root); err == nil && !fi.IsDir() {
		return fmt.Errorf("cache: %s is a file, not a folder: move it away, or choose another cache folder with -cache or AUTOSAFE_CACHE", root)
	} else if err != nil {
		if err := os.MkdirAll(dir, topPerm); err != nil {
			return writeError(dir, err)
		}
		if err := os.Mkdir(root, dirPerm); err != nil && !errors.Is(err, fs.ErrExist) {
			return writeError(root, err)
		}
	}
	for _, n := range notices() {
		path := filepath.Join(dir, n.name)
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if err := writeFileAtomic(path, []byte(n.text)); err != nil && !errors.Is(err, fs.ErrPermission) && !isReadOnlyFS(err) {
			return writeError(path, err)
		}
	}
	return nil
}

// log returns the log of a record kind.
func (s *Store) log(k Kind) (*log, error) {
	if k == Blobs {
		return nil, errors.New("cache: blobs are put and read with PutBlob and Blob")
	}
	return s.anyLog(k)
}

// anyLog returns the log of a kind.
func (s *Store) anyLog(k Kind) (*log, error) {
	l := s.logs[k]
	if l == nil {
		return nil, fmt.Errorf("cache: there is no kind of record %s", k)
	}
	return l, nil
}

// PutBlob stores b under its digest and returns that. It is buffered like
// Put. A blob that was put within the last hour, and is undamaged, is not
// written again.
func (s *Store) PutBlob(b []byte) (Digest, error) {
	d := Sum(b)
	l := s.logs[Blobs]
	if err := l.ready(); err != nil {
		return Digest{}, err
	}
	if h, p, ok := l.has(d); ok && l.spare(p, h.seq) {
		return d, nil
	}
	return d, s.add(l, d, b, false)
}

// Blob returns the content with the digest, re-hashed. The error is
// ErrNotFound if the store has no such blob or only a damaged one; putting it
// again heals that.
func (s *Store) Blob(d Digest) ([]byte, error) {
	return s.logs[Blobs].get(d)
}

// Put stores value under key, in place of any earlier value. Get of this
// store sees it at once; after Sync or Close it is durable and other
// processes see it.
func (s *Store) Put(k Kind, key Digest, value []byte) error {
	l, err := s.log(k)
	if err != nil {
		return err
	}
	if err := l.ready(); err != nil {
		return err
	}
	if old, h, p, err := l.lookup(key); err == nil && string(old) == string(value) && l.spare(p, h.seq) {
		return nil
	}
	return s.add(l, key, value, false)
}

// Ready opens what the next put of a kind will write to, and so tells
// beforehand whether records of it can be kept.
func (s *Store) Ready(k Kind) error {
	l, err := s.log(k)
	if err != nil {
		return err
	}
	if err := l.ready(); err != nil {
		return err
	}
	l.wmu.Lock()
	defer l.wmu.Unlock()
	_, err = l.writer()
	return err
}

// PutDurable is Put that returns when the value would survive a crash of the
// machine. Concurrent callers share the cost.
func (s *Store) PutDurable(k Kind, key Digest, value []byte) error {
	l, err := s.log(k)
	if err != nil {
		return err
	}
	if err := l.ready(); err != nil {
		return err
	}
	return s.add(l, key, value, true)
}

// add encodes outside all locks, so that callers compress side by side.
func (s *Store) add(l *log, key Digest, value []byte, durable bool) error {
	rec, err := s.codec.encode(l.kind, key, value)
	if err != nil {
		return fmt.Errorf("cache: %s %s: %w", l.kind, key, err)
	}
	due, err := l.put(key, *rec)
	s.codec.release(rec)
	if err != nil {
		return err
	}
	if durable || due {
		return l.durable()
	}
	return nil
}

// Get returns the value that was last put under key, or ErrNotFound. A
// damaged record is not found. Keys that other processes have made durable
// are found; a newer value that another process gave to a key which this store
// already knows is seen after Refresh. The value is the caller's to change.
func (s *Store) Get(k Kind, key Digest) ([]byte, error) {
	l, err := s.log(k)
	if err != nil {
		return nil, err
	}
	return l.get(key)
}

// Peek is Get that does not look at what other processes have put since this
// store last did.
func (s *Store) Peek(k Kind, key Digest) ([]byte, error) {
	l, err := s.log(k)
	if err != nil {
		return nil, err
	}
	if err := l.ready(); err != nil {
		return nil, err
	}
	v, _, _, err := l.lookup(key)
	if errors.Is(err, errGone) {
		return l.get(key)
	}
	return v, err
}

// Refresh takes in what other processes have written, at the latest when they
// made it durable: of all values put under a key, Get then returns the last.
func (s *Store) Refresh(k Kind) error {
	l, err := s.anyLog(k)
	if err != nil {
		return err
	}
	if err := l.ready(); err != nil {
		return err
	}
	_, err = l.refresh()
	return err
}

// Sync makes everything put so far durable: blobs first, so that no record
// outlives, in a crash, the blobs that it names.
func (s *Store) Sync() error {
	err := s.logs[Blobs].durable()
	for _, k := range kinds() {
		if k != Blobs {
			err = errors.Join(err, s.logs[k].durable())
		}
	}
	return err
}

// Close is Sync, then lets the folder go. The store cannot be used any more.
func (s *Store) Close() error {
	s.claims.close()
	err := s.logs[Blobs].close()
	for _, k := range kinds() {
		if k != Blobs {
			err = errors.Join(err, s.logs[k].close())
		}
	}
	return err
}
