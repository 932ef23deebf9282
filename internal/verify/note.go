package verify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/publish"
)

// note holds the note of the documents, which no list names, to the files: it is
// made again of these, and must be the same byte by byte.
func (f *Folder) note(files []File) []Problem {
	bad := func(format string, args ...any) []Problem {
		return []Problem{{engine.NoteName, fmt.Sprintf(format, args...)}}
	}
	have, err := f.Text(engine.NoteName)
	if err != nil {
		return bad("%s", unreadable(err))
	}
	var said noted
	if err := json.Unmarshal(have, &said); err != nil {
		return bad("it cannot be read: %v", err)
	}
	var documents []engine.NotedFile
	for _, file := range files {
		media := publish.MediaType(file.Path)
		if media == "" {
			continue
		}
		digest, err := cache.ParseDigest(file.SHA256)
		if err != nil {
			return bad("%v", err)
		}
		documents = append(documents, engine.NotedFile{Path: file.Path, MediaType: media, Digest: digest, Size: file.Size})
	}
	offline, err := f.offline(files, said.NotForTraining)
	if err != nil {
		return bad("it cannot be held to the notes of the outputs: %v", err)
	}
	want, err := engine.DocumentsNote(documents, offline)
	if err != nil {
		return bad("%v", err)
	}
	if bytes.Equal(have, want) {
		return nil
	}
	for _, one := range said.Files {
		for _, file := range files {
			if file.Path == one.Path && file.SHA256 != one.SHA256 {
				return bad("it was changed: it says that %s has the SHA-256 %.80q, which it has not", one.Path, one.SHA256)
			}
		}
	}
	return bad("it was changed: it is not what autosafe build leaves beside these files, which a build would make it again")
}

// noted is what of a note is looked at.
type noted struct {
	NotForTraining bool `json:"not_for_training"`
	Files          []struct {
		Path   string `json:"path"`
		SHA256 string `json:"sha256"`
	} `json:"files"`
}

// offline says whether the notes of outputs, which the list of checksums names, say
// that the rows are not for training; other is the answer where there are none.
func (f *Folder) offline(files []File, other bool) (bool, error) {
	found, any := false, false
	for _, file := range files {
		if path.Base(file.Path) != engine.NoteName || file.Path == engine.NoteName {
			continue
		}
		text, err := f.Text(file.Path)
		if err != nil {
			return false, errors.New(file.Path + ": " + unreadable(err))
		}
		var said noted
		if err := json.Unmarshal(text, &said); err != nil {
			return false, fmt.Errorf("%s: %w", file.Path, err)
		}
		found, any = found || said.NotForTraining, true
	}
	return found || !any && other, nil
}
