package cache

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Repair is Verify that then forgets what is damaged: records that cannot be
// read are removed, as by Collect that keeps all others, and indexes are made
// again. The report has what Verify found; what could not be repaired,
// because another process writes to the segment, is not marked as repaired.
func (s *Store) Repair(ctx context.Context) (Report, error) {
	found, err := s.Verify(ctx)
	if err != nil || len(found.Damage) == 0 {
		return found, err
	}
	if s.env.readOnly {
		return found, readOnlyError(s.dir)
	}
	var damaged []Kind
	for _, k := range kinds() {
		for i := range found.Damage {
			if found.Damage[i].Kind == k.String() {
				damaged = append(damaged, k)
				break
			}
		}
	}
	root := filepath.Join(s.dir, formatDir)
	if len(damaged) > 0 {
		if _, err := s.Collect(ctx, CollectOptions{Kinds: damaged, deep: true}); err != nil {
			return found, err
		}
	}
	for i := range found.Damage {
		if err := s.repairIndex(&found.Damage[i]); err != nil {
			return found, err
		}
	}
	for _, l := range s.logs {
		if err := l.repairLosses(); err != nil {
			return found, err
		}
	}
	if err := s.repairNotices(); err != nil {
		return found, err
	}
	if err := resetCollections(ctx, root); err != nil {
		return found, err
	}
	after, err := s.Verify(ctx)
	if err != nil {
		return found, err
	}
	left := map[string]bool{}
	for i := range after.Damage {
		left[after.Damage[i].File] = true
	}
	for i := range found.Damage {
		found.Damage[i].Repaired = !left[found.Damage[i].File]
	}
	return found, nil
}

// repairIndex makes the sidecar again if it is what is damaged.
func (s *Store) repairIndex(d *Damage) error {
	if filepath.Ext(d.File) != sidecarExt {
		return nil
	}
	for _, l := range s.logs {
		if l.dir == filepath.Dir(d.File) {
			return l.remakeSidecar(d.File[:len(d.File)-len(sidecarExt)] + segmentExt)
		}
	}
	return nil
}

// remakeSidecar makes the sidecar of the segment at path again, unless
// somebody writes to it.
func (l *log) remakeSidecar(path string) error {
	id, ok := segmentID(filepath.Base(path))
	if !ok {
		return nil
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return writeError(path, err)
	}
	defer f.Close()
	unlock, ok, err := lockSegment(f, path)
	if err != nil || !ok {
		return writeError(path, err)
	}
	defer unlock()
	if err := os.Remove(sidecarPath(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return writeError(sidecarPath(path), err)
	}
	l.refreshing.Lock()
	defer l.refreshing.Unlock()
	l.mu.Lock()
	seg := l.segmentFor(id)
	l.mu.Unlock()
	if _, _, err = l.mend(f, seg); errors.Is(err, errUnreadable) {
		err = nil
	}
	return writeError(path, err)
}

// verifyCollections checks the collect file, whose bytes are zero.
func verifyCollections(root string, r *Report) error {
	path := filepath.Join(root, collectFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return readError(path, err)
	}
	r.Bytes += int64(len(b))
	for i, c := range b {
		if c != 0 {
			r.Damage = append(r.Damage, Damage{Kind: collectFile, File: path, Offset: int64(i), Length: 1,
				What: "the count of collections is damaged", Means: "nothing is lost: only the length of the file counts", Harmless: true})
		}
	}
	return nil
}

// resetCollections clears the collect file if it is damaged.
func resetCollections(ctx context.Context, root string) error {
	var r Report
	if err := verifyCollections(root, &r); err != nil || len(r.Damage) == 0 {
		return err
	}
	unlock, err := lockCollections(ctx, root)
	if err != nil {
		return err
	}
	defer unlock()
	path := filepath.Join(root, collectFile)
	// Its length must not come back to what somebody has seen.
	n := collections(root)
	return writeError(path, errors.Join(os.Truncate(path, 0), os.Truncate(path, n+1)))
}
