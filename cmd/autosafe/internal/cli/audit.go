package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/internal/engine"
)

// share is a part of a whole that a flag gives, as 1% or 0.01.
type share float64

func (s *share) String() string { return strconv.FormatFloat(100*float64(*s), 'f', -1, 64) + "%" }

// Set implements flag.Value.
func (s *share) Set(text string) error {
	number, percent := strings.CutSuffix(text, "%")
	f, err := strconv.ParseFloat(number, 64)
	if percent {
		f /= 100
	}
	if err != nil || math.IsNaN(f) || f <= 0 || f > 1 {
		return errors.New("it is a share above 0 and up to 100%, such as 1%")
	}
	*s = share(f)
	return nil
}

// errAudit ends a build of which rows came out otherwise when they were made
// again.
var errAudit = errors.New("components that call themselves deterministic are not")

// audit makes a share of the rows again. If some differ, the error is errAudit
// and the diagnostics tell which.
func (inv *invocation) audit(ctx context.Context, e *engine.Engine, sum *engine.Summary, of share) (hcl.Diagnostics, error) {
	found, err := e.Audit(ctx, float64(of))
	if err != nil {
		sum.OK = false
		return nil, err
	}
	if found.Different == 0 {
		inv.view.Notify("Audit", fmt.Sprintf("%s with a deterministic component, %s made again: the same to the byte.",
			counted(int64(found.Steps), "step"), counted(found.Rows, "row")))
		return nil, nil
	}
	sum.OK = false
	var diags hcl.Diagnostics
	for _, d := range found.Differences {
		row := fmt.Sprintf("row %q", d.Row)
		if d.Sample > 0 {
			row += fmt.Sprintf(", sample %d,", d.Sample)
		}
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Not deterministic", Detail: fmt.Sprintf(
			"%s: the component %s calls itself deterministic, and %s came out otherwise when it was made again. It was:\n  %s\nIt is now:\n  %s",
			d.Address, d.Component, row, strings.TrimSpace(d.Was), strings.TrimSpace(d.Is))})
	}
	if more := found.Different - int64(len(found.Differences)); more > 0 {
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Not deterministic",
			Detail: fmt.Sprintf("%s more came out otherwise.", counted(more, "row"))})
	}
	return diags, errAudit
}

func counted(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
