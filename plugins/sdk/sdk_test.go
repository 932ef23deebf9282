package sdk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/sdktest"
	"github.com/autosafe/autosafe/plugins/sdk/transport"
	"github.com/autosafe/autosafe/spec/schema"
)

type judgeVars struct {
	Text string                     `json:"text" doc:"The text."`
	Row  map[string]json.RawMessage `json:"row" doc:"The row."`
}

type judgeConfig struct {
	Model  sdk.Model               `hcl:"model" doc:"Who judges."`
	Prompt sdk.Template[judgeVars] `hcl:"prompt" doc:"What is asked."`
	Limit  int                     `hcl:"limit,optional" min:"0" doc:"A bound."`
}

type judgeIn struct {
	Text string `json:"text" doc:"The text."`
}

type judgeOut struct {
	Score int    `json:"$block"`
	Note  string `json:"note,omitempty"`
}

type grade struct {
	Score int `json:"score" doc:"From 0 to 3." min:"0" max:"3"`
}

func judge(ctx context.Context, cfg judgeConfig, in judgeIn, call *sdk.Call) ([]judgeOut, error) {
	prompt, err := cfg.Prompt.Execute(judgeVars{Text: in.Text, Row: call.Row()})
	if err != nil {
		return nil, err
	}
	var g grade
	err = call.JSON(ctx, cfg.Model, sdk.Request{
		Purpose: "judge", Messages: []sdk.Message{sdk.User(prompt)}, Facts: map[string]int{"round": 1},
		Check: func(sdk.Reply) error {
			if g.Score > 3 {
				return fmt.Errorf("the score %d is above 3", g.Score)
			}
			return nil
		},
	}, &g)
	if err != nil {
		return nil, err
	}
	return []judgeOut{{Score: g.Score, Note: "ok"}}, nil
}

func testPlugin(judges map[string]sdk.Component) sdk.Plugin {
	return sdk.Plugin{Name: "example.com/p", Version: "1.0.0", Judges: judges}
}

func judgePlugin() sdk.Plugin {
	return testPlugin(map[string]sdk.Component{
		"grade": sdk.Rows(judge, sdk.Doc("Grades."), sdk.Deterministic(), sdk.Default("prompt", `"{{ .text }}" of {{ json .row }}`)),
	})
}

func reply(content string) sdktest.Models {
	return func(context.Context, sdktest.Call) (sdk.Reply, error) { return sdk.Reply{Content: content}, nil }
}

func TestModelCall(t *testing.T) {
	r := sdktest.Run(t, judgePlugin(), schema.Judge, "grade", `{"model":"model"}`, []string{`{"text":"a<b"}`}, reply(`{"score":2}`))
	if rows := r.Rows(); len(rows) != 1 || rows[0] != `{"$block":2,"note":"ok"}` {
		t.Fatalf("rows %q, %+v", rows, r)
	}
	c := r.Calls[0]
	if c.Slot != "model" || c.Messages[0].Content != `"a<b" of {"text":"a<b"}` || string(c.Facts) != `{"round":1}` || c.Seed != 1 {
		t.Errorf("call %+v", c)
	}
	want := `{"type":"object","properties":{"score":{"type":"integer","description":"From 0 to 3.","minimum":0,"maximum":3}},"required":["score"],"additionalProperties":false}`
	if string(c.Schema) != want {
		t.Errorf("schema %s", c.Schema)
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name    string
		replies []string
		want    string // the row
		code    string
		calls   int
	}{
		{"fits at once", []string{`{"score":1}`}, `{"$block":1,"note":"ok"}`, "", 1},
		{"fits at the third", []string{`{"score":9}`, `nonsense`, `{"score":3}`}, `{"$block":3,"note":"ok"}`, "", 3},
		{"never fits", []string{`{"score":9}`, `{"score":8}`, `{"score":7}`, `{"score":1}`}, "", "invalid_reply", 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var n atomic.Int64
			models := func(context.Context, sdktest.Call) (sdk.Reply, error) {
				return sdk.Reply{Content: tt.replies[n.Add(1)-1]}, nil
			}
			r := sdktest.Run(t, judgePlugin(), schema.Judge, "grade", `{"model":"model"}`, []string{`{"text":"x"}`}, models)
			if len(r.Calls) != tt.calls {
				t.Errorf("%d calls, want %d", len(r.Calls), tt.calls)
			}
			if tt.code != "" {
				if e := r.Tasks[0].Err; e == nil || e.Code != tt.code || e.Detail != "the score 7 is above 3" {
					t.Errorf("error %+v", e)
				}
			} else if rows := r.Rows(); len(rows) != 1 || rows[0] != tt.want {
				t.Errorf("rows %q", rows)
			}
			last := r.Calls[len(r.Calls)-1].Messages
			if len(last) != 2*len(r.Calls)-1 {
				t.Fatalf("%d messages in call %d", len(last), len(r.Calls))
			}
			for i := 1; i < len(last); i += 2 {
				if last[i].Role != "assistant" || last[i].Content != tt.replies[i/2] || last[i+1].Role != "user" {
					t.Errorf("messages %d: %+v", i, last[i:i+2])
				}
			}
		})
	}
}

// TestCheckToolCalls makes sure that a call sent back is answered first, as
// endpoints demand.
func TestCheckToolCalls(t *testing.T) {
	p := testPlugin(map[string]sdk.Component{"act": sdk.Rows(func(ctx context.Context, cfg judgeConfig, in judgeIn, call *sdk.Call) ([]judgeOut, error) {
		n := 0
		r, err := call.Complete(ctx, cfg.Model, sdk.Request{Tools: []sdk.Tool{{Name: "t"}}, Check: func(sdk.Reply) error {
			if n++; n == 1 {
				return errors.New("no such file")
			}
			return nil
		}})
		return []judgeOut{{Note: r.ToolCalls[0].ID}}, err
	})})
	models := func(_ context.Context, c sdktest.Call) (sdk.Reply, error) {
		return sdk.Reply{ToolCalls: []sdk.ToolCall{{ID: fmt.Sprint("c", len(c.Messages)), Name: "t", Arguments: json.RawMessage(`{"a":1}`)}}}, nil
	}
	r := sdktest.Run(t, p, schema.Judge, "act", `{"model":"model","prompt":""}`, []string{`{"text":"x"}`}, models)
	if len(r.Calls) != 2 || r.Tasks[0].Err != nil {
		t.Fatalf("%+v", r)
	}
	m := r.Calls[1].Messages
	if len(m) != 3 || m[0].ToolCalls[0].ID != "c0" || string(m[0].ToolCalls[0].Arguments) != `{"a":1}` || m[1].Role != "tool" || m[1].ToolCallID != "c0" || m[2].Role != "user" {
		t.Errorf("messages %+v", m)
	}
}

func TestModelErrorsPass(t *testing.T) {
	models := func(context.Context, sdktest.Call) (sdk.Reply, error) {
		return sdk.Reply{}, &sdk.Error{Code: "rate_limited", Summary: "too many", Detail: "wait", Transient: true}
	}
	r := sdktest.Run(t, judgePlugin(), schema.Judge, "grade", `{"model":"model"}`, []string{`{"text":"x"}`}, models)
	if e := r.Tasks[0].Err; e == nil || *e != (sdk.Error{Code: "rate_limited", Summary: "too many", Detail: "wait", Transient: true}) {
		t.Errorf("error %+v", e)
	}
}

func TestAuthorsErrors(t *testing.T) {
	wrapped := fmt.Errorf("round 2: %w", sdk.Drop("unsolved"))
	tests := []struct {
		name  string
		err   error
		panic any
		drop  string
		code  string
	}{
		{"drop", sdk.Drop("unsolved"), nil, "unsolved", ""},
		{"wrapped drop", wrapped, nil, "unsolved", ""},
		{"drop without a reason", sdk.Drop(""), nil, "dropped", ""},
		{"fail", sdk.Fail("refused", "no"), nil, "", "refused"},
		{"any error", errors.New("bad\xff"), nil, "", "error"},
		{"panic", nil, "boom", "", "panic"},
		{"nil map", nil, fmt.Errorf("assignment"), "", "panic"},
		{"cancelled", context.Canceled, nil, "", "interrupted"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := testPlugin(map[string]sdk.Component{"x": sdk.Rows(func(context.Context, struct{}, judgeIn, *sdk.Call) ([]judgeOut, error) {
				if tt.panic != nil {
					panic(tt.panic)
				}
				return []judgeOut{{Score: 1}}, tt.err
			})})
			r := sdktest.Run(t, p, schema.Judge, "x", `{}`, []string{`{"text":"x"}`}, nil)
			got := r.Tasks[0]
			if got.Dropped != tt.drop || len(got.Rows) > 0 || (got.Err == nil) != (tt.code == "") || got.Err != nil && got.Err.Code != tt.code {
				t.Errorf("%+v %v", got, got.Err)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		config string
		want   []string // path: summary
	}{
		{`{"model":"model"}`, nil},
		{`{"model":"model","prompt":null,"limit":null}`, nil},
		{`{}`, []string{": Missing required argument"}},
		{`{"model":"model","prompt":"{{ .a"}`, []string{"prompt: Unsuitable value"}},
		{`{"model":"model","limit":-1}`, []string{"limit: Unsuitable value"}},
		{`{"model":"model","limit":1.5}`, []string{"limit: Unsuitable value"}},
		{`{"model":7,"limit":"x","other":1}`, []string{"model: Unsuitable value", "limit: Unsuitable value", "other: Unsupported argument"}},
		{`[]`, []string{": Unsuitable configuration"}},
		{`nonsense`, []string{": Unsuitable configuration"}},
	}
	for _, tt := range tests {
		var got []string
		for _, d := range sdk.Validate(judgePlugin(), schema.Judge, "grade", []byte(tt.config)) {
			got = append(got, pathText(d)+": "+d.Summary)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.config, got, tt.want)
		}
	}
	r := sdktest.Run(t, judgePlugin(), schema.Judge, "grade", `{}`, []string{`{"text":"x"}`}, nil)
	if len(r.Diagnostics) != 1 || len(r.Tasks) != 0 {
		t.Errorf("a run with a bad configuration: %+v", r)
	}
}

func pathText(d schema.Diagnostic) string {
	var b strings.Builder
	for _, s := range d.Path {
		fmt.Fprintf(&b, "%v", stepText(s))
	}
	return b.String()
}

func stepText(s cty.PathStep) string {
	switch s := s.(type) {
	case cty.GetAttrStep:
		return s.Name
	case cty.IndexStep:
		return fmt.Sprintf("[%s]", s.Key.GoString())
	}
	return "?"
}

func TestDescribeProblems(t *testing.T) {
	rows := sdk.Rows(judge)
	source := sdk.Source(func(context.Context, struct{}, func(judgeIn) error) error { return nil })
	tests := []struct {
		name string
		p    sdk.Plugin
		want string
	}{
		{"no name", sdk.Plugin{Version: "1.0.0"}, "no name"},
		{"version", sdk.Plugin{Name: "p", Version: "v1"}, "semantic version"},
		{"wrong maker", sdk.Plugin{Name: "p", Version: "1.0.0", ThreatSources: map[string]sdk.Component{"x": rows}}, "sdk.Source"},
		{"wrong maker of a judge", testPlugin(map[string]sdk.Component{"x": source}), "sdk.Rows"},
		{"zero", testPlugin(map[string]sdk.Component{"x": {}}), "not made by"},
		{"name", testPlugin(map[string]sdk.Component{"a b": rows}), "identifier"},
		{"default", testPlugin(map[string]sdk.Component{"x": sdk.Rows(judge, sdk.Default("nope", "1"))}), "no argument"},
		{"bad default", testPlugin(map[string]sdk.Component{"x": sdk.Rows(judge, sdk.Default("limit", "many"))}), "limit"},
		{"no columns", testPlugin(map[string]sdk.Component{"x": sdk.Rows(func(context.Context, struct{}, judgeIn, *sdk.Call) ([]string, error) { return nil, nil })}), "no columns"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := sdk.Describe(tt.p); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestSink(t *testing.T) {
	sink := func(fn func(rows *sdk.RowReader, out *sdk.Dir) error) sdk.Plugin {
		return sdk.Plugin{Name: "p", Version: "1.0.0", Outputs: map[string]sdk.Component{
			"x": sdk.Sink(func(_ context.Context, _ struct{}, rows *sdk.RowReader, out *sdk.Dir) error { return fn(rows, out) }),
		}}
	}
	rows := []string{`{"a":1}`, `{"a":2}`, `{"a":3}`}
	t.Run("early return", func(t *testing.T) {
		r := sdktest.Run(t, sink(func(rows *sdk.RowReader, out *sdk.Dir) error {
			f, err := out.Create("a/b.txt", "text/plain")
			if err != nil {
				return err
			}
			if _, err = rows.Next(); err != nil {
				return err
			}
			f.SetRows(1)
			_, err = io.WriteString(f, "one")
			return err
		}), schema.Output, "x", `{}`, rows, nil)
		if r.Tasks[0].Dropped != "" || r.Tasks[1].Dropped != "not_read" || r.Tasks[2].Dropped != "not_read" {
			t.Errorf("tasks %+v", r.Tasks)
		}
		if len(r.Artifacts) != 1 || string(r.Artifacts[0].Content) != "one" || r.Artifacts[0].Rows != 1 || r.Artifacts[0].Path != "a/b.txt" {
			t.Errorf("artifacts %+v", r.Artifacts)
		}
	})
	for _, name := range []string{"../x", "/x", "a/../../x", "", ".", "a\\b", "a/./b", "c:x", "x\x00"} {
		t.Run("name "+name, func(t *testing.T) {
			r := sdktest.Run(t, sink(func(_ *sdk.RowReader, out *sdk.Dir) error {
				_, err := out.Create(name, "")
				return err
			}), schema.Output, "x", `{}`, nil, nil)
			if r.Failure == nil || r.Failure.Code != "bad_path" || len(r.Artifacts) > 0 {
				t.Errorf("%+v", r)
			}
		})
	}
	t.Run("skip before the first row", func(t *testing.T) {
		r := sdktest.Run(t, sink(func(rows *sdk.RowReader, out *sdk.Dir) error {
			out.SkipRow("nothing was read")
			_, err := rows.Next()
			return err
		}), schema.Output, "x", `{}`, rows[:1], nil)
		if r.Failure != nil || r.Tasks[0].Dropped != "" {
			t.Errorf("%+v", r)
		}
	})
	t.Run("panic", func(t *testing.T) {
		r := sdktest.Run(t, sink(func(*sdk.RowReader, *sdk.Dir) error { panic("boom") }), schema.Output, "x", `{}`, rows, nil)
		if r.Failure == nil || r.Failure.Code != "panic" {
			t.Errorf("%+v", r)
		}
	})
}

// TestLongDetail: an error with too much to say is still that error.
func TestLongDetail(t *testing.T) {
	p := testPlugin(map[string]sdk.Component{"x": sdk.Rows(func(context.Context, struct{}, judgeIn, *sdk.Call) ([]judgeOut, error) {
		return nil, sdk.Fail("refused", strings.Repeat("no ", transport.MaxRow/2))
	})})
	r := sdktest.Run(t, p, schema.Judge, "x", `{}`, []string{`{"text":"a"}`}, nil)
	if e := r.Tasks[0].Err; e == nil || e.Code != "refused" {
		t.Errorf("error %.100v", e)
	}
}

// TestLateEmit emits from a goroutine that outlives the source's function.
func TestLateEmit(t *testing.T) {
	var wg sync.WaitGroup
	p := sdk.Plugin{Name: "p", Version: "1.0.0", ThreatSources: map[string]sdk.Component{
		"x": sdk.Source(func(_ context.Context, _ struct{}, emit func(judgeIn) error) error {
			for range 4 {
				wg.Go(func() {
					for emit(judgeIn{"late"}) == nil {
						time.Sleep(time.Millisecond)
					}
				})
			}
			return emit(judgeIn{"a"})
		}),
	}}
	r := sdktest.Run(t, p, schema.ThreatSource, "x", `{}`, nil, nil)
	if r.Failure != nil || len(r.Tasks) == 0 {
		t.Errorf("%+v", r)
	}
	wg.Wait() // emit must not block for ever
}

func TestManyRowsKeepTheirResults(t *testing.T) {
	p := testPlugin(map[string]sdk.Component{"x": sdk.Rows(func(_ context.Context, _ struct{}, in judgeIn, call *sdk.Call) ([]judgeOut, error) {
		time.Sleep(time.Duration(call.Rand().IntN(300)) * time.Microsecond)
		return []judgeOut{{Note: in.Text}}, nil
	})})
	var rows []string
	for i := range 5000 {
		rows = append(rows, fmt.Sprintf(`{"text":"%d"}`, i))
	}
	r := sdktest.Run(t, p, schema.Judge, "x", `{}`, rows, nil)
	for i, task := range r.Tasks {
		if want := fmt.Sprintf(`{"$block":0,"note":"%d"}`, i); len(task.Rows) != 1 || task.Rows[0] != want {
			t.Fatalf("task %d: %+v", i, task)
		}
	}
}

func TestRand(t *testing.T) {
	p := testPlugin(map[string]sdk.Component{"x": sdk.Rows(func(_ context.Context, _ struct{}, _ judgeIn, call *sdk.Call) ([]judgeOut, error) {
		return []judgeOut{{Score: call.Rand().IntN(1 << 30), Note: fmt.Sprint(call.Sample())}}, nil
	})})
	r := sdktest.RunTasks(t, p, schema.Judge, "x", `{}`, []sdktest.Task{{Row: `{}`, Seed: 7}, {Row: `{}`, Seed: 7, Sample: 1}, {Row: `{}`, Seed: 8}}, nil)
	a, b, c := r.Tasks[0].Rows[0], r.Tasks[1].Rows[0], r.Tasks[2].Rows[0]
	if strings.Replace(a, `"0"`, `"1"`, 1) != b || a == c {
		t.Errorf("%s %s %s", a, b, c)
	}
}

func TestConformance(t *testing.T) {
	untried := sdktest.Conformance(t, judgePlugin(), sdktest.Case{
		Role: schema.Judge, Component: "grade", Config: `{"model":"model"}`,
		Rows: []string{`{"text":"a"}`, `{"text":"b"}`}, Models: reply(`{"score":2}`),
	})
	if len(untried) > 0 {
		t.Errorf("untried: %q", untried)
	}
	sdktest.Conformance(t, tickets(), sdktest.Case{Role: schema.ThreatSource, Component: "tickets", Config: `{"queue":"q"}`})
}

// TestExampleIsShort holds the SDK to its promise about source plugins.
func TestExampleIsShort(t *testing.T) {
	b, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(b), "type ticketConfig")
	code, _, _ = strings.Cut(code, "// A whole source plugin")
	lines := 1 // main
	for line := range strings.Lines(code) {
		if strings.TrimSpace(line) != "" {
			lines++
		}
	}
	if lines >= 25 {
		t.Errorf("the source plugin of the example has %d lines", lines)
	}
}
