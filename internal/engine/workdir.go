package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/autosafe/autosafe/cache"
)

// An output is made in a folder within the final one, so that its files can be
// moved into place on any device. Who makes it holds the lock of a file in it,
// which the system frees however the process ends: a folder without a holder
// was left behind by a build that was killed, and the next one removes it.

const (
	workPrefix = ".autosafe-" // with digits behind it
	workLock   = "lock"
	workFiles  = "files" // where the component writes
)

// unlockedAge is how old a folder without a lock file must be to be stale: its
// maker may just be about to create the file.
const unlockedAge = time.Hour

// maxWorkTries bounds how often a new folder is made, after somebody took one
// for stale before it was locked.
const maxWorkTries = 100

// workDir is a folder in which an output is made.
type workDir struct {
	path  string
	files string // the folder within it that the component may fill
	lock  *os.File
}

// newWorkDir makes a folder within dir, after removing those that are stale.
func newWorkDir(dir string) (*workDir, error) {
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	removeStaleWork(dir)
	for range maxWorkTries {
		w, err := tryWorkDir(dir)
		if err != nil {
			return nil, fmt.Errorf("output folder: %w: choose another one with -out or path", err)
		}
		if w != nil {
			return w, nil
		}
	}
	return nil, fmt.Errorf("output folder: somebody keeps removing %s* from %s: build again", workPrefix, dir)
}

// tryWorkDir makes a folder; nil if somebody took it for stale before it was
// locked.
func tryWorkDir(dir string) (*workDir, error) {
	path, err := os.MkdirTemp(dir, workPrefix)
	if err != nil {
		return nil, err
	}
	w := &workDir{path: path, files: filepath.Join(path, workFiles)}
	if w.lock, err = os.Create(filepath.Join(path, workLock)); err != nil {
		w.remove()
		return nil, err
	}
	_, ok, err := cache.TryLock(w.lock)
	if err == nil && (!ok || !w.there()) {
		w.remove()
		return nil, nil
	}
	// Without locks on this file system nobody takes it for stale either.
	if err := os.Mkdir(w.files, 0o777); err != nil {
		w.remove()
		return nil, err
	}
	return w, nil
}

// there says whether the lock file is still the one that was locked.
func (w *workDir) there() bool {
	held, err := w.lock.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(w.lock.Name())
	return err == nil && os.SameFile(held, now)
}

// remove removes the folder with all that is in it, and frees its lock last: a
// maker that was about to lock the file finds it gone, not a folder that
// vanishes under its hands. What cannot be removed now is stale for the next
// build.
func (w *workDir) remove() {
	err := os.RemoveAll(w.path)
	if w.lock != nil {
		_ = w.lock.Close()
	}
	if err != nil {
		_ = os.RemoveAll(w.path) // not every system removes open files
	}
}

// removeStaleWork removes folders that nobody works in any more. What fails
// is left for the next build.
func removeStaleWork(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		number, ours := strings.CutPrefix(e.Name(), workPrefix)
		if ours && e.IsDir() && number != "" && strings.Trim(number, "0123456789") == "" {
			removeIfStale(filepath.Join(dir, e.Name()), e)
		}
	}
}

func removeIfStale(path string, e os.DirEntry) {
	lock, err := os.OpenFile(filepath.Join(path, workLock), os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > unlockedAge {
			_ = os.RemoveAll(path)
		}
		return
	}
	if err != nil {
		return
	}
	w := &workDir{path: path, lock: lock}
	if _, ok, err := cache.TryLock(lock); err != nil || !ok {
		_ = lock.Close()
		return
	}
	w.remove()
}
