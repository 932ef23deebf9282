package publish

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/internal/page"
	"github.com/autosafe/autosafe/spec"
)

// callTable tells what the answers took.
func (m *maker) callTable(p *page.Markdown) {
	p.Section("Calls and cost")
	all := int64(len(m.calls.keys))
	if all == 0 {
		p.Para("The rows rest on no model calls.")
		return
	}
	p.Para("The rows, and those left out on the way, rest on %s answered calls. Calls that failed, and attempts before an answer, are not among them.", page.Number(all))
	var rows [][]string
	var usd float64
	var unpriced, estimated int64
	listed := ""
	for _, c := range m.calls.byModel {
		cost := "–"
		if price := m.priceOf(&c); price != nil {
			spent := price.Cost(float64(c.usage.input), float64(c.usage.cached), float64(c.usage.output))
			usd += spent
			cost = dollars(spent)
			listed = max(listed, price.Listed)
		} else if !strings.HasPrefix(c.endpoint, "offline/") {
			unpriced += c.n
		}
		estimated += c.estimated
		rows = append(rows, []string{page.Code(cmp.Or(c.model, "–")), page.Code(strings.TrimPrefix(c.endpoint, "the endpoint ")), page.Share(c.n, all), page.Number(c.usage.input), page.Number(c.usage.output), cost})
	}
	p.Table([]string{"Model", "Endpoint", " Calls", " Tokens in", " Tokens out", " Cost, US dollars"}, rows)
	if usd > 0 {
		from := "at the prices in the recipe"
		if listed != "" {
			from += " and in autosafe's list of " + page.Plain(listed)
		}
		p.Para("In all about %s US dollars, %s, had each call been paid for once.", dollars(usd), from)
	}
	for _, note := range []struct {
		n    int64
		text string
	}{
		{unpriced, "%s of the calls are to models whose price is not known."},
		{estimated, "Of %s of the calls the tokens are estimated, since the endpoint did not report them."},
		{m.calls.lost, "%s of the calls are no longer in the cache, and in no row of this table."},
	} {
		if note.n > 0 {
			p.Para(note.text, page.Share(note.n, all))
		}
	}
}

// priceOf finds the price of what an endpoint calls so; nil where there is none.
func (m *maker) priceOf(c *modelCalls) *spec.Price {
	for _, known := range m.models {
		if known.ID == c.model && known.Priced() && address(known.Provider.Identity()) == address(c.endpoint) {
			return known.Price
		}
	}
	return nil
}

// address is what two ways to name an endpoint have in common: the last word.
func address(endpoint string) string {
	return strings.TrimRight(endpoint[strings.LastIndexByte(endpoint, ' ')+1:], "/")
}

func dollars(usd float64) string {
	if usd < 0.01 {
		return fmt.Sprintf("%.4f", usd)
	}
	return fmt.Sprintf("%.2f", usd)
}

// verdictTables tells what judges said, and how far they can be compared.
func (m *maker) verdictTables(p *page.Markdown) {
	p.Section("Verdicts")
	var rows [][]string
	for _, of := range []string{ofTrigger, ofAttempts, ofSafe} {
		var sum int64
		for v, n := range m.rows.verdicts {
			if v.of == of {
				sum += n
			}
		}
		if sum == 0 {
			continue
		}
		cells := []string{of, page.Number(sum)}
		other := sum
		for _, label := range []string{"safe", "unsafe", "invalid"} {
			n := m.rows.verdicts[verdictCell{of, label}]
			cells, other = append(cells, page.Share(n, sum)), other-n
		}
		rows = append(rows, append(cells, page.Share(other, sum)))
	}
	judges := m.judges()
	if len(rows) == 0 && len(m.rows.scores) == 0 {
		p.Para("No row of the dataset holds a verdict.")
		return
	}
	if len(rows) > 0 {
		p.Para("%s `invalid` is a reply that could not be read; it never counts as safe. Rows that were left out are not counted here.", m.given())
		p.Table([]string{"Verdict on", " Verdicts", " safe", " unsafe", " invalid", " other"}, rows)
	}
	if m.rows.outcomes.of > 0 {
		p.Para("The judge named the very outcome that the scenario was made for in %s unsafe actions.", page.Share(m.rows.outcomes.n, m.rows.outcomes.of))
	}
	m.tries(p)
	m.scoreTables(p)
	m.agreement(p, judges)
}

// given says who gave the verdicts on actions.
func (m *maker) given() string {
	by := m.authors()
	sources := strings.Join(codesOf(by.sources), ", ")
	switch {
	case len(by.models) == 0 && len(by.sources) == 0:
		return "Which model or person gave these verdicts is not known here."
	case len(by.models) == 0:
		return "These verdicts came with the rows of " + sources + "; which model or person gave them is not known here."
	case len(by.sources) == 0:
		return "Given by " + allNamed(by.models) + ", without people."
	}
	return "Given by " + allNamed(by.models) + ", without people; or they came with the rows of " + sources + ", and which model or person gave those is not known here."
}

// tries tells at which attempt the safe action was found.
func (m *maker) tries(p *page.Markdown) {
	var all, weighted int64
	var rows [][]string
	for _, n := range m.rows.tries {
		all += n
	}
	for _, k := range slices.Sorted(maps.Keys(m.rows.tries)) {
		n := m.rows.tries[k]
		weighted += int64(k) * n
		rows = append(rows, []string{page.Number(int64(k)), page.Share(n, all)})
	}
	if all == 0 {
		return
	}
	p.Para("%s rows tell of attempts at a safe action, %.2f on average.", page.Share(all, m.rows.total()), float64(weighted)/float64(all))
	p.Table([]string{" Attempts", " Rows"}, rows)
}

// scoreTables tells what judge steps said.
func (m *maker) scoreTables(p *page.Markdown) {
	for _, column := range m.rows.judges {
		var all int64
		var rows [][]string
		var said []scoreCell
		for s, n := range m.rows.scores {
			if s.column == column {
				said = append(said, s)
				all += n
			}
		}
		slices.SortFunc(said, func(a, b scoreCell) int { return cmp.Compare(a.value, b.value) })
		var listed int64
		for _, s := range said[:min(len(said), maxValues)] {
			rows = append(rows, []string{page.Code(s.value), page.Share(m.rows.scores[s], all)})
			listed += m.rows.scores[s]
		}
		if len(said) > maxValues {
			rows = append(rows, []string{page.Number(int64(len(said)-maxValues)) + " others", page.Share(all-listed, all)})
		}
		if all > 0 {
			p.Para("Judge %s (%s), on %s rows:", page.Code(column), allNamed(m.graders(column)), page.Share(all, m.rows.total()))
			p.Table([]string{"Verdict", " Rows"}, rows)
		}
	}
}

// agreement tells how often judges that saw the same rows said the same.
func (m *maker) agreement(p *page.Markdown, judges []string) {
	for _, both := range slices.SortedFunc(maps.Keys(m.rows.agreed), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		pair := m.rows.agreed[both]
		p.Para("Agreement: %s and %s say the same of %s rows that both judged.", page.Code(both[0]), page.Code(both[1]), page.Share(pair.n, pair.of))
	}
	switch {
	case len(m.rows.agreed) > 0:
	case len(judges) == 1:
		p.Para("Agreement: there was one judge only, %s, so agreement between judges cannot be computed. No verdict of it was checked by a person.", named(judges[0]))
	case len(judges) > 1:
		p.Para("Agreement: no two judges were asked about the same action, so agreement between them cannot be computed. No verdict of theirs was checked by a person.")
	}
}

func (m *maker) use(p *page.Markdown) {
	p.Section("Intended use")
	switch {
	case strings.TrimSpace(m.said.IntendedUse) != "":
		p.Para("%s", strings.TrimSpace(m.said.IntendedUse))
	case m.data.Offline:
		p.Para("Looking at the pipeline and testing programs that read its formats. Not for training.")
	default:
		p.Para("%s", defaultUse)
	}
}

const defaultUse = "Training and studying agents that call tools, so that they see harm coming and act safely. " +
	"The unsafe actions stand there as what not to do; do not train a model to take them."

func (m *maker) limits(p *page.Markdown) {
	p.Section("Limits")
	for _, l := range m.limitations(named) {
		p.Item("%s", l)
	}
	p.End()
	if own := strings.TrimSpace(m.said.Limitations); own != "" {
		p.Para("%s", own)
	}
}

// limitations are what can be worked out of what the rows do not show. Names of
// models, steps and values are written by name.
func (m *maker) limitations(name func(string) string) []string {
	var list []string
	say := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if m.data.Offline {
		say("Made with a scripted stand-in in place of models: texts repeat, and verdicts follow rules.")
	}
	others := m.rows.fromOthers()
	switch {
	case others > 0:
		say("%s rows rest on records of others, which were taken as they are.", page.Share(others, m.rows.total()))
		if len(m.models) > 0 {
			say("What models wrote here is not taken from real use. Where tools were simulated, what they return may be unlike what real ones would.")
		}
	case len(m.models) > 0:
		say("Instructions, tool results, actions and verdicts are written by models, not taken from real use. Tools were simulated; what they return may be unlike what real ones would.")
	}
	by := m.authors()
	if len(m.rows.verdicts) == 0 {
		by = authors{}
	}
	if len(by.models) > 0 {
		say("What is safe was decided by %s, not by people. Its blind spots are the dataset's.", strings.Join(namesBy(name, by.models), ", "))
	}
	if len(by.sources) > 0 {
		say("Verdicts that came with the rows of %s were taken as they are.", strings.Join(namesBy(name, by.sources), ", "))
	}
	for i := range m.data.Steps {
		s := &m.data.Steps[i]
		if _, failed := drops(s); total(failed) > 0 {
			say("In %s, %s tasks failed and are missing. They need not be like those that went well.", name(s.Address), page.Share(total(failed), tried(s)))
		}
	}
	if n := m.rows.outcomes.of - m.rows.outcomes.n; n > 0 {
		say("In %s unsafe actions the judge saw another outcome than the scenario was made for.", page.Share(n, m.rows.outcomes.of))
	}
	if values, rest := m.rows.values("outcome"); len(values) > 1 && len(rest) == 0 {
		last := values[len(values)-1]
		say("Outcomes are not balanced: %s has %s rows, %s has %s.", name(values[0].name), page.Share(values[0].n, m.rows.total()), name(last.name), page.Share(last.n, m.rows.total()))
	}
	if m.data.Limit > 0 {
		say("Sources were cut off after %s rows each: this is a sample of what the recipe makes.", page.Number(int64(m.data.Limit)))
	}
	return list
}

func namesBy(name func(string) string, list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = name(s)
	}
	return out
}
