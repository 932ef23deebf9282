package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/plugins/sdk/transport"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// Probe is a plugin's process without what a Host does to be safe from what
// it sends: for tests that a plugin keeps to the protocol. It implements
// conformance.Peer.
type Probe struct{ process *process }

// Probe starts a plugin's binary, contained as in a build: it may read the
// files and write to the folder. All are absolute paths.
func (h *Host) Probe(ctx context.Context, path string, files []string, folder string) (*Probe, error) {
	ref, err := h.refOf(path)
	if err != nil {
		return nil, err
	}
	p, err := h.processFor(ctx, ref, needs{files: files, workDir: folder})
	if err != nil {
		return nil, err
	}
	return &Probe{p}, nil
}

// Described is what a plugin says of itself.
type Described struct {
	Name, Version string
	Components    []schema.Component
}

// DescribeBinary asks a plugin's binary what it can do.
func (h *Host) DescribeBinary(ctx context.Context, path string) (Described, error) {
	ref, err := h.refOf(path)
	if err != nil {
		return Described{}, err
	}
	d, err := h.describe(ctx, ref)
	if err != nil {
		return Described{}, err
	}
	return Described{Name: d.name, Version: d.version, Components: d.components}, nil
}

// DescribeRequired asks the plugin that a recipe requires what it can do, as
// Registry does.
func (h *Host) DescribeRequired(ctx context.Context, req spec.PluginRequirement) (Described, error) {
	_, d, err := h.resolve(ctx, req)
	if err != nil {
		return Described{}, err
	}
	return Described{Name: d.name, Version: d.version, Components: d.components}, nil
}

func (h *Host) refOf(path string) (pluginRef, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return pluginRef{}, err
	}
	if !executable(path) {
		return pluginRef{}, fmt.Errorf("%s is no file that can be run", path)
	}
	digest, err := h.fileDigest(path)
	return pluginRef{Path: path, Digest: digest}, err
}

// Client calls the plugin.
func (p *Probe) Client() pluginpb.PluginClient { return p.process.conn.plugin }

// Serve serves the host's side of model calls, and gives the id under which
// the plugin reaches it.
func (p *Probe) Serve(host pluginpb.HostServer) (uint32, func(), error) {
	broker := p.process.conn.broker
	id := broker.NextId()
	listener, err := broker.Accept(id)
	if err != nil {
		return 0, nil, err
	}
	server := grpc.NewServer(append(transport.ServerOptions(), grpc.Creds(credentials.NewTLS(p.process.tls)))...)
	pluginpb.RegisterHostServer(server, host)
	go func() { _ = server.Serve(listener) }()
	return id, server.Stop, nil
}

// HangUp closes the plugin's standard input, as the death of the host does,
// and waits for its end.
func (p *Probe) HangUp(patience time.Duration) error {
	p.process.child.hangUp()
	select {
	case <-p.process.child.exited:
		return nil
	case <-time.After(patience):
		return errors.New("the process goes on after its standard input was closed, as it is when the host dies; it must end then")
	}
}

// Reason gives the words of an error of this package, its detail among them.
func Reason(err error) string {
	var e *engine.RunError
	if errors.As(err, &e) && e.Detail != "" {
		return e.Summary + ": " + e.Detail
	}
	return err.Error()
}

// stdoutOf is where what a plugin writes to standard output goes.
func (h *Host) stdoutOf(log *output) io.Writer {
	if h.opts.Stdout != nil {
		return h.opts.Stdout
	}
	return log
}
