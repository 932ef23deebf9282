package e2e

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// TestKilledCacheCommands kills collections, exports and imports at random
// moments. The build after that pays for nothing and comes to the same; a bundle
// is whole or not there.
func TestKilledCacheCommands(t *testing.T) {
	t.Parallel()
	const lanes, kills = 3, 60
	calm := llmtest.Options{Identity: steady}
	whole := small(t, start(t, calm), 12)
	whole.version("0")
	whole.mustBuild()
	for lane := range lanes {
		t.Run(fmt.Sprint("lane ", lane), func(t *testing.T) {
			t.Parallel()
			l := &cacheLane{project: whole.fork(t), whole: whole, seed: rand.Uint64(), aims: map[string]*aim{}}
			l.server = start(t, calm)
			l.rng = rand.New(rand.NewPCG(l.seed, 0))
			for l.killed < roundsOf(kills/lanes) {
				l.round(t)
				if l.rounds++; t.Failed() {
					t.Fatalf("seed %d, round %d", l.seed, l.rounds)
				}
			}
			l.collect(t)
		})
	}
}

// cacheLane is a cache under which commands are killed.
type cacheLane struct {
	*project
	whole          *project
	seed           uint64
	rng            *rand.Rand
	aims           map[string]*aim // by command
	rounds, killed int
	bundle         int
}

func (l *cacheLane) round(t *testing.T) {
	p := l.project
	if l.rounds%4 == 0 { // what was made before is now in nobody's way
		p.version(fmt.Sprint("round ", l.rounds))
		p.mustBuild()
	}
	bundle := filepath.Join(filepath.Dir(p.cache), "bundle")
	command := [][]string{
		{"cache", "gc", "-keep", "1", "-older-than", "0s"},
		{"cache", "gc", "-keep", "1", "-older-than", "0s"},
		{"cache", "export", bundle, p.dir},
		{"cache", "import", bundle + "-whole"},
	}[l.rng.IntN(4)]
	if command[1] == "import" {
		if r := p.run("cache", "export", bundle+"-whole", p.dir); r.code != 0 {
			t.Fatalf("export: exit %d: %s", r.code, tail(r.stderr))
		}
		if l.rng.IntN(2) == 0 { // or most of it is there
			if err := os.RemoveAll(p.cache); err != nil {
				t.Fatal(err)
			}
		}
	}
	if l.aims[command[1]] == nil {
		begun := time.Now()
		if r := l.fork(t).run(command...); r.code != 0 {
			t.Fatalf("%v: exit %d: %s", command, r.code, tail(r.stderr))
		}
		l.aims[command[1]] = &aim{took: time.Since(begun)} // a first guess
	}
	if err := os.Remove(bundle); err != nil && l.bundle > 0 {
		t.Error(err)
	}
	l.bundle = 0
	p.server.Reset()
	if l.aims[command[1]].kill(p, l.rng, command...) {
		l.killed++
	}
	if command[1] == "import" { // again: what is there already stays
		if r := p.run(command...); r.code != 0 {
			t.Errorf("import after a killed one: exit %d: %s", r.code, tail(r.stderr))
		}
	}
	if got := p.mustBuild(); len(p.requests()) > 0 || strings.Contains(statuses(got.sum), "run") {
		t.Errorf("after %v: %d calls, %s\n%s", command, len(p.requests()), statuses(got.sum), tail(got.stderr))
	}
	sameFiles(t, p.dist(), l.whole.dist())
	if _, err := os.Stat(bundle); err == nil {
		l.bundle++
		l.wantWhole(t, bundle)
	}
	l.wantTidy(t)
}

// collect lets a collection come to its end: over what the killed ones left.
func (l *cacheLane) collect(t *testing.T) {
	t.Helper()
	if r := l.run("cache", "gc", "-keep", "1", "-older-than", "0s"); r.code != 0 {
		t.Errorf("gc after killed ones: exit %d: %s", r.code, tail(r.stderr))
	}
	l.server.Reset()
	if got := l.mustBuild(); len(l.requests()) > 0 || strings.Contains(statuses(got.sum), "run") {
		t.Errorf("after gc: %d calls, %s\n%s", len(l.requests()), statuses(got.sum), tail(got.stderr))
	}
	sameFiles(t, l.dist(), l.whole.dist())
}

// wantWhole builds from a bundle alone, with no network.
func (l *cacheLane) wantWhole(t *testing.T, bundle string) {
	t.Helper()
	q := l.fresh(t)
	if r := q.run("cache", "import", bundle); r.code != 0 {
		t.Errorf("a bundle that is there cannot be taken in: exit %d: %s", r.code, tail(r.stderr))
	}
	q.mustBuild("-offline")
	sameFiles(t, q.dist(), l.whole.dist())
}

// wantTidy checks that killed commands do not fill the folder up.
func (l *cacheLane) wantTidy(t *testing.T) {
	t.Helper()
	var left []string
	err := filepath.WalkDir(filepath.Dir(l.cache), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && (strings.Contains(d.Name(), ".tmp") || strings.HasPrefix(d.Name(), ".autosafe-")) {
			left = append(left, path)
		}
		return err
	})
	if err != nil || len(left) > 3*(l.killed+1) {
		t.Errorf("%v; %d killed commands left %v", err, l.killed, left)
	}
}
