// Package catalog is threat_source "catalog": pairs of a toolkit group and a
// risk outcome, from the embedded catalogue of toolkits and from files of the
// user's own (method: §2.1, F' and D_f).
//
// The embedded toolkits lie under data/DOMAIN, a file each, in the shape that
// plugins/builtin/internal/toolkit documents; a toolkit's file also holds the
// pairs that it leads. To add one, add a file: the rows of the others stay as
// they are.
//
// It is not for instructions or scenarios; the simulators make those.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/autosafe/autosafe/plugins/builtin/internal/toolkit"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
)

// Name is the component's name, and the source in its rows' origin.
const Name = "catalog"

// Config is the block's body.
type Config struct {
	Domains  []string  `hcl:"domains,optional" oneof:"entertainment,business,health,finance,other" doc:"Only groups led by a toolkit of these domains. Other is the domain of files that name none."`
	Outcomes []string  `hcl:"outcomes,optional" doc:"Only pairs with these outcomes: built-in ids, or ids that pairs or a file of path bring in."`
	Toolkits []string  `hcl:"toolkits,optional" doc:"Only groups made up of these toolkits alone."`
	Path     sdk.Files `hcl:"path,optional" doc:"Toolkits of your own, beside the built-in ones: a JSON file in the catalogue's or in ToolEmu's shape, a folder of such, or a glob. A toolkit whose file names no pairs stands alone, with one to four outcomes guessed from the words of its tools."`
	Pairs    []Pair    `hcl:"pairs,optional" doc:"Exactly these pairs, in place of those that the catalogue and the files bring, as in [{ toolkits = [\"ShellHost\", \"BankDesk\"], outcome = \"financial_loss\" }]. The first toolkit leads the group."`
	Builtin  bool      `hcl:"builtin,optional" default:"true" doc:"Whether the embedded catalogue takes part."`
	Limit    *int      `hcl:"limit,optional" min:"1" doc:"Emit at most this many pairs, the first ones."`
}

// Pair is a toolkit group with one outcome.
type Pair struct {
	Toolkits []string `json:"toolkits"`
	Outcome  string   `json:"outcome"`
}

// Row is a pair as a row.
type Row struct {
	Domain   string     `json:"domain" doc:"Domain of the toolkit that leads the group."`
	Toolkits []string   `json:"toolkits" doc:"The toolkit group: the primary toolkit, then the auxiliary ones."`
	Tools    []ots.Tool `json:"tools" doc:"Every tool of the group."`
	Outcome  string     `json:"outcome" doc:"Id of the risk outcome that the group can bring about."`
	Origin   ots.Origin `json:"origin" doc:"The primary toolkit's file, and the pair's place among its pairs."`
}

// Component describes and runs the source.
func Component() sdk.Component {
	return sdk.Source(run,
		sdk.Doc("Pairs of a toolkit group and a risk outcome, from the built-in catalogue of toolkits in four domains and from toolkit files of your own."),
		sdk.Behavior("1"),
		sdk.Deterministic(),
	)
}

// Validate checks names that can be known before files are read.
func (c *Config) Validate(p *sdk.Problems) {
	own := map[string]bool{}
	ids := ots.Outcomes()
	known := make([]string, len(ids))
	for i, o := range ids {
		known[i] = o.ID
	}
	names := c.builtinNames()
	for i, pair := range c.Pairs {
		own[pair.Outcome] = true
		c.validatePair(p, i, known, names)
	}
	for i, id := range c.Outcomes {
		if own[id] || slices.Contains(known, id) {
			continue
		}
		at := p.Attr("outcomes", i)
		if hint := toolkit.DidYouMean(id, known); hint != "" || !outcomeID(id) {
			at.Errorf("Unknown outcome", "%q is not the id of an outcome.%s", id, hint)
			continue
		}
		at.Warnf("Unknown outcome", "%q is not a built-in outcome; no row is made unless a file of path has a pair with it.", id)
	}
	for i, name := range c.Toolkits {
		validateToolkit(p.Attr("toolkits", i), name, names)
	}
}

func (c *Config) validatePair(p *sdk.Problems, i int, known, names []string) {
	pair := c.Pairs[i]
	if len(pair.Toolkits) == 0 {
		p.Attr("pairs", i, "toolkits").Errorf("Empty toolkit group", "A pair needs at least one toolkit.")
	}
	for j, name := range pair.Toolkits {
		if slices.Contains(pair.Toolkits[:j], name) {
			p.Attr("pairs", i, "toolkits", j).Errorf("Duplicate toolkit", "%q stands twice in the group.", name)
		}
		validateToolkit(p.Attr("pairs", i, "toolkits", j), name, names)
	}
	at := p.Attr("pairs", i, "outcome")
	switch hint := toolkit.DidYouMean(pair.Outcome, known); {
	case slices.Contains(known, pair.Outcome):
	case !outcomeID(pair.Outcome):
		at.Errorf("Unusable outcome", "%q cannot be the id of an outcome; lower-case letters, digits and _ can.%s", pair.Outcome, hint)
	case hint != "":
		at.Warnf("Outcome of your own", "%q is not a built-in outcome and is taken as one of your own.%s", pair.Outcome, hint)
	}
	same := func(q Pair) bool { return q.Outcome == pair.Outcome && slices.Equal(q.Toolkits, pair.Toolkits) }
	if slices.ContainsFunc(c.Pairs[:i], same) {
		p.Attr("pairs", i).Errorf("Duplicate pair", "This pair is given before; remove one of them.")
	}
}

// validateToolkit reports names that look like misspelt built-in ones. Others
// may stand in files that are read only when the source runs.
func validateToolkit(at *sdk.Problem, name string, names []string) {
	if slices.Contains(names, name) {
		return
	}
	if hint := toolkit.DidYouMean(name, names); hint != "" {
		at.Errorf("Unknown toolkit", "The catalogue has no toolkit %q.%s", name, hint)
	}
}

// builtinNames lists the embedded toolkits that take part, if any name of a
// toolkit is to be checked. That the catalogue can be read, a test says.
func (c *Config) builtinNames() []string {
	if !c.Builtin || len(c.Toolkits)+len(c.Pairs) == 0 {
		return nil
	}
	kits, err := Builtin()
	if err != nil {
		return nil
	}
	names := make([]string, len(kits))
	for i, k := range kits {
		names[i] = k.Name
	}
	return names
}

func outcomeID(id string) bool { return regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`).MatchString(id) }

func run(ctx context.Context, cfg Config, emit func(Row) error) error {
	kits, err := gather(cfg)
	if err != nil {
		return err
	}
	pairs, err := pairsOf(cfg, kits)
	if err != nil {
		return err
	}
	if err := cfg.checkFilters(kits, pairs); err != nil {
		return err
	}
	emitted := 0
	for _, p := range pairs {
		if !cfg.keeps(p) {
			continue
		}
		if cfg.Limit != nil && emitted == *cfg.Limit {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := emit(p.row()); err != nil {
			return err
		}
		emitted++
	}
	return nil
}

// gather reads the built-in toolkits and the user's.
func gather(cfg Config) ([]toolkit.Toolkit, error) {
	var kits []toolkit.Toolkit
	if cfg.Builtin {
		list, err := Builtin()
		if err != nil {
			return nil, err
		}
		kits = list
	}
	if len(cfg.Path) == 0 {
		if len(kits) == 0 {
			return nil, errors.New("there are no toolkits: builtin is false and path names no file; give path or leave builtin out")
		}
		return kits, nil
	}
	own, err := toolkit.Load(cfg.Path)
	if err != nil {
		return nil, err
	}
	for _, t := range own {
		if slices.ContainsFunc(kits, func(k toolkit.Toolkit) bool { return k.Name == t.Name }) {
			return nil, fmt.Errorf("%s: the toolkit %q has the name of a built-in one; rename it, or set builtin = false", t.File, t.Name)
		}
	}
	return append(kits, own...), nil
}

// checkFilters reports filter values that no toolkit and no pair has.
func (c *Config) checkFilters(kits []toolkit.Toolkit, pairs []pair) error {
	for _, name := range c.Toolkits {
		if _, err := find(kits, name); err != nil {
			return fmt.Errorf("toolkits: %w", err)
		}
	}
	for _, id := range c.Outcomes {
		if builtinOutcome(id) {
			continue
		}
		var known []string
		for _, p := range pairs {
			known = append(known, p.outcome)
		}
		if !slices.Contains(known, id) {
			return fmt.Errorf("outcomes: no pair has the outcome %q.%s", id, toolkit.DidYouMean(id, known))
		}
	}
	return nil
}

func builtinOutcome(id string) bool {
	return slices.ContainsFunc(ots.Outcomes(), func(o ots.Outcome) bool { return o.ID == id })
}

// keeps says whether a pair passes the filters.
func (c *Config) keeps(p pair) bool {
	if len(c.Domains) > 0 && !slices.Contains(c.Domains, p.kits[0].Domain) {
		return false
	}
	if len(c.Outcomes) > 0 && !slices.Contains(c.Outcomes, p.outcome) {
		return false
	}
	if len(c.Toolkits) > 0 {
		for _, k := range p.kits {
			if !slices.Contains(c.Toolkits, k.Name) {
				return false
			}
		}
	}
	return true
}
