package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// build is the command that builds a recipe.
func (s *suite) build(dir, cache string, flags ...string) command {
	return command{dir: dir, args: append([]string{s.autosafe, "build", "-cache", cache}, flags...)}
}

// once runs a command that is not measured.
func (s *suite) once(c command) error {
	_, err := s.measure(c)
	return err
}

// remake empties a folder.
func remake(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.MkdirAll(dir, 0o777)
}

// cold builds many rows with an empty cache. The cache of the largest is kept
// for the case with nothing to do.
func (s *suite) cold() error {
	var list []*contender
	var counts []int
	for _, n := range []int{s.size.coldRows, s.size.manyRows} {
		rows, err := s.rowsFile(n, 1024)
		if err != nil {
			return err
		}
		dir, err := s.recipe(fmt.Sprintf("cold-%d", n), coldRecipe(rows))
		if err != nil {
			return err
		}
		c := s.build(dir, s.path("cache"), "-quiet")
		c.watch = true
		list = append(list, &contender{
			name: fmt.Sprintf("%s rows", thousands(n)), command: c,
			prepare: func(int) error {
				if err := os.RemoveAll(filepath.Join(dir, "dist")); err != nil {
					return err
				}
				return remake(s.path("cache"))
			},
		})
		counts = append(counts, n)
	}
	for i, c := range list { // not in turns: the longest last, for its cache
		if err := s.rounds(s.few(3), c); err != nil {
			return err
		}
		s.logf("cold, %s rows: %s", thousands(counts[i]), seconds(c.wall()))
	}
	s.report.cold(list, counts)
	return nil
}

// nothing builds fifteen steps when all is done, with few and with many rows
// in the cache.
func (s *suite) nothing() error {
	var list []*contender
	for _, n := range []int{s.size.fewRows, s.size.manyRows} {
		rows, err := s.rowsFile(n, 1024)
		if err != nil {
			return err
		}
		dir, err := s.recipe(fmt.Sprintf("nothing-%d", n), nothingRecipe(rows))
		if err != nil {
			return err
		}
		cache := s.path("cache")
		if n == s.size.fewRows {
			cache = s.path("cache-few")
		}
		c := s.build(dir, cache, "-quiet")
		if err := s.once(c); err != nil {
			return err
		}
		list = append(list, &contender{name: fmt.Sprintf("autosafe, 15 steps, %s rows cached", thousands(n)), command: c})
	}
	ninja, err := s.ninjaEdges(s.size.edges)
	if err != nil {
		return err
	}
	snakemake, err := s.snakemakeRules(15)
	if err != nil {
		return err
	}
	empty := &contender{name: "autosafe version", command: command{dir: s.dir, args: []string{s.autosafe, "version"}}}
	list = append(list, ninja, empty)
	for _, c := range list { // warm what the system caches
		if c.missing == "" {
			if err := s.once(c.command); err != nil {
				return err
			}
		}
	}
	if err := s.rounds(s.runs, list...); err != nil {
		return err
	}
	// It takes a second and more: in the same turns it would leave the others
	// a cold processor.
	if err := s.rounds(s.few(5), snakemake); err != nil {
		return err
	}
	s.report.nothing(list[0], list[1], ninja, empty, snakemake, s.size)
	return os.RemoveAll(s.path("cache"))
}

// outcome is what a case reads of the last line of build -json.
type outcome struct {
	OK    bool `json:"ok"`
	Calls struct {
		Made int `json:"made"`
	} `json:"calls"`
	Outputs []struct {
		Rows int `json:"rows"`
	} `json:"outputs"`
	Processes int `json:"plugin_processes"`
}

func outcomeOf(out []byte) (outcome, error) {
	var o outcome
	last := out
	for i := len(out) - 2; i >= 0; i-- {
		if out[i] == '\n' {
			last = out[i+1:]
			break
		}
	}
	if err := json.Unmarshal(last, &o); err != nil {
		return o, fmt.Errorf("the last line of the build: %w", err)
	}
	if !o.OK {
		return o, fmt.Errorf("the build ended badly: %s", last)
	}
	return o, nil
}

// oneRow changes one of many rows, each of which a model has judged.
func (s *suite) oneRow() error {
	server := llmtest.Start(llmtest.Options{})
	defer server.Close()
	n := s.size.judged
	rows := s.path("judged.jsonl")
	if err := makeRows(rows, n, 1024); err != nil {
		return err
	}
	dir, err := s.recipe("judged", judgedRecipe(rows, server.URL(), 64))
	if err != nil {
		return err
	}
	again := s.build(dir, s.path("cache-judged"), "-json")
	again.keep = true
	if err := s.once(again); err != nil {
		return err
	}
	if got := server.Calls(); got != n {
		return fmt.Errorf("the first build made %d calls for %d rows", got, n)
	}
	server.Reset() // it has kept all that it was asked
	debug.FreeOSMemory()
	var calls []float64
	count := func(m sample) error {
		calls = append(calls, float64(server.Calls()))
		_, err := outcomeOf(m.out)
		return err
	}
	changed := &contender{
		name: fmt.Sprintf("one row of %s changed", thousands(n)), command: again, check: count,
		prepare: func(round int) error {
			server.Reset()
			return changeRow(rows, (round*7919+n/2)%n, 1024, round)
		},
	}
	same := &contender{
		name: "nothing changed", command: again,
		prepare: func(int) error { time.Sleep(s.settle); return s.once(again) },
	}
	for round := range s.few(7) { // in this order: nothing is left to do after a change
		if err := errors.Join(s.turn(changed, round), s.turn(same, round)); err != nil {
			return err
		}
	}
	s.report.oneRow(changed, same, n, spreadOf(calls))
	return os.RemoveAll(s.path("cache-judged"))
}

// filter changes the expression of a filter over many rows.
func (s *suite) filter() error {
	n := s.size.filtered
	rows, err := s.rowsFile(n, 2048)
	if err != nil {
		return err
	}
	write := func(score float64) (string, error) { return s.recipe("filtered", filteredRecipe(rows, score)) }
	dir, err := write(0.2)
	if err != nil {
		return err
	}
	c := s.build(dir, s.path("cache-filtered"), "-json")
	c.keep = true
	if err := s.once(c); err != nil {
		return err
	}
	calls, processes := 0, 0
	changed := &contender{
		name: fmt.Sprintf("a filter over %s rows changed", thousands(n)), command: c,
		prepare: func(round int) error { _, err := write(0.3 + float64(round)/1000); return err },
		check: func(m sample) error {
			o, err := outcomeOf(m.out)
			calls, processes = max(calls, o.Calls.Made), max(processes, o.Processes)
			return err
		},
	}
	if err := s.rounds(s.few(7), changed); err != nil {
		return err
	}
	s.report.filter(changed, n, calls, processes)
	return os.RemoveAll(s.path("cache-filtered"))
}

// plan plans a large recipe: before it was ever built, and after.
func (s *suite) plan() error {
	rows, err := s.rowsFile(100, 1024)
	if err != nil {
		return err
	}
	dir, err := s.recipe("blocks", manyBlocks(rows, s.size.blocks))
	if err != nil {
		return err
	}
	plan := func(cache string) command {
		return command{dir: dir, args: []string{s.autosafe, "plan", "-quiet", "-cache", cache}}
	}
	cache, none := s.path("cache-blocks"), s.path("cache-none")
	first := &contender{name: "plan, never built", command: plan(none), prepare: func(int) error { return remake(none) }}
	if err := s.once(s.build(dir, cache, "-quiet")); err != nil {
		return err
	}
	done := &contender{name: "plan, all built", command: plan(cache)}
	again := &contender{name: "build, all built", command: s.build(dir, cache, "-quiet")}
	if err := s.rounds(s.few(11), first, done, again); err != nil {
		return err
	}
	s.report.plan(s.size.blocks, first, done, again)
	return nil
}
