package skeleton

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/spec/schema"
)

// subsets are all choices of roles but the empty one.
func subsets() (out [][]schema.Role) {
	all := schema.Roles()
	for bits := 1; bits < 1<<len(all); bits++ {
		var some []schema.Role
		for i, role := range all {
			if bits&(1<<i) != 0 {
				some = append(some, role)
			}
		}
		out = append(out, some)
	}
	return out
}

// TestEveryChoice writes every skeleton that there is. That they build, pass
// their tests and run is tested where programs are run (internal/e2e).
func TestEveryChoice(t *testing.T) {
	for _, language := range Languages() {
		for _, roles := range subsets() {
			files, err := Files(Options{Source: "github.com/acme/autosafe-plugin-acme", Language: language, Roles: roles, SDK: "1.2.3", Go: "1.26.0"})
			if err != nil {
				t.Fatalf("%s %s: %v", language, roles, err)
			}
			names := map[string]bool{}
			declared, used := map[string]bool{}, map[string]bool{}
			for _, f := range files {
				if names[f.Name] {
					t.Errorf("%s %s: %s is written twice", language, roles, f.Name)
				}
				names[f.Name] = true
				text := string(f.Content)
				if strings.HasPrefix(f.Name, "autosafe_plugin/") {
					continue // as it is
				}
				if strings.Contains(text, "<%") || strings.Contains(text, "\n\n\n\n") || !strings.HasSuffix(text, "\n") {
					t.Errorf("%s %s: %s is not laid out well:\n%s", language, roles, f.Name, text)
				}
				if strings.HasSuffix(f.Name, ".go") {
					checkGo(t, f, declared, used)
				}
			}
			for name := range declared {
				if !used[name] && name != "main" && !strings.HasPrefix(name, "Test") {
					t.Errorf("%s %s: nobody uses %s", language, roles, name)
				}
			}
			if names["recipe/requests.jsonl"] == slices.Contains(roles, schema.ThreatSource) {
				t.Errorf("%s %s: rows are written where the plugin gives them, or none where it does not", language, roles)
			}
		}
	}
}

// checkGo looks whether a file uses what it imports, and notes what it
// declares and uses.
func checkGo(t *testing.T, f File, declared, used map[string]bool) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), f.Name, f.Content, 0)
	if err != nil {
		t.Errorf("%s: %v", f.Name, err)
		return
	}
	selected := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok {
				selected[x.Name] = true
			}
		case *ast.FuncDecl:
			declared[n.Name.Name] = true
			ast.Inspect(n.Body, func(n ast.Node) bool {
				if x, ok := n.(*ast.Ident); ok {
					used[x.Name] = true
				}
				return true
			})
			return true
		}
		return true
	})
	for _, i := range file.Imports {
		if name := path.Base(strings.Trim(i.Path.Value, `"`)); !selected[name] {
			t.Errorf("%s imports %s for nothing", f.Name, name)
		}
	}
}

func TestAddress(t *testing.T) {
	tests := []struct{ typed, want string }{
		{"github.com/acme/autosafe-plugin-acme", "github.com/acme/autosafe-plugin-acme"},
		{"acme", "example.com/acme/autosafe-plugin-acme"},
		{"autosafe-plugin-acme", "example.com/acme/autosafe-plugin-acme"},
		{"git.acme.example/a/b/tool-box", "git.acme.example/a/b/tool-box"},
		{"", ""},
		{"../acme", ""},
		{"/acme", ""},
		{"acme/", ""},
		{"a//b", ""},
		{"github.com/acme/Acme", ""},
		{"github.com/acme/1", ""},
		{"github.com/acme/a b", ""},
		{"github.com/acme/a\"b", ""},
		{"github.com/../x/acme", ""},
	}
	for _, tt := range tests {
		got, err := Address(tt.typed)
		if got != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%q is %q, %v; want %q", tt.typed, got, err, tt.want)
		}
	}
	if got := Binary("github.com/acme/autosafe-plugin-tool-box"); got != "recipe/.autosafe/plugins/autosafe-plugin-tool_box" {
		t.Errorf("the binary is %s", got)
	}
}
