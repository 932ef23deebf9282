package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mostCommands is how many commands lead from nothing to a running recipe.
const mostCommands = 9

// TestNewPlugin has autosafe write a plugin and then does what autosafe says
// is to be done next, word for word: its tests pass, it keeps to the protocol,
// and the recipe that uses it is built.
func TestNewPlugin(t *testing.T) {
	t.Parallel()
	checkout, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	roles := []string{"threat_source", "simulator", "reflector", "judge", "output"}
	tests := []struct {
		name  string
		args  []string
		roles []string
	}{
		{"go", []string{"-sdk-path", checkout}, roles},
		{"python", []string{"-lang", "python"}, roles},
		{"python judge", []string{"-lang", "python"}, []string{"judge"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newProject(t, nil, map[string]string{"keep": ""})
			env := stranger(t, p, tt.args[0] == "-lang")
			args := append(append([]string{"plugins", "new", "-json"}, tt.args...), "github.com/acme/autosafe-plugin-first-steps")
			made := exec.Command(p.bin, append(args, tt.roles...)...)
			made.Dir, made.Env = p.dir, env
			out, err := made.CombinedOutput()
			if err != nil {
				t.Fatalf("plugins new: %v\n%s", err, out)
			}
			next := nextCommands(t, out)
			if n := len(next) + 1; n > mostCommands {
				t.Errorf("%d commands lead to a running recipe, want %d at most", n, mostCommands)
			}
			dir := p.dir
			for _, command := range next {
				if to, ok := strings.CutPrefix(command, "cd "); ok {
					dir = filepath.Join(dir, to)
					continue
				}
				cmd := exec.Command("sh", "-c", command)
				cmd.Dir, cmd.Env = dir, env
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%s: %v\n%s", command, err, out)
				}
			}
			rows := readRows(t, []byte(readFile(t, filepath.Join(dir, "recipe", "dist", "rows", "train.jsonl"))))
			if len(rows) == 0 {
				t.Error("the recipe gives no rows")
			}
			tidy := exec.Command(p.bin, "fmt", "-check", "recipe")
			tidy.Dir, tidy.Env = dir, env
			if out, err := tidy.CombinedOutput(); err != nil {
				t.Errorf("the recipe is not in canonical layout: %v\n%s", err, out)
			}
		})
	}
}

// stranger is the environment of somebody who has the program, Go, and Python
// where that is wanted.
func stranger(t testing.TB, p *project, wantsPython bool) []string {
	t.Helper()
	bin := t.TempDir()
	links := map[string]string{"autosafe": p.bin}
	if wantsPython {
		links["python3"] = python(t)
	}
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	return append(os.Environ(), "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"),
		"AUTOSAFE_CACHE="+p.cache, "PYTHONDONTWRITEBYTECODE=1", "GOFLAGS=")
}

// nextCommands reads what autosafe says is to be done next.
func nextCommands(t testing.TB, out []byte) []string {
	t.Helper()
	for line := range strings.Lines(string(out)) {
		var made struct {
			Type string
			Next []string
		}
		if json.Unmarshal([]byte(line), &made) == nil && made.Type == "plugin_new" {
			return made.Next
		}
	}
	t.Fatalf("it does not say what is to be done next:\n%s", out)
	return nil
}
