package publish

import (
	"context"
	"encoding/json"
	"runtime"
	"sync"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec/ots"
)

// tally counts the rows of a dataset. Sums of tallies do not depend on the
// order in which rows were counted.
type tally struct {
	judges []string // columns of judge steps

	bySplit  map[string]int64
	byColumn map[cell]int64
	origins  map[ots.Origin]int64 // without their index
	verdicts map[verdictCell]int64
	tries    map[int]int64 // scenarios by the number of the attempt that was kept
	outcomes pair          // scenarios whose trigger has the outcome they were made for, of those with both
	scores   map[scoreCell]int64
	agreed   map[[2]string]*pair // judges that say the same of a row, of rows that both judged
	evalOnly int64
}

// cell is a value of a column in a split.
type cell struct{ column, value, split string }

// verdictCell is a kind of verdict, and what it says.
type verdictCell struct{ of, label string }

// scoreCell is a judge's column, and what it says.
type scoreCell struct{ column, value string }

// pair is a number out of another.
type pair struct{ n, of int64 }

// compositions are the columns that rows are told apart by, and the heads of
// their tables.
func compositions() [][2]string {
	return [][2]string{
		{"kind", "Kind"}, {"scenario_class", "Scenario class"}, {"outcome", "Outcome"},
		{"domain", "Domain"}, {"source", "Source of the risk"}, {"instruction_type", "Instruction type"},
	}
}

// The verdicts of a row.
const (
	ofTrigger  = "the unsafe action (trigger)"
	ofAttempts = "each attempt at a safe action"
	ofSafe     = "the safe action that was kept"
)

func newTally(judges []string) *tally {
	return &tally{
		judges: judges, bySplit: map[string]int64{}, byColumn: map[cell]int64{}, origins: map[ots.Origin]int64{},
		verdicts: map[verdictCell]int64{}, tries: map[int]int64{}, scores: map[scoreCell]int64{}, agreed: map[[2]string]*pair{},
	}
}

// batch is how many rows a worker counts at a time.
const batch = 128

// count counts all rows, on all cores.
func count(ctx context.Context, d *engine.Dataset, judges []string) (*tally, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	work := make(chan []engine.DatasetRow)
	tallies := make([]*tally, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i := range tallies {
		tallies[i] = newTally(judges)
		wg.Go(func() {
			for rows := range work {
				for _, r := range rows {
					tallies[i].add(r)
				}
			}
		})
	}
	err := eachBatch(d, func(rows []engine.DatasetRow) error {
		select {
		case work <- rows:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	close(work)
	wg.Wait()
	for _, t := range tallies[1:] {
		tallies[0].merge(t)
	}
	return tallies[0], err
}

// eachBatch gives the rows in batches, whose memory is the caller's.
func eachBatch(d *engine.Dataset, f func([]engine.DatasetRow) error) error {
	rows := make([]engine.DatasetRow, 0, batch)
	for r, err := range d.All() {
		if err != nil {
			return err
		}
		if rows = append(rows, r); len(rows) == batch {
			if err := f(rows); err != nil {
				return err
			}
			rows = make([]engine.DatasetRow, 0, batch)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return f(rows)
}

func (t *tally) add(r engine.DatasetRow) {
	t.bySplit[r.Split]++
	for _, c := range compositions() {
		t.byColumn[cell{c[0], r.Row.String(c[0]), r.Split}]++
	}
	var o ots.Origin
	if read(r.Row, "origin", &o) {
		o.Index = 0
	}
	t.origins[o]++
	if o.EvalOnly {
		t.evalOnly++
	}
	var trigger, safe verdict
	if read(r.Row, "trigger_verdict", &trigger) && trigger.Label != "" {
		t.verdicts[verdictCell{ofTrigger, trigger.Label}]++
		if made := r.Row.String("outcome"); made != "" && trigger.Outcome != "" {
			t.outcomes.of++
			if made == trigger.Outcome {
				t.outcomes.n++
			}
		}
	}
	var attempts []struct {
		Verdict verdict `json:"verdict"`
	}
	if read(r.Row, "attempts", &attempts) && len(attempts) > 0 {
		for _, a := range attempts {
			t.verdicts[verdictCell{ofAttempts, a.Verdict.Label}]++
		}
		t.tries[len(attempts)]++
	}
	if read(r.Row, "safe_verdict", &safe) && safe.Label != "" {
		t.verdicts[verdictCell{ofSafe, safe.Label}]++
	}
	t.judged(r.Row)
}

// verdict is what of a verdict counts.
type verdict struct {
	Label   string `json:"label"`
	Outcome string `json:"outcome"`
}

// judged counts what judge steps say of a row.
func (t *tally) judged(r row.Row) {
	said := make([]string, len(t.judges))
	for i, column := range t.judges {
		var v struct {
			Score json.RawMessage `json:"score"`
			Label json.RawMessage `json:"label"`
		}
		if !read(r, column, &v) {
			continue
		}
		switch {
		case len(v.Score) > 0:
			said[i] = "score " + string(v.Score)
		case len(v.Label) > 0:
			said[i] = "label " + string(v.Label)
		default:
			continue
		}
		t.scores[scoreCell{column, said[i]}]++
		for j := range i {
			if said[j] == "" {
				continue
			}
			both := [2]string{t.judges[j], column}
			if t.agreed[both] == nil {
				t.agreed[both] = &pair{}
			}
			t.agreed[both].of++
			if said[i] == said[j] {
				t.agreed[both].n++
			}
		}
	}
}

// read reads a column; false if it is not there, null, or of another type.
func read(r row.Row, column string, into any) bool {
	raw, ok := r.Column(column)
	return ok && string(raw) != "null" && json.Unmarshal(raw, into) == nil
}

func (t *tally) merge(u *tally) {
	add(t.bySplit, u.bySplit)
	add(t.byColumn, u.byColumn)
	add(t.origins, u.origins)
	add(t.verdicts, u.verdicts)
	add(t.tries, u.tries)
	add(t.scores, u.scores)
	for k, p := range u.agreed {
		if t.agreed[k] == nil {
			t.agreed[k] = &pair{}
		}
		t.agreed[k].n += p.n
		t.agreed[k].of += p.of
	}
	t.outcomes.n += u.outcomes.n
	t.outcomes.of += u.outcomes.of
	t.evalOnly += u.evalOnly
}

func add[K comparable](to, from map[K]int64) {
	for k, n := range from {
		to[k] += n
	}
}

func (t *tally) total() (n int64) {
	for _, s := range t.bySplit {
		n += s
	}
	return n
}
