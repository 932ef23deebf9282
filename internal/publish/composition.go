package publish

import (
	"cmp"
	"slices"

	"github.com/autosafe/autosafe/internal/page"
)

// value is a value of a column and how many rows have it.
type value struct {
	name    string
	n       int64
	bySplit map[string]int64
}

// maxValues is how many values of a column are told apart. What is rarer is
// added up.
const maxValues = 20

// notSaid stands for a column that a row does not have.
const notSaid = "(not said)"

// values are those of a column, most rows first; others is what is left, if
// anything. There are none where no row has the column.
func (t *tally) values(column string) (list, others []value) {
	found := map[string]*value{}
	said := false
	for c, n := range t.byColumn {
		if c.column != column {
			continue
		}
		said = said || c.value != ""
		name := cmp.Or(c.value, notSaid)
		if found[name] == nil {
			found[name] = &value{name: name, bySplit: map[string]int64{}}
		}
		found[name].n += n
		found[name].bySplit[c.split] += n
	}
	if !said {
		return nil, nil
	}
	for _, v := range found {
		list = append(list, *v)
	}
	slices.SortFunc(list, func(a, b value) int { return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.name, b.name)) })
	if len(list) <= maxValues {
		return list, nil
	}
	rest := value{name: page.Number(int64(len(list)-maxValues)) + " others", bySplit: map[string]int64{}}
	for _, v := range list[maxValues:] {
		rest.n += v.n
		add(rest.bySplit, v.bySplit)
	}
	return list[:maxValues], []value{rest}
}
