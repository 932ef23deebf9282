package spec

import (
	"fmt"
	"slices"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
)

// result checks the type that the whole expression yields.
func (r *exprReport) result(checked *cel.Ast) {
	t := checked.OutputType()
	kind, name := t.Kind(), plainTypes(cel.FormatCELType(t))
	if root := checked.NativeRep().Expr(); kind == types.DynKind && (r.isNumber(root) || isArithmetic(root)) {
		kind, name = types.DoubleKind, "number"
	}
	switch {
	case kind == types.DynKind || kind == types.AnyKind:
	case kind == types.TypeKind || kind == types.OpaqueKind:
		r.add(summaryWrongType, fmt.Sprintf("The expression yields %s, which a row cannot hold.", withArticle(name)), 0, len(r.src.Text))
	case r.src.Want == wantBool && kind != types.BoolKind:
		example := r.src.Var + ".outcome == 'data_loss'"
		if r.src.Var == metricsVariable {
			example = "metrics.tuned.sec_at_1.value > 0.8"
		}
		r.add(summaryWrongType, fmt.Sprintf("The expression must yield true or false, but it yields %s. "+
			"Compare it with something, as in %s.", withArticle(name), example), 0, len(r.src.Text))
	case r.src.Want == wantNumber && !slices.Contains([]types.Kind{types.BoolKind, types.IntKind, types.UintKind, types.DoubleKind}, kind):
		r.add(summaryWrongType, fmt.Sprintf("The expression must yield a number, or true or false, but it yields %s. "+
			"Compare it with something, or take its size.", withArticle(name)), 0, len(r.src.Text))
	case r.src.Want == wantString && (kind == types.StructKind || kind == types.MapKind || kind == types.NullTypeKind):
		r.add(summaryWrongType, fmt.Sprintf("The expression must yield a string, but it yields %s. "+
			"Name one of its fields.", withArticle(name)), 0, len(r.src.Text))
	}
}

// isNumber says whether an expression is a column or field that is declared as a
// number, which the checker knows as any value.
func (r *exprReport) isNumber(e ast.Expr) bool {
	t := r.declared(e)
	return t != nil && t.kind == numberValue
}

// declared is the type of a column, or of a field of one; nil for all else.
func (r *exprReport) declared(e ast.Expr) *valueType {
	if e.Kind() != ast.SelectKind || e.AsSelect().IsTestOnly() {
		return nil
	}
	object, operand := r.table.row, e.AsSelect().Operand()
	if operand.Kind() != ast.IdentKind || operand.AsIdent() != r.src.Var {
		t := r.declared(operand)
		if t == nil || t.kind != objectValue {
			return nil
		}
		object = t.object
	}
	if f := object.fields[e.AsSelect().FieldName()]; f != nil {
		return f.typ
	}
	return nil
}

// isArithmetic says whether an expression is one of numbers, whatever they are.
func isArithmetic(e ast.Expr) bool {
	return e.Kind() == ast.CallKind &&
		slices.Contains([]string{operators.Subtract, operators.Multiply, operators.Divide, operators.Modulo, operators.Negate}, e.AsCall().FunctionName())
}
