package evaluate

import (
	"context"
	"math"

	"github.com/autosafe/autosafe/internal/evaluate/stats"
)

// The groups of agreement figures.
const (
	JudgesGroup = "judges" // judges with each other
	HumansGroup = "humans" // judges with people, and people with each other
	RulesGroup  = "rules"  // judges with rules
	LabelsGroup = "labels" // judges with the labels of runs, of the protocol labelled
)

// agreement is a figure of agreement before it is made.
type agreement struct {
	agent, group, key string
	measure
}

// counted is a measure that is a count.
func counted(name string, add func(c cell) float64) measure {
	return measure{
		name: name, width: 1,
		add:   func(c cell, sum []float64) { sum[0] += add(c) },
		value: func(sum []float64) float64 { return sum[0] },
	}
}

// rater is somebody who says something of trials.
type rater struct {
	name string
	says func(a *arm, at int) opinion
}

// opinion is what somebody says of a trial.
type opinion struct {
	label  label
	useful answer
	score  float64 // for safety; NaN: none
}

// judges are those who vote, or of the protocol labelled those who are tried.
func (ev *evaluation) judges() (list []rater) {
	if ev.body.Protocol == Labelled {
		for _, a := range ev.arms {
			list = append(list, rater{a.name, func(_ *arm, at int) opinion { return opinion{a.trials[at].verdict, unknown, math.NaN()} }})
		}
		return list
	}
	n := len(ev.body.Judges)
	for i, j := range ev.body.Judges {
		list = append(list, rater{j.Name, func(a *arm, at int) opinion {
			v := &a.votes[at*n+i]
			return opinion{v.label, v.useful, v.safety}
		}})
	}
	return list
}

// agreementFigures are the figures of how far judges and people agree.
func (ev *evaluation) agreementFigures(ctx context.Context) ([]Figure, error) {
	list := append(ev.betweenJudges(), ev.withPeople()...)
	list = append(list, ev.withRules()...)
	list = append(list, ev.withLabels()...)
	if len(list) == 0 || ctx.Err() != nil {
		return nil, ctx.Err()
	}
	measures := make([]measure, len(list))
	for i, a := range list {
		measures[i] = a.measure
	}
	t := newTable(measures, len(ev.scenarios), 1, func(scenario, _ int) cell {
		return cell{scenario: &ev.scenarios[scenario], at: scenario}
	})
	all := ev.judge(t, "agreement")[0]
	var figures []Figure
	for i, a := range list {
		e := all[i]
		f := Figure{Type: AgreementFigure, Agent: a.agent, Metric: a.name, Group: a.group, Key: a.key, Value: number(e.value)}
		if a.width > 1 { // a count has no interval
			f.Low, f.High, f.Method, f.Note = number(e.low), number(e.hi), e.method, e.note
			f.N = count(int64(a.denominator(e.sum)))
			if a.kind == share && e.data() {
				f.Hits = count(int64(e.sum[0]))
			}
			if !e.data() && *f.N > 0 {
				f.Note = "it is not defined where there is only one label"
			}
		}
		figures = append(figures, f)
	}
	return append(figures, ev.peopleCounts()...), nil
}

// betweenJudges is how far judges agree, on the trials of all agents and of each.
func (ev *evaluation) betweenJudges() (list []agreement) {
	judges := ev.judges()
	views := []struct {
		agent string
		arms  []*arm
	}{{"", ev.arms}}
	switch {
	case ev.body.Protocol == Labelled:
		views[0].arms = ev.arms[:min(1, len(ev.arms))] // the judges are the agents: one stands for what is judged
	case len(ev.arms) > 1:
		for _, a := range ev.arms {
			views = append(views, struct {
				agent string
				arms  []*arm
			}{a.name, []*arm{a}})
		}
	}
	for _, v := range views {
		add := func(key string, measures ...measure) {
			for _, m := range measures {
				list = append(list, agreement{agent: v.agent, group: JudgesGroup, key: key, measure: m})
			}
		}
		for i, x := range judges {
			for _, y := range judges[i+1:] {
				add(x.name+" ~ "+y.name, pairMeasures(func(c cell, found func(x, y label)) {
					c.each(v.arms, ev.samples, func(a *arm, at int) { found(x.says(a, at).label, y.says(a, at).label) })
				})...)
			}
		}
		if len(judges) > 1 {
			add("all", ev.alphas(judges, v.arms)...)
		}
		if ev.body.Protocol == Labelled {
			continue
		}
		for i, j := range judges {
			if m := ev.flips(i, v.arms); ev.asked(m) {
				add(j.name, m)
			}
		}
	}
	return list
}

// each goes through some agents' trials of a scenario.
func (c cell) each(arms []*arm, samples int, visit func(a *arm, at int)) {
	for _, a := range arms {
		for i := range samples {
			visit(a, c.at*samples+i)
		}
	}
}

// readable says whether a label is one that a judge gave: invalid is one, as a
// judge that cannot be read does not agree with one that can.
func (l label) readable() bool { return l == safe || l == unsafe || l == invalid }

// pairMeasures are κ and the share of equal labels, of pairs of labels.
func pairMeasures(pairs func(c cell, found func(x, y label))) []measure {
	table := func(c cell, sum []float64) {
		pairs(c, func(x, y label) {
			if x.readable() && y.readable() {
				sum[3*int(x-safe)+int(y-safe)]++
			}
		})
	}
	return []measure{
		{name: "kappa", width: 9, add: table, value: stats.Kappa, total: sumOf},
		ratio("agreement", share, func(c cell) (same, n float64) {
			sum := make([]float64, 9)
			table(c, sum)
			return sum[0] + sum[4] + sum[8], sumOf(sum)
		}),
	}
}

// alphas are Krippendorff's α of several judges' labels, and of their scores.
func (ev *evaluation) alphas(judges []rater, arms []*arm) []measure {
	const k = 3
	nominal := measure{
		name: "alpha", width: k*k + 1,
		add: func(c cell, sum []float64) {
			c.each(arms, ev.samples, func(a *arm, at int) {
				counts := make([]float64, k)
				for _, j := range judges {
					if l := j.says(a, at).label; l.readable() {
						counts[l-safe]++
					}
				}
				addUnit(sum, counts)
			})
		},
		value: func(sum []float64) float64 { return stats.Alpha(sum[:k*k], false) },
		total: last,
	}
	list := []measure{nominal}
	if ev.body.Protocol == Labelled {
		return list
	}
	for _, m := range []measure{
		ev.scoreAlpha("alpha_safety", arms, func(v *vote) float64 { return v.safety }),
		ev.scoreAlpha("alpha_helpfulness", arms, func(v *vote) float64 { return v.helpfulness }),
	} {
		if ev.asked(m) {
			list = append(list, m)
		}
	}
	return list
}

// scoreAlpha is Krippendorff's α of judges' scores from 0 to 3, as ordinal values.
func (ev *evaluation) scoreAlpha(name string, arms []*arm, of func(v *vote) float64) measure {
	const k = 4
	n := len(ev.body.Judges)
	return measure{
		name: name, width: k*k + 1,
		add: func(c cell, sum []float64) {
			c.each(arms, ev.samples, func(a *arm, at int) {
				counts := make([]float64, k)
				for i := range n {
					if v := of(&a.votes[at*n+i]); !math.IsNaN(v) {
						counts[int(math.Round(v))]++
					}
				}
				addUnit(sum, counts)
			})
		},
		value: func(sum []float64) float64 { return stats.Alpha(sum[:k*k], true) },
		total: last,
	}
}

// addUnit adds a unit to the table of coincidences in sum, and counts it in the
// last of sum where two or more gave it a value.
func addUnit(sum, counts []float64) {
	if sumOf(counts) >= 2 {
		stats.AddUnit(sum[:len(sum)-1], counts)
		sum[len(sum)-1]++
	}
}

// flips is how often a judge contradicts itself when it is asked again.
func (ev *evaluation) flips(judge int, arms []*arm) measure {
	n := len(ev.body.Judges)
	return ratio("flip_rate", share, func(c cell) (differ, pairs float64) {
		c.each(arms, ev.samples, func(a *arm, at int) {
			r := a.votes[at*n+judge].repeats
			d, p := stats.Flips([]float64{float64(r[0]), float64(r[1]), float64(r[2])})
			differ, pairs = differ+d, pairs+p
		})
		return differ, pairs
	})
}

// asked says whether a measure has anything to it.
func (ev *evaluation) asked(m measure) bool {
	sum := make([]float64, m.width)
	for i := range ev.scenarios {
		m.add(cell{scenario: &ev.scenarios[i], at: i}, sum)
	}
	return m.denominator(sum) > 0
}

// withLabels is what each judge of the protocol labelled said, by what is so.
func (ev *evaluation) withLabels() (list []agreement) {
	if ev.body.Protocol != Labelled {
		return nil
	}
	names := []string{"unsafe.unsafe", "unsafe.safe", "unsafe.invalid", "safe.unsafe", "safe.safe", "safe.invalid"}
	for _, a := range ev.arms {
		for i, name := range names {
			list = append(list, agreement{agent: a.name, group: LabelsGroup, key: "label", measure: counted("confusion."+name, func(c cell) float64 {
				return cell{scenario: c.scenario, trials: a.of(c.at), arm: a, at: c.at}.confusion()[i]
			})})
		}
	}
	return list
}

func sumOf(list []float64) (sum float64) {
	for _, v := range list {
		sum += v
	}
	return sum
}

func last(list []float64) float64 { return list[len(list)-1] }
