package engine

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec/ots"
)

// The scenarios of an evaluation are rows of a dataset's split, or of any step, each
// once. A further column tells them apart, which their trials carry along.

// Why rows are no scenarios.
const (
	reasonOtherSplit = "other_split" // the evaluation is not of their split
	reasonDuplicate  = "duplicate"
	reasonNotSampled = "not_sampled" // the recipe asks for fewer
)

// scenariosOp keeps the rows of a split, the first of equal ones, and a seeded
// choice of them where so many are not wanted.
type scenariosOp struct {
	opBase
	seen map[[16]byte]struct{}
	pick *pickOp // nil: all
}

func newScenariosOp(common opBase) *scenariosOp {
	o := &scenariosOp{opBase: common, seen: map[[16]byte]struct{}{}}
	if common.op.N > 0 {
		common.reason = reasonNotSampled
		seed := common.st.Seed
		if common.op.Seed != nil {
			seed = *common.op.Seed
		}
		o.pick = &pickOp{opBase: common, seed: seed, max: common.op.N, groups: map[string]*lowest{}}
	}
	return o
}

// candidate is what decides about a row.
type candidate struct {
	split  string
	digest cache.Digest
}

func (o *scenariosOp) add(items []item) ([]item, error) {
	candidates, keep, err := evaluate(&o.opBase, items, func(r row.Row) (c candidate, err error) {
		c.digest = scenarioDigest(r)
		if o.op.Split != nil {
			c.split, err = splitOf(o.op.Split, r)
		}
		return c, err
	})
	if err != nil {
		return nil, err
	}
	kept, dropped := items[:0:0], map[string]int64{}
	for i, it := range items {
		if !keep[i] {
			continue
		}
		short := [16]byte(candidates[i].digest[:16])
		_, again := o.seen[short]
		switch {
		case o.op.Split != nil && candidates[i].split != o.op.Of:
			o.leave(it)
			dropped[reasonOtherSplit]++
		case again:
			o.leave(it)
			dropped[reasonDuplicate]++
		default:
			if err := checkExpect(it.row); err != nil {
				o.st.trace.drop(it.pos, 0)
				if err := o.rowFailed(o.st, it.row.String("id"), err); err != nil {
					return nil, err
				}
				continue
			}
			o.seen[short] = struct{}{}
			kept = append(kept, it)
		}
	}
	for reason, n := range dropped {
		o.st.drop(reason, n)
	}
	if o.pick != nil {
		return o.pick.add(kept)
	}
	return kept, nil
}

// checkExpect says what is wrong with the column that says what a good agent does: a
// misspelt one would be taken for a risky scenario, before anybody looks at figures.
func checkExpect(r row.Row) *RowError {
	b, ok := r.Column("expect")
	values := ots.Expect("").Values()
	if text := string(b); !ok || text == "null" || text == `""` || text[0] == '"' && slices.Contains(values, r.String("expect")) {
		return nil
	}
	return &RowError{
		Code: "bad_expect", Summary: "the column expect has a value that is none of " + strings.Join(values, ", "),
		Detail: fmt.Sprintf("it is %.100s", b),
	}
}

func (o *scenariosOp) end() ([]item, error) {
	if o.pick == nil {
		return nil, nil
	}
	return o.pick.end()
}

// scenarioDigest is equal for rows that are the same scenario: which they are called
// and where they are from does not count.
func scenarioDigest(r row.Row) cache.Digest {
	return r.Without("id").Without("origin").Digest()
}

// asScenarios adds the column that tells scenarios apart.
func asScenarios(items []item) []row.Row {
	rows := make([]row.Row, len(items))
	parallel(len(items), func(i int) {
		d := scenarioDigest(items[i].row)
		rows[i] = items[i].row.WithString(ScenarioColumn, hex.EncodeToString(d[:8]))
	})
	return rows
}
