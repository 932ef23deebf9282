package files_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/autosafe/autosafe/plugins/builtin/export/exporttest"
	"github.com/autosafe/autosafe/plugins/builtin/export/files"
	"github.com/autosafe/autosafe/plugins/sdk"
)

// output writes lines of a format as they come, for rows that are objects with
// the lines in "lines" or the reason why there are none in "skip".
func output(format files.Format) sdk.Component { return outputOfFew(format, files.Few[given]{}) }

func outputOfFew(format files.Format, few files.Few[given]) sdk.Component {
	return sdk.Sink(func(_ context.Context, config files.Config, rows *sdk.RowReader, out *sdk.Dir) error {
		last := -1
		return files.Convert(rows, out, config, format, few, func(row json.RawMessage) (given, string) {
			var g given
			if json.Unmarshal(row, &g) != nil {
				return g, "unreadable"
			}
			return g, g.Skip
		}, func(g given) ([]any, string) {
			if g.N <= last {
				return nil, "out_of_order"
			}
			last = g.N
			var lines []any
			for _, l := range g.Lines {
				lines = append(lines, l)
			}
			return lines, ""
		})
	}, sdk.Behavior("1"))
}

type given struct {
	N     int               `json:"n"`
	Luck  uint64            `json:"luck,omitempty"` // of a row of which few are taken
	Skip  string            `json:"skip,omitempty"`
	Lines []json.RawMessage `json:"lines"`
}

// giving are rows that give one of the lines each.
func giving(t testing.TB, lines []string) []string {
	t.Helper()
	rows := make([]string, len(lines))
	for i, l := range lines {
		text, err := files.JSON(given{N: i, Lines: []json.RawMessage{json.RawMessage(l)}})
		if err != nil {
			t.Fatal(err)
		}
		rows[i] = string(text)
	}
	return rows
}

// everything has columns of all kinds.
func everything() files.Format {
	call := []files.Column{{Name: "name", Few: true}, {Name: "arguments", Type: files.JSONValue}}
	return files.Format{Name: "everything", Columns: []files.Column{
		{Name: "text"}, {Name: "few", Few: true}, {Name: "any", Type: files.JSONValue}, {Name: "nested", Type: files.JSONText},
		{Name: "yes", Type: files.BoolValue}, {Name: "count", Type: files.IntValue}, {Name: "weight", Type: files.FloatValue},
		{Name: "texts", List: true}, {Name: "labels", Type: files.BoolValue, List: true}, {Name: "anys", Type: files.JSONValue, List: true},
		{Name: "object", Fields: []files.Column{{Name: "role"}, {Name: "kept"}}},
		{Name: "messages", List: true, Fields: []files.Column{
			{Name: "role", Few: true}, {Name: "content"}, {Name: "calls", List: true, Fields: call}, {Name: "tags", List: true},
		}},
	}}
}

// oddLines are lines of everything, in the form in which they come back.
func oddLines() []string {
	return []string{
		`{"text":"a"}`,
		`{}`,
		`{"any":{"a":[1,2.50,{"b":null}]},"few":"x","text":""}`,
		`{"any":"text","few":"x"}`,
		`{"any":12345678901234567890}`,
		`{"any":false,"count":-9223372036854775808,"weight":0.1,"yes":true}`,
		`{"count":9007199254740993,"nested":{"z":1,"a":2},"weight":1e-300,"yes":false}`,
		`{"nested":[]}`,
		`{"texts":[]}`,
		`{"texts":[""]}`,
		`{"labels":[true,false,true],"texts":["a",null,"b"]}`,
		`{"anys":[1,"a",{"k":[]},[[]],true],"labels":[]}`,
		`{"object":{}}`,
		`{"object":{"kept":"k","role":"r"}}`,
		`{"messages":[]}`,
		`{"messages":[{},{"role":"user"},null]}`,
		`{"messages":[{"calls":[],"role":"a"},{"calls":[{"arguments":{"x":1},"name":"f"},{"name":"g"}],"content":"","role":"a","tags":["p","q"]},{"tags":[]}]}`,
		"{\"text\":\"\\u0000\\u001f\\\"\\\\ / é 🙏 \u00a0 </s>\"}",
	}
}

func read(t testing.TB, content []byte, columns []files.Column) []string {
	t.Helper()
	lines := []string{}
	err := files.ReadParquet(bytes.NewReader(content), int64(len(content)), columns, func(line []byte) error {
		lines = append(lines, string(line))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// Whatever its columns hold, a line comes back as it was, from files
// compressed in every way.
func TestParquetAndBack(t *testing.T) {
	format := everything()
	for _, compression := range []string{`null`, `"none"`, `"gzip"`, `"zstd"`, `"snappy"`} {
		r := exporttest.Run(t, output(format), fmt.Sprintf(`{"files":"parquet","compression":%s}`, compression), giving(t, oddLines()))
		got := read(t, r.Files["train-00000-of-00001.parquet"].Content, format.Columns)
		for i, want := range oddLines() {
			if i >= len(got) || got[i] != want {
				t.Errorf("%s: line %d: %s\nwant %s", compression, i, slices.Concat(got, make([]string, i+1))[i], want)
			}
		}
	}
}

// What does not fit its column is an error, and never other data.
func TestParquetRefuses(t *testing.T) {
	for _, line := range []string{
		`{"unknown":1}`, `{"text":5}`, `{"yes":"true"}`, `{"count":1.5}`, `{"count":9223372036854775808}`, `{"weight":"1"}`,
		`{"texts":"a"}`, `{"texts":[1]}`, `{"object":[]}`, `{"object":{"other":1}}`, `{"nested":"text"}`, `{"messages":[{"role":1}]}`,
	} {
		c := output(everything())
		got := exporttest.Failure(t, c, `{"files":"parquet"}`, giving(t, []string{line}))
		if !strings.Contains(got, "column") && !strings.Contains(got, "the value of") {
			t.Errorf("%s: %q", line, got)
		}
	}
}

func numbered(n, size int) []string {
	random := rand.New(rand.NewPCG(3, 4))
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"count":%d,"text":"%s"}`, i, strings.Repeat(fmt.Sprintf("%016x", random.Uint64()), size/16+1))
	}
	return lines
}

// Shards hold the rows in order, and their names say how many there are.
func TestShards(t *testing.T) {
	lines := numbered(25, 10)
	for _, c := range []struct{ config, ending string }{
		{`{"shard_rows":10}`, ".jsonl"},
		{`{"shard_rows":10,"compression":"gzip"}`, ".jsonl.gz"},
		{`{"shard_rows":10,"compression":"zstd"}`, ".jsonl.zst"},
		{`{"shard_rows":10,"files":"parquet"}`, ".parquet"},
	} {
		for _, n := range []int{25, 20, 10, 3, 0} {
			r := exporttest.Run(t, output(everything()), c.config, giving(t, lines[:n]))
			var got []string
			shards := (n + 9) / 10
			if len(r.Files) != shards {
				t.Errorf("%s: %d files of %d rows", c.config, len(r.Files), n)
			}
			for i := range shards {
				a, ok := r.Files[fmt.Sprintf("train-%05d-of-%05d%s", i, shards, c.ending)]
				if !ok || a.Rows != int64(min(10, n-10*i)) {
					t.Fatalf("%s: shard %d of %d: %t, %d rows", c.config, i, shards, ok, a.Rows)
				}
				got = append(got, contentLines(t, a.Path, a.Content)...)
			}
			if !slices.Equal(got, lines[:n]) {
				t.Errorf("%s: %d lines of %d came back, or others", c.config, len(got), n)
			}
		}
	}
}

func contentLines(t *testing.T, name string, content []byte) []string {
	t.Helper()
	var in io.Reader = bytes.NewReader(content)
	switch {
	case strings.HasSuffix(name, ".parquet"):
		return read(t, content, everything().Columns)
	case strings.HasSuffix(name, ".gz"):
		z, err := gzip.NewReader(in)
		if err != nil {
			t.Fatal(err)
		}
		if !z.ModTime.IsZero() || z.Name != "" {
			t.Errorf("%s says when it was made, or its name: %v", name, z.Header)
		}
		in = z
	case strings.HasSuffix(name, ".zst"):
		z, err := zstd.NewReader(in)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		in = z
	}
	text, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// Without shards a file of lines has the split's name alone.
func TestNames(t *testing.T) {
	for config, want := range map[string]string{
		`{}`: "train.jsonl", `{"compression":"none"}`: "train.jsonl", `{"compression":"gzip"}`: "train.jsonl.gz",
		`{"compression":"zstd"}`: "train.jsonl.zst", `{"files":"parquet"}`: "train-00000-of-00001.parquet",
	} {
		r := exporttest.Run(t, output(everything()), config, giving(t, oddLines()))
		if a, ok := r.Files[want]; !ok || len(r.Files) != 1 || a.Rows != int64(len(oddLines())) {
			t.Errorf("%s: %v", config, reflect.ValueOf(r.Files).MapKeys())
		}
	}
}

// The same rows give the same bytes, on one core and on several, and whatever
// other splits there are.
func TestSameBytes(t *testing.T) {
	lines := slices.Concat(numbered(1300, 300), oddLines(), numbered(300, 50))
	for _, config := range []string{
		`{"files":"parquet"}`, `{"files":"parquet","shard_rows":599}`, `{"files":"parquet","compression":"gzip"}`,
		`{"compression":"gzip"}`, `{"compression":"zstd"}`, `{"shard_rows":100}`,
	} {
		var first map[string]string
		for _, cores := range []int{1, 8} {
			before := runtime.GOMAXPROCS(cores)
			r := exporttest.Run(t, output(everything()), config, giving(t, lines), "train")
			runtime.GOMAXPROCS(before)
			got := map[string]string{}
			for name, a := range r.Files {
				got[name] = string(a.Content)
			}
			if first == nil {
				first = got
			}
			if !reflect.DeepEqual(got, first) {
				t.Errorf("%s: %d cores wrote other bytes than one", config, cores)
			}
		}
		both := exporttest.Run(t, output(everything()), config, giving(t, slices.Concat(lines, lines)), slices.Concat(repeated("test", len(lines)), repeated("train", len(lines)))...)
		for name, content := range first {
			if string(both.Files[name].Content) != content {
				t.Errorf("%s: another split changed %s", config, name)
			}
		}
	}
}

func repeated(s string, n int) []string { return slices.Repeat([]string{s}, n) }

// Rows that are skipped, for whatever reason and wherever, are counted and
// leave no trace; the others stay in order.
func TestSkipped(t *testing.T) {
	var rows, want []string
	var reasons []string
	for i := range 3000 {
		line := fmt.Sprintf(`{"count":%d}`, i)
		row, reason := given{N: i, Lines: []json.RawMessage{json.RawMessage(line)}}, "-"
		switch {
		case i%7 == 0:
			row.Skip, reason = "not_wanted", "not_wanted"
		case i%11 == 0:
			row.Lines, reason = append(row.Lines, json.RawMessage(`{"count":"bad"}`)), "invalid_row"
		case i%13 == 0:
			row.Lines = append(row.Lines, row.Lines[0])
			want = append(want, line, line)
		default:
			want = append(want, line)
		}
		text, err := files.JSON(row)
		if err != nil {
			t.Fatal(err)
		}
		rows, reasons = append(rows, string(text)), append(reasons, reason)
	}
	format := everything()
	format.Validate = func(line []byte) error {
		if bytes.Contains(line, []byte("bad")) {
			return io.ErrUnexpectedEOF
		}
		return nil
	}
	for config, name := range map[string]string{`{}`: "train.jsonl", `{"files":"parquet"}`: "train-00000-of-00001.parquet"} {
		r := exporttest.Run(t, output(format), config, rows)
		if got := r.Reasons(); got != strings.Join(reasons, " ") {
			t.Errorf("%s: other rows were skipped", config)
		}
		if got := contentLines(t, name, r.Files[name].Content); !slices.Equal(got, want) {
			t.Errorf("%s: %d lines, want %d, or others", config, len(got), len(want))
		}
	}
}

func TestConfigRefused(t *testing.T) {
	for config, want := range map[string]string{
		`{"compression":"snappy"}`:                   "gzip or zstd",
		`{"files":"jsonl","compression":"snappy"}`:   "gzip or zstd",
		`{"files":"csv"}`:                            "jsonl, parquet",
		`{"files":"parquet","compression":"brotli"}`: "none, gzip",
		`{"shard_rows":-1}`:                          "at least 0",
	} {
		if got := exporttest.Failure(t, output(everything()), config, giving(t, oddLines())); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", config, got, want)
		}
	}
}

// A panic in work for several rows at once is one of the run, which is told.
func TestPanics(t *testing.T) {
	format := everything()
	format.Validate = func([]byte) error { panic("no such line") }
	if got := exporttest.Failure(t, output(format), `{"files":"parquet"}`, giving(t, oddLines())); !strings.Contains(got, "panic") {
		t.Errorf("%q", got)
	}
}
