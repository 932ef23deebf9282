package spec

import (
	"fmt"
	"math"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/autosafe/autosafe/spec/schema"
)

// defaultSplitBy is the ancestry by which rows are split.
const defaultSplitBy = "row.instruction"

func datasetShape() schema.Block {
	return schema.Block{
		Attributes: metaAttributes(true),
		Blocks: []schema.NestedBlock{
			{Type: "split", Max: 1, Block: schema.Block{Attributes: []schema.Attribute{
				{Name: "by", Type: cty.String, Default: cty.StringVal(defaultSplitBy)},
				{Name: "ratios", Type: cty.Map(cty.Number), Required: true, Doc: "the splits and their shares, such as { train = 0.9, test = 0.1 }."},
				{Name: "seed", Type: cty.Number, Default: cty.Zero, Min: bound(0)},
			}}},
			cardShape(),
			{Type: "output", Labels: []string{"component"}, Min: 1, Doc: "Without an output a dataset writes nothing: add one, such as output \"rows\" { path = \"dist/rows\" }."},
		},
	}
}

// outputShape gives the shape of an output block: what its component takes,
// and the path.
func (d *decoder) outputShape(hb *hcl.Block) (schema.Block, bool, hcl.Diagnostics) {
	if hb.Type != "output" {
		return schema.Block{}, false, nil
	}
	c, _, diag := d.component(schema.Output, hb.Labels[0], hb.LabelRanges[0])
	if diag != nil {
		return schema.Block{}, true, hcl.Diagnostics{diag}
	}
	shape := c.Config
	shape.Attributes = append([]schema.Attribute{
		{Name: "path", Type: cty.String, Required: true, Doc: "the folder to write, relative to the recipe's."},
	}, shape.Attributes...)
	return shape, true, nil
}

// configureDataset reads the split, the outputs and the card of a dataset.
func (d *decoder) configureDataset(step *Step, v *blockValue) hcl.Diagnostics {
	var diags hcl.Diagnostics
	step.Dataset = &DatasetBody{}
	count := map[string]int{}
	for _, nested := range v.nested {
		if nested.typ == "split" {
			split, moreDiags := readSplit(nested)
			step.Dataset.Split = split
			d.openValue("by", nested)
			diags = append(diags, moreDiags...)
			continue
		}
		if nested.typ == "card" {
			card, moreDiags := d.readCard(nested, step)
			step.Dataset.Card = card
			diags = append(diags, moreDiags...)
			continue
		}
		label := nested.labels[0]
		count[label]++
		addr := fmt.Sprintf("%s.output.%s", step.Address, label)
		if count[label] > 1 {
			addr = fmt.Sprintf("%s.%d", addr, count[label])
		}
		out, moreDiags := d.readOutput(nested, addr)
		diags = append(diags, moreDiags...)
		step.Dataset.Outputs = append(step.Dataset.Outputs, out)
	}
	return diags
}

func (d *decoder) readOutput(v *blockValue, addr string) (*OutputBody, hcl.Diagnostics) {
	out := &OutputBody{Address: addr, Range: v.head}
	// The component was found when the block was read.
	c, plugin, diag := d.component(schema.Output, v.labels[0], v.labelRanges[0])
	if diag != nil {
		return out, hcl.Diagnostics{diag}
	}
	body, diags := d.roleBody(c, plugin, v)
	out.Role = *body
	d.openValue("path", v)
	if _, ok := v.known("path"); !ok {
		return out, diags
	}
	given := filepath.ToSlash(v.text("path"))
	out.Path = path.Clean(given)
	if !filepath.IsLocal(filepath.FromSlash(out.Path)) || out.Path == "." {
		diags = append(diags, problemAt(v.expr("path").Range(), "Invalid output path",
			"%q is not a folder below the recipe's. Give one such as \"dist/rows\"; build -out moves all outputs elsewhere.", given))
	}
	return out, diags
}

// splitName is what a split can be called: it becomes part of file names.
var splitName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9_-]+$`) })

func readSplit(v *blockValue) (*Split, hcl.Diagnostics) {
	s := &Split{}
	seed, _, diag := v.whole("seed")
	var diags hcl.Diagnostics
	if diag != nil {
		diags = append(diags, diag)
	}
	s.Seed = seed
	ratios, ok := v.known("ratios")
	if !ok {
		return s, diags
	}
	expr := v.expr("ratios")
	sum := 0.0
	for key, share := range ratios.Elements() {
		name := key.AsString()
		at := subExpr(expr, []pathStep{{key: name, isKey: true}}).Range()
		f := 0.0
		if !share.IsNull() {
			f, _ = share.AsBigFloat().Float64()
		}
		if !splitName().MatchString(name) {
			diags = append(diags, problemAt(at, "Invalid split", "%q cannot name a split: use lower-case letters, digits, - and _.", name))
		}
		if f <= 0 || f > 1 {
			diags = append(diags, problemAt(at, "Invalid split", "The share of %q must be above 0 and at most 1; it is %v.", name, f))
		}
		sum += f
		s.Ratios = append(s.Ratios, Ratio{Name: name, Share: f})
	}
	if !diags.HasErrors() && math.Abs(sum-1) > 1e-9 {
		diags = append(diags, problemAt(expr.Range(), "Invalid split", "The shares must add up to 1; they add up to %v.", math.Round(sum*1e9)/1e9))
	}
	return s, diags
}

// checkOutputPaths reports outputs that would write over each other.
func (d *decoder) checkOutputPaths() hcl.Diagnostics {
	var diags hcl.Diagnostics
	var seen []*OutputBody
	for _, b := range d.order {
		for _, inst := range b.instances {
			if inst.step == nil || inst.step.Dataset == nil {
				continue
			}
			for _, out := range inst.step.Dataset.Outputs {
				for _, other := range seen {
					if out.Path != "" && overlap(out.Path, other.Path) {
						diags = append(diags, problemAt(out.Role.value.expr("path").Range(), "Overlapping outputs",
							"%s writes to %q, and %s to %q: one would overwrite the other. Give each a folder of its own%s.", out.Address, out.Path, other.Address, other.Path, eachKeyHint(b)))
						break
					}
				}
				seen = append(seen, out)
			}
		}
	}
	return diags
}

func eachKeyHint(b *block) string {
	if b.forEach {
		return ", such as \"dist/${each.key}\""
	}
	return ""
}

// overlap says whether one path is the other or lies in it. Case is folded:
// some file systems do.
func overlap(a, b string) bool {
	a, b = strings.ToLower(a)+"/", strings.ToLower(b)+"/"
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

// compileDataset compiles the split's expression.
func compileDataset(step *Step, v *blockValue, compile compiler) hcl.Diagnostics {
	if step.Dataset.Split == nil {
		return nil
	}
	for _, nested := range v.nested {
		if nested.typ == "split" {
			by, diags := compileAttribute(nested, "by", step.Columns, wantString, compile)
			step.Dataset.Split.By = by
			if nested.attrs["by"] == nil {
				for _, d := range diags {
					d.Detail += fmt.Sprintf(" (\"by\" is %q unless you set it.)", defaultSplitBy)
				}
			}
			return diags
		}
	}
	return nil
}
