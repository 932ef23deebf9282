package publish

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/internal/page"
)

func TestSizeCategory(t *testing.T) {
	for n, want := range map[int64]string{0: "n<1K", 999: "n<1K", 1000: "1K<n<10K", 10_000: "10K<n<100K", 999_999: "100K<n<1M", 1_000_000: "1M<n<10M", 5_000_000_000: "n>1B"} {
		if got := sizeCategory(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestPaths(t *testing.T) {
	for _, tt := range []struct {
		files []string
		want  string
	}{
		{[]string{"rows/train.jsonl"}, `"rows/train.jsonl"`},
		{[]string{"p/train-00000-of-00001.parquet"}, `"p/train-00000-of-00001.parquet"`},
		{[]string{"p/train-00000-of-00002.parquet", "p/train-00001-of-00002.parquet"}, `"p/train-*.parquet"`},
		{[]string{"p/train-00000-of-00002.jsonl.gz", "p/train-00001-of-00002.jsonl.gz"}, `"p/train-*.jsonl.gz"`},
		{[]string{"p/train-a.jsonl", "p/train-b.jsonl"}, `["p/train-a.jsonl","p/train-b.jsonl"]`},
		{[]string{"p/train-00000-of-00002.jsonl", "q/train-00001-of-00002.jsonl"}, `["p/train-00000-of-00002.jsonl","q/train-00001-of-00002.jsonl"]`},
	} {
		var files []file
		for _, f := range tt.files {
			files = append(files, file{path: f})
		}
		if got := pathsOf(files); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.files, got, tt.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000"} {
		if got := page.Number(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for _, tt := range []struct {
		n, of int64
		want  string
	}{{1, 3, "1 of 3 (33.3 %)"}, {0, 0, "0 of 0"}, {2000, 2000, "2,000 of 2,000 (100.0 %)"}} {
		if got := page.Share(tt.n, tt.of); got != tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
}

// TestHostileText writes what others wrote: it stays text, on its line.
func TestHostileText(t *testing.T) {
	for _, s := range []string{"a|b", "x\n# head", "<script>alert(1)</script>", "`code`", "[link](http://x)", "![i](x)", "a\u202eb", "a\u0000b", strings.Repeat("long ", 100), "\xff\xfe"} {
		for _, got := range []string{page.Plain(s), page.Code(s)} {
			if strings.ContainsAny(got, "\n\r\x00\u202e") {
				t.Errorf("%q becomes %q", s, got)
			}
			unescaped := strings.NewReplacer(`\|`, "", `\[`, "", `\<`, "", "\\`", "").Replace(got)
			if strings.Contains(unescaped, "|") || strings.ContainsAny(unescaped, "[<") && !strings.HasPrefix(got, "`") {
				t.Errorf("%q becomes %q", s, got)
			}
		}
		c := &page.Bars{Title: s, About: s, Series: []string{s, s}, Bars: []page.Bar{{Label: s, Note: s, Parts: []int64{1, 1 << 60}}, {Label: "", Parts: []int64{0, 0}}}}
		dec := xml.NewDecoder(strings.NewReader(string(c.SVG("s"))))
		for {
			_, err := dec.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%q: no XML: %v", s, err)
			}
		}
		if line := jsonText(s); strings.Contains(line, "\n") || !json.Valid([]byte(line)) {
			t.Errorf("%q is not one line of YAML: %s", s, line)
		}
	}
}

func TestTypeOf(t *testing.T) {
	for value, want := range map[string]string{`1`: integerType, `-12`: integerType, `1.5`: floatType, `1e9`: floatType, `true`: boolType, `"1"`: textType, `[1]`: textType, `{}`: textType, `null`: textType, ``: textType} {
		if got := typeOf(json.RawMessage(value)); got != want {
			t.Errorf("%s: %s, want %s", value, got, want)
		}
	}
}

func TestParseStatement(t *testing.T) {
	s := &Statement{Type: StatementType, PredicateType: PredicateType, Subject: []Resource{{Name: "a", Digest: digestOf("00")}}}
	s.Predicate.BuildDefinition.BuildType = BuildType
	s.Predicate.BuildDefinition.ResolvedDependencies = []Resource{dependency(LockDependency, "l", "11", nil), dependency(ModelDependency, "m", "22", nil)}
	text, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseStatement(text)
	if err != nil || back.Subject[0].SHA256() != "00" {
		t.Fatalf("%+v, %v", back, err)
	}
	if m := back.Dependencies(ModelDependency); len(m) != 1 || m[0].Name != "m" || m[0].Kind() != ModelDependency {
		t.Errorf("models: %+v", m)
	}
	again, err := back.Encode()
	if err != nil || string(again) != string(text) {
		t.Errorf("a statement that was read is written with other bytes (%v)", err)
	}
	for name, bad := range map[string]string{
		"no JSON":              "nonsense",
		"another type":         strings.Replace(string(text), StatementType, "https://in-toto.io/Statement/v0.1", 1),
		"another predicate":    strings.Replace(string(text), PredicateType, "https://slsa.dev/provenance/v0.2", 1),
		"another build's type": strings.Replace(string(text), BuildType, "https://example.org/make", 1),
	} {
		if _, err := ParseStatement([]byte(bad)); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}
