package spec

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// problem makes an error without a place.
func problem(summary, format string, args ...any) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...)}
}

// problemAt makes an error with a place. The summary is fixed per class of
// problem; the detail says what is wrong with this one and what to do.
func problemAt(rng hcl.Range, summary, format string, args ...any) *hcl.Diagnostic {
	d := problem(summary, format, args...)
	d.Subject = &rng
	return d
}

// place renders where something stands, for use in a sentence.
func place(rng hcl.Range) string { return fmt.Sprintf("%s line %d", rng.Filename, rng.Start.Line) }

// listed renders names for a sentence: a, b and c.
func listed(names []string) string {
	switch len(names) {
	case 0:
		return "none"
	case 1:
		return names[0]
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// sortedAttrs gives attributes in the order of the source.
func sortedAttrs(attrs hcl.Attributes) []*hcl.Attribute {
	return slices.SortedFunc(maps.Values(attrs), func(a, b *hcl.Attribute) int {
		return cmp.Or(cmp.Compare(a.Range.Start.Byte, b.Range.Start.Byte), cmp.Compare(a.Name, b.Name))
	})
}

// literalString evaluates an expression that may use nothing.
func literalString(name string, expr hcl.Expression) (string, hcl.Diagnostics) {
	v, diags := expr.Value(nil)
	if diags.HasErrors() {
		return "", diags
	}
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.String {
		return "", hcl.Diagnostics{problemAt(expr.Range(), "Unsuitable value", "%q takes a string; %s was given.", name, describe(v))}
	}
	return v.AsString(), nil
}

var unknownFunction = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^There is no function named "([^"]*)"`) })

// tidy puts the problems of a phase in the order of the source, drops repeats
// (each instance of a for_each block may find the same one), and gives
// problems found by functions their own summary.
func tidy(diags hcl.Diagnostics) hcl.Diagnostics {
	for _, d := range diags {
		if m := unknownFunction().FindStringSubmatch(d.Detail); m != nil {
			known := sortedKeys(functions("", nil, false, nil, nil))
			d.Detail = fmt.Sprintf("There is no function %q.%s Functions: %s.", m[1], suggest(m[1], known), listed(known))
		}
		extra, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d)
		if !ok {
			continue
		}
		var err *callError
		if errors.As(extra.FunctionCallError(), &err) {
			d.Summary, d.Detail = err.summary, err.detail
		}
	}
	slices.SortStableFunc(diags, compareDiags)
	return slices.CompactFunc(diags, func(a, b *hcl.Diagnostic) bool { return compareDiags(a, b) == 0 })
}

// isMissingVariable says whether env() found no variable.
func isMissingVariable(d *hcl.Diagnostic) bool {
	extra, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d)
	if !ok {
		return false
	}
	var err *callError
	return errors.As(extra.FunctionCallError(), &err) && err.summary == missingVariable
}

func compareDiags(a, b *hcl.Diagnostic) int {
	var ra, rb hcl.Range
	if a.Subject != nil {
		ra = *a.Subject
	}
	if b.Subject != nil {
		rb = *b.Subject
	}
	return cmp.Or(
		strings.Compare(ra.Filename, rb.Filename),
		cmp.Compare(ra.Start.Byte, rb.Start.Byte),
		cmp.Compare(ra.End.Byte, rb.End.Byte),
		strings.Compare(a.Summary, b.Summary),
		strings.Compare(a.Detail, b.Detail),
	)
}
