package spec

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/cel-go/cel"
	celfunc "github.com/google/cel-go/common/functions"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"
)

// Bounds on values made while an expression is evaluated. A loop is stopped by
// the clock, but a single call is not, so the functions whose work is not
// linear in the row are refused values beyond these.
const (
	maxTextBytes = 16 << 20
	maxElements  = 1 << 18
	maxPairs     = 25_000_000 // comparisons of elements in one call
	maxScan      = 1 << 30    // comparisons of characters in one call
)

// guards are the functions that get a check before they run.
type guards struct{ calls map[string]celfunc.FunctionOp } // by function or overload

type guardFunc func(args []ref.Val) error

func newGuards(env *cel.Env) (*guards, error) {
	g := &guards{calls: make(map[string]celfunc.FunctionOp)}
	for name, op := range map[string]func(l, r ref.Val) ref.Val{
		operators.Add:       addValues,
		operators.Subtract:  func(l, r ref.Val) ref.Val { return arithmetic(l, r, traits.Subtractor.Subtract) },
		operators.Multiply:  func(l, r ref.Val) ref.Val { return arithmetic(l, r, traits.Multiplier.Multiply) },
		operators.Divide:    func(l, r ref.Val) ref.Val { return arithmetic(l, r, traits.Divider.Divide) },
		operators.Equals:    equalValues,
		operators.NotEquals: unequalValues,
	} {
		g.calls[name] = func(args ...ref.Val) ref.Val { return op(args[0], args[1]) }
	}
	for name, check := range map[string]guardFunc{
		"replace": checkReplace, "join": checkJoin, "format": checkWeight, "sort": checkWeight,
		"flatten": checkWeight, "distinct": checkPairs, "indexOf": checkScan, "lastIndexOf": checkScan,
		"sets.contains": checkPairs, "sets.intersects": checkPairs, "sets.equivalent": checkPairs,
		operators.In: checkMember,
	} {
		if err := g.wrap(env, name, check); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// wrap puts a check before every implementation of a function.
func (g *guards) wrap(env *cel.Env, name string, check guardFunc) error {
	decl, ok := env.Functions()[name]
	if !ok {
		return fmt.Errorf("CEL has no function %q", name)
	}
	overloads, err := decl.Bindings()
	if err != nil {
		return err
	}
	for _, o := range overloads {
		g.calls[o.Operator] = func(args ...ref.Val) ref.Val {
			if err := check(args); err != nil {
				return types.WrapErr(err)
			}
			switch {
			case len(args) == 1 && o.Unary != nil:
				return o.Unary(args[0])
			case len(args) == 2 && o.Binary != nil:
				return o.Binary(args[0], args[1])
			case o.Function != nil:
				return o.Function(args...)
			}
			return types.NoSuchOverloadErr()
		}
	}
	return nil
}

func (g *guards) decorate(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := i.(interpreter.InterpretableCall)
	if !ok {
		return i, nil
	}
	impl, ok := g.calls[call.OverloadID()]
	if !ok {
		if impl, ok = g.calls[call.Function()]; !ok {
			return i, nil
		}
	}
	return interpreter.NewCall(call.ID(), call.Function(), call.OverloadID(), call.Args(), impl), nil
}

// arithmetic applies an arithmetic operator. JSON does not tell 2 from 2.0, so
// where one side is a double the other becomes one.
func arithmetic[T any](l, r ref.Val, op func(T, ref.Val) ref.Val) ref.Val {
	l, r = sameNumber(l, r)
	t, ok := l.(T)
	if !ok {
		return types.MaybeNoSuchOverloadErr(l)
	}
	return op(t, r)
}

func sameNumber(l, r ref.Val) (ref.Val, ref.Val) {
	if isNumber(l) && isNumber(r) && l.Type() != r.Type() {
		return l.ConvertToType(types.DoubleType), r.ConvertToType(types.DoubleType)
	}
	return l, r
}

func isNumber(v ref.Val) bool {
	switch v.(type) {
	case types.Int, types.Uint, types.Double:
		return true
	}
	return false
}

func addValues(l, r ref.Val) ref.Val {
	if err := checkSum(l, r); err != nil {
		return types.WrapErr(err)
	}
	return arithmetic(l, r, traits.Adder.Add)
}

func checkSum(l, r ref.Val) error {
	switch l := l.(type) {
	case types.String:
		if r, ok := r.(types.String); ok && len(l)+len(r) > maxTextBytes {
			return errTextSize()
		}
	case types.Bytes:
		if r, ok := r.(types.Bytes); ok && len(l)+len(r) > maxTextBytes {
			return errTextSize()
		}
	case traits.Lister:
		if r, ok := r.(traits.Lister); ok && sizeOf(l)+sizeOf(r) > maxElements {
			return errListSize()
		}
	}
	return nil
}

func errTextSize() error {
	return rowErrorf("it makes a text of more than %d bytes", maxTextBytes)
}

func errListSize() error {
	return rowErrorf("it makes or compares lists of more than %d elements", maxElements)
}

func sizeOf(l traits.Sizer) int {
	n, _ := l.Size().(types.Int)
	return int(n)
}

func equalValues(l, r ref.Val) ref.Val {
	if err := checkWeight([]ref.Val{l}); err != nil {
		return types.WrapErr(err)
	}
	return types.Equal(l, r)
}

func unequalValues(l, r ref.Val) ref.Val {
	eq := equalValues(l, r)
	if b, ok := eq.(types.Bool); ok {
		return !b
	}
	return eq
}

// checkWeight bounds the elements of the arguments at every depth: a few
// characters can build a list that holds itself a million times over.
func checkWeight(args []ref.Val) error {
	budget := maxElements
	for _, v := range args {
		if budget = weigh(v, budget); budget < 0 {
			return errListSize()
		}
	}
	return nil
}

// weigh returns what is left of a budget of elements, negative if v exceeds
// it. Values of the row itself are bounded by its size and are not walked.
func weigh(v ref.Val, budget int) int {
	switch v := v.(type) {
	case traits.Lister:
		if _, decoded := v.Value().([]any); decoded {
			return budget - sizeOf(v)
		}
		for it := v.Iterator(); budget >= 0 && it.HasNext() == types.True; {
			budget = weigh(it.Next(), budget-1)
		}
	case traits.Mapper:
		if _, decoded := v.Value().(map[string]any); decoded {
			return budget - sizeOf(v)
		}
		for it := v.Iterator(); budget >= 0 && it.HasNext() == types.True; {
			budget = weigh(v.Get(it.Next()), budget-1)
		}
	}
	return budget
}

// checkMember is for x in list: cheap unless x is a list or map itself.
func checkMember(args []ref.Val) error {
	switch args[0].(type) {
	case traits.Lister, traits.Mapper:
		return checkPairs(args)
	}
	return nil
}

// checkPairs bounds functions that compare each element with each other.
func checkPairs(args []ref.Val) error {
	if err := checkWeight(args); err != nil {
		return err
	}
	pairs := 1
	for _, v := range args {
		if s, ok := v.(traits.Sizer); ok {
			pairs *= max(1, sizeOf(s))
		}
	}
	if len(args) == 1 {
		pairs *= pairs
	}
	if pairs > maxPairs {
		return rowErrorf("it compares the elements of too long lists: %d comparisons, at most %d are allowed", pairs, maxPairs)
	}
	return nil
}

func checkScan(args []ref.Val) error {
	text, ok := args[0].(types.String)
	if !ok {
		return nil
	}
	if part, ok := args[1].(types.String); ok && len(text)*len(part) > maxScan {
		return rowErrorf("it searches too long a text")
	}
	return nil
}

func checkReplace(args []ref.Val) error {
	text, ok1 := args[0].(types.String)
	old, ok2 := args[1].(types.String)
	with, ok3 := args[2].(types.String)
	if !ok1 || !ok2 || !ok3 {
		return nil
	}
	n := strings.Count(string(text), string(old))
	if old == "" {
		n = utf8.RuneCountInString(string(text)) + 1
	}
	if len(text)+n*(len(with)-len(old)) > maxTextBytes {
		return errTextSize()
	}
	return nil
}

func checkJoin(args []ref.Val) error {
	list, ok := args[0].(traits.Lister)
	if !ok {
		return nil
	}
	total, between := 0, 0
	if len(args) > 1 {
		sep, _ := args[1].(types.String)
		between = len(sep)
	}
	for it := list.Iterator(); it.HasNext() == types.True; {
		if s, ok := it.Next().(types.String); ok {
			total += len(s)
		}
		if total += between; total > maxTextBytes {
			return errTextSize()
		}
	}
	return nil
}
