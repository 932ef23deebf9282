package cache

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// claimsFile begins the names of the files whose byte ranges are locked. They
// stay empty. A lock takes as long as there are locks in its file, and builds
// that gather a batch hold a claim for each call in it: hence several.
const (
	claimsFile  = "claims."
	claimsFiles = 16
)

// How often a claim that another process holds is tried again. A call takes
// seconds, so that a quarter of one is not felt; with many waiting, the pause
// follows their number, and all together cost a few per cent of a core.
const (
	claimPauseMin  = 2 * time.Millisecond
	claimPauseMax  = 250 * time.Millisecond
	claimPauseEach = 500 * time.Microsecond // per claim that waits in this store
)

// claims are the keys that this store holds against other processes.
type claims struct {
	path string
	lock func(f *os.File, at int64) (ok bool, err error) // lockRange

	mu      sync.Mutex
	files   [claimsFiles]*os.File // opened when first needed
	idle    bool                  // there are no locks here: every claim is given
	closed  bool                  // the store is
	held    map[int64]int         // offset to the number of claims within the process
	waiting int
}

func newClaims(root string, readOnly bool) *claims {
	return &claims{path: filepath.Join(root, claimsFile), lock: lockRange, idle: readOnly, held: map[int64]int{}}
}

// Claim waits until no other process holds the claim of key, and takes it:
// what is dear is then made once, however many processes want it. Look again
// after it, with Refresh: another process may have put the record meanwhile.
// Let go with release, which may be called more than once. The system lets go
// for a process that ends, however it ends.
//
// Claims of one key within a process do not exclude each other. A claim saves
// work and guards nothing: where the file system has no locks, and in a store
// that is only read, it is given at once; where the system cannot give the lock
// just now, after a few tries. The error is that of ctx, or ErrClosed.
func (s *Store) Claim(ctx context.Context, k Kind, key Digest) (release func(), err error) {
	c, at := s.claims, claimOffset(k, &key)
	failed := 0
	try := func() (done bool) {
		var given bool
		given, err = c.take(at)
		switch {
		case given:
			release = c.releaser(at)
			return true
		case errors.As(err, new(*lockError)):
			failed++
			release, err = func() {}, nil // in case that was the last try
			return failed >= lockTries
		}
		return err != nil
	}
	if try() {
		return release, err
	}
	c.wait(1)
	defer c.wait(-1)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for pause := claimPauseMin; ; pause = min(pause*3/2, claimPauseMax) {
		timer.Reset(c.pause(pause))
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timer.C:
		}
		if try() {
			return release, err
		}
	}
}

// lockTries is how often a lock is tried that the system cannot give, before
// the claim is given without one.
const lockTries = 5

// lockError says that the system could not try a lock: it is short of locks or
// of files, or a server does not answer. Later it may.
type lockError struct{ error }

// noLocks says whether an error means that there are no locks here, now or
// later.
func noLocks(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL)
}

// claimOffset is the byte whose lock stands for the key.
func claimOffset(k Kind, key *Digest) int64 {
	const most = 1<<62 - 1 // the end of the range must be an offset, too
	return int64(mix(binary.LittleEndian.Uint64(key[:])^foldKey(key).hash()+uint64(k)) & most)
}

// pause is how long to wait before a claim is tried again. It is spread, so
// that those who began together do not come together.
func (c *claims) pause(least time.Duration) time.Duration {
	c.mu.Lock()
	d := max(least, time.Duration(c.waiting)*claimPauseEach)
	c.mu.Unlock()
	return d*3/4 + rand.N(d/2)
}

func (c *claims) wait(n int) {
	c.mu.Lock()
	c.waiting += n
	c.mu.Unlock()
}

// take tries the lock once.
func (c *claims) take(at int64) (given bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return false, ErrClosed
	case c.idle:
		return true, nil
	case c.held[at] > 0:
		c.held[at]++
		return true, nil
	}
	f, n := c.files[at%claimsFiles], at%claimsFiles
	if f == nil {
		if f, err = os.OpenFile(c.path+strconv.FormatInt(n, 16), os.O_RDWR|os.O_CREATE, filePerm); err != nil {
			if isTooManyOpen(err) {
				return false, &lockError{err}
			}
			c.idle = true
			return true, nil
		}
		c.files[n] = f
	}
	free, err := c.lock(f, at)
	switch {
	case err == nil:
	case noLocks(err):
		c.idle = true
		return true, nil
	default:
		return false, &lockError{err}
	}
	if free {
		c.held[at] = 1
	}
	return free, nil
}

// releaser returns what lets go of the claim at an offset, once.
func (c *claims) releaser(at int64) func() {
	return sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		n := c.held[at]
		if n > 1 {
			c.held[at] = n - 1
			return
		}
		delete(c.held, at)
		if f := c.files[at%claimsFiles]; n == 1 && f != nil {
			unlockRange(f, at)
		}
	})
}

// close lets go of all claims.
func (c *claims) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, f := range c.files {
		if f != nil {
			_ = f.Close()
		}
		c.files[i] = nil
	}
	c.closed = true
}
