package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// Bounds on what is allocated before main begins. A library that does much more
// work as a program starts, needed or not, costs every command of every user as
// much as a whole build with nothing to do.
const (
	maxInitBytes    = 1900 << 10
	maxInitAllocs   = 12_200
	maxPackageBytes = 210 << 10
)

// TestStart holds what happens before main to its bounds, package by package.
func TestStart(t *testing.T) {
	cmd := exec.Command(filepath.Join(os.Getenv(binaryVar), plainBinary), "version")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var trace strings.Builder
	cmd.Stderr = &trace
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^init (\S+) @.*, (\d+) bytes, (\d+) allocs$`)
	total, allocs, found := 0, 0, line.FindAllStringSubmatch(trace.String(), -1)
	for _, m := range found {
		n, _ := strconv.Atoi(m[2])
		k, _ := strconv.Atoi(m[3])
		total += n
		if n > maxPackageBytes {
			t.Errorf("%s allocates %d bytes as the program starts; %d are the bound", m[1], n, maxPackageBytes)
		}
		allocs += k
	}
	if len(found) < 50 {
		t.Fatalf("only %d packages in the trace:\n%s", len(found), tail(trace.String()))
	}
	if total > maxInitBytes || allocs > maxInitAllocs {
		t.Errorf("%d bytes in %d allocations before main; %d and %d are the bounds", total, allocs, maxInitBytes, maxInitAllocs)
	}
}

// TestNothingWritten builds again with nothing to do: no file of the cache, the
// recipe or the outputs is written, made or removed.
func TestNothingWritten(t *testing.T) {
	t.Parallel()
	p := pipeline(t, start(t, llmtest.Options{}))
	p.plain()
	touch(p) // the digests of files that were just written are not remembered yet
	p.mustBuild()
	state := func() map[string]string {
		all := map[string]string{}
		for _, dir := range []string{p.dir, p.cache} {
			err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
				if err != nil {
					return err
				}
				info, err := d.Info()
				if err == nil {
					all[path] = fmt.Sprint(info.Size(), info.ModTime(), info.Mode())
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		return all
	}
	before := state()
	p.mustBuild()
	after := state()
	for path, was := range before {
		if after[path] != was {
			t.Errorf("%s was %s, is %s", path, was, after[path])
		}
	}
	if len(after) != len(before) || len(before) < 10 {
		t.Errorf("%d files, then %d", len(before), len(after))
	}
}
