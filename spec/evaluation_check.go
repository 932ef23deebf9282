package spec

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

// scenarioColumn is the column that tells scenarios apart; the engine writes it.
const scenarioColumn = "scenario"

// choosesScenarios says whether a step begins an evaluation.
func (s *Step) choosesScenarios() bool {
	return len(s.Distill) == 1 && s.Distill[0].Kind == OpScenarios
}

// addScenario works out the columns of scenarios: those of the input, and one
// that tells them apart.
func (s *Step) addScenario(v *blockValue) hcl.Diagnostics {
	all := columnSet{}
	for _, col := range s.Columns.List {
		all[col.Name] = col
	}
	var diags hcl.Diagnostics
	if _, taken := all[scenarioColumn]; taken {
		diags = append(diags, problemAt(v.expr("input").Range(), "Column name taken",
			"The rows that come in have a column %q, by which an evaluation tells its scenarios apart. Give it another name where it is made.", scenarioColumn))
	}
	all[scenarioColumn] = schema.Column{Name: scenarioColumn, Type: cty.String, Doc: "Tells the scenarios of an evaluation apart."}
	s.Columns = all.columns(s.Columns.Open)
	return diags
}

// compileEvaluation compiles the expressions of an evaluation.
func compileEvaluation(step *Step, v *blockValue, compile compiler) hcl.Diagnostics {
	body := step.Evaluation
	step.Columns = figureColumns()
	rows, trials := body.Scenarios.Columns, unionColumns(step.Inputs[1:])
	metrics := metricColumns(body.agentNames(), body.metricNames())
	var diags hcl.Diagnostics
	var count struct{ groups, metrics, asserts int }
	for _, nested := range v.nested {
		attribute := func(name string, columns Columns, variable string, want exprType) *Expr {
			if _, ok := nested.known(name); !ok {
				return nil
			}
			e, moreDiags := compile(exprSource{Text: nested.text(name), Node: nested.expr(name), Columns: columns, Var: variable, Want: want})
			diags = append(diags, moreDiags...)
			return e
		}
		switch nested.typ {
		case "group":
			body.Groups[count.groups].By = attribute("by", rows, rowVariable, wantString)
			count.groups++
		case "metric":
			m := &body.Metrics[count.metrics]
			m.Value, m.Where = attribute("value", trials, rowVariable, wantNumber), attribute("where", trials, rowVariable, wantBool)
			count.metrics++
		case "assert":
			body.Asserts[count.asserts].That = attribute("that", metrics, metricsVariable, wantBool)
			count.asserts++
		}
	}
	if count.groups == 0 {
		body.Groups = defaultGroups(rows, compile)
	}
	return append(diags, checkReferences(body, v)...)
}

// checkReferences finds figures from elsewhere of groups that there are not.
func checkReferences(body *EvaluationBody, v *blockValue) hcl.Diagnostics {
	var groups []string
	for _, g := range body.Groups {
		groups = append(groups, g.Name)
	}
	var diags hcl.Diagnostics
	for _, ref := range body.References {
		i := slices.IndexFunc(v.nested, func(n *blockValue) bool { return n.typ == "reference" && n.labels[0] == ref.Name })
		for _, name := range sortedKeys(ref.By) {
			if !slices.Contains(groups, name) {
				diags = append(diags, problemAt(v.nested[i].at("by", name), "No such group", "The evaluation has no group %q.%s%s", name, suggest(name, groups), listNames(" Its groups are", groups)))
			}
		}
	}
	return diags
}

// defaultGroups are the breakdowns of an evaluation that names none.
func defaultGroups(rows Columns, compile compiler) (groups []EvaluationGroup) {
	for _, name := range []string{"domain", "outcome", "scenario_class", "source"} {
		col, ok := rows.Column(name)
		if !ok || col.Type.IsObjectType() || col.Type.IsMapType() {
			continue
		}
		by, diags := compile(exprSource{Text: rowVariable + "." + name, Columns: rows, Var: rowVariable, Want: wantString})
		if !diags.HasErrors() {
			groups = append(groups, EvaluationGroup{Name: name, By: by})
		}
	}
	return groups
}

// figureColumns are the columns of the rows that an evaluation gives.
func figureColumns() Columns {
	all := columnSet{"id": idColumn()}
	add := func(ty cty.Type, name, doc string) {
		all[name] = schema.Column{Name: name, Type: ty, Doc: doc}
	}
	add(cty.String, "type", "What the figure is: metric, count or agreement.")
	add(cty.String, "agent", "Whom it is about; empty: all.")
	add(cty.String, "metric", "What was measured.")
	add(cty.String, "group", "By what it is broken down; empty: it is not.")
	add(cty.String, "key", "The part of the group.")
	add(cty.Number, "value", "The figure; null where there is no data for it.")
	add(cty.Number, "low", "The lower end of its interval.")
	add(cty.Number, "high", "The upper end of its interval.")
	add(cty.Number, "n", "Of how many, where it is a share.")
	add(cty.Number, "hits", "How many, where it is a share.")
	add(cty.String, "method", "How the interval was found.")
	add(cty.Number, "gain", "What it is above the baseline's.")
	add(cty.Number, "gain_low", "The lower end of the gain's interval.")
	add(cty.Number, "gain_high", "The upper end of the gain's interval.")
	add(cty.Number, "p", "How likely such a difference is where there is none.")
	add(cty.String, "note", "What is to be known of it.")
	return all.columns(false)
}

// metricColumns are the columns of the variable metrics: an object of figures
// for each agent.
func metricColumns(agents, metrics []string) Columns {
	figure := map[string]cty.Type{}
	for _, name := range []string{"value", "low", "high", "n", "gain", "gain_low", "gain_high", "p"} {
		figure[name] = cty.Number
	}
	figures := map[string]cty.Type{}
	for _, name := range metrics {
		figures[name] = cty.Object(figure)
	}
	all := columnSet{}
	for _, name := range agents {
		all[name] = schema.Column{Name: name, Type: cty.Object(figures)}
	}
	return all.columns(false)
}

// CompileAssert compiles an expression over the variable metrics, in which each
// agent has each of the metrics.
func CompileAssert(text string, agents, metrics []string) (*Expr, error) {
	e, diags := compileExpr(exprSource{Text: text, Columns: metricColumns(agents, metrics), Var: metricsVariable, Want: wantBool})
	if diags.HasErrors() {
		return nil, diags
	}
	return e, nil
}
