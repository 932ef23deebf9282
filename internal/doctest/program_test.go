package doctest

import (
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// program is autosafe, built for one test, with a cache of its own.
type program struct {
	path, cache string
	source      string // the repository's folder
}

func buildProgram(t *testing.T) program {
	t.Helper()
	source, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	p := program{filepath.Join(t.TempDir(), "autosafe"), filepath.Join(t.TempDir(), "cache"), source}
	goBuild(t, p.path, "./cmd/autosafe")
	return p
}

func goBuild(t *testing.T, out, what string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", out, what)
	cmd.Dir = root
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", what, err, text)
	}
}

// run runs autosafe and returns what it printed, and its exit code.
func (p program) run(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), p.path, args...)
	cmd.Env = append(os.Environ(), "AUTOSAFE_CACHE="+p.cache, "OPENAI_API_KEY=none", "OPENAI_BASE_URL=http://127.0.0.1:9/v1")
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestCommands(t *testing.T) {
	p := buildProgram(t)
	list, _, code := p.run(t, "help")
	if code != 0 {
		t.Fatalf("autosafe help: exit %d", code)
	}
	var b strings.Builder
	b.WriteString("# Commands\n\n```text\n" + list + "```\n")
	names := listed(list)
	if len(names) < 7 {
		t.Fatalf("autosafe help lists %d commands", len(names))
	}
	for _, name := range names {
		text := p.help(t, name)
		fmt.Fprintf(&b, "\n## %s\n\n```text\n%s```\n", name, text)
		for _, member := range listed(text) {
			fmt.Fprintf(&b, "\n### %s %s\n\n```text\n%s```\n", name, member, p.help(t, name, member))
		}
	}
	golden(t, "commands.md", b.String())
}

// listed are the commands that a help text lists.
func listed(help string) (names []string) {
	_, list, _ := strings.Cut(help, "\nCommands:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z]+)`).FindAllStringSubmatch(list, -1) {
		names = append(names, m[1])
	}
	return names
}

func (p program) help(t *testing.T, command ...string) string {
	t.Helper()
	text, _, code := p.run(t, append(command, "-help")...)
	if code != 0 {
		t.Fatalf("autosafe %s -help: exit %d", strings.Join(command, " "), code)
	}
	return text
}

// documents are all Markdown files of the project, by path from the root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	docs := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/reference/*.md", "recipes/*/*.md"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				t.Fatal(err)
			}
			docs[filepath.ToSlash(name)] = string(text)
		}
	}
	return docs
}

// fences gives the fenced blocks of a language in a document.
func fences(doc, language string) []string {
	var out []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```").FindAllStringSubmatch(doc, -1) {
		out = append(out, m[1])
	}
	return out
}

// TestRecipes checks every fenced block that begins with "# recipe.hcl".
func TestRecipes(t *testing.T) {
	p := buildProgram(t)
	checked := 0
	for name, doc := range documents(t) {
		for _, text := range fences(doc, "hcl") {
			if !strings.HasPrefix(text, "# recipe.hcl") || strings.Contains(text, "required_plugins") {
				continue
			}
			dir := t.TempDir()
			write(t, filepath.Join(dir, "recipe.hcl"), text)
			write(t, filepath.Join(dir, "prompts", "reflect.tmpl"), "Round {{ .round }}.\n")
			write(t, filepath.Join(dir, "data", "cases.jsonl"), "{\"text\":\"x\"}\n")
			if out, errs, code := p.run(t, "validate", dir); code != 0 {
				t.Errorf("%s: a recipe is wrong\n%s\n%s%s", name, text, out, errs)
			}
			if out, _, code := p.run(t, "fmt", "-check", dir); code != 0 {
				t.Errorf("%s: a recipe is not in canonical layout\n%s%s", name, text, out)
			}
			checked++
		}
	}
	if checked < 3 {
		t.Errorf("only %d recipes were found in the documents", checked)
	}
}

// TestPluginGuide does what docs/writing-a-plugin.md says: it builds the
// plugin of the guide, puts it where a recipe finds it, and builds the recipe.
func TestPluginGuide(t *testing.T) {
	p := buildProgram(t)
	guide := documents(t)["docs/writing-a-plugin.md"]
	sources, recipes := fences(guide, "go"), fences(guide, "hcl")
	if len(sources) == 0 || len(recipes) == 0 {
		t.Fatal("the guide has no plugin or no recipe")
	}
	if n := strings.Count(strings.TrimSpace(sources[0]), "\n") + 1; n >= 25 {
		t.Errorf("the plugin of the guide has %d lines; fewer than 25 are promised", n)
	}
	if formatted, err := format.Source([]byte(sources[0])); err != nil || string(formatted) != sources[0] {
		t.Errorf("the plugin of the guide is not as gofmt would write it: %v", err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "src", "main.go"), sources[0])
	write(t, filepath.Join(dir, "recipe.hcl"), recipes[0])
	goBuild(t, filepath.Join(dir, ".autosafe", "plugins", "autosafe-plugin-acme"), filepath.Join(dir, "src", "main.go"))
	out, errs, code := p.run(t, "build", dir)
	if code != 0 || !strings.Contains(out, "threat_source.acme_tickets") {
		t.Fatalf("build: exit %d\n%s%s", code, out, errs)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "dist", "rows", "*")); len(files) == 0 {
		t.Error("the recipe of the guide wrote nothing")
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestLinks follows the links between documents and the paths they name in
// backquotes.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	path := regexp.MustCompile("`((?:cmd|internal|plugins|spec|cache|docs|recipes)/[a-z0-9_./-]*)`")
	for name, doc := range documents(t) {
		doc = regexp.MustCompile("(?ms)^```.*?^```").ReplaceAllString(doc, "")
		for _, m := range link.FindAllStringSubmatch(doc, -1) {
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s: the link %q leads nowhere", name, m[1])
			}
		}
		for _, m := range path.FindAllStringSubmatch(doc, -1) {
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil && !strings.Contains(m[1], "dist") {
				t.Errorf("%s: there is no %s", name, m[1])
			}
		}
	}
}

// TestReadmeTests holds .ci/run to the README: one command block under the
// heading "Tests", and that same line in the script.
func TestReadmeTests(t *testing.T) {
	_, after, ok := strings.Cut(documents(t)["README.md"], "\n## Tests\n")
	if !ok {
		t.Fatal(`the README has no heading "Tests"`)
	}
	section, _, _ := strings.Cut(after, "\n## ")
	blocks := fences(section, "sh")
	if len(blocks) != 1 || strings.Count(section, "```") != 2 {
		t.Fatalf(`%d command blocks under "Tests"; one is meant`, len(blocks))
	}
	script, err := os.ReadFile(filepath.Join(root, ".ci", "run"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(script), strings.TrimSpace(blocks[0])) {
		t.Errorf(".ci/run does not run %q", strings.TrimSpace(blocks[0]))
	}
}
