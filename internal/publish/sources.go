package publish

import (
	"cmp"
	"slices"

	"github.com/autosafe/autosafe/internal/page"
	"github.com/autosafe/autosafe/spec/ots"
)

// origin is where rows come from, and how many.
type origin struct {
	ots.Origin
	n     int64
	files int64 // that it stands for
}

// maxFiles is how many sources, and how many files of theirs, are listed.
const maxFiles = 200

// sourced is where the rows come from: each file, or each source with its
// files together; most rows first.
func (t *tally) sourced(together bool) []origin {
	found := map[ots.Origin]*origin{}
	for o, n := range t.origins {
		if together {
			o.File = ""
		}
		if found[o] == nil {
			found[o] = &origin{Origin: o}
		}
		found[o].n += n
		found[o].files++
	}
	var list []origin
	for _, o := range found {
		list = append(list, *o)
	}
	slices.SortFunc(list, func(a, b origin) int {
		return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.Source, b.Source), cmp.Compare(a.File, b.File), cmp.Compare(a.Licence, b.Licence), cmp.Compare(yes(a.EvalOnly), yes(b.EvalOnly)))
	})
	return list
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// sources tells where the rows come from, and under which licences.
func (m *maker) sources(p *page.Markdown) {
	p.Section("Sources")
	all := m.rows.total()
	if all == 0 {
		p.Para("There are no rows.")
		return
	}
	p.Para("Where the rows come from in the first place, as their column `origin` says.")
	var rows [][]string
	together := m.rows.sourced(true)
	for _, o := range together[:min(maxFiles, len(together))] {
		rows = append(rows, []string{page.Code(cmp.Or(o.Source, notSaid)), page.Plain(cmp.Or(o.Licence, "not stated")), yes(o.EvalOnly), page.Number(o.files), page.Share(o.n, all)})
	}
	p.Table([]string{"Source", "Licence", "For evaluation only", " Files", " Rows"}, rows)
	if len(together) > maxFiles {
		p.Para("And %s more.", page.Number(int64(len(together)-maxFiles)))
	}
	if m.rows.evalOnly > 0 {
		p.Para("%s rows come from sources that must not be trained on. They are left out of every training format.", page.Share(m.rows.evalOnly, all))
	}
	files := m.rows.sourced(false)
	rows = nil
	for _, o := range files[:min(maxFiles, len(files))] {
		if o.File != "" {
			rows = append(rows, []string{page.Code(o.Source), page.Code(o.File), page.Plain(cmp.Or(o.Licence, "not stated")), page.Share(o.n, all)})
		}
	}
	if len(rows) == 0 {
		return
	}
	p.Para("<details><summary>By file</summary>")
	p.Table([]string{"Source", "File", "Licence", " Rows"}, rows)
	if len(files) > maxFiles {
		p.Para("And %s more.", page.Number(int64(len(files)-maxFiles)))
	}
	p.Para("</details>")
}
