package spec

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/autosafe/autosafe/spec/schema"
)

// Options are what a recipe depends on besides its files.
type Options struct {
	// Vars are variables as "name=value", VarFiles files that set variables,
	// relative to the working directory. Values count in this order, the last
	// one wins: AUTOSAFE_VAR_name in Environ, *.auto.hclvars in the recipe's
	// folder, VarFiles, Vars. Between a -var-file and a -var the order on the
	// command line does not matter.
	Vars     []string
	VarFiles []string
	Environ  []string // "NAME=value", for env() and AUTOSAFE_VAR_name
	Registry Registry
	Version  string // of autosafe; "" and "dev" suit every recipe
	// Checked is Recipe.Checked of an earlier Decode of this recipe by the
	// same program, if there is one: what was checked then is not checked
	// again. It may be out of date or damaged.
	Checked []byte
}

// Registry knows the components that a recipe can use.
type Registry interface {
	// Component finds a component by its label in a recipe.
	Component(role schema.Role, label string) (*schema.Component, PluginRef, bool)
	// Labels are all labels of a role, for suggestions.
	Labels(role schema.Role) []string
	// Validate has the component look at its configuration.
	Validate(ref PluginRef, role schema.Role, component string, config []byte) ([]schema.Diagnostic, error)
}

// Decode evaluates and checks everything that Parse has left. It goes through
// phases (names in blocks, variables, local values, references, values, then
// columns, templates and expressions), reports all problems of a phase
// together, and stops after the first phase with errors. That a provider's
// secrets lack a variable of the environment is no error: Provider.Missing.
//
// Blocks of steps that are not enabled are checked by name only, and nothing
// is asked of the environment for models and providers that no enabled step
// uses; env() in a local value, though, is always evaluated.
//
// No diagnostic holds the value of a variable or of a known secret. A Source
// serves one Decode at a time.
func (s *Source) Decode(opts Options) (*Recipe, hcl.Diagnostics) {
	d := newDecoder(s, opts)
	phases := []func() hcl.Diagnostics{
		func() hcl.Diagnostics { return s.CheckVersion(opts.Version) },
		d.structure, d.setVariables, d.setLocals, d.connect, d.configure, d.check,
	}
	var diags hcl.Diagnostics
	for _, phase := range phases {
		diags = append(diags, tidy(phase())...)
		if diags.HasErrors() {
			return nil, d.secrets.redact(diags, s.Files)
		}
	}
	for _, p := range d.providers {
		p.Missing = d.secrets.redact(p.Missing, s.Files)
	}
	return d.recipe(), d.secrets.redact(diags, s.Files)
}

// decoder holds the state of one Decode.
type decoder struct {
	src     *Source
	opts    Options
	env     environ
	secrets secrets

	checks *checks
	envs   celEnvs

	functions, lenient map[string]function.Function

	vars        map[string]*variable
	locals      map[string]*hcl.Attribute
	localValues map[string]cty.Value
	blocks      map[string]*block // providers, models and steps by address
	order       []*block          // steps, inputs first

	models    map[string]*Model          // used ones, by address
	providers map[string]*Provider       // of used models, by address
	open      []openText                 // what must hold no secret
	granted   map[string][][]schema.File // files that plugins may read, by plugin
}

func newDecoder(s *Source, opts Options) *decoder {
	env := newEnviron(opts.Environ)
	if opts.Registry == nil {
		opts.Registry = noComponents{}
	}
	found := secrets{}
	s.found, s.texts = found, map[string]string{}
	return &decoder{
		src: s, opts: opts, env: env, secrets: found,
		checks:      newChecks(opts.Checked),
		envs:        celEnvs{},
		functions:   functions(s.Dir, env, false, found, s.texts),
		lenient:     functions(s.Dir, env, true, found, s.texts),
		vars:        map[string]*variable{},
		locals:      map[string]*hcl.Attribute{},
		localValues: map[string]cty.Value{},
		blocks:      map[string]*block{},
		models:      map[string]*Model{},
		providers:   map[string]*Provider{},
		granted:     map[string][][]schema.File{},
	}
}

// noComponents is the registry of a caller who gives none.
type noComponents struct{}

func (noComponents) Component(schema.Role, string) (*schema.Component, PluginRef, bool) {
	return nil, PluginRef{}, false
}
func (noComponents) Labels(schema.Role) []string { return nil }
func (noComponents) Validate(PluginRef, schema.Role, string, []byte) ([]schema.Diagnostic, error) {
	return nil, nil
}

// block is a provider, a model or a step as it stands in the recipe. Under
// for_each one step block makes several steps.
type block struct {
	typ    string
	labels []string
	addr   string
	node   *node

	component *schema.Component // of a role block
	plugin    PluginRef

	evaluation *evaluationParts // of an evaluation block

	deps      []dependency
	models    []*block // model blocks that it refers to
	forEach   bool
	instances []*instance
	broken    bool // its instances could not be worked out
}

// dependency is a reference from one step block to another.
type dependency struct {
	block *block
	rng   hcl.Range
	rest  hcl.Traversal // after the block's address
}

func (b *block) name() string { return b.labels[len(b.labels)-1] }

func address(typ string, labels []string) string { return typ + "." + strings.Join(labels, ".") }

func isRole(typ string) bool {
	return typ != string(schema.Output) && slices.Contains(schema.Roles(), schema.Role(typ))
}

// stepTypes are the block types that make steps.
func stepTypes() []string {
	return []string{"threat_source", "simulator", "reflector", "judge", "distill", "dataset", "finetune", "evaluation"}
}

func (b *block) isStep() bool { return slices.Contains(stepTypes(), b.typ) }

func (d *decoder) addresses() []string { return sortedKeys(d.blocks) }

func (d *decoder) blockTypes() map[string]bool {
	types := map[string]bool{"provider": true, "model": true}
	for _, t := range stepTypes() {
		types[t] = true
	}
	return types
}

// rootSchema is what may stand at the top of a recipe file.
func rootSchema() schema.Block {
	name, componentName := []string{"name"}, []string{"component", "name"}
	blocks := []schema.NestedBlock{
		{Type: "autosafe"}, {Type: "variable", Labels: name}, {Type: "locals"},
		{Type: "provider", Labels: []string{"type", "name"}}, {Type: "model", Labels: name},
	}
	for _, t := range stepTypes() {
		labels := componentName
		if !isRole(t) {
			labels = name
		}
		blocks = append(blocks, schema.NestedBlock{Type: t, Labels: labels})
	}
	return schema.Block{Blocks: blocks}
}

// structure reads the blocks of all files and checks every name in them.
func (d *decoder) structure() hcl.Diagnostics {
	var diags hcl.Diagnostics
	root := rootSchema()
	for _, name := range d.src.names {
		content, moreDiags := d.src.Files[name].Body.Content(bodySchema(root))
		for _, diag := range moreDiags {
			nameExpected(diag, root)
		}
		diags = append(diags, moreDiags...)
		for _, b := range content.Blocks {
			diags = append(diags, d.readTop(b)...)
		}
	}
	return diags
}

// readTop reads one block from the top of a file.
func (d *decoder) readTop(b *hcl.Block) hcl.Diagnostics {
	switch b.Type {
	case "autosafe": // Parse has read it
		return nil
	case "locals":
		return d.readLocals(b)
	}
	diags := checkLabels(b)
	if diags.HasErrors() {
		return diags
	}
	if b.Type == "variable" {
		n, diags := readBlock(b, variableShape(), nil)
		if diags.HasErrors() {
			return diags
		}
		return d.declare(n)
	}
	return d.readBlock(b)
}

// checkLabels checks that labels can stand in references.
func checkLabels(b *hcl.Block) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for i, label := range b.Labels {
		if !hclsyntax.ValidIdentifier(label) {
			diags = append(diags, problemAt(b.LabelRanges[i], "Invalid name",
				"%q cannot be a name in a recipe: use letters, digits, underscores and dashes, and begin with a letter.", label))
		}
	}
	return diags
}

func (d *decoder) readLocals(b *hcl.Block) hcl.Diagnostics {
	attrs, diags := b.Body.JustAttributes()
	for _, attr := range sortedAttrs(attrs) {
		if old, ok := d.locals[attr.Name]; ok {
			diags = append(diags, problemAt(attr.NameRange, "Duplicate local value", "The local value %q was already set at %s. Rename one of them.", attr.Name, place(old.NameRange)))
			continue
		}
		d.locals[attr.Name] = attr
	}
	return diags
}

// readBlock reads a provider, a model or a step.
func (d *decoder) readBlock(hb *hcl.Block) hcl.Diagnostics {
	b := &block{typ: hb.Type, labels: hb.Labels, addr: address(hb.Type, hb.Labels)}
	if old, ok := d.blocks[b.addr]; ok {
		return hcl.Diagnostics{problemAt(headRange(hb), "Duplicate block", "There is already %s, at %s. Rename one of them.", b.addr, place(old.node.head))}
	}
	shape, diags := d.shape(b, hb)
	var nested shapeOf
	switch b.typ {
	case "dataset":
		nested = d.outputShape
	case string(schema.Evaluation):
		nested = d.partShape(b)
	}
	if diags.HasErrors() {
		// The block is known all the same, so that references to it are not
		// reported too.
		b.node = &node{typ: hb.Type, labels: hb.Labels, head: headRange(hb), end: headRange(hb)}
		d.blocks[b.addr] = b
		return diags
	}
	n, moreDiags := readBlock(hb, shape, nested)
	b.node = n
	d.blocks[b.addr] = b
	diags = append(diags, moreDiags...)
	if b.typ == string(schema.Evaluation) {
		diags = append(diags, d.divide(b)...)
	}
	return diags
}

// shape gives the shape of a block at the top of a file.
func (d *decoder) shape(b *block, hb *hcl.Block) (schema.Block, hcl.Diagnostics) {
	switch b.typ {
	case "model":
		return modelShape(), nil
	case "provider":
		return providerShape(hb)
	case "distill":
		return distillShape(), nil
	case "dataset":
		return datasetShape(), nil
	}
	component, plugin, diag := d.component(schema.Role(b.typ), hb.Labels[0], hb.LabelRanges[0])
	if diag != nil {
		return schema.Block{}, hcl.Diagnostics{diag}
	}
	b.component, b.plugin = component, plugin
	switch b.typ {
	case string(schema.Finetune):
		return finetuneShape(component), nil
	case string(schema.Evaluation):
		return evaluationShape(component), nil
	}
	shape := component.Config
	meta := metaAttributes(b.typ != string(schema.ThreatSource))
	shape.Attributes = append(meta, shape.Attributes...)
	return shape, nil
}

// recipe puts the result together.
func (d *decoder) recipe() *Recipe {
	for _, v := range d.vars {
		d.secrets.spread(v.value)
	}
	for _, v := range d.localValues {
		d.secrets.spread(v)
	}
	r := &Recipe{Dir: d.src.Dir, Variables: d.variableValues(), Checked: d.checks.encode(d.opts.Checked)}
	for _, b := range d.order {
		for _, inst := range b.instances {
			for _, part := range inst.all() {
				r.Steps = append(r.Steps, part.step)
			}
		}
	}
	r.Models = d.sortedModels()
	return r
}
