package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Bounds on size, in lines. About 60 are meant for a function, as
// CONTRIBUTING.md says: the bound is where about ends.
const (
	maxFile     = 500
	maxTestFile = 700
	maxFunc     = 80
)

func TestSource(t *testing.T) {
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() != ".." && strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		for _, v := range check(filepath.ToSlash(name), src) {
			t.Error(v)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// check says which rules of style a file breaks.
func check(name string, src []byte) []string {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, src, parser.ParseComments)
	if err != nil {
		return []string{err.Error()}
	}
	if ast.IsGenerated(file) {
		return nil
	}
	var bad []string
	add := func(pos token.Pos, text string, args ...any) {
		bad = append(bad, fmt.Sprintf("%s:%d: ", name, files.Position(pos).Line)+fmt.Sprintf(text, args...))
	}
	if formatted, err := format.Source(src); err != nil || !bytes.Equal(formatted, src) {
		add(file.Package, "the file is not as gofmt would write it")
	}
	test := strings.HasSuffix(name, "_test.go")
	most := maxFile
	if test {
		most = maxTestFile
	}
	if n := files.File(file.Package).LineCount(); n > most {
		add(file.Package, "the file has %d lines; split it (%d are the bound)", n, most)
	}
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.Name == "init" {
				add(d.Pos(), "no init functions: give what needs it a constructor")
			}
			if n := length(files, d); !test && n > maxFunc {
				add(d.Pos(), "%s has %d lines; split it (about 60 are meant, %d is the bound)", d.Name.Name, n, maxFunc)
			}
		case *ast.GenDecl:
			if test || d.Tok != token.VAR {
				continue
			}
			for _, spec := range d.Specs {
				v, ok := spec.(*ast.ValueSpec)
				if ok && !fixed(v, d.Doc) {
					add(v.Pos(), "%s is package-level state: pass it, or make it a constant or a function", v.Names[0].Name)
				}
			}
		}
	}
	return bad
}

// length is a function's length in lines. Tables do not count: a literal that
// is all a function returns, and a switch whose cases are a statement or two.
func length(files *token.FileSet, f *ast.FuncDecl) int {
	lines := func(n ast.Node) int { return files.Position(n.End()).Line - files.Position(n.Pos()).Line + 1 }
	if f.Body == nil || len(f.Body.List) <= 2 {
		return 0
	}
	n := lines(f)
	for _, stmt := range f.Body.List {
		s, ok := stmt.(*ast.SwitchStmt)
		if ok && !slices.ContainsFunc(s.Body.List, func(c ast.Stmt) bool { return len(c.(*ast.CaseClause).Body) > 2 }) {
			n -= lines(s)
		}
	}
	return n
}

// fixed says whether a package-level variable is a constant in all but name:
// an assertion, an error, an array of literals, an embedded file, or something
// made once. A pattern is made when it is first needed, with sync.OnceValue:
// compiling all of them takes longer than reading a recipe.
func fixed(v *ast.ValueSpec, doc *ast.CommentGroup) bool {
	if v.Names[0].Name == "_" || embedded(v.Doc) || embedded(doc) {
		return true
	}
	if len(v.Values) == 0 {
		return false
	}
	return !slices.ContainsFunc(v.Values, func(e ast.Expr) bool { return !constant(e) })
}

func constant(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.CallExpr:
		return slices.Contains([]string{
			"errors.New", "fmt.Errorf", "cty.Capsule",
			"sync.OnceFunc", "sync.OnceValue", "sync.OnceValues",
		}, callee(e))
	case *ast.CompositeLit:
		array, ok := e.Type.(*ast.ArrayType)
		return ok && array.Len != nil
	}
	return false
}

func callee(c *ast.CallExpr) string {
	sel, ok := c.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	x, ok := sel.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return x.Name + "." + sel.Sel.Name
}

func embedded(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

// TestChecksBite shows that the checks find what they are for.
func TestChecksBite(t *testing.T) {
	long := "package p\n\nfunc f() {\n" + strings.Repeat("\tg()\n", maxFunc) + "}\n"
	tests := []struct {
		name, file, src, want string
	}{
		{"clean", "a.go", "package p\n\nimport \"errors\"\n\nvar errX = errors.New(\"x\")\n\nvar names = [...]string{\"a\"}\n\nvar _ = f\n\nfunc f() {}\n", ""},
		{"embedded", "a.go", "package p\n\nimport _ \"embed\"\n\n//go:embed a.txt\nvar text string\n", ""},
		{"map", "a.go", "package p\n\nvar m = map[string]int{}\n", "m is package-level state"},
		{"slice", "a.go", "package p\n\nvar s = []int{1}\n", "s is package-level state"},
		{"pattern", "a.go", "package p\n\nimport \"regexp\"\n\nvar r = regexp.MustCompile(`x`)\n", "r is package-level state"},
		{"unset", "a.go", "package p\n\nvar n int\n", "n is package-level state"},
		{"state in a test", "a_test.go", "package p\n\nvar n int\n", ""},
		{"init", "a.go", "package p\n\nfunc init() {}\n", "no init functions"},
		{"a method called init", "a.go", "package p\n\ntype t struct{}\n\nfunc (t) init() {}\n", ""},
		{"layout", "a.go", "package p\n\nfunc f( ) {}\n", "gofmt"},
		{"long function", "a.go", long, "f has"},
		{"long table", "a.go", "package p\n\nfunc f(n int) int {\n\tg()\n\tg()\n\tswitch n {\n" + strings.Repeat("\tcase 1:\n\t\treturn 2\n", maxFunc) + "\t}\n\treturn 0\n}\n", ""},
		{"long file", "a.go", "package p\n" + strings.Repeat("\n// x\n", maxFile/2+1), "the file has"},
		{"generated", "a.go", "// Code generated by x. DO NOT EDIT.\n\npackage p\n\nvar n int\n", ""},
		{"no Go", "a.go", "packag p", "expected 'package'"},
	}
	for _, tt := range tests {
		got := strings.Join(check(tt.file, []byte(tt.src)), "\n")
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
