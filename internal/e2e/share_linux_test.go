package e2e

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// atOnce runs builds of projects that share a cache, all at the same time.
func atOnce(projects []*project) []result {
	got := make([]result, len(projects))
	var wg sync.WaitGroup
	for i, p := range projects {
		wg.Go(func() { got[i] = p.build() })
	}
	wg.Wait()
	return got
}

// copies are a project n times, each in a folder of its own, on one cache that
// is empty.
func (p *project) copies(t testing.TB, n int) []*project {
	t.Helper()
	var list []*project
	for range n {
		q := p.fresh(t)
		if len(list) > 0 {
			q.cache, q.key = list[0].cache, list[0].key
		}
		list = append(list, q)
	}
	return list
}

// TestManyBuildsAtOnce has two and eight processes build one recipe on one
// empty cache: together they ask what one asks, each call once.
func TestManyBuildsAtOnce(t *testing.T) {
	t.Parallel()
	server := start(t, llmtest.Options{Latency: 3 * time.Millisecond})
	whole := small(t, server, 60)
	want := whole.mustBuild().sum
	once := whole.bodies()
	for _, n := range []int{2, 8} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			projects := whole.copies(t, n)
			var made int64
			for i, r := range atOnce(projects) {
				if r.code != 0 || r.sum.totals() != want.totals() {
					t.Errorf("build %d: exit %d, %s\n%s", i, r.code, r.sum.totals(), tail(r.stderr))
				}
				sameFiles(t, projects[i].dist(), whole.dist())
				made += r.sum.Calls.Made
			}
			if asked := projects[0].bodies(); !maps.Equal(asked, once) {
				t.Errorf("%d calls, %d of them different; one build makes %d", sum(asked), len(asked), sum(once))
			}
			if made != int64(sum(once)) {
				t.Errorf("the builds say that they made %d calls together, want %d", made, sum(once))
			}
		})
	}
}

// TestSharedHalf builds two recipes at once that agree in their first judge
// and not in their second.
func TestSharedHalf(t *testing.T) {
	t.Parallel()
	server := start(t, llmtest.Options{Latency: 3 * time.Millisecond})
	whole := small(t, server, 40)
	once := map[string]int{}
	projects := whole.copies(t, 2)
	projects[1].edit(recipe, "«VERSION» How clear", "«OTHER» How clear")
	var wants []string
	for _, p := range projects {
		alone := p.fresh(t)
		alone.key = t.Name() + p.dir
		wants = append(wants, alone.mustBuild().sum.totals())
		maps.Copy(once, alone.bodies())
	}
	for i, r := range atOnce(projects) {
		if r.code != 0 || r.sum.totals() != wants[i] {
			t.Errorf("build %d: exit %d, %s\nwant\n%s", i, r.code, r.sum.totals(), wants[i])
		}
	}
	if asked := projects[0].bodies(); len(once) != 120 || !maps.Equal(asked, once) {
		t.Errorf("%d calls, %d of them different; want %d", sum(asked), len(asked), len(once))
	}
}

// TestOneOfManyKilled kills one of three builds that share their work: the
// others take it over, and pay again for no more than it had in flight.
func TestOneOfManyKilled(t *testing.T) {
	t.Parallel()
	server, holds := holding(t, llmtest.Options{Latency: 3 * time.Millisecond})
	whole := small(t, server, 60)
	want := whole.mustBuild().sum
	once := whole.bodies()
	projects := whole.copies(t, 4)
	victim := projects[3]
	victim.key += "-victim"
	ended := make(chan []result)
	// It has made some calls and waits for eight when the others begin, and is
	// killed when they are at work.
	victim.interrupted(holds, 20, func(pid int) {
		for _, p := range projects[:3] {
			p.ownBinary()
		}
		go func() { ended <- atOnce(projects[:3]) }()
		for _, p := range projects[:3] {
			eventually(t, "a build does not begin", func() bool { return len(processes(t, p.bin)) > 1 })
		}
		killProcess(t, pid)
	})
	for i, r := range <-ended {
		if r.code != 0 || r.sum.totals() != want.totals() {
			t.Errorf("build %d: exit %d, %s\n%s", i, r.code, r.sum.totals(), tail(r.stderr))
		}
		sameFiles(t, projects[i].dist(), whole.dist())
	}
	asked := victim.bodies()
	if n := sum(asked); n < 20 || n > 20+concurrency {
		t.Errorf("%d calls of the one that was killed", n)
	}
	for body, n := range projects[0].bodies() {
		asked[body] += n
	}
	if repeated := sum(asked) - len(asked); len(asked) != len(once) || repeated > concurrency {
		t.Errorf("%d calls, %d of them different, want %d", sum(asked), len(asked), len(once))
	}
}

// TestBuiltByAnother has processes share more than calls: when one has built
// all, the others find it.
func TestBuiltByAnother(t *testing.T) {
	t.Parallel()
	server := start(t, llmtest.Options{})
	whole := small(t, server, 8)
	projects := whole.copies(t, 2)
	projects[0].mustBuild()
	asked := len(projects[0].requests())
	second := projects[1].mustBuild().sum
	if n := len(projects[1].requests()); n != asked || strings.Count(statuses(second), " run") != 1 { // the outputs, in another folder
		t.Errorf("%d more calls; %s", n-asked, statuses(second))
	}
}

// TestCollectedMeanwhile builds old versions again while a collection removes
// what they rest on: nothing is paid for twice, and the output is right.
func TestCollectedMeanwhile(t *testing.T) {
	t.Parallel()
	whole := small(t, start(t, llmtest.Options{Identity: steady}), 12)
	whole.version("0")
	whole.mustBuild()
	p := whole.fork(t)
	p.key += "-collected"
	versions := []string{"0", "1", "2"}
	for _, v := range versions[1:] {
		p.version(v)
		p.mustBuild()
	}
	asked := len(p.requests())
	for i := range roundsOf(15) {
		p.version(versions[i%len(versions)])
		if i%2 == 0 { // so that the rows are read
			p.write("dist/rows/autosafe.json", "")
		}
		var built, collected result
		var wg sync.WaitGroup
		wg.Go(func() { collected = p.run("cache", "gc", "-keep", "1", "-older-than", "0s") })
		wg.Go(func() { time.Sleep(time.Duration(i%5) * 4 * time.Millisecond); built = p.build() })
		wg.Wait()
		if built.code != 0 || collected.code != 0 {
			t.Fatalf("round %d: exit %d and %d: %s\n%s\n%s", i, built.code, collected.code, built.sum.Error, tail(built.stderr), tail(collected.stderr))
		}
		sameFiles(t, p.dist(), whole.dist())
		if n := len(p.requests()) - asked; n > 0 || t.Failed() {
			t.Fatalf("round %d: %d calls", i, n)
		}
		if again := p.mustBuild(); again.sum.Calls.Made > 0 {
			t.Errorf("round %d: %d calls for the same again", i, again.sum.Calls.Made)
		}
	}
}
