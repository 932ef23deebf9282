package cache

import (
	"errors"
	"fmt"
	"io/fs"
)

var (
	// ErrNotFound says that the store does not have it: it never did, or it
	// was damaged.
	ErrNotFound = errors.New("not in the cache")
	// ErrClosed says that the store was used after Close.
	ErrClosed = errors.New("the cache is closed")
	// ErrReadOnly says that a store opened with Options.ReadOnly was written.
	ErrReadOnly = errors.New("the cache was opened for reading only")
)

// readOnlyError says that the store in dir cannot be written.
func readOnlyError(dir string) error { return fmt.Errorf("%w: %s", ErrReadOnly, dir) }

// writeError explains an error of writing at path, and what to do about it.
func writeError(path string, err error) error {
	const other = "choose another cache folder with -cache or AUTOSAFE_CACHE"
	switch {
	case err == nil:
		return nil
	case isDiskFull(err):
		return fmt.Errorf("cache: no room to write %s (free some disk space, or %s): %w", path, other, err)
	case errors.Is(err, fs.ErrPermission) || isReadOnlyFS(err):
		return fmt.Errorf("cache: not allowed to write %s (make the folder writable, or %s): %w", path, other, err)
	}
	return fmt.Errorf("cache: write %s: %w", path, err)
}

// readError explains an error of reading the store's own folders.
func readError(path string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("cache: not allowed to read %s (make it readable, or choose another cache folder with -cache or AUTOSAFE_CACHE): %w", path, err)
	}
	if isTooManyOpen(err) {
		return fmt.Errorf("cache: cannot open %s (raise the limit of open files, as with ulimit -n, or collect the cache): %w", path, err)
	}
	return fmt.Errorf("cache: read %s: %w", path, err)
}
