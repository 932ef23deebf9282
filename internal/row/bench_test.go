package row

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// benchRows are rows of about 1 KB as people write them: spaces, keys in any
// order, text with escapes and letters beyond ASCII, nested objects, numbers.
func benchRows(n int) [][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields(`transfer the balance before invoice café is due \"urgent\" naïve.\n review permission granted timeout retry`)
	text := func(size int) string {
		var b strings.Builder
		for b.Len() < size {
			b.WriteString(words[rng.IntN(len(words))])
			b.WriteByte(' ')
		}
		return b.String()
	}
	rows := make([][]byte, n)
	for i := range rows {
		var steps []string
		for range 3 {
			steps = append(steps, fmt.Sprintf(`{"thought": "%s", "action": {"tool": "Tool%d", "arguments": {"amount": %d.50, "to": "acc-%d"}}, "observation": "%s"}`,
				text(40), rng.IntN(50), rng.IntN(1000), rng.IntN(1000), text(40)))
		}
		rows[i] = fmt.Appendf(nil, `{"id": "case-%07d", "instruction": "%s", "domain": "finance", "score": %v, "n": %d, "ok": true, "tags": ["one", "two"], "trajectory": [%s], "notes": "%s"}`,
			i, text(170), rng.Float64(), rng.IntN(100), strings.Join(steps, ", "), text(200))
	}
	return rows
}

func perRow(b *testing.B, rows [][]byte, f func(row []byte) error) {
	b.Helper()
	size := 0
	for _, r := range rows {
		size += len(r)
	}
	b.SetBytes(int64(size / len(rows)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := f(rows[i%len(rows)]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParse is a row as a source sends it: checked, made canonical and
// split.
func BenchmarkParse(b *testing.B) {
	var p Parser
	perRow(b, benchRows(256), func(text []byte) error {
		_, err := p.Parse(text)
		return err
	})
}

// BenchmarkParseCanonical is Parse of what is canonical already.
func BenchmarkParseCanonical(b *testing.B) {
	var p Parser
	perRow(b, canonicalRows(b), func(text []byte) error {
		_, err := p.Parse(text)
		return err
	})
}

// BenchmarkSplit is a row read back from the cache.
func BenchmarkSplit(b *testing.B) {
	var p Parser
	perRow(b, canonicalRows(b), func(text []byte) error {
		_, err := p.FromCanonical(text)
		return err
	})
}

// BenchmarkMerge is a row that a judge adds a column to, in one piece.
func BenchmarkMerge(b *testing.B) {
	over, err := Parse([]byte(`{"quality":{"reason":"because","score":3}}`))
	if err != nil {
		b.Fatal(err)
	}
	perRow(b, canonicalRows(b), func(text []byte) error {
		r, err := FromCanonical(text)
		r.Merge(over).Whole().Digest()
		return err
	})
}

func canonicalRows(b *testing.B) [][]byte {
	b.Helper()
	rows := benchRows(256)
	for i := range rows {
		c, err := Canonical(rows[i])
		if err != nil {
			b.Fatal(err)
		}
		rows[i] = c
	}
	return rows
}
