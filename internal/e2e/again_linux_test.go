package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// childless runs the binary from a file that is gone by the time it runs, so
// that it cannot start itself again as the built-in plugin: a build that needs
// a process must fail.
func (p *project) childless(args ...string) (int, summary) {
	p.t.Helper()
	gone := filepath.Join(p.t.TempDir(), "gone")
	if err := os.Link(p.bin, gone); err != nil {
		p.t.Fatal(err)
	}
	file, err := os.Open(gone)
	if err != nil {
		p.t.Fatal(err)
	}
	defer file.Close()
	if err := os.Remove(gone); err != nil {
		p.t.Fatal(err)
	}
	cmd := p.command(append([]string{"build", "-json", p.dir}, args...)...)
	cmd.Path, cmd.ExtraFiles = "/proc/self/fd/3", []*os.File{file}
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	stop := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() })
	defer stop.Stop()
	if err := cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		p.t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	var s summary
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &s); err != nil {
		p.t.Fatalf("%v in %q", err, tail(stdout.String()))
	}
	return cmd.ProcessState.ExitCode(), s
}

// TestSameBuildAgain builds once more, where no process could be started: no
// call, no row, no process, and byte-identical outputs. So it is in a copy of
// the recipe in another folder, with other names and comments, also without
// its outputs there.
func TestSameBuildAgain(t *testing.T) {
	t.Parallel()
	p := pipeline(t, start(t, llmtest.Options{}))
	if code, s := p.childless(); code != 1 || !strings.Contains(s.Error, "cannot be started") {
		t.Fatalf("a first build without processes: exit %d, %q; the test proves nothing", code, s.Error)
	}
	first := p.mustBuild()
	before := files(t, p.dist())

	p.key += "-again"
	code, s := p.childless()
	if code != 0 || !s.OK {
		t.Errorf("exit %d: %s", code, s.Error)
	}
	wantIdle(t, p, s)
	if s.totals() != first.sum.totals() {
		t.Errorf("totals\n%s\nwant\n%s", s.totals(), first.sum.totals())
	}
	for name, text := range files(t, p.dist()) {
		if before[name] != text {
			t.Errorf("%s changed", name)
		}
	}

	copied := p.fork(t)
	copied.key += "-copied"
	copied.cache = p.cache
	renameBlocks(copied)
	copied.write(recipe, "# a copy\n"+strings.ReplaceAll(copied.read(recipe), "# ", "# altogether "))
	if code, s = copied.childless(); code != 0 {
		t.Errorf("copied: exit %d: %s", code, s.Error)
	}
	wantIdle(t, copied, s)

	// Only the writing of outputs needs a process.
	if err := os.RemoveAll(copied.dist()); err != nil {
		t.Fatal(err)
	}
	copied.mustBuild()
	wantAsked(t, copied, nil)
	for name, text := range files(t, copied.dist()) {
		if filepath.Base(name) != "autosafe.json" && before[name] != text { // the card names the dataset
			t.Errorf("%s differs in the copy", name)
		}
	}
}
