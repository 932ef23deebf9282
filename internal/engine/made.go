package engine

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/key"
	"github.com/autosafe/autosafe/spec"
)

// Some files are made by the host itself: the documents beside a dataset's outputs,
// the report of an evaluation. They are outputs in all but that no component writes
// them: they have a key and a record, are written in a folder of their own and moved
// into place, are left alone where they stand as they should, and overwrite nothing
// that is not autosafe's.

// madeFiles are such files.
type madeFiles struct {
	st    *stepState
	out   *spec.OutputBody
	names func() []string // that there may be
	write func(dir string) ([]Artifact, error)
}

// bring brings files up to date whose key is made of the parts. fresh says that
// they may differ although their key is the same.
func (b *build) bring(m *madeFiles, parts key.List, fresh bool) (ran bool, err error) {
	k := cache.Digest(parts.Digest())
	dir := b.outDir(m.out.Path)
	rec, ok, err := getRecord[outputRecord](b.opts.Store, k)
	if err != nil {
		return false, err
	}
	ran = !ok || !b.inPlace(m.st, m.out, dir, rec)
	if ran || fresh {
		was := rec
		if rec, err = b.fill(m.st, m.out, dir, m.record); err != nil {
			return true, err
		}
		ran = ran || !slices.Equal(was.Files, rec.Files)
	}
	status := StatusHit
	if ran {
		status = StatusRun
		if err := b.keepOutput(k, parts, rec); err != nil {
			return true, err
		}
	}
	b.wroteOutput(m.st, m.out, dir, rec, status, k)
	return ran, nil
}

// record has the files written and says which they are.
func (m *madeFiles) record(dir string) (*outputRecord, error) {
	files, err := m.write(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.out.Address, err)
	}
	rec := &outputRecord{Splits: map[string]int64{}}
	for _, f := range files {
		rec.Files = append(rec.Files, fileRecord{Path: f.Path, Rows: f.Rows, MediaType: f.MediaType})
	}
	slices.SortFunc(rec.Files, func(a, b fileRecord) int { return bytes.Compare([]byte(a.Path), []byte(b.Path)) })
	return rec, nil
}

// fill has the files of an output made in a folder within the final one, and moves
// them into place unless they stand there already.
func (b *build) fill(st *stepState, out *spec.OutputBody, dir string, write func(work string) (*outputRecord, error)) (*outputRecord, error) {
	if err := checkPath(out, dir); err != nil {
		return nil, err
	}
	work, err := newWorkDir(dir)
	if err != nil {
		return nil, err
	}
	defer work.remove()
	rec, err := write(work.files)
	if err != nil {
		return nil, err
	}
	if err := measureAll(work.files, rec.Files); err != nil {
		return nil, err
	}
	if b.inPlace(st, out, dir, rec) {
		return rec, nil
	}
	old, _ := readCard(dir) // without one, the cache tells what is ours
	if err := b.checkInstall(out, dir, old, rec.Files); err != nil {
		return nil, err
	}
	return rec, b.place(st, out, work, dir, rec, old)
}

// place moves an output's files into place, and its note with them. What stood
// there before is old, which may be nil.
func (b *build) place(st *stepState, out *spec.OutputBody, work *workDir, dir string, rec *outputRecord, old *card) error {
	now := cardOf(out, st.offline, rec)
	interim := interimCard(now, old)
	if err := writeCard(work.path, dir, interim); err != nil {
		return err
	}
	for _, f := range rec.Files {
		if err := install(work.files, dir, f); err != nil {
			return err
		}
	}
	if err := removeStale(dir, old, rec, b.fileDigest); err != nil {
		return err
	}
	if len(interim.Files) == len(now.Files) {
		return nil
	}
	return writeCard(work.path, dir, now)
}

// checkMade looks for what is in the way of files that may be written.
func (b *build) checkMade(m *madeFiles) error {
	dir := b.outDir(m.out.Path)
	if err := checkPath(m.out, dir); err != nil {
		return err
	}
	old, _ := readCard(dir)
	var files []fileRecord
	for _, name := range m.names() {
		files = append(files, fileRecord{Path: name})
	}
	return b.checkInstall(m.out, dir, old, files)
}

// planMade says whether files would be written, and notes what is in their way.
func (p *planner) planMade(m *madeFiles, parts key.List, o *OutputPlan) (cache.Digest, error) {
	k := cache.Digest(parts.Digest())
	rec, ok, err := getRecord[outputRecord](p.opts.Store, k)
	switch {
	case err != nil:
		return k, err
	case !ok:
		o.Status, o.Reason = StatusNew, p.outputCause(m.out, parts)
	case !p.inPlace(m.st, m.out, o.Path, rec):
		o.Reason = "its files are missing or were changed"
	default:
		o.Status, o.Reason = StatusHit, "its files are in place"
		return k, nil
	}
	if p.refused[m.st] == nil {
		p.refused[m.st] = p.checkMade(m)
	}
	return k, nil
}
