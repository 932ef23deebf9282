package doctest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSession replays the README: it applies each diff to the quickstart and
// compares what each command prints. A line "…" stands for any lines. Times
// and the width of columns do not count.
func TestSession(t *testing.T) {
	p := buildProgram(t)
	dir := t.TempDir()
	quickstart := filepath.Join("recipes", "quickstart")
	if err := os.CopyFS(filepath.Join(dir, quickstart), os.DirFS(filepath.Join(root, quickstart))); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, quickstart, "dist")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	doc, err := os.ReadFile(filepath.Join(p.source, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```(console|diff)\n(.*?)^```").FindAllStringSubmatch(string(doc), -1)
	if len(blocks) < 4 {
		t.Fatalf("the README has %d blocks of a session", len(blocks))
	}
	for _, b := range blocks {
		if b[1] == "diff" {
			edit(t, filepath.Join(quickstart, "recipe.hcl"), b[2])
			continue
		}
		line, want, _ := strings.Cut(b[2], "\n")
		args, ok := strings.CutPrefix(line, "$ autosafe ")
		if !ok {
			t.Fatalf("%q is no command of autosafe", line)
		}
		got, errs, code := p.run(t, strings.Fields(args)...)
		if code != 0 {
			t.Fatalf("%s: exit %d\n%s", line, code, errs)
		}
		if missing := unlike(got, want); missing != "" {
			t.Errorf("%s does not print, in this order,\n%s\nIt prints\n%s", line, missing, got)
		}
	}
}

// edit applies a diff without places: the lines with - and those without a
// sign must stand in the file, and give way to those with + and without.
func edit(t *testing.T, file, diff string) {
	t.Helper()
	var before, after strings.Builder
	for l := range strings.Lines(diff) {
		switch l[0] {
		case '-':
			before.WriteString(l[1:])
		case '+':
			after.WriteString(l[1:])
		default:
			before.WriteString(l[1:])
			after.WriteString(l[1:])
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), before.String()); n != 1 {
		t.Fatalf("%s has this %d times:\n%s", file, n, before.String())
	}
	write(t, file, strings.Replace(string(text), before.String(), after.String(), 1))
}

// unlike is the part of a transcript that is not in the text, or "".
func unlike(text, transcript string) string {
	text = "\n" + plainLines(text)
	for _, part := range strings.Split(plainLines(transcript), "…\n") {
		_, rest, ok := strings.Cut(text, "\n"+part)
		if !ok {
			return part
		}
		text = "\n" + rest
	}
	return ""
}

func plainLines(s string) string {
	s = regexp.MustCompile(`(\d+ h )?(\d+ min )?\d+(\.\d+)? (ms|s|min)\b`).ReplaceAllString(s, "TIME")
	s = regexp.MustCompile(`[ \t]+`).ReplaceAllString(s, " ")
	return regexp.MustCompile(` ?\n`).ReplaceAllString(s, "\n")
}

// TestUnlike shows that the comparison tells texts apart.
func TestUnlike(t *testing.T) {
	const text = "a  1.5 s\nb 2\nc 3\n"
	for transcript, same := range map[string]bool{
		"a 20 s\nb   2\nc 3\n": true,
		"a 1 s\n…\nc 3\n":      true,
		"…\nb 2\n":             true,
		"b 2\n…\na 1 s\n":      false,
		"a 1 s\nc 3\n":         false,
		"b 3\n":                false,
		"b\n":                  false,
	} {
		if got := unlike(text, transcript) == ""; got != same {
			t.Errorf("%q: %v, want %v", transcript, got, same)
		}
	}
}
