package view

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/autosafe/autosafe/internal/control"
)

// BuildStatus shows how a running build is doing.
func (v *View) BuildStatus(s *control.Status) {
	if v.opts.JSON {
		v.lastLine(struct {
			Type string `json:"type"`
			*control.Status
		}{"ctl_status", s})
		return
	}
	p := v.page()
	p.head("Build of "+Clean(nearPath(s.Recipe)), fmt.Sprintf("process %d, %s, for %s", s.PID, Clean(s.State), duration(s.Seconds)))
	p.WriteString("\n")
	steps := table{
		heads: []string{"Step", "In", "Out", "Under way", "Cached", "Dropped", "Failed", "Calls", "Cost", "State"},
		spare: []string{"Cached", "Dropped", "Under way", "In"},
	}
	for _, st := range s.Steps {
		steps.add(Clean(st.Address), number(st.RowsIn), number(st.RowsOut), number(st.InFlight), number(st.RowsHit),
			number(st.Dropped), number(st.Failed), number(st.Calls.Made), dollars(st.Calls.CostUSD), Clean(st.State))
	}
	steps.add("all", "", "", "", "", "", "", number(s.Calls.Made), dollars(s.Calls.CostUSD), "")
	steps.render(&p.Builder, p.width)
	if len(s.Models) > 0 {
		p.WriteString("\n")
		models := modelTable(s.Models, time.Now())
		models.render(&p.Builder, p.width)
	}
	v.result(p.String())
}

// modelTable shows how calls to models go.
func modelTable(list []control.ModelStatus, now time.Time) table {
	t := table{
		heads: []string{"Model", "In flight", "Allowed", "Waiting", "A second", "Answered", "Refused", "Failed", "Median", "Endpoint"},
		spare: []string{"Median", "A second", "Failed", "Waiting"},
	}
	for i := range list {
		m := &list[i]
		allowed, pace, median := count(int64(m.Limit)), "", ""
		if m.Declared != m.Limit {
			allowed += " of " + count(int64(m.Declared))
		}
		if m.RequestsPerSecond > 0 {
			pace = strconv.FormatFloat(m.RequestsPerSecond, 'f', 1, 64)
		}
		if m.MedianMillis > 0 {
			median = fmt.Sprintf("%d ms", m.MedianMillis)
		}
		where := Clean(m.Endpoint)
		if m.State != "" && m.State != "open" {
			where += ", " + Clean(m.State)
			if wait := m.Until.Sub(now); !m.Until.IsZero() && wait > 0 {
				where += " for " + duration(wait.Seconds())
			}
		}
		t.add("model."+Clean(m.Model), count(int64(m.InFlight)), allowed, number(int64(m.Waiting)), pace,
			count(m.Answered), number(m.Refused), number(m.Failed), median, where)
	}
	return t
}

// RunningBuilds lists builds that run.
func (v *View) RunningBuilds(list []control.Status) {
	if v.opts.JSON {
		v.lastLine(struct {
			Type   string           `json:"type"`
			Builds []control.Status `json:"builds"`
		}{"ctl_builds", list})
		return
	}
	t := table{heads: []string{"Process", "For", "Calls", "Cost", "State", "Recipe"}}
	for _, s := range list {
		t.add(strconv.Itoa(s.PID), duration(s.Seconds), number(s.Calls.Made), dollars(s.Calls.CostUSD), Clean(s.State), Clean(nearPath(s.Recipe)))
	}
	var b strings.Builder
	t.render(&b, v.outWidth())
	b.WriteString("-build DIR or -build PROCESS shows one of them.\n")
	v.result(b.String())
}

// BuildSteered says that a running build did what it was asked for.
func (v *View) BuildSteered(done string, s *control.Status) {
	if v.opts.JSON {
		v.lastLine(struct {
			Type   string          `json:"type"`
			Done   string          `json:"done"`
			Status *control.Status `json:"status"`
		}{"ctl", done, s})
		return
	}
	v.result(fmt.Sprintf("Process %d, the build of %s: %s.\n", s.PID, Clean(nearPath(s.Recipe)), Clean(done)))
}
