package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/autosafe/autosafe/cache"
)

// flip PATTERN OFFSET turns over every bit of a byte of the largest file that
// fits the pattern.
func cmdFlip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip PATTERN OFFSET")
	}
	file, text := largest(ts, args[0])
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	if at >= len(text) {
		ts.Fatalf("%q has %d bytes", file, len(text))
	}
	text[at] ^= 0xff
	ts.Check(os.WriteFile(file, text, 0o666))
}

// cut PATTERN takes away the second half of the largest file that fits the
// pattern.
func cmdCut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: cut PATTERN")
	}
	file, text := largest(ts, args[0])
	ts.Check(os.Truncate(file, int64(len(text)/2)))
}

// largest is the largest file that fits the pattern.
func largest(ts *testscript.TestScript, pattern string) (file string, content []byte) {
	files, err := filepath.Glob(ts.MkAbs(pattern))
	ts.Check(err)
	for _, f := range files {
		b, err := os.ReadFile(f)
		ts.Check(err)
		if len(b) > len(content) {
			file, content = f, b
		}
	}
	return file, content
}

// nowhere TEXT PATH ... asserts that no file at or below the paths holds the
// text, as it is or in a record of a cache.
func cmdNowhere(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: nowhere TEXT PATH ...")
	}
	files := 0
	for _, path := range args[1:] {
		err := filepath.WalkDir(ts.MkAbs(path), func(file string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.Name() == "CACHEDIR.TAG":
				noRecordHolds(ts, filepath.Dir(file), []byte(args[0]))
			case !d.IsDir():
				files++
				text, err := os.ReadFile(file)
				if err != nil {
					return err
				}
				if bytes.Contains(text, []byte(args[0])) {
					ts.Fatalf("%s holds %q", file, args[0])
				}
			}
			return nil
		})
		ts.Check(err)
	}
	if files == 0 {
		ts.Fatalf("there is no file")
	}
}

func noRecordHolds(ts *testscript.TestScript, dir string, text []byte) {
	store, err := cache.Open(dir, cache.Options{})
	ts.Check(err)
	defer store.Close()
	for _, kind := range []cache.Kind{cache.Steps, cache.Rows, cache.Calls, cache.Blobs, cache.Builds, cache.Describe} {
		err := store.Each(kind, func(key cache.Digest, value []byte) error {
			if bytes.Contains(value, text) {
				ts.Fatalf("a record of kind %s in %s holds %q", kind, dir, text)
			}
			return nil
		})
		ts.Check(err)
	}
}
