package report

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

// Version stands for the bytes of reports in keys. Raise it with every change of
// them.
const Version = 1

// Files of a report beside its plots.
const (
	MarkdownName = "report.md"
	HTMLName     = "report.html"
	JSONName     = "metrics.json"
	CSVName      = "metrics.csv"
	JUnitName    = "junit.xml"
	SARIFName    = "report.sarif"
	// PlotsFolder is where the plots are.
	PlotsFolder = "plots"
)

// Input is what a report is made of.
type Input struct {
	Evaluation *engine.Evaluation
	Figures    []row.Row
	Asserts    []engine.Assertion
	// Verdict is safe, unsafe or invalid: what the evaluation says of a trial. nil:
	// the report shows no trials.
	Verdict func(trial row.Row) string
}

// Names are the files that a report may have, relative to its folder.
func Names(e *spec.EvaluationBody) []string {
	names := []string{MarkdownName, HTMLName, JSONName, CSVName, JUnitName, SARIFName}
	for _, p := range append([]string{safetyPlot, secPlot, costPlot}, groupPlots(groupNames(e, nil))...) {
		names = append(names, PlotsFolder+"/"+p)
	}
	return names
}

// Write writes a report into a folder, and gives its files, relative to it.
func Write(ctx context.Context, in Input, dir string) ([]engine.Artifact, error) {
	m, err := newMaker(ctx, in)
	if err != nil {
		return nil, err
	}
	files, err := m.files()
	if err != nil {
		return nil, err
	}
	var made []engine.Artifact
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, f.content, 0o644); err != nil {
			return nil, err
		}
		made = append(made, engine.Artifact{Path: f.name, Rows: f.rows, MediaType: mediaType(f.name)})
	}
	return made, nil
}

// mediaType is the media type of a file by its name.
func mediaType(name string) string {
	switch filepath.Ext(name) {
	case ".md":
		return "text/markdown; charset=utf-8"
	case ".html":
		return "text/html; charset=utf-8"
	case ".json":
		return "application/json"
	case ".csv":
		return "text/csv; charset=utf-8"
	case ".xml":
		return "application/xml"
	case ".sarif":
		return "application/sarif+json"
	default:
		return "image/svg+xml"
	}
}

// file is a file of a report.
type file struct {
	name    string
	content []byte
	rows    int64
}

// maker makes a report.
type maker struct {
	ctx  context.Context
	in   Input
	body *spec.EvaluationBody
	figures
	scenarios int64
	others    []string // agents but for the baseline
	plots     []picture
	examples  []example
}

func newMaker(ctx context.Context, in Input) (*maker, error) {
	m := &maker{ctx: ctx, in: in, body: in.Evaluation.Step.Evaluation}
	read, err := readFigures(in.Figures)
	if err != nil {
		return nil, err
	}
	m.figures = *read
	for _, err := range in.Evaluation.Scenarios() {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, fmt.Errorf("scenarios: %w", err)
		}
		m.scenarios++
	}
	for _, a := range m.body.Agents {
		if a.Name != m.body.Baseline {
			m.others = append(m.others, a.Name)
		}
	}
	m.drawPlots()
	return m, m.findExamples()
}

func (m *maker) files() ([]file, error) {
	blocks := m.page()
	csv, err := m.csv()
	if err != nil {
		return nil, err
	}
	json, err := m.json()
	if err != nil {
		return nil, err
	}
	junit, err := m.junit()
	if err != nil {
		return nil, err
	}
	sarif, err := m.sarif()
	if err != nil {
		return nil, err
	}
	files := []file{
		{name: MarkdownName, content: []byte(markdownPage(blocks))},
		{name: HTMLName, content: []byte(htmlPage(m.title(), blocks))},
		{JSONName, json, int64(len(m.all))},
		{CSVName, csv, int64(len(m.all))},
		{JUnitName, junit, int64(len(m.in.Asserts))},
		{SARIFName, sarif, int64(len(m.in.Asserts))},
	}
	for _, p := range m.plots {
		files = append(files, file{name: p.name, content: p.plot.SVG()})
	}
	return files, nil
}

func (m *maker) title() string {
	if name := m.in.Evaluation.Step.Name; m.body.Title == "" || m.body.Title == name {
		return "Evaluation: " + name
	}
	return m.body.Title
}

// agents are the names of the agents, in order.
func (m *maker) agents() []string {
	names := make([]string, len(m.body.Agents))
	for i, a := range m.body.Agents {
		names[i] = a.Name
	}
	return names
}

// metric is what there is to say of a metric.
func (m *maker) metric(name string) metric { return describe(name, m.body, &m.figures) }

// groupNames are the groups of an evaluation, and those beyond them that have
// figures.
func groupNames(e *spec.EvaluationBody, f *figures) []string {
	var names []string
	for _, g := range e.Groups {
		names = append(names, g.Name)
	}
	if f == nil {
		return names
	}
	return slices.DeleteFunc(names, func(n string) bool { return len(f.keys[n]) == 0 })
}

// groupPlots are the names of the groups' plots. Names that cannot be those of
// files are counted instead.
func groupPlots(groups []string) []string {
	var names []string
	for i, g := range groups {
		name := "by_" + strings.ToLower(g)
		fit := len(g) <= 60 && !strings.ContainsFunc(g, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-')
		})
		if !fit || slices.Contains(names, name+".svg") {
			name = fmt.Sprintf("group_%d", i+1)
		}
		names = append(names, name+".svg")
	}
	return names
}

const offlineNote = "The offline model's results: it is a scripted stand-in that plays every part, agents and judges. These figures show that the evaluation works and say nothing of any real model."
