package pluginhost

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/plugins/sdk/transport"
	"github.com/autosafe/autosafe/spec/schema"
)

// serveFuture is a plugin of a protocol that this autosafe does not speak.
func serveFuture() {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: transport.Handshake(),
		VersionedPlugins: map[int]plugin.PluginSet{transport.Major + 1: {
			transport.PluginName: liarPlugin{server: liar{sdk.NewServer(acmePlugin(), nil, os.Stderr)}},
		}},
		GRPCServer: plugin.DefaultGRPCServer,
	})
}

// TestProtocolVersion: a plugin of another major version is not run, and the
// error names both versions.
func TestProtocolVersion(t *testing.T) {
	h := newHost(t, nil)
	_, err := h.process(context.Background(), install(t, t.TempDir(), "future"))
	e := wantRunError(t, err, "plugin_protocol")
	if !strings.Contains(e.Detail, "speaks version 2") || !strings.Contains(e.Detail, "speaks version 1") {
		t.Errorf("detail %q", e.Detail)
	}
	if left := children(t); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
}

// drip sends messages that hold nothing, for ever.
func drip(st grpc.BidiStreamingServer[pluginpb.RunRequest, pluginpb.RunResponse]) error {
	for {
		if err := st.Send(results()); err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// TestDrip: messages without results do not keep a run alive.
func TestDrip(t *testing.T) {
	h := newHost(t, func(o *Options) { o.StallTimeout = time.Second })
	ref := install(t, t.TempDir(), "liar")
	out := runAll(t, h, engine.RunSpec{Address: "test", Plugin: ref, Role: schema.Simulator, Component: "echo"}, texts("drip"))
	wantRunError(t, out.err, "plugin_stalled")
}

// TestFloodOfOutput: what a plugin writes beside its rows is bounded, and its
// rows are answered.
func TestFloodOfOutput(t *testing.T) {
	var log syncBuffer
	h := newHost(t, func(o *Options) { o.Log = &log })
	out := runAll(t, h, specOf(schema.Simulator, "shout", "{}"), texts("a", "b"))
	if out.err != nil || len(out.results) != 2 || out.results[0].Err != nil {
		t.Fatalf("%+v", out)
	}
	eventually(t, "the log has no end", func() bool { return strings.Contains(log.String(), "it writes too much; the rest is not shown") })
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(log.String()); n > logBudget+logBudget/2 {
		t.Errorf("%d bytes were logged", n)
	}
}

// shout writes twice what is logged of a process.
func shout(_ context.Context, _ struct{}, in textIn, _ *sdk.Call) ([]textOut, error) {
	line := strings.Repeat("z", 1000) + "\n"
	for range logBudget / len(line) {
		if _, err := io.WriteString(os.Stderr, line); err != nil {
			return nil, err
		}
	}
	return []textOut{{fmt.Sprint(in.Text)}}, nil
}
