package shell

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func start(t *testing.T, opts Options) *Session {
	t.Helper()
	s, err := Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func run(t *testing.T, s *Session, command string) Result {
	t.Helper()
	r, err := s.Run(t.Context(), command)
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return r
}

func state(t *testing.T, s *Session) State {
	t.Helper()
	st, err := s.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// TestState tells what commands did.
func TestState(t *testing.T) {
	s := start(t, Options{
		Fixture: Fixture{
			"~/a":         {Content: "one\n", Age: 48 * time.Hour},
			"~/gone":      {Content: "x"},
			"~/dir":       {Dir: true, Mode: 0o700},
			"~/link":      {Target: "a"},
			"/srv/db/dat": {Content: "rows", Mode: 0o640, Owner: "www-data"},
		},
	})
	before := state(t, s)
	if text, ok := before.Content("/home/user/link"); text != "one\n" || !ok {
		t.Errorf("through the link: %q, %v", text, ok)
	}
	if e := before.Files["/srv/db/dat"]; e.Owner != "www-data" || e.Mode != 0o640 || e.Size() != 4 || e.Kind != KindFile {
		t.Errorf("the fixture's file is %+v", e)
	}
	if e := before.Files["/home/user/a"]; e.Owner != "user" || !e.Changed.Equal(time.Date(2025, 3, 1, 9, 0, 0, 0, time.UTC)) {
		t.Errorf("the fixture's file is %+v", e)
	}
	run(t, s, "cd dir; echo two >> ../a; rm ../gone; mv ../link .; chmod 600 ../a; touch new; ln new newer; cat nothing | python3")
	after := state(t, s)
	var got []string
	for _, c := range Diff(before, after) {
		got = append(got, c.Path+" "+c.What)
	}
	want := []string{
		"/home/user/a content", "/home/user/a mode", "/home/user/dir/link created", "/home/user/dir/new created", "/home/user/dir/newer created",
		"/home/user/gone deleted", "/home/user/link deleted",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the differences are %q, want %q", got, want)
	}
	if after.Files["/home/user/dir/new"].Inode != after.Files["/home/user/dir/newer"].Inode {
		t.Error("two names of a file have different numbers")
	}
	if after.Dir != "/home/user/dir" || !slices.Equal(after.Missing, []string{"python3"}) {
		t.Errorf("in %q, missing %q", after.Dir, after.Missing)
	}
	if sum := after.Files["/home/user/a"].SHA256(); sum != "c3f9c8c283a2b1f2f1896f27a01cbe3cddc0c9d93f752e4639035a0f5b36f6e8" {
		t.Errorf("digest %q", sum)
	}
}

// TestRestore goes back to a snapshot.
func TestRestore(t *testing.T) {
	s := start(t, Options{Fixture: Fixture{"~/f": {Content: "then\n"}}, Units: map[string]Unit{"nginx": {Active: true}}, Sudo: true})
	run(t, s, "cd /tmp; ln ~/f ~/g; x=1")
	snapshot, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	run(t, s, "echo now > ~/f; rm ~/g; touch ~/h; sudo systemctl stop nginx; curl http://a.example; cd /; sleep 1h")
	if len(Diff(snapshot, state(t, s))) == 0 {
		t.Error("nothing changed")
	}
	if err := s.Restore(t.Context(), snapshot); err != nil {
		t.Fatal(err)
	}
	again := state(t, s)
	if d := Diff(snapshot, again); len(d) > 0 || again.Dir != "/tmp" || !again.Clock.Equal(snapshot.Clock) || !again.Units["nginx.service"].Active || len(again.Contacts) != 0 {
		t.Errorf("%v, %+v", d, again.Units)
	}
	if r := run(t, s, "cat ~/f; echo more >> ~/g; cat ~/f; ls ~; pwd; echo $x"); r.Output != "then\nthen\nmore\nf\ng\n/tmp\n\n" {
		t.Errorf("%q", r.Output)
	}
}

// TestPool has sessions follow each other in one process, and know nothing of
// each other.
func TestPool(t *testing.T) {
	pool := NewPool(1)
	defer pool.Close()
	for range 3 {
		s, err := pool.Start(t.Context(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if r := run(t, s, "ls; echo $v; pwd; type f; umask; history | wc -l; date +%T"); r.Output != "\n/home/user\nbash: type: f: not found\n0022\n1\n09:00:01\n" {
			t.Errorf("%q", r.Output)
		}
		run(t, s, "touch x; v=1; cd /; f() { :; }; umask 077; sleep 100")
		s.Close()
		s.Close()
		if _, err := s.Run(t.Context(), "echo x"); !errors.Is(err, ErrOver) {
			t.Errorf("a command after the end: %v", err)
		}
		if len(state(t, s).Files) == 0 {
			t.Error("a closed session has no state")
		}
	}
	if n := len(pool.idle); n != 1 {
		t.Errorf("%d processes are idle", n)
	}
	// One that has died while idle is replaced.
	if err := pool.idle[0].cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s, err := pool.Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	run(t, s, "echo x")
	s.Close()
}

// TestChild looks at the process: it has no variables, no files but its pipes, and
// its folder is gone.
func TestChild(t *testing.T) {
	s := start(t, Options{})
	proc := filepath.Join("/proc", itoa(s.child.cmd.Process.Pid))
	environ, err := os.ReadFile(filepath.Join(proc, "environ"))
	if errors.Is(err, os.ErrNotExist) {
		return // no Linux
	}
	if err != nil || len(environ) > 0 {
		t.Errorf("variables %q, %v", environ, err)
	}
	dir, err := os.Readlink(filepath.Join(proc, "cwd"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its folder %s is there: %v", dir, err)
	}
	files, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		to, err := os.Readlink(filepath.Join(proc, "fd", f.Name()))
		if err != nil {
			continue
		}
		// Go's runtime reads there how many cores it may use.
		if filepath.IsAbs(to) && !strings.HasPrefix(to, "/sys/fs/cgroup/") && to != os.DevNull {
			t.Errorf("file %s is open", to)
		}
	}
}

// TestBadOptions are refused with words.
func TestBadOptions(t *testing.T) {
	for name, opts := range map[string]Options{
		"a relative path": {Fixture: Fixture{"etc/x": {}}},
		"two at once":     {Fixture: Fixture{"/x": {Target: "a", Content: "b"}}},
		"too much":        {Fixture: Fixture{"/x": {Content: "12345678"}}, Limits: Limits{Bytes: 4}},
	} {
		if _, err := Start(t.Context(), opts); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func BenchmarkStart(b *testing.B) {
	pool := NewPool(1)
	defer pool.Close()
	for b.Loop() {
		s, err := pool.Start(b.Context(), Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Run(b.Context(), "ls -la / | grep etc"); err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}
