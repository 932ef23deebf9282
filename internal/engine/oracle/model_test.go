package oracle

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"unicode"

	"github.com/autosafe/autosafe/spec/schema"
)

// memory is what was done before, in the test's own words.
type memory struct {
	calls   map[string]bool // callID of those answered
	tasks   map[string]bool // of those with an outcome that stays
	sources map[string]bool
	outputs map[string]bool
	cards   map[string]string // what an output's card speaks of, by path
	texts   map[string]string // the card itself
}

func newMemory() *memory {
	return &memory{calls: map[string]bool{}, tasks: map[string]bool{}, sources: map[string]bool{}, outputs: map[string]bool{}, cards: map[string]string{}, texts: map[string]string{}}
}

// made is what a step makes.
type made struct {
	address string
	rows    []columns
	rowsIn  int
	tasks   int
	dropped map[string]int64
	failed  map[string]int64
	again   bool // some failure may pass
	bad     bool // too many rows fail, here or in a step before
}

func (m *made) failures() (n int64) {
	for _, c := range m.failed {
		n += c
	}
	return n
}

// prediction is what a build comes to, and what it must do for that.
type prediction struct {
	steps map[*step]*made
	order []*made
	files map[string]map[string]string // by path of the output, then name
	cards map[string]string            // by path
	fails bool                         // more rows fail than allowed
	again bool                         // some row failed for now

	calls   map[string]bool // answered ones that the rows rest on
	tasks   map[string]bool // all that have an outcome that stays
	sources map[string]bool
	outputs map[string]bool

	runTasks int             // tasks that must run: equal ones once
	newCalls map[string]int  // requests that the endpoint must answer, and how often
	starts   map[string]bool // addresses of what must start: sources and outputs
	mayStart map[string]bool // steps with a task that must run
	// Of sources that are configured alike one starts, it does not matter
	// which: firsts are the first of them, by what they are, and twins lead
	// from each to its first.
	firsts, twins map[string]string
}

// oracle works a prediction out by plain recursion.
type oracle struct {
	*prediction
	r    *recipe
	past *memory
	how
	down   int
	source func(file string) []string
	disk   func(path string) map[string]string
	ran    map[string]bool // tasks that this build runs
	anew   map[string]bool // calls that it makes although they are known
}

// how a build is asked for.
type how struct {
	limit     int
	target    string
	refresh   string
	keepGoing bool
}

// bases are what steps are refreshed by: those that are configured alike have
// the same rows, and are refreshed together.
func (o *oracle) base(s *step) string {
	if s.comp == "dataset" || s.comp == "distill" {
		return o.r.address(s)
	}
	if s.comp == "list" {
		return fmt.Sprint(s.comp, s.tag, s.file, s.seed, s.generation)
	}
	config, reads := o.config(s)
	return fmt.Sprint(s.comp, canonical(config), reads, o.modelsOf(s), s.seed, s.generation)
}

// config is a component's configuration, and the columns that it sees.
func (o *oracle) config(s *step) (config columns, reads []string) {
	switch s.comp {
	case "plain":
		return columns{}, []string{"n"}
	case "redo":
		return columns{"prompt": s.prompt, "rounds": s.rounds}, []string{"ask", "text"}
	}
	return columns{"prompt": o.r.prompt(s)}, []string{o.r.col(s, s.column)}
}

// refreshes says whether a step is to be made anew.
func (o *oracle) refreshes(s *step) bool {
	for _, other := range o.r.steps {
		if o.refresh != "" && o.r.address(other) == o.refresh && o.wanted(other) {
			return o.base(other) == o.base(s)
		}
	}
	return false
}

// wanted says whether a step is to be built at all.
func (o *oracle) wanted(s *step) bool {
	return o.target == "" || slices.ContainsFunc(o.r.steps, func(t *step) bool { return o.r.address(t) == o.target && reached(s, t) })
}

// modelsOf are the models of a step, with their slots.
func (o *oracle) modelsOf(s *step) (list []string) {
	for _, slot := range slices.Sorted(maps.Keys(slots(s))) {
		list = append(list, fmt.Sprint(slot, o.r.models[slots(s)[slot]]))
	}
	return list
}

// slots are the numbers of a step's models.
func slots(s *step) map[string]int {
	switch s.comp {
	case "vary", "grade":
		return map[string]int{"model": s.model}
	case "redo":
		return map[string]int{"agent": s.model, "judge": s.judge}
	}
	return nil
}

func (o *oracle) predict() *prediction {
	o.prediction = &prediction{
		steps: map[*step]*made{}, files: map[string]map[string]string{}, cards: map[string]string{},
		calls: map[string]bool{}, tasks: map[string]bool{}, sources: map[string]bool{}, outputs: map[string]bool{},
		newCalls: map[string]int{}, starts: map[string]bool{}, mayStart: map[string]bool{},
		firsts: map[string]string{}, twins: map[string]string{},
	}
	o.ran, o.anew = map[string]bool{}, map[string]bool{}
	for _, s := range o.r.steps {
		if !o.wanted(s) {
			continue
		}
		m := o.step(s)
		o.order = append(o.order, m)
		o.again = o.again || m.again
		failed := m.failures()
		allowed := s.allows(failed)
		if role := s.comp != "distill" && s.comp != "dataset"; role && s.maxFailures < 0 && failed > 0 && failed == int64(m.tasks) {
			allowed = false
		}
		m.bad = !allowed || slices.ContainsFunc(s.inputs, func(in *step) bool { return o.steps[in].bad })
		o.fails = o.fails || !allowed
	}
	o.runTasks = len(o.ran)
	for id := range o.calls {
		if !o.past.calls[id] || o.anew[id] {
			o.newCalls[id[:strings.LastIndex(id, " #")]]++
		}
	}
	return o.prediction
}

// step works out what a step makes, once.
func (o *oracle) step(s *step) *made {
	if m := o.steps[s]; m != nil {
		return m
	}
	m := &made{address: o.r.address(s), dropped: map[string]int64{}, failed: map[string]int64{}}
	o.steps[s] = m
	var in []columns
	for _, i := range s.inputs {
		in = append(in, o.step(i).rows...)
	}
	m.rowsIn = len(in)
	switch s.comp {
	case "list":
		m.rowsIn = 0
		o.list(s, m)
	case "distill":
		m.tasks = len(in)
		for _, p := range s.ops {
			if p.kind == "filter" && p.filter == 7 {
				before := len(in)
				in = slices.DeleteFunc(slices.Clone(in), func(r columns) bool { return r.number("n") == 1 })
				m.failed["expression_error"] += int64(before - len(in))
			}
			kept := o.op(s, p, in)
			if n := len(in) - len(kept); n > 0 {
				kind := map[string]string{"near": "dedupe", "whole": "dedupe"}[p.kind]
				if kind == "" {
					kind = p.kind
				}
				m.dropped[kind+"."+p.name] += int64(n)
			}
			in = kept
		}
		m.rows = in
	case "dataset":
		m.rows = in
		for _, out := range s.outputs {
			o.output(s, out, in)
		}
	default:
		for _, row := range in {
			for sample := range max(1, s.samples) {
				o.task(s, m, row, sample)
			}
		}
	}
	return m
}

// allows says whether a step may end well with so many failures.
func (s *step) allows(failed int64) bool {
	return s.onError == "drop" && s.maxFailures < 0 || failed <= int64(max(s.maxFailures, 0))
}

// failuresOf counts the records of a source that cannot be used.
func failuresOf(text []string, tag string) (n int64) {
	for _, line := range text {
		if _, _, failed := record(line, tag); failed != nil {
			n++
		}
	}
	return n
}

// list reads a source.
func (o *oracle) list(s *step, m *made) {
	text := o.source(s.file)
	id := fmt.Sprint("list ", s.tag, s.seed, s.generation, " ", s.file, text)
	slice := fmt.Sprint("first ", o.limit, " of ", id)
	known, counted := o.past.sources[id], true
	if o.limit > 0 {
		failures := failuresOf(text, s.tag)
		cut := known && s.allows(failures)
		known = cut || o.past.sources[slice]
		// A slice that is cut from the whole has all failures of that.
		counted = failures == 0 || !cut || o.past.sources[slice]
		id = slice
	}
	if o.firsts[id] == "" {
		o.firsts[id] = m.address
	}
	o.twins[m.address] = o.firsts[id]
	if !known || o.refreshes(s) {
		o.starts[o.firsts[id]] = true
	}
	o.sources[id] = o.sources[id] || counted
	for _, line := range text {
		if o.limit > 0 && len(m.rows) == o.limit {
			break // what stands behind the slice is not looked at
		}
		row, dropped, failed := record(line, s.tag)
		switch {
		case failed != nil:
			m.failed[failed.code]++
		case dropped != "":
			m.dropped[dropped]++
		default:
			if n, ok := row["id"].(float64); ok {
				row["id"] = fmt.Sprint(n)
			} else if row.text("id") == "" {
				d := sha256.Sum256([]byte(canonical(row)))
				row["id"] = hex.EncodeToString(d[:6])
			}
			m.rows = append(m.rows, row)
		}
	}
}

// task has a component do a row.
func (o *oracle) task(s *step, m *made, row columns, sample int) {
	m.tasks++
	config, reads := o.config(s)
	sees := columns{}
	for _, c := range reads {
		if v, ok := row[c]; ok {
			sees[c] = v
		}
	}
	refresh := o.refreshes(s)
	id := fmt.Sprint(s.comp, canonical(config), o.modelsOf(s), s.seed, s.generation, canonical(sees), sample)
	out := component(s.comp, config, sees, func(slot, prompt string) (string, *failure) {
		mod := o.r.models[slots(s)[slot]]
		req := request(mod.host+".test", mod.id, mod.temperature, prompt)
		call := callID(req, sample, s.generation)
		if (refresh || !o.past.calls[call]) && isDown(req, o.down) {
			return "", &failure{"unavailable", true}
		}
		o.calls[call] = true
		o.anew[call] = o.anew[call] || refresh
		return answer(req), nil
	})
	if refresh || !o.past.tasks[id] {
		o.ran[id] = true
		o.mayStart[m.address] = true
	}
	if out.failed == nil || !out.failed.transient {
		o.tasks[id] = true
	}
	switch {
	case out.failed != nil:
		m.failed[out.failed.code]++
		m.again = m.again || out.failed.transient
	case out.dropped != "":
		m.dropped[out.dropped]++
	}
	o.children(s, m, row, sample, out.rows)
}

// children adds what a task wrote to its row.
func (o *oracle) children(s *step, m *made, row columns, sample int, rows []columns) {
	for i, w := range rows {
		child := maps.Clone(row)
		for c, v := range w {
			if c == schema.BlockName {
				c = s.name + o.r.suffix
			}
			child[c] = v
		}
		id := row.text("id")
		if s.samples > 0 {
			id += fmt.Sprint(".", sample)
		}
		if i > 0 {
			id += fmt.Sprint("-", i)
		}
		child["id"] = id
		m.rows = append(m.rows, child)
	}
}

// keeps says whether a filter lets a row through.
func keeps(filter int, row columns, column string) bool {
	switch filter {
	case 0:
		return true
	case 1:
		return row.text(column) != "ask3"
	case 2:
		return len(row.text(column))%2 == 0
	case 3:
		return row.number("n") >= 2
	case 4:
		return row.text(column) < "m"
	case 5:
		return row.number("n") != 1
	case 7: // it has no value where n is 1
		return true
	}
	return row["extra"] != nil || row.number("n") > 0
}

// op is one operation of a distill step.
func (o *oracle) op(s *step, p op, in []columns) []columns {
	column := o.r.col(s, p.column)
	first := func(max int, group func(columns) string) (kept []columns) {
		n := map[string]int{}
		for _, r := range in {
			if n[group(r)]++; n[group(r)] <= max {
				kept = append(kept, r)
			}
		}
		return kept
	}
	of := func(r columns) string { return fmt.Sprint(r[column]) }
	all := func(columns) string { return "" }
	switch p.kind {
	case "filter":
		return slices.DeleteFunc(slices.Clone(in), func(r columns) bool { return !keeps(p.filter, r, column) })
	case "dedupe":
		return first(1, of)
	case "whole":
		return first(1, func(r columns) string { return string(luck(r, 0)) })
	case "near":
		return first(1, func(r columns) string {
			return strings.Join(strings.FieldsFunc(strings.ToLower(of(r)), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) }), " ")
		})
	case "sample":
		if p.seed < 0 {
			p.seed = s.seed
		}
		return pick(in, p.seed, func(columns) (string, int) { return "", p.n })
	case "limit":
		of = all
	case "mix":
		if p.seed < 0 {
			p.seed = s.seed
		}
		return o.mix(p, in, o.r.col(s, "grp"))
	}
	if p.seed < 0 {
		return first(p.n, of)
	}
	return pick(in, p.seed, func(r columns) (string, int) { return of(r), p.n })
}

// luck decides which rows a seeded choice takes: the lowest. It is part of what
// the language promises, so that choices stay when rows are added.
func luck(r columns, seed int) []byte {
	r = maps.Clone(r)
	delete(r, "id")
	delete(r, "origin")
	d := sha256.Sum256([]byte(canonical(r)))
	d = sha256.Sum256(binary.AppendVarint(d[:], int64(seed)))
	return d[:8]
}

// pick keeps the luckiest rows of each group, as many as group says, in order.
func pick(in []columns, seed int, group func(columns) (string, int)) (kept []columns) {
	groups, quota := map[string][]int{}, map[string]int{}
	for i, r := range in {
		g, n := group(r)
		groups[g], quota[g] = append(groups[g], i), n
	}
	var places []int
	for name, g := range groups {
		n := quota[name]
		sort.SliceStable(g, func(a, b int) bool { return string(luck(in[g[a]], seed)) < string(luck(in[g[b]], seed)) })
		places = append(places, g[:min(n, len(g))]...)
	}
	slices.Sort(places)
	for _, i := range places {
		kept = append(kept, in[i])
	}
	return kept
}

// output works out the files of an output and whether they must be written.
func (o *oracle) output(s *step, out output, rows []columns) {
	splits := make([]string, len(rows))
	for i, r := range rows {
		splits[i] = "train"
		if s.split != nil && s.split.share < 10 {
			splits[i] = o.split(s, r)
		}
	}
	files, _, skipped, _ := writer(out.comp, out.style, rows, splits)
	o.files[out.path] = files
	by := ""
	if s.split != nil {
		by = fmt.Sprint(o.r.col(s, s.split.column), s.split.share, s.split.seed)
	}
	text := make([]string, len(rows))
	for i, r := range rows {
		text[i] = canonical(r)
	}
	// The digest of several inputs is made of theirs: equal rows that come in
	// other parts are written anew.
	var parts []int
	for _, in := range s.inputs {
		parts = append(parts, len(o.steps[in].rows))
	}
	id := fmt.Sprint(out.comp, out.style, by, parts, text)
	card := fmt.Sprint(out.comp, skipped, files, counted(out.comp, rows, splits))
	o.outputs[id] = true
	o.cards[out.path] = card
	disk := o.disk(out.path)
	inPlace := o.past.cards[out.path] == card && o.past.texts[out.path] == disk["autosafe.json"]
	for name, text := range files {
		inPlace = inPlace && disk[name] == text
	}
	if !o.past.outputs[id] || !inPlace || o.refreshes(s) {
		o.starts[o.r.address(s)+".output."+out.comp] = true
	}
}

// counted is how many rows of each split an output has a place for.
func counted(comp string, rows []columns, splits []string) map[string]int {
	n := map[string]int{}
	_, _, _, skips := writer(comp, "", rows, splits)
	for i, s := range splits {
		if !skips[i] {
			n[s]++
		}
	}
	return n
}

// split is where a row goes. Like luck, it is promised not to change.
func (o *oracle) split(s *step, r columns) string {
	ancestor := strings.ToLower(fmt.Sprint(r[o.r.col(s, s.split.column)]))
	d := sha256.Sum256(append(binary.AppendVarint(nil, int64(s.split.seed)), ancestor...))
	at := float64(binary.BigEndian.Uint64(d[:8])>>11) / (1 << 53)
	// The splits are taken in order of name: test, then train.
	if at-float64(10-s.split.share)/10 < 0 {
		return "test"
	}
	return "train"
}
