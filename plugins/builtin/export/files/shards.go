package files

import (
	"fmt"

	"github.com/autosafe/autosafe/plugins/sdk"
)

// shards are the files of a split.
type shards struct {
	out      *sdk.Dir
	split    string
	numbered bool // SPLIT-00000-of-00001 and so on, and not SPLIT
	ending   string
	media    string

	files []*sdk.File
}

// create makes the next file. How many there will be is known at the end, so
// numbered files have another name until then.
func (s *shards) create() (*sdk.File, error) {
	name := s.split + s.ending
	if s.numbered {
		name = fmt.Sprintf("%s-%05d%s.part", s.split, len(s.files), s.ending)
	}
	f, err := s.out.Create(name, s.media)
	if err != nil {
		return nil, err
	}
	s.files = append(s.files, f)
	return f, nil
}

// rename gives the files their names.
func (s *shards) rename() error {
	if !s.numbered {
		return nil
	}
	for i, f := range s.files {
		if err := s.out.Rename(f, fmt.Sprintf("%s-%05d-of-%05d%s", s.split, i, len(s.files), s.ending)); err != nil {
			return err
		}
	}
	return nil
}
