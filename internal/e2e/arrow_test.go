package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/builtin"
	"github.com/autosafe/autosafe/plugins/builtin/export/exporttest"
	outfiles "github.com/autosafe/autosafe/plugins/builtin/export/files"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/schema"
)

// arrowReader is a program that reads Parquet with Apache Arrow, a module of
// its own.
const arrowReader = "testdata/arrow"

func buildArrow(t testing.TB) string {
	t.Helper()
	run := func(args ...string) error {
		cmd := exec.Command("go", args...)
		cmd.Dir = arrowReader
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go %s: %w\n%s", args[0], err, tail(string(out)))
		}
		return nil
	}
	if err := run("mod", "download"); err != nil {
		notHere(t, "Apache Arrow for Go", err)
	}
	program := filepath.Join(t.TempDir(), "arrow")
	if err := run("build", "-o", program, "."); err != nil {
		t.Fatal(err)
	}
	return program
}

// parquetOutputs are the outputs whose files can be Parquet.
func parquetOutputs(t testing.TB) []string {
	t.Helper()
	list, err := sdk.Describe(builtin.Plugin())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range list {
		if _, ok := c.Config.Attribute("files"); ok && c.Role == schema.Output {
			names = append(names, c.Name)
		}
	}
	return names
}

// TestParquetElsewhere writes each format as JSON lines and as Parquet, and
// sees that another implementation than the one that wrote the Parquet files
// reads the same rows out of them, in shards and with every compression.
func TestParquetElsewhere(t *testing.T) {
	t.Parallel()
	program, outputs := buildArrow(t), parquetOutputs(t)
	compressions := []string{"zstd", "gzip", "snappy", "none"}
	var blocks strings.Builder
	for i, name := range outputs {
		fmt.Fprintf(&blocks, "  output %q { path = \"dist/%s/lines\" }\n", name, name)
		fmt.Fprintf(&blocks, "  output %q {\n    path = \"dist/%s/tables\"\n    files = \"parquet\"\n    shard_rows = 70\n    compression = %q\n  }\n", name, name, compressions[i%len(compressions)])
	}
	p := newProject(t, nil, map[string]string{
		"rows.jsonl": strings.Join(exporttest.Random(t, 200), "\n") + "\n",
		recipe:       "threat_source \"jsonl\" \"rows\" {\n  path = \"rows.jsonl\"\n}\n\ndataset \"all\" {\n  input = threat_source.jsonl.rows\n" + blocks.String() + "}\n",
	})
	p.mustBuild()
	for _, name := range outputs {
		dir := filepath.Join(p.dist(), name)
		var want []any
		for line := range strings.Lines(readFile(t, filepath.Join(dir, "lines", "train.jsonl"))) {
			want = append(want, withoutNulls(decodedJSON(t, line)))
		}
		shards, err := filepath.Glob(filepath.Join(dir, "tables", "train-*.parquet"))
		if err != nil || len(shards) != (len(want)+69)/70 {
			t.Fatalf("%s: %d shards of %d rows: %v", name, len(shards), len(want), err)
		}
		var got []any
		for i, shard := range shards { // in order of name
			if want := fmt.Sprintf("train-%05d-of-%05d.parquet", i, len(shards)); filepath.Base(shard) != want {
				t.Errorf("%s: %s, want %s", name, filepath.Base(shard), want)
			}
			got = append(got, arrowRows(t, program, shard)...)
		}
		if len(got) != len(want) {
			t.Fatalf("%s: Arrow reads %d rows, want %d", name, len(got), len(want))
		}
		for i := range got {
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Errorf("%s: Arrow reads row %d as\n%v\nwant\n%v", name, i, got[i], want[i])
				break
			}
		}
	}
}

// arrowRows are the rows of a file as Arrow reads them, with JSON text as what
// it stands for.
func arrowRows(t testing.TB, program, file string) []any {
	t.Helper()
	cmd := exec.Command(program, file)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("Arrow cannot read %s: %v\n%s", file, err, problems.String())
	}
	first, rest, _ := strings.Cut(string(out), "\n")
	var about struct {
		Rows     int               `json:"rows"`
		Metadata map[string]string `json:"metadata"`
		Types    map[string]string `json:"types"`
	}
	if err := json.Unmarshal([]byte(first), &about); err != nil {
		t.Fatal(err)
	}
	var names []string
	if err := json.Unmarshal([]byte(about.Metadata[outfiles.JSONColumnsKey]), &names); err != nil {
		t.Fatal(err)
	}
	asJSON := map[string]bool{} // whether Arrow says so, by column
	for path, kind := range about.Types {
		if plain := strings.ReplaceAll(path, ".list.element", ""); slices.Contains(names, plain) {
			asJSON[plain] = kind == "JSON"
		}
	}
	if len(asJSON) != len(names) || !json.Valid([]byte(about.Metadata[outfiles.FeaturesKey])) {
		t.Errorf("%s: the metadata names columns %v of %v", file, names, about.Types)
	}
	var rows []any
	for line := range strings.Lines(rest) {
		row := arrowValue(t, "", decodedJSON(t, line), asJSON).(map[string]any)
		if extra, ok := row[outfiles.ExtraColumn].(map[string]any); ok && about.Metadata[outfiles.FormatKey] == outfiles.WholeRowsName {
			delete(row, outfiles.ExtraColumn)
			maps.Copy(row, extra)
		}
		rows = append(rows, withoutNulls(row))
	}
	if len(rows) != about.Rows {
		t.Errorf("%s: %d rows where %d were said to be", file, len(rows), about.Rows)
	}
	return rows
}

// arrowValue decodes the JSON texts in a value of a column. Those that Arrow
// knows for JSON it gives as bytes.
func arrowValue(t testing.TB, path string, v any, asJSON map[string]bool) any {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			v[name] = arrowValue(t, strings.TrimPrefix(path+"."+name, "."), inner, asJSON)
		}
	case []any:
		for i, inner := range v {
			v[i] = arrowValue(t, path, inner, asJSON)
		}
	case string:
		bytes, ok := asJSON[path]
		if !ok {
			return v
		}
		if bytes {
			b, err := base64.StdEncoding.DecodeString(v)
			if err != nil {
				t.Fatalf("column %s: %v", path, err)
			}
			v = string(b)
		}
		return decodedJSON(t, v)
	}
	return v
}

func decodedJSON(t testing.TB, text string) any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return v
}

// withoutNulls leaves members that are null out of objects: in a table a row
// has every column.
func withoutNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if inner == nil {
				delete(v, name)
				continue
			}
			v[name] = withoutNulls(inner)
		}
	case []any:
		for i, inner := range v {
			v[i] = withoutNulls(inner)
		}
	}
	return v
}
