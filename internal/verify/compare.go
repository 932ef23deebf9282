package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/publish"
)

// Compare holds a folder to one that was made again, file by file and byte by
// byte. Signatures and hidden files are left out. It says how many files it
// compared.
func Compare(ctx context.Context, f, again *Folder) (int, []Problem, error) {
	var problems []Problem
	n := 0
	for _, name := range again.Names() {
		if !compared(name) {
			continue
		}
		n++
		if !f.Has(name) {
			problems = append(problems, Problem{name, "building again makes it, and it is missing"})
			continue
		}
		what, err := compareFile(ctx, f, again, name)
		if err != nil {
			return n, nil, err
		}
		if what != "" {
			problems = append(problems, Problem{name, what})
		}
	}
	for _, name := range f.Names() {
		if compared(name) && !again.Has(name) {
			problems = append(problems, Problem{name, "building again does not make it"})
		}
	}
	sortProblems(problems)
	return n, problems, nil
}

func compared(name string) bool {
	return name == publish.SumsName || name == engine.NoteName || !unlisted(name)
}

// compareFile says where two files begin to differ.
func compareFile(ctx context.Context, f, again *Folder, name string) (string, error) {
	have, _, err := f.OpenFile(name)
	if err != nil {
		return unreadable(err), nil
	}
	defer have.Close()
	want, _, err := again.OpenFile(name)
	if err != nil {
		return "", fmt.Errorf("%s, made again: %w", name, err)
	}
	defer want.Close()
	a, b := &cancelled{ctx, have}, &cancelled{ctx, want}
	x, y := make([]byte, 64<<10), make([]byte, 64<<10)
	at, line := int64(0), 1
	for {
		n, errA := io.ReadFull(a, x)
		m, errB := io.ReadFull(b, y)
		if !ended(errA) || !ended(errB) {
			return "", errors.Join(errA, errB)
		}
		for i := range min(n, m) {
			if x[i] != y[i] {
				return fmt.Sprintf("it differs from what building again makes, from byte %d on (line %d)", at+int64(i), line+bytes.Count(x[:i], []byte{'\n'})), nil
			}
		}
		switch {
		case n < m:
			return fmt.Sprintf("it ends at byte %d, and building again makes more", at+int64(n)), nil
		case n > m:
			return fmt.Sprintf("it goes on after byte %d, and building again makes no more", at+int64(m)), nil
		case errA != nil:
			return "", nil
		}
		at += int64(n)
		line += bytes.Count(x, []byte{'\n'})
	}
}

// ended holds for reading that went well, to a file's end perhaps.
func ended(err error) bool {
	return err == nil || err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF)
}
