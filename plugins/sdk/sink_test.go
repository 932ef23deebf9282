package sdk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/sdktest"
	"github.com/autosafe/autosafe/spec/schema"
)

func sinkPlugin(fn func(rows *sdk.RowReader, out *sdk.Dir) error) sdk.Plugin {
	return sdk.Plugin{Name: "p", Version: "1.0.0", Outputs: map[string]sdk.Component{
		"x": sdk.Sink(func(_ context.Context, _ struct{}, rows *sdk.RowReader, out *sdk.Dir) error { return fn(rows, out) }),
	}}
}

// Batches have every row once, in order, beside rows that are read one by one;
// they are answered in any order, from any goroutine.
func TestNextBatch(t *testing.T) {
	rows := make([]string, 2000)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"a":%d}`, i)
	}
	var got []string
	r := sdktest.Run(t, sinkPlugin(func(rows *sdk.RowReader, out *sdk.Dir) error {
		first, err := rows.Next()
		if err != nil {
			return err
		}
		got = append(got, string(first.Row))
		out.SkipRow("first")
		var batches []*sdk.RowBatch
		for {
			b, err := rows.NextBatch()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			batches = append(batches, b)
			for i, row := range b.Rows {
				got = append(got, string(row.Row))
				if strings.HasSuffix(string(row.Row), "7}") {
					b.Skip(i, "seven")
				}
			}
		}
		var wg sync.WaitGroup
		errs := make([]error, len(batches))
		for i := range batches {
			wg.Go(func() { errs[i] = batches[len(batches)-1-i].Done() })
		}
		wg.Wait()
		return errors.Join(errs...)
	}), schema.Output, "x", `{}`, rows, nil)
	if r.Failure != nil {
		t.Fatal(r.Failure)
	}
	if strings.Join(got, "") != strings.Join(rows, "") {
		t.Errorf("%d rows were read, or in another order", len(got))
	}
	for i, task := range r.Tasks {
		want := ""
		switch {
		case i == 0:
			want = "first"
		case i%10 == 7:
			want = "seven"
		}
		if task.Dropped != want {
			t.Fatalf("row %d was left out as %q, want %q", i, task.Dropped, want)
		}
	}
}

// A file gets the name that is known at the end, and no other file's.
func TestRename(t *testing.T) {
	r := sdktest.Run(t, sinkPlugin(func(_ *sdk.RowReader, out *sdk.Dir) error {
		a, err := out.Create("a.part", "text/plain")
		if err != nil {
			return err
		}
		b, err := out.Create("b.txt", "text/plain")
		if err != nil {
			return err
		}
		if _, err := io.WriteString(a, "of a"); err != nil {
			return err
		}
		for _, name := range []string{"b.txt", "../a.txt", "/a", ""} {
			if out.Rename(a, name) == nil {
				t.Errorf("it was renamed to %q", name)
			}
		}
		if err := out.Rename(b, "b.txt"); err != nil { // its own
			return err
		}
		return out.Rename(a, "a-of-1.txt")
	}), schema.Output, "x", `{}`, nil, nil)
	if r.Failure != nil || len(r.Artifacts) != 2 || r.Artifacts[0].Path != "a-of-1.txt" || string(r.Artifacts[0].Content) != "of a" || r.Artifacts[1].Path != "b.txt" {
		t.Errorf("%+v", r)
	}
}
