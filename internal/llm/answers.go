package llm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"sync"
	"time"
)

// found is what the store has for a call.
type found struct {
	answer  Answer
	value   []byte // as it is stored
	refresh uint64 // the refresh that it was asked for
	ok      bool   // answer can be read, and belongs to the call
}

// obtain answers a call from the store, or makes it. Of the processes that
// share the store, the first to claim a call makes it, and the others find its
// answer when their turn comes; if it got none, the next one tries.
//
// A claim is taken before a place under the limits and given back after it, so
// nobody who holds a place waits for another process: two processes cannot
// come to wait for each other.
func (c *client) obtain(ctx context.Context, s *shaped, tally *Tally) (got, error) {
	k, req := s.key, *s.req
	before := s.found
	if !s.looked {
		before = c.stored(k, false)
	}
	if before.ok && c.counts(before, k, req) {
		return c.give(before, k, req, tally), nil
	}
	release, claimed, err := c.claim(ctx, k, req)
	if err != nil {
		return got{}, err
	}
	defer release()
	pending := c.batches.pending(k, req)
	if claimed || s.looked {
		// Of this client, too: when it was looked, the call may have been under way.
		now := c.stored(k, claimed)
		if now.ok && (!req.Refresh || !bytes.Equal(now.value, before.value)) {
			c.remember(k, req) // another process has asked in the meantime
			return c.give(now, k, req, tally), nil
		}
	}
	out, err := c.fetch(ctx, k, req, s.wire, tally, pending)
	if err != nil {
		return got{}, err
	}
	c.remember(k, req)
	return out, nil
}

// counts says whether a stored answer is one for the request: always, unless
// it is to be asked anew, and the answer is from before.
func (c *client) counts(f found, k [sha256.Size]byte, req Request) bool {
	return !req.Refresh || req.RefreshMark != 0 && f.refresh == req.RefreshMark || c.wasAsked(k)
}

// give hands a stored answer out.
func (c *client) give(f found, k [sha256.Size]byte, req Request, tally *Tally) got {
	if c.batches.bought(k, req, f.answer, tally) {
		return got{answer: f.answer, key: k}
	}
	c.budget.learn(req.Model, f.answer.Usage)
	tally.Cached.Add(1)
	return got{answer: f.answer, key: k, cached: true}
}

// remember notes that a call was answered while this client was at work, which
// only requests with Refresh ask about. Part of a key is enough: that two of a
// build's keys agree in it will not happen, and would only keep an old answer.
func (c *client) remember(k [sha256.Size]byte, req Request) {
	if !c.opts.Refresh && !req.Refresh {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked[binary.LittleEndian.Uint64(k[:8])] = struct{}{}
}

func (c *client) wasAsked(k [sha256.Size]byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.asked[binary.LittleEndian.Uint64(k[:8])]
	return ok
}

// PeekStore is a Store that can also tell what it knows without a look at what
// other processes have put since. After Claim, it tells what Get gives.
type PeekStore interface {
	Store
	Peek(key [32]byte) (value []byte, ok bool, err error)
}

// stored looks an answer up; with known, only among those that the store knows,
// if it can. A value that cannot be read, or that belongs to another call, is
// none.
func (c *client) stored(k [sha256.Size]byte, known bool) found {
	if c.opts.Store == nil {
		return found{}
	}
	get := c.opts.Store.Get
	if s, ok := c.opts.Store.(PeekStore); ok && known {
		get = s.Peek
	}
	value, ok, err := get(k)
	if err != nil {
		c.tell(&c.storeTold, "the cache cannot be read; calls are made again", err.Error())
	}
	if err != nil || !ok {
		return found{}
	}
	r, err := DecodeRecord(value)
	if err != nil || r.Key != hex.EncodeToString(k[:]) {
		return found{value: value}
	}
	return found{r.Answer, value, r.Refresh, true}
}

// keep stores an answer, durably if it was paid for. One that cannot be stored
// is not used: the build would go on paying for what it cannot keep.
func (c *client) keep(k [sha256.Size]byte, paid bool, r Record) error {
	if c.opts.Store == nil {
		return nil
	}
	b, err := r.encode()
	if err == nil {
		err = c.opts.Store.Put(k, b, paid)
	}
	if err != nil {
		return c.unkept(err)
	}
	return nil
}

// unkept notes that answers cannot be kept.
func (c *client) unkept(err error) *Error {
	e := &Error{Code: CodeStore, Fatal: true, Summary: "an answer cannot be stored in the cache", Detail: clip(plain(err.Error()), maxDetail)}
	c.full.CompareAndSwap(nil, e)
	return e
}

// canKeep says whether an answer could be kept, as far as is known. It is
// asked before each call: what cannot be kept is not paid for.
func (c *client) canKeep() error {
	if s, ok := c.opts.Store.(ReadyStore); ok {
		c.probed.Do(func() {
			if err := s.Ready(); err != nil {
				_ = c.unkept(err) // told below
			}
		})
	}
	if e := c.full.Load(); e != nil {
		return e
	}
	return nil
}

// claimSoon is how long a claim is tried before anybody watches over it.
const claimSoon = 5 * time.Millisecond

// claimPatience is how long a call waits for another process before the user
// hears of it.
const claimPatience = 30 * time.Second

// claim keeps other processes from making the same call until release. Without
// it the call is made all the same: at worst it is paid twice, and a build that
// stands still for a lock would be worse. err is set if the call is not wanted
// any more.
func (c *client) claim(ctx context.Context, k [sha256.Size]byte, req Request) (release func(), claimed bool, err error) {
	none := func() {}
	if c.opts.Store == nil || c.opts.Offline || isFree(req.Model) {
		return none, false, nil
	}
	select {
	case <-c.opts.Stopping:
		return nil, false, interrupted(errStopping)
	default:
	}
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	// Nearly every claim is free, and has its answer before anybody watches it.
	watch := time.AfterFunc(claimSoon, func() { c.watchClaim(waiting, cancel) })
	defer watch.Stop()
	release, err = c.opts.Store.Claim(waiting, k)
	switch {
	case err == nil:
		return release, true, nil
	case ctx.Err() != nil:
		return nil, false, interrupted(ctx.Err())
	case waiting.Err() != nil:
		return nil, false, interrupted(errStopping)
	}
	c.tell(&c.claimTold, "calls cannot be shared with other builds on this cache; this build makes its own", err.Error())
	return none, false, nil
}

// claimJob waits until no other process sees to a job of the endpoint's that is
// noted under a key.
func (c *client) claimJob(ctx context.Context, store BatchStore, key [32]byte) (release func(), err error) {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	go c.watchClaim(waiting, cancel)
	release, err = store.Claim(waiting, key)
	switch {
	case err == nil:
		return release, nil
	case ctx.Err() != nil:
		return nil, interrupted(ctx.Err())
	case waiting.Err() != nil:
		return nil, interrupted(errStopping)
	}
	return func() {}, nil // as for calls: it is done without
}

// watchClaim calls a wait off when the build stops, and tells of a long one.
func (c *client) watchClaim(ctx context.Context, cancel context.CancelFunc) {
	long := time.NewTimer(c.patience)
	defer long.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.opts.Stopping:
			cancel()
			return
		case <-long.C:
			c.tell(&c.waitTold, "waiting for calls that another build on this cache is making", "If it hangs, end it: its calls are then made here.")
		}
	}
}

// tell reports a kind of trouble, once.
func (c *client) tell(once *sync.Once, summary, detail string) {
	if c.opts.Notify != nil {
		once.Do(func() { c.opts.Notify(summary, clip(plain(detail), maxDetail)) })
	}
}
