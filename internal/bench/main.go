// Command bench measures autosafe beside ninja, Snakemake, promptfoo and a bare
// client in Go, and writes the tables of docs/benchmarks.md:
//
//	go run ./internal/bench
//
// It builds autosafe as users do, makes its data in a temporary folder, runs
// what it compares in turns, and takes medians. Of the peers it installs
// promptfoo alone, by npm into a folder of the user's cache; what is missing is
// said in the tables.
//
// It judges speed and counts, not what is right; the tests do that.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	if handled, err := part(os.Args[1:]); handled {
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	var opts options
	flag.BoolVar(&opts.quick, "quick", false, "small sizes: to see that it works, not for figures")
	flag.IntVar(&opts.runs, "runs", 21, "rounds of the short cases; the long ones take fewer")
	flag.StringVar(&opts.out, "out", filepath.Join("docs", "benchmarks.md"), "the `FILE` to write")
	flag.StringVar(&opts.binary, "autosafe", "", "measure this `BINARY`, rather than one built from ./cmd/autosafe")
	flag.StringVar(&opts.work, "work", "", "make the data below `DIR`: about 4 GB, or 40 MB with -quick (a temporary folder by default)")
	flag.StringVar(&opts.only, "only", "", "run the cases whose name contains `TEXT` alone; the file then has no others")
	flag.Parse()
	if flag.NArg() > 0 || opts.runs < 1 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, opts, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// part plays one of the parts that need a process of their own, if the
// arguments say so.
func part(args []string) (handled bool, err error) {
	if os.Getenv(pluginCookie) != "" {
		servePlugin()
	}
	if len(args) == 0 {
		return false, nil
	}
	switch args[0] {
	case serveArgument:
		return true, serve(os.Stdin, os.Stdout)
	case clientArgument:
		return true, bareClient(args[1:])
	case inProcessPart:
		return true, countInProcess(args[1:])
	}
	return false, nil
}

type options struct {
	quick             bool
	runs              int
	out, binary, work string
	only              string
	sizes             *sizes // for tests
	peers             *peers // for tests
}

// suite is one run of the benchmarks.
type suite struct {
	options
	ctx      context.Context
	log      io.Writer
	dir      string // data, recipes and caches
	autosafe string
	size     sizes
	peers    peers
	endpoint *endpoint
	report   report
	// settle is how long it takes until the files that a build wrote are
	// trusted by their times: before, the next build reads them again.
	settle time.Duration
}

// sizes are how much of everything there is.
type sizes struct {
	fewRows, manyRows int // of 1 KB, cached when there is nothing to do
	coldRows          int // of 1 KB, beside manyRows
	judged            int // rows of 1 KB of which one changes
	filtered          int // rows of 2 KB whose filter changes
	blocks            int // of the recipe to plan
	edges             int // of ninja
	units             int // of work in the comparison of small steps

	models modelSizes
}

func fullSizes() sizes {
	return sizes{fewRows: 1_000, manyRows: 1_000_000, coldRows: 100_000, judged: 100_000, filtered: 100_000, blocks: 1_000, edges: 1_000, units: 500, models: fullModelSizes()}
}

func quickSizes() sizes {
	return sizes{fewRows: 100, manyRows: 10_000, coldRows: 1_000, judged: 1_000, filtered: 1_000, blocks: 100, edges: 1_000, units: 50, models: quickModelSizes()}
}

func run(ctx context.Context, opts options, log io.Writer) error {
	start := time.Now()
	s := &suite{options: opts, ctx: ctx, log: log, size: fullSizes(), settle: 2200 * time.Millisecond}
	if opts.quick {
		s.size = quickSizes()
	}
	if opts.sizes != nil {
		s.size, s.settle = *opts.sizes, 0
	}
	dir, err := os.MkdirTemp(opts.work, "autosafe-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s.dir = dir
	if opts.peers != nil {
		s.peers = *opts.peers
	} else {
		s.peers = s.findPeers()
	}
	if s.autosafe = opts.binary; s.autosafe == "" {
		if s.autosafe, err = buildAutosafe(ctx, dir); err != nil {
			return err
		}
	} else if s.autosafe, err = filepath.Abs(s.autosafe); err != nil {
		return err
	}
	if s.endpoint, err = startEndpoint(); err != nil {
		return err
	}
	defer s.endpoint.close()
	s.report.machine = describeMachine(ctx, s.autosafe, s.peers)
	cases := []struct {
		name string
		run  func() error
	}{
		{"rows, cold", s.cold},
		{"nothing to do", s.nothing},
		{"rows to Parquet", s.tables},
		{"one changed row", s.oneRow},
		{"a changed filter", s.filter},
		{"plan", s.plan},
		{"small steps", s.small},
		{"plugins", s.plugins},
		{"model calls", s.calls},
		{"model calls, memory", s.callMemory},
		{"model calls, wide", s.wide},
		{"an endpoint with a limit", s.limited},
		{"an endpoint with changing limits", s.changing},
	}
	for _, c := range cases {
		if !strings.Contains(c.name, opts.only) {
			continue
		}
		begin := time.Now()
		if err := c.run(); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		s.logf("%s: %.0f s", c.name, time.Since(begin).Seconds())
	}
	s.report.took = time.Since(start)
	s.report.quick = opts.quick || opts.sizes != nil
	return os.WriteFile(opts.out, []byte(s.report.markdown()), 0o666)
}

func (s *suite) logf(format string, args ...any) { fmt.Fprintf(s.log, format+"\n", args...) }

// path names a file or folder of the suite's own.
func (s *suite) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

// few are the rounds of a case that takes long.
func (s *suite) few(n int) int { return min(s.runs, n) }
