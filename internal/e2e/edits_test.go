package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// edit is one change to a built pipeline.
type edit struct {
	name  string
	apply func(p *project)
	// buys are the calls that the next build makes, from those of the first.
	// nil: none, and no row runs either.
	buys func(first calls) map[string]int
	// runs says that rows may run again over calls that are known.
	runs bool
}

// only are all calls of these models.
func only(models ...string) func(calls) map[string]int {
	return func(first calls) map[string]int {
		want := map[string]int{}
		for _, m := range models {
			want[m] = len(first[m])
		}
		return want
	}
}

// beginning are the calls of a model of which the first word about them is
// this.
func beginning(model, word string) func(calls) map[string]int {
	return func(first calls) map[string]int {
		n := 0
		for about := range first[model] {
			if strings.HasPrefix(about, `["`+word+`"`) {
				n++
			}
		}
		return map[string]int{model: n}
	}
}

func replace(file, old, new string) func(*project) {
	return func(p *project) { p.edit(file, old, new) }
}

func edits() []edit {
	named := func(model string) string { return "name        = \"" + model + "\"\n" }
	return []edit{
		// What changes a call buys that call, and what follows from a new
		// answer. The endpoint gives equal answers here, so nothing follows.
		{name: "reflector's prompt, a file read by the recipe", apply: replace(reflectPrompt, "«A»", "«B»"), buys: only("reflector")},
		{name: "reflector's prompt in the recipe", buys: only("reflector"), apply: func(p *project) {
			p.edit(recipe, `file("prompts/reflect.tmpl")`, "<<-END\n"+strings.Replace(p.read(reflectPrompt), "«A»", "«C»", 1)+"  END\n")
		}},
		{name: "judge's temperature", apply: replace(recipe, "temperature = 0\n}\n\nmodel \"reflector\"", "temperature = 0.1\n}\n\nmodel \"reflector\""), buys: only("judge")},
		{name: "agent's system prompt in the simulator", apply: replace(recipe, "«A»", "«B»"), buys: beginning("agent", "simulator")},
		{name: "agent's system prompt in the reflector", buys: beginning("agent", "reflector"), apply: replace(recipe, "«R»", "«S»")},
		{name: "model's name", apply: replace(recipe, named("environment"), named("another")), buys: func(first calls) map[string]int {
			return map[string]int{"another": len(first["environment"])}
		}},
		{name: "max_tokens", apply: replace(recipe, named("generator"), named("generator")+"  max_tokens = 900\n"), buys: only("generator")},
		{name: "top_p", apply: replace(recipe, named("reflector"), named("reflector")+"  top_p = 0.9\n"), buys: only("reflector")},
		{name: "stop", apply: replace(recipe, named("environment"), named("environment")+"  stop = [\"END\"]\n"), buys: only("environment")},
		{name: "generation", apply: replace(recipe, "count = 4", "count = 4\n  generation = 1"), buys: only("generator")},
		{name: "base_url", buys: only(models()...), apply: func(p *project) {
			p.edit(recipe, `env("OPENAI_BASE_URL")`, `replace(env("OPENAI_BASE_URL"), "127.0.0.1", "localhost")`)
		}},

		// What a row hangs on but no call.
		{name: "CEL filter", apply: replace(recipe, "row.safe_verdict.label == 'safe'", "row.safe_verdict.label == 'safe' && row.attempts.size() <= 1"), runs: true},
		{name: "another filter", runs: true, apply: replace(recipe, "  filter \"verified\" {", "  filter \"short\" {\n    keep = \"row.trajectory.size() < 3\"\n  }\n  filter \"verified\" {")},
		{name: "rounds", apply: replace(recipe, "rounds       = 30", "rounds       = 31"), runs: true},
		{name: "split", apply: replace(recipe, "seed   = 7", "seed   = 8"), runs: true},
		{name: "reply_retries", apply: replace(recipe, named("judge"), named("judge")+"  reply_retries = 1\n"), runs: true},

		// What nothing hangs on.
		{name: "comments", apply: func(p *project) {
			p.write(recipe, "# new\n"+strings.ReplaceAll(p.read(recipe), "\n\n", "\n// more\n\n"))
		}},
		{name: "block names", apply: renameBlocks},
		{name: "order", apply: reorder},
		{name: "api_key", apply: func(p *project) { p.key += "-new" }},
		{name: "headers", apply: replace(recipe, "  timeout  = \"30m\"\n", "  timeout  = \"30m\"\n  headers = { X-Team = \"blue\" }\n")},
		{name: "limits", apply: replace(recipe, "concurrency = 8", "concurrency = 3\n    requests_per_minute = 100000")},
		{name: "timeout", apply: replace(recipe, `"30m"`, `"31m"`)},
		{name: "retries", apply: replace(recipe, `"30m"`, "\"30m\"\n  retries = 2")},
		{name: "price", apply: replace(recipe, named("agent"), named("agent")+"  price {\n    input = 1\n    output = 2\n  }\n")},
		{name: "on_error and max_failures", apply: replace(recipe, "max_steps    = 4", "max_steps    = 4\n  on_error = \"drop\"\n  max_failures = 3")},
		{name: "a variable in a value's place", apply: func(p *project) {
			p.edit(recipe, "samples      = 2", "samples      = local.twice")
			p.edit(recipe, "# The pipeline that", "variable \"n\" {\n  default = 1\n}\n\nlocals {\n  twice = 2 * var.n\n}\n# The pipeline that")
		}},
		{name: "a variable file", apply: func(p *project) {
			p.edit(recipe, "samples      = 2", "samples      = var.n")
			p.edit(recipe, "# The pipeline that", "variable \"n\" {\n  type = number\n}\n# The pipeline that")
			p.write("my.auto.hclvars", "n = 2\n")
		}},
		{name: "folder moved", apply: func(p *project) {
			to := filepath.Join(filepath.Dir(p.dir), "else where", "été")
			if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
				p.t.Fatal(err)
			}
			if err := os.Rename(p.dir, to); err != nil {
				p.t.Fatal(err)
			}
			p.dir = to
		}},
		{name: "touched files", apply: touch},
		{name: "recipe in two files", apply: func(p *project) {
			text := p.read(recipe)
			at := strings.Index(text, "threat_source")
			p.write(recipe, text[:at])
			p.write("zz.hcl", text[at:])
		}},
	}
}

// renameBlocks renames every block and every reference to one.
func renameBlocks(p *project) {
	text := p.read(recipe)
	for _, pair := range [][2]string{
		{"openai\" \"main", "openai\" \"other"}, {"openai.main", "openai.other"},
		{"model \"", "model \"my_"}, {"= model.", "= model.my_"},
		{"\"pairs\"", "\"p2\""}, {"catalog.pairs", "catalog.p2"},
		{"\"cases\"", "\"c2\""}, {"instructions.cases", "instructions.c2"},
		{"\"scenarios\"", "\"s2\""}, {"trajectory.scenarios", "trajectory.s2"},
		{"\"safe\" {", "\"r2\" {"}, {"retry.safe", "retry.r2"},
		{"\"training\"", "\"t2\""}, {"distill.training", "distill.t2"},
		{"\"verified\"", "\"v2\""}, {"\"agent_safety\"", "\"d2\""},
	} {
		if !strings.Contains(text, pair[0]) {
			p.t.Fatalf("the recipe has no %q", pair[0])
		}
		text = strings.ReplaceAll(text, pair[0], pair[1])
	}
	p.write(recipe, text)
}

// reorder puts the recipe's blocks in another order.
func reorder(p *project) {
	blocks := strings.Split(p.read(recipe), "\n}\n")
	for i, j := 0, len(blocks)-2; i < j; i, j = i+1, j-1 {
		blocks[i], blocks[j] = blocks[j], blocks[i]
	}
	p.write(recipe, strings.Join(blocks, "\n}\n"))
}

// touch gives every file another time.
func touch(p *project) {
	then := time.Now().Add(-time.Hour)
	for name := range files(p.t, p.dir) {
		if err := os.Chtimes(filepath.Join(p.dir, name), then, then); err != nil {
			p.t.Fatal(err)
		}
	}
}

// TestEdits edits a built pipeline in one place and builds again. What is
// bought is counted at the endpoint, and must be exactly what the rows of the
// first build say hangs on the edit.
func TestEdits(t *testing.T) {
	t.Parallel()
	server := start(t, llmtest.Options{Identity: steady, UnsafeShare: 0.6})
	base := pipeline(t, server)
	first := base.mustBuild()
	behind := told(t, base)
	wantAsked(t, base, behind.counts())
	if n := behind.counts(); len(n) != len(models()) || n["reflector"] < 8 || n["environment"] < 5 {
		t.Fatalf("the first build is too small to tell anything: %v", n)
	}
	for _, e := range edits() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			p := base.fork(t)
			e.apply(p)
			plan := p.plan()
			got := p.mustBuild().sum
			plan.wantDone(t, got)
			switch {
			case e.buys != nil:
				wantAsked(t, p, e.buys(behind))
			case e.runs:
				wantAsked(t, p, nil)
				if got.totals() == first.sum.totals() && statuses(got) == statuses(first.sum) {
					t.Error("the edit had no effect")
				}
			default:
				wantIdle(t, p, got)
				sameFiles(t, p.dist(), base.dist())
			}
			if e.buys != nil || e.runs {
				whole := p.fresh(t)
				whole.mustBuild()
				sameFiles(t, p.dist(), whole.dist())
			}
			if again := p.mustBuild().sum; again.Calls.Made != 0 || strings.Contains(statuses(again), "run") {
				t.Errorf("a build after that ran again: %s", statuses(again))
			}
		})
	}
}

// TestMoreSamples raises samples from 2 to 3: only the third ones are bought.
func TestMoreSamples(t *testing.T) {
	t.Parallel()
	p := pipeline(t, start(t, llmtest.Options{Identity: steady, UnsafeShare: 0.6}))
	p.mustBuild()
	before := told(t, p)
	old := rowsByID(p.rows(stepSafe))

	q := p.fork(t)
	q.key += "-three"
	q.edit(recipe, "samples      = 2", "samples      = 3")
	sum := q.mustBuild().sum
	after := told(t, q)
	wantAsked(t, q, after.minus(before).counts())
	for id, r := range rowsByID(q.rows(stepSafe)) {
		third := strings.HasSuffix(id, ".2")
		if _, known := old[id]; known == third {
			t.Errorf("row %s: third sample %v, known before %v", id, third, known)
		} else if known && !maps.EqualFunc(r, old[id], func(a, b json.RawMessage) bool { return string(a) == string(b) }) {
			t.Errorf("row %s differs from before", id)
		}
	}
	st := sum.step(t, stepScenarios)
	if st.RowsHit*3 != st.RowsOut*2 {
		t.Errorf("%d of %d rows were known, want two thirds", st.RowsHit, st.RowsOut)
	}
}

// TestOneMoreToolkit adds a toolkit to the source's folder: only its rows are
// bought.
func TestOneMoreToolkit(t *testing.T) {
	t.Parallel()
	p := pipeline(t, start(t, llmtest.Options{Identity: steady, UnsafeShare: 0.6}))
	p.mustBuild()
	before := told(t, p)
	old := rowsByID(p.rows(stepSafe))

	q := p.fork(t)
	q.key += "-more"
	q.write(toolkitsFolder+"/door.json", readFile(t, "testdata/extra/door.json"))
	q.mustBuild()
	after := told(t, q)
	bought := after.minus(before).counts()
	wantAsked(t, q, bought)
	if bought["generator"] == 0 {
		t.Error("the toolkit brought no row")
	}
	for id, r := range rowsByID(q.rows(stepSafe)) {
		if door := strings.Contains(string(r["toolkits"]), "DoorKeeper"); (old[id] == nil) != door {
			t.Errorf("row %s: of the new toolkit %v, new %v", id, door, old[id] == nil)
		}
	}
}

func rowsByID(rows []row) map[string]row {
	out := map[string]row{}
	for _, r := range rows {
		out[r.text("id")] = r
	}
	return out
}

// TestWhatFollows edits where every new answer differs from the old one, so
// that what follows is bought too: an incremental build asks exactly what a
// build from nothing asks and the first build did not.
func TestWhatFollows(t *testing.T) {
	t.Parallel()
	server := start(t, llmtest.Options{UnsafeShare: 0.6})
	base := pipeline(t, server)
	base.mustBuild()
	known := base.bodies()
	for _, e := range edits() {
		if e.buys == nil {
			continue
		}
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			p := base.fork(t)
			e.apply(p)
			p.mustBuild()
			whole := p.fresh(t)
			whole.mustBuild()
			want := whole.bodies()
			if e.name != "base_url" && e.name != "generation" { // which no body shows
				for body, n := range known {
					if want[body] -= n; want[body] <= 0 {
						delete(want, body)
					}
				}
			}
			if got := p.bodies(); e.name != "generation" && !maps.Equal(got, want) {
				t.Errorf("the endpoint was asked %d different things, want %d", len(got), len(want))
			}
			sameFiles(t, p.dist(), whole.dist())
		})
	}
}
