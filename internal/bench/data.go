package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// words are a vocabulary to make text of that packs about as well as English.
func words(r *rand.Rand) []string {
	list := make([]string, 4000)
	for i := range list {
		b := make([]byte, 2+r.IntN(9))
		for j := range b {
			b[j] = byte('a' + r.IntN(26))
		}
		list[i] = string(b)
	}
	return list
}

// makeRows writes n rows of exactly size bytes each, a line each, the same in
// every run.
func makeRows(name string, n, size int) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	r := rand.New(rand.NewPCG(1, 2))
	vocabulary := words(r)
	w := bufio.NewWriterSize(f, 1<<20)
	var line []byte
	for i := range n {
		line = rowLine(line[:0], r, vocabulary, i, size)
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

func rowLine(b []byte, r *rand.Rand, vocabulary []string, i, size int) []byte {
	b = fmt.Appendf(b, `{"key":"row-%08d","n":%d,"score":%.4f,"group":"g%02d","text":"`, i, i, r.Float64(), r.IntN(20))
	const end = "\"}\n"
	for len(b) < size-len(end) {
		b = append(append(b, vocabulary[r.IntN(len(vocabulary))]...), ' ')
	}
	return append(b[:size-len(end)], end...)
}

// changeRow gives one row of a file of rows another text of the same length.
func changeRow(name string, i, size, round int) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	mark := fmt.Sprintf("%08d", round+1)
	if _, err := f.WriteAt([]byte(mark), int64(i+1)*int64(size)-int64(len(mark))-3); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	// A file that changed less than two seconds ago is not trusted by its time,
	// and read again by every build. Users are not that fast.
	edited := time.Now().Add(-time.Hour + time.Duration(round)*time.Minute)
	return os.Chtimes(name, edited, edited)
}

// rowsFile gives the file with n rows of a size, and makes it if need be.
func (s *suite) rowsFile(n, size int) (string, error) {
	name := s.path(fmt.Sprintf("rows-%d-%d.jsonl", n, size))
	if _, err := os.Stat(name); err == nil {
		return name, nil
	}
	return name, makeRows(name, n, size)
}

// recipe writes a recipe in a folder of its own.
func (s *suite) recipe(name, text string) (dir string, err error) {
	dir = s.path(name)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "recipe.hcl"), []byte(text), 0o666)
}

// coldRecipe reads rows, filters them twice and writes them.
func coldRecipe(rows string) string {
	return fmt.Sprintf(`threat_source "jsonl" "rows" {
  path = %q
}

distill "first" {
  input = threat_source.jsonl.rows
  filter "long" { keep = "row.text.size() > 100 && row.score >= 0.0" }
}

distill "second" {
  input = distill.first
  filter "high" { keep = "row.score >= 0.5 || row.group == 'g01'" }
}

dataset "kept" {
  input = distill.second
  output "rows" { path = "dist/kept" }
}
`, filepath.ToSlash(rows))
}

// nothingRecipe has fifteen steps: those of coldRecipe, and eleven more on a
// thousand of its rows.
func nothingRecipe(rows string) string {
	var b strings.Builder
	b.WriteString(coldRecipe(rows))
	b.WriteString("\ndistill \"some\" {\n  input = distill.second\n  limit \"rows\" { max = 1000 }\n}\n")
	input := "distill.some"
	for i := range 8 {
		fmt.Fprintf(&b, "\ndistill \"part_%d\" {\n  input = %s\n  filter \"part\" { keep = \"row.n %% %d != 0 && row.text.contains('e')\" }\n}\n", i, input, i+7)
		input = fmt.Sprintf("distill.part_%d", i)
	}
	for _, name := range []string{"one", "two"} {
		fmt.Fprintf(&b, "\ndataset %q {\n  input = %s\n  output \"rows\" { path = \"dist/%s\" }\n}\n", name, input, name)
	}
	return b.String()
}

// judgedRecipe asks a model about each row, so many at a time.
func judgedRecipe(rows, url string, width int) string {
	return fmt.Sprintf(`provider "openai" "local" {
  base_url = %q
  api_key  = env("BENCH_KEY")
  limits { concurrency = %d }
}

model "judge" {
  provider = provider.openai.local
  name     = "judge-1"
}

threat_source "jsonl" "rows" {
  path = %q
}

judge "rubric" "quality" {
  input  = threat_source.jsonl.rows
  model  = model.judge
  prompt = "How good is this text?\n---user---\n{{ .row.text }}"
}

dataset "judged" {
  input = judge.rubric.quality
  output "rows" { path = "dist/judged" }
}
`, url, width, filepath.ToSlash(rows))
}

// filteredRecipe keeps rows from a score on.
func filteredRecipe(rows string, score float64) string {
	return fmt.Sprintf(`threat_source "jsonl" "rows" {
  path = %q
}

distill "kept" {
  input = threat_source.jsonl.rows
  filter "high" { keep = "row.score >= %.4f && row.text.size() > 10" }
}

dataset "kept" {
  input = distill.kept
  output "rows" { path = "dist/kept" }
}
`, filepath.ToSlash(rows), score)
}

// manyBlocks is a recipe of n steps: a source, a tree of filters, and a dataset
// on every hundredth.
func manyBlocks(rows string, n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "threat_source \"jsonl\" \"rows\" {\n  path = %q\n}\n", filepath.ToSlash(rows))
	filters := []string{"threat_source.jsonl.rows"}
	for i := 1; i < n; i++ {
		if i%100 == 99 {
			fmt.Fprintf(&b, "\ndataset \"set_%d\" {\n  input = %s\n  output \"rows\" { path = \"dist/set_%d\" }\n}\n", i, filters[len(filters)-1], i)
			continue
		}
		name := fmt.Sprintf("part_%d", i)
		fmt.Fprintf(&b, "\ndistill %q {\n  input = %s\n  filter \"part\" { keep = \"row.n %% %d != 1 && row.group != 'g%02d'\" }\n}\n",
			name, filters[len(filters)/2], i+3, i%20)
		filters = append(filters, "distill."+name)
	}
	return b.String()
}
