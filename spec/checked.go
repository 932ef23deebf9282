package spec

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"sync"

	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/spec/schema"
)

// Most of a Decode's time goes into the last phase: expressions, templates and
// the components' own checks. What was found good once is good again while it,
// and what its rows come from, is the same. So a step that was checked without
// a word is noted in Recipe.Checked under a digest of all that its check looks
// at, and a later Decode that is given the note does not check it again. Its
// expressions are then compiled when they are first evaluated.
//
// Steps with sensitive arguments are always checked: no digest of a secret is
// kept.

// checkedStep is what the check of a step has worked out: which columns its
// component, or the components of its outputs, in order, read.
type checkedStep []checkedRole

type checkedRole struct {
	Reads []string `json:"reads,omitempty"`
	All   bool     `json:"all,omitempty"`
}

// checks are the notes of an earlier Decode and those of this one.
type checks struct {
	old, now map[string]checkedStep // by digest
	digests  map[*Step]stepDigest
}

// stepDigest stands for all that the check of a step looks at.
type stepDigest struct {
	sum    [sha256.Size]byte
	secret bool // the sum leaves something out; it must not be noted
}

func newChecks(earlier []byte) *checks {
	c := &checks{now: map[string]checkedStep{}, digests: map[*Step]stepDigest{}}
	if json.Unmarshal(earlier, &c.old) != nil { // none, or damaged
		c.old = nil
	}
	return c
}

// recall says whether a step needs no check, and gives it what its check would
// have worked out.
func (c *checks) recall(step *Step, v *blockValue) bool {
	d := c.digest(step, v)
	c.digests[step] = d
	id := hex.EncodeToString(d.sum[:])
	noted, ok := c.old[id]
	roles := step.roles()
	if !ok || d.secret || len(noted) != len(roles) {
		return false
	}
	for i, b := range roles {
		b.ReadsAll = noted[i].All
		if !b.ReadsAll {
			b.Reads = append([]string{}, noted[i].Reads...)
		}
	}
	c.now[id] = noted
	return true
}

// note remembers that there was nothing to say of a step.
func (c *checks) note(step *Step) {
	d := c.digests[step]
	if d.secret {
		c.standIn(step)
		return
	}
	checked := checkedStep{}
	for _, b := range step.roles() {
		checked = append(checked, checkedRole{Reads: b.Reads, All: b.ReadsAll})
	}
	c.now[hex.EncodeToString(d.sum[:])] = checked
}

// standIn has a step stand for its columns with the steps that read it: they
// are all that those see, and a digest of the rest is not to be kept.
func (c *checks) standIn(step *Step) {
	f := framer{}
	f.flag(step.Columns.Open)
	for _, col := range step.Columns.List {
		f.text(col.Name)
		f.flag(col.Optional)
		ty, err := json.Marshal(col.Type)
		if err != nil { // a type with no form in JSON: as good as none
			ty = nil
		}
		f.bytes(ty)
	}
	c.digests[step] = stepDigest{sum: sha256.Sum256(f.b), secret: true}
}

// encode gives the notes, and earlier itself where they are the same.
func (c *checks) encode(earlier []byte) []byte {
	b, err := json.Marshal(c.now)
	if err != nil || bytes.Equal(b, earlier) {
		return earlier
	}
	return b
}

// roles are the components of a step: its own, or those of its outputs.
func (s *Step) roles() []*RoleBody {
	if s.Role != nil {
		return []*RoleBody{s.Role}
	}
	var roles []*RoleBody
	if s.Dataset != nil {
		for _, out := range s.Dataset.Outputs {
			roles = append(roles, &out.Role)
		}
	}
	return roles
}

// digest frames all that the check of a step looks at. Inputs stand for the
// columns that come from them.
func (c *checks) digest(step *Step, v *blockValue) stepDigest {
	f, secret := framer{}, false
	f.text(string(step.Kind))
	f.count(len(step.Inputs))
	for _, in := range step.Inputs {
		sum := c.digests[in].sum
		f.bytes(sum[:])
	}
	for _, nested := range v.nested {
		if step.Kind == RoleStep || nested.typ == "output" {
			continue // it is in the component's configuration
		}
		f.text(nested.typ)
		for _, name := range []string{"keep", "by", "value", "where", "that"} {
			f.text(nested.text(name))
		}
	}
	if e := step.Evaluation; e != nil { // what expressions over its figures may name
		for _, names := range [][]string{e.agentNames(), e.metricNames()} {
			f.count(len(names))
			for _, name := range names {
				f.text(name)
			}
		}
	}
	for _, b := range step.roles() {
		secret = secret || hasSensitive(b.Component.Config) || b.Plugin.Path != "" && b.Plugin.Digest == ""
		f.text(b.Plugin.Source)
		f.text(b.Plugin.Digest)
		f.text(string(b.Component.Role))
		f.text(b.Component.Name)
		f.text(b.BlockColumn)
		if !secret {
			f.bytes(b.Config)
		}
	}
	return stepDigest{sum: sha256.Sum256(f.b), secret: secret}
}

func hasSensitive(b schema.Block) bool {
	for _, a := range b.Attributes {
		if a.Sensitive {
			return true
		}
	}
	for _, nested := range b.Blocks {
		if hasSensitive(nested.Block) {
			return true
		}
	}
	return false
}

// framer puts parts together, each after its length.
type framer struct{ b []byte }

func (f *framer) bytes(part []byte) {
	f.count(len(part))
	f.b = append(f.b, part...)
}

func (f *framer) count(n int) { f.b = binary.AppendUvarint(f.b, uint64(n)) }

func (f *framer) flag(on bool) {
	if on {
		f.count(1)
		return
	}
	f.count(0)
}

func (f *framer) text(part string) {
	f.count(len(part))
	f.b = append(f.b, part...)
}

// later compiles an expression that was checked before when it is first
// evaluated.
type later struct {
	once    sync.Once
	compile func() (*Expr, hcl.Diagnostics)
	expr    *Expr
	err     error
}

// compiler makes an expression of its text: compileExpr, or compileLater for
// one that is known to be good.
type compiler func(exprSource) (*Expr, hcl.Diagnostics)

func compileLater(src exprSource) (*Expr, hcl.Diagnostics) {
	return &Expr{text: src.Text, later: &later{compile: func() (*Expr, hcl.Diagnostics) { return compileExpr(src) }}}, nil
}

// compiled is the expression, ready to be evaluated.
func (e *Expr) compiled() (*Expr, error) {
	if e.later == nil {
		return e, nil
	}
	e.later.once.Do(func() {
		expr, diags := e.later.compile()
		if diags.HasErrors() {
			e.later.err = diags
			return
		}
		e.later.expr = expr
	})
	return e.later.expr, e.later.err
}
