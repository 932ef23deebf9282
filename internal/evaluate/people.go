package evaluate

import (
	"math"

	"github.com/autosafe/autosafe/internal/evaluate/stats"
)

// seen is an item that a person labelled, and the first trial in which it was
// done.
type seen struct {
	item string
	arm  *arm
	at   int
}

// itemsOf are the items that trials have, by scenario, each once.
func (ev *evaluation) itemsOf() [][]seen {
	all := make([][]seen, len(ev.scenarios))
	for i := range all {
		known := map[string]bool{}
		for _, a := range ev.arms {
			for at := i * ev.samples; at < (i+1)*ev.samples; at++ {
				if item := a.items[at]; item != "" && !known[item] {
					known[item] = true
					all[i] = append(all[i], seen{item, a, at})
				}
			}
		}
	}
	return all
}

// opinions goes through what two raters say of the same trials of a scenario. Where
// one of them is held to be right, it is the first.
type opinions func(c cell, found func(x, y opinion))

// withPeople is how far judges, and the verdict, agree with people, and people with
// each other. An item counts once, however many trials it stands for.
func (ev *evaluation) withPeople() (list []agreement) {
	if len(ev.people) == 0 {
		return nil
	}
	items := ev.itemsOf()
	for i := range ev.people {
		ev.people[i].countUnknown(items)
	}
	raters := ev.judges()
	if ev.body.Protocol != Labelled {
		raters = append(raters, rater{"verdict", func(a *arm, at int) opinion {
			return opinion{a.trials[at].verdict, a.trials[at].useful, a.trials[at].safety}
		}})
	}
	add := func(key string, measures []measure) {
		for _, m := range measures {
			list = append(list, agreement{group: HumansGroup, key: key, measure: m})
		}
	}
	for i := range ev.people {
		p := &ev.people[i]
		for _, r := range raters {
			add(r.name+" ~ "+p.name, ev.heldAgainst(func(c cell, found func(x, y opinion)) {
				for _, s := range items[c.at] {
					found(p.labels[s.item], r.says(s.arm, s.at))
				}
			}))
		}
		for j := range ev.people[:i] {
			q := &ev.people[j]
			add(q.name+" ~ "+p.name, ev.betweenTwo(func(c cell, found func(x, y opinion)) {
				for _, s := range items[c.at] {
					found(q.labels[s.item], p.labels[s.item])
				}
			}))
		}
	}
	return list
}

// withRules is how far judges agree with rules, of the trials that rules decide.
func (ev *evaluation) withRules() (list []agreement) {
	if ev.body.Protocol == Labelled {
		return nil
	}
	for _, r := range ev.judges() {
		measures := ev.heldAgainst(func(c cell, found func(x, y opinion)) {
			c.each(ev.arms, ev.samples, func(a *arm, at int) { found(a.trials[at].ruled, r.says(a, at)) })
		})
		if !ev.asked(measures[0]) {
			continue
		}
		for _, m := range measures {
			list = append(list, agreement{group: RulesGroup, key: r.name + " ~ rules", measure: m})
		}
	}
	return list
}

// betweenTwo is how far two raters agree.
func (ev *evaluation) betweenTwo(both opinions) []measure {
	list := pairMeasures(func(c cell, found func(x, y label)) {
		both(c, func(x, y opinion) { found(x.label, y.label) })
	})
	useful := usefulMeasures(func(c cell, found func(x, y answer)) {
		both(c, func(x, y opinion) { found(x.useful, y.useful) })
	})
	if ev.asked(useful[0]) {
		list = append(list, useful...)
	}
	return list
}

// heldAgainst is how far a rater agrees with one that is held to be right: the
// table of what both say, and what follows from it.
func (ev *evaluation) heldAgainst(right opinions) []measure {
	// What a person could not tell, a judge cannot get right or wrong.
	table := func(c cell) []float64 {
		sum := make([]float64, confusion)
		right(c, func(x, y opinion) {
			if (x.label == safe || x.label == unsafe) && y.label.readable() {
				sum[place(x.label, y.label)]++
			}
		})
		return sum
	}
	list := append(ev.betweenTwo(right), classMeasures(table)...)
	if m := auroc(right); ev.asked(m) {
		list = append(list, m)
	}
	for _, is := range []label{safe, unsafe, invalid} {
		for _, said := range []label{safe, unsafe, invalid} {
			list = append(list, counted("confusion."+is.String()+"."+said.String(), func(c cell) (n float64) {
				right(c, func(x, y opinion) {
					if x.label == is && y.label == said {
						n++
					}
				})
				return n
			}))
		}
	}
	return list
}

// auroc is how well a rater's scores for safety part what is unsafe from what is
// safe, wherever the line between them is drawn.
func auroc(right opinions) measure {
	const k = 4 // scores from 0 to 3
	return measure{
		name: "auroc", width: 2 * k, total: sumOf,
		add: func(c cell, sum []float64) {
			right(c, func(x, y opinion) {
				if math.IsNaN(y.score) {
					return
				}
				switch at := int(math.Round(y.score)); x.label {
				case unsafe:
					sum[at]++
				case safe:
					sum[k+at]++
				}
			})
		},
		value: func(sum []float64) float64 { return stats.AUROC(sum[:k], sum[k:]) },
	}
}

// usefulMeasures are κ and the share of equal answers to whether trials were
// useful.
func usefulMeasures(pairs func(c cell, found func(x, y answer))) []measure {
	table := func(c cell, sum []float64) {
		pairs(c, func(x, y answer) {
			if x != unknown && y != unknown {
				sum[(1-x)+(1-y)/2]++
			}
		})
	}
	return []measure{
		{name: "kappa_useful", width: 4, add: table, value: stats.Kappa, total: sumOf},
		ratio("agreement_useful", share, func(c cell) (same, n float64) {
			sum := make([]float64, 4)
			table(c, sum)
			return sum[0] + sum[3], sumOf(sum)
		}),
	}
}

// countUnknown counts labels of items that no trial has.
func (p *person) countUnknown(items [][]seen) {
	known := int64(0)
	for _, list := range items {
		for _, s := range list {
			if _, ok := p.labels[s.item]; ok {
				known++
			}
		}
	}
	p.unknown = int64(len(p.labels)) - known
}

// peopleCounts are how many labels people gave, and what they are worth here.
func (ev *evaluation) peopleCounts() (figures []Figure) {
	for _, p := range ev.people {
		add := func(name string, n int64, note string) {
			figures = append(figures, Figure{Type: CountFigure, Metric: name, Group: HumansGroup, Key: p.name, Value: number(float64(n)), Note: note})
		}
		add("labels", int64(len(p.labels)), "")
		if p.unknown > 0 {
			add("labels_unknown", p.unknown, "labels of what is done in no trial here; they say nothing")
		}
		if p.blank > 0 {
			add("labels_blank", p.blank, "lines that are not filled in")
		}
	}
	return figures
}
