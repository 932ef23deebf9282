package main

import (
	"fmt"
	"math"
)

// to is the cell that compares a contender with another, round by round.
func (c *contender) to(other *contender, of func(sample) float64) string {
	if r := ratio(c, other, of); r.known {
		return times(r.median)
	}
	return ""
}

// calls reports one call a row.
func (r *report) calls(own, bare, promptfoo *contender, m modelSizes) {
	s := section{
		title: "One model call a row",
		intro: fmt.Sprintf("%s rows of 512 bytes, of each of which a `judge \"rubric\"` asks a model, %d at a time, with an empty cache. "+
			"The endpoint is a process of its own and takes %v to answer. "+
			"The bare client sends the same requests, %d at a time, reads the answers, and keeps nothing. "+
			"promptfoo (`eval -j %d --no-cache`, no telemetry, a fresh folder for its data) has as many cases with one `contains` assertion each. "+
			"Whole processes, from start to end. The contenders take turns.", thousands(m.rows), m.width, m.latency, m.width, m.width),
		head: timesHead("wall to autosafe's", "CPU to autosafe's"),
	}
	for _, c := range []*contender{own, bare, promptfoo} {
		s.rows = append(s.rows, append(c.times(), c.to(own, wallOf), c.to(own, cpuOf)))
	}
	r.sections = append(r.sections, s)

	what := fmt.Sprintf("%s model calls, %d at a time", thousands(m.rows), m.width)
	got := ratio(own, bare, wallOf).median
	r.bar(what+": the time of a bare client", "at most 1.6 times", times(got), got <= 1.6)
	for _, b := range []struct {
		what string
		of   func(sample) float64
		bar  float64
	}{{"time", wallOf, 6}, {"CPU", cpuOf, 10}} {
		name, want := what+": promptfoo's "+b.what, fmt.Sprintf("at least %.0f times", b.bar)
		if promptfoo.missing != "" {
			r.unknownBar(name, want, promptfoo.missing)
			continue
		}
		got := ratio(promptfoo, own, b.of).median
		r.bar(name, want, times(got), got >= b.bar)
	}
}

// callMemory reports the memory of more and more calls.
func (r *report) callMemory(list []*contender, m modelSizes) {
	s := section{
		title: "Memory of model calls",
		intro: "The same with more rows. Memory is the sum of the proportional set sizes of all processes, sampled; its largest value counts.",
		head:  timesHead("peak memory", "to the first"),
	}
	first := list[0]
	for _, c := range list {
		s.rows = append(s.rows, append(c.times(), mebibytes(c.peak()), times(c.peak().median/max(first.peak().median, 1))))
	}
	r.sections = append(r.sections, s)
	for i, c := range list[1:] {
		what := fmt.Sprintf("%s model calls to %s: peak memory", thousands(m.more[i]), thousands(m.rows))
		if !memoryKnown {
			r.unknownBar(what, "at most 1.3 times", "not measured on this system")
			continue
		}
		got := c.peak().median / max(first.peak().median, 1)
		r.bar(what, "at most 1.3 times", times(got), got <= 1.3)
	}
}

// wide reports many calls in flight.
func (r *report) wide(list []*contender, accounts []*[]account, m modelSizes) {
	ceiling := float64(m.wide) / m.wideLatency.Seconds()
	share := func(seconds float64) float64 { return float64(m.wideRows) / seconds / ceiling }
	s := section{
		title: "Many calls in flight",
		intro: fmt.Sprintf("%s rows, %d calls at a time, %v an answer: the ceiling is %s calls a second. "+
			"The endpoint's share is from its first request to its last answer, the process's from its start to its end. "+
			"Calls go out in waves, of which the last cannot be full: %.1f %% is the most that can be had.",
			thousands(m.wideRows), m.wide, m.wideLatency, thousands(int(ceiling)), 100*share(m.wideLatency.Seconds()*math.Ceil(float64(m.wideRows)/float64(m.wide)))),
		head: timesHead("the endpoint's share of the ceiling", "the process's"),
	}
	of := func(i int) (endpoint, process float64) {
		var took []float64
		for _, a := range *accounts[i] {
			took = append(took, a.Took)
		}
		return share(spreadOf(took).median), share(list[i].wall().median)
	}
	for i, c := range list {
		endpoint, process := of(i)
		s.rows = append(s.rows, append(c.times(), percent(endpoint), percent(process)))
	}
	r.sections = append(r.sections, s)
	endpoint, process := of(0)
	what := fmt.Sprintf("%s model calls, %d at a time", thousands(m.wideRows), m.wide)
	r.bar(what+": the endpoint's share", "at least 95 % of the ceiling", percent(endpoint), endpoint >= 0.95)
	r.bar(what+": the process's share", "at least 95 % of the ceiling", percent(process), process >= 0.95)
}

// limited reports an endpoint that refuses what comes too fast.
func (r *report) limited(own, promptfoo *contender, ownAccounts, theirs []account, m modelSizes) {
	of := func(value func(account) int64) func([]account) spread {
		return func(list []account) spread {
			var values []float64
			for _, a := range list {
				values = append(values, float64(value(a)))
			}
			return spreadOf(values)
		}
	}
	refused := of(func(a account) int64 { return a.Refused })
	lost := of(func(a account) int64 { return int64(m.rows) - a.Answered })
	s := section{
		title: "An endpoint with a limit",
		intro: fmt.Sprintf("%s rows, %d calls at a time allowed by the recipe, but the endpoint lets in no more than %.0f a second "+
			"and refuses the others with status 429 and `Retry-After: 1`. The recipe does not say so.", thousands(m.rows), m.width, m.perSecond),
		head: timesHead("refused", "lost"),
	}
	for _, c := range []struct {
		*contender
		accounts []account
	}{{own, ownAccounts}, {promptfoo, theirs}} {
		row := append(c.times(), "", "")
		if c.missing == "" {
			row = append(c.times(), counts(refused(c.accounts)), counts(lost(c.accounts)))
		}
		s.rows = append(s.rows, row)
	}
	r.sections = append(r.sections, s)
	what := fmt.Sprintf("%s rows at %.0f requests a second", thousands(m.rows), m.perSecond)
	r.bar(what, "at most 12 s", seconds(own.wall()), own.wall().median <= 12)
	got := refused(ownAccounts)
	r.bar(what+": refused", "fewer than 50", counts(got), got.high < 50)
	missed := lost(ownAccounts)
	r.bar(what+": lost calls", "0", counts(missed), missed.high == 0)
}

// changing reports endpoints whose limits change.
func (r *report) changing(list []*contender, accounts []*[]account, m modelSizes) {
	s := section{
		title: "An endpoint with changing limits",
		intro: fmt.Sprintf("The limit is halved and doubled in turns, every %v. What comes beyond it is refused with status 429: above requests a second "+
			"with `Retry-After: 1`, above requests open without. The recipe allows %d calls at a time and knows of no limit. "+
			"The share is of what the limits would have let in from the first request to the last answer.", m.period, 2*m.changingOpen),
		head: timesHead("calls", "refused", "share"),
	}
	for i, c := range list {
		var shares, refused []float64
		for _, a := range *accounts[i] {
			shares, refused = append(shares, a.share()), append(refused, float64(a.Refused))
		}
		share := spreadOf(shares).median
		s.rows = append(s.rows, append(c.times(), thousands(int((*accounts[i])[0].Answered)), counts(spreadOf(refused)), percent(share)))
		r.bar("A limit that halves and doubles: "+c.name, "at least 85 %", percent(share), share >= 0.85)
	}
	r.sections = append(r.sections, s)
}

func percent(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) }
