package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// blockRunner has a source that names the blocks of its rows.
type blockRunner struct {
	*fakeRunner
	size int
	lie  func(ev *RunEvent)
	two  bool // a result has two rows
	sent int  // rows that were not left out
}

func (b *blockRunner) Start(ctx context.Context, s RunSpec) (Run, error) {
	run, err := b.fakeRunner.Start(ctx, s)
	if err != nil || s.Role != schema.ThreatSource || s.Known == nil {
		return run, err
	}
	known, err := s.Known()
	if err != nil {
		return nil, err
	}
	source := &blockRun{Run: run}
	var seq uint64
	for rows := range slices.Chunk(b.rows(s.Address), b.size) {
		ev := RunEvent{}
		if len(rows) == b.size {
			name := sha256.Sum256([]byte(strings.Join(rows, "\n")))
			ev.Block = &name
		}
		if ev.Block != nil && slices.Contains(known, *ev.Block) {
			ev.Same = len(rows)
			if b.two {
				ev.Same /= 2
			}
		} else {
			for i, r := range rows {
				ev.Results = append(ev.Results, Result{Seq: seq + uint64(i), Rows: [][]byte{[]byte(r)}})
			}
			b.sent += len(rows)
		}
		if b.two {
			ev.Results = paired(ev.Results)
		}
		seq += uint64(len(rows))
		if b.lie != nil {
			b.lie(&ev)
		}
		source.events = append(source.events, ev)
	}
	return source, nil
}

// paired puts the rows of two results into one.
func paired(results []Result) (out []Result) {
	for pair := range slices.Chunk(results, 2) {
		first := pair[0]
		for _, r := range pair[1:] {
			first.Rows = append(first.Rows, r.Rows...)
		}
		out = append(out, first)
	}
	return out
}

type blockRun struct {
	Run
	events []RunEvent
}

func (r *blockRun) CloseSend() error { return nil }

func (r *blockRun) Recv() (RunEvent, error) {
	if len(r.events) == 0 {
		return RunEvent{}, io.EOF
	}
	ev := r.events[0]
	r.events = r.events[1:]
	return ev, nil
}

// blockEngine builds p's recipe, whose source reads a file that holds its rows.
func (p *pipe) blockEngine(runner *blockRunner) *Engine {
	p.t.Helper()
	path := filepath.Join(p.dir, "rows.txt")
	must(os.WriteFile(path, []byte(strings.Join(p.source, "\n")), 0o644))
	e := p.engine()
	source := e.opts.Recipe.Steps[0].Role
	source.KeyConfig, source.Files = nil, map[string][]schema.File{"path": {{Name: "rows.txt", Path: path}}}
	e.opts.Runner = runner
	return e
}

// TestKnownBlocks changes some rows of a source that has run: no other block
// than theirs is sent again, and all comes out as if every one had been.
func TestKnownBlocks(t *testing.T) {
	const n, size = 1000, 300 // three blocks, of two chunks each, and a rest
	for _, c := range []struct {
		name   string
		change func(p *pipe)
		sent   int
	}{
		{"nothing but the file's end", func(p *pipe) { p.source[n-1] += " " }, 100},
		{"a row of a block", func(p *pipe) { p.source[350] = `{"n":5000}` }, 400},
		{"a block away", func(p *pipe) { p.source = slices.Delete(p.source, 300, 600) }, 100},
		{"a block twice", func(p *pipe) { p.source = append(p.source[:900:900], p.source[:300]...) }, 0},
		{"a block shorter", func(p *pipe) { p.source = p.source[:299] }, 299},
		{"each row", func(p *pipe) {
			for i := range p.source {
				p.source[i] = fmt.Sprintf(`{"n":%d}`, i)
			}
		}, n},
		{"a row, while the source may not know blocks", func(p *pipe) {
			must(p.store.Put(cache.Steps, blockList(p), []byte("cut short")))
			p.source[350] = `{"n":5000}`
		}, n},
		{"a row, and the blocks are lost", func(p *pipe) {
			p.eachBlock(func(*chunkRecord) []byte { return []byte("?") })
			p.source[350] = `{"n":5000}`
		}, n},
		{"a row, and the rows of the blocks are lost", func(p *pipe) {
			p.eachBlock(func(rec *chunkRecord) []byte {
				rec.chunks[1].digest[0] ^= 1
				return rec.encode()
			})
			p.source[350] = `{"n":5000}`
		}, n},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPipe(t, rows(n)...)
			runner := &blockRunner{fakeRunner: p.fake, size: size}
			build := func() {
				t.Helper()
				if _, err := p.blockEngine(runner).Build(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			build()
			c.change(p)
			runner.sent = 0
			build()
			if runner.sent != c.sent {
				t.Errorf("%d rows were sent, want %d", runner.sent, c.sent)
			}
			fresh := newPipe(t, p.source...)
			fresh.build(nil)
			if p.output() != fresh.output() {
				t.Error("the output is not that of a build that sends all")
			}
		})
	}
}

// TestDamagedBlocks damages the rows that are known: the build finds that out
// and reads the source.
func TestDamagedBlocks(t *testing.T) {
	p := newPipe(t, rows(1000)...)
	runner := &blockRunner{fakeRunner: p.fake, size: 256}
	if _, err := p.blockEngine(runner).Build(context.Background()); err != nil {
		t.Fatal(err)
	}
	must(p.store.Close())
	segments, err := filepath.Glob(filepath.Join(p.dir, "cache", "v1", "blobs", "*.seg"))
	if err != nil || len(segments) == 0 {
		t.Fatal(segments, err)
	}
	for _, path := range segments {
		b, err := os.ReadFile(path)
		must(err)
		for i := 500; i < len(b); i += 997 {
			b[i] ^= 0x40
		}
		must(os.WriteFile(path, b, 0o644))
	}
	p.open()
	p.source[700] = `{"n":5000}`
	p.samples = 1 // what the rows came to is not known, so they are read
	if _, err := p.blockEngine(runner).Build(context.Background()); err != nil {
		t.Fatal(err)
	}
	fresh := newPipe(t, p.source...)
	fresh.samples = 1
	fresh.build(nil)
	if p.output() != fresh.output() {
		t.Error("the output is not that of a build from nothing")
	}
}

// TestBlocksOfASlice: a limit cuts a block short, and what is known is known
// after that still.
func TestBlocksOfASlice(t *testing.T) {
	p := newPipe(t, rows(600)...)
	runner := &blockRunner{fakeRunner: p.fake, size: 256}
	for _, limit := range []int{0, 10, 0} {
		e := p.blockEngine(runner)
		e.opts.Limit = limit
		runner.sent = 0
		sum, err := e.Build(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		want := int64(600)
		if limit > 0 {
			want = int64(limit)
		}
		if sum.Steps[0].RowsOut != want {
			t.Errorf("limit %d: %d rows, want %d", limit, sum.Steps[0].RowsOut, want)
		}
		p.source = slices.Clone(p.source) // the fake may not have read all of it yet
		p.source[599] += " "
	}
	if runner.sent != 600-512 {
		t.Errorf("%d rows were sent", runner.sent)
	}
}

// TestFailedRowsInBlocks: a block with a row that fails is read each time.
func TestFailedRowsInBlocks(t *testing.T) {
	p := newPipe(t, rows(600)...)
	p.source[3] = "no JSON"
	runner := &blockRunner{fakeRunner: p.fake, size: 256}
	for _, sent := range []int{600, 600 - 256} {
		e := p.blockEngine(runner)
		source := e.opts.Recipe.Steps[0]
		source.OnError, source.MaxFailures = spec.OnErrorDrop, -1
		runner.sent = 0
		sum, err := e.Build(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if s := sum.Steps[0]; s.RowsFailed != 1 || s.RowsOut != 599 || runner.sent != sent {
			t.Errorf("%d failed, %d rows, %d sent; want %d sent", s.RowsFailed, s.RowsOut, runner.sent, sent)
		}
		p.source[599] += " "
	}
}

// TestResultsOfSeveralRows: what is left out is counted in results, so blocks
// count whose results are rows.
func TestResultsOfSeveralRows(t *testing.T) {
	p := newPipe(t, rows(600)...)
	runner := &blockRunner{fakeRunner: p.fake, size: 256, two: true}
	for range 2 {
		sum, err := p.blockEngine(runner).Build(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if s := sum.Steps[0]; s.RowsOut != 600 {
			t.Errorf("%d rows", s.RowsOut)
		}
		p.source[599] += " "
	}
	if runner.sent != 2*600 {
		t.Errorf("%d rows were sent", runner.sent)
	}
}

// TestLiesOfBlocks: a source that leaves rows out which are not known fails.
func TestLiesOfBlocks(t *testing.T) {
	for name, lie := range map[string]func(*RunEvent){
		"unknown block":   func(ev *RunEvent) { *ev = RunEvent{Block: &[32]byte{1}, Same: 256} },
		"no block at all": func(ev *RunEvent) { *ev = RunEvent{Same: 3} },
		"wrong number": func(ev *RunEvent) {
			if ev.Same > 0 {
				ev.Same--
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPipe(t, rows(600)...)
			runner := &blockRunner{fakeRunner: p.fake, size: 256}
			if _, err := p.blockEngine(runner).Build(context.Background()); err != nil {
				t.Fatal(err)
			}
			p.source[599] += " "
			runner.lie = lie
			_, err := p.blockEngine(runner).Build(context.Background())
			var e *RunError
			if !errors.As(err, &e) || e.Code != "bad_result" {
				t.Errorf("got %v", err)
			}
		})
	}
}

// blockList is where the names of the source's blocks are.
func blockList(p *pipe) cache.Digest {
	p.t.Helper()
	e := p.blockEngine(&blockRunner{fakeRunner: p.fake})
	b, err := e.newBuild(context.Background(), nil)
	must(err)
	blocks, err := b.newSourceBlocks(b.order[0])
	must(err)
	blocks.wait()
	return blocks.list
}

// eachBlock changes what is remembered of each block.
func (p *pipe) eachBlock(edit func(*chunkRecord) []byte) {
	p.t.Helper()
	edited := map[cache.Digest][]byte{}
	must(p.store.Each(cache.Steps, func(k cache.Digest, b []byte) error {
		if rec, err := decodeChunkRecord(b); err == nil && len(rec.tasks) == 1 {
			edited[k] = edit(rec)
		}
		return nil
	}))
	if len(edited) != 3 {
		p.t.Fatalf("%d blocks are remembered, want 3", len(edited))
	}
	for k, b := range edited {
		must(p.store.Put(cache.Steps, k, b))
	}
}
