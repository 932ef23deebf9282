package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

// Column returns the column of that name.
func (c Columns) Column(name string) (schema.Column, bool) {
	i, ok := slices.BinarySearchFunc(c.List, name, func(c schema.Column, name string) int { return strings.Compare(c.Name, name) })
	if !ok {
		return schema.Column{}, false
	}
	return c.List[i], true
}

// Names are the names of the columns, in order.
func (c Columns) Names() []string {
	names := make([]string, len(c.List))
	for i, col := range c.List {
		names[i] = col.Name
	}
	return names
}

// columnSet collects columns by name.
type columnSet map[string]schema.Column

func (s columnSet) columns(open bool) Columns {
	c := Columns{Open: open, List: []schema.Column{}}
	for _, name := range sortedKeys(s) {
		c.List = append(c.List, s[name])
	}
	return c
}

// unionColumns are the columns of the rows of several steps together. One
// that not every step has is optional, and one that they type differently is
// any JSON.
func unionColumns(steps []*Step) Columns {
	if len(steps) == 1 {
		return steps[0].Columns
	}
	all, count, open := columnSet{}, map[string]int{}, false
	for _, step := range steps {
		open = open || step.Columns.Open
		for _, col := range step.Columns.List {
			if old, ok := all[col.Name]; ok {
				col.Optional = col.Optional || old.Optional
				if !old.Type.Equals(col.Type) {
					col.Type = cty.DynamicPseudoType
				}
			}
			all[col.Name] = col
			count[col.Name]++
		}
	}
	for name, col := range all {
		if count[name] < len(steps) {
			col.Optional = true
			all[name] = col
		}
	}
	return all.columns(open)
}

// idColumn is in every row; the host writes it.
func idColumn() schema.Column {
	return schema.Column{Name: "id", Type: cty.String, Doc: "Stable identity of the row."}
}

// outColumns are the columns of the rows that a role step yields.
func outColumns(in Columns, b *RoleBody) Columns {
	all := columnSet{}
	for _, col := range in.List {
		all[col.Name] = col
	}
	open := in.Open || b.Component.WritesOpen
	written := columnSet{}
	for _, col := range b.Component.Writes {
		if col.Name == schema.BlockName {
			col.Name = b.BlockColumn
			col.Type = b.blockColumnType(col.Type)
		}
		if old, ok := all[col.Name]; ok {
			col.Optional = col.Optional && old.Optional
		}
		written[col.Name] = col
	}
	every := slices.ContainsFunc(b.RowMap, func(m RowMapping) bool { return m.Column == EveryColumn })
	if len(b.RowMap) == 0 || every {
		for name, col := range written {
			all[name] = col
		}
	}
	if len(b.RowMap) > 0 {
		open = every
		for _, m := range b.RowMap {
			if m.Column == EveryColumn {
				continue
			}
			col, ok := written[m.Column]
			if !ok {
				col = schema.Column{Name: m.Column, Type: cty.DynamicPseudoType}
			}
			all[m.Column] = col
		}
	}
	all["id"] = idColumn()
	return all.columns(open)
}

// blockColumnType is the type of the column that is named after the block: by
// the attribute of kind JSONSchema, if there is one.
func (b *RoleBody) blockColumnType(declared cty.Type) cty.Type {
	for _, a := range b.Component.Config.Attributes {
		if a.Kind != schema.JSONSchema {
			continue
		}
		if s, ok := b.value.known(a.Name); ok {
			return typeOfSchema(s, 0)
		}
	}
	return declared
}

// checkReads reports columns that a component needs and its input lacks.
func checkReads(step *Step, v *blockValue) hcl.Diagnostics {
	var diags hcl.Diagnostics
	at := v.head
	if attr, ok := v.attrs["input"]; ok {
		at = attr.Expr.Range()
	}
	for _, col := range step.Role.Component.Reads {
		if col.Optional {
			continue
		}
		var lacking, known []string
		for _, in := range step.Inputs {
			if _, ok := in.Columns.Column(col.Name); !ok && !in.Columns.Open {
				lacking = append(lacking, in.Address)
				known = append(known, in.Columns.Names()...)
			}
		}
		if len(lacking) > 0 {
			c := step.Role.Component
			diags = append(diags, problemAt(at, "Missing column",
				"%s %q reads the column %q, which the rows of %s do not have.%s%s Their columns: %s.",
				c.Role, step.Role.label(), col.Name, listed(lacking), suggest(col.Name, known), columnDoc(col), listed(compactSorted(known))))
		}
	}
	return diags
}

// label is what a component is called in recipes.
func (b *RoleBody) label() string {
	if b.Plugin.Name == "" || b.Component.Name == "" {
		return b.Plugin.Name + b.Component.Name
	}
	return b.Plugin.Name + "_" + b.Component.Name
}

// checkBlockColumn reports a step whose own column, which has the name of its
// block, would take the place of one that the rows have already.
func checkBlockColumn(step *Step, in Columns, v *blockValue) *hcl.Diagnostic {
	name := step.Role.BlockColumn
	_, taken := in.Column(name)
	reads := slices.ContainsFunc(step.Role.Component.Reads, func(c schema.Column) bool { return c.Name == name })
	switch {
	case name == "" || !taken && !reads && name != "id":
		return nil
	case reads && !taken: // rows may have columns that are not declared
		return problemAt(v.labelRanges[len(v.labelRanges)-1], "Column name taken",
			"%s %q writes a column with the name of its block, and reads a column %q, which would be lost. Give the block another name.", v.typ, v.labels[0], name)
	}
	return problemAt(v.labelRanges[len(v.labelRanges)-1], "Column name taken",
		"%s %q writes a column with the name of its block, and the rows have a column %q already. Give the block another name.", v.typ, v.labels[0], name)
}

func columnDoc(col schema.Column) string {
	if col.Doc == "" {
		return ""
	}
	return fmt.Sprintf(" It is: %s", col.Doc)
}

func compactSorted(names []string) []string {
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}
