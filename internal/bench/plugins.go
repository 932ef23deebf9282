package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk"
)

// This program is also the plugin whose cost is measured: a third party's, as
// far as autosafe can tell.
const (
	pluginSource  = "example.com/bench/autosafe-plugin-bench"
	pluginCookie  = "AUTOSAFE_PLUGIN" // which hosts set for what they start
	inProcessPart = "count-words"     // the plugin's work, done without one
)

type text struct {
	Text string `json:"text" doc:"A text."`
}

type wordCount struct {
	Words int `json:"words" doc:"How many words it has."`
}

func countWords(_ context.Context, _ struct{}, in text, _ *sdk.Call) ([]wordCount, error) {
	return []wordCount{{len(strings.Fields(in.Text))}}, nil
}

// servePlugin does not come back.
func servePlugin() {
	sdk.Serve(sdk.Plugin{
		Name: pluginSource, Version: "1.0.0",
		Simulators: map[string]sdk.Component{"words": sdk.Rows(countWords, sdk.Doc("Counts words."), sdk.Behavior("1"))},
	})
}

// countInProcess does for each row of a file what the plugin does, and prints
// how many seconds that took without the reading of the file.
func countInProcess(args []string) error {
	if len(args) != 1 {
		return errors.New("it takes a file of rows")
	}
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	var lines [][]byte
	for in := bufio.NewScanner(f); in.Scan(); {
		lines = append(lines, append([]byte(nil), in.Bytes()...))
	}
	start := time.Now()
	for _, line := range lines {
		var row text
		if err := json.Unmarshal(line, &row); err != nil {
			return err
		}
		out, err := countWords(context.Background(), struct{}{}, row, nil)
		if err != nil {
			return err
		}
		if _, err := json.Marshal(out[0]); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(os.Stdout, time.Since(start).Seconds())
	return err
}

// pluginRecipe reads rows, has the plugin count their words or not, and writes
// them.
func pluginRecipe(rows string, plugin bool) string {
	input, step := "threat_source.jsonl.rows", ""
	if plugin {
		input = "simulator.bench_words.counted"
		step = fmt.Sprintf(`autosafe {
  required_plugins {
    bench = { source = %q }
  }
}

simulator "bench_words" "counted" {
  input = threat_source.jsonl.rows
}

`, pluginSource)
	}
	return fmt.Sprintf(`%sthreat_source "jsonl" "rows" {
  path = %q
}

dataset "all" {
  input = %s
  output "rows" { path = "dist" }
}
`, step, filepath.ToSlash(rows), input)
}

// plugins measures what a plugin costs beside the same work in process: a
// row of many, and its start.
func (s *suite) plugins() error {
	n := s.size.coldRows
	rows, err := s.rowsFile(n, 1024)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var seconds []float64
	inProcess := &contender{
		name: fmt.Sprintf("%s rows in process", thousands(n)), command: command{dir: s.dir, args: []string{self, inProcessPart, rows}, keep: true},
		check: func(m sample) error {
			took, err := strconv.ParseFloat(strings.TrimSpace(string(m.out)), 64)
			seconds = append(seconds, took)
			return err
		},
	}
	list := []*contender{inProcess}
	for _, v := range []struct {
		name   string
		plugin bool
	}{{"without a plugin", false}, {"through a plugin", true}} {
		dir, err := s.pluginProject("rows", rows, v.plugin, self)
		if err != nil {
			return err
		}
		list = append(list, &contender{
			name: fmt.Sprintf("%s rows %s", thousands(n), v.name), command: s.build(dir, s.path("cache-plugin"), "-quiet"),
			prepare: func(int) error { return remake(s.path("cache-plugin")) },
		})
	}
	if err := s.rounds(s.few(5), list...); err != nil {
		return err
	}
	starts, err := s.pluginStarts(self)
	if err != nil {
		return err
	}
	if err := s.rounds(s.few(21), starts...); err != nil {
		return err
	}
	s.report.plugins(list, starts, n, spreadOf(seconds))
	return os.RemoveAll(s.path("cache-plugin"))
}

// pluginStarts are builds of one row that is always new, without a plugin,
// with one, and with one that is not contained. What plugins say of themselves
// is in the cache.
func (s *suite) pluginStarts(self string) ([]*contender, error) {
	var list []*contender
	for _, v := range []struct {
		name   string
		plugin bool
		flags  []string
	}{
		{"1 row without a plugin", false, nil},
		{"1 row through a plugin", true, nil},
		{"1 row through a plugin that is not contained", true, []string{"-plugin-sandbox", "off"}},
	} {
		row := s.path("row-" + strconv.Itoa(len(list)) + ".jsonl")
		dir, err := s.pluginProject("start-"+strconv.Itoa(len(list)), row, v.plugin, self)
		if err != nil {
			return nil, err
		}
		write := func(round int) error {
			return os.WriteFile(row, fmt.Appendf(nil, `{"text":"the words of round %d"}`+"\n", round), 0o666)
		}
		c := s.build(dir, s.path("cache-start"), append(v.flags, "-quiet")...)
		if err := errors.Join(write(-1), s.once(c)); err != nil {
			return nil, err
		}
		list = append(list, &contender{name: v.name, command: c, prepare: write})
	}
	return list, nil
}

// pluginProject is a recipe with its plugin in place, if it has one.
func (s *suite) pluginProject(name, rows string, plugin bool, self string) (string, error) {
	dir, err := s.recipe(fmt.Sprintf("plugin-%s-%t", name, plugin), pluginRecipe(rows, plugin))
	if err != nil || !plugin {
		return dir, err
	}
	binary := filepath.Join(dir, ".autosafe", "plugins", "autosafe-plugin-bench")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	program, err := os.ReadFile(self)
	if err != nil {
		return "", err
	}
	return dir, errors.Join(os.MkdirAll(filepath.Dir(binary), 0o777), os.WriteFile(binary, program, 0o777))
}

// plugins reports what plugins cost.
func (r *report) plugins(rows, starts []*contender, n int, inProcess spread) {
	each := func(seconds float64) string { return fmt.Sprintf("%.1f µs", 1e6*seconds/float64(n)) }
	s := section{
		title: "Plugins",
		intro: fmt.Sprintf("A third party's plugin counts the words of %s rows of 1 KB, contained and out of process, with an empty cache; "+
			"beside it the same recipe without that step, and the same work, from JSON to JSON, in one process. "+
			"What is beyond that is autosafe's: keys, rows there and back, and results stored. "+
			"Then builds of one new row, each of which starts what it needs.", thousands(n)),
		head: timesHead("a row", "beyond the first"),
	}
	alone, without, through := rows[0], rows[1], rows[2]
	own := spreadOf(differences(through, without))
	s.rows = append(s.rows,
		append(alone.times(), each(inProcess.median)), // its wall is mostly the reading of the file
		append(without.times(), each(without.wall().median)),
		append(through.times(), each(through.wall().median), each(own.median)))
	for _, c := range starts {
		cell := ""
		if c != starts[0] {
			cell = seconds(spreadOf(differences(c, starts[0])))
		}
		s.rows = append(s.rows, append(c.times(), "", cell))
	}
	r.sections = append(r.sections, s)
	beyond := own.median - inProcess.median
	r.bar("A row through a plugin, beyond the same in process", "at most 20 µs", each(beyond), beyond/float64(n) <= 20e-6)
	start := spreadOf(differences(starts[1], starts[0]))
	r.bar("Starting a plugin", "at most 60 ms", seconds(start), start.median <= 0.060)
}
