package spec

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/hashicorp/hcl/v2"
)

// Expr is a compiled CEL expression over a row. Any number of goroutines may
// use it at once.
//
// A declared column or field that is absent or null reads as the zero value of
// its type, as in protobuf: "", 0, false, an empty list, and for an object
// null, whose fields in turn read as zero values. has() tells absent from
// present. Integers are int (or uint beyond its range), other numbers double;
// arithmetic between them is in double. Of the variable metrics, a number that is
// absent has no value instead: to read it is an error.
type Expr struct {
	text     string
	variable string
	row      *objectType
	columns  []string
	all      bool
	needs    map[string]*need // of the columns; what is missing is needed whole
	program  func() (cel.Program, error)
	ast      *cel.Ast
	deadline *deadline // nil: the expression has no loop
	later    *later    // set: nothing else but the text is yet
}

// exprType is what an expression must yield.
type exprType int

const (
	wantAny    exprType = iota // anything that JSON can hold
	wantBool                   // a bool
	wantString                 // a string, or what stands as well for one: a number, a bool, a list
	wantNumber                 // a number, or a bool
)

// The variables that expressions see besides record.
const (
	rowVariable = "row"
	// metricsVariable holds an evaluation's figures by agent and metric. One that
	// is absent or null has no value, where a column of a row would read as 0.
	metricsVariable = "metrics"
)

// exprSource is an expression as a recipe holds it.
type exprSource struct {
	Text    string
	Node    hcl.Expression // where Text comes from; may be nil
	Columns Columns
	Var     string // the variable: row, record or metrics
	Want    exprType
}

// CompileExpr compiles an expression over the variable row.
func CompileExpr(text string, cols Columns) (*Expr, error) {
	e, diags := compileExpr(exprSource{Text: text, Columns: cols, Var: rowVariable})
	if diags.HasErrors() {
		return nil, diags
	}
	return e, nil
}

// Text returns the expression as it was written.
func (e *Expr) Text() string { return e.text }

// Columns returns the columns that the expression may read, sorted; all says
// that it reads the row as a whole.
func (e *Expr) Columns() (names []string, all bool) {
	e, err := e.compiled()
	if err != nil { // whoever evaluates it is told
		return nil, true
	}
	return slices.Clone(e.columns), e.all
}

// Paths returns the innermost parts that the expression may read of its variable,
// in order, such as tuned.sec_at_1.value. One that it reads as a whole, or goes
// through, stands for all below it.
func (e *Expr) Paths() []string { return e.paths(func(*need) bool { return true }) }

// Asked returns those of Paths that the expression tests with has(): it says
// itself what is to be where they are absent.
func (e *Expr) Asked() []string { return e.paths(func(n *need) bool { return n != nil && n.asked }) }

func (e *Expr) paths(want func(*need) bool) (paths []string) {
	e, err := e.compiled()
	if err != nil { // whoever evaluates it is told
		return nil
	}
	if e.all {
		return nil
	}
	for _, name := range e.columns {
		e.needs[name].paths(name, func(path string, n *need) {
			if want(n) {
				paths = append(paths, path)
			}
		})
	}
	return paths
}

// Eval returns the value for a row as encoding/json would decode it, save that
// numbers are int64, uint64 or float64. Its errors name the column where it
// failed and quote no more of the row than a few words.
func (e *Expr) Eval(row RowView) (any, error) {
	v, err := e.eval(row)
	if err != nil {
		return nil, err
	}
	out, err := nativeValue(v)
	if err != nil {
		return nil, fmt.Errorf("expression %q: %w", short(e.text), err)
	}
	return out, nil
}

// EvalBool is Eval for an expression that yields a bool.
func (e *Expr) EvalBool(row RowView) (bool, error) {
	v, err := e.eval(row)
	if err != nil {
		return false, err
	}
	b, ok := v.(types.Bool)
	if !ok {
		return false, fmt.Errorf("expression %q: it must yield true or false, but yielded %s", short(e.text), describeValue(v))
	}
	return bool(b), nil
}

// EvalString returns a string as it is and any other value as canonical JSON.
func (e *Expr) EvalString(row RowView) (string, error) {
	v, err := e.Eval(row)
	if err != nil {
		return "", err
	}
	if s, ok := v.(string); ok {
		return s, nil
	}
	b, err := e.json(v)
	return string(b), err
}

// EvalJSON returns the value as canonical JSON: keys sorted, no white space.
func (e *Expr) EvalJSON(row RowView) ([]byte, error) {
	v, err := e.Eval(row)
	if err != nil {
		return nil, err
	}
	return e.json(v)
}

func (e *Expr) json(v any) ([]byte, error) {
	b, err := appendJSON(nil, v)
	if err != nil {
		return nil, fmt.Errorf("expression %q: %w", short(e.text), err)
	}
	return b, nil
}

func (e *Expr) eval(row RowView) (ref.Val, error) {
	e, err := e.compiled()
	if err != nil {
		return nil, err
	}
	decoded, ok := row.(*DecodedRow)
	if !ok {
		decoded = Decode(row)
	}
	input := &rowValue{typ: e.row, variable: e.variable, row: decoded, needs: e.needs}
	program, err := e.program()
	if err != nil {
		return nil, fmt.Errorf("expression %q: %w", short(e.text), err)
	}
	var v ref.Val
	if e.deadline == nil {
		v, _, err = program.Eval(input)
	} else {
		v, _, err = program.ContextEval(e.deadline.context(), input)
	}
	if err != nil {
		return nil, e.explain(err)
	}
	return v, nil
}

// ErrTooSlow is among the causes of an error where an expression takes more time or
// work for a row than any may.
var ErrTooSlow = errors.New("too slow for a row")

// slowError is an ErrTooSlow in words.
type slowError string

func (e slowError) Error() string { return string(e) }

// Is implements what errors.Is asks for.
func (slowError) Is(target error) bool { return target == ErrTooSlow }

// rowError is an error of ours about a row. Its text holds nothing of the row
// but names and short excerpts, so it is shown whole.
type rowError struct{ text string }

func (e *rowError) Error() string { return e.text }

func rowErrorf(format string, args ...any) error {
	return &rowError{fmt.Sprintf(format, args...)}
}

// explain names the part of the expression that failed and its columns.
func (e *Expr) explain(err error) error {
	where, columns := e.text, e.columns
	var node interface{ NodeID() int64 }
	if errors.As(err, &node) {
		if part := findNode(e.ast.NativeRep().Expr(), node.NodeID()); part != nil {
			used, _ := usedColumns(part, e.variable)
			text, err := cel.ExprToString(part, e.ast.NativeRep().SourceInfo())
			if err == nil && len(used) > 0 { // else it is a loop's variable
				where, columns = text, used
			}
		}
	}
	noun := "column"
	if e.variable == metricsVariable {
		noun = "agent"
	}
	var cause error
	var own *rowError
	if errors.As(err, &own) {
		if strings.HasPrefix(own.text, "column ") {
			columns = nil // it says which
		}
		cause = own
	} else {
		cause = evalCause(err)
	}
	if len(columns) > 0 {
		return fmt.Errorf("expression %q (%s): %w", short(where), listColumns(noun, columns), cause)
	}
	return fmt.Errorf("expression %q: %w", short(where), cause)
}

func listColumns(noun string, names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = fmt.Sprintf("%q", short(name))
	}
	if len(quoted) == 1 {
		return noun + " " + quoted[0]
	}
	return noun + "s " + strings.Join(quoted, ", ")
}

// short makes text fit for an error: one line, no control characters, at most
// 80 characters.
func short(s string) string {
	const limit = 80
	out := make([]rune, 0, limit)
	for _, r := range s {
		if len(out) == limit-1 {
			out = append(out, '…')
			break
		}
		if unicode.IsSpace(r) {
			r = ' '
		} else if !unicode.IsPrint(r) {
			r = unicode.ReplacementChar
		}
		out = append(out, r)
	}
	return string(out)
}
