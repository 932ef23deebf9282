package engine

import (
	"encoding/json"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/key"
)

// A refresh makes rows anew although the cache has them, and puts a mark on each.
// The mark is of the refresh, which has not ended before a build that was asked
// for it has ended well: until then the next build that is asked for it takes it
// up again, and rows with its mark are made already.
//
// The upper half of a mark is of the refresh, the lower half of the engine: rows
// that failed count only for the engine that made them, since the next one may
// have more luck.

// refreshRecord is what the cache holds of a refresh that has not ended.
type refreshRecord struct {
	Mark uint64 `json:"mark"`
}

const (
	ofRefresh = 1<<64 - 1<<32
	ofEngine  = 1<<32 - 1
)

// madeAnew says whether a stored row is one of the refresh with the mark.
func madeAnew(rec *rowRecord, mark uint64) bool {
	return rec.mark == mark || rec.err == nil && rec.mark&ofRefresh == mark&ofRefresh
}

// refreshKey is where the cache keeps what it knows of a refresh of a step.
func (b *build) refreshKey(base key.List) cache.Digest {
	parts := key.New("autosafe.refresh/1")
	d := base.Digest()
	parts.AddString("base", cache.Digest(d).String())
	parts.AddInt("limit", int64(b.opts.Limit))
	return parts.Digest()
}

// markRefresh gives a step the mark of its refresh: of the one that has not
// ended, or of a new one. A plan begins none. It is on disk before the first
// row is made anew: were it lost, that would be for nothing.
func (b *build) markRefresh(st *stepState) error {
	k := b.refreshKey(st.base)
	mark := b.refreshes[k]
	if mark == 0 {
		rec, ok, err := getRecord[refreshRecord](b.opts.Store, k)
		if err != nil {
			return err
		}
		mark = b.mark
		if ok && rec.Mark&ofRefresh != 0 {
			mark = rec.Mark&ofRefresh | b.mark&ofEngine
		}
	}
	st.mark = mark
	if b.dry != nil || b.refreshes[k] != 0 {
		return nil
	}
	b.refreshes[k] = mark
	rec, err := json.Marshal(refreshRecord{mark})
	if err != nil {
		return err
	}
	return b.opts.Store.PutDurable(cache.Steps, k, rec)
}

// endRefreshes forgets the refreshes of a build that ended well.
func (e *Engine) endRefreshes() error {
	for k := range e.refreshes {
		if err := withdraw(e.opts.Store, k); err != nil {
			return err
		}
		delete(e.refreshes, k)
	}
	return nil
}
