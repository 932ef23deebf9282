package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/autosafe/autosafe/internal/control"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/internal/telemetry"
)

// hookedClient is a client that has something done before its first call.
type hookedClient struct {
	llm.Client
	once sync.Once
	do   func() // nil: nothing
}

// Complete implements llm.Client.
func (c *hookedClient) Complete(ctx context.Context, req llm.Request, tally *llm.Tally) (llm.Reply, error) {
	if c.do != nil {
		c.once.Do(c.do)
	}
	return c.Client.Complete(ctx, req, tally)
}

// Tune implements llm.Client.
func (c *hookedClient) Tune(ctx context.Context, req llm.TuneRequest, tally *llm.Tally) (llm.TuneResult, error) {
	if c.do != nil {
		c.once.Do(c.do)
	}
	return c.Client.Tune(ctx, req, tally)
}

// watchers follow a build beside the view.
type watchers struct {
	inv     *invocation
	control *control.Server
	metrics *telemetry.Metrics // nil: not asked for
	traces  *telemetry.Traces  // nil: not asked for
}

// watch lets a build be followed and steered: with autosafe ctl from its first
// call on, and with what the flags ask for. It comes before the first call.
func (inv *invocation) watch(s *session, how *buildFlags, i *interrupts, began time.Time) (*watchers, error) {
	w := &watchers{inv: inv, control: control.NewServer(control.Dir(inv.getenv), control.Target{
		Recipe: realPath(s.source.Dir), Version: Version, Began: began, Steps: addresses(s.recipe),
		Models: s.models.Control(), Stopping: s.stop, Stop: func(now bool) { s.halt(); i.stop(now) },
	})}
	s.models.do = func() {
		if err := w.control.Start(); err != nil {
			inv.view.Notify("autosafe ctl cannot reach this build", err.Error())
		}
	}
	var err error
	if how.metrics != "" {
		if w.metrics, err = telemetry.ServeMetrics(how.metrics, w.control.Status); err != nil {
			return nil, fmt.Errorf("-metrics %s: %w", how.metrics, err)
		}
		s.models.Client = w.metrics.Client(s.models.Client)
		inv.view.Notify("Metrics", w.metrics.URL())
	}
	if how.traces {
		w.traces, err = telemetry.StartTraces(telemetry.TraceOptions{Version: Version, Recipe: filepath.Base(realPath(s.source.Dir)), Lost: w.lost})
		if err != nil {
			w.end(false)
			return nil, fmt.Errorf("-traces: %w", err)
		}
		s.models.Client = w.traces.Client(s.models.Client)
	}
	return w, nil
}

// lost tells of spans that could not be delivered.
func (w *watchers) lost(err error) {
	w.inv.view.Notify("Traces are lost", err.Error()+"; OTEL_EXPORTER_OTLP_ENDPOINT says where they go")
}

// event tells all of what happened, the view last.
func (w *watchers) event(ev engine.Event) {
	w.control.Event(ev)
	if w.traces != nil {
		w.traces.Event(ev)
	}
	w.inv.view.Event(ev)
}

// end lets go of all. Failed says whether the build did not end well.
func (w *watchers) end(failed bool) {
	w.control.Close()
	if w.metrics != nil {
		w.metrics.Close()
	}
	if w.traces != nil {
		if err := w.traces.End(failed); err != nil && !errors.Is(err, context.Canceled) {
			w.lost(err)
		}
	}
}

// realPath is a folder's path by which it can be compared.
func realPath(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real
	}
	return dir
}
