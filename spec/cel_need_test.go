package spec

import (
	"reflect"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

// needRow has values of every shape under names that also occur elsewhere.
func needRow() testRow {
	return testRow{
		"id":    `"r1"`,
		"list":  `[{"a":{"b":1,"c":"x"},"d":[1,2]},{"a":{"b":2,"c":"y","a":3},"e":null},{"a":{"b":3}}]`,
		"obj":   `{"a":{"b":1,"c":2},"b":{"a":5},"list":[{"a":1,"b":2},{"a":3,"b":4}]}`,
		"mixed": `[{"a":1},"text",7,null,[{"a":2,"b":3}]]`,
		"flat":  `{"x":1,"y":"two","z":[3]}`,
	}
}

// needColumns declares some of them.
func needColumns() Columns {
	ab := cty.Object(map[string]cty.Type{"a": cty.Number, "b": cty.Number})
	return Columns{List: []schema.Column{
		{Name: "id", Type: cty.String},
		{Name: "list", Type: cty.List(cty.Object(map[string]cty.Type{
			"a": cty.Object(map[string]cty.Type{"a": cty.Number, "b": cty.Number, "c": cty.String}),
			"d": cty.List(cty.Number), "e": cty.String,
		}))},
		{Name: "obj", Type: cty.Object(map[string]cty.Type{"a": ab, "b": ab, "list": cty.List(ab)})},
		{Name: "mixed", Type: cty.List(cty.DynamicPseudoType)},
		{Name: "flat", Type: cty.Map(cty.DynamicPseudoType)},
	}}
}

// TestNeeds holds expressions to the same values and errors whether a row is
// decoded whole or in the parts that they read.
func TestNeeds(t *testing.T) {
	for _, c := range []struct {
		text string
		less bool // some part of the row is passed over
	}{
		{"row.list.all(s, s.a.b > 0)", true},
		{"row.list.exists(s, has(s.e))", true},
		{"row.list.exists(s, has(s.a.a))", true},
		{"row.list[1].a.c == 'y'", true},
		{"row['list'][1]['a']['c']", true},
		{"row.list.map(s, s.a.b)", true},
		{"row.list.map(s, s.a)", true},
		{"row.list.filter(s, s.a.b > 1)", false},
		{"row.list.map(s, s)", false},
		{"row.list.size()", false},
		{"row.list", false},
		{"row.list[0]", false},
		{"row.list[row.list.size() - 1].a.b", false},
		{"row.obj.a.b + row.obj.b.a", true},
		{"row.obj.list.all(x, x.a > row.obj.a.b - 1)", true},
		{"row.obj.list.map(x, row.obj.list.exists(y, y.b == x.a + 1))", true},
		{"row.obj.all(k, k != 'zzz')", false}, // its keys
		{"row.obj.exists(k, k == 'list')", false},
		{"'b' in row.obj && row.obj.a.b == 1", false},
		{"row.obj == row.obj && row.obj.a.b == 1", false},
		{"has(row.obj.a.c) ? row.obj.a : row.obj.b", true},
		{"row.flat.map(k, row.flat[k])", false},
		{"row.flat.x", true},
		{"{'o': row.obj.a}", true},
		{"[row.obj.b, row.flat.x]", true},
		{"row.mixed.filter(m, type(m) == map).map(m, m.a)", false},
		{"row.mixed.exists(m, m.a == 2)", false}, // fails for the text in it
		{"row.mixed[4].all(m, m.a == 2)", true},
		{"row.list.exists(row, row.a.b == 2)", true}, // the loop's row
		{"row.obj.a.missing", true},
		{"row.list.all(s, s.a.b.c > 0)", true},
		{"row.id + row.flat.y", true},
		{"row", false},
	} {
		for i, cols := range []Columns{{Open: true}, needColumns()} {
			e, err := CompileExpr(c.text, cols)
			if err != nil {
				if i == 0 {
					t.Errorf("%s: %v", c.text, err)
				}
				continue // not what was declared
			}
			whole := *e
			whole.needs = nil
			got, gotErr := e.Eval(needRow())
			want, wantErr := whole.Eval(needRow())
			if !reflect.DeepEqual(got, want) || (gotErr == nil) != (wantErr == nil) || gotErr != nil && gotErr.Error() != wantErr.Error() {
				t.Errorf("%s = %v, %v; want %v, %v", c.text, got, gotErr, want, wantErr)
			}
			if less := passesOver(e, needRow()); less != c.less && i == 0 {
				t.Errorf("%s passes over a part of the row: %v, want %v", c.text, less, c.less)
			}
		}
	}
}

// passesOver says whether an expression's needs leave anything out of the
// columns that it reads.
func passesOver(e *Expr, row testRow) bool {
	names, _ := e.Columns()
	for _, name := range names {
		b, _ := row.Column(name)
		all, err := decodeNeeded(b, nil)
		some, needErr := decodeNeeded(b, e.needs[name])
		if err == nil && needErr == nil && !reflect.DeepEqual(all, some) {
			return true
		}
	}
	return false
}

// Two expressions over one decoded row each get what they need.
func TestNeedsShared(t *testing.T) {
	row := Decode(needRow())
	for _, text := range []string{"row.obj.a.b == 1", "row.obj.b.a == 5", "row.obj.size() == 3", "row.obj.a.c == 2", "row.obj.a.b == 1"} {
		e, err := CompileExpr(text, Columns{Open: true})
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := e.EvalBool(row); err != nil || !ok {
			t.Errorf("%s: %v, %v", text, ok, err)
		}
	}
}

// FuzzSkip refuses the same texts whether they are looked at or passed over.
func FuzzSkip(f *testing.F) {
	for _, s := range []string{`{"a":[1,{"b":"\u0041"}],"c":null}`, `{"a":tru}`, `{"a":"\x"}`, `{"a":01}`, `{"a":{"b":[1,]}}`, `{"a":1e999}`, `{"a"`, "{\"a\":\"\n\"}"} {
		f.Add([]byte(s))
	}
	nothing := &need{fields: map[string]*need{"no such field": {}}}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, want := decodeNeeded(b, nil)
		if _, err := decodeNeeded(b, nothing); (err == nil) != (want == nil) {
			t.Errorf("%q: %v, want %v", b, err, want)
		}
	})
}

// TestMapOrder goes through objects in order of their keys, every time.
func TestMapOrder(t *testing.T) {
	row := testRow{"m": `{"z":1,"a":{"y":1,"b":2},"k":3,"c":4,"x":5,"d":6}`}
	for text, want := range map[string]string{
		"row.m.map(k, k)":                `["a","c","d","k","x","z"]`,
		"row.m.a.map(k, k)":              `["b","y"]`,
		"row.m.filter(k, k > 'b')":       `["c","d","k","x","z"]`,
		"[row.m].map(m, m.map(k, m[k]))": `[[{"b":2,"y":1},4,6,3,5,1]]`,
	} {
		for _, cols := range []Columns{{Open: true}, {List: []schema.Column{{Name: "m", Type: cty.Map(cty.DynamicPseudoType)}}}} {
			e, err := CompileExpr(text, cols)
			if err != nil {
				t.Fatal(err)
			}
			for range 5 {
				if got, err := e.EvalJSON(row); err != nil || string(got) != want {
					t.Errorf("%s = %s, %v; want %s", text, got, err, want)
				}
			}
		}
	}
}
