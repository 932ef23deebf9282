package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// storedCalls are the requests of the calls that a cache holds, by key, read
// without the code that builds.
func storedCalls(t testing.TB, dir string) map[cache.Digest]string {
	t.Helper()
	store, err := cache.Open(dir, cache.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	out := map[cache.Digest]string{}
	if err := store.Each(cache.Calls, func(k cache.Digest, value []byte) error {
		r, err := llm.DecodeRecord(value)
		out[k] = string(r.Request)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// harm is something that a crash of the machine may do to a file.
type harm struct {
	name string
	// quiet harm may leave a file that looks as if less had been written.
	quiet bool
	do    func(path string, b []byte, rng *rand.Rand) error
}

func harms() []harm {
	write := func(path string, b []byte) error { return os.WriteFile(path, b, 0o666) }
	return []harm{
		{"a flipped bit", false, func(path string, b []byte, rng *rand.Rand) error {
			if len(b) > 0 {
				b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
			}
			return write(path, b)
		}},
		{"cut off", true, func(path string, b []byte, rng *rand.Rand) error { return write(path, b[:rng.IntN(len(b)+1)]) }},
		{"zeros", false, func(path string, b []byte, rng *rand.Rand) error {
			from := rng.IntN(len(b) + 1)
			clear(b[from:min(len(b), from+1+rng.IntN(600))])
			return write(path, b)
		}},
		{"zeros at the end", true, func(path string, b []byte, rng *rand.Rand) error {
			clear(b[rng.IntN(len(b)+1):])
			return write(path, b)
		}},
		{"rubbish behind", true, func(path string, b []byte, rng *rand.Rand) error {
			for range 1 + rng.IntN(200) {
				b = append(b, byte(rng.Uint32()))
			}
			return write(path, b)
		}},
		{"gone", true, func(path string, _ []byte, _ *rand.Rand) error { return os.Remove(path) }},
	}
}

// forgotten are what is removed beside: the more, the deeper the next build
// must look.
func forgotten() [][]string {
	return [][]string{nil, {"dist"}, {"dist", "steps"}, {"dist", "steps", "rows"}}
}

// TestPowerLoss damages any file of a cache at any place. The next build comes
// to the right output, pays for the calls that were destroyed and no other,
// says what it found, and leaves nothing for the one after it.
// -e2e.rounds=10 does ten times as much damage.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	const lanes, n = 4, 120
	base := small(t, start(t, llmtest.Options{Identity: steady}), 16)
	base.version("1")
	want := base.mustBuild().sum
	stored := storedCalls(t, base.cache)
	if total := len(base.requests()); total != len(stored) || total < 32 {
		t.Fatalf("%d calls are stored, %d were made", len(stored), total)
	}
	for lane := range lanes {
		t.Run(fmt.Sprint("lane ", lane), func(t *testing.T) {
			t.Parallel()
			for range roundsOf(n / lanes) {
				seed := rand.Uint64()
				if err := powerLoss(t, base, stored, want.totals(), seed); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
		})
	}
}

// powerLoss damages a copy of a project and builds there.
func powerLoss(t *testing.T, base *project, stored map[cache.Digest]string, want string, seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 0))
	p := base.fork(t)
	p.key += fmt.Sprint(seed)
	defer os.RemoveAll(filepath.Dir(p.cache))
	forget := forgotten()[rng.IntN(4)]
	for _, name := range forget {
		dir := filepath.Join(p.cache, "v1", name)
		if name == "dist" {
			dir = p.dist()
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	story, quiet, err := p.harm(rng)
	story += fmt.Sprint(", forgotten: ", forget)
	if err != nil {
		return fmt.Errorf("%s: %w", story, err)
	}
	lost := map[string]int{}
	left := storedCalls(t, p.cache)
	for k, request := range stored {
		if left[k] == "" {
			lost[request]++
		} else if left[k] != request {
			return fmt.Errorf("%s: a damaged call is read as another", story)
		}
	}

	look := looks(p, rng)
	if r := p.run(look...); r.code < 0 || r.code > 2 || strings.Contains(r.stderr, "goroutine ") {
		return fmt.Errorf("%s: %v: exit %d\n%s", story, look, r.code, tail(r.stderr))
	}
	if n := len(p.requests()); n > 0 {
		return fmt.Errorf("%s: %v made %d calls", story, look, n)
	}
	built := p.mustBuild()
	asked := p.bodies()
	for body, n := range asked {
		if n > lost[body] {
			return fmt.Errorf("%s: asked %d times, although it is stored: %.300s", story, n, body)
		}
	}
	if len(forget) == 3 && sum(asked) != sum(lost) {
		return fmt.Errorf("%s: %d calls were destroyed, %d made", story, sum(lost), sum(asked))
	}
	if built.sum.totals() != want {
		return fmt.Errorf("%s: totals\n%s\nwant\n%s", story, built.sum.totals(), want)
	}
	sameFiles(t, p.dist(), base.dist())
	worked := len(asked) > 0 || len(forget) == 0 && strings.Contains(statuses(built.sum), "run")
	if said := built.stdout + built.stderr; worked && !quiet && !strings.Contains(strings.ToLower(said), "damage") {
		return fmt.Errorf("%s: %d calls were made again (%s), and nothing said why", story, sum(asked), statuses(built.sum))
	}
	p.key += " again"
	wantIdle(t, p, p.mustBuild().sum)
	if t.Failed() {
		return errors.New(story)
	}
	return nil
}

// looks is a command that looks at a cache, whatever state it is in.
func looks(p *project, rng *rand.Rand) []string {
	all := [][]string{
		{"plan", p.dir}, {"builds"}, {"why", "judge.rubric.quality", p.dir}, {"cache", "stats"}, {"cache", "verify"},
		{"show", "judge.rubric.quality", p.dir}, {"cache", "gc", "-dry-run"}, {"validate", p.dir},
		{"cache", "export", filepath.Join(filepath.Dir(p.cache), "bundle"), p.dir}, {"diff", "last", "last"},
	}
	return all[rng.IntN(len(all))]
}

// harm damages one to three files of a project's cache.
func (p *project) harm(rng *rand.Rand) (story string, quiet bool, err error) {
	var names []string
	err = filepath.WalkDir(p.cache, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	for range 1 + rng.IntN(3) {
		name, h := names[rng.IntN(len(names))], harms()[rng.IntN(len(harms()))]
		rel, _ := filepath.Rel(p.cache, name) // it was found below
		story += fmt.Sprintf("%s %s; ", rel, h.name)
		quiet = quiet || h.quiet
		b, rerr := os.ReadFile(name)
		if errors.Is(rerr, fs.ErrNotExist) {
			continue // harmed before
		}
		err = errors.Join(err, rerr, h.do(name, b, rng))
	}
	return story, quiet, err
}
