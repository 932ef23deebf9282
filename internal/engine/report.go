package engine

import (
	"fmt"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/row"
)

// report brings the report of an evaluation up to date, where the recipe wants one.
func (b *build) report(st *stepState, figures []row.Row, asserts []Assertion) error {
	out := st.Evaluation.Report
	if out == nil {
		return nil
	}
	parts, err := b.reportParts(st)
	if err != nil {
		return fmt.Errorf("%s: %w", out.Address, err)
	}
	_, err = b.bring(b.reportFiles(st, figures, asserts), parts, false)
	return err
}

// reportFiles are the files of an evaluation's report.
func (b *build) reportFiles(st *stepState, figures []row.Row, asserts []Assertion) *madeFiles {
	return &madeFiles{
		st: st, out: st.Evaluation.Report, names: func() []string { return b.opts.Evaluator.ReportNames(st.Evaluation) },
		write: func(dir string) ([]Artifact, error) {
			e, err := b.evaluation(st)
			if err != nil {
				return nil, err
			}
			files, err := b.opts.Evaluator.Report(b.ctx, e, figures, asserts, dir)
			if err != nil {
				err = b.evaluationError(st, err)
			}
			return files, err
		},
	}
}

// checkReport looks for what is in the way of a report that may be written.
func (b *build) checkReport(st *stepState) error {
	if st.Evaluation.Report == nil || b.opts.Evaluator == nil {
		return nil
	}
	return b.checkMade(b.reportFiles(st, nil, nil))
}

// planReport plans the report of an evaluation; waits is why it cannot be known yet.
func (p *planner) planReport(st *stepState, waits string) error {
	out := st.Evaluation.Report
	if out == nil || p.opts.Evaluator == nil {
		return nil
	}
	o := OutputPlan{Address: out.Address, Path: p.outDir(out.Path), Status: StatusRun, Reason: waits}
	var k cache.Digest
	if waits == "" {
		parts, err := p.reportParts(st)
		if err != nil {
			return fmt.Errorf("%s: %w", out.Address, err)
		}
		if k, err = p.planMade(p.reportFiles(st, nil, nil), parts, &o); err != nil {
			return err
		}
	}
	p.plan.Outputs = append(p.plan.Outputs, o)
	p.id.Add("report", k[:])
	return nil
}
