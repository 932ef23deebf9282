package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// writeWhole writes a file whole or not at all: under its name stands what was
// there before until all is on disk.
func writeWhole(path string, content []byte, perm fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".autosafe-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(content)
	if err = errors.Join(err, tmp.Chmod(perm), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
