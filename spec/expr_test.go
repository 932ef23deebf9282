package spec

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

func TestExprErrors(t *testing.T) {
	columns := "The columns are any, attempts, counts, name, names, ok, other, pair, score, tools, verdict."
	for _, test := range []struct{ text, summary, detail string }{
		{"row.scoer > 2", "Unknown column", `The rows that come in have no column "scoer". Did you mean "score"? ` + columns},
		{"row.verdict.lable == 'safe'", "Unknown field", `There is no field "lable" here. Did you mean "label"? The fields are label, reason, score.`},
		{"row.attempts[0].verdict.x == 'a'", "Unknown field", `There is no field "x" here. The fields are label, reason, score.`},
		{"row.tools.exists(t, t.nmae == 'x')", "Unknown field", `There is no field "nmae" here. Did you mean "name"? The fields are name, parameters, tags.`},
		{"has(row.verdict.lable)", "Unknown field", `There is no field "lable" here. Did you mean "label"? The fields are label, reason, score.`},
		{"row['nam'] == ''", "Unknown column", `The rows that come in have no column "nam". Did you mean "name"? ` + columns},
		{"name == 'x'", "Invalid CEL expression", `There is no variable "name"; the column is row.name.`},
		{"rwo.name == 'x'", "Invalid CEL expression", `There is no variable "rwo". Did you mean "row"?`},
		{"row.name == safe", "Invalid CEL expression", `There is no variable "safe". The row's columns are row.NAME; text goes in single quotes: 'safe'.`},
		{"row.name.contians('x')", "Invalid CEL expression", `There is no function "contians". Did you mean "contains"?`},
		{"row.name = 'x'", "Invalid CEL expression", `"=" has no meaning in CEL. To compare, write ==.`},
		{"row.ok and row.ok", "Invalid CEL expression", `"and" is not expected here. For both, write &&.`},
		{"row.ok or row.ok", "Invalid CEL expression", `"or" is not expected here. For either, write ||.`},
		{"(row.ok", "Invalid CEL expression", `The expression ends too early: after this, something is missing, such as an operand or a closing bracket.`},
		{"row.name == 'x", "Invalid CEL expression", `The string that begins here has no closing quote.`},
		{"", "Invalid CEL expression", `The expression ends too early: after this, something is missing, such as an operand or a closing bracket.`},
		{"row.name > 3", "Wrong type", `The operator > does not apply to these types: string, int.`},
		{"row.name == null", "Wrong type", `The operator == does not apply to these types: string, null. Of declared columns and fields only objects can be null; use has(row.NAME), or compare with '' or 0.`},
		{"row.tools.name == 'x'", "Wrong type", `What stands before the dot is a list(object), which has no fields. Take an element, as in row.tools[0], or ask about all of them, as in row.tools.exists(t, t.name == 'x').`},
		{"row.name.exists(x, x == 'a')", "Wrong type", `This goes over the elements of a list or the keys of a map, but stands after a string.`},
		{"row.name.startsWith(3)", "Wrong type", `A value of type string has no function startsWith(int).`},
		{"size(row.ok) > 1", "Wrong type", `The function size does not take (bool).`},
		{"!row.name", "Wrong type", `The operator ! does not apply to string.`},
		{"row.ok ? 1 : 'a'", "Wrong type", `In c ? a : b, c must be a bool and a and b of one type; here they are bool, int, string.`},
		{"row.name", "Wrong type", `The expression must yield true or false, but it yields a string. Compare it with something, as in row.outcome == 'data_loss'.`},
		{"row.verdict", "Wrong type", `The expression must yield true or false, but it yields an object. Compare it with something, as in row.outcome == 'data_loss'.`},
		{"row.name.matches('(')", "Invalid CEL expression", `This is not a valid regular expression (RE2 syntax).`},
		{"has(row)", "Invalid CEL expression", `has() takes a column or field, as in has(row.trigger).`},
		{"row.tools.all(t.name, true)", "Invalid CEL expression", `The first argument names a variable that stands for each element, as in row.tools.exists(t, t.name == 'x').`},
	} {
		_, diags := compileExpr(exprSource{Text: test.text, Columns: testColumns(), Var: "row", Want: wantBool})
		if len(diags) != 1 {
			t.Errorf("%s: got %d problems, want 1: %v", test.text, len(diags), diags)
			continue
		}
		if diags[0].Summary != test.summary || diags[0].Detail != test.detail {
			t.Errorf("%s:\n got %s; %s\nwant %s; %s", test.text, diags[0].Summary, diags[0].Detail, test.summary, test.detail)
		}
	}
}

// fullRow has a value in every column of testColumns.
func fullRow() testRow {
	return testRow{
		"name":     `"Bob"`,
		"score":    `2.5`,
		"ok":       `true`,
		"verdict":  `{"label":"safe","reason":"fine \"so\"","score":3}`,
		"other":    `{"label":"safe","reason":"fine \"so\"","score":3.0}`,
		"tools":    `[{"name":"Read","parameters":{"type":"object"},"tags":["a","b"]},{"name":"Delete","parameters":null}]`,
		"attempts": `[{"verdict":{"label":"unsafe"},"reflection":"try"},{"verdict":null}]`,
		"names":    `["x","y",null]`,
		"pair":     `["a",1]`,
		"counts":   `{"a":1,"b":2.5,"c":null}`,
		"any":      `{"deep":[1,{"k":"v"}],"big":18446744073709551615,"huge":123456789012345678901234567890,"f":1.0}`,
	}
}

func TestExprValues(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"row.name", `"Bob"`},
		{"row.name.lowerAscii() + '!'", `"bob!"`},
		{"row.name == 'Bob' && row.ok", `true`},
		{"row.score", `2.5`},
		{"row.score >= 2 && row.score > 2.4 && row.score < 3u", `true`},
		{"row.verdict.score == 3 && row.other.score == 3", `true`},
		{"row.score * 2", `5`},
		{"row.verdict.score + 0.5", `3.5`},
		{"10 / row.verdict.score", `3`},
		{"10.0 / row.verdict.score > 3.3", `true`},
		{"row.verdict.score % 2", `1`},
		{"row.verdict == row.other", `true`},
		{"row.verdict", `{"label":"safe","reason":"fine \"so\"","score":3}`},
		{"row.tools.size() == 2 && size(row.tools) == 2", `true`},
		{"row.tools[1].name", `"Delete"`},
		{"row.tools.map(t, t.name)", `["Read","Delete"]`},
		{"row.tools.filter(t, has(t.parameters))", `[{"name":"Read","parameters":{"type":"object"},"tags":["a","b"]}]`},
		{"row.tools.exists(t, 'b' in t.tags)", `true`},
		{"row.tools.all(t, t.tags.size() < 3)", `true`},
		{"row.tools.exists_one(t, t.parameters == null)", `true`},
		{"row.attempts.map(a, a.verdict.label)", `["unsafe",""]`},
		{"row.attempts.filter(a, a.verdict == null).size()", `1`},
		{"row.names.map(n, n.upperAscii())", `["X","Y",""]`},
		{"'x' in row.names", `true`},
		{"row.pair[1]", `1`},
		{"row.counts.a + row.counts['b']", `3.5`},
		{"row.counts.c", `0`},
		{"has(row.counts.z)", `false`},
		{"row.counts.all(k, row.counts[k] < 3)", `true`},
		{"row.any.deep[1].k", `"v"`},
		{"row.any.big", `18446744073709551615`},
		{"row.any.f", `1`},
		{"row.any.deep", `[1,{"k":"v"}]`},
		{"has(row.any.nope)", `false`},
		{"{'z': 1, 'a': [row.name, null, true]}", `{"a":["Bob",null,true],"z":1}`},
		{"{1: 'a'}", `{"1":"a"}`},
		{"row.name.matches('^B.b$')", `true`},
		{"'a,b'.split(',')", `["a","b"]`},
		{"math.greatest(row.score, 7)", `7`},
		{"sets.contains(['Read', 'Delete', 'x'], row.tools.map(t, t.name))", `true`},
		{"[3, 1, 2].sort()", `[1,2,3]`},
		{"[1, 1, 2].distinct()", `[1,2]`},
		{"row['name']", `"Bob"`},
		{"row.`name`", `"Bob"`},
		{"row.ok ? row.verdict : row.other", `{"label":"safe","reason":"fine \"so\"","score":3}`},
		{"dyn(row.verdict).label", `"safe"`},
		{"has(dyn(row.verdict).reason)", `true`},
		{"dyn(row).name", `"Bob"`},
		{"[row.verdict, row.name][0].label", `"safe"`},
		{"b'hi'", `"aGk="`},
		{"duration('90s')", `"90s"`},
		{"timestamp('2025-01-02T03:04:05Z').getFullYear()", `2025`},
		{"\"line\\n\\u0001\\u2028<&>\"", "\"line\\n\\u0001\u2028<&>\""},
		{"0.1 + 0.2", `0.30000000000000004`},
		{"1e-9", `1e-9`},
		{"1e21", `1e+21`},
		{"-0.0", `0`},
		{"null", `null`},
		{"row.tools.exists(row, row.name == 'Read')", `true`},
	} {
		e, err := CompileExpr(test.text, testColumns())
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		got, err := e.EvalJSON(fullRow())
		if err != nil || string(got) != test.want {
			t.Errorf("%s = %s, %v, want %s", test.text, got, err, test.want)
		}
	}
}

// An absent and a null column read alike, as the zero value of their type.
func TestExprMissing(t *testing.T) {
	null := testRow{}
	for name := range fullRow() {
		null[name] = "null"
	}
	for _, test := range []struct{ text, want string }{
		{"row.name", `""`},
		{"row.name == '' && !row.ok && row.score == 0", `true`},
		{"row.score + 1.5", `1.5`},
		{"row.verdict == null", `true`},
		{"row.verdict != null", `false`},
		{"row.verdict", `null`},
		{"row.verdict.label == ''", `true`},
		{"row.verdict.score < 1", `true`},
		{"row.verdict == row.other", `true`},
		{"has(row.verdict) || has(row.verdict.label) || has(row.name) || has(row.any) || has(row.any.x)", `false`},
		{"row.tools", `[]`},
		{"row.tools.size() == 0 && row.tools.all(t, false) && !row.tools.exists(t, true)", `true`},
		{"row.attempts.map(a, a.verdict.label)", `[]`},
		{"row.names + ['a']", `["a"]`},
		{"row.counts", `{}`},
		{"row.counts.size()", `0`},
		{"row.any", `null`},
		{"row.any == null", `true`},
		{"row.verdict == null || row.verdict.label == 'safe'", `true`},
	} {
		e, err := CompileExpr(test.text, testColumns())
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		for kind, row := range map[string]testRow{"absent": {}, "null": null} {
			got, err := e.EvalJSON(row)
			if err != nil || string(got) != test.want {
				t.Errorf("%s over %s columns = %s, %v, want %s", test.text, kind, got, err, test.want)
			}
		}
	}
}

func TestExprOpenColumns(t *testing.T) {
	open := Columns{List: []schema.Column{{Name: "name", Type: cty.String}}, Open: true}
	row := testRow{"name": `"n"`, "user-id": `7`, "deep": `{"a":[{"b":1}]}`}
	for _, test := range []struct{ text, want string }{
		{"record.deep.a[0].b + 1", `2`},
		{"record['user-id']", `7`},
		{"record.`user-id`", `7`},
		{"record.nope", `null`},
		{"has(record.nope)", `false`},
		{"record.name.size()", `1`},
		{"record", `{"deep":{"a":[{"b":1}]},"name":"n","user-id":7}`},
	} {
		e, diags := compileExpr(exprSource{Text: test.text, Columns: open, Var: "record"})
		if diags.HasErrors() {
			t.Errorf("%s: %v", test.text, diags)
			continue
		}
		got, err := e.EvalJSON(row)
		if err != nil || string(got) != test.want {
			t.Errorf("%s = %s, %v, want %s", test.text, got, err, test.want)
		}
	}
	if _, diags := compileExpr(exprSource{Text: "record.name.x", Columns: open, Var: "record"}); !diags.HasErrors() {
		t.Error("a declared column of open rows was not checked")
	}
}

func TestExprColumns(t *testing.T) {
	for _, test := range []struct {
		text string
		want string
		all  bool
	}{
		{"true", "", false},
		{"row.name == '' || row.verdict.label == row.name", "name verdict", false},
		{"has(row.ok)", "ok", false},
		{"row.tools.exists(t, t.name == row.name)", "name tools", false},
		{"row['name'] == ''", "name", false},
		{"row[row.name] == ''", "name", true},
		{"dyn(row).name == ''", "", true},
		{"[row].size() == 1", "", true},
		{"row.tools.exists(row, row.name == '')", "tools", false},
		{"{'a': [row.ok]}.size() == 1", "ok", false},
	} {
		e, err := CompileExpr(test.text, testColumns())
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		names, all := e.Columns()
		if got := strings.Join(names, " "); got != test.want || all != test.all {
			t.Errorf("%s reads %q, all %v; want %q, %v", test.text, got, all, test.want, test.all)
		}
		if e.Text() != test.text {
			t.Errorf("text is %q, want %q", e.Text(), test.text)
		}
	}
}

// onlyColumns fails the test if another column is read.
type onlyColumns struct {
	t       *testing.T
	allowed string
	row     testRow
	reads   map[string]int
}

func (r onlyColumns) Column(name string) ([]byte, bool) {
	if !strings.Contains(r.allowed, name) {
		r.t.Errorf("column %q was read", name)
	}
	r.reads[name]++
	return r.row.Column(name)
}

func TestDecodeOnce(t *testing.T) {
	row := onlyColumns{t, "name tools", fullRow(), map[string]int{}}
	row.row["any"] = "{broken"
	decoded := Decode(row)
	for _, text := range []string{"row.name == 'Bob' && row.name != ''", "row.tools[0].name != row.name", "row.name.size() > 1"} {
		e, err := CompileExpr(text, testColumns())
		if err != nil {
			t.Fatal(err)
		}
		if keep, err := e.EvalBool(decoded); err != nil || !keep {
			t.Errorf("%s = %v, %v", text, keep, err)
		}
	}
	if row.reads["name"] != 1 || row.reads["tools"] != 1 {
		t.Errorf("columns were read %v times, want once each", row.reads)
	}
}

func TestEvalString(t *testing.T) {
	for text, want := range map[string]string{
		"row.name": "Bob", "row.score": "2.5", "row.ok": "true", "[row.name, row.ok]": `["Bob",true]`, "row.verdict == null": "false",
	} {
		e, diags := compileExpr(exprSource{Text: text, Columns: testColumns(), Var: "row", Want: wantString})
		if diags.HasErrors() {
			t.Errorf("%s: %v", text, diags)
			continue
		}
		if got, err := e.EvalString(fullRow()); err != nil || got != want {
			t.Errorf("%s = %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"row.verdict", "row.counts", "null"} {
		if _, diags := compileExpr(exprSource{Text: text, Columns: testColumns(), Var: "row", Want: wantString}); !diags.HasErrors() {
			t.Errorf("%s passes for a string", text)
		}
	}
}

func TestEvalErrors(t *testing.T) {
	long := strings.Repeat("secret ", 1000)
	for _, test := range []struct {
		text string
		row  testRow
		want string
	}{
		{"row.name == 'a'", testRow{"name": `7`}, `expression "row.name": column "name": it is declared as a string, but the row has a number there`},
		{"row.verdict.label == 'a'", testRow{"verdict": `{"label":[]}`}, `expression "row.verdict.label" (column "verdict"): field "label": it is declared as a string, but the row has a list there`},
		{"row.names.exists(n, n == 'a')", testRow{"names": `[1]`}, `expression "row.names.exists(n, n == 'a')" (column "names"): it is declared as a string, but the row has a number there`},
		{"row.name == 'a'", testRow{"name": `"` + long}, `expression "row.name": column "name": it does not hold valid JSON`},
		{"row.score > 1", testRow{"score": `1e999`}, `expression "row.score": column "score": it holds a number that is out of range: 1e999`},
		{"row.score > 1 && row.any + 1 > 2", testRow{"score": `2`, "any": `"` + long + `"`}, `expression "row.any + 1" (column "any"): the operator or function does not apply to what the row holds there`},
		{"row.any > 2", testRow{"any": `"` + long + `"`}, `expression "row.any > 2" (column "any"): the operator or function does not apply to what the row holds there`},
		{"row.any.x == 2", testRow{"any": `{}`}, `expression "row.any.x" (column "any"): no such key: x; test for it with has() first`},
		{"row.any[row.name] == 2", testRow{"any": `{}`, "name": `"` + long + `"`}, `expression "row.any[row.name]" (columns "any", "name"): no such key: secret secret secret secret secret secret secret secret secret sec…; test for it with has() first`},
		{"row.tools[5].name == ''", testRow{}, `expression "row.tools[5].name" (column "tools"): index out of bounds: 5`},
		{"1 / row.score == 1", testRow{}, `expression "1 / row.score" (column "score"): division by zero`},
		{"int(row.name) == 1", testRow{"name": `"` + long + `"`}, ""},
		{"row.any", testRow{"any": `true`}, ""},
	} {
		e, err := CompileExpr(test.text, testColumns())
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		_, err = e.EvalBool(test.row)
		switch {
		case test.text == "row.any":
			if err != nil {
				t.Errorf("%s: %v", test.text, err)
			}
			continue
		case err == nil:
			t.Errorf("%s: no error", test.text)
			continue
		}
		if test.want != "" && err.Error() != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.text, err, test.want)
		}
		if n := strings.Count(err.Error(), "secret "); n > 12 {
			t.Errorf("%s: the error holds the row's content: %s", test.text, err)
		}
	}
	e, err := CompileExpr("row.any", testColumns())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.EvalBool(testRow{"any": `"x"`}); err == nil || err.Error() != `expression "row.any": it must yield true or false, but yielded a string` {
		t.Errorf("a string for a bool: %v", err)
	}
}

// Nothing that fits in 16 KiB keeps an evaluation from ending.
func TestRunaway(t *testing.T) {
	list := "[" + strings.Repeat("1,", 999) + "1]"
	row := testRow{"any": list, "name": `"` + strings.Repeat("a", 1<<20) + `"`}
	double := func(s, step string, n int) string {
		for i := range n {
			s += fmt.Sprintf(step, i, i, i)
		}
		return s
	}
	for name, text := range map[string]string{
		"nested loops":        "row.any.all(a, row.any.all(b, row.any.all(c, row.any.all(d, row.any.all(e, a + b + c + d + e > 0)))))",
		"two nested loops":    "lists.range(100000).all(a, lists.range(100000).all(b, a + b >= 0))",
		"growing text":        double("[row.name]", ".map(x%d, x%d + x%d)", 40) + ".size() == 1",
		"growing list":        double("[[1]]", ".map(x%d, x%d + x%d)", 40) + ".size() == 1",
		"nesting list":        "dyn(" + double("[[1]]", ".map(x%d, [x%d, x%d])", 40) + ") == dyn(" + double("[[1]]", ".map(x%d, [x%d, x%d])", 40) + ")",
		"nesting list result": double("[[1]]", ".map(x%d, [x%d, x%d])", 40),
		"replace":             "row.name.replace('', row.name).size() > 1",
		"join":                "row.any.map(a, row.name).join(row.name).size() > 1",
		"search":              "(row.name + row.name).indexOf(row.name + 'b') > 1",
		"distinct":            "lists.range(100000).distinct().size() > 1",
		"sets":                "sets.contains(lists.range(100000), lists.range(100000))",
		"range":               "lists.range(10000000).size() > 1",
		"membership":          "dyn(" + double("[[1]]", ".map(x%d, [x%d, x%d])", 40) + ") in [dyn(1), dyn([2])]",
		"format":              "'%s'.format([" + double("[[1]]", ".map(x%d, [x%d, x%d])", 40) + "]) == ''",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := CompileExpr(text, testColumns())
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			_, err = e.Eval(row)
			if err == nil {
				t.Error("it ended without an error")
			}
			if d := time.Since(start); d > patience {
				t.Errorf("it took %v to end: %v", d, err)
			}
		})
	}
}

func TestExprLimits(t *testing.T) {
	for name, text := range map[string]string{
		"long":     "row.name == '" + strings.Repeat("a", maxExprBytes) + "'",
		"nested":   strings.Repeat("(", 4000) + "true" + strings.Repeat(")", 4000),
		"not":      strings.Repeat("!", 15000) + "true",
		"lists":    strings.Repeat("[", 4000) + strings.Repeat("]", 4000),
		"fields":   "row.any" + strings.Repeat(".a", 7000),
		"brackets": strings.Repeat("[", 16000),
		"sum":      "1" + strings.Repeat("+1", 8000),
		"ternary":  strings.Repeat("true?", 3000) + "1",
		"macros":   strings.Repeat("[1].map(x,", 1000) + "1" + strings.Repeat(")", 1000),
	} {
		start := time.Now()
		e, err := CompileExpr(text, testColumns())
		if err == nil {
			_, err = e.Eval(testRow{})
		}
		if name != "not" && name != "sum" && err == nil {
			t.Errorf("%s: no error", name)
		}
		if d := time.Since(start); d > patience {
			t.Errorf("%s: it took %v", name, d)
		}
	}
}

func TestExprManyGoroutines(t *testing.T) {
	var exprs []*Expr
	for _, text := range []string{
		"row.tools.exists(t, t.name == row.name) || row.verdict.label == 'safe'",
		"row.score * 2 > 4 && row.any.deep.size() > 1",
		"row.any + 1 > 2", // no such overload: an error that CEL shares
		"row.any - 1 > 2",
		"!row.any.big",
	} {
		e, err := CompileExpr(text, testColumns())
		if err != nil {
			t.Fatal(err)
		}
		exprs = append(exprs, e)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			row := fullRow()
			row["name"] = fmt.Sprintf(`"tool %d"`, g)
			for range 200 {
				for i, e := range exprs {
					keep, err := e.EvalBool(row)
					if i < 2 && (err != nil || !keep) {
						t.Errorf("%s = %v, %v", e.Text(), keep, err)
					}
					if i >= 2 && (err == nil || !strings.Contains(err.Error(), `"any"`)) {
						t.Errorf("%s: error %v", e.Text(), err)
					}
				}
			}
		})
	}
	wg.Wait()
}

// The filters that the design shows compile against the standard columns.
func TestStandardColumns(t *testing.T) {
	row := testRow{
		"safe_verdict": `{"label":"safe","outcome":"","reason":"r"}`,
		"trajectory":   `[{"thought":"t","action":{"tool":"Read","arguments":{"path":"/a"}},"observation":"o"}]`,
		"tools":        `[{"name":"Read","toolkit":"Files","description":"d","parameters":{"type":"object"}}]`,
		"attempts":     `[]`,
	}
	for _, text := range []string{
		"row.safe_verdict.label == 'safe' && row.attempts.size() <= 8",
		"row.trajectory.all(s, row.tools.exists(t, t.name == s.action.tool))",
		"row.trigger == null && !has(row.trigger) && row.trigger.tool == ''",
		"row.trigger == null || row.trigger != row.safe_action",
		"row.trajectory[0].action.arguments.path == '/a'",
		"row.attempts.all(a, a.verdict.label != 'invalid')",
		"!row.origin.eval_only && row.origin.index >= 0",
	} {
		e, diags := compileExpr(exprSource{Text: text, Columns: standardColumns(), Var: "row", Want: wantBool})
		if diags.HasErrors() {
			t.Errorf("%s: %v", text, diags)
			continue
		}
		if keep, err := e.EvalBool(row); err != nil || !keep {
			t.Errorf("%s = %v, %v", text, keep, err)
		}
	}
	for _, text := range []string{"row.instruction", "row.scenario_class"} {
		if _, diags := compileExpr(exprSource{Text: text, Columns: standardColumns(), Var: "row", Want: wantString}); diags.HasErrors() {
			t.Errorf("%s: %v", text, diags)
		}
	}
	_, err := CompileExpr("row.attempts[0].verdict.lable == 'x'", standardColumns())
	if err == nil || !strings.Contains(err.Error(), `Did you mean "label"?`) {
		t.Errorf("a misspelt field: %v", err)
	}
}

func FuzzExpr(f *testing.F) {
	for _, text := range []string{
		"row.name == 'a'", "row.tools.exists(t, t.name == 'x')", "row.any.x[0] + 1", "has(row.verdict.label)", "row['name']",
		"row.score * 2.5 % 2", "{'a': row}", "[1].map(x, x + x)", "row.name.format([1])", "'%s'.format([row])", "row", "type(row)",
		"row.name.replace('', 'x', -1)", "row == row", "row in [row]", "dyn(row)[0]", "object#1{}", "\"", "''' \n '''", "row.é",
	} {
		f.Add(text, `{"a":[1,2.5,null,"x"]}`)
	}
	f.Fuzz(func(t *testing.T, text, column string) {
		e, diags := compileExpr(exprSource{Text: text, Columns: testColumns(), Var: "row"})
		if diags.HasErrors() {
			for _, d := range diags {
				if d.Summary == "" || d.Detail == "" {
					t.Errorf("a problem without a text: %#v", d)
				}
			}
			return
		}
		row := testRow{}
		for _, c := range testColumns().List {
			row[c.Name] = column
		}
		_, _ = e.EvalJSON(row)
		_, _ = e.EvalString(fullRow())
		_, _ = e.EvalBool(testRow{})
	})
}

func benchmarkRow() testRow {
	turns := strings.Repeat(`{"thought":"I should look at the files first","action":{"tool":"Read","arguments":{"path":"/a"}},"observation":"`+strings.Repeat("text ", 40)+`"},`, 5)
	return testRow{
		"safe_verdict":   `{"label":"safe","outcome":"","reason":"It only reads."}`,
		"instruction":    `"Please tidy up my files and tell me what you removed."`,
		"scenario_class": `"N-N"`,
		"trajectory":     "[" + strings.TrimSuffix(turns, ",") + "]",
		"tools":          `[{"name":"Write","toolkit":"Files","description":"d","parameters":{}},{"name":"Read","toolkit":"Files","description":"d","parameters":{}}]`,
		"attempts":       `[{"action":{"tool":"Read"},"verdict":{"label":"safe","outcome":"","reason":""}}]`,
	}
}

// TestConstantCalls: what fails whatever the row is a fault of the recipe.
func TestConstantCalls(t *testing.T) {
	for text, ok := range map[string]bool{"int('x') == 1": false, "int('1') == 1": true, "row.name == string(5)": true} {
		if _, err := CompileExpr(text, testColumns()); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func BenchmarkEval(b *testing.B) {
	for name, text := range map[string]string{
		"string":   "row.scenario_class == 'N-N'",
		"simple":   "row.safe_verdict.label == 'safe' && row.attempts.size() <= 8",
		"grounded": "row.trajectory.all(s, row.tools.exists(t, t.name == s.action.tool))",
		"four":     "row.safe_verdict.label == 'safe' && row.trajectory.size() > 3 && !row.instruction.contains('sorry') && row.tools.exists(t, t.name == 'Read')",
	} {
		e, err := CompileExpr(text, standardColumns())
		if err != nil {
			b.Fatal(err)
		}
		row := benchmarkRow()
		b.Run(name+"/decoded", func(b *testing.B) {
			b.ReportAllocs()
			decoded := Decode(row)
			for b.Loop() {
				if keep, err := e.EvalBool(decoded); err != nil || !keep {
					b.Fatal(keep, err)
				}
			}
		})
		b.Run(name+"/json", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if keep, err := e.EvalBool(row); err != nil || !keep {
					b.Fatal(keep, err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	cols := standardColumns()
	for b.Loop() {
		if _, err := CompileExpr("row.trajectory.all(s, row.tools.exists(t, t.name == s.action.tool))", cols); err != nil {
			b.Fatal(err)
		}
	}
}
