package oracle

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// project is a recipe with its files, as a user has it.
type project struct {
	*recipe
	dir   string
	files map[string][]string
	names int // of steps, so far

	down     int             // what does not get through, for now; -1: all does
	tampered map[string]bool // paths of outputs that hold files of others
}

func newProject(dir string, rng *rand.Rand) *project {
	p := &project{recipe: &recipe{}, dir: dir, files: map[string][]string{}, down: -1, tampered: map[string]bool{}}
	for i := range p.models {
		p.models[i] = model{"one", fmt.Sprint("model", i), i}
	}
	for i := range 1 + rng.IntN(3) {
		file := fmt.Sprintf("asks%d.jsonl", i)
		for range 3 + rng.IntN(4) {
			p.files[file] = append(p.files[file], newLine(rng))
		}
		if rng.IntN(4) == 0 {
			file = "asks0.jsonl" // alike
		}
		p.steps = append(p.steps, &step{name: p.name("list"), comp: "list", file: file, onError: "drop", maxFailures: -1})
	}
	for range 1 + rng.IntN(4) {
		p.add(rng)
	}
	p.addDataset(rng)
	return p
}

// name makes a name that no step has yet.
func (p *project) name(comp string) string {
	p.names++
	return fmt.Sprint(comp, p.names)
}

// newLine is a line of a source's file.
func newLine(rng *rand.Rand) string {
	n := rng.IntN(7)
	switch rng.IntN(16) {
	case 0:
		return fmt.Sprintf(`{"ask":"ask%d","n":%d,"id":"own%d"}`, n, rng.IntN(6), rng.IntN(4))
	case 1:
		return fmt.Sprintf(`{"ask":"Ask%d!","n":%d,"id":%d}`, n, rng.IntN(6), rng.IntN(4))
	case 2:
		return fmt.Sprintf(`{"ask":"ask%d","n":%d,"grp":"g%d"}`, n, rng.IntN(6), rng.IntN(3))
	case 3, 4:
		return fmt.Sprintf(`{"ask":"ask%d","n":%d,"extra":"x%d"}`, n, rng.IntN(6), rng.IntN(3))
	case 5:
		return "skip"
	case 6:
		return "no record"
	}
	return fmt.Sprintf(`{"ask":"ask%d","n":%d}`, n, rng.IntN(6))
}

// rows are the steps that others can take rows from.
func (p *project) rowSteps() []*step {
	return slices.DeleteFunc(slices.Clone(p.steps), func(s *step) bool { return s.comp == "dataset" })
}

func pickOne[T any](rng *rand.Rand, list []T) T { return list[rng.IntN(len(list))] }

func (p *project) inputs(rng *rand.Rand, from []*step) []*step {
	in := []*step{pickOne(rng, from)}
	if other := pickOne(rng, from); rng.IntN(3) == 0 && other != in[0] {
		in = append(in, other)
	}
	return in
}

// add puts a step before the datasets.
func (p *project) add(rng *rand.Rand) string {
	comp := pickOne(rng, []string{"vary", "vary", "plain", "redo", "grade", "distill", "distill"})
	s := &step{name: p.name(comp), comp: comp, onError: "drop", maxFailures: -1}
	s.inputs = p.inputs(rng, p.rowSteps())
	s.prompt, s.column = newPrompt(rng), newColumn(rng)
	s.model, s.judge, s.rounds = rng.IntN(3), rng.IntN(3), 1+rng.IntN(3)
	if comp == "vary" {
		s.samples = 1 + rng.IntN(2)
	}
	if comp == "distill" {
		for range rng.IntN(4) {
			s.ops = append(s.ops, p.newOp(rng))
		}
	}
	at := len(p.rowSteps())
	p.steps = slices.Insert(p.steps, at, s)
	return "a new " + comp
}

func newPrompt(rng *rand.Rand) string { return "prompt" + fmt.Sprint(rng.IntN(3)) }
func newColumn(rng *rand.Rand) string {
	return pickOne(rng, []string{"ask", "grp", "text", "kind", "safe", "grade", "text"})
}

func (p *project) newOp(rng *rand.Rand) op {
	o := op{kind: pickOne(rng, []string{"filter", "filter", "dedupe", "whole", "near", "balance", "sample", "limit", "mix"})}
	o.name = p.name("op")
	o.column, o.filter, o.n, o.seed = newColumn(rng), rng.IntN(len(filters())), 1+rng.IntN(6), rng.IntN(4)-1
	if o.kind != "filter" && o.kind != "near" && rng.IntN(4) == 0 {
		o.column = "n"
	}
	return o
}

func (p *project) addDataset(rng *rand.Rand) string {
	s := &step{name: p.name("set"), comp: "dataset", inputs: p.inputs(rng, p.rowSteps())}
	p.steps = append(p.steps, s)
	p.newSplit(s, rng)
	s.outputs = []output{{"lines", "dist/" + s.name + "-lines", "-"}}
	if rng.IntN(2) == 0 {
		s.outputs = append(s.outputs, output{"brief", "dist/" + s.name + "-brief", "-"})
	}
	return "a new dataset"
}

func (p *project) newSplit(s *step, rng *rand.Rand) {
	s.split = nil
	if rng.IntN(4) > 0 {
		s.split = &split{newColumn(rng), pickOne(rng, []int{3, 5, 8, 10}), rng.IntN(3)}
	}
}

// reached says whether a step leads to another.
func reached(from, to *step) bool {
	return from == to || slices.ContainsFunc(to.inputs, func(in *step) bool { return reached(from, in) })
}

// some picks a step of certain components; nil if there is none.
func (p *project) some(rng *rand.Rand, comps ...string) *step {
	list := slices.DeleteFunc(slices.Clone(p.steps), func(s *step) bool { return !slices.Contains(comps, s.comp) })
	if len(list) == 0 {
		return nil
	}
	return pickOne(rng, list)
}

// edit changes one thing and says what.
func (p *project) edit(rng *rand.Rand) string {
	switch rng.IntN(10) {
	case 0, 1, 2:
		return p.editRows(rng)
	case 3, 4:
		return p.editComponent(rng)
	case 5:
		return p.editDistill(rng)
	case 6:
		return p.editGraph(rng)
	case 7:
		return p.editDataset(rng)
	case 8:
		return p.editDisk(rng)
	}
	return p.editLooks(rng)
}

func (p *project) editRows(rng *rand.Rand) string {
	s := p.some(rng, "list")
	list := slices.Clone(p.files[s.file])
	i := rng.IntN(len(list))
	what := ""
	switch rng.IntN(7) {
	case 0:
		list, what = slices.Insert(list, i, newLine(rng)), "a new row"
	case 1:
		what = "a row is gone"
		if len(list) > 2 {
			list = slices.Delete(list, i, i+1)
		}
	case 2:
		list[i], what = newLine(rng), "another row"
	case 3:
		rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		what = "rows in another order"
	case 4:
		list, what = append(list, list[i]), "a row twice"
	case 5:
		list[i], what = strings.Replace(list[i], `"n":`, `"extra":"seen","n":`, 1), "a column that few read"
	default:
		s.tag, what = fmt.Sprint("tag", rng.IntN(3)), "the tag"
	}
	if len(list) > 12 {
		list = list[:12]
	}
	p.files[s.file] = list
	return what
}

func (p *project) editComponent(rng *rand.Rand) string {
	if rng.IntN(4) == 0 {
		m := &p.models[rng.IntN(3)]
		switch rng.IntN(3) {
		case 0:
			m.host = pickOne(rng, []string{"one", "two"})
		case 1:
			m.id = fmt.Sprint("model", rng.IntN(4))
		default:
			m.temperature = rng.IntN(4)
		}
		return "a model"
	}
	s := p.some(rng, "vary", "redo", "grade", "plain")
	if s == nil {
		return "nothing"
	}
	switch rng.IntN(8) {
	case 0, 1:
		s.prompt = newPrompt(rng)
		return "a prompt"
	case 2:
		s.column = newColumn(rng)
		return "the column of a prompt"
	case 3:
		if s.comp == "vary" {
			s.samples = 1 + rng.IntN(3)
		}
		return "samples"
	case 4:
		s.rounds = 1 + rng.IntN(4)
		return "rounds"
	case 5:
		s.model, s.judge = rng.IntN(3), rng.IntN(3)
		return "another model"
	case 6:
		s.seed = rng.IntN(3)
		return "a seed"
	}
	s.generation = rng.IntN(3)
	return "a generation"
}

func (p *project) editDistill(rng *rand.Rand) string {
	s := p.some(rng, "distill")
	if s == nil {
		return p.add(rng)
	}
	if len(s.ops) == 0 {
		s.ops = []op{p.newOp(rng)}
		return "the first operation"
	}
	s.ops = slices.Clone(s.ops)
	i := rng.IntN(len(s.ops))
	switch rng.IntN(6) {
	case 0:
		s.ops = slices.Delete(s.ops, i, i+1)
	case 1:
		s.ops = append(s.ops, p.newOp(rng))
	case 2:
		rng.Shuffle(len(s.ops), func(i, j int) { s.ops[i], s.ops[j] = s.ops[j], s.ops[i] })
	case 3:
		s.ops[i].filter = rng.IntN(len(filters()))
	case 4:
		s.ops[i].n, s.ops[i].seed = 1+rng.IntN(6), rng.IntN(4)-1
	default:
		s.seed, s.ops[i].name = rng.IntN(3), p.name("op")
	}
	return "operations"
}

func (p *project) editGraph(rng *rand.Rand) string {
	switch rng.IntN(4) {
	case 0:
		if len(p.steps) < 9 {
			return p.add(rng)
		}
	case 1:
		if len(p.steps) < 9 {
			return p.addDataset(rng)
		}
	case 2: // a step that nobody uses goes
		for i, s := range slices.Backward(p.steps) {
			used := slices.ContainsFunc(p.steps, func(o *step) bool { return slices.Contains(o.inputs, s) })
			last := s.comp == "dataset" && p.some(rng, "dataset") == s
			if !used && !last && s.comp != "list" {
				p.steps = slices.Delete(slices.Clone(p.steps), i, i+1)
				return "a step is gone"
			}
		}
	}
	s := pickOne(rng, p.steps)
	if s.comp == "list" {
		return "nothing"
	}
	at := slices.Index(p.steps, s)
	s.inputs = p.inputs(rng, slices.DeleteFunc(slices.Clone(p.steps[:at]), func(o *step) bool { return o.comp == "dataset" }))
	return "another input"
}

func (p *project) editDataset(rng *rand.Rand) string {
	s := p.some(rng, "dataset")
	switch rng.IntN(4) {
	case 0:
		old := s.split
		p.newSplit(s, rng)
		if old != nil && s.split != nil { // change but one thing
			changed := *s.split
			*s.split = *old
			switch rng.IntN(3) {
			case 0:
				s.split.column = changed.column
			case 1:
				s.split.share = changed.share
			default:
				s.split.seed = changed.seed
			}
		}
		return "the split"
	case 1:
		i := rng.IntN(len(s.outputs))
		s.outputs = slices.Clone(s.outputs)
		s.outputs[i].style = pickOne(rng, []string{"-", "+", "="})
		return "an output's style"
	case 2:
		if len(s.outputs) > 1 {
			s.outputs = s.outputs[:1]
			return "an output is gone"
		}
	}
	if len(s.outputs) == 1 {
		s.outputs = append(slices.Clone(s.outputs), output{"brief", "dist/" + s.name + "-brief", "-"})
	}
	return "a new output"
}

// editDisk does something to the files of an output, or to the endpoint.
func (p *project) editDisk(rng *rand.Rand) string {
	out := pickOne(rng, p.some(rng, "dataset").outputs)
	dir := filepath.Join(p.dir, filepath.FromSlash(out.path))
	names := readDir(dir)
	switch kind := rng.IntN(5); {
	case kind == 0:
		p.down = rng.IntN(downOf+2) - 1 // maybe a kind that there is not
		return "the endpoint's state"
	case kind == 1 || len(names) == 0:
		p.down = -1
		return "the endpoint is well"
	case kind == 2 || p.tampered[out.path]: // an edited file whose card is lost would be the user's
		if err := os.RemoveAll(dir); err != nil {
			panic(err)
		}
		delete(p.tampered, out.path)
		return "an output's folder is gone"
	case kind == 3:
		if err := os.Remove(filepath.Join(dir, pickOne(rng, names))); err != nil {
			panic(err)
		}
	default: // of the same length, in the same moment
		name := filepath.Join(dir, pickOne(rng, names))
		b, err := os.ReadFile(name)
		if err == nil && len(b) > 0 {
			b[rng.IntN(len(b))] ^= 1
			err = os.WriteFile(name, b, 0o666)
		}
		if err != nil {
			panic(err)
		}
	}
	p.tampered[out.path] = true
	return "an output's file"
}

func readDir(dir string) (names []string) {
	entries, _ := os.ReadDir(dir) // there may be none
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// editLooks changes what no row can hang on, or what is forgiven.
func (p *project) editLooks(rng *rand.Rand) string {
	switch rng.IntN(5) {
	case 0:
		p.suffix = pickOne(rng, []string{"", "_b", "_c"})
		return "every name"
	case 1:
		p.backwards = !p.backwards
		return "the order of blocks"
	case 2:
		p.comment = fmt.Sprintf("# %d\n", rng.IntN(100))
		return "a comment"
	}
	s := pickOne(rng, p.rowSteps())
	s.onError, s.maxFailures = pickOne(rng, []string{"drop", "drop", "fail"}), pickOne(rng, []int{-1, -1, 20})
	return "what may fail"
}
