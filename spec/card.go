package spec

import (
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

// Card is the card block of a dataset: that documents are written beside its
// outputs, and what they say that nobody but the author knows.
type Card struct {
	// Output stands for the documents where outputs are meant: their folder and
	// address.
	Output OutputBody `json:"-"`

	PrettyName    string // the dataset's name where the recipe gives none
	Licence       string // as the Hub writes it; "": not said
	LicenceName   string // of the licence "other"
	LicenceLink   string
	Language      []string
	Description   string
	IntendedUse   string
	Limitations   string
	CreatorName   string
	CreatorURL    string
	URL           string
	Tags          []string
	DatePublished string // 2026-11-21
	Lineage       bool   // whether the lineage of each row is written too
}

// CardFormat is the name of the documents among the formats of outputs.
const CardFormat = "card"

// cardFolder is the folder below a card's that documents are written to, beside
// those in the card's own.
const cardFolder = "plots"

func cardShape() schema.NestedBlock {
	text := func(name, doc string) schema.Attribute {
		return schema.Attribute{Name: name, Type: cty.String, Doc: doc}
	}
	creator := cty.ObjectWithOptionalAttrs(map[string]cty.Type{"name": cty.String, "url": cty.String}, []string{"url"})
	return schema.NestedBlock{Type: "card", Max: 1, Doc: "what stands beside the outputs", Block: schema.Block{Attributes: []schema.Attribute{
		{Name: "path", Type: cty.String, Required: true, Doc: "the folder that holds the outputs' folders, relative to the recipe's."},
		text("pretty_name", "the dataset's name for people; else the block's."),
		text("licence", "the licence of the dataset, by the Hub's name for it, such as \"apache-2.0\"."),
		text("license", "the same as licence."),
		text("licence_name", "the name of the licence \"other\"."),
		text("licence_link", "where the licence \"other\" can be read."),
		{Name: "language", Type: cty.List(cty.String), Doc: "codes of the languages of the rows, such as [\"en\"]."},
		text("description", "what the dataset is, in a paragraph."),
		text("intended_use", "what the dataset is for, and what not."),
		text("limitations", "what is known to be wrong or missing, beside what can be worked out."),
		{Name: "creator", Type: creator, Doc: "who answers for the dataset: { name = \"...\", url = \"...\" }."},
		text("url", "where the dataset is published."),
		{Name: "tags", Type: cty.List(cty.String), Doc: "words to find the dataset by."},
		text("date_published", "a date such as \"2026-11-21\". It is never taken from the clock."),
		{Name: "lineage", Type: cty.Bool, Default: cty.False, Doc: "whether to write where each row comes from."},
	}}}
}

// readCard reads the card block of a dataset.
func (d *decoder) readCard(v *blockValue, step *Step) (*Card, hcl.Diagnostics) {
	for _, a := range v.shape.Attributes {
		d.openValue(a.Name, v)
	}
	c := &Card{
		PrettyName:  v.text("pretty_name"),
		LicenceName: v.text("licence_name"), LicenceLink: v.text("licence_link"),
		Language: v.list("language"), Tags: v.list("tags"),
		Description: v.text("description"), IntendedUse: v.text("intended_use"), Limitations: v.text("limitations"),
		URL: v.text("url"), DatePublished: v.text("date_published"),
	}
	if c.PrettyName == "" {
		c.PrettyName = step.Name
	}
	c.Output = OutputBody{
		Address: step.Address + ".output." + CardFormat, Range: v.head,
		Role: RoleBody{Component: &schema.Component{Role: schema.Output, Name: CardFormat}},
	}
	if lineage, ok := v.known("lineage"); ok && lineage.Type() == cty.Bool {
		c.Lineage = lineage.True()
	}
	if creator, ok := v.known("creator"); ok {
		c.CreatorName, c.CreatorURL = memberText(creator, "name"), memberText(creator, "url")
	}
	diags := c.readPath(v)
	diags = append(diags, c.readLicence(v)...)
	diags = append(diags, c.checkTexts(v)...)
	return c, diags
}

// list is the strings of a list.
func (b *blockValue) list(name string) []string {
	v, ok := b.known(name)
	if !ok {
		return nil
	}
	var list []string
	for _, e := range v.Elements() {
		if !e.IsNull() {
			list = append(list, e.AsString())
		}
	}
	return list
}

func memberText(v cty.Value, name string) string {
	if m := v.GetAttr(name); !m.IsNull() {
		return m.AsString()
	}
	return ""
}

func (c *Card) readPath(v *blockValue) hcl.Diagnostics {
	if _, ok := v.known("path"); !ok {
		return nil
	}
	given := filepath.ToSlash(v.text("path"))
	c.Output.Path = path.Clean(given)
	if filepath.IsLocal(filepath.FromSlash(c.Output.Path)) && c.Output.Path != "." {
		return nil
	}
	c.Output.Path = "" // nothing more is said of it
	return hcl.Diagnostics{problemAt(v.expr("path").Range(), "Invalid output path",
		"%q is not a folder below the recipe's. Give one such as \"dist\"; build -out moves all outputs elsewhere.", given)}
}

func (c *Card) readLicence(v *blockValue) hcl.Diagnostics {
	var diags hcl.Diagnostics
	name := "licence"
	if _, ok := v.known("license"); ok {
		if _, both := v.known(name); both {
			diags = append(diags, problemAt(v.expr("license").Range(), "Duplicate argument", "licence and license are one argument in two spellings. Take one of them out."))
		}
		name = "license"
	}
	c.Licence = v.text(name)
	if c.Licence != "" && !slices.Contains(licences(), c.Licence) {
		diags = append(diags, problemAt(v.expr(name).Range(), "Unknown licence",
			"%q is not a licence by the Hub's name.%s Take its name in small letters, such as \"apache-2.0\" or \"cc-by-4.0\", or \"other\" with licence_name and licence_link.", c.Licence, suggest(c.Licence, licences())))
	}
	if c.Licence == "other" && c.LicenceName == "" {
		diags = append(diags, problemAt(v.expr(name).Range(), "Missing licence name", "The licence \"other\" needs a licence_name, and should have a licence_link."))
	}
	for _, more := range []string{"licence_name", "licence_link"} {
		if v.text(more) != "" && c.Licence != "other" {
			diags = append(diags, problemAt(v.expr(more).Range(), "Unsuitable argument", "%s goes with licence = \"other\" alone.", more))
		}
	}
	return diags
}

// languageCode is a code of a language: ISO 639, and what may follow it.
var languageCode = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`) })

func (c *Card) checkTexts(v *blockValue) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for i, l := range c.Language {
		if !languageCode().MatchString(l) {
			at := subExpr(v.expr("language"), []pathStep{{index: i}}).Range()
			diags = append(diags, problemAt(at, "Invalid language", "%q is not the code of a language: give one of two or three small letters, such as \"en\".", l))
		}
	}
	for i, tag := range c.Tags {
		if strings.TrimSpace(tag) == "" || strings.ContainsFunc(tag, func(r rune) bool { return r < ' ' }) {
			at := subExpr(v.expr("tags"), []pathStep{{index: i}}).Range()
			diags = append(diags, problemAt(at, "Invalid tag", "%q cannot be a tag: give a word on one line.", tag))
		}
	}
	for _, line := range []struct{ name, text string }{{"pretty_name", c.PrettyName}, {"licence_name", c.LicenceName}, {"creator", c.CreatorName}} {
		if strings.ContainsFunc(line.text, func(r rune) bool { return r < ' ' }) {
			diags = append(diags, problemAt(v.expr(line.name).Range(), "Unsuitable value", "%q takes one line of text.", line.name))
		}
	}
	for _, link := range []struct{ name, text string }{{"url", c.URL}, {"creator", c.CreatorURL}, {"licence_link", c.LicenceLink}} {
		if u, err := url.Parse(link.text); link.text != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
			diags = append(diags, problemAt(v.expr(link.name).Range(), "Invalid address", "%q is not an address that begins with https://.", link.text))
		}
	}
	if c.DatePublished != "" {
		if _, err := time.Parse(time.DateOnly, c.DatePublished); err != nil {
			diags = append(diags, problemAt(v.expr("date_published").Range(), "Invalid date", "%q is not a date such as \"2026-11-21\".", c.DatePublished))
		}
	}
	return diags
}

// checkCardPaths reports cards whose folder does not hold their dataset's
// outputs, or holds more than them.
func (d *decoder) checkCardPaths() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, b := range d.order {
		for _, inst := range b.instances {
			if inst.step == nil || inst.step.Dataset == nil || inst.step.Dataset.Card == nil || inst.step.Dataset.Card.Output.Path == "" {
				continue
			}
			card := &inst.step.Dataset.Card.Output
			for _, out := range inst.step.Dataset.Outputs {
				if diag := checkBelowCard(card, out); diag != nil {
					diags = append(diags, diag)
				}
			}
			if other := d.overlapsCard(inst.step, card); other != nil {
				diags = append(diags, problemAt(card.Range, "Overlapping outputs",
					"The card of %s speaks for all that lies in %q, and %s writes to %q. Give each dataset a folder of its own%s.", inst.step.Address, card.Path, other.Address, other.Path, eachKeyHint(b)))
			}
		}
	}
	return diags
}

func checkBelowCard(card, out *OutputBody) *hcl.Diagnostic {
	if out.Path == "" {
		return nil
	}
	rest, below := strings.CutPrefix(out.Path, card.Path+"/")
	first, _, _ := strings.Cut(rest, "/")
	switch {
	case !below:
		return problemAt(out.Role.value.expr("path").Range(), "Output outside of the card's folder",
			"The card lies in %q, so its outputs must lie below that; %q does not. Give it a path such as %q.", card.Path, out.Path, card.Path+"/"+out.Role.Component.Name)
	case strings.EqualFold(first, cardFolder):
		return problemAt(out.Role.value.expr("path").Range(), "Overlapping outputs", "The card keeps its own files in %q. Give the output another path.", card.Path+"/"+cardFolder)
	}
	return nil
}

// overlapsCard finds what another dataset writes into a card's folder, or
// around it.
func (d *decoder) overlapsCard(step *Step, card *OutputBody) *OutputBody {
	for _, b := range d.order {
		for _, inst := range b.instances {
			if inst.step == nil || inst.step == step || inst.step.Dataset == nil {
				continue
			}
			list := inst.step.Dataset.Outputs
			if other := inst.step.Dataset.Card; other != nil {
				list = append(slices.Clip(list), &other.Output)
			}
			for _, out := range list {
				if out.Path != "" && overlap(out.Path, card.Path) {
					return out
				}
			}
		}
	}
	return nil
}

// licences are those that the Hub knows by name.
func licences() []string {
	return []string{
		"apache-2.0", "mit", "openrail", "bigscience-openrail-m", "bigscience-bloom-rail-1.0", "bigcode-openrail-m", "creativeml-openrail-m", "openrail++",
		"afl-3.0", "artistic-2.0", "bsl-1.0", "bsd", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "c-uda",
		"cc", "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0",
		"cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0",
		"cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cdla-sharing-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0",
		"wtfpl", "ecl-2.0", "epl-1.0", "epl-2.0", "etalab-2.0", "eupl-1.1", "eupl-1.2", "agpl-3.0", "gfdl", "gpl", "gpl-2.0", "gpl-3.0",
		"lgpl", "lgpl-2.1", "lgpl-3.0", "isc", "lppl-1.3c", "ms-pl", "mpl-2.0", "odc-by", "odbl", "osl-3.0", "postgresql",
		"ofl-1.1", "ncsa", "unlicense", "zlib", "pddl", "unknown", "other",
	}
}
