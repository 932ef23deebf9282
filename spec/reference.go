package spec

import (
	"fmt"
	"reflect"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

// refKind is what a reference leads to.
type refKind string

const (
	stepRef     refKind = "step"
	modelRef    refKind = "model"
	providerRef refKind = "provider"
)

// reference is the value of a traversal such as model.agent: the address of a
// block or, under for_each, of one instance. Expressions can pass references
// on, in lists, conditionals and each.value, but not look inside.
type reference struct {
	kind  refKind
	block *block
	key   string // instance; "" without for_each
	addr  string
}

func (r *reference) String() string {
	if r.kind == stepRef {
		return "a reference to " + r.addr
	}
	return fmt.Sprintf("a reference to the %s %s", r.kind, r.addr)
}

// isFinetune says whether the reference leads to a finetune block, whose result is
// a model.
func (r *reference) isFinetune() bool {
	return r.kind == stepRef && r.block.typ == string(schema.Finetune)
}

var referenceType = cty.Capsule("reference", reflect.TypeFor[reference]())

func (r *reference) value() cty.Value { return cty.CapsuleVal(referenceType, r) }

func asReference(v cty.Value) (*reference, bool) {
	v, _ = v.Unmark()
	if v == cty.NilVal || v.Type() != referenceType || v.IsNull() || !v.IsKnown() {
		return nil, false
	}
	return v.EncapsulatedValue().(*reference), true
}

// checkReference checks that a value is a reference of the right kind.
func checkReference(name string, expr hcl.Expression, v cty.Value, want refKind) *hcl.Diagnostic {
	if !v.IsKnown() {
		return nil
	}
	r, ok := asReference(v)
	if ok && (r.kind == want || want == modelRef && r.isFinetune()) {
		return nil
	}
	example := map[refKind]string{modelRef: "model.agent", providerRef: "provider.openai.main"}[want]
	return problemAt(expr.Range(), "Unsuitable value", "%q takes a reference to a %s block, such as %s; %s was given.%s", name, want, example, describe(v), quoteHint(v, example))
}

// quoteHint helps who wrote a reference as a string.
func quoteHint(v cty.Value, example string) string {
	if v.Type() != cty.String {
		return ""
	}
	return fmt.Sprintf(" Write a reference without quotes (in JSON, as \"${%s}\").", example)
}

// target is where a traversal leads.
type target struct {
	root  string // var, local, each, model, provider, or a step's block type
	names []string
	block *block        // nil for var, local, each
	rest  hcl.Traversal // after the block's address
}

// rootLength is how many names follow a root.
func rootLength(root string) (int, bool) {
	switch root {
	case "var", "local", "each", "model", "distill", "dataset":
		return 1, true
	case "provider":
		return 2, true
	}
	if isRole(root) {
		return 2, true
	}
	return 0, false
}

// resolve follows a traversal to what it names.
func (d *decoder) resolve(t hcl.Traversal) (*target, *hcl.Diagnostic) {
	rng := t.SourceRange()
	root := t.RootName()
	length, ok := rootLength(root)
	if !ok {
		return nil, d.unknownRoot(root, rng)
	}
	tg := &target{root: root}
	for _, step := range t[1:] {
		attr, ok := step.(hcl.TraverseAttr)
		if !ok || len(tg.names) == length {
			break
		}
		tg.names = append(tg.names, attr.Name)
	}
	if len(tg.names) < length {
		return nil, problemAt(rng, "Incomplete reference", "A reference to %s has %s; this one stops early.%s", aBlock(root), referenceForm(root), d.listAddresses(root))
	}
	tg.rest = t[1+length:]
	switch root {
	case "var":
		if _, ok := d.vars[tg.names[0]]; !ok {
			return nil, undeclared(rng, "variable", tg.names[0], sortedKeys(d.vars), "Declare it: variable %q { ... }.")
		}
	case "local":
		if _, ok := d.locals[tg.names[0]]; !ok {
			return nil, undeclared(rng, "local value", tg.names[0], sortedKeys(d.locals), "Set it in a locals block: locals { %s = ... }.")
		}
	case "each":
		if name := tg.names[0]; name != "key" && name != "value" {
			return nil, problemAt(rng, "Undeclared reference", "each has no %q.%s It has each.key and each.value.", name, suggest(name, []string{"key", "value"}))
		}
	default:
		return tg, d.resolveBlock(tg, rng)
	}
	return tg, nil
}

func (d *decoder) resolveBlock(tg *target, rng hcl.Range) *hcl.Diagnostic {
	addr := address(tg.root, tg.names)
	tg.block = d.blocks[addr]
	if tg.block != nil {
		return nil
	}
	if tg.root == "provider" {
		for known := range d.blocks {
			if d.blocks[known].typ == "provider" && d.blocks[known].name() == tg.names[1] {
				return problemAt(rng, "Undeclared reference", "There is no %s. Did you mean %q?", addr, known)
			}
		}
	}
	return problemAt(rng, "Undeclared reference", "There is no %s in this recipe.%s%s", addr, suggest(addr, d.addresses()), d.listAddresses(tg.root))
}

func undeclared(rng hcl.Range, what, name string, known []string, advice string) *hcl.Diagnostic {
	hint := suggest(name, known)
	if hint == "" {
		hint = " " + fmt.Sprintf(advice, name)
	}
	return problemAt(rng, "Undeclared reference", "There is no %s %q.%s", what, name, hint)
}

func (d *decoder) unknownRoot(root string, rng hcl.Range) *hcl.Diagnostic {
	switch root {
	case "row", "record":
		return problemAt(rng, "Unknown reference", "%q exists only inside CEL expressions, which are quoted (keep = \"row.x > 1\"), and in templates, as {{ .row.x }}.", root)
	case metricsVariable:
		return problemAt(rng, "Unknown reference", "%q exists only in the asserts of an evaluation, which are quoted: that = \"metrics.plain.sec_at_1.value > 0.8\".", root)
	}
	roots := append([]string{"var", "local", "each", "model", "provider"}, stepTypes()...)
	return problemAt(rng, "Unknown reference", "Nothing is named %q.%s A reference starts with %s; text stands in quotes.", root, suggest(root, roots), listed(roots))
}

func (d *decoder) listAddresses(root string) string {
	var known []string
	for _, addr := range d.addresses() {
		if d.blocks[addr].typ == root {
			known = append(known, addr)
		}
	}
	switch {
	case len(known) == 0 && d.blockTypes()[root]:
		return fmt.Sprintf(" The recipe has no %s block.", root)
	case len(known) == 0, len(known) > 12:
		return ""
	}
	return fmt.Sprintf(" The recipe has %s.", listed(known))
}

func aBlock(root string) string {
	switch root {
	case "var", "local", "each":
		return root
	case "output", "evaluation", "agent", "assert":
		return "an " + root
	}
	return "a " + root
}

func referenceForm(root string) string {
	switch n, _ := rootLength(root); {
	case root == "each":
		return "the form each.key or each.value"
	case root == "provider":
		return "the form provider.TYPE.NAME"
	case n == 2:
		return fmt.Sprintf("the form %s.COMPONENT.NAME", root)
	}
	return fmt.Sprintf("the form %s.NAME", root)
}
