package publish

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/page"
	"github.com/autosafe/autosafe/spec"
)

// card writes README.md.
func (m *maker) card() error {
	p := &page.Markdown{}
	m.frontMatter(p)
	m.head(p)
	m.configurations(p)
	m.compositionTables(p)
	m.yield(p)
	m.sources(p)
	m.modelTable(p)
	m.callTable(p)
	m.verdictTables(p)
	m.use(p)
	m.limits(p)
	m.rebuild(p)
	content := strings.TrimRight(p.String(), "\n") + "\n"
	return m.put(document{name: CardName, content: []byte(content)})
}

func (m *maker) head(p *page.Markdown) {
	p.Para("# %s", page.Plain(m.said.PrettyName))
	if m.data.Offline {
		p.Para("> **Not for training.** These rows were made with autosafe's offline model, a scripted stand-in\n> that plays every part. They show and test the pipeline and its formats, and teach a model nothing.")
	}
	p.Para("%s", m.description())
	rows := [][]string{{"Rows", page.Number(m.rows.total())}}
	var splits []string
	for _, s := range m.splits {
		splits = append(splits, page.Code(s)+" "+page.Share(m.rows.bySplit[s], m.rows.total()))
	}
	rows = append(rows, []string{"Splits", strings.Join(splits, ", ") + m.splitRule()})
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{name, value})
		}
	}
	add("Licence", m.licence())
	add("Languages", strings.Join(m.said.Language, ", "))
	add("Creator", link(m.said.CreatorName, m.said.CreatorURL))
	add("Published", m.said.DatePublished)
	add("Home", m.said.URL)
	add("Made by", "autosafe "+page.Plain(m.opts.Version)+", from a recipe; all of this page but its prose is generated")
	p.Table([]string{"", ""}, rows)
	if m.data.Limit > 0 {
		p.Para("This is a sample: every source was cut off after %s rows.", page.Number(int64(m.data.Limit)))
	}
}

// description is the recipe's, or says in a sentence what can be said of any.
func (m *maker) description() string {
	if d := strings.TrimSpace(m.said.Description); d != "" {
		return d
	}
	return "Records of language-model agents that call tools: situations in which an action can do harm, and what to do instead. " +
		"Made by the AutoSafe method (Zhou et al., [arXiv 2505.17735](https://arxiv.org/abs/2505.17735))."
}

func (m *maker) splitRule() string {
	s := m.data.Step.Dataset.Split
	if s == nil || s.By == nil {
		return ""
	}
	return ". Rows that are equal in " + page.Code(s.By.Text()) + " are never in two splits"
}

func (m *maker) licence() string {
	switch {
	case m.said.Licence == "":
		return "not stated"
	case m.said.LicenceName != "":
		return link(m.said.LicenceName, m.said.LicenceLink)
	}
	return m.said.Licence
}

func link(name, url string) string {
	switch {
	case url == "":
		return page.Plain(name)
	case name == "":
		return url
	}
	return "[" + page.Plain(name) + "](" + url + ")"
}

// configurations lists the outputs.
func (m *maker) configurations(p *page.Markdown) {
	p.Section("Files")
	p.Para("Each configuration is one form of the rows. What a form has no place for is left out of it and counted.")
	var rows [][]string
	for _, o := range m.outputs {
		var splits, skipped []string
		for _, name := range m.splits {
			if n, ok := o.Record.Splits[name]; ok {
				splits = append(splits, page.Code(name)+" "+page.Number(n))
			}
		}
		for _, reason := range sortedKeys(o.Record.Skipped) {
			skipped = append(skipped, page.Code(reason)+" "+page.Share(o.Record.Skipped[reason], m.rows.total()))
		}
		rows = append(rows, []string{page.Code(o.name), page.Code(o.format()), page.Number(o.Record.Rows), strings.Join(splits, ", "), cmp.Or(strings.Join(skipped, ", "), "–")})
	}
	p.Table([]string{"Configuration", "Format", " Lines", "By split", "Rows left out"}, rows)
	p.Item("`%s` describes files and fields for programs (Croissant 1.1).", CroissantName)
	p.Item("`%s` says what the files were made of (an in-toto statement with SLSA provenance).", StatementName)
	p.Item("`%s` holds the checksums of all files: `sha256sum -c %[1]s`.", SumsName)
	if m.said.Lineage {
		p.Item("`%s` says of each row where it comes from: its source, the model calls and filters it went through.", LineageName)
	}
	p.End()
}

func (m *maker) compositionTables(p *page.Markdown) {
	p.Section("Composition")
	p.Para("Out of %s rows of the dataset, before they are put into forms.", page.Number(m.rows.total()))
	for _, plot := range []struct{ name, about string }{{outcomePlot, "Rows by outcome"}, {classPlot, "Rows by scenario class"}} {
		if m.has(PlotsFolder + "/" + plot.name) {
			p.Para("![%s](%s/%s)", plot.about, PlotsFolder, plot.name)
		}
	}
	for _, c := range compositions() {
		values, others := m.rows.values(c[0])
		if len(values) == 0 {
			continue
		}
		heads := []string{c[1], " Rows", " Share"}
		for _, s := range m.splits {
			heads = append(heads, " "+page.Code(s))
		}
		var rows [][]string
		for i, v := range append(values, others...) {
			name := page.Code(v.name)
			if i >= len(values) { // it is no value
				name = page.Plain(v.name)
			}
			cells := []string{name, page.Number(v.n), page.Percent(v.n, m.rows.total())}
			for _, s := range m.splits {
				cells = append(cells, page.Number(v.bySplit[s]))
			}
			rows = append(rows, cells)
		}
		p.Table(heads, rows)
	}
	if values, _ := m.rows.values("scenario_class"); slices.ContainsFunc(values, func(v value) bool { return v.name == "N-N" }) {
		p.Para("A scenario class is the type of the instruction and of the context: N normal, U underspecified, M malicious.")
	}
}

func (m *maker) yield(p *page.Markdown) {
	p.Section("Yield")
	p.Para("![Yield](%s/%s)", PlotsFolder, yieldPlot)
	p.Para("Each step with the rows it took and gave. What it left out is by reason, what failed by code; shares are of what the step tried.")
	var rows [][]string
	for i := range m.data.Steps {
		s := &m.data.Steps[i]
		dropped, failed := drops(s)
		tried := tried(s)
		in := page.Number(s.Record.RowsIn)
		if len(s.Inputs) == 0 {
			in = "–"
		}
		rows = append(rows, []string{page.Code(s.Address), in, page.Number(tried), page.Number(s.Record.Rows), reasons(dropped, tried), reasons(failed, tried)})
	}
	p.Table([]string{"Step", " Rows in", " Tried", " Rows out", "Left out", "Failed"}, rows)
}

func reasons(list []drop, of int64) string {
	var parts []string
	for _, d := range list {
		parts = append(parts, page.Code(d.reason)+" "+page.Share(d.n, of))
	}
	return cmp.Or(strings.Join(parts, ", "), "–")
}

func (m *maker) modelTable(p *page.Markdown) {
	p.Section("Models")
	if len(m.models) == 0 {
		p.Para("No model was asked.")
		return
	}
	var rows [][]string
	for _, model := range m.models {
		var uses []string
		for _, u := range model.uses {
			uses = append(uses, page.Code(u.address)+" ("+page.Plain(strings.Join(u.slots, ", "))+")")
		}
		rows = append(rows, []string{page.Code(model.Name), named(modelName(model.Model)), page.Code(model.Provider.Identity()), parameters(model.Model), strings.Join(uses, ", ")})
	}
	p.Table([]string{"Block", "Model", "Endpoint", "Parameters", "Used by"}, rows)
}

// parameters are what of a model's settings goes with every request.
func parameters(m *spec.Model) string {
	var parts []string
	number := func(name string, v *float64) {
		if v != nil {
			parts = append(parts, fmt.Sprintf("%s %v", name, *v))
		}
	}
	number("temperature", m.Temperature)
	number("top_p", m.TopP)
	number("frequency_penalty", m.FrequencyPen)
	number("presence_penalty", m.PresencePen)
	if m.MaxTokens > 0 {
		parts = append(parts, fmt.Sprintf("max_tokens %d", m.MaxTokens))
	}
	if m.ReasoningEffort != "" {
		parts = append(parts, "reasoning_effort "+m.ReasoningEffort)
	}
	for _, s := range m.Stop {
		text, _ := json.Marshal(s) // a string has a form in JSON
		parts = append(parts, "stop "+string(text))
	}
	for _, name := range sortedKeys(m.ExtraBody) {
		parts = append(parts, name+" "+string(m.ExtraBody[name]))
	}
	if len(parts) == 0 {
		return "the endpoint's own"
	}
	return strings.Join(codesOf(parts), ", ")
}

func codesOf(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = page.Code(s)
	}
	return out
}

func (m *maker) rebuild(p *page.Markdown) {
	p.Section("Rebuild and check")
	rows := [][]string{
		{"Dataset", page.Code(m.data.Step.Address)},
		{"autosafe", page.Code(m.opts.Version)},
		{"Recipe (SHA-256 over its files and variables)", page.Code(m.opts.Recipe.Digest.String())},
	}
	if m.opts.Lock != (cache.Digest{}) {
		rows = append(rows, []string{"autosafe.lock.hcl (SHA-256)", page.Code(m.opts.Lock.String())})
	}
	rows = append(rows, []string{"Model calls (SHA-256 over their keys)", page.Code(CallsDigest(m.calls.keys).String())})
	p.Table([]string{"Made from", ""}, rows)
	limit := ""
	if m.data.Limit > 0 {
		limit = fmt.Sprintf(" -limit %d", m.data.Limit)
	}
	p.Para("With the recipe, its lock file and the cache of answers, the same bytes come out anywhere, without asking a model:")
	p.Para("```sh\nautosafe build -offline%s RECIPE\nsha256sum -c %s\n```", limit, SumsName)
	p.Para("`autosafe verify` holds this folder to its statement and, with `-recipe`, to the recipe and the cache. `autosafe show` leads from any row to the calls it was made by.")
}
