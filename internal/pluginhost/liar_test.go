package pluginhost

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/plugins/sdk/transport"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// liar is a plugin that does not keep to the protocol. It describes itself
// as others do; the text of a row says how to answer it.
type liar struct{ pluginpb.PluginServer }

func serveLiar() {
	honest := acmePlugin()
	honest.Outputs = map[string]sdk.Component{"lines": sdk.Sink(writeLines)}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: transport.Handshake(),
		VersionedPlugins: map[int]plugin.PluginSet{transport.Major: {
			transport.PluginName: liarPlugin{server: liar{sdk.NewServer(honest, nil, os.Stderr)}},
		}},
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, grpc.MaxSendMsgSize(1<<30))...)
		},
	})
}

type liarPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	server liar
}

func (p liarPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	pluginpb.RegisterPluginServer(s, p.server)
	return nil
}

func (liarPlugin) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("this end serves")
}

func (l liar) Run(st grpc.BidiStreamingServer[pluginpb.RunRequest, pluginpb.RunResponse]) error {
	for {
		req, err := st.Recv()
		if err != nil {
			return nil
		}
		for _, task := range req.GetTasks().GetTasks() {
			text := string(task.GetRow())
			text = text[len(`{"text":"`) : len(text)-len(`"}`)]
			switch text {
			case "return":
				return nil
			case "drip":
				return drip(st)
			case "problems":
				return problems(st)
			}
			for _, m := range lies(text, task.GetSeq()) {
				if err := st.Send(m); err != nil {
					return err
				}
			}
		}
	}
}

// problems reports one problem after another until the host has had enough.
func problems(st grpc.BidiStreamingServer[pluginpb.RunRequest, pluginpb.RunResponse]) error {
	m := &pluginpb.RunResponse{Message: &pluginpb.RunResponse_Diagnostic{Diagnostic: &pluginpb.Diagnostic{Summary: "no"}}}
	for {
		if err := st.Send(m); err != nil {
			return err
		}
	}
}

// lies gives the messages with which to answer a row.
func lies(text string, seq uint64) []*pluginpb.RunResponse {
	row := func(s string) *pluginpb.RunResponse {
		return results(&pluginpb.Result{Seq: seq, Rows: [][]byte{[]byte(s)}})
	}
	switch text {
	case "wrong seq":
		return []*pluginpb.RunResponse{results(&pluginpb.Result{Seq: seq + 1000})}
	case "twice":
		return []*pluginpb.RunResponse{row(`{"echo":"a"}`), row(`{"echo":"a"}`)}
	case "undeclared":
		return []*pluginpb.RunResponse{row(`{"echo":"a","other":1}`)}
	case "wrong type":
		return []*pluginpb.RunResponse{row(`{"echo":[1]}`)}
	case "no object":
		return []*pluginpb.RunResponse{row(`[1]`)}
	case "no json":
		return []*pluginpb.RunResponse{row(`{"echo":`)}
	case "empty":
		return []*pluginpb.RunResponse{row(``)}
	case "odd code":
		return []*pluginpb.RunResponse{results(&pluginpb.Result{Seq: seq, Error: &pluginpb.RowError{Code: "\x1b[31m", Detail: "\x07"}})}
	case "huge":
		return []*pluginpb.RunResponse{row(`{"echo":"` + string(make([]byte, transport.MaxMessage)) + `"}`)}
	case "file":
		return []*pluginpb.RunResponse{{Message: &pluginpb.RunResponse_Artifact{Artifact: &pluginpb.Artifact{Path: "../../etc/passwd"}}}}
	case "no file":
		return []*pluginpb.RunResponse{{Message: &pluginpb.RunResponse_Artifact{Artifact: &pluginpb.Artifact{Path: "absent"}}}}
	case "left out":
		return []*pluginpb.RunResponse{block(nil, 1)}
	case "block left out":
		return []*pluginpb.RunResponse{block(make([]byte, 32), 1)}
	case "block with a short name":
		return []*pluginpb.RunResponse{block([]byte("x"), 1)}
	case "block in part":
		return []*pluginpb.RunResponse{block(make([]byte, 32), 1, &pluginpb.Result{Seq: seq})}
	case "unknown":
		return []*pluginpb.RunResponse{{}, row(`{"echo":"a"}`)}
	}
	return []*pluginpb.RunResponse{row(`{"echo":"a"}`)}
}

func results(list ...*pluginpb.Result) *pluginpb.RunResponse {
	return &pluginpb.RunResponse{Message: &pluginpb.RunResponse_Results{Results: &pluginpb.ResultBatch{Results: list}}}
}

func block(name []byte, same uint32, list ...*pluginpb.Result) *pluginpb.RunResponse {
	m := results(list...)
	m.GetResults().Block, m.GetResults().Same = name, same
	return m
}

func TestLies(t *testing.T) {
	dir := t.TempDir()
	ref := install(t, dir, "liar")
	h := newHost(t, nil)
	tests := []struct {
		text string
		role schema.Role
		run  string // code of the run's end
		row  string // code of the row

		knows bool // blocks
	}{
		{text: "honest"},
		{text: "unknown"}, // a message of a later minor version
		{text: "wrong seq", run: "bad_result"},
		{text: "twice", run: "bad_result"},
		{text: "return", run: "bad_result"},
		{text: "huge", run: "bad_result"},
		{text: "problems", run: "bad_result"},
		{text: "left out", run: "bad_result"},
		{text: "block left out", run: "bad_result"}, // nobody asked
		{text: "block with a short name", knows: true, run: "bad_result"},
		{text: "block in part", knows: true, run: "bad_result"},
		{text: "undeclared", row: "bad_result"},
		{text: "wrong type", row: "bad_result"},
		{text: "no object", row: "bad_result"},
		{text: "no json", row: "bad_result"},
		{text: "empty", row: "bad_result"},
		{text: "odd code", row: "error"},
		{text: "file", role: schema.Simulator, run: "bad_result"},
		{text: "file", role: schema.Output, run: "bad_result"},
		{text: "no file", role: schema.Output, run: "bad_result"},
		{text: "honest", role: schema.Output, row: "bad_result"},
	}
	for _, tt := range tests {
		t.Run(tt.text+" "+string(tt.role), func(t *testing.T) {
			s := engine.RunSpec{Address: "test", Plugin: ref, Role: schema.Simulator, Component: "echo"}
			if tt.role == schema.Output {
				s.Role, s.Component, s.WorkDir = tt.role, "lines", t.TempDir()
			}
			if tt.knows {
				s.Known = func() ([][32]byte, error) { return nil, nil }
			}
			out := runAll(t, h, s, texts(tt.text))
			if tt.run != "" {
				wantRunError(t, out.err, tt.run)
				return
			}
			if out.err != nil {
				t.Fatal(out.err)
			}
			r := out.results[0]
			if tt.row == "" {
				if r.Err != nil {
					t.Errorf("row failed: %v", r.Err)
				}
				return
			}
			if r.Err == nil || r.Err.Code != tt.row || r.Rows != nil {
				t.Errorf("row %+v, want code %s", r, tt.row)
			}
		})
	}
	want := 1
	for _, tt := range tests {
		if tt.role == schema.Output && h.contains(ref) {
			want++ // which has one of its own
		}
	}
	if h.Started() != want {
		t.Errorf("%d processes were started, want %d: a lie must not cost the process", h.Started(), want)
	}
}

// install puts this test binary into a plugin folder under a local name.
func install(t testing.TB, dir, name string) spec.PluginRef {
	t.Helper()
	path := filepath.Join(dir, binaryPrefix+name)
	link(t, path)
	digest, err := hashFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return spec.PluginRef{Name: name, Path: path, Digest: digest}
}

func link(t testing.TB, path string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if os.Link(self, path) == nil {
		return
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o777); err != nil {
		t.Fatal(err)
	}
}

func TestColumns(t *testing.T) {
	c := columns{types: map[string]string{"a": stringClass, "b": listClass, "c": anyClass, "d\n": numberClass}}
	tests := []struct {
		row string
		ok  bool
	}{
		{`{}`, true},
		{` { } `, true},
		{`{"a":"x"}`, true},
		{` {"a" : "}\"{" , "b":[{"a":1},[2]],"c":{"q":[1]}} `, true},
		{`{"a":null,"b":null}`, true},
		{`{"\u0061":"x"}`, true},
		{`{"d\n":-1.5e3}`, true},
		{`{"d\n":true}`, false},
		{`{"a":1}`, false},
		{`{"a":true}`, false},
		{`{"b":{}}`, false},
		{`{"x":1}`, false},
		{`{"a":"x","x":1}`, false},
		{`[]`, false},
		{`null`, false},
		{``, false},
		{`{"a":"x"} {}`, false},
		{`{"a":"x"`, false},
	}
	for _, tt := range tests {
		if _, err := c.read(new(row.Parser), []byte(tt.row)); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.row, err)
		}
	}
	c.open = true
	if _, err := c.read(new(row.Parser), []byte(`{"x":1,"a":"y"}`)); err != nil {
		t.Errorf("open columns: %v", err)
	}
	if _, err := c.read(new(row.Parser), []byte(`{"x":1,"a":2}`)); err == nil {
		t.Error("open columns: a declared column of the wrong type passed")
	}
}

// FuzzColumns looks for input at which the check runs off the end.
func FuzzColumns(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":"\\\"","b":[1,{}],"c":1}`, `{"a":1e5 }`, `{"a":"`, "{\"\xff\":1}"} {
		f.Add([]byte(s))
	}
	c := columns{types: map[string]string{"a": stringClass}, open: true}
	f.Fuzz(func(t *testing.T, text []byte) {
		if r, err := c.read(new(row.Parser), text); err == nil && !json.Valid(r.Bytes()) {
			t.Errorf("%q became %q", text, r.Bytes())
		}
	})
}
