package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// modelSizes are how much there is of the model cases.
type modelSizes struct {
	rows    int           // one call each
	width   int           // calls at a time
	latency time.Duration // of an answer
	more    []int         // rows whose memory is compared with that of rows

	wideRows, wide int
	wideLatency    time.Duration

	perSecond float64 // that a limited endpoint lets in

	// The limits of an endpoint that changes them each period: requests a
	// second, or requests open; and rows for each.
	changingRate     float64
	changingRateRows int
	changingOpen     int
	changingOpenRows int
	period           time.Duration
}

func fullModelSizes() modelSizes {
	return modelSizes{
		rows: 500, width: 50, latency: 50 * time.Millisecond, more: []int{5_000, 50_000},
		wideRows: 20_000, wide: 512, wideLatency: 200 * time.Millisecond,
		perSecond:    50,
		changingRate: 100, changingRateRows: 3_000, changingOpen: 64, changingOpenRows: 19_200, period: 10 * time.Second,
	}
}

func quickModelSizes() modelSizes {
	return modelSizes{
		rows: 100, width: 50, latency: 20 * time.Millisecond, more: []int{500, 1_000},
		wideRows: 2_000, wide: 128, wideLatency: 50 * time.Millisecond,
		perSecond:    50,
		changingRate: 100, changingRateRows: 300, changingOpen: 32, changingOpenRows: 900, period: time.Second,
	}
}

// judged has autosafe ask about each of n rows, from nothing.
func (s *suite) judged(n, width int) (*contender, error) {
	rows, err := s.rowsFile(n, 512)
	if err != nil {
		return nil, err
	}
	dir, err := s.recipe(fmt.Sprintf("calls-%d-%d", n, width), judgedRecipe(rows, s.endpoint.url(), width))
	if err != nil {
		return nil, err
	}
	cache := s.path("cache-calls")
	c := &contender{name: "autosafe", command: s.build(dir, cache, "-json")}
	c.command.keep = true
	c.prepare = func(int) error {
		return errors.Join(os.RemoveAll(filepath.Join(dir, "dist")), remake(cache))
	}
	c.check = func(m sample) error {
		o, err := outcomeOf(m.out)
		if err == nil && (o.Calls.Made != n || len(o.Outputs) != 1 || o.Outputs[0].Rows != n) {
			err = fmt.Errorf("of %d rows: %+v", n, o)
		}
		return err
	}
	return c, nil
}

// bare has the bare client ask about the same rows.
func (s *suite) bare(n, width int) (*contender, error) {
	rows, err := s.rowsFile(n, 512)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	return &contender{
		name:    "bare Go client",
		command: command{dir: s.dir, args: []string{self, clientArgument, s.endpoint.url(), rows, strconv.Itoa(width)}},
	}, err
}

// counted has a contender ask an endpoint with these rules, and keeps what the
// endpoint counted in each run. Of n rows, each must be answered once; a peer
// may lose some.
func (s *suite) counted(c *contender, n int, r rules) *[]account {
	var list []account
	prepare, check := c.prepare, c.check
	c.prepare = func(round int) error {
		if prepare != nil {
			if err := prepare(round); err != nil {
				return err
			}
		}
		return s.endpoint.obey(r)
	}
	c.check = func(m sample) error {
		if check != nil {
			if err := check(m); err != nil {
				return err
			}
		}
		a, err := s.endpoint.account()
		if err == nil && a.Answered != int64(n) && !c.peer {
			err = fmt.Errorf("%d answers for %d rows", a.Answered, n)
		}
		list = append(list, a)
		return err
	}
	return &list
}

// callers are autosafe, the bare client and promptfoo, before an endpoint with
// these rules.
func (s *suite) callers(n, width int, r rules) ([]*contender, []*[]account, error) {
	own, err := s.judged(n, width)
	if err != nil {
		return nil, nil, err
	}
	bare, err := s.bare(n, width)
	if err != nil {
		return nil, nil, err
	}
	rows, err := s.rowsFile(n, 512)
	if err != nil {
		return nil, nil, err
	}
	promptfoo, err := s.promptfoo(rows, width)
	if err != nil {
		return nil, nil, err
	}
	list := []*contender{own, bare, promptfoo}
	var accounts []*[]account
	for _, c := range list {
		accounts = append(accounts, s.counted(c, n, r))
	}
	return list, accounts, nil
}

// calls compares one call a row with a bare client and with promptfoo.
func (s *suite) calls() error {
	m := s.size.models
	list, _, err := s.callers(m.rows, m.width, rules{Latency: m.latency})
	if err != nil {
		return err
	}
	if err := s.rounds(s.few(5), list...); err != nil {
		return err
	}
	s.report.calls(list[0], list[1], list[2], m)
	return nil
}

// callMemory measures the memory of few calls, and of many more.
func (s *suite) callMemory() error {
	m := s.size.models
	var list []*contender
	for i, n := range append([]int{m.rows}, m.more...) {
		c, err := s.judged(n, m.width)
		if err != nil {
			return err
		}
		c.name, c.command.watch = thousands(n)+" rows", true
		s.counted(c, n, rules{Latency: m.latency})
		rounds := 3
		if i == len(m.more) {
			rounds = 1 // it takes long
		}
		if err := s.rounds(s.few(rounds), c); err != nil {
			return err
		}
		list = append(list, c)
	}
	s.report.callMemory(list, m)
	return nil
}

// wide keeps many calls in flight.
func (s *suite) wide() error {
	m := s.size.models
	own, err := s.judged(m.wideRows, m.wide)
	if err != nil {
		return err
	}
	bare, err := s.bare(m.wideRows, m.wide)
	if err != nil {
		return err
	}
	list := []*contender{own, bare}
	var accounts []*[]account
	for _, c := range list {
		accounts = append(accounts, s.counted(c, m.wideRows, rules{Latency: m.wideLatency}))
	}
	if err := s.rounds(s.few(3), list...); err != nil {
		return err
	}
	s.report.wide(list, accounts, m)
	return nil
}

// limited asks an endpoint that refuses what comes too fast.
func (s *suite) limited() error {
	m := s.size.models
	list, accounts, err := s.callers(m.rows, m.width, rules{Latency: m.latency, PerSecond: m.perSecond, RetryAfter: true})
	if err != nil {
		return err
	}
	own, promptfoo := list[0], list[2]
	if err := s.rounds(s.few(3), own, promptfoo); err != nil {
		return err
	}
	s.report.limited(own, promptfoo, *accounts[0], *accounts[2], m)
	return nil
}

// changing asks endpoints whose limits change while they are asked.
func (s *suite) changing() error {
	m := s.size.models
	var list []*contender
	var accounts []*[]account
	for _, v := range []struct {
		name  string
		n     int
		rules rules
	}{
		{
			fmt.Sprintf("%.0f requests a second, then %.0f", m.changingRate, m.changingRate/2), m.changingRateRows,
			rules{Latency: m.latency, PerSecond: m.changingRate, RetryAfter: true, Period: m.period},
		},
		{
			fmt.Sprintf("%d requests open, then %d", m.changingOpen, m.changingOpen/2), m.changingOpenRows,
			rules{Latency: 2 * m.latency, InFlight: m.changingOpen, Period: m.period},
		},
	} {
		c, err := s.judged(v.n, 2*m.changingOpen)
		if err != nil {
			return err
		}
		c.name = v.name
		list, accounts = append(list, c), append(accounts, s.counted(c, v.n, v.rules))
		if err := s.rounds(s.few(1), c); err != nil {
			return err
		}
	}
	s.report.changing(list, accounts, m)
	return nil
}
