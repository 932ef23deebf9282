package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/spec"
)

// Checking a recipe takes longer than all else in a build that has nothing to
// do, so that the cache keeps which steps were found good, for each recipe and
// each autosafe. What cannot be kept is checked again.

// checkedKey is where the notes on a recipe stand; false if there is no telling
// which autosafe this is.
func checkedKey(dir string) (cache.Digest, bool) {
	self, err := os.Executable()
	if err != nil {
		return cache.Digest{}, false
	}
	info, err := os.Stat(self)
	if err != nil {
		return cache.Digest{}, false
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return cache.Digest{}, false
	}
	return cache.Sum(fmt.Appendf(nil, "autosafe.checked/1\n%s\n%q %d %d\n%q",
		Version, self, info.Size(), info.ModTime().UnixNano(), dir)), true
}

// checked gives the notes of an earlier run on a recipe, if there are any.
func (s *session) checked() []byte {
	key, ok := checkedKey(s.source.Dir)
	if s.store == nil || !ok {
		return nil
	}
	notes, err := s.store.Get(cache.Describe, key)
	if err != nil {
		return nil
	}
	return notes
}

// keepChecked keeps the notes on a recipe that is being built, if they are
// new. A cache that takes no notes is told of when it has to take rows.
func (s *session) keepChecked(earlier []byte, recipe *spec.Recipe) {
	key, ok := checkedKey(s.source.Dir)
	if s.store == nil || !ok || string(earlier) == string(recipe.Checked) {
		return
	}
	_ = s.store.Put(cache.Describe, key, recipe.Checked)
}
