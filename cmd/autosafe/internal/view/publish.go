package view

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/internal/push"
	"github.com/autosafe/autosafe/internal/verify"
)

// datasetProblemsShown bounds how many problems are listed for people.
const datasetProblemsShown = 20

// datasetProblem is a problem of a published dataset as a JSON line.
type datasetProblem struct {
	Type string `json:"type"`
	verify.Problem
}

// DatasetProblems tells what of a published dataset is not as it should be, and
// what was not done because of it.
func (v *View) DatasetProblems(summary string, list []verify.Problem) {
	if v.opts.JSON {
		for _, p := range list {
			v.line(datasetProblem{"dataset_problem", p})
		}
		return
	}
	if len(list) == 0 {
		return
	}
	var detail strings.Builder
	for i, p := range list {
		if i == datasetProblemsShown {
			detail.WriteString("… and " + plural(int64(len(list)-i), "more problem") + "; -json lists all.")
			break
		}
		detail.WriteString(Clean(p.Subject) + ": " + Clean(p.What) + ".\n")
	}
	v.Diagnostics(nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: detail.String()}})
}

// Signed says that a dataset was signed.
func (v *View) Signed(path, key string) {
	if v.opts.JSON {
		v.lastLine(struct {
			Type string `json:"type"`
			Path string `json:"path"`
			Key  string `json:"key"`
		}{"signed", path, key})
		return
	}
	v.result("Signed: " + Clean(path) + "\nKey " + key + "\n")
}

// Pushing tells of a file that is about to be sent.
func (v *View) Pushing(file string) {
	if v.opts.JSON || v.opts.Quiet {
		return
	}
	v.message("Sending " + Clean(file) + "\n")
}

// Pushed says what a push did.
func (v *View) Pushed(r *push.Report) {
	if v.opts.JSON {
		sent, bytes := r.Count(push.Upload)
		same, _ := r.Count(push.Same)
		gone, _ := r.Count(push.Delete)
		v.lastLine(struct {
			Type string `json:"type"`
			*push.Report
			Sent      int   `json:"sent"`
			SentBytes int64 `json:"sent_bytes"`
			Same      int   `json:"same"`
			Deleted   int   `json:"deleted"`
		}{"push", r, sent, bytes, same, gone})
		return
	}
	p := v.page()
	if r.DryRun {
		t := table{heads: []string{"File", "Size", ""}}
		for _, f := range r.Files {
			t.add(Clean(f.Path), bytesOf(f.Size), pushWord(f.Action))
		}
		t.render(&p.Builder, p.width)
		p.WriteString("\n")
	}
	sent, bytes := r.Count(push.Upload)
	same, _ := r.Count(push.Same)
	gone, _ := r.Count(push.Delete)
	verb := func(did, would string) string {
		if r.DryRun {
			return would
		}
		return did
	}
	p.text(0, fmt.Sprintf("%s %s (%s), %s there already, %s.", plural(int64(sent), "file"), verb("sent", "to send"), bytesOf(bytes), count(int64(same)),
		fmt.Sprintf("%s %s", count(int64(gone)), verb("removed", "to remove"))))
	switch {
	case r.DryRun:
		p.text(0, "Nothing was changed (-dry-run).")
	case r.Created:
		p.text(0, "The repository was not there and was made.")
	}
	p.WriteString(Clean(r.URL) + "\n")
	if r.Commit != "" {
		p.WriteString("Commit " + Clean(r.Commit) + "\n")
	}
	v.result(p.String())
}

func pushWord(a push.Action) string {
	switch a {
	case push.Upload:
		return "send"
	case push.Delete:
		return "remove"
	}
	return "there already"
}

// Verified shows what a published dataset was held to, and what came of it.
func (v *View) Verified(dir string, r *verify.Report) {
	if v.opts.JSON {
		v.DatasetProblems("", r.Problems)
		v.lastLine(struct {
			Type string `json:"type"`
			Path string `json:"path"`
			OK   bool   `json:"ok"`
			*verify.Report
		}{"verify", dir, r.OK(), r})
		return
	}
	v.DatasetProblems("Not as it should be", r.Problems)
	p := v.page()
	t := table{heads: []string{"Check", "", "Against"}}
	for _, c := range r.Checks {
		word := string(c.Result)
		switch c.Result {
		case verify.ResultFailed:
			word = "FAILED"
		case verify.ResultOpen:
			word = "–"
		}
		t.add(c.Name, word, Clean(c.What))
	}
	t.render(&p.Builder, p.width)
	p.WriteString("\n")
	if r.OK() {
		p.WriteString("Nothing was found that is not as it should be.\n")
	} else {
		p.WriteString(capitalClean(plural(int64(len(r.Problems)), "problem")) + ".\n")
	}
	v.result(p.String())
}
