package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// ninjaEdges is ninja with n copies of a file, a concatenation of each hundred
// and one of these, all up to date.
func (s *suite) ninjaEdges(n int) (*contender, error) {
	dir := s.path("ninja")
	c := &contender{
		name: fmt.Sprintf("ninja, %s edges", thousands(n)), missing: notInstalled(s.peers.ninja),
		command: command{dir: dir, args: []string{s.peers.ninja}},
	}
	if c.missing != "" {
		return c, nil
	}
	var b strings.Builder
	b.WriteString("rule cp\n  command = cp $in $out\nrule cat\n  command = cat $in > $out\n")
	var parts []string
	for i := 0; i < n; i += 100 {
		var copies []string
		for j := i; j < min(i+100, n); j++ {
			fmt.Fprintf(&b, "build out/%d: cp in.txt\n", j)
			copies = append(copies, fmt.Sprintf("out/%d", j))
		}
		parts = append(parts, fmt.Sprintf("out/part%d", i))
		fmt.Fprintf(&b, "build %s: cat %s\n", parts[len(parts)-1], strings.Join(copies, " "))
	}
	fmt.Fprintf(&b, "build out/all: cat %s\n", strings.Join(parts, " "))
	err := writeFiles(dir, map[string]string{"build.ninja": b.String(), "in.txt": "x\n"})
	if err == nil {
		err = s.once(c.command)
	}
	return c, err
}

// snakemakeRules is Snakemake with n rules in a row, all up to date.
func (s *suite) snakemakeRules(n int) (*contender, error) {
	dir := s.path("snakemake")
	c := &contender{
		name: fmt.Sprintf("Snakemake, %d rules", n), missing: notInstalled(s.peers.snakemake),
		command: command{dir: dir, args: s.snakemake()},
	}
	if c.missing != "" {
		return c, nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "rule all:\n    input: \"out/%d\"\n", n-1)
	for i := 1; i < n; i++ {
		in := fmt.Sprintf("out/%d", i-1)
		if i == 1 {
			in = "in.txt"
		}
		fmt.Fprintf(&b, "rule r%d:\n    input: %q\n    output: \"out/%d\"\n    shell: \"cp {input} {output}\"\n", i, in, i)
	}
	err := writeFiles(dir, map[string]string{"Snakefile": b.String(), "in.txt": "x\n"})
	if err == nil {
		err = s.once(c.command)
	}
	return c, err
}

func (s *suite) snakemake() []string {
	return []string{s.peers.snakemake, "--cores", strconv.Itoa(runtime.NumCPU()), "--nolock", "--quiet"}
}

func writeFiles(dir string, files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			return err
		}
	}
	return nil
}

// tool is a build tool in the comparison of small steps.
type tool struct {
	name    string
	missing string
	command command
	clean   func() error          // as if nothing was ever built
	change  func(round int) error // one of the inputs
}

// small compares many small units of work: from nothing, with one changed, and
// with nothing to do. ninja and Snakemake copy a file each; autosafe asks a
// local endpoint about a row each, and keeps the answers.
func (s *suite) small() error {
	server := llmtest.Start(llmtest.Options{})
	defer server.Close()
	own, err := s.smallAutosafe(server)
	if err != nil {
		return err
	}
	ninja, err := s.smallNinja()
	if err != nil {
		return err
	}
	snakemake, err := s.smallSnakemake()
	if err != nil {
		return err
	}
	var table [3][]*contender // cold, changed, same; a column a tool
	for _, t := range []tool{own, ninja, snakemake} {
		for i, prepare := range []func(int) error{func(int) error { return t.clean() }, t.change, nil} {
			table[i] = append(table[i], &contender{name: t.name, missing: t.missing, command: t.command, prepare: prepare})
		}
	}
	for round := range s.few(3) {
		for i := range 3 {
			for tool := range 3 {
				if err := s.turn(table[i][(tool+round)%3], round); err != nil {
					return err
				}
			}
		}
	}
	s.report.small(table, s.size.units)
	return nil
}

func (s *suite) smallAutosafe(server *llmtest.Server) (tool, error) {
	rows, cache := s.path("units.jsonl"), s.path("cache-units")
	if err := makeRows(rows, s.size.units, 512); err != nil {
		return tool{}, err
	}
	dir, err := s.recipe("units", judgedRecipe(rows, server.URL(), 64))
	return tool{
		name: "autosafe", command: s.build(dir, cache, "-quiet"),
		clean: func() error {
			if err := os.RemoveAll(filepath.Join(dir, "dist")); err != nil {
				return err
			}
			return remake(cache)
		},
		change: func(round int) error { return changeRow(rows, round, 512, round) },
	}, err
}

// inputs writes the input files of a peer.
func (s *suite) inputs(dir string) error {
	files := map[string]string{}
	for i := range s.size.units {
		files[fmt.Sprintf("in/%d", i)] = fmt.Sprintf("input %d\n", i)
	}
	return writeFiles(dir, files)
}

func changeInput(dir string) func(int) error {
	return func(round int) error {
		return writeFiles(dir, map[string]string{fmt.Sprintf("in/%d", round): fmt.Sprintf("changed in round %d\n", round)})
	}
}

func (s *suite) smallNinja() (tool, error) {
	dir := s.path("small-ninja")
	t := tool{
		name: "ninja", missing: notInstalled(s.peers.ninja), command: command{dir: dir, args: []string{s.peers.ninja}},
		clean: func() error {
			if err := os.RemoveAll(filepath.Join(dir, ".ninja_log")); err != nil {
				return err
			}
			return os.RemoveAll(filepath.Join(dir, "out"))
		},
		change: changeInput(dir),
	}
	if t.missing != "" {
		return t, nil
	}
	var b strings.Builder
	b.WriteString("rule cp\n  command = cp $in $out\n")
	for i := range s.size.units {
		fmt.Fprintf(&b, "build out/%d: cp in/%d\n", i, i)
	}
	if err := s.inputs(dir); err != nil {
		return t, err
	}
	return t, writeFiles(dir, map[string]string{"build.ninja": b.String()})
}

func (s *suite) smallSnakemake() (tool, error) {
	dir := s.path("small-snakemake")
	t := tool{
		name: "Snakemake", missing: notInstalled(s.peers.snakemake), command: command{dir: dir, args: s.snakemake()},
		clean: func() error {
			if err := os.RemoveAll(filepath.Join(dir, ".snakemake")); err != nil {
				return err
			}
			return os.RemoveAll(filepath.Join(dir, "out"))
		},
		change: changeInput(dir),
	}
	if t.missing != "" {
		return t, nil
	}
	text := fmt.Sprintf("rule all:\n    input: expand(\"out/{i}\", i=range(%d))\nrule cp:\n    input: \"in/{i}\"\n    output: \"out/{i}\"\n    shell: \"cp {input} {output}\"\n", s.size.units)
	if err := s.inputs(dir); err != nil {
		return t, err
	}
	return t, writeFiles(dir, map[string]string{"Snakefile": text})
}
