package verify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/autosafe/autosafe/internal/publish"
)

// maxFiles bounds the files of a folder.
const maxFiles = 200_000

// Problem is a file or a record that is not as it should be.
type Problem struct {
	Subject string `json:"subject"` // the file or the record
	What    string `json:"what"`
}

// Folder is a folder with files that nobody vouches for yet.
type Folder struct {
	root  *os.Root
	files map[string]fs.FileMode // by path with slashes; folders are left out
}

// Open looks at what is in a folder. Its files are read through it alone, so
// that no name leads elsewhere.
func Open(dir string) (*Folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	f := &Folder{root, map[string]fs.FileMode{}}
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return nil
		case len(f.files) == maxFiles:
			return fmt.Errorf("%s holds more than %d files: it is no published dataset", dir, maxFiles)
		}
		f.files[name] = d.Type()
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return f, nil
}

// Close releases the folder, of which files were read and nothing else.
func (f *Folder) Close() { _ = f.root.Close() }

// Has says whether there is something of that name, of whatever kind.
func (f *Folder) Has(name string) bool {
	_, ok := f.files[name]
	return ok
}

// Names are the files of the folder, in order.
func (f *Folder) Names() []string { return slices.Sorted(maps.Keys(f.files)) }

// OpenFile opens a file to read. Only what was found in the folder as a plain
// file is opened.
func (f *Folder) OpenFile(name string) (*os.File, fs.FileInfo, error) {
	kind, ok := f.files[name]
	if !ok {
		return nil, nil, fs.ErrNotExist
	}
	if err := plain(kind); err != nil {
		return nil, nil, err
	}
	file, err := f.root.Open(name)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil {
		err = plain(info.Mode().Type())
	}
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return file, info, nil
}

// plain says what is wrong with a kind of file.
func plain(kind fs.FileMode) error {
	switch {
	case kind&fs.ModeSymlink != 0:
		return errors.New("it is a link, and links are not followed: put the file itself there")
	case kind != 0:
		return errors.New("it is not a plain file")
	}
	return nil
}

// Read reads a file of at most limit bytes.
func (f *Folder) Read(name string, limit int64) ([]byte, error) {
	file, info, err := f.OpenFile(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	tooLarge := fmt.Errorf("it is larger than %d bytes, which none of its kind is", limit)
	if info.Size() > limit {
		return nil, tooLarge
	}
	b, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = tooLarge
	}
	return b, err
}

// File is a file by what it holds.
type File struct {
	Path   string `json:"path"` // with slashes, relative to the folder
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // hex
}

// maxText bounds files of which the whole is read.
const maxText = 64 << 20

// Text reads a file of which the whole is needed and which autosafe writes.
func (f *Folder) Text(name string) ([]byte, error) { return f.Read(name, maxText) }

// Statement reads what the folder says that it was made of.
func (f *Folder) Statement() ([]byte, error) { return f.Text(publish.StatementName) }

// Envelope reads the signatures of the statement.
func (f *Folder) Envelope() ([]byte, error) { return f.Read(publish.EnvelopeName, 2*maxText) }

// Measure reads a file to its end.
func (f *Folder) Measure(ctx context.Context, name string) (File, error) {
	file, _, err := f.OpenFile(name)
	if err != nil {
		return File{}, err
	}
	defer file.Close()
	h := sha256.New()
	size, err := io.Copy(h, &cancelled{ctx, file})
	return File{name, size, hex.EncodeToString(h.Sum(nil))}, err
}

// cancelled is a reader that ends when nobody waits any more.
type cancelled struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelled) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}

// measureAll measures many files at once. Those that cannot be read are
// problems.
func (f *Folder) measureAll(ctx context.Context, names []string) (map[string]File, []Problem, error) {
	files := map[string]File{}
	var problems []Problem
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, name := range names {
		g.Go(func() error {
			file, err := f.Measure(ctx, name)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				problems = append(problems, Problem{name, unreadable(err)})
				return nil
			}
			files[name] = file
			return nil
		})
	}
	err := g.Wait()
	sortProblems(problems)
	return files, problems, err
}

// unreadable says why a file cannot be read, without its path, which stands
// beside it.
func unreadable(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "it is missing"
	}
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return err.Error()
}

func sortProblems(list []Problem) {
	slices.SortStableFunc(list, func(a, b Problem) int { return strings.Compare(a.Subject, b.Subject) })
}

// checkName says what is wrong with the name of a file in a list that somebody
// else wrote.
func checkName(name string) error {
	bad := !fs.ValidPath(name) || name == "." || path.Clean(name) != name || len(name) > 1024 || strings.ContainsAny(name, `\:`)
	for _, r := range name {
		bad = bad || r < ' ' || r == 0x7f
	}
	if bad {
		return fmt.Errorf("%.200q is no name of a file in the folder", name)
	}
	return nil
}
