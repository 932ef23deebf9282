package spec

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// minSecret is the length from which a secret is looked for in a recipe's
// texts, where shorter ones would be found by chance; minRedact the one from
// which it is cut out of messages.
const (
	minSecret = 8
	minRedact = 4
)

// secrets are the secret strings met so far.
type secrets map[string]bool

// add notes the strings in a value that is secret.
func (s secrets) add(v cty.Value) {
	if v == cty.NilVal {
		return
	}
	v, _ = v.UnmarkDeep()
	_ = cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		if text, ok := stringOf(v); ok && len(text) >= minRedact {
			s[text] = true
		}
		return true, nil
	})
}

func stringOf(v cty.Value) (string, bool) {
	if !v.IsKnown() || v.IsNull() || v.Type() != cty.String {
		return "", false
	}
	return v.AsString(), true
}

// in says whether a secret occurs in the text.
func (s secrets) in(text string) bool {
	for secret := range s {
		if len(secret) >= minSecret && strings.Contains(text, secret) {
			return true
		}
	}
	return false
}

// has says whether a secret, however short, is one of the strings in a value.
func (s secrets) has(v cty.Value) (has bool) {
	eachString(v, func(text string) { has = has || s[text] })
	return has
}

// spread notes the strings in a value of which a secret is made, as a header
// is of "Bearer ${var.token}".
func (s secrets) spread(v cty.Value) {
	if v == cty.NilVal {
		return
	}
	v, _ = v.UnmarkDeep()
	eachString(v, func(text string) {
		if len(text) < minSecret {
			return
		}
		for secret := range s {
			if strings.Contains(secret, text) {
				s[text] = true
				return
			}
		}
	})
}

// eachString visits the strings in a value, keys of maps included.
func eachString(v cty.Value, f func(string)) {
	if v == cty.NilVal {
		return
	}
	_ = cty.Walk(v, func(path cty.Path, v cty.Value) (bool, error) {
		if text, ok := stringOf(v); ok {
			f(text)
		}
		for _, step := range pathSteps(path) {
			if step.isKey {
				f(step.key)
			}
		}
		return true, nil
	})
}

// redact makes diagnostics safe to print. The values of variables are never
// shown beside the source, known secrets are cut out of the text, and a
// source line that holds one is not quoted.
func (s secrets) redact(diags hcl.Diagnostics, files map[string]*hcl.File) hcl.Diagnostics {
	for _, d := range diags {
		d.Expression, d.EvalContext = nil, nil
		for _, secret := range longestFirst(s) {
			for _, form := range written(secret) {
				d.Summary = strings.ReplaceAll(d.Summary, form, "(sensitive)")
				d.Detail = strings.ReplaceAll(d.Detail, form, "(sensitive)")
			}
		}
		hideSource(d, files, func(lines []byte) bool { return s.in(string(lines)) })
	}
	return diags
}

// longestFirst orders secrets so that of one that holds another no rest stays.
func longestFirst(s secrets) []string {
	return slices.SortedFunc(maps.Keys(s), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b))
	})
}

// written is a secret in the forms in which a message may quote it.
func written(secret string) []string {
	forms := []string{secret}
	add := func(quoted string) {
		if inner := quoted[1 : len(quoted)-1]; !slices.Contains(forms, inner) {
			forms = append(forms, inner)
		}
	}
	add(strconv.Quote(secret))
	add(strconv.QuoteToASCII(secret))
	if b, err := json.Marshal(secret); err == nil {
		add(string(b))
	}
	return forms
}

// literalSecret finds a key that is written out in a recipe, for when the
// recipe cannot be parsed.
var literalSecret = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)(api_key|authorization)"?\s*[:=]\s*"[^"$]`) })

func hideLiteralSecrets(diags hcl.Diagnostics, files map[string]*hcl.File) {
	for _, d := range diags {
		hideSource(d, files, literalSecret().Match)
	}
}

// hideSource takes the place from a diagnostic whose source lines hold a
// secret, and says in words where it was.
func hideSource(d *hcl.Diagnostic, files map[string]*hcl.File, secret func(lines []byte) bool) {
	if d.Subject == nil {
		return
	}
	file := files[d.Subject.Filename]
	if file == nil {
		return
	}
	span := *d.Subject
	if d.Context != nil {
		span = hcl.RangeOver(span, *d.Context)
	}
	if secret(wholeLines(file.Bytes, span)) {
		d.Detail += fmt.Sprintf(" (At %s; the line holds a secret and is not shown.)", place(*d.Subject))
		d.Subject, d.Context = nil, nil
	}
}

func wholeLines(src []byte, rng hcl.Range) []byte {
	start, end := min(max(rng.Start.Byte, 0), len(src)), min(max(rng.End.Byte, 0), len(src))
	start = bytes.LastIndexByte(src[:start], '\n') + 1
	if i := bytes.IndexByte(src[end:], '\n'); i >= 0 {
		end += i
	} else {
		end = len(src)
	}
	if start > end {
		return nil
	}
	return src[start:end]
}

// openText is a text of the recipe that is stored or sent somewhere.
type openText struct {
	name, text string
	rng        hcl.Range
}

// leaks reports secrets that got into open texts on ways that marks do not
// follow: written out, or read from a file.
func (s secrets) leaks(texts []openText) hcl.Diagnostics {
	if len(s) == 0 {
		return nil
	}
	var diags hcl.Diagnostics
	for _, t := range texts {
		if s.in(t.text) {
			diags = append(diags, problemAt(t.rng, "Secret in the recipe's data",
				"The value of %q contains a secret of this recipe (a provider's api_key or header, or a sensitive value). It would be stored in the cache and sent to a plugin or a model. Take it out.", t.name))
		}
	}
	return diags
}
