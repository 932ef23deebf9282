package catalog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/internal/toolkit"
	"github.com/autosafe/autosafe/spec/ots"
)

// pair is a group with one outcome. The index counts within the primary
// toolkit, so that another toolkit never moves it.
type pair struct {
	kits    []toolkit.Toolkit
	outcome string
	index   int64
}

// pairsOf makes the pairs: those of the configuration if it has any, else
// those of the toolkits' files, else guessed ones.
func pairsOf(cfg Config, kits []toolkit.Toolkit) ([]pair, error) {
	if len(cfg.Pairs) > 0 {
		return configured(cfg.Pairs, kits)
	}
	var out []pair
	for _, k := range kits {
		declared := k.Pairs
		if len(declared) == 0 {
			declared = []toolkit.Pair{{Outcomes: Guess(k)}}
		}
		index := int64(0)
		for i, d := range declared {
			group, err := groupOf(kits, append([]string{k.Name}, d.With...))
			if err != nil {
				return nil, fmt.Errorf("%s: toolkit %q: pair %d: %w", k.File, k.Name, i+1, err)
			}
			for _, id := range d.Outcomes {
				if !outcomeID(id) {
					return nil, fmt.Errorf("%s: toolkit %q: pair %d: %q cannot be the id of an outcome; lower-case letters, digits and _ can", k.File, k.Name, i+1, id)
				}
				out = append(out, pair{kits: group, outcome: id, index: index})
				index++
			}
		}
	}
	return out, nil
}

// configured makes the pairs that the block lists.
func configured(list []Pair, kits []toolkit.Toolkit) ([]pair, error) {
	out := make([]pair, 0, len(list))
	led := map[string]int64{}
	for i, p := range list {
		group, err := groupOf(kits, p.Toolkits)
		if err != nil {
			return nil, fmt.Errorf("pairs[%d]: %w", i, err)
		}
		lead := group[0].Name
		out = append(out, pair{kits: group, outcome: p.Outcome, index: led[lead]})
		led[lead]++
	}
	return out, nil
}

// groupOf finds the toolkits of a group and sees that no two of their tools
// share a name.
func groupOf(kits []toolkit.Toolkit, names []string) ([]toolkit.Toolkit, error) {
	if len(names) == 0 {
		return nil, fmt.Errorf("a group needs at least one toolkit")
	}
	owner := map[string]string{}
	group := make([]toolkit.Toolkit, 0, len(names))
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return nil, fmt.Errorf("the toolkit %q stands twice in the group", name)
		}
		k, err := find(kits, name)
		if err != nil {
			return nil, err
		}
		for _, t := range k.Tools {
			if other, ok := owner[t.Name]; ok {
				return nil, fmt.Errorf("the toolkits %q and %q both have a tool %q", other, name, t.Name)
			}
			owner[t.Name] = name
		}
		group = append(group, k)
	}
	return group, nil
}

func find(kits []toolkit.Toolkit, name string) (toolkit.Toolkit, error) {
	names := make([]string, len(kits))
	for i, k := range kits {
		if k.Name == name {
			return k, nil
		}
		names[i] = k.Name
	}
	return toolkit.Toolkit{}, fmt.Errorf("there is no toolkit %q.%s", name, toolkit.DidYouMean(name, names))
}

func (p pair) row() Row {
	lead := p.kits[0]
	row := Row{
		Domain:  lead.Domain,
		Outcome: p.outcome,
		Origin:  ots.Origin{Source: Name, File: lead.File, Index: p.index, Licence: p.licence()},
	}
	for _, k := range p.kits {
		row.Toolkits = append(row.Toolkits, k.Name)
		row.Tools = append(row.Tools, k.OTS()...)
	}
	return row
}

// licence joins the licences of the group's toolkits.
func (p pair) licence() string {
	var all []string
	for _, k := range p.kits {
		if k.Licence != "" && !slices.Contains(all, k.Licence) {
			all = append(all, k.Licence)
		}
	}
	return strings.Join(all, " AND ")
}
