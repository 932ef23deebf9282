package datacheck

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/builtin"
	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/builtin/export/exporttest"
)

// configurations are further ones of outputs, beside the default.
func configurations() map[string][]string {
	return map[string][]string{
		"axolotl_sft":  {`"examples":"whole"`},
		"llamafactory": {`"stage":"dpo"`, `"stage":"kto"`, `"formatting":"openai"`, `"formatting":"openai","stage":"dpo"`, `"formatting":"v1"`, `"formatting":"v1","stage":"dpo"`},
		"openai_sft":   {`"examples":"steps"`},
		"parquet":      {`"compression":"gzip"`},
		"trl_dpo":      {`"calls":"text"`},
	}
}

// Every output has a format of its name, and what it writes passes, whatever
// the files are. A Parquet file is read as the lines it was made of.
func TestOutputs(t *testing.T) {
	rows := exporttest.Random(t, 45)
	for name, component := range builtin.Plugin().Outputs {
		if _, ok := export.FormatNamed(name); !ok {
			t.Errorf("there is no format %s", name)
		}
		for _, config := range append([]string{""}, configurations()[name]...) {
			var lines [2][]any
			for i, kind := range []string{`"files":"jsonl"`, `"files":"parquet","compression":"snappy","shard_rows":12`} {
				settings := "{" + strings.Trim(config+","+kind, ",") + "}"
				if name == "parquet" {
					settings = "{" + config + "}"
				}
				r := exporttest.Run(t, component, settings, rows)
				dir := t.TempDir()
				for path, a := range r.Files {
					write(t, dir, map[string]string{path: string(a.Content)})
				}
				got, totals, err := check(t, dir, name)
				if err != nil || totals.Problems > 0 || totals.Rows == 0 {
					t.Errorf("%s, %s: %v, %+v\n%.600s", name, settings, err, totals, got)
				}
				lines[i] = read(t, dir, name)
			}
			if !reflect.DeepEqual(lines[0], lines[1]) {
				for i := range min(len(lines[0]), len(lines[1])) {
					if !reflect.DeepEqual(lines[0][i], lines[1][i]) {
						t.Errorf("%s, %s: row %d is in lines and in Parquet:\n%v\n%v", name, config, i, lines[0][i], lines[1][i])
						break
					}
				}
				t.Errorf("%s, %s: %d and %d rows", name, config, len(lines[0]), len(lines[1]))
			}
		}
	}
}

// Whatever the format, a question that stands in two splits is found.
func TestLeaks(t *testing.T) {
	for name, component := range builtin.Plugin().Outputs {
		r := exporttest.Run(t, component, `{}`, []string{exporttest.Good, exporttest.Good}, "train", "test")
		dir := t.TempDir()
		for path, a := range r.Files {
			write(t, dir, map[string]string{path: string(a.Content)})
		}
		got, _, err := check(t, dir, name)
		if err != nil || !strings.Contains(got, "what the user asks here is asked in split test, too") {
			t.Errorf("%s: %v\n%s", name, err, got)
		}
	}
}

// read are the rows of a folder's files, decoded.
func read(t *testing.T, dir, format string) []any {
	t.Helper()
	f, _ := export.FormatNamed(format)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []any
	for _, e := range entries {
		if !isData(e.Name()) {
			continue
		}
		err := readRows(filepath.Join(dir, e.Name()), f, func(list []row) error {
			for _, r := range list {
				if r.err != nil {
					return r.err
				}
				dec := json.NewDecoder(bytes.NewReader(r.text))
				var v any
				if err := dec.Decode(&v); err != nil {
					return err
				}
				out = append(out, v)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// A file that ends in the middle, or whose bytes are others, is a problem and
// no panic.
func TestDamagedParquet(t *testing.T) {
	component := builtin.Plugin().Outputs["openai_sft"]
	r := exporttest.Run(t, component, `{"files":"parquet"}`, exporttest.Random(t, 60))
	whole := r.Files["train-00000-of-00001.parquet"].Content
	if len(whole) < 1000 {
		t.Fatalf("%d bytes", len(whole))
	}
	for at := 0; at < len(whole); at += len(whole) / 60 {
		dir := t.TempDir()
		damaged := slices.Clone(whole)
		damaged[at] ^= 0x55
		write(t, dir, map[string]string{"cut.parquet": string(whole[:at]), "changed.parquet": string(damaged)})
		got, _, err := check(t, dir, "openai_sft")
		if err != nil || !strings.Contains(got, "cut.parquet") {
			t.Errorf("at %d: %v\n%s", at, err, got)
		}
	}
}
