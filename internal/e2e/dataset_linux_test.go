package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

const uniqueStep = "simulator.acme_unique.all"

// TestDataset builds with a component that sees all rows at once: what it gave
// is known as long as its whole input is the same, and a build that was killed
// while it worked leaves nothing that a later one takes for its answer.
func TestDataset(t *testing.T) {
	t.Parallel()
	server, holds := holding(t, llmtest.Options{})
	text := strings.NewReplacer("acme_rephrase", "acme_unique", "said", "all").Replace(rephraseRecipe)
	p := newProject(t, server, map[string]string{recipe: text, "asks.jsonl": asks(4) +
		`{"instruction":"ASK number 1."}` + "\n" + `{"instruction":"Keep me."}` + "\n"})
	binary := filepath.Join(p.dir, ".autosafe", "plugins", "autosafe-plugin-acme")
	if out, err := exec.Command("go", "build", "-o", binary, "./testdata/dataset").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}

	// Killed while it works: the answers so far are of no whole run.
	p.interrupted(holds, 2, func(pid int) { killProcess(t, pid) })
	first := p.mustBuild().sum
	st := first.step(t, uniqueStep)
	if st.RowsHit != 0 || st.RowsOut != 5 || st.Dropped["duplicate"] != 1 {
		t.Errorf("%d rows were known, %d came out, dropped were %v; want 0, 5 and one duplicate", st.RowsHit, st.RowsOut, st.Dropped)
	}
	want := readFile(t, filepath.Join(p.dist(), "rows", "train.jsonl"))
	if n := strings.Count(want, `"of":6`); n != 4 {
		t.Errorf("%d rows know that there are 6, want 4:\n%s", n, want)
	}
	wantAsked(t, p, map[string]int{"writer": 5}) // one was killed with the build
	asked := p.server.Calls()
	if st := p.mustBuild().sum.step(t, uniqueStep); st.Status != "hit" {
		t.Errorf("with nothing to do the step is %s", st.Status)
	}
	if r := p.run("build", "-audit", "100%", p.dir); r.code != 0 || !strings.Contains(r.stdout+r.stderr, "12 rows made again: the same") {
		t.Errorf("an audit exits %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	if r := p.run("build", "-audit", "30%", p.dir); r.code != 0 { // of some rows, among all
		t.Errorf("an audit of some rows exits %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	for _, args := range [][]string{{"plan"}, {"why", uniqueStep}, {"show", uniqueStep}} {
		if r := p.run(append(args, p.dir)...); r.code != 0 {
			t.Errorf("%s exits %d:\n%s%s", args[0], r.code, r.stdout, r.stderr)
		}
	}

	// One row more: all run again, and one call is new.
	more := p.fork(t)
	more.write("asks.jsonl", more.read("asks.jsonl")+`{"instruction":"One more."}`+"\n")
	st = more.mustBuild().sum.step(t, uniqueStep)
	if st.RowsHit != 0 || st.Calls.Made != 1 || st.Calls.Cached != 4 || st.RowsOut != 6 {
		t.Errorf("with a row more %d rows were known, %d calls made, %d known, %d rows out; want 0, 1, 4, 6", st.RowsHit, st.Calls.Made, st.Calls.Cached, st.RowsOut)
	}
	// And without it again: it is known as it was.
	more.write("asks.jsonl", p.read("asks.jsonl"))
	if st := more.mustBuild().sum.step(t, uniqueStep); st.Status != "hit" {
		t.Errorf("after going back the step is %s", st.Status)
	}
	if got := readFile(t, filepath.Join(more.dist(), "rows", "train.jsonl")); got != want {
		t.Errorf("after going back there is\n%s\nwant\n%s", got, want)
	}
	if n := p.server.Calls() - asked; n != 1 {
		t.Errorf("%d further calls were made, want 1", n)
	}
}
