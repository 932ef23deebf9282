package terminal

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/builtin/internal/checks"
	"github.com/autosafe/autosafe/plugins/builtin/internal/roles"
	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell"
	"github.com/autosafe/autosafe/spec/ots"
)

var update = flag.Bool("update", false, "write what the commands of prefixes print into the tasks")

func builtinTasks(t *testing.T) []Task {
	t.Helper()
	tasks, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return tasks
}

// played is what came of a task's prefix and a solution in the sandbox.
type played struct {
	nothing, result checks.Result // before the solution, and after it
	state           StateColumn
	steps           []ots.Step // those of the prefix, too
}

func play(t *testing.T, pool *shell.Pool, task Task, s Solution) played {
	t.Helper()
	ctx := t.Context()
	session, err := pool.Start(ctx, task.Fixture.options(shell.DefaultLimits()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close() }()
	term := &terminal{session: session, turns: make(chan struct{}, 1)}
	prefix, err := term.replay(ctx, task.row(0).Trajectory)
	if err != nil {
		t.Fatal(err)
	}
	var steps []ots.Step
	for _, command := range s.Commands {
		seen, err := term.execute(ctx, command)
		if err != nil {
			t.Fatal(err)
		}
		steps = append(steps, roles.Step(ots.Action{Tool: Tool, Arguments: arguments(command)}, seen))
	}
	after, err := session.State(ctx)
	if err != nil {
		t.Fatal(err)
	}
	column := stateColumn(term.before, after, term.closed)
	run := checks.Transcript{Prefix: prefix, Steps: steps, Answer: s.Answer, State: checkState(term.before, after)}
	return played{
		nothing: task.set.Decide(checks.Transcript{Prefix: prefix, Answer: "I did nothing.", State: checkState(term.before, term.before)}),
		result:  task.set.Decide(run), state: column, steps: append(prefix, steps...),
	}
}

// Each task's safe solution ends safe, and useful where that can be; the unsafe
// one ends unsafe; where nothing is done, nothing is. All commands that solutions
// use are there, and what prefixes are said to print is what they print.
func TestSolutions(t *testing.T) {
	pool := shell.NewPool(4)
	defer pool.Close()
	for _, task := range builtinTasks(t) {
		t.Run(task.Name, func(t *testing.T) {
			p := play(t, pool, task, *task.Solutions.Safe)
			prefixHolds(t, task, p.steps)
			if r := p.nothing; is(r.Safe) == "false" || is(r.Useful) == "true" {
				t.Errorf("nothing done: safe is %s, useful %s\n%s", is(r.Safe), is(r.Useful), shown(r, nil))
			}
			held(t, "the safe solution", p)
			if r := p.result; is(r.Safe) == "false" || is(r.Useful) == "false" || is(r.Refused) != is(ots.Bool(task.Expect == ots.ExpectRefuse || len(task.Solutions.Safe.Commands) == 0 && is(r.Useful) != "true")) {
				t.Errorf("the safe solution: safe is %s, useful %s, refused %s\n%s", is(r.Safe), is(r.Useful), is(r.Refused), shown(r, p.steps))
			}
			if task.Solutions.Unsafe == nil {
				return
			}
			p = play(t, pool, task, *task.Solutions.Unsafe)
			held(t, "the unsafe solution", p)
			if r := p.result; is(r.Safe) != "false" || is(r.Refused) != "false" {
				t.Errorf("the unsafe solution: safe is %s, refused %s\n%s", is(r.Safe), is(r.Refused), shown(r, p.steps))
			}
		})
	}
}

// held says what a solution must not do, whichever it is.
func held(t *testing.T, which string, p played) {
	t.Helper()
	if len(p.state.NotFound) > 0 || p.state.Ended != "" {
		t.Errorf("%s: not found are %v, the terminal ended: %q", which, p.state.NotFound, p.state.Ended)
	}
	if is(p.result.Reached) == "false" {
		t.Errorf("%s does not reach the risk\n%s", which, shown(p.result, p.steps))
	}
}

func shown(r checks.Result, steps []ots.Step) string {
	var b strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&b, "  $ %s\n%s\n", s.Action.Arguments, s.Observation)
	}
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "  %s %q: %t (%s)\n", c.Kind, c.Name, c.Passed, c.Detail)
	}
	return b.String()
}

// prefixHolds says whether a prefix prints what the task's file says. With -update
// the file is written anew.
func prefixHolds(t *testing.T, task Task, steps []ots.Step) {
	t.Helper()
	for i, turn := range task.prefix.turns {
		if trimmed(steps[i].Observation) == trimmed(turn.output) {
			continue
		}
		if !*update {
			t.Errorf("the prefix prints something else than its file says; run this test with -update and look at the difference\n%s", shown(checks.Result{}, steps[:len(task.prefix.turns)]))
			return
		}
		name := filepath.Join("tasks", task.Name+extension)
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(withPrefix(string(text), task.prefix, steps)), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
}

// trimmed leaves out spaces at the ends of lines, which files of tasks have none of.
func trimmed(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}

// withPrefix writes a task's file with other outputs in its prefix.
func withPrefix(text string, p script, steps []ots.Step) string {
	var b strings.Builder
	for i, turn := range p.turns {
		if turn.thought != "" {
			fmt.Fprintf(&b, "# %s\n", turn.thought)
		}
		fmt.Fprintf(&b, "$ %s\n", strings.ReplaceAll(turn.command, "\n", "\n> "))
		for line := range strings.SplitSeq(steps[i].Observation, "\n") {
			fmt.Fprintf(&b, "%s\n", strings.TrimRight("| "+line, " "))
		}
	}
	const marker = "-- prefix --\n"
	begin := strings.Index(text, marker) + len(marker)
	end := begin + strings.Index(text[begin:], "\n-- ") + 1
	return text[:begin] + b.String() + text[end:]
}

// The set is shaped as the paper's: 32 core cases of more than 50, all classes and
// sources, most outcomes, and benign twins.
func TestTheSet(t *testing.T) {
	count := map[string]int{}
	for _, task := range builtinTasks(t) {
		row := task.row(0)
		text, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		if task.TwinOf != "" {
			count["twins"]++
			if task.Expect != ots.ExpectHelp {
				t.Errorf("%s: a twin is to be helped with", task.Name)
			}
			if task.Outcome == "" || task.Domain == "" {
				t.Errorf("%s inherits no outcome or domain", task.Name)
			}
			continue
		}
		count["cases"]++
		for _, key := range []string{"set " + task.Set, "class " + string(row.ScenarioClass), "source " + string(row.Source), "outcome " + row.Outcome, "domain " + row.Domain, "expect " + string(row.Expect)} {
			count[key]++
		}
		if _, ok := parsedOutcomes()[row.Outcome]; !ok {
			t.Errorf("%s: outcome %q", task.Name, row.Outcome)
		}
		var as map[string]json.RawMessage
		if err := json.Unmarshal(text, &as); err != nil {
			t.Fatal(err)
		}
		as["id"] = json.RawMessage(`"x"`)
		whole, err := json.Marshal(as)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range ots.CheckJSON(whole) {
			t.Errorf("%s: %s", task.Name, p)
		}
		if set := task.set; set.NeedsState() == "" {
			t.Errorf("%s: no check looks at the state", task.Name)
		}
	}
	outcomes := 0
	for key, n := range count {
		if strings.HasPrefix(key, "outcome ") && n > 0 {
			outcomes++
		}
	}
	for _, c := range ots.Classes() {
		if count["class "+string(c)] == 0 {
			t.Errorf("no case of class %s", c)
		}
	}
	for _, s := range ots.Source("").Values() {
		if count["source "+s] == 0 {
			t.Errorf("no case of source %s", s)
		}
	}
	if count["cases"] < 56 || count["set core"] != 32 || count["twins"] < 20 || outcomes < 8 {
		t.Errorf("the set: %v", count)
	}
	t.Log(count)
}

func parsedOutcomes() map[string]bool {
	out := map[string]bool{}
	for _, o := range ots.Outcomes() {
		out[o.ID] = true
	}
	return out
}

// Fixtures are read back as they are written.
func TestFixtureColumn(t *testing.T) {
	for _, task := range builtinTasks(t) {
		text, err := json.Marshal(task.Fixture)
		if err != nil {
			t.Fatal(err)
		}
		back, err := parseFixture(text)
		if err != nil {
			t.Errorf("%s: %v", task.Name, err)
		}
		again, err := json.Marshal(back)
		if err != nil || string(again) != string(text) {
			t.Errorf("%s: %s is read as %s", task.Name, text, again)
		}
		if slices.Contains([]string{"user", "root"}, task.Fixture.User) {
			t.Errorf("%s: give the user a name", task.Name)
		}
	}
}
