package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/spec/schema"
)

// Case is a component at work: a configuration that is right, rows to work
// on, and models where it calls any.
type Case struct {
	Role      schema.Role
	Component string
	Config    string // JSON
	Rows      []string
	Models    Models
}

// Finding is what became of one check.
type Finding struct {
	Check     string // describe, config, run, …
	Role      schema.Role
	Component string   // with Role; both empty for the plugin as a whole
	Problems  []string // what is wrong; none: it passed
}

// Name is the finding's place in a list: judge/rubric/config.
func (f Finding) Name() string {
	if f.Role == "" {
		return f.Check
	}
	return string(f.Role) + "/" + f.Component + "/" + f.Check
}

// Report is what a plugin was found to be.
type Report struct {
	Name, Version string
	Findings      []Finding
	// Untried are the components that no case names: their descriptions and
	// their refusal of bad configurations were checked alone.
	Untried []string
}

// Passed says whether no check found a problem.
func (r Report) Passed() bool {
	return !slices.ContainsFunc(r.Findings, func(f Finding) bool { return len(f.Problems) > 0 })
}

// Options are the ways in which a peer is watched beside the protocol.
type Options struct {
	// Printed gives what the plugin has written to standard output; nil where
	// that cannot be seen.
	Printed func() string
	// Busy counts the component's functions at work; nil where that cannot be
	// seen.
	Busy func() int64
	// TempDir makes an empty folder for an output; nil: one of the system's,
	// which is removed.
	TempDir func() (string, error)
}

// patience bounds what does not end. It tells it from what is slow, on a
// machine that has much else to do.
const patience = 2 * time.Minute

// Check runs every check.
func Check(ctx context.Context, peer Peer, opts Options, cases ...Case) Report {
	c := &checker{ctx: ctx, peer: peer, opts: opts}
	list := c.describe()
	for i, k := range cases {
		known := func(s schema.Component) bool { return s.Role == k.Role && s.Name == k.Component }
		if len(list) > 0 && !slices.ContainsFunc(list, known) {
			c.check(fmt.Sprintf("case %d", i+1), nil, func(p *problems) {
				p.add("the plugin has no %s %q", k.Role, k.Component)
			})
		}
	}
	for _, s := range list {
		c.check("config", &s, func(p *problems) { c.config(p, s) })
		tried := false
		for _, k := range cases {
			if k.Role == s.Role && k.Component == s.Name {
				c.component(s, k)
				tried = true
			}
		}
		if !tried {
			c.report.Untried = append(c.report.Untried, string(s.Role)+" "+s.Name)
		}
	}
	if opts.Printed != nil {
		c.check("stdout", nil, func(p *problems) {
			if text := opts.Printed(); text != "" {
				p.add("it writes to standard output, which is the protocol's: %.200q; write to standard error", text)
			}
		})
	}
	return c.report
}

type checker struct {
	ctx    context.Context
	peer   Peer
	opts   Options
	report Report
}

// problems collects what one check finds.
type problems struct{ list []string }

func (p *problems) add(format string, args ...any) {
	p.list = append(p.list, fmt.Sprintf(format, args...))
}

func (c *checker) check(name string, s *schema.Component, fn func(*problems)) bool {
	var p problems
	fn(&p)
	f := Finding{Check: name, Problems: p.list}
	if s != nil {
		f.Role, f.Component = s.Role, s.Name
	}
	c.report.Findings = append(c.report.Findings, f)
	return len(p.list) == 0
}

// component runs the checks that need a case.
func (c *checker) component(s schema.Component, k Case) {
	var first Result
	if !c.check("run", &s, func(p *problems) { first = c.run(p, s, k) }) {
		return // the others would say the same
	}
	c.check("again", &s, func(p *problems) { c.again(p, s, k, first) })
	c.check("unknown_fields", &s, func(p *problems) { c.unknown(p, s, k, first) })
	if s.Role != schema.ThreatSource {
		c.check("bad_rows", &s, func(p *problems) { c.badRows(p, k) })
	}
	c.check("cancel", &s, func(p *problems) { c.cancel(p, k) })
}

// describe checks that descriptions are valid and equal every time.
func (c *checker) describe() (list []schema.Component) {
	c.check("describe", nil, func(p *problems) {
		first, err := c.described()
		if err != nil {
			p.add("the plugin cannot be described: %v", err)
			return
		}
		c.report.Name, c.report.Version = first.GetName(), first.GetVersion()
		second, err := c.described()
		if err != nil {
			p.add("the plugin cannot be described twice: %v", err)
			return
		}
		if first.String() != second.String() {
			p.add("it describes itself differently the second time")
		}
		if first.GetName() == "" {
			p.add("it has no name")
		}
		if !semver().MatchString(first.GetVersion()) {
			p.add("its version %q is no semantic version such as 1.2.0", first.GetVersion())
		}
		seen := map[string]bool{}
		for _, m := range first.GetComponents() {
			name := m.GetRole() + " " + m.GetName()
			s, err := pluginpb.ToComponent(m)
			switch {
			case err != nil:
				p.add("a host will refuse it: %v", err)
				continue
			case seen[name]:
				p.add("it describes %s twice", name)
				continue
			}
			seen[name] = true
			documented(p, s)
			evaluates(p, s)
			list = append(list, s)
		}
		if len(first.GetComponents()) == 0 {
			p.add("it has no components")
		}
	})
	return list
}

func (c *checker) described() (*pluginpb.DescribeResponse, error) {
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	return c.peer.Client().Describe(ctx, &pluginpb.DescribeRequest{HostVersion: "0.0.0", Host: &pluginpb.Capabilities{Names: []string{"unheard_of"}}})
}

func semver() *regexp.Regexp {
	return regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
}

// documented checks that a user of the component can know what it does.
func documented(p *problems, s schema.Component) {
	if s.Doc == "" {
		p.add("%s %q has no doc", s.Role, s.Name)
	}
	for _, a := range s.Config.Attributes {
		if a.Doc == "" {
			p.add("%s %q: the argument %q has no doc", s.Role, s.Name, a.Name)
		}
	}
}

// config checks that wrong configurations are refused at their place.
func (c *checker) config(p *problems, s schema.Component) {
	bad := [][2]string{{"no_such_argument", `{"no_such_argument":1}`}}
	for _, a := range s.Config.Attributes {
		if wrong := wrongValue(a.Type); wrong != "" && a.Kind != schema.Files {
			bad = append(bad, [2]string{a.Name, fmt.Sprintf(`{%q:%s}`, a.Name, wrong)})
		}
	}
	for _, b := range bad {
		name, config := b[0], b[1]
		ctx, cancel := context.WithTimeout(c.ctx, patience)
		r, err := c.peer.Client().Validate(ctx, &pluginpb.ValidateRequest{Role: string(s.Role), Component: s.Name, ConfigJson: []byte(config)})
		cancel()
		if err != nil {
			p.add("%s cannot be checked: %v", config, err)
			continue
		}
		found := false
		for _, m := range r.GetDiagnostics() {
			d := pluginpb.ToDiagnostic(m)
			if d.Summary == "" || d.Detail == "" {
				p.add("%s: a problem without words: %+v", config, d)
			}
			if len(d.Path) > 0 && !d.Warning {
				step, ok := d.Path[0].(cty.GetAttrStep)
				found = found || ok && step.Name == name
			}
		}
		if !found {
			p.add("%s is not refused at %s", config, name)
		}
	}
}

// wrongValue is JSON that is not of the type; "" where any is.
func wrongValue(ty cty.Type) string {
	switch {
	case ty == cty.String, ty == cty.Number, ty == cty.Bool:
		return `{"wrong":[]}`
	case ty.IsListType(), ty.IsSetType(), ty.IsTupleType(), ty.IsMapType(), ty.IsObjectType():
		return `"wrong"`
	}
	return ""
}

// do carries a case out with a limit of time.
func (c *checker) do(k Case, change func(*Run)) (Result, error) {
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	r := Run{Role: k.Role, Component: k.Component, Config: k.Config, Models: k.Models}
	for i, row := range k.Rows {
		t := Task{Row: row, Seed: int64(i) + 1}
		if k.Role == schema.Output {
			t.Split = "train"
		}
		r.Tasks = append(r.Tasks, t)
	}
	if k.Role == schema.Output {
		dir, remove, err := c.tempDir()
		if err != nil {
			return Result{}, err
		}
		defer remove()
		r.WorkDir = dir
	}
	if change != nil {
		change(&r)
	}
	return r.Do(ctx, c.peer)
}

func (c *checker) tempDir() (string, func(), error) {
	if c.opts.TempDir != nil {
		dir, err := c.opts.TempDir()
		return dir, func() {}, err
	}
	dir, err := os.MkdirTemp("", "autosafe-conformance-")
	return dir, func() { _ = os.RemoveAll(dir) }, err
}

// run runs a case, which must succeed, and looks at what it gives.
func (c *checker) run(p *problems, s schema.Component, k Case) Result {
	r, err := c.do(k, nil)
	if err != nil {
		p.add("%v", err)
		return r
	}
	for _, d := range r.Diagnostics {
		p.add("the case's configuration is refused: %s: %s", d.Summary, d.Detail)
	}
	if r.Failure != nil {
		p.add("the run failed: %s (%s)", r.Failure, r.Failure.Code)
	}
	done := len(r.Artifacts) > 0
	for i, t := range r.Tasks {
		done = done || t.Err == nil
		for _, row := range t.Rows {
			columns(p, s, i, row)
			trial(p, s, i, row)
		}
		rowError(p, i, t.Err)
	}
	if len(p.list) == 0 && !done {
		if len(r.Tasks) > 0 && r.Tasks[0].Err != nil {
			p.add("every row of the case fails, the first with %s: %s", r.Tasks[0].Err.Code, r.Tasks[0].Err)
		} else {
			p.add("the case gives nothing")
		}
	}
	return r
}

func columns(p *problems, s schema.Component, task int, row string) {
	var got map[string]json.RawMessage
	if err := json.Unmarshal([]byte(row), &got); err != nil {
		p.add("task %d: %v", task, err)
	}
	for name := range got {
		declared := slices.ContainsFunc(s.Writes, func(w schema.Column) bool { return w.Name == name })
		if !declared && !s.WritesOpen {
			p.add("task %d: the column %q is not declared", task, name)
		}
	}
}

// rowError checks that a failed row says why, under a code to be counted by.
func rowError(p *problems, task int, e *sdk.Error) {
	if e == nil {
		return
	}
	if !regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`).MatchString(e.Code) {
		p.add("task %d fails with the code %q; a code is made of small letters, digits and _", task, e.Code)
	}
	if e.Summary == "" && e.Detail == "" {
		p.add("task %d fails without a word", task)
	}
}

// again runs the case a second time, its rows one by one from the last. What
// calls itself deterministic must give the same bytes, and every source the
// same rows in the same order.
func (c *checker) again(p *problems, s schema.Component, k Case, first Result) {
	second, err := c.do(k, func(r *Run) {
		if k.Role == schema.Output || s.Grain == schema.DatasetGrain {
			return // these are given their rows in order
		}
		for i := range r.Tasks {
			r.order = append([]int{i}, r.order...)
		}
	})
	if err != nil {
		p.add("with its rows one by one from the last: %v", err)
		return
	}
	if s.Deterministic || s.Role == schema.ThreatSource {
		same(p, first, second)
	}
}

func same(p *problems, a, b Result) {
	if len(a.Tasks) != len(b.Tasks) || len(a.Artifacts) != len(b.Artifacts) {
		p.add("it is not deterministic: %d and %d results, %d and %d files", len(a.Tasks), len(b.Tasks), len(a.Artifacts), len(b.Artifacts))
		return
	}
	for i := range a.Tasks {
		if !slices.Equal(a.Tasks[i].Rows, b.Tasks[i].Rows) || a.Tasks[i].Dropped != b.Tasks[i].Dropped {
			p.add("task %d is not deterministic: %.300s, then %.300s", i, strings.Join(a.Tasks[i].Rows, " "), strings.Join(b.Tasks[i].Rows, " "))
		}
	}
	for i := range a.Artifacts {
		if a.Artifacts[i].Path != b.Artifacts[i].Path || !bytes.Equal(a.Artifacts[i].Content, b.Artifacts[i].Content) {
			p.add("the file %s is not deterministic", a.Artifacts[i].Path)
		}
	}
}

// unknown sends messages with fields of a later minor version.
func (c *checker) unknown(p *problems, s schema.Component, k Case, first Result) {
	second, err := c.do(k, func(r *Run) { r.strange = true })
	switch {
	case err != nil:
		p.add("with fields of a later version of the protocol: %v", err)
	case second.Failure != nil || len(second.Diagnostics) > 0:
		p.add("with fields of a later version of the protocol the run fails: %v %v", second.Failure, second.Diagnostics)
	case s.Role == schema.ThreatSource && len(second.Tasks) != len(first.Tasks):
		p.add("with fields of a later version of the protocol it gives %d rows, without %d", len(second.Tasks), len(first.Tasks))
	}
}

// badRows hands over rows whose columns are not of their types: each must have
// an answer, and the run must go on.
func (c *checker) badRows(p *problems, k Case) {
	bad := []string{`{}`}
	if len(k.Rows) > 0 {
		var row map[string]json.RawMessage
		if json.Unmarshal([]byte(k.Rows[0]), &row) == nil {
			for name := range row {
				row[name] = json.RawMessage(`{"wrong":[]}`)
			}
			b, err := json.Marshal(row)
			if err == nil {
				bad = append(bad, string(b))
			}
		}
	}
	k.Rows = bad
	r, err := c.do(k, nil)
	if err != nil {
		p.add("rows whose columns are missing or of other types must each have an answer: %v", err)
		return
	}
	for i, t := range r.Tasks {
		rowError(p, i, t.Err)
	}
}
