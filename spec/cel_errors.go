package spec

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/interpreter"
	"github.com/hashicorp/hcl/v2"
)

// The summaries of problems with an expression.
const (
	summaryInvalid       = "Invalid CEL expression"
	summaryUnknownColumn = "Unknown column"
	summaryUnknownField  = "Unknown field"
	summaryWrongType     = "Wrong type"
)

// exprReport turns what CEL says about an expression into diagnostics.
type exprReport struct {
	src    exprSource
	lit    *literal
	env    *cel.Env
	table  *typeTable
	diags  hcl.Diagnostics
	misses int // of table.misses, how many are reported
}

func newExprReport(src exprSource) *exprReport {
	return &exprReport{src: src, lit: newLiteral(src.Node, src.Text)}
}

// add reports a problem with text[start:end].
func (r *exprReport) add(summary, detail string, start, end int) {
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail}
	if subject, context, ok := r.lit.span(start, end); ok {
		d.Subject, d.Context = &subject, &context
	}
	for _, other := range r.diags {
		if other.Summary == d.Summary && other.Detail == d.Detail && sameRange(other.Subject, d.Subject) {
			return
		}
	}
	r.diags = append(r.diags, d)
}

func sameRange(a, b *hcl.Range) bool { return a == b || a != nil && b != nil && *a == *b }

func (r *exprReport) internal(err error) hcl.Diagnostics {
	r.add(summaryInvalid, fmt.Sprintf("The expression cannot be used: %s.", err), 0, len(r.src.Text))
	return r.diags
}

// offset turns a CEL location into a byte of the text.
func (r *exprReport) offset(loc common.Location) (at int, ok bool) {
	if loc == nil || loc.Line() < 1 || loc.Column() < 0 {
		return 0, false
	}
	rest := r.src.Text
	for range loc.Line() - 1 {
		i := strings.IndexByte(rest, '\n')
		if i < 0 {
			return len(r.src.Text), true
		}
		at += i + 1
		rest = rest[i+1:]
	}
	n := 0
	for i := range rest {
		if n == loc.Column() {
			return at + i, true
		}
		n++
	}
	return len(r.src.Text), true
}

// addAt reports a problem with the token at a location.
func (r *exprReport) addAt(summary, detail string, e *cel.Error) {
	text := r.src.Text
	at, ok := r.offset(e.Location)
	switch {
	case !ok:
		r.add(summary, detail, 0, len(text))
		return
	case at >= len(text):
		trimmed := len(strings.TrimRight(text, " \t\r\n"))
		r.add(summary, detail, max(trimmed-1, 0), trimmed)
		return
	}
	switch text[at] {
	case '.':
		if name := skipSpace(text, at+1); name < len(text) && (isNameByte(text[name]) || text[name] == '`') {
			at = name
		}
	case '(':
		end := at
		for at > 0 && isNameByte(text[at-1]) {
			at--
		}
		if at < end {
			r.add(summary, detail, at, end)
			return
		}
	}
	r.add(summary, detail, at, r.tokenEnd(at))
}

// tokenEnd is tokenAt, with names in backquotes.
func (r *exprReport) tokenEnd(at int) int {
	text := r.src.Text
	if text[at] == '`' {
		if i := strings.IndexByte(text[at+1:], '`'); i >= 0 {
			return at + i + 2
		}
	}
	return tokenAt(text, at)
}

func skipSpace(text string, at int) int {
	for at < len(text) && strings.IndexByte(" \t\r\n", text[at]) >= 0 {
		at++
	}
	return at
}

// syntax reports what the parser found.
func (r *exprReport) syntax(issues *cel.Issues) {
	errs := sortedErrors(issues)
	// What the parser says after a character that is no token follows from it.
	if unreadable := slices.DeleteFunc(slices.Clone(errs), readable); len(unreadable) > 0 {
		errs = unreadable
		if strings.Contains(errs[0].Message, "''") || strings.Contains(errs[0].Message, `'"`) {
			errs = errs[:1] // after a bad string every quote is taken for its opposite
		}
	}
	if len(errs) > 1 { // of several errors, this says the least
		errs = slices.DeleteFunc(errs, func(e *cel.Error) bool { return strings.Contains(e.Message, "rror recovery") })
	}
	for _, e := range errs {
		r.addAt(summaryInvalid, syntaxDetail(e.Message), e)
	}
}

func readable(e *cel.Error) bool { return !strings.Contains(e.Message, "token recognition error") }

func sortedErrors(issues *cel.Issues) []*cel.Error {
	errs := append([]*cel.Error(nil), issues.Errors()...)
	sort.SliceStable(errs, func(i, j int) bool {
		a, b := errs[i].Location, errs[j].Location
		return a.Line() < b.Line() || a.Line() == b.Line() && a.Column() < b.Column()
	})
	return errs
}

func syntaxDetail(message string) string {
	text, isSyntax := strings.CutPrefix(message, "Syntax error: ")
	if !isSyntax {
		return parseDetail(message)
	}
	quoted := ""
	if i, j := strings.IndexByte(text, '\''), strings.LastIndexByte(text, '\''); i >= 0 && i < j {
		quoted = strings.TrimSpace(text[i+1 : j])
	}
	switch {
	case strings.HasPrefix(text, "token recognition error"):
		if _, escape, ok := strings.Cut(quoted, `\`); ok {
			return fmt.Sprintf("%q is no escape sequence. A backslash in a CEL string is written twice, or the string as r'...'; "+
				"in a quoted string of the recipe each of them is written twice again.", `\`+short(escape))
		}
		if strings.HasPrefix(quoted, "'") || strings.HasPrefix(quoted, `"`) {
			return "The string that begins here has no closing quote."
		}
		return fmt.Sprintf("%q has no meaning in CEL.%s", short(quoted), operatorHint(quoted))
	case strings.Contains(text, "'<EOF>'"):
		return "The expression ends too early: after this, something is missing, such as an operand or a closing bracket."
	}
	if i := strings.Index(quoted, "' expecting"); i >= 0 {
		quoted = quoted[:i]
	}
	if quoted == "" {
		return "The expression is malformed here."
	}
	return fmt.Sprintf("%q is not expected here.%s", short(quoted), operatorHint(quoted))
}

func operatorHint(text string) string {
	switch {
	case strings.HasSuffix(text, "="):
		return " To compare, write ==."
	case strings.HasSuffix(text, "&"), strings.HasSuffix(text, "and"):
		return " For both, write &&."
	case strings.HasSuffix(text, "|"), strings.HasSuffix(text, "or"):
		return " For either, write ||."
	case strings.HasSuffix(text, "not"):
		return " To negate, write !."
	}
	return ""
}

func parseDetail(message string) string {
	switch {
	case strings.Contains(message, "recursion"):
		return fmt.Sprintf("The expression is nested too deeply; at most about %d levels are allowed.", maxExprRecursion)
	case strings.Contains(message, "exceeds limit"):
		return "The expression is too large. Move what it computes into a component."
	case strings.HasPrefix(message, "reserved identifier"):
		_, name, _ := strings.Cut(message, ": ")
		return fmt.Sprintf("%q is a reserved word.", name)
	case strings.Contains(message, "invalid argument to has()"):
		return "has() takes a column or field, as in has(row.trigger)."
	case strings.Contains(message, "argument must be a simple name"), strings.Contains(message, "argument is not an identifier"):
		return "The first argument names a variable that stands for each element, as in row.tools.exists(t, t.name == 'x')."
	}
	return sentence(message)
}

var (
	undeclaredPattern = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^undeclared reference to '(.*)' \(in container '.*'\)$`)
	})
	undefinedPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^undefined field '(.*)'$`) })
	overloadPattern  = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^found no matching overload for '(.*)' applied to '(.*)'$`)
	})
	selectPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^type '(.*)' does not support field selection$`) })
	rangePattern  = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^expression of type '(.*)' cannot be range of a comprehension`)
	})
	mismatchPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^expected type '(.*)' but found '(.*)'$`) })
	anyPattern      = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\b(dyn|any)\b`) })
	objectPattern   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(objectMark + `(row|\d+)`) })
)

// check reports what the type checker found. Its errors come in the order of
// its look-ups, which misses rests on.
func (r *exprReport) check(issues *cel.Issues) {
	for _, e := range issues.Errors() {
		if m := undefinedPattern().FindStringSubmatch(e.Message); m != nil {
			r.unknownField(m[1], e)
		} else if m := undeclaredPattern().FindStringSubmatch(e.Message); m != nil {
			r.undeclared(m[1], e)
		} else if m := overloadPattern().FindStringSubmatch(e.Message); m != nil {
			r.addAt(summaryWrongType, overloadDetail(m[1], m[2]), e)
		} else if m := selectPattern().FindStringSubmatch(e.Message); m != nil {
			r.addAt(summaryWrongType, fmt.Sprintf("What stands before the dot is %s, which has no fields.%s",
				withArticle(plainTypes(m[1])), listHint(m[1])), e)
		} else if m := rangePattern().FindStringSubmatch(e.Message); m != nil {
			r.addAt(summaryWrongType, fmt.Sprintf("This goes over the elements of a list or the keys of a map, "+
				"but stands after %s.", withArticle(plainTypes(m[1]))), e)
		} else if e.Message == "invalid matches argument" {
			r.addAt(summaryInvalid, "This is not a valid regular expression (RE2 syntax).", e)
		} else if m := mismatchPattern().FindStringSubmatch(e.Message); m != nil {
			r.addAt(summaryWrongType, fmt.Sprintf("This must be of type %s, but it is of type %s.",
				plainTypes(m[1]), plainTypes(m[2])), e)
		} else {
			r.addAt(summaryInvalid, sentence(plainTypes(e.Message)), e)
		}
	}
	sort.SliceStable(r.diags, func(i, j int) bool { return startByte(r.diags[i]) < startByte(r.diags[j]) })
}

func startByte(d *hcl.Diagnostic) int {
	if d.Subject == nil {
		return 0
	}
	return d.Subject.Start.Byte
}

func listHint(typ string) string {
	if strings.HasPrefix(typ, "list(") {
		return " Take an element, as in row.tools[0], or ask about all of them, as in row.tools.exists(t, t.name == 'x')."
	}
	return ""
}

func (r *exprReport) unknownField(field string, e *cel.Error) {
	var miss missedField
	for r.misses < len(r.table.misses) {
		miss = r.table.misses[r.misses]
		r.misses++
		if miss.field == field {
			break
		}
	}
	if miss.object == nil {
		r.addAt(summaryUnknownField, fmt.Sprintf("There is no field %q.", field), e)
		return
	}
	summary, detail := r.missing(miss.object, field)
	r.addAt(summary, detail, e)
}

// missing says that an object has no such field or the row no such column.
func (r *exprReport) missing(o *objectType, field string) (summary, detail string) {
	if r.src.Var == metricsVariable {
		return missingFigure(o, field)
	}
	if !o.row {
		return summaryUnknownField, fmt.Sprintf("There is no field %q here.%s%s",
			field, suggest(field, o.names), listNames(" The fields are", o.names))
	}
	return summaryUnknownColumn, fmt.Sprintf("The rows that come in have no column %q.%s%s",
		field, suggest(field, o.names), listNames(" The columns are", o.names))
}

// missingFigure says that an evaluation has no such agent, metric or figure.
func missingFigure(o *objectType, field string) (summary, detail string) {
	thing := "figure"
	switch {
	case o.row:
		thing = "agent"
	case slices.ContainsFunc(o.names, func(name string) bool { return o.fields[name].typ.kind == objectValue }):
		thing = "metric"
	}
	return "Unknown " + thing, fmt.Sprintf("There is no %s %q.%s%s", thing, field, suggest(field, o.names), listNames(fmt.Sprintf(" The %ss are", thing), o.names))
}

func listNames(lead string, names []string) string {
	const most = 40
	switch {
	case len(names) == 0:
		return ""
	case len(names) > most:
		return fmt.Sprintf("%s %s, and %d more.", lead, strings.Join(names[:most], ", "), len(names)-most)
	}
	return fmt.Sprintf("%s %s.", lead, strings.Join(names, ", "))
}

func (r *exprReport) undeclared(name string, e *cel.Error) {
	if at, ok := r.offset(e.Location); ok && at < len(r.src.Text) && (r.src.Text[at] == '(' || r.src.Text[at] == '.') {
		r.addAt(summaryInvalid, fmt.Sprintf("There is no function %q.%s", name, suggest(name, r.functions())), e)
		return
	}
	noun, names := "column", "The row's columns are"
	if r.src.Var == metricsVariable {
		noun, names = "agent", "The agents are"
	}
	if _, ok := r.table.row.fields[name]; ok {
		r.addAt(summaryInvalid, fmt.Sprintf("There is no variable %q; the %s is %s.%s.", name, noun, r.src.Var, name), e)
		return
	}
	hint := fmt.Sprintf(" Did you mean %q?", r.src.Var)
	if at, ok := r.offset(e.Location); !ok || !strings.HasPrefix(r.src.Text[at:], name+".") {
		hint = fmt.Sprintf(" %s %s.NAME; text goes in single quotes: '%s'.", names, r.src.Var, short(name))
	}
	r.addAt(summaryInvalid, fmt.Sprintf("There is no variable %q.%s", name, hint), e)
}

// functions are the names of functions and macros, operators left out.
func (r *exprReport) functions() []string {
	var names []string
	for name := range r.env.Functions() {
		if name != "" && isNameByte(name[0]) && name[0] != '_' {
			names = append(names, name)
		}
	}
	for _, m := range r.env.Macros() {
		names = append(names, m.Function())
	}
	sort.Strings(names)
	return names
}

func overloadDetail(function, applied string) string {
	applied = plainTypes(applied)
	args := strings.TrimPrefix(applied, "(")
	args = strings.TrimSuffix(args, ")")
	hint := ""
	if strings.Contains(applied, "null") {
		hint = " Of declared columns and fields only objects can be null; use has(row.NAME), or compare with '' or 0."
	}
	name := strings.Trim(function, "_@!")
	switch {
	case function == "_[_]":
		return fmt.Sprintf("Values of these types cannot be indexed so: %s.%s", args, hint)
	case function == "_?_:_":
		return fmt.Sprintf("In c ? a : b, c must be a bool and a and b of one type; here they are %s.", args)
	case function == "!_" || function == "-_":
		return fmt.Sprintf("The operator %s does not apply to %s.%s", strings.Trim(function, "_"), args, hint)
	case strings.HasPrefix(function, "_") && strings.HasSuffix(function, "_"), function == "@in":
		return fmt.Sprintf("The operator %s does not apply to these types: %s.%s", name, args, hint)
	}
	if target, rest, ok := strings.Cut(applied, ".("); ok {
		return fmt.Sprintf("A value of type %s has no function %s(%s).%s", target, function, strings.TrimSuffix(rest, ")"), hint)
	}
	return fmt.Sprintf("The function %s does not take (%s).%s", function, args, hint)
}

// plainTypes writes types as a recipe's author knows them.
func plainTypes(s string) string {
	s = strings.ReplaceAll(s, objectMark+"row", "row")
	s = objectPattern().ReplaceAllString(s, "object")
	s = anyPattern().ReplaceAllString(strings.ReplaceAll(s, "null_type", "null"), "any")
	if len(s) > 200 {
		s = short(s) // lists of lists of lists
	}
	return s
}

func withArticle(noun string) string {
	if noun == "null" {
		return noun
	}
	if noun != "" && strings.Contains("aeio", noun[:1]) {
		return "an " + noun
	}
	return "a " + noun
}

func sentence(s string) string {
	if s == "" {
		return s
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

// indexes checks row["name"], of which the checker knows only that it is a
// string.
func (r *exprReport) indexes(checked *ast.AST) {
	use := columnUse{variable: r.src.Var, names: make(map[string]bool)}
	ast.PostOrderVisit(checked.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || r.table.row.open {
			return
		}
		name, ok := rowIndex(e.AsCall())
		if !ok || !use.isRow(e.AsCall().Args()[0]) || r.table.row.fields[name] != nil {
			return
		}
		summary, detail := r.missing(r.table.row, name)
		arg := e.AsCall().Args()[1]
		r.addAt(summary, detail, &cel.Error{Location: checked.SourceInfo().GetStartLocation(arg.ID())})
	}))
}

// evalCause puts an error of the CEL runtime in a few plain words.
func evalCause(err error) error {
	text := err.Error()
	switch {
	case errors.Is(err, errNoValue):
		return errNoValue
	case errors.Is(err, interpreter.InterruptError{}), strings.Contains(text, "operation interrupted"):
		return slowError(fmt.Sprintf("stopped, for it took longer than %v for one row", evalTimeout))
	case strings.Contains(text, "actual cost limit exceeded"):
		return slowError("stopped, for it does too much work for one row")
	case strings.HasPrefix(text, "no such overload"):
		return errors.New("the operator or function does not apply to what the row holds there")
	case strings.HasPrefix(text, "no such key"):
		return errors.New(short(text) + "; test for it with has() first")
	case strings.HasPrefix(text, "internal error"):
		return errors.New("the CEL runtime gave up on it")
	}
	return errors.New(short(text))
}
