package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
)

// writable says what is wrong with a place for a file, if it is plain to see.
func writable(path string) error {
	if isDir(path) {
		return fmt.Errorf("%s is a folder: give the name of a file in it", view.Quote(path))
	}
	if dir := filepath.Dir(path); !isDir(dir) {
		return fmt.Errorf("%s cannot be written: there is no folder %s; make it, or give another place", view.Quote(path), view.Quote(dir))
	}
	return nil
}

// pathCause is what is wrong, for errors that begin with what was tried and
// where.
func pathCause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// writeWhole writes a file whole or not at all: under its name stands what was
// there before until all is on disk.
func writeWhole(path string, content []byte, perm fs.FileMode) error {
	return writeWholeWith(path, perm, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// writeWholeWith is writeWhole with what write writes.
func writeWholeWith(path string, perm fs.FileMode, write func(io.Writer) error) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".autosafe-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if err = errors.Join(write(tmp), tmp.Chmod(perm), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
