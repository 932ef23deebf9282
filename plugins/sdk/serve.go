package sdk

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/plugins/sdk/transport"
)

// Serve is a plugin's main. It returns when the host is done with the
// process, and ends the process when the host dies. What the plugin writes to
// standard output and error after this call goes to the host's log; nothing
// may be written to standard output before.
func Serve(p Plugin) {
	stderr := os.Stderr
	go exitWithHost(os.Stdin)
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: transport.Handshake(),
		VersionedPlugins: map[int]plugin.PluginSet{
			transport.Major: {transport.PluginName: &grpcPlugin{plugin: p, log: stderr}},
		},
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, transport.ServerOptions()...)...)
		},
		Logger: hclog.New(&hclog.LoggerOptions{Output: stderr, JSONFormat: true, Level: hclog.Warn}),
	})
}

// exitWithHost ends the process when the host is gone: the host holds the
// other end of standard input and never writes to it. Where standard input is
// no pipe, nobody watches the process in this way.
func exitWithHost(stdin *os.File) {
	info, err := stdin.Stat()
	if err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return
	}
	if _, err := io.Copy(io.Discard, stdin); err != nil && !errors.Is(err, io.EOF) {
		return
	}
	removeSockets(os.Getenv(plugin.EnvUnixSocketDir))
	os.Exit(0)
}

// removeSockets clears the folder that a killed host can no longer clear.
func removeSockets(dir string) {
	sockets, err := filepath.Glob(filepath.Join(dir, "plugin*"))
	if err != nil || !strings.HasPrefix(filepath.Base(dir), "plugin-dir") {
		return
	}
	for _, s := range sockets {
		_ = os.Remove(s)
	}
	_ = os.Remove(dir)
}

// grpcPlugin is go-plugin's view of a plugin.
type grpcPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	plugin Plugin
	log    io.Writer
}

func (g *grpcPlugin) GRPCServer(broker *plugin.GRPCBroker, s *grpc.Server) error {
	dial := func(id uint32) (conn *grpc.ClientConn, err error) {
		// The broker waits five seconds for the host to say where it listens. On
		// a machine with much else to do that may come later.
		for range 12 {
			if conn, err = broker.DialWithOptions(id, transport.DialOptions()...); err == nil {
				break
			}
		}
		return conn, err
	}
	pluginpb.RegisterPluginServer(s, NewServer(g.plugin, dial, g.log))
	return nil
}

// GRPCClient is for hosts, which have their own.
func (g *grpcPlugin) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("this end serves")
}
