package files

import (
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
)

// ErrParquet is wrapped by what ReadParquet says of a file that is damaged, or
// is none, or is larger in some way than what is read here.
var ErrParquet = errors.New("not a Parquet file that can be read")

// longest bounds a line.
const longest = 64 << 20

// ReadParquet reads the rows of a Parquet file as the lines that they were
// made of, whichever program wrote it: what holds JSON text by its type, by
// the file's metadata or by the columns is the value that the text is of, and
// members that are null are absent. each gets a line's memory; its error ends
// the reading.
//
// A file's claims are checked before memory is taken for them.
func ReadParquet(r io.ReaderAt, size int64, columns []Column, each func(line []byte) error) (err error) {
	defer func() {
		if p := recover(); p != nil { // the library does at some damaged files
			err = fmt.Errorf("%w: %v", ErrParquet, p)
		}
	}()
	if err := checkFooter(r, size); err != nil {
		return fmt.Errorf("%w: %w", ErrParquet, err)
	}
	f, err := parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrParquet, err)
	}
	a := newAssembler(f, columns)
	check := &pageChecker{r: r, size: size}
	defer check.close()
	leaves := leavesOf(f.Schema())
	rows := int64(0)
	for i, g := range f.RowGroups() {
		meta := f.Metadata().RowGroups[i]
		if err := check.group(meta, leaves); err != nil {
			return fmt.Errorf("%w: row group %d: %w", ErrParquet, i, err)
		}
		n, err := a.group(g, rows, each)
		if err != nil {
			return err
		}
		if rows += n; n != meta.NumRows {
			return fmt.Errorf("%w: row group %d has %d rows where %d were said to be", ErrParquet, i, n, meta.NumRows)
		}
	}
	if rows != f.NumRows() {
		return fmt.Errorf("%w: it has %d rows where %d were said to be", ErrParquet, rows, f.NumRows())
	}
	return nil
}

func leavesOf(s *parquet.Schema) []leafLevels {
	var out []leafLevels
	for _, path := range s.Columns() {
		leaf, _ := s.Lookup(path...)
		out = append(out, leafLevels{plainPath(path), leaf.MaxRepetitionLevel > 0})
	}
	return out
}
