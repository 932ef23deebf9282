package datacheck

import (
	"errors"
	"os"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/builtin/export/files"
)

// readParquet reads a Parquet file's rows as the lines they were made of.
func readParquet(file string, format export.Format, b *batches) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	err = files.ReadParquet(f, info.Size(), format.Columns, func(line []byte) error {
		return b.add(0, line, nil)
	})
	if errors.Is(err, files.ErrParquet) {
		return &fileError{text: err.Error()}
	}
	return err
}
