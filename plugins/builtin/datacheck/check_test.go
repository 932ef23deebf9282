package datacheck

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// A row of format axolotl_dpo, which asks a question.
func pair(asks, chosen string) string {
	return fmt.Sprintf(`{"messages":[{"role":"user","content":%q}],"chosen":{"role":"assistant","content":%q},"rejected":{"role":"assistant","content":"Rejected."}}`, asks, chosen)
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// check checks a folder and gives problems and notes as text, a line each,
// without the folder's name.
func check(t *testing.T, dir, format string, paths ...string) (string, Totals, error) {
	t.Helper()
	var out strings.Builder
	if len(paths) == 0 {
		paths = []string{"."}
	}
	for i, p := range paths {
		paths[i] = filepath.Join(dir, p)
	}
	totals, err := Check(context.Background(), paths, Options{Format: format, Report: func(p Problem) {
		name, relErr := filepath.Rel(dir, p.File)
		if relErr != nil {
			t.Error(relErr)
		}
		fmt.Fprintf(&out, "%s:%d:%d: [%s] %s\n", filepath.ToSlash(name), p.Line, p.Row, p.Field, p.Message)
	}})
	for _, n := range totals.Notes {
		fmt.Fprintf(&out, "note: %s\n", strings.ReplaceAll(n, dir, "DIR"))
	}
	return out.String(), totals, err
}

func gz(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zst(t *testing.T, text string) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(w.EncodeAll([]byte(text), nil))
}

func TestCheck(t *testing.T) {
	good, other := pair("Pay Anna.", "Which Anna?"), pair("Pay Bob.", "Which Bob?")
	blank := pair("Pay Carl.", " ")
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"good", map[string]string{"train.jsonl": good + "\n" + other + "\n"}, ""},
		{"bad row", map[string]string{"train.jsonl": good + "\n\n" + blank + "\n" + other},
			"train.jsonl:3:2: [chosen.content] chosen.content must be a string that is not blank\n"},
		{"no JSON", map[string]string{"train.jsonl": good + "\n{\n[]\n"},
			"train.jsonl:2:2: [] not JSON: it ends too early\ntrain.jsonl:3:3: [] a row must be a JSON object\n"},
		{"another form", map[string]string{"train.jsonl": good + "\n" + `{"prompt":"x","completion":"y"}`},
			"train.jsonl:2:2: [] the row has no messages\n" +
				"train.jsonl:2:2: [] a row of another form (completion, prompt) than the first of the file (chosen, messages, rejected): a file must have one\n"},
		{"twice", map[string]string{"train.jsonl": good + "\n" + good + "\n" + good},
			"note: DIR: rows that are equal to one before them: 2\n"},
		{"leak", map[string]string{"test.jsonl": other, "train.jsonl": good + "\n" + pair("Pay Bob.", "No.")},
			"train.jsonl:2:2: [] what the user asks here is asked in split test, too: one is no test of the other\n"},
		{"parts of one split", map[string]string{"a.jsonl": good, "b.jsonl": pair("Pay Anna.", "No, I will not.")}, ""},
		{"other folders are other data", map[string]string{"x/test.jsonl": good, "y/train.jsonl": good}, ""},
		{"list", map[string]string{"train.json": "[\n  " + good + ",\n" + strings.ReplaceAll(blank, ",", ",\r\n") + "\n]\n"},
			"train.json:3:2: [chosen.content] chosen.content must be a string that is not blank\n"},
		{"lines in json", map[string]string{"train.json": good + "\n" + blank},
			"train.json:2:2: [chosen.content] chosen.content must be a string that is not blank\n"},
		{"empty list", map[string]string{"train.json": "[ ]"}, ""},
		{"list that is cut off", map[string]string{"train.json": "[" + good},
			"train.json:1:0: [] the list of rows is not closed\n"},
		{"list with too many commas", map[string]string{"train.json": "[" + good + ",]"},
			"train.json:1:0: [] a row of the list is missing\n"},
		{"list without a comma", map[string]string{"train.json": "[" + good + "\n" + good + "]"},
			"train.json:1:1: [] there is something after the value\n"},
		{"something after the list", map[string]string{"train.json": "[" + good + "]\n[]"},
			"train.json:2:0: [] there is something after the list of rows\n"},
		{"no list", map[string]string{"train.json": "{\n \"a\": 1\n}"},
			"train.json:1:0: [] holds neither a list of rows nor a JSON object a line\n"},
		{"gzip", map[string]string{"train.jsonl.gz": gz(t, good+"\n"+blank)},
			"train.jsonl.gz:2:2: [chosen.content] chosen.content must be a string that is not blank\n"},
		{"zstd", map[string]string{"train.jsonl.zst": zst(t, good+"\n"+blank)},
			"train.jsonl.zst:2:2: [chosen.content] chosen.content must be a string that is not blank\n"},
		{"no gzip", map[string]string{"train.jsonl.gz": good},
			"train.jsonl.gz:0:0: [] not a gzip file: gzip: invalid header\n"},
		{"gzip that is cut off", map[string]string{"train.jsonl.gz": gz(t, good)[:60]},
			"train.jsonl.gz:1:0: [] the file is damaged or cut off: unexpected EOF\n"},
		{"no zstd", map[string]string{"train.jsonl.zst": good},
			"train.jsonl.zst:1:0: [] the file is damaged or cut off: invalid input: magic number mismatch\n"},
		{"no Parquet", map[string]string{"train.parquet": good},
			"train.parquet:0:0: [] not a Parquet file that can be read: …\n"},
		{"files that are no data", map[string]string{"train.jsonl": good, "README.md": "x", "autosafe.yml": "x", ".git/x.jsonl": "x"}, ""},
	} {
		dir := t.TempDir()
		write(t, dir, c.files)
		got, totals, err := check(t, dir, "axolotl_dpo")
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if at := strings.Index(c.want, "…"); at >= 0 && len(got) > at {
			got = got[:at] + "…\n"
		}
		if got != c.want {
			t.Errorf("%s: got and want:\n%s\n%s", c.name, got, c.want)
		}
		if n := strings.Count(c.want, "\n") - strings.Count(c.want, "note: "); totals.Problems != n {
			t.Errorf("%s: %d problems, want %d", c.name, totals.Problems, n)
		}
	}
}

// A folder that autosafe wrote says its format, and which files are its own.
func TestCard(t *testing.T) {
	good := pair("Pay Anna.", "Which Anna?")
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"dpo/autosafe.json":          `{"format":"axolotl_dpo","not_for_training":true,"files":[{"path":"train.jsonl"},{"path":"test.jsonl"},{"path":"axolotl.yml"}]}`,
		"dpo/train.jsonl":            good,
		"dpo/notes.json":             `{"a":1}`,
		"sft/autosafe.json":          `{"format":"llamafactory","files":[{"path":"train.jsonl"},{"path":"dataset_info.json"}]}`,
		"sft/train.jsonl":            `{"conversations":[{"from":"human","value":"Hi."}]}`,
		"sft/dataset_info.json":      `{"x":{"formatting":"sharegpt"}}`,
		"broken/autosafe.json":       `{`,
		"elsewhere/autosafe.json":    `{"format":"rows","files":[{"path":"train.jsonl"}]}`,
		"elsewhere/train.jsonl":      `{"any":"thing"}`,
		"elsewhere/deep/unknown.txt": "x",
		"theirs/autosafe.json":       `{"format":"their_own","files":[{"path":"train.jsonl"}]}`,
		"theirs/train.jsonl":         "?",
	})
	got, totals, err := check(t, dir, "")
	want := `broken/autosafe.json:0:0: [] cannot be read: unexpected end of JSON input
dpo/test.jsonl:0:0: [] is listed in autosafe.json and is not there
sft/dataset_info.json:0:0: [] x has no file_name
sft/train.jsonl:1:1: [conversations] conversations must have an even number of turns, not 1; LLaMA-Factory leaves such rows out
note: DIR/dpo: the rows rest on the offline model and are not for training
note: DIR/theirs: its files are passed over; format "their_own" is not known here
`
	if got != want || err != nil {
		t.Errorf("%v\n%s", err, got)
	}
	if f := strings.Join(totals.Formats, " "); f != "axolotl_dpo rows llamafactory" || totals.Files != 4 || totals.Rows != 3 || totals.BadRows != 1 {
		t.Errorf("%+v", totals)
	}
}

func TestUnknownFormat(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"train.jsonl": pair("Pay Anna.", "Which Anna?"), "x/other.jsonl": `{"a":1}`, "y.txt": "", "empty/z.txt": ""})
	for _, c := range []struct{ path, format, want string }{
		{"train.jsonl", "", "say it with -format; its first row fits axolotl_dpo"},
		{"train.jsonl", "dpo", `there is no format "dpo"; its first row fits axolotl_dpo`},
		{"x", "", "say it with -format; the formats are alpaca, alpaca_judge, axolotl_dpo, "},
		{"y.txt", "rows", "is no file of data"},
		{"empty", "rows", "there is no file of data"},
		{"missing", "rows", "no such file"},
	} {
		_, _, err := check(t, dir, c.format, c.path)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.path, err, c.want)
		}
	}
}

// Many rows come out in order, whatever the number of those that check them.
func TestOrder(t *testing.T) {
	var lines, want []string
	for i := range 5000 {
		chosen := "Fine."
		if i%7 == 0 {
			chosen = ""
			want = append(want, fmt.Sprintf("train.jsonl:%d:%d: [chosen.content] chosen.content must be a string that is not blank", i+1, i+1))
		}
		lines = append(lines, pair(fmt.Sprint("Question ", i), chosen))
	}
	dir := t.TempDir()
	write(t, dir, map[string]string{"train.jsonl": strings.Join(lines, "\n")})
	got, totals, err := check(t, dir, "axolotl_dpo")
	if err != nil || strings.TrimSpace(got) != strings.Join(want, "\n") {
		t.Errorf("%v\n%.300s", err, got)
	}
	if totals.Rows != 5000 || totals.BadRows != len(want) {
		t.Errorf("%+v", totals)
	}
}

func TestCancelled(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"train.jsonl": strings.Repeat(pair("a", "b")+"\n", 20000)})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Check(ctx, []string{dir}, Options{Format: "axolotl_dpo", Report: func(Problem) {}})
	if err == nil {
		t.Error("a check that was called off ended well")
	}
}

// A row that is longer than any may be is named, and not kept.
func TestLongRow(t *testing.T) {
	long := strings.Repeat("x", 1000)
	reader := func(text string) *lineReader {
		return &lineReader{in: bufio.NewReaderSize(strings.NewReader(text), 16), line: 1, most: 200}
	}
	var got []string
	b := &batches{put: func(list []row) error {
		for _, r := range list {
			got = append(got, fmt.Sprintf("%d %s %v", r.line, r.text, r.err))
		}
		return nil
	}}
	if err := errors.Join(reader("{}\n"+long+"\n[]\n").lines(b), b.flush()); err != nil {
		t.Fatal(err)
	}
	if want := "1 {} <nil>, 2  longer than 64 MiB, 3 [] <nil>"; strings.Join(got, ", ") != want {
		t.Errorf("%s, want %s", strings.Join(got, ", "), want)
	}
	if err := reader("[{},\n" + long + "]").array(b); err == nil || err.Error() != "a row is longer than 64 MiB" {
		t.Error(err)
	}
}

func TestMerged(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"train.jsonl": pair("Pay Anna.", "Which Anna?"), "test.jsonl": pair("Pay Anna.", "No, I will not.")})
	got, _, err := check(t, dir, "axolotl_dpo", "train.jsonl", "test.jsonl", "train.jsonl")
	if err != nil || !strings.Contains(got, "test.jsonl:1:1: [] what the user asks here is asked in split train, too") {
		t.Errorf("%v\n%s", err, got)
	}
	if strings.Contains(got, "note:") {
		t.Error("a file that was named twice was read twice")
	}
}

// What is a JSON list is taken apart as encoding/json does it; what is none is
// refused, or its rows are.
func FuzzArray(f *testing.F) {
	for _, s := range []string{`[]`, `[{"a":"]"},{"b":"\\\""}]`, `[`, `[{]}`, "[\n\n{}\n,\n]", `[}`, "[1,\r\n[2, 3]]\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) == 0 || text[0] != '[' {
			return
		}
		var rows []string
		b := &batches{put: func(list []row) error {
			for _, r := range list {
				rows = append(rows, string(r.text))
			}
			return nil
		}}
		r := &lineReader{in: bufio.NewReader(bytes.NewReader(text)), line: 1, most: maxRow}
		err := errors.Join(r.array(b), b.flush())
		var want []json.RawMessage
		if json.Unmarshal(text, &want) != nil {
			if err == nil && !slices.ContainsFunc(rows, func(r string) bool { return !json.Valid([]byte(r)) }) {
				t.Errorf("%q was taken as %q", text, rows)
			}
			return
		}
		if err != nil || len(rows) != len(want) {
			t.Fatalf("%q: %v, %q", text, err, rows)
		}
		for i := range want {
			var a, b bytes.Buffer
			if json.Compact(&a, want[i]) != nil || json.Compact(&b, []byte(rows[i])) != nil || a.String() != b.String() {
				t.Errorf("%q: row %d is %q", text, i, rows[i])
			}
		}
	})
}
