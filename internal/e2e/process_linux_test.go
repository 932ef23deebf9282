package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// ownBinary gives a project a binary of its own, by which its processes are
// told from those of other tests.
func (p *project) ownBinary() {
	p.t.Helper()
	own := filepath.Join(filepath.Dir(p.dir), "autosafe-own")
	if err := os.Link(p.bin, own); err != nil {
		p.t.Fatal(err)
	}
	p.bin = own
}

// processes are those that run a binary, by number.
func processes(t testing.TB, bin string) []int {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	var out []int
	for _, l := range links {
		if exe, err := os.Readlink(l); err != nil || strings.TrimSuffix(exe, " (deleted)") != bin {
			continue // not ours, or gone meanwhile
		}
		if pid, err := strconv.Atoi(strings.Split(l, "/")[2]); err == nil {
			out = append(out, pid)
		}
	}
	return out
}

// wantGone waits until no process runs a binary.
func wantGone(t testing.TB, bin string) {
	t.Helper()
	eventually(t, "processes are left behind", func() bool { return len(processes(t, bin)) == 0 })
}

func killProcess(t testing.TB, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}
