package jsonl

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/sdktest"
	"github.com/autosafe/autosafe/spec/schema"
)

// start writes files into a folder and reads the folder, or the one file.
func start(t *testing.T, files map[string]string, more string) sdktest.Result {
	t.Helper()
	dir := t.TempDir()
	at := schema.File{Name: "in", Path: dir}
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if len(files) == 1 {
			at = schema.File{Name: name, Path: file}
		}
	}
	path, err := json.Marshal([]schema.File{at})
	if err != nil {
		t.Fatal(err)
	}
	p := sdk.Plugin{Name: "test", Version: "1.0.0", ThreatSources: map[string]sdk.Component{Name: Component()}}
	return sdktest.Run(t, p, schema.ThreatSource, Name, `{"path":`+string(path)+more+`}`, nil, nil)
}

func pack(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRead(t *testing.T) {
	origin := func(file string, index int) string {
		return fmt.Sprintf(`"origin":{"source":"jsonl","file":"%s","index":%d}`, file, index)
	}
	long := strings.Repeat("x", 700<<10) // longer than the reader's buffer
	for _, c := range []struct {
		name  string
		files map[string]string
		more  string
		want  []string
	}{
		{"plain", map[string]string{"a.jsonl": "{\"n\":1}\n{\"n\":2}\n"}, "", []string{`{"n":1,` + origin("a.jsonl", 0) + `}`, `{"n":2,` + origin("a.jsonl", 1) + `}`}},
		{"no last line end", map[string]string{"a.txt": `{"n":1}`}, "", []string{`{"n":1,` + origin("a.txt", 0) + `}`}},
		{"crlf, blank, mark", map[string]string{"a.jsonl": "\ufeff\r\n {\"n\":1} \r\n\r\n\t\n{\"n\":2}\r\n"}, "", []string{`{"n":1,` + origin("a.jsonl", 0) + `}`, `{"n":2,` + origin("a.jsonl", 1) + `}`}},
		{"empty object", map[string]string{"a.jsonl": "{ }\n{\r}"}, "", []string{`{` + origin("a.jsonl", 0) + `}`, `{` + origin("a.jsonl", 1) + `}`}},
		{"own origin", map[string]string{"a.jsonl": `{"a":{"b":[1]},"origin":null}`}, "", []string{`{"a":{"b":[1]},"origin":null}`}},
		{"origin deeper", map[string]string{"a.jsonl": `{"a":{"origin":1},"b":"origin"}`}, "", []string{`{"a":{"origin":1},"b":"origin",` + origin("a.jsonl", 0) + `}`}},
		{"numbers stay", map[string]string{"a.jsonl": `{"n":12345678901234567890,"x":1.50}`}, "", []string{`{"n":12345678901234567890,"x":1.50,` + origin("a.jsonl", 0) + `}`}},
		{"markup stays", map[string]string{"a.jsonl": `{"t":"<b>&\u00e9"}`}, "", []string{`{"t":"<b>&\u00e9",` + origin("a.jsonl", 0) + `}`}},
		{"packed", map[string]string{"a.jsonl.gz": pack(t, "{\"n\":1}\n")}, "", []string{`{"n":1,` + origin("a.jsonl.gz", 0) + `}`}},
		{"long", map[string]string{"a.jsonl": `{"t":"` + long + `"}` + "\n{\"n\":2}"}, "", []string{`{"t":"` + long + `",` + origin("a.jsonl", 0) + `}`, `{"n":2,` + origin("a.jsonl", 1) + `}`}},
		{"folder", map[string]string{"b.jsonl": `{"n":2}`, "a.ndjson": `{"n":1}`, "README.md": "text", ".hidden.jsonl": "no"}, "", []string{`{"n":1,` + origin("in/a.ndjson", 0) + `}`, `{"n":2,` + origin("in/b.jsonl", 0) + `}`}},
		{"at most", map[string]string{"b.jsonl": "{\"n\":2}\nbad", "a.jsonl": `{"n":1}`}, `,"max_rows":2`, []string{`{"n":1,` + origin("in/a.jsonl", 0) + `}`, `{"n":2,` + origin("in/b.jsonl", 0) + `}`}},
		{"empty", map[string]string{"a.jsonl": ""}, "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, c.files, c.more)
			if r.Failure != nil || len(r.Diagnostics) > 0 {
				t.Fatalf("failure %v, diagnostics %v", r.Failure, r.Diagnostics)
			}
			if got := r.Rows(); strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("got %.500s, want %.500s", got, c.want)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"syntax", map[string]string{"a.jsonl": "{}\n\n{\"n\":}"}, []string{"a.jsonl:3: ", "not valid JSON", "byte 6"}},
		{"array", map[string]string{"a.jsonl": `[{"n":1}]`}, []string{"a.jsonl:1: ", "array", "lines of their own"}},
		{"number", map[string]string{"a.jsonl": "{}\n7"}, []string{"a.jsonl:2: ", "no object"}},
		{"spread over lines", map[string]string{"a.jsonl": "{\n\"n\": 1\n}"}, []string{"a.jsonl:1: ", "without line breaks"}},
		{"two on a line", map[string]string{"a.jsonl": `{} {}`}, []string{"a.jsonl:1: ", "not valid JSON"}},
		{"not utf-8", map[string]string{"a.jsonl": "{\"n\":\"\xff\"}"}, []string{"a.jsonl:1: ", "UTF-8"}},
		{"utf-16", map[string]string{"a.jsonl": "\xff\xfe{\x00}\x00"}, []string{"a.jsonl: ", "UTF-16"}},
		{"cut gzip", map[string]string{"a.jsonl.gz": pack(t, strings.Repeat("{\"n\":1}\n", 100))[:30]}, []string{"a.jsonl.gz:", "damaged or cut short"}},
		{"nothing there", map[string]string{"a.csv": "", "b.csv": ""}, []string{"no file named *.jsonl"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, c.files, "")
			if r.Failure == nil {
				t.Fatal("no failure")
			}
			for _, want := range c.want {
				if !strings.Contains(r.Failure.Error(), want) {
					t.Errorf("error %q lacks %q", r.Failure, want)
				}
			}
		})
	}
}

func TestLongestLine(t *testing.T) {
	text := strings.Repeat("x", 300<<10) + "\n" + strings.Repeat("y", 600<<10)
	l, err := newLines(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	l.max = 500 << 10
	if line, err := l.next(); err != nil || len(line) != 300<<10 {
		t.Fatalf("first line: %d bytes, %v", len(line), err)
	}
	if _, err := l.next(); err == nil || !strings.Contains(err.Error(), "split the record") {
		t.Errorf("second line: %v", err)
	}
}

// TestMemory reads far more than it may hold.
func TestMemory(t *testing.T) {
	const count = 50_000
	name := filepath.Join(t.TempDir(), "big.jsonl")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	line := []byte(`{"text":"` + strings.Repeat("a", 1000) + "\"}\n")
	for range count {
		if _, err := file.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	held := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	rows, before, peak := 0, held(), uint64(0)
	err = run(context.Background(), Config{Path: sdk.Files{{Name: "big.jsonl", Path: name}}}, func(sdk.Record) error {
		if rows++; rows%5000 == 0 {
			peak = max(peak, held())
		}
		return nil
	})
	if err != nil || rows != count {
		t.Fatalf("%d rows, %v", rows, err)
	}
	if grown := int64(peak) - int64(before); grown > 8<<20 {
		t.Errorf("%d MiB are held over %d MiB of input", grown>>20, count*len(line)>>20)
	}
}

func TestStops(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.jsonl")
	if err := os.WriteFile(name, []byte("{}\n{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := run(ctx, Config{Path: sdk.Files{{Name: "a", Path: name}}}, func(sdk.Record) error { return nil })
	if err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
	err = run(context.Background(), Config{Path: sdk.Files{{Name: "a", Path: name}}}, func(sdk.Record) error { return io.ErrClosedPipe })
	if err != io.ErrClosedPipe {
		t.Errorf("emit's error: %v", err)
	}
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{`{}`, `{"origin":1}`, `{"a":"origin"}`, `{"a":{"origin":1}}`, `{"or\u0069gin":1}`, `{"a":["origin"],"b":"\\","origin":{}}`,
		`{"a":-0.5e+3}`, `{"a":01}`, `{"a":1.}`, `{"a":tru}`, "{\"a\":\"\xff\"}", `{"a":"\ud800"}`, `{"a":1,"a":2}`, `{"a":"\\\ud83d\ude00\ufffd"}`, `{"a":[1,]}`, `{} {}`, `{"a"`, "{\"\n\":1}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		want := len(text) > 0 && text[0] == '{' && json.Valid(text) && utf8.Valid(text)
		var s scanner
		ok, keyed, odd := s.scan(text, "origin")
		if ok != want {
			t.Fatalf("%q: %v, want %v", text, ok, want)
		}
		var m map[string]json.RawMessage
		if !ok || json.Unmarshal(text, &m) != nil {
			return
		}
		if _, want := m["origin"]; keyed != want {
			t.Errorf("%q: origin %v, want %v", text, keyed, want)
		}
		if want := isOdd(t, text); (odd != "") != want {
			t.Errorf("%q: odd %q, want %v", text, odd, want)
		}
	})
}

// isOdd says slowly what odd says fast.
func isOdd(t *testing.T, text []byte) bool {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	seen := []map[string]bool{}
	name := []bool{} // of the innermost object a name is next; of a list never
	next := func() {
		if n := len(name) - 1; n >= 0 && seen[n] != nil {
			name[n] = !name[n]
		}
	}
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		top := len(name) - 1
		switch v := tok.(type) {
		case json.Delim:
			switch v {
			case '{', '[':
				next()
				open := map[string]bool{}
				if v == '[' {
					open = nil
				}
				seen, name = append(seen, open), append(name, v == '{')
			default:
				seen, name = seen[:top], name[:top]
			}
			continue
		case string:
			if top >= 0 && name[top] {
				if seen[top][v] {
					return true
				}
				seen[top][v] = true
			}
		}
		next()
	}
	// Halves of pairs are what is U+FFFD without being written so.
	plain := regexp.MustCompile(`(?i)\\\\|\\ufffd|\x{fffd}`).ReplaceAll(text, []byte("x"))
	var all any
	if json.Unmarshal(plain, &all) != nil {
		return false
	}
	out, _ := json.Marshal(all)
	return bytes.Contains(out, []byte("\ufffd"))
}

func TestOddRecords(t *testing.T) {
	long := make([]string, 100)
	for i := range long {
		long[i] = fmt.Sprintf(`"k%d":1`, i)
	}
	for _, c := range []struct{ name, line, want string }{
		{"name twice", `{"a":1,"b":2,"a":1}`, `the name "a" stands twice`},
		{"name twice, escaped", `{"a":1,"\u0061":2}`, `the name "a" stands twice`},
		{"name twice, deeper", `{"a":[{"b":{"c":1,"c":2}}]}`, `the name "c" stands twice`},
		{"name twice among many", `{` + strings.Join(long, ",") + `,"k99":1}`, `the name "k99" stands twice`},
		{"name twice, first and last", `{` + strings.Join(long, ",") + `,"k0":1}`, `the name "k0" stands twice`},
		{"high half", `{"a":"x\ud83d"}`, `\ud83d, half of a character`},
		{"low half", `{"a":["\uDE00"]}`, `\uDE00, half of a character`},
		{"halves in the wrong order", `{"a":"\ude00\ud83d"}`, `half of a character`},
		{"half in a name", `{"\ud83d":1}`, `half of a character`},
		{"pair", `{"a":"\ud83d\ude00"}`, ""},
		{"written replacement", `{"a":"\ufffd\uFFFD` + "\ufffd" + `"}`, ""},
		{"same names apart", `{"a":{"b":1},"c":{"b":1},"d":[{"b":1},{"b":1}],"b":"a"}`, ""},
		{"many names", `{` + strings.Join(long, ",") + `}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, map[string]string{"a.jsonl": "{}\n\n" + c.line + "\n{}\n"}, "")
			if r.Failure != nil || len(r.Tasks) != 3 {
				t.Fatalf("failure %v, %d records", r.Failure, len(r.Tasks))
			}
			got := r.Tasks[1]
			if c.want == "" {
				if got.Err != nil || len(got.Rows) != 1 {
					t.Errorf("error %v, rows %v", got.Err, got.Rows)
				}
				return
			}
			if got.Err == nil || got.Err.Code != "bad_row" || len(got.Rows) != 0 {
				t.Fatalf("error %v, rows %v", got.Err, got.Rows)
			}
			if !strings.HasPrefix(got.Err.Detail, "a.jsonl:3: ") || !strings.Contains(got.Err.Detail, c.want) {
				t.Errorf("detail %q, want %q", got.Err.Detail, c.want)
			}
		})
	}
}

func TestScanDepth(t *testing.T) {
	for _, n := range []int{maxDepth - 1, maxDepth} {
		text := []byte(`{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`)
		var s scanner
		if ok, _, _ := s.scan(text, "b"); ok != json.Valid(text) {
			t.Errorf("%d levels: %v", n, ok)
		}
	}
}

func FuzzLine(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1}`, `[`, "{\"a\":\"\xff\"}", "{\r}", `{"origin":1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := newLines(bytes.NewReader(text))
		if err != nil {
			return
		}
		for {
			line, err := l.next()
			if err != nil {
				return
			}
			var s scanner
			ok, hasOrigin, _ := s.scan(line, "origin")
			if !ok {
				if fault(line) == nil {
					t.Errorf("%q: no fault", line)
				}
				continue
			}
			var row map[string]json.RawMessage
			if err := json.Unmarshal(originOf("f").add(line, hasOrigin, 7), &row); err != nil || row["origin"] == nil {
				t.Errorf("%q: %v", line, err)
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	name := filepath.Join(b.TempDir(), "big.jsonl")
	line := `{"id":"x","text":"` + strings.Repeat("lorem ipsum ", 80) + "\"}\n"
	if err := os.WriteFile(name, []byte(strings.Repeat(line, 10_000)), 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(line) * 10_000))
	for b.Loop() {
		err := run(context.Background(), Config{Path: sdk.Files{{Name: "a", Path: name}}}, func(sdk.Record) error { return nil })
		if err != nil {
			b.Fatal(err)
		}
	}
}
