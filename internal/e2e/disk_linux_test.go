package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// script runs shell commands with a project's environment, in name spaces of
// their own, so that what they mount nobody else sees. BUILD n builds, and
// keeps what it said under n.
func (p *project) script(t testing.TB, text string) {
	t.Helper()
	for _, attr := range []*syscall.SysProcAttr{asRoot(), {Unshareflags: syscall.CLONE_NEWNS}} {
		cmd := p.command()
		cmd.Path, cmd.Args = "/bin/sh", []string{"sh", "-e", "-c", p.preamble(t) + text}
		cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"))
		cmd.SysProcAttr = attr
		stop := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() })
		out, err := cmd.CombinedOutput()
		stop.Stop()
		if err == nil {
			return
		}
		if _, began := os.Stat(p.said("began")); began == nil {
			t.Fatalf("%v: %s", err, out)
		}
		t.Logf("no name space of this kind: %v: %s", err, out)
	}
	t.Fatal("nothing can be mounted here: these tests need the rights of root, or user name spaces")
}

// asRoot is root in a user name space.
func asRoot() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER, Unshareflags: syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
}

// said is the file in which a script keeps what a build said.
func (p *project) said(name string) string { return filepath.Join(filepath.Dir(p.cache), name) }

func (p *project) preamble(t testing.TB) string {
	t.Helper()
	if err := os.MkdirAll(p.cache, 0o777); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`BIN=%q DIR=%q CACHE=%q SAID=%q
BUILD() { n=$1; shift; code=0; "$@" "$BIN" build -json "$DIR" >"$SAID$n.out" 2>"$SAID$n.err" || code=$?; echo $code >"$SAID$n.code"; }
`, p.bin, p.dir, p.cache, p.said("")+"/")
}

// built is what the n-th build of a script came to.
func (p *project) built(t testing.TB, n int) result {
	t.Helper()
	read := func(ext string) string { return readFile(t, p.said(strconv.Itoa(n)+ext)) }
	code, err := strconv.Atoi(strings.TrimSpace(read(".code")))
	if err != nil {
		t.Fatal(err)
	}
	r := result{code: code, stdout: read(".out"), stderr: read(".err")}
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r.sum); err != nil {
		t.Fatalf("build %d: exit %d: %v in %q\n%s", n, code, err, tail(r.stdout), tail(r.stderr))
	}
	return r
}

// wantClear checks that a build failed and says why, in words, not in a trace.
func wantClear(t testing.TB, r result, words ...string) {
	t.Helper()
	said := r.stdout + r.stderr
	if r.code != 1 || r.sum.OK {
		t.Errorf("exit %d, ok %v", r.code, r.sum.OK)
	}
	for _, w := range words {
		if !strings.Contains(said, w) {
			t.Errorf("nothing says %q: %s", w, tail(said))
		}
	}
	for _, w := range []string{"goroutine ", "panic:", "fatal error"} {
		if strings.Contains(said, w) {
			t.Errorf("it crashed: %s", tail(said))
		}
	}
}

// TestDiskFull builds with a cache on a disk that is full sooner or later, and
// again when there is room: what was answered and kept is not paid for again.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	server := start(t, llmtest.Options{})
	whole := small(t, server, 40)
	want := whole.mustBuild().sum
	once := whole.bodies()
	for _, size := range []int{20, 44, 72, 100} { // KiB; a build takes some more
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			p := whole.fresh(t)
			p.script(t, fmt.Sprintf(`mount -t tmpfs -o size=%dk tmpfs "$CACHE"; echo >"${SAID}began"
BUILD 1
mount -o remount,size=64m "$CACHE"
BUILD 2
BUILD 3`, size))
			wantClear(t, p.built(t, 1), "no space left on device")
			second, third := p.built(t, 2), p.built(t, 3)
			if second.code != 0 || second.sum.totals() != want.totals() {
				t.Errorf("with room: exit %d, %s\n%s", second.code, second.sum.totals(), tail(second.stderr))
			}
			sameFiles(t, p.dist(), whole.dist())
			asked := p.bodies()
			if repeated := sum(asked) - len(asked); repeated > concurrency || len(asked) != len(once) {
				t.Errorf("%d calls, %d of them different; want %d, and at most %d again", sum(asked), len(asked), len(once), concurrency)
			}
			if third.code != 0 || third.sum.Calls.Made != 0 || strings.Contains(statuses(third.sum), "run") {
				t.Errorf("once more: exit %d, %d calls, %s", third.code, third.sum.Calls.Made, statuses(third.sum))
			}
		})
	}
	t.Run("outputs", func(t *testing.T) {
		t.Parallel()
		p := whole.fresh(t)
		p.write("asks.jsonl", strings.ReplaceAll(numbered(40), `"number"`, `"padding":"`+strings.Repeat("long ", 400)+`","number"`))
		if err := os.MkdirAll(p.dist(), 0o777); err != nil {
			t.Fatal(err)
		}
		p.script(t, `mount -t tmpfs -o size=48k tmpfs "$DIR/dist"; echo >"${SAID}began"
BUILD 1
find "$DIR/dist" -type f >"$SAID"left
mount -o remount,size=64m "$DIR/dist"
BUILD 2
cp -r "$DIR/dist" "$SAID"dist`)
		wantClear(t, p.built(t, 1), "no space left on device")
		if left := readFile(t, p.said("left")); left != "" {
			t.Errorf("a build that failed left %s", left)
		}
		if second := p.built(t, 2); second.code != 0 || second.sum.Calls.Made != 0 {
			t.Errorf("with room: exit %d, %d calls\n%s", second.code, second.sum.Calls.Made, tail(second.stderr))
		}
		alone := p.fresh(t)
		alone.mustBuild()
		sameFiles(t, p.said("dist"), alone.dist())
	})
}

// TestReadOnlyCache builds with a cache that cannot be written: what is there
// can be used, and nothing is asked that could not be kept.
func TestReadOnlyCache(t *testing.T) {
	t.Parallel()
	whole := small(t, start(t, llmtest.Options{}), 20)
	whole.mustBuild()
	p := whole.fork(t)
	p.key += "-read-only"
	p.script(t, `mount --bind "$CACHE" "$CACHE"; mount -o remount,bind,ro "$CACHE"; echo >"${SAID}began"
BUILD 1
sed s/VERSION/OTHER/ "$DIR/recipe.hcl" >"$DIR/new"; mv "$DIR/new" "$DIR/recipe.hcl"
BUILD 2`)
	if r := p.built(t, 1); r.code != 0 {
		wantClear(t, r, "read-only")
	} else {
		wantIdle(t, p, r.sum)
	}
	wantClear(t, p.built(t, 2), "read-only")
	wantAsked(t, p, nil)
	sameFiles(t, p.cache, whole.cache)
	if r := p.mustBuild(); r.sum.Calls.Made != 40 {
		t.Errorf("%d calls, want 40", r.sum.Calls.Made)
	}
}

// TestOtherDevices has the recipe, the outputs and the cache on a device each.
func TestOtherDevices(t *testing.T) {
	t.Parallel()
	whole := small(t, start(t, llmtest.Options{}), 20)
	want := whole.mustBuild().sum
	p := whole.fresh(t)
	if err := os.MkdirAll(p.dist(), 0o777); err != nil {
		t.Fatal(err)
	}
	p.script(t, `mount -t tmpfs tmpfs "$CACHE"; mount -t tmpfs tmpfs "$DIR/dist"; echo >"${SAID}began"
BUILD 1
BUILD 2
cp -r "$DIR/dist" "$SAID"dist`)
	for n := 1; n <= 2; n++ {
		if r := p.built(t, n); r.code != 0 || r.sum.totals() != want.totals() || n == 2 && strings.Contains(statuses(r.sum), "run") {
			t.Errorf("build %d: exit %d, %s, %s\n%s", n, r.code, statuses(r.sum), r.sum.totals(), tail(r.stderr))
		}
	}
	sameFiles(t, p.said("dist"), whole.dist())
	if asked := p.bodies(); sum(asked) != 40 {
		t.Errorf("%d calls, want 40", sum(asked))
	}
}

// TestFileSizeLimit builds where no file may grow past a size, which needs no
// rights: it is how a quota looks from inside.
func TestFileSizeLimit(t *testing.T) {
	t.Parallel()
	whole := small(t, start(t, llmtest.Options{}), 40)
	want := whole.mustBuild().sum
	p := whole.fresh(t)
	cmd := exec.Command("/bin/sh", "-c", p.preamble(t)+`LIMITED() { ( ulimit -f 24; trap "" XFSZ; exec "$@" ); }
BUILD 1 LIMITED
BUILD 2`)
	cmd.Env = p.command().Env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	wantClear(t, p.built(t, 1), "file too large")
	if r := p.built(t, 2); r.code != 0 || r.sum.totals() != want.totals() {
		t.Errorf("without a limit: exit %d, %s", r.code, r.sum.totals())
	}
	if asked := p.bodies(); len(asked) != 80 || sum(asked) > 80+concurrency {
		t.Errorf("%d calls, %d of them different; want 80", sum(asked), len(asked))
	}
	sameFiles(t, p.dist(), whole.dist())
}
