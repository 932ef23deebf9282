package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"
)

// limit bounds every command: longer than any takes, shorter than for ever.
const limit = 10 * time.Minute

// command is what is measured.
type command struct {
	dir  string
	args []string // the first is the program
	env  []string // beside what all get
	keep bool     // keep what it prints
	// watch measures memory. It disturbs a little, so that short commands are
	// not watched.
	watch bool
}

// sample is one run of a command.
type sample struct {
	wall time.Duration
	cpu  time.Duration // of all its processes, user and system
	peak int64         // bytes of all its processes together, if watched
	out  []byte
}

// measure runs a command.
func (s *suite) measure(c command) (sample, error) {
	ctx, cancel := context.WithTimeout(s.ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Dir = c.dir
	// Nothing of the user's own, so that each run is like the next.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "TMPDIR=" + os.TempDir(), "LC_ALL=C", "BENCH_KEY=none"}
	cmd.Env = append(cmd.Env, c.env...)
	cmd.WaitDelay = 10 * time.Second
	var out, problems bytes.Buffer
	if c.keep {
		cmd.Stdout = &out
	}
	cmd.Stderr = &problems
	var m sample
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return m, err
	}
	stop := func() int64 { return 0 }
	if c.watch {
		stop = watchMemory(cmd.Process.Pid)
	}
	err := cmd.Wait()
	m.wall = time.Since(start)
	m.peak = stop()
	if err != nil {
		return m, fmt.Errorf("%v: %w\n%s%s", c.args, err, tail(out.Bytes()), tail(problems.Bytes()))
	}
	// What a process has waited for counts as its own.
	m.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	m.out = out.Bytes()
	return m, nil
}

func tail(b []byte) []byte { return b[max(0, len(b)-2000):] }

// contender is one of those that a case compares.
type contender struct {
	name    string
	missing string // why it cannot run: "not installed"
	peer    bool   // another program than ours: its failures are counted, not ours to mend
	// prepare is called before each run, and not measured.
	prepare func(round int) error
	command command
	// check looks at each run when it is over; it may be nil.
	check   func(sample) error
	samples []sample
}

// rounds runs the contenders in turns, and each round in another order, so
// that what else the machine does hits all alike.
func (s *suite) rounds(n int, list ...*contender) error {
	for round := range n {
		for i := range list {
			if err := s.turn(list[(i+round)%len(list)], round); err != nil {
				return err
			}
		}
	}
	return nil
}

// turn runs one contender once.
func (s *suite) turn(c *contender, round int) error {
	if c.missing != "" {
		return nil
	}
	if c.prepare != nil {
		if err := c.prepare(round); err != nil {
			return err
		}
	}
	m, err := s.measure(c.command)
	if err != nil {
		return err
	}
	if c.check != nil {
		if err := c.check(m); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	m.out = nil
	c.samples = append(c.samples, m)
	return nil
}

// spread is the middle of some values and how far they lie apart.
type spread struct {
	median, low, high float64
	known             bool
}

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	v := slices.Sorted(slices.Values(values))
	mid := v[len(v)/2]
	if len(v)%2 == 0 {
		mid = (v[len(v)/2-1] + v[len(v)/2]) / 2
	}
	return spread{median: mid, low: v[0], high: v[len(v)-1], known: true}
}

func (c *contender) spread(of func(sample) float64) spread {
	values := make([]float64, len(c.samples))
	for i, m := range c.samples {
		values[i] = of(m)
	}
	return spreadOf(values)
}

func (c *contender) wall() spread {
	return c.spread(func(m sample) float64 { return m.wall.Seconds() })
}
func (c *contender) cpu() spread { return c.spread(func(m sample) float64 { return m.cpu.Seconds() }) }
func (c *contender) peak() spread {
	return c.spread(func(m sample) float64 { return float64(m.peak) / (1 << 20) })
}

// ratio is the median over the rounds of how one contender did to another in
// the same round.
func ratio(a, b *contender, of func(sample) float64) spread {
	var values []float64
	for i := range min(len(a.samples), len(b.samples)) {
		if d := of(b.samples[i]); d > 0 {
			values = append(values, of(a.samples[i])/d)
		}
	}
	return spreadOf(values)
}

func wallOf(m sample) float64 { return m.wall.Seconds() }
func cpuOf(m sample) float64  { return m.cpu.Seconds() }
