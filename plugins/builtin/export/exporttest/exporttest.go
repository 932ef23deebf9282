// Package exporttest runs an output over rows and compares its files with
// golden ones. It is for the tests of the built-in outputs alone.
package exporttest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/sdktest"
	"github.com/autosafe/autosafe/spec/schema"
)

// Result is what an output made of rows.
type Result struct {
	Files   map[string]sdktest.Artifact // by path
	Skipped []string                    // by row: the reason, or ""
}

// Run runs the output. Without splits every row is of split train; with them
// they take turns.
func Run(t testing.TB, c sdk.Component, config string, rows []string, splits ...string) Result {
	t.Helper()
	tasks := make([]sdktest.Task, len(rows))
	for i, row := range rows {
		tasks[i] = sdktest.Task{Row: row, Seed: int64(i) + 1, Split: "train"}
		if len(splits) > 0 {
			tasks[i].Split = splits[i%len(splits)]
		}
	}
	got := sdktest.RunTasks(t, Plugin(c), schema.Output, "under_test", config, tasks, nil)
	if got.Failure != nil {
		t.Fatalf("the run failed: %v", got.Failure)
	}
	if len(got.Diagnostics) > 0 {
		t.Fatalf("the configuration was refused: %+v", got.Diagnostics)
	}
	r := Result{Files: map[string]sdktest.Artifact{}, Skipped: make([]string, len(rows))}
	for _, a := range got.Artifacts {
		r.Files[a.Path] = a
	}
	for i, task := range got.Tasks {
		r.Skipped[i] = task.Dropped
	}
	return r
}

// Failure is why a run fails, or why its configuration is refused.
func Failure(t testing.TB, c sdk.Component, config string, rows []string) string {
	t.Helper()
	tasks := make([]sdktest.Task, len(rows))
	for i, row := range rows {
		tasks[i] = sdktest.Task{Row: row, Split: "train"}
	}
	got := sdktest.RunTasks(t, Plugin(c), schema.Output, "under_test", config, tasks, nil)
	var out []string
	for _, d := range got.Diagnostics {
		out = append(out, d.Detail)
	}
	if got.Failure != nil {
		out = append(out, got.Failure.Error())
	}
	if len(out) == 0 {
		t.Errorf("%s: nothing failed", config)
	}
	return strings.Join(out, "\n")
}

// Plugin holds the output as "under_test".
func Plugin(c sdk.Component) sdk.Plugin {
	return sdk.Plugin{Name: "test", Version: "0.0.1", Outputs: map[string]sdk.Component{"under_test": c}}
}

// Lines are the lines of a file; each must end with a line break, and there
// must be as many as the file is said to have rows.
func (r Result) Lines(t testing.TB, path string) []string {
	t.Helper()
	a, ok := r.Files[path]
	if !ok {
		return nil
	}
	text, ended := strings.CutSuffix(string(a.Content), "\n")
	if !ended {
		t.Errorf("%s does not end with a line break", path)
	}
	lines := strings.Split(text, "\n")
	if int64(len(lines)) != a.Rows {
		t.Errorf("%s has %d lines and is said to have %d rows", path, len(lines), a.Rows)
	}
	return lines
}

// Reasons joins what became of the rows in order: "-" for written, else the
// reason.
func (r Result) Reasons() string {
	out := slices.Clone(r.Skipped)
	for i, s := range out {
		if s == "" {
			out[i] = "-"
		}
	}
	return strings.Join(out, " ")
}

// CheckRandom runs an output over rows drawn at random with each
// configuration, and fails the test unless every line is valid and every row is
// written, or left out for one of the reasons.
func CheckRandom(t *testing.T, c sdk.Component, format export.Format, configs []string, reasons ...string) {
	t.Helper()
	rows := Random(t, 400)
	for _, config := range configs {
		r := Run(t, c, config, rows)
		for i, reason := range r.Skipped {
			if reason != "" && !slices.Contains(reasons, reason) {
				t.Fatalf("%s: row %d was left out: %s\n%s", config, i, reason, rows[i])
			}
		}
		lines := r.Lines(t, "train.jsonl")
		if len(lines) == 0 {
			t.Errorf("%s: nothing was written", config)
		}
		shapes := map[string]bool{}
		for i, line := range lines {
			if err := format.Validate([]byte(line)); err != nil {
				t.Fatalf("%s: line %d: %v\n%s", config, i, err, line)
			}
			facts, err := export.FactsOf([]byte(line))
			if err != nil || !facts.Asks {
				t.Fatalf("%s: line %d asks nothing: %v\n%s", config, i, err, line)
			}
			shapes[facts.Shape] = true
		}
		if len(shapes) != 1 {
			t.Errorf("%s: rows of several forms: %v", config, shapes)
		}
	}
}

// CheckConfig fails the test unless the configuration is refused, and the
// problem names the attribute.
func CheckConfig(t *testing.T, c sdk.Component, config, attribute string) {
	t.Helper()
	got := sdktest.RunTasks(t, Plugin(c), schema.Output, "under_test", config, nil, nil)
	if len(got.Diagnostics) != 1 || !strings.Contains(fmt.Sprintf("%+v", got.Diagnostics[0]), "Name:"+attribute) {
		t.Errorf("%s: %+v, want one problem with %s", config, got.Diagnostics, attribute)
	}
}

// Fixture are the rows of a file of JSON lines.
func Fixture(t testing.TB, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

// Golden compares text with a file under testdata, or writes the file.
func Golden(t testing.TB, update bool, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from the golden file; if the change is meant, run this test with -update and raise the component's behaviour version\ngot:\n%s", name, got)
	}
}
