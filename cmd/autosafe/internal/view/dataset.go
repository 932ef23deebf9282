package view

import (
	"fmt"
	"strings"
)

// DataProblem is something wrong with a file of data.
type DataProblem struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Row     int    `json:"row,omitempty"`
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}

// DataTotals are what a check of data read and found.
type DataTotals struct {
	Formats    []string `json:"formats"`
	Files      int      `json:"files"`
	Rows       int      `json:"rows"`
	BadRows    int      `json:"bad_rows"`
	Problems   int      `json:"problems"`
	Duplicates int      `json:"duplicates"`
	Notes      []string `json:"notes"`
	Shown      int      `json:"-"` // problems that were shown
}

// DataProblem shows a problem where editors find it: file, line, message.
func (v *View) DataProblem(p DataProblem) {
	if v.opts.JSON {
		v.line(struct {
			Type string `json:"type"`
			DataProblem
		}{"problem", p})
		return
	}
	where := Clean(p.File)
	switch {
	case p.Line > 0:
		where += fmt.Sprintf(":%d", p.Line)
	case p.Row > 0:
		where += fmt.Sprintf(": row %d", p.Row)
	}
	v.result(where + ": " + Clean(p.Message) + "\n")
}

// DataChecked shows what came of a check.
func (v *View) DataChecked(t DataTotals) {
	if v.opts.JSON {
		if t.Notes == nil {
			t.Notes = []string{}
		}
		v.lastLine(struct {
			Type string `json:"type"`
			DataTotals
		}{"dataset_check", t})
		return
	}
	var b strings.Builder
	if more := t.Problems - t.Shown; more > 0 {
		fmt.Fprintf(&b, "… and %s; -max 0 lists all\n", plural(int64(more), "more problem"))
	}
	for _, n := range t.Notes {
		b.WriteString("Note: " + Clean(n) + "\n")
	}
	fmt.Fprintf(&b, "%s, %s in %s: ", plural(int64(t.Files), "file"), plural(int64(t.Rows), "row"), Clean(strings.Join(t.Formats, ", ")))
	if t.Problems == 0 {
		b.WriteString("no problems\n")
	} else {
		fmt.Fprintf(&b, "%s in %s\n", plural(int64(t.Problems), "problem"), plural(int64(t.BadRows), "row"))
	}
	v.result(b.String())
}
