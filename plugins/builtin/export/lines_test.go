package export_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/builtin/export"
)

var update = flag.Bool("update", false, "write the golden files anew")

// formats are those with a file of lines in testdata/lines.
func formats() []export.Format {
	return []export.Format{
		export.OpenAISFT(), export.OpenAIDPO(),
		export.TRLSFT(), export.TRLDPO(), export.TRLKTO(), export.TRLStepwise(),
		export.Alpaca(), export.AlpacaJudge(),
		export.LLaMAFactory("sharegpt", "sft"), export.AxolotlSFT(), export.AxolotlDPO(),
	}
}

// sample is a line and what its validator says: a name, the line (as a Go
// string where it holds odd bytes) and the verdict, ok or the message.
type sample struct{ name, text, verdict string }

func (s sample) line(t testing.TB) []byte {
	t.Helper()
	if !strings.HasPrefix(s.text, `"`) {
		return []byte(s.text)
	}
	text, err := strconv.Unquote(s.text)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	return []byte(text)
}

func samples(t testing.TB, format string) []sample {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "lines", format+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	var out []sample
	for block := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n\n") {
		parts := strings.Split(block, "\n")
		name, ok := strings.CutPrefix(parts[0], "# ")
		if !ok || len(parts) < 2 || len(parts) > 3 {
			t.Fatalf("%s: a sample is a name, a line and a verdict:\n%s", format, block)
		}
		s := sample{name: name, text: parts[1]}
		if len(parts) == 3 {
			s.verdict = parts[2]
		}
		out = append(out, s)
	}
	return out
}

// Each validator takes the good lines and refuses each bad one with a message
// of its own, as testdata/lines has it.
func TestLines(t *testing.T) {
	for _, f := range formats() {
		var golden bytes.Buffer
		names := map[string]bool{}
		for _, s := range samples(t, f.Name) {
			line := s.line(t)
			got := "ok"
			if err := f.Validate(line); err != nil {
				got = "error: " + err.Error()
			}
			if got == "ok" {
				if err := f.Validate(append(line, '\n')); err != nil {
					t.Errorf("%s, %s: taken alone, but refused with its end: %v", f.Name, s.name, err)
				}
			}
			if got != s.verdict && !*update {
				t.Errorf("%s, %s:\n got %s\nwant %s", f.Name, s.name, got, s.verdict)
			}
			if strings.ContainsAny(got, "\n\r") || names[s.name] {
				t.Errorf("%s, %s: a message of several lines, or a name that is there twice", f.Name, s.name)
			}
			names[s.name] = true
			fmt.Fprintf(&golden, "# %s\n%s\n%s\n\n", s.name, s.text, got)
		}
		if *update {
			if err := os.WriteFile(filepath.Join("testdata", "lines", f.Name+".txt"), golden.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What no format takes.
func TestNoRows(t *testing.T) {
	for _, f := range formats() {
		for _, text := range []string{"", " ", "null", "[]", `"x"`, "{}", "1", strings.Repeat("[", 100000), strings.Repeat(`{"a":`, 5000)} {
			if f.Validate([]byte(text)) == nil {
				t.Errorf("%s: %.20q was taken", f.Name, text)
			}
		}
	}
}

// No format takes a good line of another one, but for those that are the same
// by design: a preference without its pair, say, is never taken for one.
func TestFormatsAreToldApart(t *testing.T) {
	for _, f := range formats() {
		for _, other := range formats() {
			if f.Name == other.Name {
				continue
			}
			for _, s := range samples(t, other.Name) {
				taken := s.verdict == "ok" && f.Validate(s.line(t)) == nil
				// OpenAI's messages without tools and weights are TRL's and
				// LLaMA-Factory's, too, and so is a pair of texts.
				same := s.name == "without tools" && other.Name == "openai_sft" && (f.Name == "trl_sft" || f.Name == "llamafactory") ||
					s.name == "with a call" && other.Name == "axolotl_dpo" && f.Name == "llamafactory"
				if taken != same {
					t.Errorf("%s, %s: taken by %s: %t", other.Name, s.name, f.Name, taken)
				}
			}
		}
	}
}

// docs/formats.md shows what is refused.
func TestLinesAreDocumented(t *testing.T) {
	const path, begin, end = "../../../docs/formats.md", "<!-- lines -->\n", "<!-- end of lines -->"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(page), begin)
	shown, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no place for the lines", path)
	}
	var b strings.Builder
	refused := 0
	for _, f := range formats() {
		fmt.Fprintf(&b, "\n### %s\n\n| line | message |\n|---|---|\n", f.Name)
		for _, s := range samples(t, f.Name) {
			if message, bad := strings.CutPrefix(s.verdict, "error: "); bad {
				refused++
				fmt.Fprintf(&b, "| %s | `%s` |\n", s.name, strings.ReplaceAll(message, "|", `\|`))
			}
		}
	}
	b.WriteByte('\n')
	if refused < 60 {
		t.Errorf("only %d lines are refused", refused)
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+b.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if shown != b.String() {
		t.Errorf("the lines in %s are not those of testdata/lines; run this test with -update", path)
	}
}

func BenchmarkValidate(b *testing.B) {
	for _, f := range formats() {
		line := samples(b, f.Name)[0].line(b)
		b.Run(f.Name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				if err := f.Validate(line); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
