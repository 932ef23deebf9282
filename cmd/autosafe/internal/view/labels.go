package view

import "fmt"

// LabelsExported says what was written for people to label.
func (v *View) LabelsExported(file string, lines, items, invalid int) {
	if v.opts.JSON {
		v.lastLine(struct {
			Type    string `json:"type"`
			File    string `json:"file"`
			Lines   int    `json:"lines"`
			Items   int    `json:"items"`
			Invalid int    `json:"invalid"`
		}{"labels_export", file, lines, items, invalid})
		return
	}
	text := fmt.Sprintf("%s: %s to label", Clean(file), plural(int64(lines), "line"))
	if lines < items {
		text += fmt.Sprintf(" of %s", count(int64(items)))
	}
	if invalid > 0 {
		text += fmt.Sprintf("; %s not valid and left out", plural(int64(invalid), "trial")+wasWere(invalid))
	}
	v.result(text + ".\n")
}

// LabelTotals are what a check of labels read and found.
type LabelTotals struct {
	Files    int            `json:"files"`
	Labels   map[string]int `json:"labels"` // lines by label
	Blank    int            `json:"blank"`  // lines that are not labelled yet
	Problems int            `json:"problems"`
}

// LabelProblem shows a problem with a file of labels.
func (v *View) LabelProblem(text string) {
	if v.opts.JSON {
		v.line(struct {
			Type    string `json:"type"`
			Message string `json:"message"`
		}{"problem", text})
		return
	}
	v.result(Clean(text) + "\n")
}

// LabelsChecked shows what came of a check.
func (v *View) LabelsChecked(t LabelTotals) {
	if v.opts.JSON {
		v.lastLine(struct {
			Type string `json:"type"`
			LabelTotals
		}{"labels_check", t})
		return
	}
	by, all := map[string]int64{}, int64(0)
	for label, n := range t.Labels {
		by[label] = int64(n)
		all += int64(n)
	}
	text := plural(int64(t.Files), "file") + ": " + plural(all, "label")
	if all > 0 {
		text += " (" + counts(by) + ")"
	}
	if t.Blank > 0 {
		text += ", " + plural(int64(t.Blank), "line") + " without one"
	}
	if t.Problems > 0 {
		text += ", " + plural(int64(t.Problems), "problem")
	}
	v.result(text + "\n")
}

func wasWere(n int) string {
	if n == 1 {
		return " was"
	}
	return " were"
}
