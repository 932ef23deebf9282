package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/spec/ots"
)

// TestPythonTypes holds the Python module's types of evaluations to those of package
// ots: the same members under the same names.
func TestPythonTypes(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(python(t), "-c", `
import dataclasses, json, autosafe_plugin as sdk
types = (sdk.Action, sdk.Check, sdk.Step, sdk.Trial, sdk.Vote)
print(json.dumps({t.__name__: [f.name for f in dataclasses.fields(t)] for t in types}))`)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join("..", "..", "plugins", "sdk", "python"), "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{ots.Action{}, ots.Check{}, ots.Step{}, ots.Trial{}, ots.Vote{}} {
		typ := reflect.TypeOf(v)
		var want []string
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			want = append(want, name)
		}
		slices.Sort(want)
		names := got[typ.Name()]
		if slices.Sort(names); !slices.Equal(names, want) {
			t.Errorf("%s has %q in Python, and %q in Go", typ.Name(), names, want)
		}
	}
}
