package pluginhost

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/jsonschema"
	"github.com/autosafe/autosafe/spec/schema"
)

// Registry finds the plugins that a recipe requires and gives the components
// that it can use: the built-in ones by their name, a plugin's as
// LOCALNAME_COMPONENT. Problems are reported at the requirement; the registry
// then has the other plugins.
func (h *Host) Registry(reqs []spec.PluginRequirement) (spec.Registry, hcl.Diagnostics) {
	ctx := context.Background() // bounded by the timeouts of each call
	r := &registry{host: h, labels: map[schema.Role]map[string]entry{}}
	var diags hcl.Diagnostics
	builtin := spec.PluginRef{Source: BuiltinSource, Version: h.opts.Builtin.Version}
	for role, components := range builtinComponents(h.opts.Builtin) {
		for name := range components {
			r.add(role, name, entry{ref: builtin})
		}
	}
	for _, req := range reqs {
		ref, desc, err := h.resolve(ctx, req)
		if err != nil {
			diags = append(diags, requirementProblem(req, "Unusable plugin", sentence(err)))
			continue
		}
		for i := range desc.components {
			c := &desc.components[i]
			label := strings.TrimSuffix(req.Name+"_"+c.Name, "_")
			if !r.add(c.Role, label, entry{ref, c}) {
				diags = append(diags, requirementProblem(req, "Ambiguous component name",
					fmt.Sprintf("The plugin's %s %q is used as %q, and so is another component. Give the plugin another local name.", c.Role, c.Name, label)))
			}
		}
	}
	return r, diags
}

func requirementProblem(req spec.PluginRequirement, summary, detail string) *hcl.Diagnostic {
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail}
	if req.Range.Filename != "" {
		rng := req.Range
		d.Subject = &rng
	}
	return d
}

// sentence makes a sentence of an error. One that begins with the name of a
// file keeps that as it is.
func sentence(err error) string {
	text := strings.TrimSuffix(err.Error(), ".") + "."
	word, _, _ := strings.Cut(text, " ")
	if strings.ContainsAny(strings.TrimRight(word, ".:,"), "./_") {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// resolve finds a required plugin and holds it to what the lock file and the
// recipe say. Nothing is started that is not what is locked.
func (h *Host) resolve(ctx context.Context, req spec.PluginRequirement) (spec.PluginRef, *description, error) {
	f, ref, err := h.find(req)
	if err != nil {
		return ref, nil, err
	}
	desc, err := h.describe(ctx, ref)
	if err != nil {
		return ref, nil, err
	}
	ref.Version = desc.version
	return ref, desc, agree(req, f, desc)
}

// Find finds the binary that would be used for a required plugin, and holds it
// to the lock file. It starts nothing.
func (h *Host) Find(req spec.PluginRequirement) (spec.PluginRef, error) {
	_, ref, err := h.find(req)
	return ref, err
}

func (h *Host) find(req spec.PluginRequirement) (found, spec.PluginRef, error) {
	f, err := h.locate(req)
	if err != nil {
		return f, spec.PluginRef{}, err
	}
	digest, err := h.fileDigest(f.path)
	if err != nil {
		return f, spec.PluginRef{}, err
	}
	if f.digest != "" && digest != f.digest {
		return f, spec.PluginRef{}, h.notLocked(req, f, digest)
	}
	ref := spec.PluginRef{Name: req.Name, Source: req.Source, Path: f.path, Digest: digest}
	if !req.Grant.IsZero() {
		ref.Grant = &req.Grant
	}
	return f, ref, nil
}

// agree holds a description to the requirement and to the version that was
// looked for.
func agree(req spec.PluginRequirement, f found, desc *description) error {
	if desc.name != req.Source {
		return fmt.Errorf("the binary %s says that it is %q, not %s. Set source to that, or put the right binary there",
			f.path, cleanLine(desc.name, maxReason), req.Source)
	}
	says, err := version.NewSemver(desc.version)
	if err != nil {
		return err
	}
	if f.override {
		return nil
	}
	if f.version != nil && !says.Equal(f.version) {
		return fmt.Errorf("the binary %s says that its version is %s, but it was released as %s. Its publisher must put that right", f.path, says, f.version)
	}
	allowed, err := constraints(req.Version)
	if err != nil {
		return err
	}
	if allowed != nil && !allowed.Check(says) {
		return fmt.Errorf("the binary %s is version %s, and the recipe requires %s", f.path, says, req.Version)
	}
	return nil
}

// builtinComponents are the components of a plugin by role and name.
func builtinComponents(p sdk.Plugin) map[schema.Role]map[string]sdk.Component {
	return map[schema.Role]map[string]sdk.Component{
		schema.ThreatSource: p.ThreatSources,
		schema.Simulator:    p.Simulators,
		schema.Reflector:    p.Reflectors,
		schema.Judge:        p.Judges,
		schema.Output:       p.Outputs,
		schema.Finetune:     p.Finetunes,
		schema.Evaluation:   p.Evaluations,
	}
}

// entry is a component that a recipe can use.
type entry struct {
	ref       spec.PluginRef
	component *schema.Component // nil: a built-in one, not described yet
}

type registry struct {
	host *Host

	mu     sync.Mutex
	labels map[schema.Role]map[string]entry
}

// add says whether the label was free.
func (r *registry) add(role schema.Role, label string, e entry) bool {
	if r.labels[role] == nil {
		r.labels[role] = map[string]entry{}
	}
	if _, taken := r.labels[role][label]; taken {
		return false
	}
	r.labels[role][label] = e
	return true
}

// Component finds a component by its label in a recipe. Of the built-in ones,
// only those that are asked for are described.
func (r *registry) Component(role schema.Role, label string) (*schema.Component, spec.PluginRef, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.labels[role][label]
	if !ok || e.component != nil {
		return e.component, e.ref, ok
	}
	c, err := sdk.DescribeOne(r.host.opts.Builtin, role, label)
	if err != nil { // a fault of ours, which sdktest finds
		return nil, spec.PluginRef{}, false
	}
	e.component = &c
	r.labels[role][label] = e
	return e.component, e.ref, true
}

// Labels lists the labels of a role in order.
func (r *registry) Labels(role schema.Role) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]string, 0, len(r.labels[role]))
	for label := range r.labels[role] {
		out = append(out, label)
	}
	slices.SortFunc(out, func(a, b string) int { return cmp.Compare(a, b) })
	return out
}

// Validate has a component look at its configuration. JSON Schemas in it are
// looked at here: it is the host that holds replies to them.
func (r *registry) Validate(ref spec.PluginRef, role schema.Role, component string, config []byte) ([]schema.Diagnostic, error) {
	diags, err := r.host.validate(context.Background(), ref, role, component, config)
	if err != nil {
		return diags, err
	}
	return append(diags, r.checkSchemas(ref, role, component, config)...), nil
}

// checkSchemas are the JSON Schemas of a configuration that replies cannot be
// held to.
func (r *registry) checkSchemas(ref spec.PluginRef, role schema.Role, component string, config []byte) (diags []schema.Diagnostic) {
	c := r.described(ref, role, component)
	var values map[string]json.RawMessage
	if c == nil || json.Unmarshal(config, &values) != nil {
		return nil
	}
	for _, a := range c.Config.Attributes {
		text, given := values[a.Name]
		if a.Kind != schema.JSONSchema || !given || string(text) == "null" {
			continue
		}
		var bad *jsonschema.Error
		if _, err := jsonschema.Compile(text); !errors.As(err, &bad) {
			continue
		}
		path := cty.GetAttrPath(a.Name)
		for _, step := range bad.Path {
			path = path.GetAttr(step)
		}
		diags = append(diags, schema.Diagnostic{Summary: "Invalid JSON Schema", Path: path,
			Detail: fmt.Sprintf("%q is not a JSON Schema that replies can be held to: %s.", a.Name, cleanText(bad.Error(), maxDetail))})
	}
	return diags
}

// described finds a component that has been described, by its own name.
func (r *registry) described(ref spec.PluginRef, role schema.Role, component string) *schema.Component {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.labels[role] {
		if e.component != nil && e.component.Name == component && processKey(e.ref) == processKey(ref) {
			return e.component
		}
	}
	return nil
}
