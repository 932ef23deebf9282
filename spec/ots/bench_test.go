package ots_test

import (
	"encoding/json"
	"testing"

	"github.com/autosafe/autosafe/spec/ots"
)

// BenchmarkCheckArguments checks one call of a tool, which reads the tool's
// schema too.
func BenchmarkCheckArguments(b *testing.B) {
	var r ots.Row
	if err := json.Unmarshal([]byte(goodRow), &r); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if p := ots.CheckArguments(r.Tools[0].Parameters, r.Trigger.Arguments); p != nil {
			b.Fatal(p)
		}
	}
}

// BenchmarkCheckRow checks a row that is read already.
func BenchmarkCheckRow(b *testing.B) {
	var r ots.Row
	if err := json.Unmarshal([]byte(goodRow), &r); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if p := r.Check(); p != nil {
			b.Fatal(p)
		}
	}
}
