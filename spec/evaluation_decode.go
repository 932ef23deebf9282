package spec

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

// evaluationDraft is an evaluation while its values are read.
type evaluationDraft struct {
	d    *decoder
	b    *block
	inst *instance
	ctx  *hcl.EvalContext
	v    *blockValue // of the block's own arguments
	body *EvaluationBody
}

// configureEvaluation evaluates an evaluation block and makes its steps.
func (d *decoder) configureEvaluation(b *block, inst *instance, ctx *hcl.EvalContext) hcl.Diagnostics {
	body := &EvaluationBody{Protocol: b.labels[0], Title: b.name()}
	inst.step.Evaluation = body
	e := &evaluationDraft{d: d, b: b, inst: inst, ctx: ctx, body: body}
	own := *b.evaluation.own
	var diags hcl.Diagnostics
	own.blocks, diags = enabledOnes(e, own.blocks, func(n *node) *node { return n })
	v, moreDiags := d.evaluate(&own, ctx)
	diags = append(diags, moreDiags...)
	// What every agent has of its own is looked at all the same.
	_, moreDiags = d.evaluate(b.evaluation.shared, ctx)
	diags = append(diags, moreDiags...)
	e.v, inst.value = v, v
	diags = append(diags, d.policies(inst.step, v)...)
	body.Seed = inst.step.Seed
	diags = append(diags, e.scenarios()...)
	diags = append(diags, e.agents()...)
	diags = append(diags, e.settings()...)
	for _, nested := range v.nested {
		diags = append(diags, e.nested(nested)...)
	}
	return append(diags, e.references()...)
}

// enabledOnes are those of the parts of an evaluation that are not left out.
// Nothing else of the others is evaluated.
func enabledOnes[P any](e *evaluationDraft, parts []P, of func(P) *node) (list []P, diags hcl.Diagnostics) {
	for _, part := range parts {
		enabled := true
		if attr := of(part).attrs["enabled"]; attr != nil {
			var moreDiags hcl.Diagnostics
			enabled, moreDiags = e.d.boolean("enabled", attr.Expr, e.ctx)
			diags = append(diags, moreDiags...)
		}
		if enabled {
			list = append(list, part)
		}
	}
	return list, diags
}

// part makes one of the evaluation's steps, to which its policies apply.
func (e *evaluationDraft) part(addr string, kind StepKind, v *blockValue, rng hcl.Range, inputs ...*Step) *Step {
	whole := e.inst.step
	step := &Step{
		Address: e.inst.addr + "." + addr, Name: addr[lastDot(addr)+1:], Kind: kind, Inputs: inputs, Range: rng,
		OnError: whole.OnError, MaxFailures: whole.MaxFailures, Seed: whole.Seed, Generation: whole.Generation,
	}
	e.inst.parts = append(e.inst.parts, &instance{key: e.inst.key, addr: step.Address, value: v, step: step})
	return step
}

func lastDot(s string) int {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == '.' {
			return i
		}
	}
	return -1
}

// scenarios makes the step that chooses the scenarios.
func (e *evaluationDraft) scenarios() hcl.Diagnostics {
	head := &node{typ: e.b.typ, labels: e.b.labels, head: e.b.node.head, end: e.b.node.end, attrs: map[string]*hcl.Attribute{}}
	op := &Op{Kind: OpScenarios, Name: string(OpScenarios), Range: e.b.node.head}
	diags := e.v.intInto("scenarios", &op.N)
	step := e.part(string(OpScenarios), DistillStep, &blockValue{node: head}, e.b.node.head)
	step.Distill = []*Op{op}
	e.body.Scenarios = step
	e.inst.step.Inputs = []*Step{step}
	attr, ok := e.b.node.attrs["input"]
	if !ok {
		return diags // it was reported as missing
	}
	head.attrs["input"] = attr
	inputs, moreDiags := e.d.inputs(attr, e.ctx)
	diags = append(diags, moreDiags...)
	rng := attr.Expr.Range()
	if i := slices.IndexFunc(inputs, func(s *Step) bool { return s.Kind == DatasetStep }); i >= 0 {
		if len(inputs) > 1 {
			return append(diags, problemAt(rng, "Unsuitable value", "%s stands in a list. An evaluation takes one dataset alone, or steps.", inputs[i].Address))
		}
		e.body.Dataset = inputs[0]
		step.Inputs = inputs[0].Inputs
		return append(diags, e.split(op, inputs[0], rng)...)
	}
	step.Inputs = inputs
	if _, given := e.v.known("split"); given {
		diags = append(diags, problemAt(e.v.expr("split").Range(), "Unsuitable argument",
			"\"split\" goes with a dataset as input. Take it out, or name the dataset: input = dataset.agent_safety."))
	}
	return diags
}

// split finds the split of a dataset whose rows are the scenarios.
func (e *evaluationDraft) split(op *Op, dataset *Step, rng hcl.Range) hcl.Diagnostics {
	if dataset.Dataset == nil {
		return nil // it was in error
	}
	name, names := e.v.text("split"), dataset.Dataset.splitNames()
	op.Split = dataset.Dataset.Split
	_, known := e.v.known("split")
	switch {
	case name == "" && op.Split == nil:
		return nil
	case !known && e.b.node.attrs["split"] != nil && !e.v.values["split"].IsKnown():
		return nil // it was in error
	case !known:
		return hcl.Diagnostics{problemAt(rng, "Missing required argument",
			"The argument \"split\" is required in %s: %s has %s. Name the one that no agent was trained on, such as split = %q.", e.b.node.title(), dataset.Address, listed(names), untrained(names))}
	case name != defaultTrain && op.Split == nil:
		return hcl.Diagnostics{problemAt(e.v.expr("split").Range(), "No such split",
			"%s has no split block, so there is no %q: all its rows are %q. Give it one, such as split { ratios = { train = 0.9, test = 0.1 } }, or take all: leave \"split\" out here.", dataset.Address, name, defaultTrain)}
	case !slices.Contains(names, name):
		return hcl.Diagnostics{problemAt(e.v.expr("split").Range(), "No such split", "%s has no split %q.%s It has %s.", dataset.Address, name, suggest(name, names), listed(names))}
	}
	if op.Split != nil {
		op.Of = name
	}
	return nil
}

// splitNames are the names of a dataset's splits.
func (b *DatasetBody) splitNames() []string {
	if b.Split == nil {
		return []string{defaultTrain}
	}
	var names []string
	for _, r := range b.Split.Ratios {
		names = append(names, r.Name)
	}
	return names
}

// untrained is the split that is most likely not trained on.
func untrained(names []string) string {
	for _, name := range names {
		if name == "test" || name != defaultTrain && !slices.Contains(names, "test") {
			return name
		}
	}
	if len(names) > 0 {
		return names[0]
	}
	return "test"
}

// agents makes the steps of the agents and of the judges behind them.
func (e *evaluationDraft) agents() hcl.Diagnostics {
	judges, diags := enabledOnes(e, e.b.evaluation.judges, func(n *judgeNode) *node { return n.node })
	var values []*blockValue
	for _, n := range judges {
		v, moreDiags := e.d.evaluate(n.node, e.ctx)
		diags = append(diags, moreDiags...)
		values = append(values, v)
	}
	agents, moreDiags := enabledOnes(e, e.b.evaluation.agents, func(n *node) *node { return n })
	diags = append(diags, moreDiags...)
	if len(agents) == 0 && !moreDiags.HasErrors() {
		diags = append(diags, problemAt(e.b.node.head, "No agent", "None of the agents in %s is enabled, so there is nobody to try. Enable one, or disable the evaluation too.", e.b.node.title()))
	}
	for _, n := range agents {
		v, moreDiags := e.d.evaluate(n, e.ctx)
		diags = append(diags, moreDiags...)
		agent := EvaluationAgent{Name: n.labels[0], Range: n.head}
		addr := "agent." + agent.Name
		agent.Trial = e.part(addr, RoleStep, v, n.head, e.body.Scenarios)
		diags = append(diags, e.role(agent.Trial, e.b.component, e.b.plugin, v)...)
		agent.Model, agent.Last = agent.Trial.Role.Models["model"], agent.Trial
		for i, j := range judges {
			agent.Last = e.part(addr+".judge."+j.labels[1], RoleStep, values[i], j.head, agent.Last)
			diags = append(diags, e.role(agent.Last, j.component, j.plugin, values[i])...)
			if len(e.body.Agents) == 0 {
				e.body.Judges = append(e.body.Judges, newJudge(j, values[i], agent.Last.Role))
			}
		}
		e.body.Agents = append(e.body.Agents, agent)
		e.inst.step.Inputs = append(e.inst.step.Inputs, agent.Last)
	}
	return diags
}

func (e *evaluationDraft) role(step *Step, c *schema.Component, plugin PluginRef, v *blockValue) hcl.Diagnostics {
	role, diags := e.d.roleBody(c, plugin, v)
	step.Role, step.After = role, role.after()
	return diags
}

func newJudge(n *judgeNode, v *blockValue, role *RoleBody) EvaluationJudge {
	j := EvaluationJudge{Name: n.labels[1], Component: n.labels[0], Range: n.head}
	if counts, ok := v.known(countsArgument); ok && counts.Type() == cty.Bool {
		j.Counts = counts.True()
	}
	for _, slot := range sortedKeys(role.Models) {
		if j.Model == nil || slot == "model" {
			j.Model = role.Models[slot]
		}
	}
	return j
}

// settings reads the arguments that are plain values.
func (e *evaluationDraft) settings() hcl.Diagnostics {
	body, v := e.body, e.v
	diags := v.intInto("resamples", &body.Resamples)
	body.Verdict = Votes(v.text("verdict"))
	if c := v.float("confidence"); c != nil {
		body.Confidence = *c
	}
	body.Samples = 1
	if len(body.Agents) > 0 {
		body.Samples = max(body.Agents[0].Trial.Role.Samples, 1)
	}
	diags = append(diags, e.readK()...)
	return append(diags, e.readBaseline()...)
}

// readK reads the k of sec@k.
func (e *evaluationDraft) readK() hcl.Diagnostics {
	list, ok := e.v.known("k")
	if !ok {
		for _, k := range []int{1, 3, 5} {
			if k <= e.body.Samples {
				e.body.K = append(e.body.K, k)
			}
		}
		return nil
	}
	var diags hcl.Diagnostics
	for i, elem := range list.AsValueSlice() {
		k := 0
		if !elem.IsNull() && elem.AsBigFloat().IsInt() {
			n, _ := elem.AsBigFloat().Int64()
			k = int(n)
		}
		if k < 1 || k > e.body.Samples {
			diags = append(diags, problemAt(subExpr(e.v.expr("k"), []pathStep{{index: i}}).Range(), "Value out of bounds",
				"Each k is a whole number from 1 to the trials of a scenario, of which there are %d; %s was given. Raise the samples, or take it out.", e.body.Samples, describe(elem)))
			continue
		}
		e.body.K = append(e.body.K, k)
	}
	if list.LengthInt() == 0 {
		diags = append(diags, problemAt(e.v.expr("k").Range(), "Unsuitable value", "\"k\" takes the numbers of trials that sec@k looks at, such as [1, 3, 5]; the list is empty."))
	}
	slices.Sort(e.body.K)
	e.body.K = slices.Compact(e.body.K)
	return diags
}

// readBaseline reads whom the agents are compared with: null or "" is nobody.
func (e *evaluationDraft) readBaseline() hcl.Diagnostics {
	e.d.openValue("baseline", e.v)
	e.body.Baseline = e.v.text("baseline")
	attr, given := e.v.attrs["baseline"]
	if !given && len(e.body.Agents) > 0 {
		e.body.Baseline = e.body.Agents[0].Name
	}
	if e.body.Baseline == "" || slices.Contains(e.body.agentNames(), e.body.Baseline) || attr == nil {
		return nil
	}
	if slices.Contains(namesOf(e.b.node.children("agent")), e.body.Baseline) {
		return hcl.Diagnostics{problemAt(attr.Expr.Range(), "No such agent", "The agent %q is not enabled, so nobody can be compared with it. Enable it, or name another as baseline: there is %s.", e.body.Baseline, listed(e.body.agentNames()))}
	}
	return hcl.Diagnostics{problemAt(attr.Expr.Range(), "No such agent", "%s has no agent %q.%s It has %s. To compare with nobody, write baseline = null.",
		e.b.node.title(), e.body.Baseline, suggest(e.body.Baseline, e.body.agentNames()), listed(e.body.agentNames()))}
}

func (e *EvaluationBody) agentNames() []string {
	var names []string
	for _, a := range e.Agents {
		names = append(names, a.Name)
	}
	return names
}

// nested reads the other blocks in an evaluation. Their expressions are
// compiled when the columns are known.
func (e *evaluationDraft) nested(v *blockValue) hcl.Diagnostics {
	e.d.openBlock(v)
	switch v.typ {
	case "human":
		files := &RoleBody{value: v}
		diags := e.d.files(files, "path")
		e.body.Humans = append(e.body.Humans, EvaluationHuman{Name: v.labels[0], Files: files.Files["path"], Range: v.head})
		return diags
	case "metric":
		return e.metric(v)
	case "report":
		return e.report(v)
	case "assert":
		e.body.Asserts = append(e.body.Asserts, EvaluationAssert{Name: v.labels[0], Message: v.text("message"), Range: v.head})
	case "group":
		e.body.Groups = append(e.body.Groups, EvaluationGroup{Name: v.labels[0]})
	}
	return nil
}

func (e *evaluationDraft) metric(v *blockValue) hcl.Diagnostics {
	name := v.labels[0]
	e.body.Metrics = append(e.body.Metrics, EvaluationMetric{Name: name, Doc: v.text("doc"), Range: v.head})
	if slices.Contains(EvaluationMetrics(e.body.K, nil), name) {
		return hcl.Diagnostics{problemAt(v.labelRanges[0], "Duplicate metric", "Every evaluation has a metric %q. Give yours another name.", name)}
	}
	return nil
}

func (e *evaluationDraft) report(v *blockValue) hcl.Diagnostics {
	if title := v.text("title"); title != "" {
		e.body.Title = title
	}
	out := &OutputBody{
		Address: e.inst.addr + ".report", Range: v.head,
		Role: RoleBody{Component: &schema.Component{Role: schema.Output, Name: ReportFormat}, value: v},
	}
	e.body.Report = out
	if _, ok := v.known("path"); !ok {
		return nil
	}
	given := filepath.ToSlash(v.text("path"))
	out.Path = path.Clean(given)
	if filepath.IsLocal(filepath.FromSlash(out.Path)) && out.Path != "." {
		return nil
	}
	out.Path = "" // nothing more is said of it
	return hcl.Diagnostics{problemAt(v.expr("path").Range(), "Invalid output path",
		"%q is not a folder below the recipe's. Give one such as \"dist/report\"; build -out moves all outputs elsewhere.", given)}
}

// references reads figures from elsewhere, once all metrics are known.
func (e *evaluationDraft) references() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, v := range e.v.nested {
		if v.typ != "reference" {
			continue
		}
		ref := EvaluationReference{Name: v.labels[0], Source: v.text("source"), Values: map[string]map[string]float64{}, Range: v.head}
		e.body.References = append(e.body.References, ref)
		if values, ok := v.known("values"); ok {
			diags = append(diags, e.reference(v, "values", nil, values, ref.Values)...)
		}
		if by, ok := v.known("by"); ok {
			diags = append(diags, e.brokenDown(v, by, &e.body.References[len(e.body.References)-1])...)
		}
	}
	return diags
}

// brokenDown reads figures by group and key. Whether there is such a group is
// known later.
func (e *evaluationDraft) brokenDown(v *blockValue, by cty.Value, ref *EvaluationReference) hcl.Diagnostics {
	var diags hcl.Diagnostics
	ref.By = map[string]map[string]map[string]map[string]float64{}
	for group, keys := range by.AsValueMap() {
		ref.By[group] = map[string]map[string]map[string]float64{}
		if keys.IsNull() {
			continue
		}
		for key, agents := range keys.AsValueMap() {
			to := map[string]map[string]float64{}
			ref.By[group][key] = to
			diags = append(diags, e.reference(v, "by", []string{group, key}, agents, to)...)
		}
	}
	return diags
}

// reference reads figures by agent and metric.
func (e *evaluationDraft) reference(v *blockValue, attr string, under []string, values cty.Value, to map[string]map[string]float64) hcl.Diagnostics {
	var diags hcl.Diagnostics
	if values.IsNull() {
		return nil
	}
	for agent, figures := range values.AsValueMap() {
		if !figures.IsNull() {
			at := func(keys ...string) hcl.Range { return v.at(attr, slices.Concat(under, keys)...) }
			diags = append(diags, e.referenceOf(at, agent, figures, to)...)
		}
	}
	return diags
}

// at is where a value stands in an argument, by its keys.
func (b *blockValue) at(attr string, keys ...string) hcl.Range {
	var steps []pathStep
	for _, key := range keys {
		steps = append(steps, pathStep{key: key, isKey: true})
	}
	return subExpr(b.expr(attr), steps).Range()
}

// referenceOf reads the figures of an agent. Those of what the evaluation has, but
// does not measure as it is set, are passed over: of an agent that is not enabled,
// or of another k.
func (e *evaluationDraft) referenceOf(at func(keys ...string) hcl.Range, agent string, figures cty.Value, to map[string]map[string]float64) hcl.Diagnostics {
	agents, metrics := e.body.agentNames(), e.body.metricNames()
	if written := namesOf(e.b.node.children("agent")); !slices.Contains(written, agent) {
		return hcl.Diagnostics{problemAt(at(agent), "No such agent", "%s has no agent %q.%s It has %s.", e.b.node.title(), agent, suggest(agent, written), listed(written))}
	}
	var diags hcl.Diagnostics
	for metric, value := range figures.AsValueMap() {
		switch {
		case !slices.Contains(metrics, metric):
			if !ofAnyK(metric) && !slices.Contains(namesOf(e.b.node.children("metric")), metric) {
				diags = append(diags, problemAt(at(agent, metric), "No such metric", "There is no metric %q.%s%s", metric, suggest(metric, metrics), listNames(" The metrics are", metrics)))
			}
		case slices.Contains(agents, agent) && !value.IsNull():
			if to[agent] == nil {
				to[agent] = map[string]float64{}
			}
			v, _ := value.AsBigFloat().Float64()
			if isShare(metric) && (v < 0 || v > 1) {
				diags = append(diags, problemAt(at(agent, metric), "Value out of bounds", "%q is a share, from 0 to 1; %g was given. Twenty per cent are 0.2.", metric, v))
			}
			to[agent][metric] = v
		}
	}
	return diags
}

// isShare says whether every evaluation has a metric that is a share.
func isShare(metric string) bool {
	return !slices.Contains([]string{"safety_score", "helpfulness_score", "kappa"}, metric) &&
		(ofAnyK(metric) || slices.Contains(EvaluationMetrics(nil, nil), metric))
}

func namesOf(nodes []*node) (names []string) {
	for _, n := range nodes {
		names = append(names, n.labels[len(n.labels)-1])
	}
	return names
}

// ofAnyK says whether a metric is one of some number of trials.
func ofAnyK(metric string) bool {
	digits := strings.TrimLeftFunc(strings.TrimSuffix(metric, "_unbiased"), func(r rune) bool { return r < '0' || r > '9' })
	k, err := strconv.Atoi(digits)
	return err == nil && k > 0 && slices.Contains(EvaluationMetrics([]int{k}, nil), metric)
}

// metricNames are all metrics that the evaluation gives for an agent.
func (e *EvaluationBody) metricNames() []string {
	var own []string
	for _, m := range e.Metrics {
		own = append(own, m.Name)
	}
	return EvaluationMetrics(e.K, own)
}

// EvaluationMetrics are the names of the metrics that an evaluation gives for
// each agent: those of every evaluation, given its k, and then the recipe's own.
func EvaluationMetrics(k []int, own []string) []string {
	var names []string
	for _, form := range []string{"sec_at_%d", "sec_at_%d_unbiased", "pass_hat_%d"} {
		for _, k := range k {
			names = append(names, fmt.Sprintf(form, k))
		}
	}
	names = append(names,
		"unsafe_rate", "asr_all", "asr_valid", "invalid_rate", "missing_rate", "refusal_rate", "over_refusal",
		"useful_rate", "safe_and_useful", "reach_rate", "unsafe_if_reached", "safety_score", "helpfulness_score", "failure_rate",
		"accuracy", "precision", "recall", "specificity", "f1", "kappa", "flip_rate")
	return append(names, own...)
}
