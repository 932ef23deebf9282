package publish

import (
	"cmp"
	"slices"

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
func (m *maker) sources(p *page) {
	p.section("Sources")
	all := m.rows.total()
	if all == 0 {
		p.para("There are no rows.")
		return
	}
	p.para("Where the rows come from in the first place, as their column `origin` says.")
	var rows [][]string
	together := m.rows.sourced(true)
	for _, o := range together[:min(maxFiles, len(together))] {
		rows = append(rows, []string{code(cmp.Or(o.Source, notSaid)), plain(cmp.Or(o.Licence, "not stated")), yes(o.EvalOnly), number(o.files), share(o.n, all)})
	}
	p.table([]string{"Source", "Licence", "For evaluation only", " Files", " Rows"}, rows)
	if len(together) > maxFiles {
		p.para("And %s more.", number(int64(len(together)-maxFiles)))
	}
	if m.rows.evalOnly > 0 {
		p.para("%s rows come from sources that must not be trained on. They are left out of every training format.", share(m.rows.evalOnly, all))
	}
	files := m.rows.sourced(false)
	rows = nil
	for _, o := range files[:min(maxFiles, len(files))] {
		if o.File != "" {
			rows = append(rows, []string{code(o.Source), code(o.File), plain(cmp.Or(o.Licence, "not stated")), share(o.n, all)})
		}
	}
	if len(rows) == 0 {
		return
	}
	p.para("<details><summary>By file</summary>")
	p.table([]string{"Source", "File", "Licence", " Rows"}, rows)
	if len(files) > maxFiles {
		p.para("And %s more.", number(int64(len(files)-maxFiles)))
	}
	p.para("</details>")
}
