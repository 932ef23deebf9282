package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/spec/ots"
)

// mcpPlugin is the example of a plugin that is a module of its own.
const mcpPlugin = "../../plugins/examples/mcp"

// Servers that others wrote, which testdata/mcp pins.
const (
	mcpEverything = "@modelcontextprotocol/server-everything/dist/index.js"
	mcpFiles      = "@modelcontextprotocol/server-filesystem/dist/index.js"
)

// goIn runs the go command in the plugin's folder.
func goIn(t testing.TB, args ...string) error {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = mcpPlugin
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", args[0], err, tail(string(out)))
	}
	return nil
}

// TestMCPModule runs the plugin's own tests, as its authors would.
func TestMCPModule(t *testing.T) {
	t.Parallel()
	if err := goIn(t, "mod", "download"); err != nil {
		notHere(t, "the modules of "+mcpPlugin, err)
	}
	if err := goIn(t, "test", "-timeout", limit.String(), "./..."); err != nil {
		t.Error(err)
	}
}

// mcp is the plugin, and the servers that it is tried on.
type mcp struct {
	t              testing.TB
	plugin         string
	modules        string
	everythingURL  string
	stopEverything func()
}

func newMCP(t testing.TB) *mcp {
	t.Helper()
	if err := goIn(t, "mod", "download"); err != nil {
		notHere(t, "the modules of "+mcpPlugin, err)
	}
	m := &mcp{t: t, plugin: filepath.Join(t.TempDir(), "autosafe-plugin-mcp")}
	if err := goIn(t, "build", "-o", m.plugin, "."); err != nil {
		t.Fatal(err)
	}
	var err error
	if m.modules, err = npmInstall("mcp", "testdata/mcp", mcpEverything, mcpFiles); err != nil {
		notHere(t, "Model Context Protocol servers", err)
	}
	return m
}

// script is the whole path of a server's program, for node.
func (m *mcp) script(name string) string { return filepath.Join(m.modules, filepath.FromSlash(name)) }

// listen starts a server over HTTP, at any free port.
func (m *mcp) listen() {
	m.t.Helper()
	hook, err := filepath.Abs("testdata/mcp/port.cjs")
	if err != nil {
		m.t.Fatal(err)
	}
	cmd := exec.Command("node", "--require", hook, m.script(mcpEverything), "streamableHttp")
	cmd.Env = append(os.Environ(), "PORT=0")
	said, err := cmd.StderrPipe()
	if err := errors.Join(err, cmd.Start()); err != nil {
		m.t.Fatal(err)
	}
	m.stopEverything = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed, or by an earlier call
	}
	m.t.Cleanup(m.stopEverything)
	var log strings.Builder
	for lines := bufio.NewScanner(said); lines.Scan(); {
		log.WriteString(lines.Text() + "\n")
		if _, port, ok := strings.Cut(lines.Text(), "at port "); ok {
			go func() { _, _ = io.Copy(io.Discard, said) }()
			m.everythingURL = "http://127.0.0.1:" + port + "/mcp"
			return
		}
	}
	m.t.Fatalf("the server does not start:\n%s", log.String())
}

// snapshot takes a snapshot by the plugin's own command.
func (m *mcp) snapshot(args ...string) string {
	m.t.Helper()
	cmd := exec.Command(m.plugin, append([]string{"snapshot"}, args...)...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		m.t.Fatalf("snapshot %q: %v\n%s", args, err, errs.String())
	}
	return string(out)
}

// install puts the plugin where a recipe's folder looks for plugins.
func (m *mcp) install(p *project) {
	m.t.Helper()
	b, err := os.ReadFile(m.plugin)
	to := filepath.Join(p.dir, ".autosafe", "plugins")
	if err := errors.Join(err, os.MkdirAll(to, 0o777), os.WriteFile(filepath.Join(to, filepath.Base(m.plugin)), b, 0o777)); err != nil {
		m.t.Fatal(err)
	}
}

// TestMCP makes safety data for the tools of servers that others wrote.
func TestMCP(t *testing.T) {
	t.Parallel()
	m := newMCP(t)
	m.listen()
	byPipe := m.snapshot("--", "node", m.script(mcpEverything), "stdio")
	if byHTTP := m.snapshot("-url", m.everythingURL); byHTTP != byPipe {
		t.Errorf("over HTTP:\n%s\nover pipes:\n%s", byHTTP, byPipe)
	}
	t.Run("dataset", func(t *testing.T) { m.dataset(t) })
	t.Run("running servers", func(t *testing.T) { m.running(t, byPipe) })
}

// dataset builds the example's recipe on a snapshot.
func (m *mcp) dataset(t *testing.T) {
	p := newProject(t, nil, nil)
	p.plain()
	copyDir(t, p.dir, filepath.Join(mcpPlugin, "recipe"))
	m.install(p)
	if r := p.run("fmt", "-check", p.dir); r.code != 0 {
		t.Errorf("the recipe is not in canonical form: %s", r.stdout)
	}
	p.write("tools.json", m.snapshot("--", "node", m.script(mcpFiles), t.TempDir()))
	const source = "threat_source.mcp_tools.mine"
	sum := p.mustBuild().sum
	pairs := p.rows(source)
	var outcomes []string
	for i, r := range otsRows(t, pairs) {
		outcomes = append(outcomes, r.Outcome)
		if problems := r.Check(); len(problems) > 0 {
			t.Errorf("pair %d: %v", i, problems)
		}
		if len(r.Tools) != 14 || !slices.Equal(r.Toolkits, []string{"secure-filesystem-server"}) || r.Origin.File != "tools.json" {
			t.Errorf("pair %d: %d tools of %q from %+v", i, len(r.Tools), r.Toolkits, r.Origin)
		}
	}
	if want := []string{"computer_security", "data_loss"}; !slices.Equal(outcomes, want) {
		t.Errorf("outcomes %q, want %q", outcomes, want)
	}
	calls, triggers := 0, 0
	rows := otsRows(t, p.rows("reflector.retry.safe"))
	for _, r := range rows {
		if problems := r.Check(); len(problems) > 0 {
			t.Errorf("row %s: %v", r.ID, problems)
		}
		calls += len(r.Trajectory)
		if r.Trigger != nil && slices.ContainsFunc(r.Tools, func(tool ots.Tool) bool { return tool.Name == r.Trigger.Tool }) {
			triggers++
		}
	}
	if len(rows) == 0 || calls == 0 || triggers == 0 || sum.Outputs[0].Rows != int64(len(rows)) {
		t.Errorf("%d rows with %d calls and %d triggers; outputs %+v", len(rows), calls, triggers, sum.Outputs)
	}
	wantKnown(t, p.mustBuild().sum)

	// Another description of one tool: the source runs again, and what follows.
	p.edit("tools.json", "Move or rename files and directories.", "Moves or renames files and directories.")
	if again := p.mustBuild().sum; again.step(t, source).Status != "run" || again.step(t, "simulator.instructions.cases").Status != "run" {
		t.Errorf("after a change: %s", statuses(again))
	}
}

// wantKnown wants all of a build to be in the cache.
func wantKnown(t testing.TB, s summary) {
	t.Helper()
	if s.Calls.Made != 0 || slices.ContainsFunc(s.Steps, func(st stepLine) bool { return st.Status != "hit" }) {
		t.Errorf("%d calls were made: %s", s.Calls.Made, statuses(s))
	}
}

const mcpRunning = `
autosafe {
  required_plugins {
    mcp = { source = "github.com/autosafe/autosafe-plugin-mcp" }
  }
  grant "mcp" {
    read    = ["MODULES"]
    network = ["PLACE"]
  }
}

threat_source "mcp_server" "piped" {
  command = ["node", "SCRIPT", "stdio"]
  timeout = "10m"
}

threat_source "mcp_server" "web" {
  url     = "http://PLACE/mcp"
  timeout = "10m"
}

threat_source "mcp_tools" "taken" {
  snapshot = "tools.json"
}

dataset "piped" {
  input = threat_source.mcp_server.piped
  output "rows" {
    path = "dist/piped"
  }
}

dataset "web" {
  input = threat_source.mcp_server.web
  output "rows" {
    path = "dist/web"
  }
}

dataset "taken" {
  input = threat_source.mcp_tools.taken
  output "rows" {
    path = "dist/taken"
  }
}
`

// running asks running servers in a build, by what the recipe grants. What they
// said is known when they are gone.
func (m *mcp) running(t *testing.T, snapshot string) {
	place := strings.TrimSuffix(strings.TrimPrefix(m.everythingURL, "http://"), "/mcp")
	text := strings.NewReplacer("MODULES", filepath.ToSlash(m.modules), "PLACE", place, "SCRIPT", filepath.ToSlash(m.script(mcpEverything))).Replace(mcpRunning)
	p := newProject(t, nil, map[string]string{recipe: text, "tools.json": snapshot})
	p.plain()
	m.install(p)
	p.mustBuild()
	taken := p.rows("threat_source.mcp_tools.taken")
	if len(taken) == 0 {
		t.Fatal("there are no rows")
	}
	for _, name := range []string{"piped", "web"} {
		rows := p.rows("threat_source.mcp_server." + name)
		if len(rows) != len(taken) {
			t.Fatalf("%s: %d rows, want %d", name, len(rows), len(taken))
		}
		for i, r := range rows {
			var origin ots.Origin
			var facts struct {
				Servers []struct {
					Digest string `json:"digest"`
				} `json:"servers"`
			}
			if err := errors.Join(json.Unmarshal(r["origin"], &origin), json.Unmarshal(r["mcp"], &facts)); err != nil {
				t.Fatal(err)
			}
			if len(facts.Servers) != 1 || origin.File != "mcp:mcp-servers_everything@"+facts.Servers[0].Digest {
				t.Errorf("%s: origin %+v, %+v", name, origin, facts)
			}
			for _, column := range []string{"domain", "toolkits", "tools", "outcome", "mcp"} {
				if string(r[column]) != string(taken[i][column]) {
					t.Errorf("%s, %s:\n%s\nwant\n%s", name, column, r[column], taken[i][column])
				}
			}
		}
	}
	m.stopEverything()
	wantKnown(t, p.mustBuild().sum)
}
