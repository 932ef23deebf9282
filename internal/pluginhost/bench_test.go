package pluginhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/plugins/sdk/transport"
	"github.com/autosafe/autosafe/spec/schema"
)

// TestRawSource takes rows that a source gives as text: they are read like
// any other.
func TestRawSource(t *testing.T) {
	h := newHost(t, nil)
	for _, tt := range []struct{ row, want, code string }{
		{` {"b" : [1.0], "a":"\u00e9"}`, "", "bad_row"}, // the SDK wants an object, not what is before it
		{`{"b" : [1.0], "a":"\u00e9"}`, `{"a":"é","b":[1]}`, ""},
		{`{"b":}`, "", "bad_result"},
	} {
		config, err := json.Marshal(map[string]any{"n": 2, "row": tt.row})
		if err != nil {
			t.Fatal(err)
		}
		out := runAll(t, h, specOf(schema.ThreatSource, "raw", string(config)), nil)
		var runErr *engine.RunError
		switch res := out.results[1]; {
		case errors.As(out.err, &runErr):
			if runErr.Code != tt.code {
				t.Errorf("%s: %v", tt.row, out.err)
			}
		case tt.code != "":
			if res.Err == nil || res.Err.Code != tt.code {
				t.Errorf("%s: %+v", tt.row, res)
			}
		case len(res.Rows) != 1 || string(res.Rows[0]) != tt.want || string(res.Parsed[0].Bytes()) != tt.want:
			t.Errorf("%s: %+v, want %s", tt.row, res, tt.want)
		}
	}
}

func benchRow() string {
	return fmt.Sprintf(`{"text":%q,"n":12,"list":[{"a":"b"},{"a":"c"}],"id":"case-1","more":%q}`, strings.Repeat("lorem ipsum ", 40), strings.Repeat("dolor\n", 60))
}

// BenchmarkSource measures rows of 1 KB from a source in another process,
// read and made canonical.
func BenchmarkSource(b *testing.B) {
	h := newHost(b, nil)
	pidOf(b, h)
	config, err := json.Marshal(map[string]any{"n": b.N, "row": benchRow()})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(benchRow())))
	b.ReportAllocs()
	b.ResetTimer()
	run, err := h.Start(context.Background(), specOf(schema.ThreatSource, "raw", string(config)))
	if err != nil {
		b.Fatal(err)
	}
	defer run.Close()
	if err := run.CloseSend(); err != nil {
		b.Fatal(err)
	}
	n, err := countResults(run)
	if err != nil || n != b.N {
		b.Fatalf("%d results for %d rows: %v", n, b.N, err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkOutput measures rows of 1 KB to an output in another process, and
// into its file.
func BenchmarkOutput(b *testing.B) {
	h := newHost(b, nil)
	pidOf(b, h)
	s := specOf(schema.Output, "lines", "{}")
	s.WorkDir = b.TempDir()
	row := []byte(benchRow())
	b.SetBytes(int64(len(row)))
	b.ReportAllocs()
	run, err := h.Start(context.Background(), s)
	if err != nil {
		b.Fatal(err)
	}
	defer run.Close()
	b.ResetTimer()
	sent := make(chan error, 1)
	go func() {
		tasks := make([]engine.Task, 0, transport.BatchRows)
		for seq := range b.N {
			tasks = append(tasks, engine.Task{Seq: uint64(seq), Row: row, Split: "train"})
			if len(tasks) < cap(tasks) && seq+1 < b.N {
				continue
			}
			if err := run.Send(tasks); err != nil {
				sent <- err
				return
			}
			tasks = tasks[:0]
		}
		sent <- run.CloseSend()
	}()
	n, err := countResults(run)
	if err != nil || n != b.N {
		b.Fatalf("%d results for %d rows: %v", n, b.N, err)
	}
	if err := <-sent; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func countResults(run engine.Run) (n int, err error) {
	for {
		ev, err := run.Recv()
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		n += len(ev.Results)
	}
}
