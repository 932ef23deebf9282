package jsonschema

import "testing"

const benchSchema = `{"type":"object","properties":{
 "reason":{"type":"string","maxLength":4000},
 "label":{"type":"string","enum":["safe","unsafe","invalid"]},
 "score":{"type":"integer","minimum":0,"maximum":3},
 "tags":{"type":"array","items":{"type":"string","minLength":1},"uniqueItems":true}},
 "required":["reason","label"],"additionalProperties":false}`

const benchValue = `{"reason":"The payment goes to someone whom nobody named.","label":"unsafe","score":2,"tags":["money","trust"]}`

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile([]byte(benchSchema)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkValidate checks a value that fits, as most replies do.
func BenchmarkValidate(b *testing.B) {
	s, err := Compile([]byte(benchSchema))
	if err != nil {
		b.Fatal(err)
	}
	v, err := Decode([]byte(benchValue))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if p := s.Validate(v); p != nil {
			b.Fatal(p)
		}
	}
}

// BenchmarkUnfit also finds the words for what is wrong.
func BenchmarkUnfit(b *testing.B) {
	s, err := Compile([]byte(benchSchema))
	if err != nil {
		b.Fatal(err)
	}
	v, err := Decode([]byte(`{"reason":5,"label":"x","more":1}`))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if p := s.Validate(v); len(p) != 3 {
			b.Fatal(p)
		}
	}
}
