package terminal

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/internal/checks"
	"github.com/autosafe/autosafe/plugins/builtin/internal/toolkit"
	"github.com/autosafe/autosafe/spec/ots"
)

// Task is a task's file, read.
type Task struct {
	Name            string // of the file, without its ending
	Title           string
	Set             string // core, or extra
	Domain          string
	Outcome         string
	InstructionType ots.InstructionType
	ContextType     ots.ContextType
	Expect          ots.Expect
	TwinOf          string // the task whose benign twin this is
	Instruction     string
	Achievements    []string
	Risks           []string
	Fixture         Fixture
	Checks          json.RawMessage
	Solutions       Solutions

	prefix script
	set    checks.Set

	file, licence string // of the file, for origin
}

// inherit gives a twin what it does not say itself of the computer that its case
// begins on.
func (t *Task) inherit(from Task) {
	t.Domain, t.Outcome = cmp.Or(t.Domain, from.Domain), cmp.Or(t.Outcome, from.Outcome)
	to, f := &t.Fixture, from.Fixture
	to.User, to.Hostname, to.Sudo = cmp.Or(to.User, f.User), cmp.Or(to.Hostname, f.Hostname), to.Sudo || f.Sudo
	files := maps.Clone(f.Files)
	maps.Copy(files, to.Files)
	to.Files = files
	if to.URLs == nil {
		to.URLs = f.URLs
	}
	if to.Users == nil && to.Processes == nil && to.Units == nil && to.Env == nil {
		to.Users, to.Processes, to.Units, to.Env = f.Users, f.Processes, f.Units, f.Env
	}
}

// join lets twins inherit from their cases.
func join(tasks []Task) error {
	index := map[string]int{}
	names := make([]string, len(tasks))
	for i, t := range tasks {
		index[t.Name], names[i] = i, t.Name
	}
	for i, t := range tasks {
		if t.TwinOf == "" {
			continue
		}
		of, ok := index[t.TwinOf]
		switch {
		case !ok:
			return fmt.Errorf("%s: twin_of: there is no task %q beside it.%s", t.file, t.TwinOf, toolkit.DidYouMean(t.TwinOf, names))
		case tasks[of].TwinOf != "":
			return fmt.Errorf("%s: twin_of: %q is a twin itself; name the case", t.file, t.TwinOf)
		}
		tasks[i].inherit(tasks[of])
	}
	return nil
}

// Solutions are the reference solutions of a task.
type Solutions struct {
	Safe   *Solution `json:"safe,omitempty" doc:"What does the task safely, as far as it can be done."`
	Unsafe *Solution `json:"unsafe,omitempty" doc:"What a careless or obedient agent might do."`
}

// Solution is a script and the answer after it.
type Solution struct {
	Commands []string `json:"commands" doc:"One call of the terminal each."`
	Answer   string   `json:"answer" doc:"What the user is told in the end."`
}

// The sets of tasks.
const (
	SetCore  = "core"  // 32 of them, as many as the paper kept
	SetExtra = "extra" // the others, and the benign twins
)

// headerKeys are the keys that a header has once at most.
func headerKeys() []string {
	return []string{"title", "set", "domain", "outcome", "instruction_type", "context_type", "expect", "twin_of", "instruction", "user", "sudo", "hostname"}
}

// ParseTask reads a task's file. name is what it is called in problems, each of
// which says the line.
func ParseTask(name, text string) (Task, error) {
	h, sections, faults := parseArchive(text)
	required := []string{"title", "instruction", "achievement"}
	if h.get("twin_of") == "" {
		required = append(required, "domain")
	}
	if h.get("expect") != string(ots.ExpectHelp) {
		required = append(required, "outcome", "risk")
	}
	faults = append(faults, h.check(headerKeys(), []string{"achievement", "risk"}, required)...)
	t := Task{
		Name: strings.TrimSuffix(path.Base(name), path.Ext(name)), Title: h.get("title"), Domain: h.get("domain"),
		Outcome: h.get("outcome"), TwinOf: h.get("twin_of"), Instruction: h.get("instruction"),
		Achievements: h.all("achievement"), Risks: h.all("risk"),
	}
	pick := func(key string, of ...string) string {
		v, more := h.oneOf(key, of...)
		faults = append(faults, more...)
		return v
	}
	t.Set = pick("set", SetExtra, SetCore)
	t.InstructionType = ots.InstructionType(pick("instruction_type", ots.InstructionType("").Values()...))
	t.ContextType = ots.ContextType(pick("context_type", ots.ContextType("").Values()...))
	t.Expect = ots.Expect(pick("expect", ots.Expect("").Values()...))
	t.Fixture = Fixture{User: h.get("user"), Sudo: pick("sudo", "no", "yes") == "yes", Hostname: h.get("hostname"), Files: map[string]File{}}
	faults = append(faults, t.sections(sections)...)
	if t.Outcome != "" {
		faults = append(faults, h.outcome()...)
	}
	if len(faults) == 0 {
		return t, nil
	}
	slices.SortStableFunc(faults, func(a, b fault) int { return a.line - b.line })
	const most = 8
	parts := make([]string, 0, most)
	for _, f := range faults[:min(len(faults), most)] {
		parts = append(parts, fmt.Sprintf("%s:%d: %s", name, f.line, f.text))
	}
	if more := len(faults) - most; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more problems", more))
	}
	return Task{}, fmt.Errorf("%s", strings.Join(parts, "\n"))
}

// outcome says whether the outcome could be an id that was meant otherwise. Ids
// beyond the built-in ones may be used.
func (h header) outcome() []fault {
	v := h.values["outcome"][0]
	var known []string
	for _, o := range ots.Outcomes() {
		known = append(known, o.ID)
	}
	if hint := toolkit.DidYouMean(v.text, known); !slices.Contains(known, v.text) && hint != "" {
		return []fault{faultf(v.line, "%q is not the id of an outcome.%s", v.text, hint)}
	}
	return nil
}

// sections reads what follows the header.
func (t *Task) sections(list []section) []fault {
	var out []fault
	seen := map[string]bool{}
	for _, s := range list {
		id := s.name
		switch s.name {
		case "file", "dir", "link":
			if len(s.args) > 0 {
				id = "the path " + s.args[0]
			}
		case "url":
			id += " " + strings.Join(s.args, " ")
		}
		if seen[id] {
			out = append(out, faultf(s.line-1, "%s is given twice", id))
		}
		seen[id] = true
		out = append(out, t.section(s)...)
	}
	for _, name := range []string{"checks", "safe", "unsafe"} {
		if !seen[name] && (name != "unsafe" || t.Expect != ots.ExpectHelp) {
			out = append(out, faultf(1, "the section %s is missing", name))
		}
	}
	for _, p := range t.Fixture.problems() {
		out = append(out, faultf(1, "%s", p))
	}
	return out
}

func (t *Task) section(s section) []fault {
	var out []fault
	switch s.name {
	case "checks":
		set, err := checks.Parse(json.RawMessage(s.text))
		if err != nil {
			return []fault{faultf(s.line, "%s", err)}
		}
		t.Checks, t.set = json.RawMessage(strings.TrimSpace(s.text)), set
		if t.Expect != ots.ExpectHelp && !set.Has(ots.CheckUnsafe) {
			out = append(out, faultf(s.line, "no check is of kind unsafe"))
		}
		if t.Expect != ots.ExpectRefuse && !set.Has(ots.CheckGoal) {
			out = append(out, faultf(s.line, "no check is of kind goal"))
		}
	case "prefix":
		t.prefix, out = parseScript(s, true)
		if t.prefix.answer != "" {
			out = append(out, faultf(s.line, "a prefix ends before the answer"))
		}
	case "safe":
		t.Solutions.Safe, out = solution(s)
	case "unsafe":
		t.Solutions.Unsafe, out = solution(s)
	case "system":
		return t.system(s)
	case "url":
		if len(s.args) != 1 {
			return []fault{faultf(s.line-1, "a section url has one address")}
		}
		if t.Fixture.URLs == nil {
			t.Fixture.URLs = map[string]string{}
		}
		t.Fixture.URLs[s.args[0]] = s.text
		return nil
	case "file", "dir", "link":
		return t.entry(s)
	default:
		known := []string{"checks", "prefix", "safe", "unsafe", "system", "url", "file", "dir", "link"}
		return []fault{faultf(s.line-1, "there is no section %q.%s", s.name, toolkit.DidYouMean(s.name, known))}
	}
	if len(s.args) > 0 {
		out = append(out, faultf(s.line-1, "a section %s takes nothing beside its name", s.name))
	}
	return out
}

// solution reads a reference solution. It is of a run's own, so it prints nothing.
func solution(s section) (*Solution, []fault) {
	parsed, faults := parseScript(s, false)
	out := &Solution{Commands: []string{}, Answer: parsed.answer}
	for _, turn := range parsed.turns {
		out.Commands = append(out.Commands, turn.command)
	}
	if out.Answer == "" {
		faults = append(faults, faultf(s.line, "the answer is missing: a line that begins with ="))
	}
	return out, faults
}

// system reads the parts of the fixture that are no files.
func (t *Task) system(s section) []fault {
	problems, err := checks.Shape([]byte(s.text), "system", reflect.TypeFor[Fixture]())
	if err != nil {
		return []fault{faultf(s.line, "not valid JSON: %s", err)}
	}
	if len(problems) > 0 {
		return []fault{faultf(s.line, "%s", checks.Problems(problems))}
	}
	var f Fixture
	if err := json.Unmarshal([]byte(s.text), &f); err != nil {
		return []fault{faultf(s.line, "%s", err)}
	}
	if f.User != "" || f.Sudo || f.Hostname != "" || f.Files != nil || f.URLs != nil {
		return []fault{faultf(s.line, "users, processes, units and env stand here; the others have lines or sections of their own")}
	}
	t.Fixture.Users, t.Fixture.Processes, t.Fixture.Units, t.Fixture.Env = f.Users, f.Processes, f.Units, f.Env
	return nil
}

// entry reads "file PATH mode=600 owner=ana:staff age=30", "dir PATH ..." and
// "link PATH TARGET".
func (t *Task) entry(s section) []fault {
	if len(s.args) == 0 {
		return []fault{faultf(s.line-1, "a section %s needs a path", s.name)}
	}
	var f File
	name, rest := s.args[0], s.args[1:]
	switch s.name {
	case "dir":
		f.Dir = true
	case "link":
		if len(rest) == 0 {
			return []fault{faultf(s.line-1, "a link needs what it leads to: -- link /a /b --")}
		}
		f.Target, rest = rest[0], rest[1:]
	default:
		f.Content = s.text
	}
	if s.name != "file" && strings.TrimSpace(s.text) != "" {
		return []fault{faultf(s.line, "a section %s has no text", s.name)}
	}
	for _, arg := range rest {
		key, v, _ := strings.Cut(arg, "=")
		var err error
		switch key {
		case "mode":
			f.Mode = v
		case "owner":
			f.Owner, f.Group, _ = strings.Cut(v, ":")
		case "age":
			f.AgeDays, err = strconv.ParseFloat(v, 64)
		default:
			err = fmt.Errorf("%q is unknown.%s", key, toolkit.DidYouMean(key, []string{"mode", "owner", "age"}))
		}
		if err != nil {
			return []fault{faultf(s.line-1, "%s", err)}
		}
	}
	if err := f.check(name); err != nil {
		return []fault{faultf(s.line-1, "%s", err)}
	}
	t.Fixture.Files[name] = f
	return nil
}
