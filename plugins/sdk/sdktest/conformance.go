package sdktest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/spec/schema"
)

// Case is a component at work, for Conformance: a configuration that is
// right, rows to work on, and models where it calls any.
type Case struct {
	Role      schema.Role
	Component string
	Config    string // JSON
	Rows      []string
	Models    Models
}

// Conformance holds a plugin to what hosts rely on. Every component's
// description and its refusal of bad configurations are checked; those with a
// Case are also run, twice where they promise to be deterministic, and
// cancelled at work. Components that no Case names are reported, so that a
// plugin's own test can insist on all of them.
//
// It takes over standard output while it runs, so that other tests must not
// run beside it.
func Conformance(t *testing.T, p sdk.Plugin, cases ...Case) (untried []string) {
	t.Helper()
	var list []schema.Component
	t.Run("describe", func(t *testing.T) { list = conformDescribe(t, p) })
	for _, c := range list {
		t.Run(string(c.Role)+"/"+c.Name+"/config", func(t *testing.T) { conformConfig(t, p, c) })
		i := slices.IndexFunc(cases, func(k Case) bool { return k.Role == c.Role && k.Component == c.Name })
		if i < 0 {
			untried = append(untried, string(c.Role)+" "+c.Name)
			continue
		}
		t.Run(string(c.Role)+"/"+c.Name+"/run", func(t *testing.T) { conformRun(t, p, c, cases[i]) })
		t.Run(string(c.Role)+"/"+c.Name+"/cancel", func(t *testing.T) { conformCancel(t, p, cases[i]) })
	}
	return untried
}

// conformDescribe checks that descriptions are valid, equal every time, and
// survive the wire.
func conformDescribe(t *testing.T, p sdk.Plugin) []schema.Component {
	t.Helper()
	list, err := sdk.Describe(p)
	if err != nil {
		t.Fatalf("the plugin cannot be described: %v", err)
	}
	again, err := sdk.Describe(p)
	if err != nil {
		t.Fatalf("the plugin cannot be described twice: %v", err)
	}
	for i, c := range list {
		first, err := pluginpb.FromComponent(c)
		if err != nil {
			t.Fatal(err)
		}
		second, err := pluginpb.FromComponent(again[i])
		if err != nil {
			t.Fatal(err)
		}
		if first.String() != second.String() {
			t.Errorf("%s %q describes itself differently the second time", c.Role, c.Name)
		}
		if _, err := pluginpb.ToComponent(first); err != nil {
			t.Errorf("a host will refuse it: %v", err)
		}
		if c.Doc == "" {
			t.Errorf("%s %q has no doc", c.Role, c.Name)
		}
		for _, a := range c.Config.Attributes {
			if a.Doc == "" {
				t.Errorf("%s %q: the argument %q has no doc", c.Role, c.Name, a.Name)
			}
		}
	}
	return list
}

// conformConfig checks that wrong configurations are refused at their place.
func conformConfig(t *testing.T, p sdk.Plugin, c schema.Component) {
	t.Helper()
	bad := map[string]string{"no_such_argument": `{"no_such_argument":1}`}
	for _, a := range c.Config.Attributes {
		if wrong := wrongValue(a.Type); wrong != "" && a.Kind != schema.Files {
			bad[a.Name] = fmt.Sprintf(`{%q:%s}`, a.Name, wrong)
		}
	}
	for name, config := range bad {
		found := false
		for _, d := range sdk.Validate(p, c.Role, c.Name, []byte(config)) {
			if d.Summary == "" || d.Detail == "" {
				t.Errorf("%s: a problem without words: %+v", config, d)
			}
			if len(d.Path) > 0 && !d.Warning {
				step, ok := d.Path[0].(cty.GetAttrStep)
				found = found || ok && step.Name == name
			}
		}
		if !found {
			t.Errorf("%s is not refused at %s", config, name)
		}
	}
}

// wrongValue is JSON that is not of the type; "" where any is.
func wrongValue(ty cty.Type) string {
	switch {
	case ty == cty.String, ty == cty.Number, ty == cty.Bool:
		return `{"wrong":[]}`
	case ty.IsListType(), ty.IsSetType(), ty.IsTupleType(), ty.IsMapType(), ty.IsObjectType():
		return `"wrong"`
	}
	return ""
}

// conformRun runs a case, which must succeed, and looks at what it gives.
func conformRun(t *testing.T, p sdk.Plugin, c schema.Component, k Case) {
	t.Helper()
	var first, second Result
	printed := captureStdout(t, func() {
		first = Run(t, p, k.Role, k.Component, k.Config, k.Rows, k.Models)
		if c.Deterministic {
			second = Run(t, p, k.Role, k.Component, k.Config, k.Rows, k.Models)
		}
	})
	if len(printed) > 0 {
		t.Errorf("it writes to standard output: %.200q", printed)
	}
	if len(first.Diagnostics) > 0 || first.Failure != nil {
		t.Fatalf("the run failed: %+v %v", first.Diagnostics, first.Failure)
	}
	for i, r := range first.Tasks {
		for _, row := range r.Rows {
			conformColumns(t, c, i, row)
		}
	}
	if c.Deterministic {
		conformSame(t, first, second)
	}
}

func conformColumns(t *testing.T, c schema.Component, task int, row string) {
	t.Helper()
	var columns map[string]json.RawMessage
	if err := json.Unmarshal([]byte(row), &columns); err != nil {
		t.Errorf("task %d: %v", task, err)
	}
	for name := range columns {
		declared := slices.ContainsFunc(c.Writes, func(w schema.Column) bool { return w.Name == name })
		if !declared && !c.WritesOpen {
			t.Errorf("task %d: the column %q is not declared", task, name)
		}
	}
}

func conformSame(t *testing.T, a, b Result) {
	t.Helper()
	if len(a.Tasks) != len(b.Tasks) || len(a.Artifacts) != len(b.Artifacts) {
		t.Fatalf("it is not deterministic: %d and %d results, %d and %d files", len(a.Tasks), len(b.Tasks), len(a.Artifacts), len(b.Artifacts))
	}
	for i := range a.Tasks {
		if !slices.Equal(a.Tasks[i].Rows, b.Tasks[i].Rows) || a.Tasks[i].Dropped != b.Tasks[i].Dropped {
			t.Errorf("task %d is not deterministic:\n%s\n%s", i, a.Tasks[i].Rows, b.Tasks[i].Rows)
		}
	}
	for i := range a.Artifacts {
		if a.Artifacts[i].Path != b.Artifacts[i].Path || !bytes.Equal(a.Artifacts[i].Content, b.Artifacts[i].Content) {
			t.Errorf("the file %s is not deterministic", a.Artifacts[i].Path)
		}
	}
}

// patience is how long a cancelled run may go on. It tells what does not end
// from what is slow, on a machine that has much else to do.
const patience = time.Minute

// conformCancel cancels a run whose models do not answer and whose input does
// not end: the run and the component's functions must end.
func conformCancel(t *testing.T, p sdk.Plugin, k Case) {
	t.Helper()
	log := &testLog{t: t}
	defer log.end()
	silent := func(ctx context.Context, _ Call) (sdk.Reply, error) {
		<-ctx.Done()
		return sdk.Reply{}, ctx.Err()
	}
	h, err := newHarness(p, silent, log)
	if err != nil {
		t.Fatal(err)
	}
	defer h.close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stream, err := h.start(ctx, k.Role, k.Component, k.Config, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	batch := &pluginpb.TaskBatch{}
	for i, row := range k.Rows {
		batch.Tasks = append(batch.Tasks, &pluginpb.Task{Seq: uint64(i), Row: []byte(row), Split: "train"})
	}
	if err := stream.Send(&pluginpb.RunRequest{Message: &pluginpb.RunRequest_Tasks{Tasks: batch}}); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond) // let it get to work
	cancel()
	busy, ok := h.server.(interface{ Busy() int64 })
	if !ok {
		t.Fatal("the server does not tell whether it is busy")
	}
	for end := time.Now().Add(patience); busy.Busy() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d functions of the component go on %s after the run was cancelled; they must watch ctx", busy.Busy(), patience)
		}
	}
}

// captureStdout gives what fn writes to standard output.
func captureStdout(t *testing.T, fn func()) []byte {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan []byte, 1)
	go func() {
		b, _ := io.ReadAll(r) // what was read until then will do
		read <- b
	}()
	stdout := os.Stdout
	os.Stdout = w
	func() {
		defer func() { os.Stdout = stdout }()
		fn()
	}()
	_ = w.Close()
	defer func() { _ = r.Close() }()
	return <-read
}
