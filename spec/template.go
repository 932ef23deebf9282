package spec

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/template/parse"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

// maxTemplateBytes bounds a template, whose parser is recursive.
const maxTemplateBytes = 512 << 10

// The summaries of problems with a template, beside those of expressions.
const (
	summaryTemplate        = "Invalid template"
	summaryUnknownVariable = "Unknown template variable"
	summaryUnknownFunction = "Unknown template function"
)

// checkTemplate checks a template against the variables that its attribute
// documents and, where one of them is the row, against the row's columns. It
// returns the columns that the template reads, sorted; all says that it uses
// the row as a whole.
func checkTemplate(attr schema.Attribute, text string, node hcl.Expression, cols Columns) (columns []string, all bool, diags hcl.Diagnostics) {
	c := &templateCheck{
		text: text, lit: newLiteral(node, text),
		variables: attr.Variables, columns: cols,
		read:  make(map[string]bool),
		funcs: templateFunctions(),
		trees: make(map[string]*parse.Tree),
		using: make(map[string]bool),
		done:  make(map[string][]dot),
	}
	if len(text) > maxTemplateBytes {
		c.report(summaryTemplate, fmt.Sprintf("The template is %d bytes long; at most %d are allowed.",
			len(text), maxTemplateBytes), 0, len(text))
		return nil, true, c.diags
	}
	tree := parse.New(attr.Name)
	tree.Mode = parse.SkipFuncCheck // unknown functions are reported with the rest
	if _, err := tree.Parse(text, "", "", c.trees); err != nil {
		c.syntax(attr.Name, err)
		return nil, true, c.diags
	}
	c.template(tree, dot{kind: rootDot})
	return slices.Sorted(maps.Keys(c.read)), c.all, c.diags
}

type templateCheck struct {
	text      string
	lit       *literal
	variables []schema.Variable
	columns   Columns
	funcs     map[string]reflect.Type // nil type: built into text/template

	trees map[string]*parse.Tree
	using map[string]bool // templates being checked, against recursion
	// done are the types of data with which a template was checked: two calls
	// of the next in each of thirty templates would be a billion checks.
	done map[string][]dot
	root dot           // $ of the template being checked
	vars []templateVar // in scope, innermost last

	read  map[string]bool
	all   bool
	diags hcl.Diagnostics
}

type templateVar struct {
	name string
	typ  dot
}

// report adds a problem with text[start:end]. Where the recipe does not hold
// the text itself, the detail says the line.
func (c *templateCheck) report(summary, detail string, start, end int) {
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail}
	if subject, context, ok := c.lit.span(start, end); ok {
		d.Subject, d.Context = &subject, &context
	}
	if len(c.lit.parts) == 0 {
		line := 1 + strings.Count(c.text[:min(start, len(c.text))], "\n")
		d.Detail += fmt.Sprintf(" (Line %d of the template.)", line)
	}
	for _, other := range c.diags {
		if other.Detail == d.Detail && sameRange(other.Subject, d.Subject) {
			return // from a template that is used twice
		}
	}
	c.diags = append(c.diags, d)
}

var parseErrorPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?s)^template: (.*?):(\d+): (.*)$`) })

func (c *templateCheck) syntax(name string, err error) {
	text := strings.Replace(err.Error(), "template: "+name+":", "template: :", 1)
	m := parseErrorPattern().FindStringSubmatch(text)
	if m == nil {
		c.report(summaryTemplate, sentence(short(text)), 0, len(c.text))
		return
	}
	line, _ := strconv.Atoi(m[2])
	start, end := c.line(line)
	for ; start == end && line > 1; line-- { // the end of the text, after its last line
		start, end = c.line(line - 1)
	}
	c.report(summaryTemplate, sentence(m[3]), start, end)
}

// line returns where the text of a line lies, without the space around it.
func (c *templateCheck) line(n int) (start, end int) {
	for range n - 1 {
		i := strings.IndexByte(c.text[start:], '\n')
		if i < 0 {
			break
		}
		start += i + 1
	}
	end = len(c.text)
	if i := strings.IndexByte(c.text[start:], '\n'); i >= 0 {
		end = start + i
	}
	for start < end && strings.IndexByte(" \t\r", c.text[start]) >= 0 {
		start++
	}
	for end > start && strings.IndexByte(" \t\r", c.text[end-1]) >= 0 {
		end--
	}
	return start, end
}

// template checks one template with data of the type given.
func (c *templateCheck) template(tree *parse.Tree, data dot) {
	outerRoot, outerVars := c.root, c.vars
	c.root, c.vars = data, nil
	if tree.Root != nil {
		c.list(tree.Root, data)
	}
	c.root, c.vars = outerRoot, outerVars
}

// list checks nodes in a scope of their own.
func (c *templateCheck) list(l *parse.ListNode, d dot) {
	if l == nil {
		return
	}
	scope := len(c.vars)
	for _, n := range l.Nodes {
		c.node(n, d)
	}
	c.vars = c.vars[:scope]
}

func (c *templateCheck) node(n parse.Node, d dot) {
	switch n := n.(type) {
	case *parse.ActionNode:
		v := c.pipe(n.Pipe, d)
		if len(n.Pipe.Decl) == 0 {
			c.whole(v)
		}
	case *parse.IfNode:
		c.branch(&n.BranchNode, d, func(v dot) dot { c.whole(v); return d })
	case *parse.WithNode:
		c.branch(&n.BranchNode, d, func(v dot) dot { return v })
	case *parse.RangeNode:
		c.rangeOver(&n.BranchNode, d)
	case *parse.TemplateNode:
		c.call(n, d)
	}
}

func (c *templateCheck) branch(n *parse.BranchNode, d dot, inner func(dot) dot) {
	scope := len(c.vars)
	v := c.pipe(n.Pipe, d)
	c.list(n.List, inner(v))
	c.list(n.ElseList, d)
	c.vars = c.vars[:scope]
}

func (c *templateCheck) rangeOver(n *parse.BranchNode, d dot) {
	scope := len(c.vars)
	over := c.commands(n.Pipe, d)
	c.whole(over)
	key, elem, ok := elements(over)
	if !ok {
		start := int(n.Pipe.Position())
		c.report(summaryWrongType, fmt.Sprintf("range goes over a list, a map or a number, not over %s.",
			describeType(over.ty)), start, start+len(n.Pipe.String()))
	}
	switch decl := n.Pipe.Decl; len(decl) {
	case 1:
		c.declare(n.Pipe.IsAssign, decl[0].Ident[0], elem)
	case 2:
		c.declare(n.Pipe.IsAssign, decl[0].Ident[0], key)
		c.declare(n.Pipe.IsAssign, decl[1].Ident[0], elem)
	}
	c.list(n.List, elem)
	c.list(n.ElseList, d)
	c.vars = c.vars[:scope]
}

// call checks {{template "name" value}}, and the template with that value.
func (c *templateCheck) call(n *parse.TemplateNode, d dot) {
	data := unknownDot()
	if n.Pipe != nil {
		data = c.pipe(n.Pipe, d)
	}
	tree, ok := c.trees[n.Name]
	if !ok {
		start := int(n.Position())
		c.report(summaryTemplate, fmt.Sprintf("No template %q is defined here.%s",
			n.Name, suggest(n.Name, slices.Sorted(maps.Keys(c.trees)))), start, start+len(strconv.Quote(n.Name)))
		return
	}
	if c.using[n.Name] {
		c.whole(data) // it calls itself: what it reads at the next level is not followed
		return
	}
	if slices.ContainsFunc(c.done[n.Name], data.equal) {
		return
	}
	c.done[n.Name] = append(c.done[n.Name], data)
	c.using[n.Name] = true
	c.template(tree, data)
	delete(c.using, n.Name)
}

// whole notes that a value is used as it is. If it is the row, or holds the
// row, every column is read.
func (c *templateCheck) whole(v dot) {
	switch v.kind {
	case rowDot:
		c.all = true
	case rootDot:
		c.all = c.all || c.variable(schema.RowVariable) != nil
	}
}

func (c *templateCheck) variable(name string) *schema.Variable {
	for i := range c.variables {
		if c.variables[i].Name == name {
			return &c.variables[i]
		}
	}
	return nil
}

// pipe checks a pipeline, declares its variables and returns its type.
func (c *templateCheck) pipe(p *parse.PipeNode, d dot) dot {
	v := c.commands(p, d)
	for _, decl := range p.Decl {
		c.declare(p.IsAssign, decl.Ident[0], v)
	}
	return v
}

func (c *templateCheck) declare(assign bool, name string, v dot) {
	if !assign {
		c.vars = append(c.vars, templateVar{name, v})
		return
	}
	c.whole(v) // in a loop the variable may be read before this line
	for i := range c.vars {
		if c.vars[i].name == name && !c.vars[i].typ.equal(v) {
			c.vars[i].typ = unknownDot()
		}
	}
}

func (c *templateCheck) commands(p *parse.PipeNode, d dot) dot {
	v := unknownDot()
	for i, cmd := range p.Cmds {
		if i == 0 {
			v = c.command(cmd, d, nil)
		} else {
			v = c.command(cmd, d, &v)
		}
	}
	return v
}

// command checks one command; piped is the value from the one before it.
func (c *templateCheck) command(cmd *parse.CommandNode, d dot, piped *dot) dot {
	if fn, ok := cmd.Args[0].(*parse.IdentifierNode); ok {
		return c.function(fn, cmd.Args[1:], d, piped)
	}
	v := c.operand(cmd.Args[0], d)
	if piped != nil || len(cmd.Args) > 1 {
		at := int(cmd.Args[0].Position())
		c.report(summaryTemplate, fmt.Sprintf("%s is not a function and takes no arguments.",
			short(cmd.Args[0].String())), at, at+len(cmd.Args[0].String()))
	}
	return v
}

func (c *templateCheck) operand(n parse.Node, d dot) dot {
	switch n := n.(type) {
	case *parse.DotNode:
		return d
	case *parse.FieldNode:
		return c.fields(d, n.Ident, c.chainStart(n.Position(), n.Ident))
	case *parse.VariableNode:
		start := int(n.Position())
		if len(n.Ident) > 1 {
			return c.fields(c.lookup(n.Ident[0]), n.Ident[1:], start)
		}
		return c.lookup(n.Ident[0])
	case *parse.ChainNode:
		return c.fields(c.operand(n.Node, d), n.Field, int(n.Position()))
	case *parse.PipeNode:
		return c.pipe(n, d)
	case *parse.IdentifierNode:
		return c.function(n, nil, d, nil)
	case *parse.StringNode:
		return typedDot(cty.String)
	case *parse.NumberNode:
		return typedDot(cty.Number)
	case *parse.BoolNode:
		return typedDot(cty.Bool)
	}
	return unknownDot()
}

// chainStart returns where .a.b begins. The parser gives a single field its
// own position, and a chain that of its second field.
func (c *templateCheck) chainStart(pos parse.Pos, fields []string) int {
	if len(fields) > 1 {
		return int(pos) - len(fields[0]) - 1
	}
	return int(pos)
}

func (c *templateCheck) lookup(name string) dot {
	if name == "$" {
		return c.root
	}
	for i := len(c.vars) - 1; i >= 0; i-- {
		if c.vars[i].name == name {
			return c.vars[i].typ
		}
	}
	return unknownDot()
}

// fields follows .a.b.c from a value; at is where .a begins in the text.
func (c *templateCheck) fields(v dot, names []string, at int) dot {
	for _, name := range names {
		var summary, detail string
		if v, summary, detail = c.field(v, name); summary != "" {
			c.report(summary, detail, at+1, at+1+len(name))
			return unknownDot()
		}
		at += 1 + len(name)
	}
	return v
}

// field returns the type of a field, or what is wrong with asking for it.
func (c *templateCheck) field(v dot, name string) (field dot, summary, detail string) {
	switch v.kind {
	case rootDot:
		if v := c.variable(name); v != nil {
			if name == schema.RowVariable {
				return dot{kind: rowDot}, "", ""
			}
			return typedDot(v.Type), "", ""
		}
		return unknownDot(), summaryUnknownVariable, c.unknownVariable(name)
	case rowDot:
		return c.column(name)
	}
	switch ty := v.ty; {
	case ty == cty.DynamicPseudoType:
		return unknownDot(), "", ""
	case ty.IsMapType():
		return typedDot(ty.ElementType()), "", ""
	case ty.IsObjectType():
		if ty.HasAttribute(name) {
			return typedDot(ty.AttributeType(name)), "", ""
		}
		names := slices.Sorted(maps.Keys(ty.AttributeTypes()))
		return unknownDot(), summaryUnknownField, fmt.Sprintf("There is no field %q here.%s%s",
			name, suggest(name, names), listNames(" The fields are", names))
	case ty.IsListType() || ty.IsSetType() || ty.IsTupleType():
		return unknownDot(), summaryWrongType, fmt.Sprintf("A list has no field %q. Go over its elements with range.", name)
	}
	return unknownDot(), summaryWrongType, fmt.Sprintf("%s has no field %q.", sentenceCase(describeType(v.ty)), name)
}

func (c *templateCheck) unknownVariable(name string) string {
	names := make([]string, len(c.variables))
	for i, v := range c.variables {
		names[i] = v.Name
	}
	slices.Sort(names)
	hint := suggest(name, names)
	if c.variable(schema.RowVariable) != nil && hint == "" {
		for _, col := range c.columns.List {
			if col.Name == name {
				hint = fmt.Sprintf(" The row's column is .%s.%s.", schema.RowVariable, name)
			}
		}
	}
	return fmt.Sprintf("There is no variable %q.%s%s", name, hint, listNames(" The variables are", names))
}

func (c *templateCheck) column(name string) (dot, string, string) {
	names := make([]string, 0, len(c.columns.List))
	for _, col := range c.columns.List {
		if col.Name == name {
			c.read[name] = true
			return typedDot(col.Type), "", ""
		}
		names = append(names, col.Name)
	}
	if c.columns.Open {
		c.read[name] = true
		return unknownDot(), "", ""
	}
	slices.Sort(names)
	return unknownDot(), summaryUnknownColumn, fmt.Sprintf("The rows that come in have no column %q.%s%s",
		name, suggest(name, names), listNames(" The columns are", names))
}

// function checks a call and returns the type of its result.
func (c *templateCheck) function(fn *parse.IdentifierNode, args []parse.Node, d dot, piped *dot) dot {
	start, end := int(fn.Position()), int(fn.Position())+len(fn.Ident)
	typ, known := c.funcs[fn.Ident]
	if !known {
		names := slices.Concat(slices.Sorted(maps.Keys(schema.TemplateFuncs())), builtinFunctions())
		c.report(summaryUnknownFunction, fmt.Sprintf("There is no function %q.%s%s",
			fn.Ident, suggest(fn.Ident, names), listNames(" The functions are", names)), start, end)
	}
	if fn.Ident == "index" && len(args) > 0 && piped == nil {
		return c.index(args, d)
	}
	values := make([]dot, 0, len(args)+1)
	for _, a := range args {
		values = append(values, c.operand(a, d))
	}
	if piped != nil {
		values = append(values, *piped)
	}
	for _, v := range values {
		c.whole(v)
	}
	if typ != nil {
		if detail := checkArguments(fn.Ident, typ, values); detail != "" {
			c.report(summaryWrongType, detail, start, end)
		}
	}
	return resultOf(fn.Ident, typ)
}

// index checks index V K…: of the row, a literal K is a column.
func (c *templateCheck) index(args []parse.Node, d dot) dot {
	v := c.operand(args[0], d)
	for _, arg := range args[1:] {
		c.whole(c.operand(arg, d))
		key, literal := arg.(*parse.StringNode)
		switch {
		case v.kind != plainDot && literal:
			var summary, detail string
			if v, summary, detail = c.field(v, key.Text); summary != "" {
				c.report(summary, detail, int(key.Position()), int(key.Position())+len(key.Quoted))
				return unknownDot()
			}
			continue
		case v.kind != plainDot:
			c.whole(v)
		}
		_, elem, ok := elements(v)
		if v = elem; !ok {
			v = unknownDot()
		}
	}
	if len(args) == 1 {
		c.whole(v)
	}
	return v
}
