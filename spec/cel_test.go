package spec

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/ots"
	"github.com/autosafe/autosafe/spec/schema"
)

// testRow is a row by column, as JSON.
type testRow map[string]string

func (r testRow) Column(name string) ([]byte, bool) {
	v, ok := r[name]
	return []byte(v), ok
}

func (r testRow) Names() []string {
	names := make([]string, 0, len(r))
	for name := range r {
		names = append(names, name)
	}
	return names
}

// testColumns has a column of every type.
func testColumns() Columns {
	verdict := cty.Object(map[string]cty.Type{"label": cty.String, "reason": cty.String, "score": cty.Number})
	tool := cty.Object(map[string]cty.Type{"name": cty.String, "parameters": cty.DynamicPseudoType, "tags": cty.List(cty.String)})
	attempt := cty.Object(map[string]cty.Type{"verdict": verdict, "reflection": cty.String})
	return Columns{List: []schema.Column{
		{Name: "name", Type: cty.String},
		{Name: "score", Type: cty.Number},
		{Name: "ok", Type: cty.Bool},
		{Name: "verdict", Type: verdict},
		{Name: "other", Type: verdict},
		{Name: "tools", Type: cty.List(tool)},
		{Name: "attempts", Type: cty.List(attempt)},
		{Name: "names", Type: cty.Set(cty.String)},
		{Name: "pair", Type: cty.Tuple([]cty.Type{cty.String, cty.Number})},
		{Name: "counts", Type: cty.Map(cty.Number)},
		{Name: "any", Type: cty.DynamicPseudoType},
	}}
}

// standardColumns are those of the rows that the built-in components make.
func standardColumns() Columns {
	return Columns{List: schema.ColumnsOf(reflect.TypeOf(ots.Row{}))}
}

// attributeOf parses an HCL or JSON body and returns one attribute's
// expression with the source.
func attributeOf(t *testing.T, filename, src string) (hcl.Expression, string) {
	t.Helper()
	var f *hcl.File
	var diags hcl.Diagnostics
	if strings.HasSuffix(filename, ".json") {
		f, diags = hcljson.Parse([]byte(src), filename)
	} else {
		f, diags = hclsyntax.ParseConfig([]byte(src), filename, hcl.InitialPos)
	}
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	attrs, diags := f.Body.JustAttributes()
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	expr := attrs["x"].Expr
	v, diags := expr.Value(&hcl.EvalContext{Variables: map[string]cty.Value{"v": cty.StringVal("row.oops == 1")}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return expr, v.AsString()
}

// marked returns what a range covers in src, and checks that its line and
// column agree with its bytes.
func marked(t *testing.T, src string, r *hcl.Range) string {
	t.Helper()
	if r == nil {
		t.Fatal("the diagnostic has no range")
	}
	for _, pos := range []hcl.Pos{r.Start, r.End} {
		if pos.Byte < 0 || pos.Byte > len(src) {
			t.Fatalf("position %+v is outside the source", pos)
		}
		if want := advance(hcl.InitialPos, src[:pos.Byte]); want != pos {
			t.Errorf("position is %+v, but byte %d is at %+v", pos, pos.Byte, want)
		}
	}
	return src[r.Start.Byte:r.End.Byte]
}

func TestErrorRanges(t *testing.T) {
	for _, test := range []struct{ name, src, want string }{
		{"plain", `x = "row.oops == 1"`, "oops"},
		{"nested field", `x = "row.verdict.lable == 'safe'"`, "lable"},
		{"after an escaped quote", `x = "row.name == \"é\" && row.oops"`, "oops"},
		{"after escaped backslashes", `x = "row.name.matches('\\\\d+\\\\.') && row.oops"`, "oops"},
		{"bad escape", `x = "row.name.matches('\\d+') && row.ok"`, "'"},
		{"inside escapes", `x = "row.name == \"a\" + 1 + \"b\""`, "+"},
		{"after newline escape", `x = "row.ok &&\nrow.oops"`, "oops"},
		{"after tab escape", `x = "row.ok &&\trow.oops"`, "oops"},
		{"after a raw tab", "x = \"row.ok &&\trow.oops\"", "oops"},
		{"after a template escape", `x = "row.name == '$${a}' && row.oops"`, "oops"},
		{"after a percent escape", `x = "row.name == '%%{a}' && row.oops"`, "oops"},
		{"after wide characters", `x = "row.name == '日本👩‍👧' && row.oops"`, "oops"},
		{"heredoc", "x = <<EOT\nrow.ok\n  && row.oops\nEOT\n", "oops"},
		{"indented heredoc", "x = <<-EOT\n    row.ok\n      && row.oops\n  EOT\n", "oops"},
		{"first line of a heredoc", "x = <<-EOT\n    row.oops\n      && row.ok\n  EOT\n", "oops"},
		{"heredoc with quotes", "x = <<EOT\nrow.name == \"a\\\\d\"\n  && row.oops\nEOT\n", "oops"},
		{"function", `x = "row.name.contians('x')"`, "contians"},
		{"global function", `x = "siez(row.name) > 1"`, "siez"},
		{"operator", `x = "row.name >= 1"`, ">="},
		{"variable", `x = "row.ok && foo"`, "foo"},
		{"unclosed string", `x = "row.name == 'a"`, "'"},
		{"early end", `x = "row.ok && "`, "&"},
		{"whole for the type", `x = "row.name"`, "row.name"},
		{"computed", `x = v`, "v"},
		{"interpolated", `x = "${v} || true"`, `"${v} || true"`},
		{"function call", `x = "${"row.oops"}"`, `"${"row.oops"}"`},
		{"index", `x = "row['oops'] == 1"`, "'"},
		{"backquoted", "x = \"row.`oo-ps` == 1\"", "`oo-ps`"},
	} {
		t.Run(test.name, func(t *testing.T) {
			expr, text := attributeOf(t, "a.hcl", test.src)
			_, diags := compileExpr(exprSource{Text: text, Node: expr, Columns: testColumns(), Var: "row", Want: wantBool})
			if len(diags) != 1 {
				t.Fatalf("got %d problems, want 1: %v", len(diags), diags)
			}
			if got := marked(t, test.src, diags[0].Subject); got != test.want {
				t.Errorf("the error %q points at %q, want %q", diags[0].Detail, got, test.want)
			}
			if diags[0].Context == nil || !diags[0].Context.Overlaps(*diags[0].Subject) {
				t.Errorf("context %v does not hold the subject", diags[0].Context)
			}
		})
	}
}

func TestErrorRangesJSON(t *testing.T) {
	for _, test := range []struct{ src, want string }{
		{`{"x": "row.oops == 1"}`, "oops"},
		{`{"x": "row.name == \"a\" && row.oops"}`, "oops"},
		{`{"x": "row.name == '\\\\' && row.oops"}`, "oops"},
		{`{"x": "row.ok &&\n row.oops"}`, "oops"},
		{`{"x": "row.name == '\u00e9' && row.oops"}`, `"row.name == '\u00e9' && row.oops"`}, // the escape cannot be told
	} {
		expr, text := attributeOf(t, "a.hcl.json", test.src)
		_, diags := compileExpr(exprSource{Text: text, Node: expr, Columns: testColumns(), Var: "row"})
		if len(diags) == 0 {
			t.Errorf("%s: no error", test.src)
			continue
		}
		if got := marked(t, test.src, diags[0].Subject); got != test.want {
			t.Errorf("%s: the error points at %q, want %q", test.src, got, test.want)
		}
	}
}

// decodeNeeded agrees with encoding/json.
func FuzzDecodeJSON(f *testing.F) {
	for _, text := range []string{
		`{"a":[1,2.5,-0,1e3,null,true,false,"x\\u00e9\\n",{}],"a":1}`, ` [ ] `, `{"a" : "b" , "c":[]}`, `18446744073709551615`,
		`01`, `1.`, `-`, `"\\ud800"`, "\"\xff\"", `[1,]`, `{"a"}`, `nul`, `1 2`, `"a`, `123456789012345678901234567890`, "\"\t\"",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := decodeNeeded(b, nil)
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.UseNumber()
		var want any
		if !json.Valid(b) || dec.Decode(&want) != nil {
			if err == nil {
				t.Errorf("%q: decoded as %v, which encoding/json refuses", b, got)
			}
			return
		}
		want, outOfRange := withNumbers(want)
		switch {
		case err != nil:
			if !outOfRange && bytes.Count(b, []byte("["))+bytes.Count(b, []byte("{")) < maxJSONDepth {
				t.Errorf("%q: %v", b, err)
			}
		case !reflect.DeepEqual(got, want):
			t.Errorf("%q = %#v, want %#v", b, got, want)
		}
	})
}

func withNumbers(v any) (out any, outOfRange bool) {
	switch v := v.(type) {
	case json.Number:
		n, err := parseNumber(v.String())
		return n, err != nil
	case []any:
		for i := range v {
			var bad bool
			v[i], bad = withNumbers(v[i])
			outOfRange = outOfRange || bad
		}
	case map[string]any:
		for k := range v {
			var bad bool
			v[k], bad = withNumbers(v[k])
			outOfRange = outOfRange || bad
		}
	}
	return v, outOfRange
}

// Every problem of an expression is reported, in order of place.
func TestAllErrors(t *testing.T) {
	src := `x = "row.scoer > 1 && row.name > 2 && row.verdict.lable == foo"`
	expr, text := attributeOf(t, "a.hcl", src)
	_, diags := compileExpr(exprSource{Text: text, Node: expr, Columns: testColumns(), Var: "row"})
	var got []string
	for _, d := range diags {
		got = append(got, d.Summary+" "+marked(t, src, d.Subject))
	}
	want := []string{"Unknown column scoer", "Wrong type >", "Unknown field lable", "Invalid CEL expression foo"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
