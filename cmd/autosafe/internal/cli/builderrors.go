package cli

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/spec"
)

// buildDiagnostics tells what ended a build, of each step that failed. What a
// plugin has to say of its configuration stands at its place in the recipe.
func buildDiagnostics(recipe *spec.Recipe, err error) hcl.Diagnostics {
	var runErr *engine.RunError
	var failed *engine.AssertError
	var several engine.Failures
	if errors.As(err, &several) {
		var diags hcl.Diagnostics
		for _, err := range several {
			diags = append(diags, buildDiagnostics(recipe, err)...)
		}
		return diags
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, engine.ErrInterrupted):
		return hcl.Diagnostics{{Severity: hcl.DiagWarning, Summary: "Interrupted",
			Detail: "What was finished is kept; build again to go on from here."}}
	case errors.Is(err, engine.ErrTooManyFailures):
		return hcl.Diagnostics{tooManyFailures(recipe, err)}
	case errors.As(err, &failed):
		return assertDiagnostics(failed)
	case errors.As(err, &runErr):
		return runDiagnostics(recipe, runErr)
	}
	return hcl.Diagnostics{problem("Build failed", err)}
}

// assertDiagnostics tell of asserts that do not hold, each at its place.
func assertDiagnostics(e *engine.AssertError) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, f := range e.Failed {
		detail := sentence(cmp.Or(f.Message, f.That))
		if !strings.Contains(detail, f.That) {
			detail += "\n\nIt asserts " + f.That
		}
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: fmt.Sprintf("Assert %q failed", f.Name), Detail: detail, Subject: &f.Assert.Range})
	}
	return diags
}

// tooManyFailures finds the step whose rows failed and says what can be done.
func tooManyFailures(recipe *spec.Recipe, err error) *hcl.Diagnostic {
	d := problem("Too many failed rows", err)
	for _, s := range recipe.Steps {
		if !strings.HasPrefix(err.Error(), s.Address+": ") {
			continue
		}
		d.Subject = &s.Range
		if s.OnError == spec.OnErrorDrop && s.MaxFailures < 0 {
			d.Detail = fmt.Sprintf("Every row of %s failed, so that nothing is left. Most likely there is one reason for all; it stands above.", s.Address)
			return d
		}
		d.Detail += fmt.Sprintf("\n\n%s allows %d failed rows. To leave failed rows out, write on_error = \"drop\"; "+
			"max_failures = N allows some. What has been finished is kept: build again to go on from here.", s.Address, s.MaxFailures)
		return d
	}
	return d
}

func runDiagnostics(recipe *spec.Recipe, e *engine.RunError) hcl.Diagnostics {
	if diags := keylessError(recipe, e); len(diags) > 0 {
		return diags
	}
	place, body := find(recipe, e.Address)
	if body != nil && len(e.Diagnostics) > 0 {
		var diags hcl.Diagnostics
		for _, d := range e.Diagnostics {
			diags = append(diags, body.Diagnose(d))
		}
		return diags
	}
	// A summary may end in advice, which is better read below the place.
	summary, advice, _ := strings.Cut(e.Summary, ": ")
	detail := strings.TrimSpace(e.Detail + "\n" + sentence(advice))
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: capital(summary), Detail: detail, Subject: place}}
}

// find gives the place of a step or output in the recipe, and its component.
func find(recipe *spec.Recipe, address string) (*hcl.Range, *spec.RoleBody) {
	for _, s := range recipe.Steps {
		if s.Address == address {
			return &s.Range, s.Role
		}
		if s.Evaluation != nil && s.Evaluation.Report != nil && s.Evaluation.Report.Address == address {
			return &s.Evaluation.Report.Range, nil
		}
		if s.Dataset == nil {
			continue
		}
		for _, out := range s.Dataset.Outputs {
			if out.Address == address {
				return &out.Range, &out.Role
			}
		}
		if card := s.Dataset.Card; card != nil && card.Output.Address == address {
			return &card.Output.Range, nil
		}
	}
	return nil, nil
}
