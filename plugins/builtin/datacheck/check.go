package datacheck

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/autosafe/autosafe/plugins/builtin/export"
)

// Problem is something wrong with the data.
type Problem struct {
	File string
	// Line is where the row begins in its file, from 1; 0 in files without
	// lines, and of a problem with a file as a whole.
	Line int
	// Row is the row's number in its file, from 1; 0 of a problem with a file
	// as a whole.
	Row     int
	Field   string // such as messages[3].content; "" of a row as a whole
	Message string
}

// Totals are what was read and found.
type Totals struct {
	Files      int
	Rows       int
	Problems   int
	BadRows    int
	Duplicates int      // rows that are equal to one before, to the byte
	Formats    []string // each once, in the order in which they were met
	Notes      []string // what is worth knowing and no problem
}

// Options say how data is checked.
type Options struct {
	// Format is the name of the format; "" takes that of the folder's
	// autosafe.json.
	Format string
	// Report is told of each problem in turn.
	Report func(Problem)
}

// Check checks files and folders. An error says why the check could not be
// made to its end; problems with the data are none.
func Check(ctx context.Context, paths []string, opts Options) (Totals, error) {
	c := checker{ctx: ctx, report: opts.Report}
	var groups []group
	for _, p := range paths {
		found, err := c.find(p, opts.Format)
		if err != nil {
			return c.totals, err
		}
		groups = append(groups, found...)
	}
	groups = merged(groups)
	if len(groups) == 0 {
		return c.totals, errors.New("there is no file of data: they end in .jsonl, .json or .parquet, the first two also in .gz or .zst behind that")
	}
	for _, g := range groups {
		if err := c.group(g); err != nil {
			return c.totals, err
		}
	}
	return c.totals, nil
}

type checker struct {
	ctx    context.Context
	report func(Problem)
	totals Totals
	badRow [2]any // file and number of the row of the problem before
}

func (c *checker) problem(p Problem) {
	c.totals.Problems++
	if at := [2]any{p.File, p.Row}; p.Row > 0 && at != c.badRow {
		c.totals.BadRows++
		c.badRow = at
	}
	c.report(p)
}

func (c *checker) note(format string, args ...any) {
	c.totals.Notes = append(c.totals.Notes, fmt.Sprintf(format, args...))
}

// group checks files whose rows are compared with each other.
func (c *checker) group(g group) error {
	if !slices.Contains(c.totals.Formats, g.format.Name) {
		c.totals.Formats = append(c.totals.Formats, g.format.Name)
	}
	rows := newComparison()
	for _, f := range g.files {
		if err := c.file(g, f, rows); err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
	}
	c.totals.Duplicates += rows.duplicates
	if rows.duplicates > 0 {
		c.note("%s: rows that are equal to one before them: %d", g.name, rows.duplicates)
	}
	if rows.full {
		c.note("%s: only the first %d rows were compared with each other", g.name, maxCompared)
	}
	return nil
}

// verdict is what becomes of a row by itself.
type verdict struct {
	row
	facts  export.Facts
	err    error
	digest uint64
}

// batch is some rows of a file in order, and where their verdicts go.
type batch struct {
	rows []row
	done chan []verdict
}

// file checks one file: rows are read here, checked on all cores, and
// compared in order.
func (c *checker) file(g group, file string, rows *comparison) error {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	workers := runtime.GOMAXPROCS(0)
	todo, order := make(chan *batch), make(chan *batch, 2*workers)
	for range workers {
		go func() {
			for b := range todo {
				b.done <- judge(g.format, b.rows)
			}
		}()
	}
	read := make(chan error, 1)
	go func() {
		defer close(order)
		defer close(todo)
		read <- readRows(file, g.format, func(list []row) error {
			b := &batch{rows: list, done: make(chan []verdict, 1)}
			select {
			case order <- b:
			case <-ctx.Done():
				return ctx.Err()
			}
			select {
			case todo <- b:
			case <-ctx.Done():
				b.done <- nil
				return ctx.Err()
			}
			return nil
		})
	}()
	c.totals.Files++
	split := export.SplitOf(filepath.Base(file))
	shape := ""
	for b := range order {
		for _, v := range <-b.done {
			c.row(file, split, v, &shape, rows)
		}
	}
	var bad *fileError
	switch err := <-read; {
	case errors.As(err, &bad):
		c.problem(Problem{File: file, Line: bad.line, Message: bad.Error()})
		return nil
	case err != nil:
		return err
	}
	return ctx.Err()
}

// judge checks rows by themselves.
func judge(format export.Format, list []row) []verdict {
	out := make([]verdict, len(list))
	for i, r := range list {
		out[i] = verdict{row: r, err: r.err}
		if r.err != nil {
			continue
		}
		out[i].digest = digest(r.text)
		out[i].err = format.Validate(r.text)
		facts, err := export.FactsOf(r.text)
		if err == nil {
			out[i].facts = facts
		}
	}
	return out
}

// row takes up the verdict on a row and compares it with those before.
func (c *checker) row(file, split string, v verdict, shape *string, rows *comparison) {
	c.totals.Rows++
	at := Problem{File: file, Line: v.line, Row: v.number}
	if v.err != nil {
		at.Message = v.err.Error()
		at.Field = export.FieldOf(at.Message)
		c.problem(at)
	}
	at.Field = ""
	if v.facts.Shape != "" {
		if *shape == "" {
			*shape = v.facts.Shape
		} else if *shape != v.facts.Shape {
			at.Message = fmt.Sprintf("a row of another form (%s) than the first of the file (%s): a file must have one", v.facts.Shape, *shape)
			c.problem(at)
		}
	}
	if v.digest != 0 {
		rows.duplicate(v.digest)
	}
	if !v.facts.Asks {
		return
	}
	if other, leak := rows.leak(v.facts.Prompt, split); leak {
		at.Message = fmt.Sprintf("what the user asks here is asked in split %s, too: one is no test of the other", other)
		c.problem(at)
	}
}
