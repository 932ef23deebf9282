package archtest

import (
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is the repository's folder, seen from here.
const root = "../.."

// goList runs go list in the repository's folder.
func goList(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
	cmd.Dir = root
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

func packages(t *testing.T) []pkg {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(goList(t, "-json=ImportPath,Name,Doc,Imports,TestImports,XTestImports", "./...")))
	var list []pkg
	for {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

func TestImports(t *testing.T) {
	list := packages(t)
	for _, p := range list {
		for _, v := range violations(p, rules()) {
			t.Error(v)
		}
		if v := undocumented(p); v != "" {
			t.Error(v)
		}
	}
	// The table must not outlive what it speaks of.
	for folder, users := range soleUsers() {
		for _, u := range users {
			used := slices.ContainsFunc(list, func(p pkg) bool {
				own, _ := inModule(p.ImportPath)
				all := slices.Concat(p.Imports, p.TestImports, p.XTestImports)
				return below(own, u) && slices.ContainsFunc(all, func(i string) bool { return below(i, folder) })
			})
			if !used {
				t.Errorf("%s does not import %s any more; take it out of soleUsers", u, folder)
			}
		}
	}
}

// TestRulesBite shows that the rules find what they are for.
func TestRulesBite(t *testing.T) {
	at := func(folder string, imports ...string) pkg {
		return pkg{ImportPath: module + "/" + folder, Imports: imports}
	}
	tests := []struct {
		name string
		pkg  pkg
		want string // "": allowed
	}{
		{"standard library", at("cache", "os", "encoding/json"), ""},
		{"own layer below", at("internal/engine", module+"/spec", module+"/spec/schema", module+"/cache"), ""},
		{"upwards", at("spec", module+"/internal/engine"), "spec must not import"},
		{"upwards from a plugin", at("plugins/builtin/jsonl", module+"/internal/row"), "must not import"},
		{"a plugin and the language", at("plugins/builtin/jsonl", module+"/spec"), "must not import"},
		{"the engine and the host", at("internal/engine", module+"/internal/pluginhost"), "must not import"},
		{"the view and the cache", at("cmd/autosafe/internal/view", module+"/cache"), "must not import"},
		{"a second OpenAI client", at("internal/pluginhost", openAI), "only internal/llm may"},
		{"a part of a library", at("internal/engine", cel+"/common/types"), "only spec may"},
		{"grpc in the engine", at("internal/engine", grpc+"/codes"), "must not import"},
		{"unknown module", at("cache", "example.org/db"), "must not import"},
		{"new folder", at("tools/gen", "os"), "no rule"},
		{"near name", at("specs", "os"), "no rule"},
		{"a test may import beside", pkg{ImportPath: module + "/internal/engine", TestImports: []string{module + "/internal/pluginhost"}}, ""},
		{"a test may not import above", pkg{ImportPath: module + "/plugins/sdk", XTestImports: []string{module + "/internal/pluginhost"}}, "above it"},
		{"sole users in tests", pkg{ImportPath: module + "/internal/engine", TestImports: []string{openAI}}, "only internal/llm may"},
	}
	for _, tt := range tests {
		got := strings.Join(violations(tt.pkg, rules()), "\n")
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	if undocumented(pkg{Name: "x", Doc: "Things."}) == "" || undocumented(pkg{Name: "x", Doc: "Package x does."}) != "" {
		t.Error("undocumented does not tell docs apart")
	}
}

var update = flag.Bool("update", false, "write the golden files anew")

// TestSDKModules pins what a plugin's author takes on with the SDK. A change
// here is a change for every plugin.
func TestSDKModules(t *testing.T) {
	out := goList(t, "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./plugins/sdk")
	lines := strings.Fields(out)
	slices.Sort(lines)
	lines = slices.DeleteFunc(slices.Compact(lines), func(m string) bool { return m == module })
	got := strings.Join(lines, "\n") + "\n"
	golden := filepath.Join("testdata", "sdk_modules.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("modules below plugins/sdk:\n%s\nwant:\n%s\n(go test ./internal/archtest -update accepts this)", got, want)
	}
}
