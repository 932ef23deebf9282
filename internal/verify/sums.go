package verify

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/publish"
	"github.com/autosafe/autosafe/spec/lockfile"
)

// maxLine bounds a line of a list of checksums.
const maxLine = 4 << 10

// Listed is a folder as its SHA256SUMS lists it.
type Listed struct {
	// Files are those that the list names and the list itself, in order of name.
	Files []File
	// Extra are files of the folder that the list does not name.
	Extra []string
	// Problems are files that are not as the list says.
	Problems []Problem
}

// Sums holds the files of a folder to its list of checksums.
func (f *Folder) Sums(ctx context.Context) (*Listed, error) {
	sums, problem, err := f.readSums()
	if err != nil || problem != nil {
		return &Listed{Problems: list(problem)}, err
	}
	names := slices.Sorted(maps.Keys(sums))
	files, problems, err := f.measureAll(ctx, append(names, publish.SumsName))
	if err != nil {
		return nil, err
	}
	l := &Listed{Problems: problems}
	for _, name := range append(names, publish.SumsName) {
		file, ok := files[name]
		if !ok {
			continue
		}
		if want := sums[name]; name != publish.SumsName && file.SHA256 != want {
			l.Problems = append(l.Problems, Problem{name, differs(file.SHA256, want, publish.SumsName)})
		}
		l.Files = append(l.Files, file)
	}
	slices.SortFunc(l.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	for _, name := range f.Names() {
		if _, ok := sums[name]; !ok && !unlisted(name) {
			l.Extra = append(l.Extra, name)
		}
	}
	sortProblems(l.Problems)
	return l, nil
}

// differs says that a file's digest is not the one that a list has.
func differs(got, want, list string) string {
	return fmt.Sprintf("it was changed: its SHA-256 is %s, and %s says %s", got, list, want)
}

// unlisted says whether a file is one that no list of checksums names: the list
// itself, the note of what autosafe wrote beside it, the signature, which is
// made later, and hidden files, which are of tools such as git and no training
// program reads.
func unlisted(name string) bool {
	return name == publish.SumsName || name == engine.NoteName || name == publish.EnvelopeName ||
		strings.HasPrefix(name, ".") || strings.Contains(name, "/.")
}

func list(p *Problem) []Problem {
	if p == nil {
		return nil
	}
	return []Problem{*p}
}

// readSums reads the list of checksums, as sha256sum writes it.
func (f *Folder) readSums() (map[string]string, *Problem, error) {
	bad := func(format string, args ...any) (map[string]string, *Problem, error) {
		return nil, &Problem{publish.SumsName, fmt.Sprintf(format, args...)}, nil
	}
	if !f.Has(publish.SumsName) {
		return bad("it is missing: give the folder that a card block names, after autosafe build")
	}
	file, _, err := f.OpenFile(publish.SumsName)
	if err != nil {
		return bad("%s", unreadable(err))
	}
	defer file.Close()
	sums := map[string]string{}
	in := bufio.NewReaderSize(file, maxLine)
	for n := 1; ; n++ {
		line, err := in.ReadSlice('\n')
		if err == io.EOF && len(line) == 0 {
			return sums, nil, nil
		}
		if err == bufio.ErrBufferFull || err == io.EOF {
			return bad("line %d does not end, or is longer than any that autosafe writes", n)
		}
		if err != nil {
			return nil, nil, err
		}
		sum, name, ok := strings.Cut(strings.TrimSuffix(string(line), "\n"), "  ")
		switch _, twice := sums[name]; {
		case !ok || !lockfile.IsHash(sum):
			return bad("line %d is not a SHA-256, two spaces and a file name", n)
		case checkName(name) != nil:
			return bad("line %d: %v", n, checkName(name))
		case twice:
			return bad("line %d names %q again", n, name)
		case len(sums) == maxFiles:
			return bad("it names more than %d files", maxFiles)
		}
		sums[name] = sum
	}
}
