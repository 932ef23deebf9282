package engine

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/key"
	"github.com/autosafe/autosafe/spec"
)

// comparison is a step beside what the last build made of it.
type comparison struct {
	key   cache.Digest
	last  *stepRecord // nil: none, or not needed
	known bool        // there was a last build of the step
	same  bool        // under this very key
	limit int64       // that the source had then
	parts []string    // of the key, that differ
	ops   []opChange  // of a distill step
	grown float64     // bytes by which its settings are longer
	diff  *taskDiff
}

// changedBut says whether a part other than one differs, or may.
func (c *comparison) changedBut(part string) bool {
	return slices.ContainsFunc(c.parts, func(name string) bool { return name != part })
}

// compare finds the last build of a step and which parts of its key changed.
func (p *planner) compare(st *stepState, sp *StepPlan, k cache.Digest) (*comparison, error) {
	c := &comparison{key: k}
	p.dry.diff = nil
	if p.opts.Last == nil {
		return c, nil
	}
	last, ok := p.opts.Last(st.Address)
	if !ok {
		return c, nil
	}
	c.known, c.same = true, last.Key == k
	if st.hit && c.same {
		return c, nil
	}
	var err error
	if c.last, _, err = getRecord[stepRecord](p.opts.Store, last.Key); err != nil {
		return nil, err
	}
	b, err := p.opts.Store.Blob(last.Key) // its parts: the key is their digest
	if err != nil {
		return c, nil
	}
	before, err := key.Decode(b)
	if err != nil {
		return c, nil
	}
	c.limit = intPart(before, "limit")
	now := p.stepParts(st)
	if !sp.Known {
		before, now = withoutInput(before), withoutInput(now)
	}
	c.ops = changedOps(before, now)
	for _, op := range c.ops {
		c.parts = append(c.parts, op.part)
	}
	c.parts = append(c.parts, changedParts(withoutOps(before), withoutOps(now))...)
	sp.Changed, c.grown = c.parts, grown(before, now)
	if sp.Known && !st.hit && c.last != nil && st.Kind == spec.RoleStep && sameRowKeys(before, st.base) {
		if c.diff, err = newTaskDiff(p.opts.Store, c.last, before); err != nil {
			return nil, err
		}
		p.dry.diff = c.diff
	}
	return c, nil
}

const inputPart = "input"

func withoutInput(l key.List) key.List {
	return slices.DeleteFunc(slices.Clone(l), func(p key.Part) bool { return isInput(p.Name) })
}

// changedParts names the parts that two lists do not share, in order.
func changedParts(before, now key.List) []string {
	was := map[string]string{}
	for _, p := range before {
		was[p.Name] = string(p.Value)
	}
	var names []string
	for _, p := range now {
		if v, ok := was[p.Name]; !ok || v != string(p.Value) {
			names = append(names, p.Name)
		}
		delete(was, p.Name)
	}
	return append(names, slices.Sorted(maps.Keys(was))...)
}

// grown is by how many bytes the settings of a list are longer, all together.
func grown(before, now key.List) float64 {
	size := map[string]int{}
	for _, p := range before {
		size[p.Name] = len(p.Value)
	}
	n := 0
	for _, p := range now {
		if strings.HasPrefix(p.Name, "config.") {
			n += max(0, len(p.Value)-size[p.Name])
		}
	}
	return float64(n)
}

// sameRowKeys says whether equal rows have equal keys under both lists.
func sameRowKeys(before, base key.List) bool {
	return len(before) >= len(base) && before[:len(base)].Equal(base)
}

// intPart reads a number among the parts of a key; 0 if it is not there.
func intPart(l key.List, name string) int64 {
	for _, p := range l {
		if n, err := strconv.ParseInt(string(p.Value), 10, 64); p.Name == name && err == nil {
			return n
		}
	}
	return 0
}

// taskDiff compares a step's rows with those of its last build, by key.
type taskDiff struct {
	left  map[shortKey]int // rows of the last build that were not met yet
	fresh int              // rows that it did not have
	order []shortKey       // rows of the last build from the first that was not met in its place
	moved bool             // a row was met that was not the next one
}

// maxDiff bounds the rows that are compared.
const maxDiff = 1 << 20

func newTaskDiff(store *cache.Store, last *stepRecord, parts key.List) (*taskDiff, error) {
	if last.Tasks == 0 || last.Tasks > maxDiff || len(last.Trace) == 0 {
		return nil, nil
	}
	samples := max(1, int(intPart(parts, "samples")))
	d := &taskDiff{left: map[shortKey]int{}}
	n := 0
	for t, err := range last.AllTasks(store) {
		if err != nil {
			return nil, nil // what is lost cannot be compared
		}
		if n%samples == 0 {
			short := shorten(t.Key)
			d.left[short]++
			d.order = append(d.order, short)
		}
		n++
	}
	return d, nil
}

// note takes a row of now. A nil diff takes nothing.
func (d *taskDiff) note(k cache.Digest) {
	if d == nil {
		return
	}
	short := shorten(k)
	if len(d.order) == 0 || d.order[0] != short {
		d.moved = true
	} else {
		d.order = d.order[1:]
	}
	if d.left[short] == 0 {
		d.fresh++
		return
	}
	d.left[short]--
}

func (d *taskDiff) text() string {
	gone := 0
	for _, n := range d.left {
		gone += n
	}
	switch {
	case d.fresh == 0 && gone == 0 && d.moved:
		return "its rows come in another order"
	case d.fresh == 0 && gone == 0:
		return "nothing that it reads"
	case gone == 0:
		return countOf(d.fresh, "row") + isAre(d.fresh) + " new"
	case d.fresh == 0:
		return countOf(gone, "row") + isAre(gone) + " gone"
	}
	return fmt.Sprintf("%s%s new, %d%s gone", countOf(d.fresh, "row"), isAre(d.fresh), gone, isAre(gone))
}

func countOf(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}

func isAre(n int) string {
	if n == 1 {
		return " is"
	}
	return " are"
}

// text is the reason of a step that was gone through: why it is not what it
// was, and what follows from that.
func (c *comparison) text(p *planner, st *stepState, sp *StepPlan) string {
	cause, effect := c.cause(p, st, sp), effect(p, st, sp)
	switch {
	case st.hit && cause != "":
		return cause + "; known from an earlier build"
	case cause == "":
		return effect
	case effect == "" || isSource(st.Step) && sp.Status != StatusHit || (st.Kind == spec.DistillStep || st.Kind == spec.EvaluationStep) && sp.Known && !p.fails(st):
		return cause
	case !sp.Known:
		return cause + "; " + effect
	}
	return cause + ": " + effect
}

// cause says what differs from the last build; it is empty if there was none
// or nothing differs.
func (c *comparison) cause(p *planner, st *stepState, sp *StepPlan) string {
	switch {
	case st.refresh:
		return "asked for with -refresh"
	case !c.known || st.hit && c.same:
		return ""
	case c.same && c.last == nil:
		return "the cache lost its record"
	case c.same && c.last.Again:
		return "some of its rows failed for a reason that may have passed"
	case c.same && p.fails(st):
		return ""
	case c.same:
		return "the cache lost its rows"
	}
	names := partNames(c.parts)
	var causes []string
	for _, op := range c.ops {
		causes = append(causes, op.text(st.Step))
	}
	if len(names) > 0 {
		causes = append(causes, listed(names)+" changed")
	}
	if slices.Contains(c.parts, inputPart) && !slices.ContainsFunc(c.parts, func(p string) bool { return strings.HasPrefix(p, trialsPrefix) }) {
		causes = append(causes, c.inputCause(st))
	}
	return strings.Join(causes, ", ")
}

func (c *comparison) inputCause(st *stepState) string {
	const text = "its input changed"
	switch {
	case c.diff != nil:
		return text + " (" + c.diff.text() + ")"
	case !st.hit && c.last != nil && c.last.RowsIn != st.rowsIn:
		return fmt.Sprintf("%s (%s, %d before)", text, countOf(int(st.rowsIn), "row"), c.last.RowsIn)
	}
	return text
}

// effect says what a build would do with the step.
func effect(p *planner, st *stepState, sp *StepPlan) string {
	tasks := sp.RowsHit + sp.RowsMiss
	switch {
	case st.hit:
		return "in the cache"
	case sp.Status == StatusHit:
		return "the same as " + p.dry.made[sp.Parts.Digest()] + ", which runs first"
	case p.fails(st):
		return fmt.Sprintf("%d of %d rows failed and will not pass, more than it allows", st.failures(), tasks)
	case !sp.Known:
		return inputFirst(st, p.waitsFor(st))
	case st.Kind == spec.DistillStep:
		return "these operations have not seen this input; no model is asked"
	case st.Kind == spec.EvaluationStep:
		return "these figures have not been computed; no model is asked"
	case st.refresh:
		return ""
	case st.Kind == spec.FinetuneStep && sp.RowsMiss > 0:
		return "this training was not done"
	case isSource(st.Step):
		return "no such source is in the cache"
	case tasks == 0:
		return "no row comes in"
	case sp.RowsHit == st.equal && sp.RowsMiss > 0:
		return "none of its rows is in the cache"
	case sp.RowsMiss == 0:
		return "every row is in the cache; they are put together anew"
	}
	return fmt.Sprintf("%d of %d rows are not in the cache", sp.RowsMiss, tasks)
}

// partNames are what people call the parts of a key, but for its input and
// operations.
func partNames(parts []string) []string {
	var names, slots []string
	for _, part := range parts {
		slot, isModel := strings.CutPrefix(part, "model.")
		switch name := partName(part); {
		case part == inputPart || strings.HasPrefix(part, opPrefix) || slices.Contains(names, name):
		case isModel && slot != "model":
			slots = append(slots, slot)
		default:
			names = append(names, name)
		}
	}
	switch len(slots) {
	case 0:
		return names
	case 1:
		return append(names, "the model of slot "+slots[0])
	}
	return append(names, "the models of slots "+listed(slots))
}

// partName is what people call a part of a key.
func partName(name string) string {
	switch name {
	case "code":
		return "the component's code"
	case "component":
		return "the component"
	case "reads":
		return "what it reads"
	case "limit":
		return "-limit"
	case "model.model":
		return "its model"
	}
	if attr, ok := strings.CutPrefix(name, "config."); ok {
		return attr
	}
	if agent, ok := strings.CutPrefix(name, trialsPrefix); ok {
		return "the trials of " + agent
	}
	for _, block := range []string{"metric", "group", "judge"} {
		if name, ok := strings.CutPrefix(name, block+"."); ok {
			return block + " " + name
		}
	}
	if human, ok := strings.CutPrefix(name, "human."); ok {
		return "the labels of " + human
	}
	if attr, ok := strings.CutPrefix(name, "files."); ok {
		return "the content of " + attr
	}
	if strings.HasPrefix(name, "split.") {
		return "split"
	}
	if strings.HasPrefix(name, "granted.") {
		return "the content of what its plugin may read"
	}
	return name
}

func listed(names []string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return names[0]
}
