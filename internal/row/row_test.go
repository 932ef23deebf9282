package row

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestCanonical(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{}`, `{}`},
		{` { "b" : 1 , "a" : [ 1.0 , 2.50, -0, 1e3, 1E-7 ] } `, `{"a":[1,2.5,0,1000,1e-7],"b":1}`},
		{`{"a":1,"a":2}`, `{"a":2}`},
		{`{"b":{"d":1,"c":2},"a":null}`, `{"a":null,"b":{"c":2,"d":1}}`},
		{`"\u00e9\/\u0041\ud83d\ude00\u001f"`, `"é/A😀\u001f"`},
		{`"\ud800"`, `"` + "\uFFFD" + `"`},
		{`"<&>` + "\u2028" + `"`, `"<&>` + "\u2028" + `"`},
		{`12345678901234567890123`, `12345678901234567890123`},
		{`[true,false,null]`, `[true,false,null]`},
	} {
		got, err := Canonical([]byte(c.in))
		if err != nil || string(got) != c.want {
			t.Errorf("Canonical(%s) = %s, %v; want %s", c.in, got, err, c.want)
		}
	}
}

func TestCanonicalRefuses(t *testing.T) {
	deep := make([]byte, 3000)
	for i := range deep {
		deep[i] = '['
	}
	for _, in := range []string{"", "{", `{"a"}`, `{"a":}`, `{"a":1,}`, `[1,]`, `01`, `1.`, `-`, `"\x"`, `"a`, "\"\n\"",
		`{} {}`, `nul`, `1e999`, `{a:1}`, `"\u12"`, string(deep)} {
		if got, err := Canonical([]byte(in)); err == nil {
			t.Errorf("Canonical(%.20q) = %s, want an error", in, got)
		}
	}
}

func TestRow(t *testing.T) {
	r, err := Parse([]byte(`{"b":{"y":1,"x":"}"},"a":"q\"","c":[1,{"z":2}]}`))
	if err != nil {
		t.Fatal(err)
	}
	over, _ := Parse([]byte(`{"c":3,"d":4}`))
	for _, c := range []struct {
		got  Row
		want string
	}{
		{r, `{"a":"q\"","b":{"x":"}","y":1},"c":[1,{"z":2}]}`},
		{r.Merge(over), `{"a":"q\"","b":{"x":"}","y":1},"c":3,"d":4}`},
		{r.Project([]string{"a", "c", "x"}), `{"a":"q\"","c":[1,{"z":2}]}`},
		{r.Without("b").WithString("id", "x\n"), `{"a":"q\"","c":[1,{"z":2}],"id":"x\n"}`},
		{over.Rename("c", "z"), `{"d":4,"z":3}`},
		{Row{}, `{}`},
	} {
		if string(c.got.Bytes()) != c.want {
			t.Errorf("got %s, want %s", c.got.Bytes(), c.want)
		}
	}
	if r.String("a") != `q"` || r.String("c") != "" {
		t.Error("String")
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{`{"b":[1,2.5e7,{"x":"\u0041"}],"a":null}`, `[[]]`, `"\ud83d\ude00"`, `-0.0`, `{"a":1,"a":2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var want any
		valid := json.Unmarshal(in, &want) == nil
		got, err := Canonical(in)
		if err == nil && !valid {
			t.Fatalf("accepted what encoding/json refuses: %q", in)
		}
		if err != nil {
			return
		}
		var back any
		if err := json.Unmarshal(got, &back); err != nil || !reflect.DeepEqual(want, back) {
			t.Fatalf("%q became %q: %v", in, got, err)
		}
		again, err := Canonical(got)
		if err != nil || string(again) != string(got) {
			t.Fatalf("not idempotent: %q then %q", got, again)
		}
		r, err := FromCanonical(got)
		if got[0] != '{' {
			if err == nil {
				t.Fatalf("%q taken for an object", got)
			}
			return
		}
		if err != nil || string(r.Bytes()) != string(got) {
			t.Fatalf("%q split and joined is %q: %v", got, r.Bytes(), err)
		}
	})
}

// TestShared holds rows to sharing no memory that an append could reach.
func TestShared(t *testing.T) {
	var p Parser
	for _, text := range []string{`{}`, `{"a":1}`, `{ "b" : [1, 2.0], "a":"x\n" }`} {
		r, err := p.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []Row{r, r.With("c", []byte("3")).Whole()} {
			want := string(r.Bytes())
			_ = append(r.Bytes(), "!!"...)
			for _, json := range r.All() {
				_ = append(json, "!!"...)
			}
			if got := string(r.Bytes()); got != want || cap(r.Bytes()) != len(want) {
				t.Errorf("%s became %s", want, got)
			}
		}
	}
}
