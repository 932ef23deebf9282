package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain lets the suite start this program again for the parts that need a
// process of their own.
func TestMain(m *testing.M) {
	if handled, err := part(os.Args[1:]); handled {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// tiny sizes are for what is counted, not for times.
func tiny() *sizes {
	return &sizes{
		fewRows: 30, manyRows: 60, coldRows: 40, judged: 20, filtered: 30, blocks: 20, edges: 10, units: 5,
		models: modelSizes{
			rows: 40, width: 10, latency: time.Millisecond, more: []int{50, 60},
			wideRows: 100, wide: 20, wideLatency: 5 * time.Millisecond, perSecond: 100,
			changingRate: 100, changingRateRows: 100, changingOpen: 8, changingOpenRows: 100, period: 200 * time.Millisecond,
		},
	}
}

// TestSuite runs every case at tiny sizes, with no peers: what the cases count
// must come out right, and every one must be in the document.
func TestSuite(t *testing.T) {
	work := t.TempDir()
	opts := options{
		runs: 1, out: filepath.Join(work, "benchmarks.md"), work: work, peers: &peers{},
		sizes: tiny(),
	}
	if err := run(t.Context(), opts, io.Discard); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(opts.out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"not installed (Debian: `apt-get install ninja-build`)",
		"## Many rows, cold", "## Nothing to do", "## Many rows to Parquet", "rows to Parquet: bytes of each build", "## One changed row", "## A changed filter", "## Plan", "## Many small units of work", "## Plugins",
		"## One model call a row", "## Memory of model calls", "## Many calls in flight", "## An endpoint with a limit", "## An endpoint with changing limits",
		"| promptfoo ", "| not run: not installed ", "promptfoo's CPU",
		"| ninja is not installed | ?", "| ninja, 10 edges", "Small sizes",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the document does not say %q", want)
		}
	}
	for line := range strings.Lines(string(text)) { // what is counted holds at any size
		if (strings.Contains(line, ": calls") || strings.Contains(line, "lost calls")) && strings.Contains(line, "**no**") {
			t.Error(line)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(work, "autosafe-bench-*")); len(left) > 0 {
		t.Errorf("it leaves %v", left)
	}
	if t.Failed() {
		t.Logf("%s", text)
	}
}

// TestSuiteFails stops at the first build that goes wrong, says what it was,
// and leaves nothing.
func TestSuiteFails(t *testing.T) {
	work := t.TempDir()
	binary := filepath.Join(work, "autosafe")
	if err := os.WriteFile(binary, []byte("#!/bin/sh\necho something is broken >&2\nexit 1\n"), 0o777); err != nil {
		t.Fatal(err)
	}
	opts := options{runs: 1, out: filepath.Join(work, "x.md"), work: work, binary: binary, peers: &peers{}, sizes: &sizes{fewRows: 1, manyRows: 1, coldRows: 1}}
	err := run(context.Background(), opts, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "something is broken") {
		t.Errorf("error %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(work, "autosafe-bench-*")); len(left) > 0 {
		t.Errorf("it leaves %v", left)
	}
}

func TestSpread(t *testing.T) {
	for _, tt := range []struct {
		values            []float64
		median, low, high float64
	}{
		{[]float64{3, 1, 2}, 2, 1, 3},
		{[]float64{4, 1, 2, 3}, 2.5, 1, 4},
		{[]float64{5}, 5, 5, 5},
	} {
		if got := spreadOf(tt.values); got != (spread{tt.median, tt.low, tt.high, true}) {
			t.Errorf("%v: %+v", tt.values, got)
		}
	}
	a := &contender{samples: []sample{{wall: 2 * time.Second}, {wall: 9 * time.Second}, {wall: 4 * time.Second}}}
	b := &contender{samples: []sample{{wall: time.Second}, {wall: 3 * time.Second}, {wall: time.Second}}}
	if got := ratio(a, b, wallOf); got.median != 3 {
		t.Errorf("ratio %+v, want 3: round by round", got)
	}
}

func TestFormats(t *testing.T) {
	for got, want := range map[string]string{
		duration(0.01234): "12.3 ms", duration(1.5): "1.50 s", duration(123.4): "123 s", duration(-0.002): "-2.00 ms",
		thousands(1): "1", thousands(1000): "1,000", thousands(1234567): "1,234,567",
		counts(spread{low: 1, high: 1}): "1", counts(spread{low: 0, high: 2}): "0 to 2",
		mebibytes(spread{}): "not measured",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestMeasure counts the time of processes that a process starts, and their
// memory.
func TestMeasure(t *testing.T) {
	s := &suite{ctx: t.Context(), dir: t.TempDir()}
	m, err := s.measure(command{dir: s.dir, args: []string{"sh", "-c", "sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'; sleep 1; echo done"}, keep: true, watch: true})
	if err != nil {
		t.Fatal(err)
	}
	if string(m.out) != "done\n" || m.cpu <= 0 || m.wall < m.cpu/2 || memoryKnown && m.peak <= 0 {
		t.Errorf("%+v", m)
	}
}
