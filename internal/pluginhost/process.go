package pluginhost

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/plugins/sdk/transport"
	"github.com/autosafe/autosafe/spec"
)

type pluginRef = spec.PluginRef

// processKey tells binaries apart, and what they are granted.
func processKey(ref pluginRef) string {
	key := ref.Path + "\x00" + ref.Digest
	if g := ref.Grant; g != nil {
		key += fmt.Sprintf("\x00%q\x00%q\x00%q", g.Network, g.Read, g.Env)
	}
	return key
}

// process is a plugin's process, shared by all runs of its components.
type process struct {
	host   *Host
	name   string // for messages
	path   string
	args   []string
	digest string // hex; empty: not checked
	output *output
	// secrets replaces what of the environment must be in no message.
	secrets *strings.Replacer

	ready   chan struct{} // closed when err or conn is set
	err     error
	config  *plugin.ClientConfig
	client  *plugin.Client
	child   *child
	sockets *sockets // launch's alone, until ready is closed
	conn    connection
	tls     *tls.Config
	cut     atomic.Bool // it was ended because its connection broke

	stopOnce sync.Once
}

// connection is what go-plugin dispenses.
type connection struct {
	plugin pluginpb.PluginClient
	broker *plugin.GRPCBroker
	link   *grpc.ClientConn
}

func newProcess(h *Host, ref pluginRef, n needs) *process {
	p := &process{host: h, name: ref.Name, path: ref.Path, digest: ref.Digest, ready: make(chan struct{})}
	if ref.Path == "" {
		p.name, p.path, p.args = BuiltinSource, h.opts.SelfPath, []string{ServeArgument}
	}
	if n.command {
		p.args = append(p.args, CommandsArgument)
	}
	if p.name == "" {
		p.name = filepath.Base(p.path)
	}
	p.secrets = h.secretsOf(ref.Grant)
	p.output = &output{log: h.log, name: cleanLine(p.name, maxReason), secrets: p.secrets}
	p.child = newChild(p.path, p.args, p.digest, h.starter, h.grace)
	p.child.printed = h.opts.Stdout
	p.config = &plugin.ClientConfig{
		HandshakeConfig: transport.Handshake(),
		VersionedPlugins: map[int]plugin.PluginSet{
			transport.Major: {transport.PluginName: dispenser{}},
		},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, dir string) (runner.Runner, error) {
			id, config, err := newIdentity()
			if err != nil {
				return nil, err
			}
			p.config.TLSConfig = config
			p.child.env, p.sockets = append(cmd.Env, id), holdSockets(dir)
			return p.child, p.shutIn(ref, n, dir)
		},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		GRPCDialOptions:  transport.DialOptions(),
		SkipHostEnv:      true,
		StartTimeout:     h.opts.StartTimeout,
		Logger:           hclog.NewNullLogger(),
		Stderr:           p.output,
		SyncStdout:       h.stdoutOf(p.output),
		SyncStderr:       p.output,
	}
	p.client = plugin.NewClient(p.config)
	return p
}

// shutIn has a third party's process start in a folder of its own, without
// this process's environment, and contained.
func (p *process) shutIn(ref pluginRef, n needs, dir string) (err error) {
	c := p.child
	if ref.Path == "" {
		c.env = append(c.env, n.env...)
		return nil
	}
	if c.env, c.dir, err = p.host.prepareWork(ref, dir, c.env); err != nil {
		return err
	}
	if c.cell = p.host.newCell(ref, n); c.cell == nil {
		return p.host.uncontained()
	}
	c.cell.policy.Base, c.cell.policy.Args, c.cell.policy.Env = dir, c.args, c.env
	return nil
}

// over says that the process cannot take another run.
func (p *process) over() bool {
	select {
	case <-p.ready:
	default:
		return false
	}
	return p.err != nil || p.dead()
}

func (p *process) dead() bool {
	select {
	case <-p.child.exited:
		return true
	default:
		return false
	}
}

// launch starts the process and connects to it.
func (p *process) launch() {
	defer close(p.ready)
	if p.path == "" {
		p.err = errors.New("the path of the autosafe binary is not known")
		return
	}
	if err := p.connect(); err != nil {
		p.stop()
		p.sockets.remove() // go-plugin leaves it if the process did not start
		p.err = p.startError(err)
		return
	}
	p.tls = p.config.TLSConfig
}

func (p *process) connect() error {
	proto, err := p.client.Client()
	if err != nil {
		return err
	}
	raw, err := proto.Dispense(transport.PluginName)
	if err != nil {
		return err
	}
	conn, ok := raw.(connection)
	if !ok {
		return fmt.Errorf("unexpected client %T", raw)
	}
	p.conn = conn
	return nil
}

// otherVersion is go-plugin's word for a plugin of another protocol.
func otherVersion() *regexp.Regexp {
	return regexp.MustCompile(`incompatible API version with plugin\. Plugin version: (\d+)`)
}

func (p *process) startError(err error) error {
	if m := otherVersion().FindStringSubmatch(err.Error()); m != nil {
		return &engine.RunError{Code: "plugin_protocol", Summary: "the plugin speaks another protocol", Detail: cleanText(fmt.Sprintf(
			"%s speaks version %s of the plugin protocol, and this autosafe speaks version %d. Use a release of the plugin that was built for it, or another autosafe.",
			p.path, m[1], transport.Major), maxDetail)}
	}
	detail := fmt.Sprintf("%s: %s", p.path, p.secrets.Replace(err.Error())) // which may be what it printed
	if words := p.output.last(); words != "" {
		detail += "\nIts last words:\n" + words
	}
	return &engine.RunError{Code: "plugin_start_failed", Summary: "the plugin cannot be started", Detail: cleanText(detail, maxDetail)}
}

// crash says how the process died.
func (p *process) crash() *engine.RunError {
	detail := fmt.Sprintf("%s %s.", p.name, p.child.state())
	if p.cut.Load() {
		detail = fmt.Sprintf("%s broke its connection and went on running, so that it was ended.", p.name)
	}
	if words := p.output.last(); words != "" {
		detail += " Its last words:\n" + words
	}
	return &engine.RunError{Code: "plugin_crashed", Summary: "the plugin's process died", Detail: cleanText(detail, maxDetail)}
}

// grace is how long a process may take to end by itself.
const grace = 2 * time.Second

// stop ends the process, by force if it must, and returns when it is gone.
func (p *process) stop() {
	p.stopOnce.Do(func() {
		p.child.hangUp()
		wait := p.host.grace
		select {
		case <-p.ready:
		default:
			wait = 0 // it is still starting
		}
		force := time.AfterFunc(wait, p.child.kill)
		defer force.Stop()
		p.client.Kill()
		p.child.kill()
		select {
		case <-p.ready:
			p.sockets.remove()
		default: // launch does
		}
	})
}

// dispenser makes the client side of the plugin.
type dispenser struct{ plugin.NetRPCUnsupportedPlugin }

func (dispenser) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("this end calls")
}

func (dispenser) GRPCClient(_ context.Context, broker *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return connection{plugin: pluginpb.NewPluginClient(conn), broker: broker, link: conn}, nil
}
