package spec

import (
	"maps"
	"slices"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
)

// need is what an expression reads of a value. What it cannot look at is
// passed over when a row is decoded: an expression that reads
// s.action.tool of the steps of a trajectory does not pay for their texts.
// A nil need is the whole value.
type need struct {
	whole  bool
	asked  bool             // has() tests whether it is there
	fields map[string]*need // of an object, if it is one
	elem   *need            // of each element, if it is a list
}

func (n *need) field(name string) *need {
	if n.fields[name] == nil {
		if n.fields == nil {
			n.fields = map[string]*need{}
		}
		n.fields[name] = &need{}
	}
	return n.fields[name]
}

func (n *need) element() *need {
	if n.elem == nil {
		n.elem = &need{}
	}
	return n.elem
}

// ofObject is what is needed of the fields of an object; nil for all of them.
// A value that is indexed or gone through like a list may be an object, whose
// keys then count.
func (n *need) ofObject() map[string]*need {
	if n == nil || n.whole || n.elem != nil {
		return nil
	}
	return n.fields
}

// ofList is what is needed of the elements of a list.
func (n *need) ofList() *need {
	if n == nil || n.whole || len(n.fields) > 0 || n.elem == nil || n.elem.whole {
		return nil
	}
	return n.elem
}

// paths visits the innermost parts of what is at a path, in order.
func (n *need) paths(at string, visit func(path string, n *need)) {
	fields := n.ofObject()
	if len(fields) == 0 {
		visit(at, n)
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		fields[name].paths(at+"."+name, visit)
	}
}

// needsOf says what an expression reads of each column of variable.
func needsOf(e ast.Expr, variable string) map[string]*need {
	row := &need{}
	(&needs{vars: map[string]*need{variable: row}}).use(e)
	if row.whole || row.elem != nil {
		return nil
	}
	return row.fields
}

// needs goes through an expression. Only where a value is selected from, or a
// loop goes over it, is less than the whole of it needed.
type needs struct {
	vars map[string]*need // variables in sight that stand for a part of the row
}

// part gives the need of the part of the row that an expression stands for;
// nil if it stands for none.
func (u *needs) part(e ast.Expr) *need {
	switch e.Kind() {
	case ast.IdentKind:
		return u.vars[e.AsIdent()]
	case ast.SelectKind:
		s := e.AsSelect()
		if n := u.part(s.Operand()); n != nil && !s.IsTestOnly() {
			return n.field(s.FieldName())
		}
	case ast.CallKind:
		return u.indexed(e.AsCall())
	}
	return nil
}

// indexed is part of x["name"] and x[3].
func (u *needs) indexed(c ast.CallExpr) *need {
	if c.FunctionName() != operators.Index || len(c.Args()) != 2 || c.Args()[1].Kind() != ast.LiteralKind {
		return nil
	}
	n := u.part(c.Args()[0])
	if n == nil {
		return nil
	}
	switch index := c.Args()[1].AsLiteral().(type) {
	case types.String:
		return n.field(string(index))
	case types.Int:
		return n.element()
	}
	return nil
}

// use notes what is needed to compute e.
func (u *needs) use(e ast.Expr) {
	if n := u.part(e); n != nil {
		n.whole = true
		return
	}
	switch e.Kind() {
	case ast.SelectKind:
		s := e.AsSelect()
		if n := u.part(s.Operand()); n != nil { // has()
			field := n.field(s.FieldName())
			field.whole, field.asked = true, true
			return
		}
		u.use(s.Operand())
	case ast.CallKind:
		c := e.AsCall()
		if c.IsMemberFunction() {
			u.use(c.Target())
		}
		u.useAll(c.Args())
	case ast.ListKind:
		u.useAll(e.AsList().Elements())
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			u.use(entry.AsMapEntry().Key())
			u.use(entry.AsMapEntry().Value())
		}
	case ast.StructKind:
		for _, field := range e.AsStruct().Fields() {
			u.use(field.AsStructField().Value())
		}
	case ast.ComprehensionKind:
		u.loop(e.AsComprehension())
	}
}

func (u *needs) useAll(list []ast.Expr) {
	for _, e := range list {
		u.use(e)
	}
}

func (u *needs) loop(c ast.ComprehensionExpr) {
	over := u.part(c.IterRange())
	if over == nil || c.IterVar2() != "" {
		u.use(c.IterRange())
		over = nil
	}
	u.use(c.AccuInit())
	inner := &needs{vars: maps.Clone(u.vars)}
	delete(inner.vars, c.IterVar2())
	delete(inner.vars, c.IterVar())
	if over != nil {
		inner.vars[c.IterVar()] = over.element()
	}
	delete(inner.vars, c.AccuVar())
	inner.use(c.LoopCondition())
	inner.use(c.LoopStep())
	inner.use(c.Result())
}
