package pluginhost

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/plugins/sdk/transport"
	"github.com/autosafe/autosafe/spec/schema"
)

// BenchmarkStartContained measures a third party's process from nothing to
// its connection, contained and not.
func BenchmarkStartContained(b *testing.B) {
	for _, mode := range []Sandbox{SandboxOff, SandboxAuto} {
		b.Run(string(mode), func(b *testing.B) {
			ref := install(b, b.TempDir(), "acme")
			for b.Loop() {
				h := newHost(b, func(o *Options) { o.Sandbox = mode })
				if _, err := h.process(context.Background(), ref); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := h.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

// BenchmarkRowsContained measures rows of 1 KB through a third party's
// component, contained and not.
func BenchmarkRowsContained(b *testing.B) {
	for _, mode := range []Sandbox{SandboxOff, SandboxAuto} {
		b.Run(string(mode), func(b *testing.B) {
			h := newHost(b, func(o *Options) { o.Sandbox = mode })
			run, err := h.Start(context.Background(), engine.RunSpec{
				Address: "bench", Plugin: install(b, b.TempDir(), "acme"), Role: schema.Simulator, Component: "echo",
			})
			if err != nil {
				b.Fatal(err)
			}
			defer run.Close()
			row := fmt.Appendf(nil, `{"text":%q}`, strings.Repeat("x", 1000))
			b.SetBytes(int64(len(row)))
			b.ResetTimer()
			go func() {
				const batch = transport.BatchRows
				for seq := 0; seq < b.N; seq += batch {
					tasks := make([]engine.Task, min(batch, b.N-seq))
					for i := range tasks {
						tasks[i] = engine.Task{Seq: uint64(seq + i), Row: row}
					}
					if run.Send(tasks) != nil {
						return // Recv tells
					}
				}
				_ = run.CloseSend() // Recv tells
			}()
			for n := 0; ; {
				ev, err := run.Recv()
				if err == io.EOF && n == b.N {
					break
				}
				if err != nil {
					b.Fatal(err)
				}
				n += len(ev.Results)
			}
		})
	}
}
