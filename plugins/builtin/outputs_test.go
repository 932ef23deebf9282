package builtin_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/builtin"
	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/builtin/export/exporttest"
	"github.com/autosafe/autosafe/plugins/builtin/export/files"
	"github.com/autosafe/autosafe/plugins/sdk/sdktest"
	"github.com/autosafe/autosafe/spec/schema"
)

// Every output that writes a format's lines writes the same lines as Parquet:
// read back, they are those of its JSON lines.
func TestOutputsAsParquet(t *testing.T) {
	rows := append(exporttest.Fixture(t, "export/testdata/rows.jsonl"), exporttest.Random(t, 60)...)
	outputs := builtin.Plugin().Outputs
	tried := 0
	for _, c := range describe(t) {
		_, choice := c.Config.Attribute("files")
		if c.Role != schema.Output || !choice {
			continue
		}
		tried++
		lines := exporttest.Run(t, outputs[c.Name], `{}`, rows, "train", "test")
		tables := exporttest.Run(t, outputs[c.Name], `{"files":"parquet"}`, rows, "train", "test")
		if !slices.Equal(lines.Skipped, tables.Skipped) {
			t.Errorf("%s: other rows are left out of Parquet", c.Name)
		}
		for _, split := range []string{"train", "test"} {
			want := lines.Lines(t, split+".jsonl")
			if len(want) == 0 {
				t.Fatalf("%s: no lines of split %s, but %v", c.Name, split, slices.Collect(maps.Keys(lines.Files)))
			}
			a, ok := tables.Files[split+"-00000-of-00001.parquet"]
			if !ok || a.Rows != int64(len(want)) {
				t.Fatalf("%s: %d rows of split %s, want %d", c.Name, a.Rows, split, len(want))
			}
			compareLines(t, c.Name, linesOf(t, c.Name, a), want)
		}
	}
	if tried < 5 {
		t.Errorf("%d outputs", tried)
	}
}

// linesOf reads a file with the columns of the format that it says it has.
func linesOf(t *testing.T, output string, a sdktest.Artifact) []string {
	t.Helper()
	format, ok := export.FormatNamed(output)
	if !ok {
		t.Fatalf("%s is no format's name", output)
	}
	var out []string
	err := files.ReadParquet(bytes.NewReader(a.Content), int64(len(a.Content)), format.Columns, func(line []byte) error {
		out = append(out, string(line))
		if format.Validate == nil {
			return nil
		}
		return format.Validate(line)
	})
	if err != nil {
		t.Fatalf("%s: %v", output, err)
	}
	return out
}

func compareLines(t *testing.T, output string, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d lines, want %d", output, len(got), len(want))
	}
	for i := range got {
		if !reflect.DeepEqual(decoded(t, got[i]), decoded(t, want[i])) {
			t.Errorf("%s: line %d\n%s\nwant\n%s", output, i+1, got[i], want[i])
		}
	}
}

// decoded is a line without the members of the row itself that are null,
// which a file of whole rows does not tell from absent ones.
func decoded(t *testing.T, line string) map[string]any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(line))
	dec.UseNumber()
	var v map[string]any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(v, func(_ string, v any) bool { return v == nil })
	return v
}

// No output passes over what its files cannot be.
func TestOutputsRefuseCompression(t *testing.T) {
	outputs := builtin.Plugin().Outputs
	for _, c := range describe(t) {
		if _, choice := c.Config.Attribute("files"); !choice || c.Role != schema.Output {
			continue
		}
		if got := exporttest.Failure(t, outputs[c.Name], `{"compression":"snappy"}`, nil); !strings.Contains(got, "gzip or zstd") {
			t.Errorf("%s: %q", c.Name, got)
		}
	}
}
