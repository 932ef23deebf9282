package conformance_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/conformance"
	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/plugins/sdk/transport"
	"github.com/autosafe/autosafe/spec/schema"
)

type config struct {
	Times int `hcl:"times,optional" default:"1" doc:"How often."`
}

type row struct {
	Text string `json:"text" doc:"The text."`
}

func honest() sdk.Plugin {
	return sdk.Plugin{
		Name: "example.com/honest", Version: "1.0.0",
		ThreatSources: map[string]sdk.Component{"two": sdk.Source(func(_ context.Context, _ config, emit func(row) error) error {
			if err := emit(row{"a"}); err != nil {
				return err
			}
			return emit(row{"b"})
		}, sdk.Doc("Two rows."))},
		Judges: map[string]sdk.Component{"echo": sdk.Rows(func(_ context.Context, _ config, in row, _ *sdk.Call) ([]row, error) {
			return []row{in}, nil
		}, sdk.Doc("Gives its input."), sdk.Deterministic())},
		Outputs: map[string]sdk.Component{"none": sdk.Sink(func(context.Context, config, *sdk.RowReader, *sdk.Dir) error { return nil }, sdk.Doc("Nothing."))},
	}
}

// liar is the honest plugin, but for one thing.
type liar struct {
	pluginpb.PluginServer
	describe func(n int, m *pluginpb.DescribeResponse)
	validate func(*pluginpb.ValidateResponse)
	// send gives what is sent in place of a message.
	send      func(run int, m *pluginpb.RunResponse) []*pluginpb.RunResponse
	described int
	runs      int
}

func (l *liar) Describe(ctx context.Context, req *pluginpb.DescribeRequest) (*pluginpb.DescribeResponse, error) {
	m, err := l.PluginServer.Describe(ctx, req)
	l.described++
	if err == nil && l.describe != nil {
		l.describe(l.described, m)
	}
	return m, err
}

func (l *liar) Validate(ctx context.Context, req *pluginpb.ValidateRequest) (*pluginpb.ValidateResponse, error) {
	m, err := l.PluginServer.Validate(ctx, req)
	if err == nil && l.validate != nil {
		l.validate(m)
	}
	return m, err
}

func (l *liar) Run(st grpc.BidiStreamingServer[pluginpb.RunRequest, pluginpb.RunResponse]) error {
	l.runs++
	if l.send == nil {
		return l.PluginServer.Run(st)
	}
	return l.PluginServer.Run(&lyingStream{st, l, l.runs})
}

type lyingStream struct {
	grpc.BidiStreamingServer[pluginpb.RunRequest, pluginpb.RunResponse]
	liar *liar
	run  int
}

func (s *lyingStream) Send(m *pluginpb.RunResponse) error {
	for _, m := range s.liar.send(s.run, m) {
		if err := s.BidiStreamingServer.Send(m); err != nil {
			return err
		}
	}
	return nil
}

// peer serves a plugin in memory. No component here calls a model.
type peer struct{ client pluginpb.PluginClient }

func (p peer) Client() pluginpb.PluginClient { return p.client }

func (p peer) Serve(pluginpb.HostServer) (uint32, func(), error) { return 0, func() {}, nil }

func serve(t *testing.T, server pluginpb.PluginServer) peer {
	t.Helper()
	lis := bufconn.Listen(1 << 20)
	srv := grpc.NewServer(transport.ServerOptions()...)
	pluginpb.RegisterPluginServer(srv, server)
	go func() { _ = srv.Serve(lis) }()
	t.Cleanup(srv.Stop)
	conn, err := grpc.NewClient("passthrough:///memory", append(transport.DialOptions(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return peer{pluginpb.NewPluginClient(conn)}
}

// results changes each result of a message.
func results(change func(run int, r *pluginpb.Result)) func(int, *pluginpb.RunResponse) []*pluginpb.RunResponse {
	return func(run int, m *pluginpb.RunResponse) []*pluginpb.RunResponse {
		for _, r := range m.GetResults().GetResults() {
			change(run, r)
		}
		return []*pluginpb.RunResponse{m}
	}
}

func cases() []conformance.Case {
	return []conformance.Case{
		{Role: schema.ThreatSource, Component: "two", Config: `{}`},
		{Role: schema.Judge, Component: "echo", Config: `{}`, Rows: []string{`{"text":"a"}`, `{"text":"b"}`}},
		{Role: schema.Output, Component: "none", Config: `{}`, Rows: []string{`{"text":"a"}`}},
	}
}

// TestCheck lies in one way after the other, and looks which check finds it.
func TestCheck(t *testing.T) {
	tests := []struct {
		name  string
		lie   liar
		check string // that fails; empty: none
		want  string // in what it says
	}{
		{name: "honest"},
		{"describes itself differently", liar{describe: func(n int, m *pluginpb.DescribeResponse) { m.SdkVersion = fmt.Sprint(n) }}, "describe", "differently"},
		{"no version", liar{describe: func(_ int, m *pluginpb.DescribeResponse) { m.Version = "one" }}, "describe", "semantic version"},
		{"no name", liar{describe: func(_ int, m *pluginpb.DescribeResponse) { m.Name = "" }}, "describe", "no name"},
		{"nothing to offer", liar{describe: func(_ int, m *pluginpb.DescribeResponse) { m.Components = nil }}, "describe", "no components"},
		{"unknown role", liar{describe: func(_ int, m *pluginpb.DescribeResponse) { m.Components[0].Role = "critic" }}, "describe", "refuse"},
		{"described twice", liar{describe: func(_ int, m *pluginpb.DescribeResponse) { m.Components = append(m.Components, m.Components[0]) }}, "describe", "twice"},
		{"no doc", liar{describe: func(_ int, m *pluginpb.DescribeResponse) { m.Components[0].Doc = "" }}, "describe", "no doc"},
		{"takes any configuration", liar{validate: func(m *pluginpb.ValidateResponse) { m.Diagnostics = nil }}, "judge/echo/config", "not refused at no_such_argument"},
		{"problems without words", liar{validate: func(m *pluginpb.ValidateResponse) {
			for _, d := range m.GetDiagnostics() {
				d.Detail = ""
			}
		}}, "judge/echo/config", "without words"},
		{"answers twice", liar{send: func(_ int, m *pluginpb.RunResponse) []*pluginpb.RunResponse { return []*pluginpb.RunResponse{m, m} }}, "judge/echo/run", "answered twice"},
		{"answers nobody's question", liar{send: results(func(_ int, r *pluginpb.Result) { r.Seq += 7 })}, "judge/echo/run", "which there is not"},
		{"answers not all", liar{send: func(int, *pluginpb.RunResponse) []*pluginpb.RunResponse { return nil }}, "judge/echo/run", "0 results for 2"},
		{"numbers rows wrongly", liar{send: results(func(_ int, r *pluginpb.Result) { r.Seq++ })}, "threat_source/two/run", "row 1 came where 0 was due"},
		{"undeclared column", liar{send: results(func(_ int, r *pluginpb.Result) { r.Rows = [][]byte{[]byte(`{"other":1}`)} })}, "judge/echo/run", `"other" is not declared`},
		{"no object", liar{send: results(func(_ int, r *pluginpb.Result) { r.Rows = [][]byte{[]byte(`[1]`)} })}, "judge/echo/run", "no JSON object"},
		{"every row fails", liar{send: results(func(_ int, r *pluginpb.Result) {
			r.Rows, r.Error = nil, &pluginpb.RowError{Code: "bad", Summary: "bad"}
		})}, "judge/echo/run", "every row"},
		{"code of capitals", liar{send: results(func(_ int, r *pluginpb.Result) {
			r.Rows, r.Error = nil, &pluginpb.RowError{Code: "BAD", Summary: "bad"}
		})}, "judge/echo/run", "small letters"},
		{"not the same again", liar{send: results(func(run int, r *pluginpb.Result) { r.Rows = [][]byte{fmt.Appendf(nil, `{"text":"%d"}`, run)} })},
			"judge/echo/again", "not deterministic"},
		{"another order", liar{send: results(func(run int, r *pluginpb.Result) {
			r.Rows = [][]byte{fmt.Appendf(nil, `{"text":"%d"}`, (int(r.GetSeq())+run)%2)}
		})}, "threat_source/two/again", "not deterministic"},
		{"a file that is not there", liar{send: func(_ int, m *pluginpb.RunResponse) []*pluginpb.RunResponse {
			return []*pluginpb.RunResponse{m, {Message: &pluginpb.RunResponse_Artifact{Artifact: &pluginpb.Artifact{Path: "absent"}}}}
		}}, "output/none/run", "not there"},
		{"a file elsewhere", liar{send: func(_ int, m *pluginpb.RunResponse) []*pluginpb.RunResponse {
			return []*pluginpb.RunResponse{m, {Message: &pluginpb.RunResponse_Artifact{Artifact: &pluginpb.Artifact{Path: "../x"}}}}
		}}, "output/none/run", "below its folder"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.lie.PluginServer = sdk.NewServer(honest(), nil, io.Discard)
			report := conformance.Check(t.Context(), serve(t, &tt.lie), conformance.Options{}, cases()...)
			found := false
			for _, f := range report.Findings {
				said := strings.Join(f.Problems, "\n")
				if tt.check == "" && said != "" {
					t.Errorf("%s: %s", f.Name(), said)
				}
				found = found || f.Name() == tt.check && strings.Contains(said, tt.want)
			}
			if tt.check != "" && (!found || report.Passed()) {
				t.Errorf("%s does not say %q: %+v", tt.check, tt.want, report.Findings)
			}
		})
	}
}

// TestOutputs looks at the files that an output writes, and at standard output.
func TestOutputs(t *testing.T) {
	p := honest()
	p.Outputs["none"] = sdk.Sink(func(_ context.Context, _ config, _ *sdk.RowReader, out *sdk.Dir) error {
		f, err := out.Create("a/b.txt", "text/plain")
		if err == nil {
			_, err = io.WriteString(f, "text")
		}
		return err
	}, sdk.Doc("A file."), sdk.Deterministic())
	temp := t.TempDir()
	dirs := 0
	opts := conformance.Options{
		Printed: func() string { return "hello" },
		TempDir: func() (string, error) {
			dirs++
			dir := filepath.Join(temp, fmt.Sprint(dirs))
			return dir, os.Mkdir(dir, 0o777)
		},
	}
	report := conformance.Check(t.Context(), serve(t, sdk.NewServer(p, nil, io.Discard)), opts, cases()[2:]...)
	for _, f := range report.Findings {
		if (f.Name() == "stdout") != (len(f.Problems) > 0) {
			t.Errorf("%s: %q", f.Name(), f.Problems)
		}
	}
	if len(report.Untried) != 2 || dirs == 0 {
		t.Errorf("untried are %q, and %d folders were asked for", report.Untried, dirs)
	}
}
