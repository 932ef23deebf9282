package pluginhost

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-version"
	"google.golang.org/protobuf/proto"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/plugins/sdk/transport"
	"github.com/autosafe/autosafe/spec/schema"
)

// description is what a plugin says of itself.
type description struct {
	name, version string
	components    []schema.Component
}

// describeTimeout bounds the calls that are pure and must be quick.
const describeTimeout = time.Minute

// describe gives a plugin's description: the built-in one's from this
// process, another's from the cache, and only if it is not there from the
// plugin's process.
func (h *Host) describe(ctx context.Context, ref pluginRef) (*description, error) {
	key := processKey(ref)
	h.mu.Lock()
	d := h.described[key]
	h.mu.Unlock()
	if d != nil {
		return d, nil
	}
	d, err := h.describeAnew(ctx, ref)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	h.described[key] = d
	h.mu.Unlock()
	return d, nil
}

func (h *Host) describeAnew(ctx context.Context, ref pluginRef) (*description, error) {
	if ref.Path == "" {
		list, err := sdk.Describe(h.opts.Builtin)
		if err != nil {
			return nil, err
		}
		return &description{name: h.opts.Builtin.Name, version: h.opts.Builtin.Version, components: list}, nil
	}
	if ref.Digest == "" {
		return nil, fmt.Errorf("the digest of %s is not known", ref.Path)
	}
	key := framed("describe", ref.Digest)
	if b, ok := h.recall(key); ok {
		var m pluginpb.DescribeResponse
		if proto.Unmarshal(b, &m) == nil {
			if d, err := readDescription(&m); err == nil {
				return d, nil
			}
		}
	}
	p, err := h.process(ctx, ref)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	m, err := p.conn.plugin.Describe(ctx, &pluginpb.DescribeRequest{HostVersion: h.opts.Version, Host: &pluginpb.Capabilities{}})
	if err != nil {
		return nil, p.callError(err)
	}
	d, err := readDescription(m)
	if err != nil {
		return nil, err
	}
	return d, h.remember(key, m)
}

// readDescription checks what a plugin says of itself.
func readDescription(m *pluginpb.DescribeResponse) (*description, error) {
	if _, err := version.NewSemver(m.GetVersion()); err != nil {
		return nil, fmt.Errorf("the plugin says that its version is %q, which is no semantic version", cleanLine(m.GetVersion(), maxReason))
	}
	d := &description{name: m.GetName(), version: m.GetVersion()}
	seen := map[string]bool{}
	for _, cm := range m.GetComponents() {
		c, err := pluginpb.ToComponent(cm)
		if err != nil {
			return nil, errors.New(cleanLine(err.Error(), maxDetail))
		}
		key := string(c.Role) + " " + c.Name
		if seen[key] {
			return nil, fmt.Errorf("the plugin describes %s twice", key)
		}
		seen[key] = true
		d.components = append(d.components, c)
	}
	return d, nil
}

// validate has a component look at its configuration.
func (h *Host) validate(ctx context.Context, ref pluginRef, role schema.Role, component string, config []byte) ([]schema.Diagnostic, error) {
	if ref.Path == "" {
		return h.validateBuiltin(role, component, config)
	}
	desc, err := h.describe(ctx, ref)
	if err != nil {
		return nil, err
	}
	c, ok := desc.component(role, component)
	if !ok {
		return nil, fmt.Errorf("the plugin %s has no %s %q", desc.name, role, component)
	}
	key := framed("validate", ref.Digest, string(role), component, string(config))
	keep := !hasSensitive(c.Config) // not even a digest of a secret is kept
	if keep {
		if b, ok := h.recall(key); ok {
			var m pluginpb.ValidateResponse
			if proto.Unmarshal(b, &m) == nil {
				return readDiagnostics(&m), nil
			}
		}
	}
	p, err := h.process(ctx, ref)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	m, err := p.conn.plugin.Validate(ctx, &pluginpb.ValidateRequest{Role: string(role), Component: component, ConfigJson: config})
	if err != nil {
		return nil, p.callError(err)
	}
	for _, d := range m.GetDiagnostics() { // before they are kept
		d.Summary, d.Detail = p.secrets.Replace(d.GetSummary()), p.secrets.Replace(d.GetDetail())
	}
	if keep {
		err = h.remember(key, m)
	}
	return readDiagnostics(m), err
}

func (h *Host) validateBuiltin(role schema.Role, component string, config []byte) (diags []schema.Diagnostic, err error) {
	defer func() {
		if p := recover(); p != nil {
			diags, err = nil, fmt.Errorf("checking the configuration of %s %q panicked: %v", role, component, p)
		}
	}()
	return sdk.Validate(h.opts.Builtin, role, component, config), nil
}

func readDiagnostics(m *pluginpb.ValidateResponse) []schema.Diagnostic {
	var out []schema.Diagnostic
	for _, d := range m.GetDiagnostics() {
		out = append(out, readDiagnostic(d))
	}
	return out
}

func readDiagnostic(m *pluginpb.Diagnostic) schema.Diagnostic {
	d := pluginpb.ToDiagnostic(m)
	d.Summary, d.Detail = cleanLine(d.Summary, maxReason), cleanText(d.Detail, maxDetail)
	return d
}

func hasSensitive(b schema.Block) bool {
	for _, a := range b.Attributes {
		if a.Sensitive {
			return true
		}
	}
	for _, n := range b.Blocks {
		if hasSensitive(n.Block) {
			return true
		}
	}
	return false
}

// framed makes a key of parts, each preceded by its length.
func framed(parts ...string) cache.Digest {
	b := binary.AppendUvarint([]byte("autosafe/pluginhost\n"), transport.Major)
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	return cache.Sum(b)
}

// recall gives what was remembered under a key.
func (h *Host) recall(key cache.Digest) ([]byte, bool) {
	h.mu.Lock()
	b, ok := h.memo[key]
	h.mu.Unlock()
	if ok || h.opts.Store == nil {
		return b, ok
	}
	b, err := h.opts.Store.Get(cache.Describe, key)
	return b, err == nil // what cannot be read is asked for again
}

func (h *Host) remember(key cache.Digest, m proto.Message) error {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.memo[key] = b
	h.mu.Unlock()
	if h.opts.Store == nil {
		return nil
	}
	return h.opts.Store.Put(cache.Describe, key, b)
}

// fileDigest is the SHA-256 of a file in hex.
func (h *Host) fileDigest(path string) (string, error) {
	if h.opts.Store == nil {
		return hashFile(path)
	}
	d, _, err := h.opts.Store.FileDigest(path)
	if err != nil {
		return "", err
	}
	return d.String(), nil
}
