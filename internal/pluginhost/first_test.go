package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/plugins/sdk/pluginpb/frozen"
	"github.com/autosafe/autosafe/plugins/sdk/transport"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// first is a plugin that was built with protocol 1.0 and is still around: it
// knows the messages as they were then, and nothing of this module.
type first struct {
	plugin.NetRPCUnsupportedPlugin
	protocol protoreflect.FileDescriptor
	dial     func(id uint32) (*grpc.ClientConn, error)
}

// firstDescription is what it says of itself, as JSON. Bytes are in base64:
// InN0cmluZyI= is "string".
const firstDescription = `{
	"name": "example.com/first", "version": "1.0.0", "sdkVersion": "0.1.0", "plugin": {},
	"components": [
		{"role": "threat_source", "name": "count", "config": {}, "writes": [{"name": "text", "typeJson": "InN0cmluZyI="}]},
		{"role": "simulator", "name": "ask", "config": {"attributes": [{"name": "model", "typeJson": "InN0cmluZyI=", "kind": "model", "required": true}]},
			"reads": [{"name": "text", "typeJson": "InN0cmluZyI="}], "writes": [{"name": "echo", "typeJson": "InN0cmluZyI="}]},
		{"role": "judge", "name": "long", "config": {}, "reads": [{"name": "text", "typeJson": "InN0cmluZyI="}], "writes": [{"name": "$block", "typeJson": "ImJvb2wi"}]},
		{"role": "output", "name": "lines", "config": {}, "readsAll": true}
	]}`

func serveFirst() {
	protocol, err := frozen.Protocol("1.0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  transport.Handshake(),
		VersionedPlugins: map[int]plugin.PluginSet{1: {"autosafe": &first{protocol: protocol}}},
		GRPCServer:       plugin.DefaultGRPCServer,
	})
}

// GRPCServer implements go-plugin's interface.
func (f *first) GRPCServer(broker *plugin.GRPCBroker, s *grpc.Server) error {
	f.dial = func(id uint32) (conn *grpc.ClientConn, err error) {
		for range 24 { // the broker waits five seconds, which a loaded machine may not keep to
			if conn, err = broker.Dial(id); err == nil {
				break
			}
		}
		return conn, err
	}
	service := f.protocol.Services().ByName("Plugin")
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: string(service.FullName()),
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{
			{MethodName: "Describe", Handler: f.unary("DescribeRequest", "DescribeResponse", firstDescription)},
			{MethodName: "Validate", Handler: f.unary("ValidateRequest", "ValidateResponse", `{}`)},
		},
		Streams: []grpc.StreamDesc{{StreamName: "Run", ServerStreams: true, ClientStreams: true, Handler: func(_ any, st grpc.ServerStream) error { return f.run(st) }}},
	}, f)
	return nil
}

// GRPCClient implements go-plugin's interface.
func (f *first) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("this end serves")
}

func (f *first) message(name string) *dynamicpb.Message {
	return dynamicpb.NewMessage(f.protocol.Messages().ByName(protoreflect.Name(name)))
}

func (f *first) parse(name, text string) (*dynamicpb.Message, error) {
	m := f.message(name)
	return m, protojson.Unmarshal([]byte(text), m)
}

func (f *first) unary(in, out, answer string) grpc.MethodHandler {
	return func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		if err := decode(f.message(in)); err != nil {
			return nil, err
		}
		return f.parse(out, answer)
	}
}

// get gives a field of a message.
func get(m protoreflect.Message, name string) protoreflect.Value {
	return m.Get(m.Descriptor().Fields().ByName(protoreflect.Name(name)))
}

func (f *first) run(st grpc.ServerStream) error {
	send := func(text string, args ...any) error {
		m, err := f.parse("RunResponse", fmt.Sprintf(text, args...))
		if err != nil {
			return err
		}
		return st.SendMsg(m)
	}
	m := f.message("RunRequest")
	if err := st.RecvMsg(m); err != nil {
		return err
	}
	start := get(m, "start").Message()
	if get(start, "component").String() == "count" { // rows {"text":"0"} and {"text":"1"}
		return send(`{"results": {"results": [{"rows": ["eyJ0ZXh0IjoiMCJ9"]}, {"seq": 1, "rows": ["eyJ0ZXh0IjoiMSJ9"]}]}}`)
	}
	var host *grpc.ClientConn
	if id := get(start, "host_broker_id").Uint(); id != 0 {
		var err error
		if host, err = f.dial(uint32(id)); err != nil {
			return err
		}
		defer host.Close()
	}
	var lines []byte
	for {
		m := f.message("RunRequest")
		err := st.RecvMsg(m)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		list := get(get(m, "tasks").Message(), "tasks").List()
		for i := range list.Len() {
			task := list.Get(i).Message()
			lines = append(append(lines, get(task, "row").Bytes()...), '\n')
			answer, err := f.answer(st.Context(), host, start, task)
			if err != nil {
				return err
			}
			if err := send(`{"results": {"results": [%s]}}`, answer); err != nil {
				return err
			}
		}
	}
	if get(start, "component").String() != "lines" {
		return nil
	}
	if err := os.WriteFile(filepath.Join(get(start, "work_dir").String(), "all.jsonl"), lines, 0o666); err != nil {
		return err
	}
	return send(`{"artifact": {"path": "all.jsonl", "rows": 2}}`)
}

// answer works on a task. What the rows are is in base64: {"echo":"said"} and
// {"$block":true}.
func (f *first) answer(ctx context.Context, host *grpc.ClientConn, start, task protoreflect.Message) (string, error) {
	seq := get(task, "seq").Uint()
	switch get(start, "component").String() {
	case "ask":
		req, err := f.parse("CompleteRequest", fmt.Sprintf(`{"seq": %d, "slot": "model", "messages": [{"role": "user", "content": "Say it."}]}`, seq))
		if err != nil {
			return "", err
		}
		reply := f.message("CompleteResponse")
		if err := host.Invoke(ctx, "/autosafe.plugin.v1.Host/Complete", req, reply); err != nil {
			return "", err
		}
		if said := get(reply, "content").String(); said != "said" {
			return "", status.Errorf(codes.Unknown, "the model said %q", said)
		}
		return fmt.Sprintf(`{"seq": %d, "rows": ["eyJlY2hvIjoic2FpZCJ9"]}`, seq), nil
	case "long":
		return fmt.Sprintf(`{"seq": %d, "rows": ["eyIkYmxvY2siOnRydWV9"]}`, seq), nil
	}
	return fmt.Sprintf(`{"seq": %d}`, seq), nil
}

// TestFirstProtocol runs a plugin of every role that was built with the first
// version of the protocol.
func TestFirstProtocol(t *testing.T) {
	var mu sync.Mutex
	calls := 0
	h := newHost(t, func(o *Options) {
		o.Models = fakeModels(func(_ context.Context, req llm.Request, _ *llm.Tally) (llm.Reply, error) {
			mu.Lock()
			defer mu.Unlock()
			calls++
			return llm.Reply{Content: "said"}, nil
		})
	})
	ref := install(t, t.TempDir(), "first")
	desc, err := h.describe(t.Context(), ref)
	if err != nil || len(desc.components) != 4 {
		t.Fatalf("described as %+v: %v", desc, err)
	}
	if diags, err := h.validate(t.Context(), ref, schema.Judge, "long", []byte(`{}`)); err != nil || len(diags) > 0 {
		t.Errorf("a configuration that is right: %v %v", diags, err)
	}
	work := t.TempDir()
	tests := []struct {
		spec  engine.RunSpec
		tasks []engine.Task
		want  string
	}{
		{engine.RunSpec{Role: schema.ThreatSource, Component: "count"}, nil, `[{"text":"0"}] [{"text":"1"}] `},
		{engine.RunSpec{Role: schema.Simulator, Component: "ask", Config: []byte(`{"model":"model"}`), Models: map[string]*spec.Model{"model": {Name: "m"}}},
			texts("a", "b"), `[{"echo":"said"}] [{"echo":"said"}] `},
		{engine.RunSpec{Role: schema.Judge, Component: "long"}, texts("a", "b"), `[{"$block":true}] [{"$block":true}] `},
		{engine.RunSpec{Role: schema.Output, Component: "lines", WorkDir: work}, texts("a", "b"), `[] [] `},
	}
	for _, tt := range tests {
		tt.spec.Plugin, tt.spec.Address = ref, "test"
		out := runAll(t, h, tt.spec, tt.tasks)
		got := ""
		for seq := range uint64(len(out.results)) {
			got += fmt.Sprintf("%s ", out.results[seq].Rows)
		}
		if out.err != nil || got != tt.want {
			t.Errorf("%s: %s, want %s: %v", tt.spec.Component, got, tt.want, out.err)
		}
		if tt.spec.Role == schema.Output && len(out.artifacts) != 1 {
			t.Errorf("%d files were written, want 1", len(out.artifacts))
		}
	}
	if calls != 2 {
		t.Errorf("%d model calls, want 2", calls)
	}
}
