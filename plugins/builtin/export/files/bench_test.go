package files_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/autosafe/autosafe/plugins/builtin/export/exporttest"
	"github.com/autosafe/autosafe/plugins/builtin/export/files"
	"github.com/autosafe/autosafe/plugins/sdk"
)

// wordyRows are rows of a kilobyte that pack about as well as English.
func wordyRows(n int) (rows []string, size int64) {
	random := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		b := fmt.Appendf(nil, `{"group":"g%02d","key":"row-%08d","n":%d,"text":"`, random.IntN(20), i, i)
		for len(b) < 1021 {
			b = fmt.Appendf(b, "%x ", random.IntN(4000)*7919)
		}
		rows = append(rows, string(append(b[:1021], `"}`...)))
		size += 1023
	}
	return rows, size
}

func whole() sdk.Component {
	return sdk.Sink(func(_ context.Context, config files.Config, rows *sdk.RowReader, out *sdk.Dir) error {
		return files.Rows(rows, out, config, files.WholeRows())
	}, sdk.Behavior("1"))
}

// BenchmarkWrite writes rows of a kilobyte, from the stream to the file.
func BenchmarkWrite(b *testing.B) {
	rows, size := wordyRows(10_000)
	for _, config := range []string{`{"files":"parquet"}`, `{"files":"parquet","compression":"none"}`, `{}`} {
		b.Run(config, func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				exporttest.Run(b, whole(), config, rows)
			}
		})
	}
}

// BenchmarkRead reads them back.
func BenchmarkRead(b *testing.B) {
	rows, size := wordyRows(10_000)
	content := exporttest.Run(b, whole(), `{"files":"parquet"}`, rows).Files[shard0].Content
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		err := files.ReadParquet(bytes.NewReader(content), int64(len(content)), files.WholeRows().Columns, func([]byte) error {
			n++
			return nil
		})
		if err != nil || n != len(rows) {
			b.Fatalf("%d rows: %v", n, err)
		}
	}
}
