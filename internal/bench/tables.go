package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// tableRecipe keeps all rows and writes them as Parquet.
func tableRecipe(rows string) string {
	return fmt.Sprintf(`threat_source "jsonl" "rows" {
  path = %q
}

distill "all" {
  input = threat_source.jsonl.rows
  filter "long" { keep = "row.text.size() > 100" }
}

dataset "all" {
  input = distill.all
  output "parquet" { path = "dist/all" }
}
`, filepath.ToSlash(rows))
}

// tables writes many rows that are cached as Parquet: of the build, only the
// output runs.
func (s *suite) tables() error {
	n := s.size.manyRows
	rows, err := s.rowsFile(n, 1024)
	if err != nil {
		return err
	}
	dir, err := s.recipe("tables", tableRecipe(rows))
	if err != nil {
		return err
	}
	c := s.build(dir, s.path("cache-tables"), "-json")
	c.keep, c.watch = true, true
	if err := s.once(c); err != nil {
		return err
	}
	file := filepath.Join(dir, "dist", "all", "train-00000-of-00001.parquet")
	first, size, err := digest(file)
	if err != nil {
		return err
	}
	same, written := true, true
	writes := &contender{
		name: fmt.Sprintf("%s rows to Parquet", thousands(n)), command: c,
		prepare: func(int) error { return os.RemoveAll(filepath.Join(dir, "dist")) },
		check: func(m sample) error {
			o, err := outcomeOf(m.out)
			if err != nil {
				return err
			}
			written = written && len(o.Outputs) == 1 && o.Outputs[0].Rows == n && o.Calls.Made == 0
			again, _, err := digest(file)
			same = same && again == first
			return err
		},
	}
	if err := s.rounds(max(s.few(5), 2), writes); err != nil {
		return err
	}
	if !written {
		return fmt.Errorf("not all of %d rows were written", n)
	}
	s.report.tables(writes, n, size, same)
	return os.RemoveAll(s.path("cache-tables"))
}

func digest(name string) (sum [sha256.Size]byte, size int64, err error) {
	f, err := os.Open(name)
	if err != nil {
		return sum, 0, err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, f)
	return [sha256.Size]byte(h.Sum(nil)), size, err
}

// tables reports the writing of Parquet.
func (r *report) tables(writes *contender, n int, size int64, same bool) {
	perSecond := float64(n) / writes.wall().median
	r.sections = append(r.sections, section{
		title: "Many rows to Parquet",
		intro: fmt.Sprintf("Rows of 1 KB that are in the cache, to a `parquet` output: a build in which nothing else runs, on %d cores. "+
			"The whole process is measured, from its start to its end, with the digest of the file, which then has %d MiB. "+
			"A core's share is all rows by the time of all processors of all processes.", runtime.NumCPU(), size>>20),
		head: timesHead("rows/s", "rows/s a core", "peak memory"),
		rows: [][]string{append(writes.times(), thousands(int(perSecond)), thousands(int(float64(n)/writes.cpu().median)), mebibytes(writes.peak()))},
	})
	what := thousands(n) + " rows to Parquet: "
	r.bar(what+"rows a second", "at least 40,000", thousands(int(perSecond)), perSecond >= 40_000)
	if memoryKnown {
		r.bar(what+"peak memory", "under 500 MiB", mebibytes(writes.peak()), writes.peak().median < 500)
	} else {
		r.unknownBar(what+"peak memory", "under 500 MiB", "not measured on this system")
	}
	got := "the same"
	if !same {
		got = "others"
	}
	r.bar(what+"bytes of each build", "the same", got, same)
}
