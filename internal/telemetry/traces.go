package telemetry

import (
	"context"
	"errors"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/spec"
)

// TraceOptions set traces up.
type TraceOptions struct {
	Version string // of autosafe
	Recipe  string // name of the recipe's folder
	// Lost, if set, is told once if spans cannot be delivered.
	Lost func(error)
	// Exporter takes the place of the one that OTEL_EXPORTER_OTLP_* describe,
	// for tests.
	Exporter sdktrace.SpanExporter
}

// Traces sends the course of a build as spans: the build, in it the steps that
// run, in those their model calls.
type Traces struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	ctx      context.Context // with the build's span
	build    trace.Span

	delivery *delivery
	patience time.Duration // for the last spans to be delivered

	mu    sync.Mutex
	steps map[string]stepSpan
}

type stepSpan struct {
	ctx  context.Context
	span trace.Span
}

// StartTraces begins the span of a build. Where spans go is said by the
// environment variables of OpenTelemetry, OTEL_EXPORTER_OTLP_ENDPOINT above
// all. Spans are sent aside; where that fails they are lost, and nothing else.
func StartTraces(opts TraceOptions) (*Traces, error) {
	exporter, patience := opts.Exporter, defaultTimeout
	if exporter == nil {
		var err error
		if exporter, patience, err = newOTLPExporter(os.Getenv); err != nil {
			return nil, err
		}
	}
	about, err := resource.New(context.Background(), resource.WithTelemetrySDK(),
		resource.WithAttributes(semconv.ServiceName("autosafe"), semconv.ServiceVersion(opts.Version)), resource.WithFromEnv())
	if err != nil {
		return nil, errors.Join(err, exporter.Shutdown(context.Background()))
	}
	if opts.Lost != nil {
		var once sync.Once
		otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { once.Do(func() { opts.Lost(err) }) }))
	}
	t := &Traces{patience: patience, steps: map[string]stepSpan{}, delivery: &delivery{SpanExporter: exporter}}
	t.provider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(counter{t.delivery}),
		sdktrace.WithBatcher(t.delivery, sdktrace.WithExportTimeout(mostRetries+patience)), sdktrace.WithResource(about))
	t.tracer = t.provider.Tracer("github.com/autosafe/autosafe")
	t.ctx, t.build = t.tracer.Start(context.Background(), "build "+opts.Recipe, trace.WithAttributes(attribute.String("autosafe.recipe", opts.Recipe)))
	return t, nil
}

// Event begins and ends the spans of steps.
func (t *Traces) Event(ev engine.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case ev.Started != nil:
		address := ev.Started.Address
		ctx, span := t.tracer.Start(t.ctx, "step "+address, trace.WithAttributes(attribute.String("autosafe.step", address)))
		t.steps[address] = stepSpan{ctx, span}
	case ev.Finished != nil:
		f := ev.Finished
		s, ok := t.steps[f.Address]
		if !ok {
			return // it was found in the cache whole
		}
		delete(t.steps, f.Address)
		s.span.SetAttributes(
			attribute.Int64("autosafe.rows_in", f.RowsIn), attribute.Int64("autosafe.rows_out", f.RowsOut),
			attribute.Int64("autosafe.rows_hit", f.RowsHit), attribute.Int64("autosafe.rows_failed", f.RowsFailed),
			attribute.Int64("autosafe.calls_made", f.Calls.Made), attribute.Int64("autosafe.calls_cached", f.Calls.Cached),
			attribute.Float64("autosafe.cost_usd", f.Calls.CostUSD),
		)
		s.span.End()
	}
}

// End ends the build's span and delivers what is left, in bounded time. Failed
// says whether the build did. The error says how many spans were lost.
func (t *Traces) End(failed bool) error {
	t.mu.Lock()
	for _, s := range t.steps {
		s.span.SetStatus(codes.Error, "the step did not come to its end")
		s.span.End()
	}
	t.steps = map[string]stepSpan{}
	t.mu.Unlock()
	if failed {
		t.build.SetStatus(codes.Error, "the build did not succeed")
	}
	t.build.End()
	ctx, cancel := context.WithTimeout(context.Background(), t.patience)
	defer cancel()
	err := t.provider.Shutdown(ctx)
	if lost := t.delivery.lost(); lost != nil {
		return lost
	}
	return err
}

// Client makes a span of each call that the cache does not answer.
func (t *Traces) Client(next llm.Client) llm.Client { return &traced{next, t} }

type traced struct {
	llm.Client
	traces *Traces
}

// Complete implements llm.Client. The span is made when the call has ended:
// whether the cache had it is not known before.
func (c *traced) Complete(ctx context.Context, req llm.Request, tally *llm.Tally) (llm.Reply, error) {
	began := time.Now()
	reply, err := c.Client.Complete(ctx, req, tally)
	if m := req.Model; m != nil && m.Provider != nil && !(err == nil && reply.Cached) {
		_, span := c.traces.tracer.Start(c.traces.parent(req.Step), "chat "+m.ID,
			trace.WithTimestamp(began), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(requested(&req)...))
		answered(span, &reply, err)
		span.End()
	}
	return reply, err
}

// parent is the span of a step, or else of the build.
func (t *Traces) parent(step string) context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s, ok := t.steps[step]; ok {
		return s.ctx
	}
	return t.ctx
}

// requested describes a request, by OpenTelemetry's conventions for generative
// models. What was said is left out.
func requested(req *llm.Request) []attribute.KeyValue {
	m := req.Model
	list := []attribute.KeyValue{
		semconv.GenAIOperationNameChat, semconv.GenAIRequestModel(m.ID), semconv.GenAIProviderNameKey.String(providerName(m.Provider)),
		attribute.String("autosafe.model", m.Name), attribute.String("autosafe.step", req.Step), attribute.String("autosafe.purpose", req.Purpose),
	}
	if u, err := url.Parse(m.Provider.BaseURL); err == nil && u.Hostname() != "" {
		list = append(list, semconv.ServerAddress(u.Hostname()))
		if port, err := strconv.Atoi(u.Port()); err == nil {
			list = append(list, semconv.ServerPort(port))
		}
	}
	if req.Schema != nil {
		list = append(list, semconv.GenAIOutputTypeJSON)
	}
	if m.Temperature != nil {
		list = append(list, semconv.GenAIRequestTemperature(*m.Temperature))
	}
	if m.TopP != nil {
		list = append(list, semconv.GenAIRequestTopP(*m.TopP))
	}
	if m.MaxTokens > 0 {
		list = append(list, semconv.GenAIRequestMaxTokens(m.MaxTokens))
	}
	return list
}

// providerName is what the conventions call a provider.
func providerName(p *spec.Provider) string {
	switch p.Type {
	case spec.ProviderOpenAI:
		return "openai"
	case spec.ProviderAzure:
		return "azure.ai.openai"
	}
	return "autosafe." + string(p.Type)
}

// answered describes how a call ended. Errors are told by their code: their
// words may be the endpoint's.
func answered(span trace.Span, reply *llm.Reply, err error) {
	if err != nil {
		code := "error"
		if e := new(llm.Error); errors.As(err, &e) {
			code = string(e.Code)
		}
		span.SetAttributes(semconv.ErrorTypeKey.String(code))
		span.SetStatus(codes.Error, code)
		return
	}
	u := reply.Usage
	span.SetAttributes(
		semconv.GenAIUsageInputTokens(u.InputTokens), semconv.GenAIUsageOutputTokens(u.OutputTokens),
		semconv.GenAIResponseFinishReasons(reply.FinishReason), attribute.Int("autosafe.tries", len(reply.Calls)),
	)
	if u.CachedInputTokens > 0 {
		span.SetAttributes(semconv.GenAIUsageCacheReadInputTokens(u.CachedInputTokens))
	}
	if reply.Model != "" {
		span.SetAttributes(semconv.GenAIResponseModel(reply.Model))
	}
}
