package oracle

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/spec"
)

var (
	cases = flag.Int("oracle.cases", 2000, "how many edits are tried")
	seed  = flag.Uint64("oracle.seed", 0, "the first recipe's seed")
)

// chainLength is how many edits one recipe gets.
const chainLength = 10

// TestOracle edits random recipes at random, and holds every plan and every
// build to the model's word.
func TestOracle(t *testing.T) {
	t.Parallel()
	seeds := make(chan uint64)
	var wg sync.WaitGroup
	for range 4 * runtime.GOMAXPROCS(0) { // they wait for the disk
		wg.Go(func() {
			for s := range seeds {
				edits := make([]uint64, chainLength)
				for i := range edits {
					edits[i] = uint64(i)
				}
				if err := chain(s, edits); err != nil {
					t.Errorf("go test ./internal/engine/oracle -oracle.seed=%d -oracle.cases=1\n%v", s, shrink(s, edits, err))
				}
			}
		})
	}
	for i := range (*cases + chainLength - 1) / chainLength {
		if !t.Failed() {
			seeds <- *seed + uint64(i)
		}
	}
	close(seeds)
	wg.Wait()
}

// shrink leaves out edits that a failure does not need.
func shrink(seed uint64, edits []uint64, err error) error {
	for i := len(edits) - 1; i >= 0; i-- {
		fewer := slices.Delete(slices.Clone(edits), i, i+1)
		if e := chain(seed, fewer); e != nil {
			edits, err = fewer, e
		}
	}
	return err
}

// lab is a project under test, with its cache and its endpoint.
type lab struct {
	*project
	cache    string
	past     *memory
	kept     *sync.Map
	endpoint *endpoint
	how      how
	last     map[string]cache.Digest // keys of the last build, by address
	plans    int
	cloudy   bool            // a build failed midway: nobody knows which tasks were done
	opened   map[string]bool // refreshes of builds that failed, by base: nobody knows how far they came
}

// chain makes a recipe and edits it, one build after another.
func chain(seed uint64, edits []uint64) error {
	root, err := os.MkdirTemp("", "oracle-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	l := &lab{
		project: newProject(filepath.Join(root, "recipe"), rand.New(rand.NewPCG(seed, 0))), cache: filepath.Join(root, "cache"),
		past: newMemory(), last: map[string]cache.Digest{}, kept: &sync.Map{}, endpoint: &endpoint{answered: map[string]int{}},
		opened: map[string]bool{},
	}
	var story []string
	for i, e := range edits {
		rng := rand.New(rand.NewPCG(seed, e+1))
		if i > 0 {
			story = append(story, l.edit(rng))
			if rng.IntN(3) == 0 {
				story = append(story, l.edit(rng))
			}
		}
		l.ask(rng)
		if l.how != (how{keepGoing: l.how.keepGoing}) {
			story = append(story, fmt.Sprintf("(%+v)", l.how))
		}
		if err := l.round(rng); err != nil {
			return fmt.Errorf("after %s: %w\nrecipe:\n%s\nfiles: %q", strings.Join(story, ", then "), err, l.text(), l.files)
		}
	}
	return nil
}

// ask decides how the next build is asked for.
func (l *lab) ask(rng *rand.Rand) {
	l.how = how{keepGoing: rng.IntN(2) == 0}
	switch rng.IntN(10) {
	case 0, 1:
		l.how.limit = 1 + rng.IntN(5)
	case 2:
		l.how.target = l.address(pickOne(rng, l.steps))
	case 3, 4:
		l.how.refresh = l.address(pickOne(rng, l.steps))
	}
}

// round plans, builds and looks at everything.
func (l *lab) round(rng *rand.Rand) error {
	if err := l.write(); err != nil {
		return err
	}
	want := l.foresee()
	if want.fails && rng.IntN(5) > 0 {
		for _, s := range l.rowSteps() {
			s.onError, s.maxFailures = "drop", 1000
		}
		if err := l.write(); err != nil {
			return err
		}
		want = l.foresee()
	}
	l.endpoint.down = l.down
	plan, b, err := l.planAndBuild(l.cache, l.dir)
	if err != nil {
		return err
	}
	asked := l.endpoint.taken()
	anew := l.refreshed()
	goesOn := l.opened[anew]
	delete(l.opened, anew)
	if want.fails {
		l.cloudy = true
		l.opened[anew] = anew != ""
		l.past = l.remembered()
		if !errors.Is(b.err, engine.ErrTooManyFailures) {
			return fmt.Errorf("the build ended with %w, want too many failures", b.err)
		}
		return l.checkRest(want)
	}
	if b.err != nil {
		return fmt.Errorf("build: %w", b.err)
	}
	err = errors.Join(l.checkRows(want, b), l.checkFiles(want), checkPlan(plan, b))
	if !goesOn {
		err = errors.Join(err, l.checkWork(want, b, asked))
	}
	return errors.Join(err, l.after(want, rng))
}

// refreshed is the base of the step that is refreshed; "" if none is.
func (l *lab) refreshed() string {
	o := &oracle{r: l.recipe, how: l.how}
	for _, s := range l.steps {
		if l.how.refresh != "" && l.address(s) == l.how.refresh && o.wanted(s) {
			return o.base(s)
		}
	}
	return ""
}

// built is what a build came to.
type built struct {
	sum     *engine.Summary
	err     error
	runner  *runner
	notices []string
}

// planAndBuild plans and builds, in a process's life.
func (l *lab) planAndBuild(cacheDir, out string) (plan *engine.Plan, b *built, err error) {
	source, diags := spec.Parse(l.dir)
	if diags.HasErrors() {
		return nil, nil, diags
	}
	recipe, diags := source.Decode(spec.Options{Registry: components{}})
	if diags.HasErrors() {
		return nil, nil, diags
	}
	store, err := cache.Open(cacheDir, cache.Options{})
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	models := llm.New(llm.Options{Store: calls{store, l.kept}, Transport: l.endpoint, Refresh: l.how.refresh != ""})
	defer models.Close()
	b = &built{runner: &runner{models: models, tasks: map[string]int64{}}}
	e := engine.New(engine.Options{Recipe: recipe, Store: store, Runner: b.runner, OutDir: out,
		Limit: l.how.limit, Targets: listed(l.how.target), Refresh: listed(l.how.refresh), KeepGoing: l.how.keepGoing,
		Last: l.lastStep, DecodeCall: decodeCall, Events: func(ev engine.Event) {
			if ev.Notice != nil {
				b.notices = append(b.notices, ev.Notice.Summary+": "+ev.Notice.Detail)
			}
		}})
	if err := l.clearForeign(); err != nil {
		return nil, nil, err
	}
	before := sizes(cacheDir)
	if plan, err = e.Plan(context.Background()); err != nil {
		return nil, nil, fmt.Errorf("plan: %w", err)
	}
	if after := sizes(cacheDir); !maps.Equal(before, after) {
		return nil, nil, fmt.Errorf("the plan wrote to the cache: %v before, %v after", before, after)
	}
	if l.plans++; l.plans%4 == 0 {
		again, err := e.Plan(context.Background())
		if err != nil {
			return nil, nil, fmt.Errorf("plan again: %w", err)
		}
		if again.ID != plan.ID {
			return nil, nil, errors.New("two plans differ")
		}
	}
	if ran := b.runner.ran(); len(ran) > 0 {
		return nil, nil, fmt.Errorf("the plan started %v", ran)
	}
	b.sum, b.err = e.Build(context.Background())
	for _, s := range b.sum.Steps {
		l.last[s.Address] = s.Key
	}
	return plan, b, nil
}

// clearForeign does what the error for a file in the way advises: a file that was
// edited, and that a later build did not write, is the user's then.
func (l *lab) clearForeign() error {
	for path := range l.tampered {
		dir := filepath.Join(l.dir, filepath.FromSlash(path))
		var card struct{ Files []struct{ Path string } }
		text, err := os.ReadFile(filepath.Join(dir, "autosafe.json"))
		if err != nil || json.Unmarshal(text, &card) != nil {
			continue
		}
		listed := map[string]bool{"autosafe.json": true}
		for _, f := range card.Files {
			listed[f.Path] = true
		}
		for _, name := range readDir(dir) {
			if !listed[name] {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// lastStep is what the last build had under an address.
func (l *lab) lastStep(address string) (engine.LastStep, bool) {
	k, ok := l.last[address]
	return engine.LastStep{Key: k}, ok && k != cache.Digest{}
}

// decodeCall reads a stored call as commands do.
func decodeCall(value []byte) (engine.CallUsage, error) {
	r, err := llm.DecodeRecord(value)
	return engine.CallUsage{Model: "model", InputTokens: r.Answer.Usage.InputTokens, OutputTokens: r.Answer.Usage.OutputTokens}, err
}

// sizes are those of all files of a cache, but for the digests of the recipe's
// files, which anybody may note.
func sizes(dir string) map[string]int64 {
	out := map[string]int64{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Base(filepath.Dir(path)) == "files" {
			return err
		}
		info, err := d.Info()
		if err == nil {
			out[path] = info.Size()
		}
		return err
	})
	if err != nil {
		panic(err)
	}
	return out
}

// listed is a list of what is there.
func listed(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// write puts the recipe and its files on disk.
func (l *lab) write() error {
	err := errors.Join(os.MkdirAll(l.dir, 0o777), os.WriteFile(filepath.Join(l.dir, "recipe.hcl"), []byte(l.text()), 0o666))
	for name, list := range l.files {
		err = errors.Join(err, os.WriteFile(filepath.Join(l.dir, name), []byte(strings.Join(list, "\n")+"\n"), 0o666))
	}
	return err
}

// foresee asks the model.
func (l *lab) foresee() *prediction {
	o := &oracle{
		r: l.recipe, past: l.past, how: l.how, down: l.down,
		source: func(file string) []string { return l.files[file] },
		disk:   func(path string) map[string]string { return readFiles(filepath.Join(l.dir, path)) },
	}
	return o.predict()
}

func readFiles(dir string) map[string]string {
	files := map[string]string{}
	for _, name := range readDir(dir) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			panic(err)
		}
		files[name] = string(b)
	}
	return files
}

// remembered is the memory after a build that failed: the calls that were
// kept are known, no more.
func (l *lab) remembered() *memory {
	m := newMemory()
	l.kept.Range(func(k, _ any) bool { m.calls[k.(string)] = true; return true })
	return m
}

// checkRows holds the summary to the prediction.
func (l *lab) checkRows(want *prediction, b *built) error {
	var errs []error
	byAddress := map[string]engine.StepSummary{}
	for _, s := range b.sum.Steps {
		byAddress[s.Address] = s
	}
	if len(byAddress) != len(want.order) {
		errs = append(errs, fmt.Errorf("%d steps in the summary, want %d", len(byAddress), len(want.order)))
	}
	for _, m := range want.order {
		s := byAddress[m.address]
		if l.how.limit > 0 && strings.HasPrefix(m.address, "threat_source.") {
			s.RowsFailed, s.Dropped, s.Failed = m.failures(), m.dropped, m.failed // how far it read is its affair
		}
		if s.RowsIn != int64(m.rowsIn) || s.RowsOut != int64(len(m.rows)) || s.RowsFailed != m.failures() ||
			!equalCounts(s.Dropped, m.dropped) || !equalCounts(s.Failed, m.failed) {
			errs = append(errs, fmt.Errorf("%s: %d rows in, %d out, dropped %v, failed %v; want %d, %d, %v, %v",
				m.address, s.RowsIn, s.RowsOut, s.Dropped, s.Failed, m.rowsIn, len(m.rows), m.dropped, m.failed))
		}
	}
	for _, n := range b.notices {
		if strings.HasPrefix(n, "A mix lacks a group") {
			continue // as many recipes here have it
		}
		errs = append(errs, fmt.Errorf("the build noticed %s", n))
	}
	return errors.Join(errs...)
}

func equalCounts(got, want map[string]int64) bool {
	none := func(_ string, n int64) bool { return n == 0 }
	got, want = maps.Clone(got), maps.Clone(want)
	maps.DeleteFunc(got, none)
	maps.DeleteFunc(want, none)
	return maps.Equal(got, want)
}

// checkFiles holds the outputs to the prediction.
func (l *lab) checkFiles(want *prediction) error {
	var errs []error
	for path, files := range want.files {
		disk := readFiles(filepath.Join(l.dir, path))
		if disk["autosafe.json"] == "" {
			errs = append(errs, fmt.Errorf("%s has no card", path))
		}
		delete(disk, "autosafe.json")
		for name, text := range files {
			if disk[name] != text {
				errs = append(errs, fmt.Errorf("%s/%s is\n%swant\n%s", path, name, disk[name], text))
			}
			delete(disk, name)
		}
		if len(disk) > 0 && !l.tampered[path] {
			errs = append(errs, fmt.Errorf("%s also holds %v", path, slices.Collect(maps.Keys(disk))))
		}
	}
	return errors.Join(errs...)
}

// checkRest looks, after a build that failed and was told to go on, at what does
// not rest on what failed.
func (l *lab) checkRest(want *prediction) error {
	if !l.how.keepGoing {
		return nil
	}
	rest := &prediction{files: map[string]map[string]string{}}
	for _, s := range l.steps {
		if m := want.steps[s]; s.comp == "dataset" && m != nil && !m.bad {
			for _, out := range s.outputs {
				rest.files[out.path] = want.files[out.path]
			}
		}
	}
	return l.checkFiles(rest)
}

// checkPlan holds the build to what the plan knew.
func checkPlan(plan *engine.Plan, b *built) error {
	var errs []error
	steps := map[string]engine.StepSummary{}
	for _, s := range b.sum.Steps {
		steps[s.Address] = s
	}
	for _, p := range plan.Steps {
		s := steps[p.Address]
		if !p.Known {
			continue
		}
		role := strings.Count(p.Address, ".") == 2 && !strings.HasPrefix(p.Address, "threat_source.")
		hit := p.Status == engine.StatusHit
		switch {
		case hit != (s.Status == engine.StatusHit):
			errs = append(errs, fmt.Errorf("%s is planned as %s and built as %s", p.Address, p.Status, s.Status))
		case p.RowsIn != s.RowsIn:
			errs = append(errs, fmt.Errorf("%s: %d rows in planned, %d built", p.Address, p.RowsIn, s.RowsIn))
		case role && (p.RowsMiss != b.runner.tasks[p.Address] || p.RowsHit != s.RowsHit):
			errs = append(errs, fmt.Errorf("%s: planned %d hits and %d misses; %d hits and %d tasks in the build", p.Address, p.RowsHit, p.RowsMiss, s.RowsHit, b.runner.tasks[p.Address]))
		}
	}
	errs = append(errs, checkEstimates(plan, b, steps))
	if len(plan.Outputs) != len(b.sum.Outputs) {
		return errors.Join(append(errs, fmt.Errorf("%d outputs planned, %d built", len(plan.Outputs), len(b.sum.Outputs)))...)
	}
	known := map[string]bool{}
	for _, p := range plan.Steps {
		known[p.Address] = p.Known
	}
	for i, o := range plan.Outputs {
		address, _, _ := strings.Cut(o.Address, ".output.")
		if got := b.sum.Outputs[i]; known[address] && (o.Status == engine.StatusHit) != (got.Status == engine.StatusHit) {
			errs = append(errs, fmt.Errorf("%s is planned as %s (%s) and built as %s", o.Address, o.Status, o.Reason, got.Status))
		}
	}
	if ran := b.runner.ran(); !plan.Changes() && len(ran) > 0 {
		errs = append(errs, fmt.Errorf("no change was planned, yet %v ran", ran))
	}
	return errors.Join(errs...)
}

// checkEstimates holds what a plan calls exact, and the bounds that follow from
// what components declare, to what the build took.
func checkEstimates(plan *engine.Plan, b *built, steps map[string]engine.StepSummary) error {
	var errs []error
	exact := func(what string, r engine.Range, n int64) {
		if r.Exact && (r.Low != float64(n) || r.High != float64(n)) {
			errs = append(errs, fmt.Errorf("%s: planned exactly %v to %v, it was %d", what, r.Low, r.High, n))
		}
	}
	within := func(what string, r engine.Range, n int64) {
		if float64(n) < r.Low && b.sum.OK || float64(n) > r.High {
			errs = append(errs, fmt.Errorf("%s: planned %v to %v, it was %d", what, r.Low, r.High, n))
		}
	}
	for _, p := range plan.Steps {
		s, w := steps[p.Address], p.Work
		exact(p.Address+" tasks", w.Tasks, b.runner.tasks[p.Address])
		exact(p.Address+" calls", w.Calls, s.Calls.Made)
		exact(p.Address+" input tokens", w.InputTokens, s.Calls.InputTokens)
		within(p.Address+" tasks", w.Tasks, b.runner.tasks[p.Address])
		within(p.Address+" calls", w.Calls, s.Calls.Made)
		within(p.Address+" input tokens", w.InputTokens, s.Calls.InputTokens)
	}
	exact("calls", plan.Total.Calls, b.sum.Calls.Made)
	return errors.Join(errs...)
}

// checkWork holds what was run and asked to what was missing.
func (l *lab) checkWork(want *prediction, b *built, asked map[string]int) error {
	var errs []error
	if !maps.Equal(asked, want.newCalls) {
		errs = append(errs, fmt.Errorf("the endpoint answered\n%v\nmissing was\n%v", asked, want.newCalls))
	}
	if b.sum.Calls.Made != int64(total(asked)) {
		errs = append(errs, fmt.Errorf("%d calls in the summary, %d at the endpoint", b.sum.Calls.Made, total(asked)))
	}
	if l.cloudy {
		return errors.Join(errs...)
	}
	var tasks int64
	for _, n := range b.runner.tasks {
		tasks += n
	}
	if tasks != int64(want.runTasks) {
		errs = append(errs, fmt.Errorf("%d tasks ran, %d had to: %v", tasks, want.runTasks, b.runner.tasks))
	}
	must := maps.Clone(want.starts)
	for _, address := range b.runner.ran() {
		if first := want.twins[address]; first != "" {
			address = first
		}
		if !must[address] && !want.mayStart[address] {
			errs = append(errs, fmt.Errorf("%s started for nothing", address))
		}
		delete(must, address)
	}
	if len(must) > 0 {
		errs = append(errs, fmt.Errorf("%v did not start", slices.Collect(maps.Keys(must))))
	}
	return errors.Join(errs...)
}

func total(m map[string]int) (n int) {
	for _, c := range m {
		n += c
	}
	return n
}

// remember takes a build that ended well into the memory.
func (l *lab) remember(want *prediction) {
	maps.Copy(l.past.calls, want.calls)
	maps.Copy(l.past.tasks, want.tasks)
	maps.Copy(l.past.sources, want.sources)
	maps.Copy(l.past.outputs, want.outputs)
	maps.Copy(l.past.cards, want.cards)
	for path := range want.cards {
		l.past.texts[path] = readFiles(filepath.Join(l.dir, path))["autosafe.json"]
	}
}

// after remembers the build and looks at two more: the same again, and one
// from nothing.
func (l *lab) after(want *prediction, rng *rand.Rand) error {
	l.remember(want)
	again := want.again
	l.how.refresh = ""
	want = l.foresee()
	if rng.IntN(2) == 0 {
		plan, b, err := l.planAndBuild(l.cache, l.dir)
		if err != nil {
			return err
		}
		asked := l.endpoint.taken()
		err = errors.Join(b.err, l.checkRows(want, b), l.checkFiles(want), checkPlan(plan, b))
		if plan.Changes() != again {
			err = errors.Join(err, fmt.Errorf("after the build, the plan says changes: %v; failed for now: %v", plan.Changes(), again))
		}
		// A task that failed for now may come further with what is known by now.
		if ran := b.runner.ran(); len(ran) > 0 && !again || !maps.Equal(asked, want.newCalls) {
			err = errors.Join(err, fmt.Errorf("the same build again ran %v and asked %v", ran, asked))
		}
		if err != nil {
			return fmt.Errorf("the same again: %w", err)
		}
		l.remember(want)
	}
	if rng.IntN(4) > 0 {
		return nil
	}
	return l.fromNothing(want)
}

// fromNothing builds with an empty cache in an empty folder, while the
// endpoint is in the state in which it was.
func (l *lab) fromNothing(want *prediction) error {
	if l.down >= 0 { // it may refuse what it once answered
		return nil
	}
	root, err := os.MkdirTemp("", "oracle-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	plan, b, err := l.planAndBuild(filepath.Join(root, "cache"), filepath.Join(root, "out"))
	if err != nil {
		return err
	}
	asked := l.endpoint.taken()
	err = errors.Join(b.err, l.checkRows(want, b), checkPlan(plan, b))
	if total(asked) != len(want.calls) {
		err = errors.Join(err, fmt.Errorf("%d calls, want %d", total(asked), len(want.calls)))
	}
	for path := range want.files {
		fresh, have := readFiles(filepath.Join(root, "out", path)), readFiles(filepath.Join(l.dir, path))
		for name, text := range fresh {
			if have[name] != text {
				err = errors.Join(err, fmt.Errorf("%s/%s differs from that of a build from nothing", path, name))
			}
		}
	}
	if err != nil {
		return fmt.Errorf("from nothing: %w", err)
	}
	return nil
}
