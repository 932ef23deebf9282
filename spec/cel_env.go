package spec

import (
	"context"
	"fmt"
	"math"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/ext"
	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/spec/schema"
)

// Bounds on an expression. Recursion is counted by the parser, in levels of
// nesting.
const (
	maxExprBytes     = 16 << 10
	maxExprRecursion = 100
	maxExprNodes     = 20_000
)

func newCELEnv(table *typeTable, variable string) (*cel.Env, error) {
	return cel.NewEnv(
		cel.CustomTypeProvider(table),
		cel.Variable(variable, table.row.cel),
		// row["name"], for columns that are no identifiers.
		cel.Function(operators.Index, cel.Overload("index_row",
			[]*cel.Type{table.row.cel, cel.StringType}, cel.DynType)),
		cel.CrossTypeNumericComparisons(true),
		cel.EnableIdentifierEscapeSyntax(),
		cel.EnableMacroCallTracking(), // so that errors quote the macro, not what it stands for
		cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(maxExprBytes),
		cel.ParserRecursionLimit(maxExprRecursion),
		cel.ExpressionNodeLimit(maxExprNodes),
		cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateRegexLiterals()),
		ext.Strings(), ext.Math(), ext.Sets(), ext.Lists(ext.ListsMaxRangeSize(maxElements)),
	)
}

// celEnvs keeps the environments of expressions over the same columns: to make
// one takes longer than to check an expression in it. They serve one goroutine
// at a time, as long as nothing is evaluated yet.
type celEnvs map[celColumns]*celEnv

// celColumns tells columns apart by where they stand.
type celColumns struct {
	first    *schema.Column
	n        int
	open     bool
	variable string
}

type celEnv struct {
	env   *cel.Env
	table *typeTable
}

func (all celEnvs) get(src exprSource) (*celEnv, error) {
	k := celColumns{n: len(src.Columns.List), open: src.Columns.Open, variable: src.Var}
	if k.n > 0 {
		k.first = &src.Columns.List[0]
	}
	if e := all[k]; e != nil {
		e.table.misses, e.table.checked = nil, false
		return e, nil
	}
	base, err := types.NewRegistry()
	if err != nil {
		return nil, err
	}
	e := &celEnv{table: newTypeTable(base, src.Columns, src.Var)}
	if e.env, err = newCELEnv(e.table, src.Var); err != nil {
		return nil, err
	}
	all[k] = e
	return e, nil
}

// compileExpr compiles one expression by itself.
func compileExpr(src exprSource) (*Expr, hcl.Diagnostics) { return celEnvs{}.compile(src) }

// compile compiles one expression. All its errors are reported, each at its
// place in the recipe where that can be told.
func (all celEnvs) compile(src exprSource) (*Expr, hcl.Diagnostics) {
	report := newExprReport(src)
	if len(src.Text) > maxExprBytes {
		report.add(summaryInvalid, fmt.Sprintf("The expression is %d bytes long; at most %d are allowed. "+
			"Move what it computes into a component.", len(src.Text), maxExprBytes), 0, len(src.Text))
		return nil, report.diags
	}
	e, err := all.get(src)
	if err != nil {
		return nil, report.internal(err)
	}
	env, table := e.env, e.table
	defer func() { table.checked = true }()
	report.env, report.table = env, table
	parsed, issues := env.Parse(src.Text)
	if issues.Err() != nil {
		report.syntax(issues)
		return nil, report.diags
	}
	checked, issues := env.Check(parsed)
	if issues.Err() != nil {
		report.check(issues)
		return nil, report.diags
	}
	report.result(checked)
	report.indexes(checked.NativeRep())
	if report.diags.HasErrors() {
		return nil, report.diags
	}
	expr := newExpr(src, env, table, checked)
	if hasConstantCall(checked.NativeRep().Expr()) { // it is called as the program is made
		if _, err := expr.program(); err != nil {
			return nil, report.internal(err)
		}
	}
	return expr, nil
}

// labelSharedError gives CEL's one shared "no such overload" error a node that
// does not exist. Without it, the first evaluation that yields the error
// writes its own node there, a race with all others, who would then be told of
// a place in another expression.
var labelSharedError = sync.OnceFunc(func() { types.LabelErrNode(-1, types.NoSuchOverloadErr()) })

// newExpr makes an expression of one that was checked. What evaluates it is
// made when it is first evaluated, which takes longer than the check.
func newExpr(src exprSource, env *cel.Env, table *typeTable, checked *cel.Ast) *Expr {
	e := &Expr{text: src.Text, variable: src.Var, row: table.row, ast: checked}
	root := checked.NativeRep().Expr()
	e.columns, e.all = usedColumns(root, src.Var)
	e.needs = needsOf(root, src.Var)
	if hasLoop(root) {
		e.deadline = &deadline{}
	}
	e.program = sync.OnceValues(func() (cel.Program, error) { return newProgram(env, checked, e.deadline != nil) })
	return e
}

func newProgram(env *cel.Env, checked *cel.Ast, loops bool) (cel.Program, error) {
	labelSharedError()
	guards, err := newGuards(env)
	if err != nil {
		return nil, err
	}
	opts := []cel.ProgramOption{
		cel.EvalOptions(cel.OptOptimize),
		cel.CustomDecoratorV2(guards.decorate),
	}
	if loops {
		opts = append(opts, cel.InterruptCheckFrequency(interruptEvery))
		cost, err := env.EstimateCost(checked, assumedSizes{})
		if err != nil || cost.Max > cheapEnough {
			opts = append(opts, cel.CostLimit(costLimit))
		}
	}
	return env.Program(checked, opts...)
}

// An expression without a loop is linear in its text and its columns, and the
// guards bound the functions that are not. It runs with no watch over it. One
// with loops is interrupted after evalTimeout, which costs about a seventh of
// its speed. Where loops nest so deep that, with columns of the sizes assumed,
// they could go on for minutes, the evaluation's cost is counted too: unlike
// the clock, the count stops the same rows on every machine.
const (
	evalTimeout    = time.Second // at least; see deadline
	interruptEvery = 100         // loop steps between looks at the clock
	cheapEnough    = 10_000_000_000
	costLimit      = 2_000_000
)

// assumedSizes are the column sizes with which an expression's cost is
// estimated.
type assumedSizes struct{}

// EstimateSize implements checker.CostEstimator.
func (assumedSizes) EstimateSize(node checker.AstNode) *checker.SizeEstimate {
	if s := node.ComputedSize(); s != nil && s.Max < math.MaxUint32 {
		return s
	}
	return &checker.SizeEstimate{Max: 1000}
}

// EstimateCallCost implements checker.CostEstimator.
func (assumedSizes) EstimateCallCost(string, string, *checker.AstNode, []checker.AstNode) *checker.CallEstimate {
	return nil
}

// deadline hands out contexts that end evalTimeout to one and a half times
// evalTimeout later. Evaluations that start close together share one: a timer
// for each would cost as much as a simple filter.
type deadline struct{ current atomic.Pointer[lease] }

type lease struct {
	ctx    context.Context
	cancel context.CancelFunc
	until  time.Time // when to stop handing it out
}

func (d *deadline) context() context.Context {
	now := time.Now()
	if l := d.current.Load(); l != nil && now.Before(l.until) {
		return l.ctx
	}
	l := &lease{until: now.Add(evalTimeout / 2)}
	// Cancelling is left to the timer: others may be using the context.
	l.ctx, l.cancel = context.WithTimeout(context.Background(), evalTimeout*3/2)
	d.current.Store(l)
	return l.ctx
}

func hasLoop(e ast.Expr) bool {
	found := false
	ast.PostOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		found = found || e.Kind() == ast.ComprehensionKind
	}))
	return found
}

// hasConstantCall says whether an expression calls a function with nothing but
// literals, such as int('1').
func hasConstantCall(e ast.Expr) bool {
	found := false
	ast.PostOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind {
			return
		}
		call := e.AsCall()
		constant := !call.IsMemberFunction() || call.Target().Kind() == ast.LiteralKind
		for _, arg := range call.Args() {
			constant = constant && arg.Kind() == ast.LiteralKind
		}
		found = found || constant
	}))
	return found
}

func findNode(e ast.Expr, id int64) (found ast.Expr) {
	ast.PostOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if e.ID() == id {
			found = e
		}
	}))
	return found
}

// usedColumns returns the columns of variable that an expression reads.
func usedColumns(e ast.Expr, variable string) (names []string, all bool) {
	u := columnUse{variable: variable, names: make(map[string]bool)}
	u.visit(e)
	for name := range u.names {
		names = append(names, name)
	}
	sort.Strings(names)
	return names, u.all
}

type columnUse struct {
	variable string
	shadowed int // loops around that have a variable of this name
	names    map[string]bool
	all      bool
}

func (u *columnUse) isRow(e ast.Expr) bool {
	return u.shadowed == 0 && e.Kind() == ast.IdentKind && e.AsIdent() == u.variable
}

func (u *columnUse) visit(e ast.Expr) {
	switch e.Kind() {
	case ast.IdentKind:
		u.all = u.all || u.isRow(e)
	case ast.SelectKind:
		s := e.AsSelect()
		if u.isRow(s.Operand()) {
			u.names[s.FieldName()] = true
			return
		}
		u.visit(s.Operand())
	case ast.CallKind:
		u.call(e.AsCall())
	case ast.ListKind:
		u.visitAll(e.AsList().Elements())
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			u.visit(entry.AsMapEntry().Key())
			u.visit(entry.AsMapEntry().Value())
		}
	case ast.StructKind:
		for _, field := range e.AsStruct().Fields() {
			u.visit(field.AsStructField().Value())
		}
	case ast.ComprehensionKind:
		u.loop(e.AsComprehension())
	}
}

func (u *columnUse) visitAll(list []ast.Expr) {
	for _, e := range list {
		u.visit(e)
	}
}

func (u *columnUse) call(c ast.CallExpr) {
	if name, ok := rowIndex(c); ok && u.isRow(c.Args()[0]) {
		u.names[name] = true
		return
	}
	if c.IsMemberFunction() {
		u.visit(c.Target())
	}
	u.visitAll(c.Args())
}

func (u *columnUse) loop(c ast.ComprehensionExpr) {
	u.visit(c.IterRange())
	u.visit(c.AccuInit())
	if c.IterVar() == u.variable || c.IterVar2() == u.variable {
		u.shadowed++
		defer func() { u.shadowed-- }()
	}
	u.visit(c.LoopCondition())
	u.visit(c.LoopStep())
	u.visit(c.Result())
}

// rowIndex returns the constant string by which a call indexes something.
func rowIndex(c ast.CallExpr) (string, bool) {
	if c.FunctionName() != operators.Index || len(c.Args()) != 2 || c.Args()[1].Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := c.Args()[1].AsLiteral().(types.String)
	return string(s), ok
}
