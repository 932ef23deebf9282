package sdk

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"

	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/spec/schema"
)

// SDKVersion is the version of this package, told to hosts for their logs.
const SDKVersion = "0.1.0"

// Dialer connects to the service that the host serves under an id.
type Dialer func(id uint32) (*grpc.ClientConn, error)

// NewServer gives the protocol's service for a plugin, for serving it by
// other means than Serve: package sdktest does so without a process. Log
// lines go to log as JSON.
func NewServer(p Plugin, dial Dialer, log io.Writer) pluginpb.PluginServer {
	return &server{plugin: p, dial: dial, log: hclog.New(&hclog.LoggerOptions{
		Name: "plugin", Output: log, JSONFormat: true, Level: hclog.Info,
	})}
}

type server struct {
	pluginpb.UnimplementedPluginServer
	plugin Plugin
	dial   Dialer
	log    hclog.Logger
	busy   atomic.Int64
}

// Busy counts the authors' functions at work, those that outlive their run
// among them.
func (s *server) Busy() int64 { return s.busy.Load() }

func (s *server) Describe(context.Context, *pluginpb.DescribeRequest) (*pluginpb.DescribeResponse, error) {
	list, err := Describe(s.plugin)
	if err != nil {
		return nil, err
	}
	out := &pluginpb.DescribeResponse{
		Name: s.plugin.Name, Version: s.plugin.Version, SdkVersion: SDKVersion,
		Plugin: &pluginpb.Capabilities{},
	}
	for _, c := range list {
		m, err := pluginpb.FromComponent(c)
		if err != nil {
			return nil, err
		}
		out.Components = append(out.Components, m)
	}
	return out, nil
}

func (s *server) Validate(_ context.Context, req *pluginpb.ValidateRequest) (out *pluginpb.ValidateResponse, err error) {
	defer func() { // an author's Validate may panic
		if p := recover(); p != nil {
			out, err = nil, fmt.Errorf("checking the configuration panicked: %v", p)
		}
	}()
	out = &pluginpb.ValidateResponse{}
	for _, d := range Validate(s.plugin, schema.Role(req.GetRole()), req.GetComponent(), req.GetConfigJson()) {
		d.Summary, d.Detail = clip(d.Summary), clip(d.Detail)
		out.Diagnostics = append(out.Diagnostics, pluginpb.FromDiagnostic(d))
	}
	return out, nil
}

func (s *server) Run(st grpc.BidiStreamingServer[pluginpb.RunRequest, pluginpb.RunResponse]) error {
	return s.serveRun(st)
}

// dialModels connects to the host's service. Runs without models have none.
func (s *server) dialModels(id uint32) (completer, func(), error) {
	if id == 0 {
		return noModels{}, func() {}, nil
	}
	conn, err := s.dial(id)
	if err != nil {
		return nil, nil, err
	}
	return hostModels{pluginpb.NewHostClient(conn)}, func() { _ = conn.Close() }, nil
}

// hostModels asks the host.
type hostModels struct{ client pluginpb.HostClient }

func (h hostModels) complete(ctx context.Context, req *pluginpb.CompleteRequest) (*pluginpb.CompleteResponse, error) {
	r, err := h.client.Complete(ctx, req)
	if err == nil {
		return r, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, &Error{Code: "host_error", Summary: "the host did not answer a model call", Detail: err.Error(), Transient: true}
}

func (h hostModels) tune(ctx context.Context, req *pluginpb.TuneRequest) (*pluginpb.TuneResponse, error) {
	r, err := h.client.Tune(ctx, req)
	if err == nil {
		return r, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, &Error{Code: "host_error", Summary: "the host did not train the model", Detail: err.Error(), Transient: true}
}

// noModels is for runs that have no model.
type noModels struct{}

func (noModels) complete(context.Context, *pluginpb.CompleteRequest) (*pluginpb.CompleteResponse, error) {
	return nil, Fail("no_model", "the component called a model, but none was given to it")
}

func (noModels) tune(context.Context, *pluginpb.TuneRequest) (*pluginpb.TuneResponse, error) {
	return nil, Fail("no_endpoint", "the component asked an endpoint to train, but its block names none")
}
