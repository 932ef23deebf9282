package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/provenance"
)

// A stale plan says what changed, step by step.
func TestStale(t *testing.T) {
	plan := func(id string, steps ...engine.StepPlan) *engine.Plan { return &engine.Plan{ID: id, Steps: steps} }
	hit := engine.StepPlan{Address: "a.b.c", Status: engine.StatusHit, RowsIn: 3}
	run := engine.StepPlan{Address: "a.b.c", Status: engine.StatusRun, RowsIn: 3, RowsMiss: 2, Reason: "prompt changed"}
	other := engine.StepPlan{Address: "d.e.f", Status: engine.StatusHit}
	saved := planFile{Plan: plan("1", hit), Variables: map[string]string{"n": "1", "gone": "2"}, Files: map[string]string{"r.hcl": "x", "old.hcl": "y"}}
	tests := map[string]struct {
		now              *engine.Plan
		variables, files map[string]string
		want             []string
	}{
		"the same": {plan("1", hit), nil, nil, nil},
		"a step runs": {plan("2", run), saved.Variables, saved.Files,
			[]string{"a.b.c: was cached, 3 in; is run (prompt changed), 3 in, 2 to run"}},
		"steps come and go": {plan("2", other), saved.Variables, saved.Files, []string{"d.e.f: is new", "a.b.c: is gone"}},
		"files and variables": {plan("2", hit), map[string]string{"n": "3"}, map[string]string{"r.hcl": "z", "new.hcl": "y"},
			[]string{"new.hcl: is new in the recipe", "old.hcl: is no longer in the recipe", "r.hcl: was edited", "variable gone: was 2, is unset", "variable n: was 1, is 3"}},
		"nothing that shows": {plan("2", hit), saved.Variables, saved.Files,
			[]string{"the recipe or the cache: the numbers are the same, but not what they stand for"}},
	}
	for name, tt := range tests {
		if diff := cmp.Diff(tt.want, saved.stale(tt.now, tt.variables, tt.files)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A file is there whole or as it was, and nothing else is left.
func TestWriteWhole(t *testing.T) {
	file := filepath.Join(t.TempDir(), "plan")
	for _, text := range []string{"one", "two"} {
		if err := writeWhole(file, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeWhole(filepath.Dir(file), []byte("three"), 0o640); err == nil {
		t.Error("a folder was replaced by a file")
	}
	text, err := os.ReadFile(file)
	if err != nil || string(text) != "two" {
		t.Errorf("%q, %v", text, err)
	}
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(entries) != 1 {
		t.Errorf("%d files, %v", len(entries), err)
	}
}

func TestReadPlan(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"":                                  "is no plan",
		"[]":                                "is no plan",
		`{"format":"other"}`:                "is no plan",
		`{"format":"autosafe.plan/1"}`:      "plan again",
		`{"format":"autosafe.plan/2"}`:      "plan again",
		`{"format":"autosafe.plan/1","x":1`: "is no plan",
	} {
		file := filepath.Join(dir, "p")
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := readPlan(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// A collection keeps the last builds of each recipe, tagged and young ones.
func TestKeptBuilds(t *testing.T) {
	now := time.Now()
	var builds []provenance.Build
	for i, id := range []string{"a4", "b2", "a3", "a2", "b1", "a1"} {
		b := provenance.Build{ID: id, Time: now.Add(-time.Duration(i) * time.Hour)}
		b.Recipe.Dir = id[:1]
		builds = append(builds, b)
	}
	for _, tt := range []struct {
		last   int
		before time.Duration
		want   string
	}{
		{1, 0, "a4 b2 a1"}, {2, 0, "a4 b2 a3 b1 a1"}, {0, 0, "a1"}, {0, 90 * time.Minute, "a4 b2 a1"}, {9, 0, "a4 b2 a3 a2 b1 a1"},
	} {
		var got []string
		for _, b := range keptBuilds(builds, map[string]string{"good": "a1"}, tt.last, now.Add(-tt.before)) {
			got = append(got, b.ID)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%d, %v: %v, want %s", tt.last, tt.before, got, tt.want)
		}
	}
}

func TestAge(t *testing.T) {
	for text, want := range map[string]time.Duration{"7d": 7 * 24 * time.Hour, "0.5d": 12 * time.Hour, "90m": 90 * time.Minute, "0s": 0} {
		var a age
		if err := a.Set(text); err != nil || time.Duration(a) != want {
			t.Errorf("%s: %v, %v", text, a.String(), err)
		}
	}
	bad := []string{"", "d", "7", "-1h", "-1d", "NaNd", "soon", "1e9d"}
	for _, text := range bad {
		if new(age).Set(text) == nil {
			t.Errorf("%q is no time", text)
		}
	}
}
