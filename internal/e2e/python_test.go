package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// pythonPackages are Debian's, with which plugins in Python work.
func pythonPackages() []string { return []string{"python3", "python3-grpcio", "python3-protobuf"} }

// findPython gives an interpreter that plugins in Python run with: one of the
// system's, which is all that a contained plugin can read. Where there is none
// and the tests run as root on a system with apt, it installs one.
var findPython = sync.OnceValues(func() (string, error) {
	fits := func() (string, bool) {
		for _, name := range []string{"/usr/bin/python3", "/usr/local/bin/python3"} {
			path, err := exec.LookPath(name)
			if err == nil && exec.Command(path, "-c", "import grpc, google.protobuf").Run() == nil {
				return path, true
			}
		}
		return "", false
	}
	if path, ok := fits(); ok {
		return path, nil
	}
	missing := fmt.Errorf("no Python with grpc and protobuf is installed: apt-get install %s", strings.Join(pythonPackages(), " "))
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return "", missing
	}
	var said []byte
	for _, args := range [][]string{{"update", "-q"}, append([]string{"install", "-y", "-q", "--no-install-recommends"}, pythonPackages()...)} {
		cmd := exec.Command("apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		var err error
		if said, err = cmd.CombinedOutput(); err != nil && args[0] == "install" { // an old list may do
			return "", fmt.Errorf("%w: %w\n%s", missing, err, said)
		}
	}
	if path, ok := fits(); ok {
		return path, nil
	}
	return "", fmt.Errorf("%w\n%s", missing, said)
})

// python is findPython for a test, which is passed over where there is none
// and that is allowed.
func python(t testing.TB) string {
	t.Helper()
	path, err := findPython()
	if err != nil {
		notHere(t, "Python for plugins", err)
	}
	return path
}

const portRecipe = `
autosafe {
  required_plugins {
    port = { source = "example.com/acme/autosafe-plugin-port", version = "~> 1.0" }
  }
}

provider "openai" "main" {
  base_url = env("OPENAI_BASE_URL")
  api_key  = env("OPENAI_API_KEY")
}

model "teller" {
  provider = provider.openai.main
  name     = "teller"
}

threat_source "port_notes" "notes" {
  path         = "notes/*.txt"
  tags         = ["größe", "<b>&\"quotes\"</b>", "\u2028"]
  weight       = 0.1
  max_failures = 2
}

simulator "port_ask" "mood" {
  input        = threat_source.port_notes.notes
  model        = model.teller
  seed         = 7
  max_failures = 2
}

simulator "port_rank" "ranked" {
  input = simulator.port_ask.mood
}

dataset "all" {
  input = simulator.port_rank.ranked
  split {
    ratios = { train = 0.5, test = 0.5 }
  }
  output "rows" {
    path = "dist/rows"
  }
}

evaluation "port_greets" "same" {
  input = simulator.port_rank.ranked
  agent "teller" {
    model = model.teller
  }
}
`

// trials is the step that tries the agent of portRecipe.
const trials = "evaluation.port_greets.same.agent.teller"

// shown are a step's rows in the cache, as JSON lines.
func (p *project) shown(t testing.TB, step string) []byte {
	t.Helper()
	out, err := p.command("show", "-json", "-n", "0", step, p.dir).Output()
	if err != nil {
		t.Fatalf("show %s: %v\n%s", step, err, out)
	}
	return out
}

// TestPort builds one recipe with a plugin in Python and with the same plugin
// in Go: the rows are equal byte for byte, and so are the requests to the
// model, of which the second build makes none.
func TestPort(t *testing.T) {
	t.Parallel()
	interpreter := python(t)
	p := newProject(t, start(t, llmtest.Options{}), map[string]string{
		recipe:          portRecipe,
		"notes/one.txt": "Sperre das Konto von Jürgen.\nWhat is <due> & when?\n\nDrop me.\nFail me.\nΣ = \"5\" \\ 漢字 😀\n",
		"notes/two.txt": "Second file.\n! no note\nLast.\n",
	})
	binary := filepath.Join(p.dir, ".autosafe", "plugins", "autosafe-plugin-port")
	pack(t, interpreter, filepath.Join("testdata", "port", "plugin.py"), binary)
	first := p.mustBuild()
	// Five notes are judged; five are tried twice, with two calls each time.
	const calls = 5 + 5*2*2
	if n := p.server.Calls(); n != calls {
		t.Errorf("the plugin in Python asked %d times, want %d", n, calls)
	}
	tried := p.shown(t, trials)
	if n := bytes.Count(tried, []byte(`"valid":true`)); n != 10 || first.sum.step(t, trials).RowsOut != 10 {
		t.Errorf("%d of 10 trials are valid:\n%s", n, tried)
	}
	st := first.sum.step(t, "simulator.port_ask.mood")
	if st.RowsOut != 6 || st.RowsFailed != 1 {
		t.Errorf("%d rows and %d failures, want 6 and 1", st.RowsOut, st.RowsFailed)
	}
	if st := first.sum.step(t, "simulator.port_rank.ranked"); st.RowsOut != 5 || st.Dropped["duplicate"] != 1 {
		t.Errorf("%d rows are ranked, dropped are %v; want 5 and one duplicate", st.RowsOut, st.Dropped)
	}
	rows := outputs(t, p)
	if len(rows) == 0 {
		t.Fatal("nothing was written")
	}
	if err := os.Remove(binary); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", binary, "./testdata/port").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	second := p.mustBuild()
	if n := p.server.Calls(); n != calls {
		t.Errorf("the plugin in Go asked %d times for what the one in Python knew", n-calls)
	}
	if again := p.shown(t, trials); !bytes.Equal(again, tried) {
		t.Errorf("the trials differ. Python:\n%s\nGo:\n%s", tried, again)
	}
	if st := second.sum.step(t, "simulator.port_ask.mood"); st.RowsHit != 0 || st.Calls.Cached != 5 {
		t.Errorf("with the plugin in Go %d rows were known, want 0: its code is another", st.RowsHit)
	}
	if st := second.sum.step(t, "simulator.port_rank.ranked"); st.Status != "hit" && st.RowsHit != 6 {
		t.Errorf("the ranks of the plugin in Python are not those of the one in Go: %+v", st)
	}
	for name, want := range rows {
		if got := outputs(t, p)[name]; !bytes.Equal(got, want) {
			t.Errorf("%s differs. Python:\n%s\nGo:\n%s", name, want, got)
		}
	}
}

// outputs are the files of rows that a project has built.
func outputs(t testing.TB, p *project) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(p.dist(), "rows", "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(path)] = b
	}
	return out
}
