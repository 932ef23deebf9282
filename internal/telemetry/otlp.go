package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// defaultTimeout is how long a request to the collector may take, by
// OpenTelemetry's convention. The last spans have as long.
const defaultTimeout = 10 * time.Second

// How a collector that has no room (429, 502, 503, 504) is asked again: after
// this pause, which grows, or as long as its Retry-After says.
const (
	firstPause  = 500 * time.Millisecond
	lastPause   = 5 * time.Second
	mostRetries = 30 * time.Second // in all; then these spans are lost
)

// maxAnswer is how many bytes of a collector's answer are read.
const maxAnswer = 64 << 10

// otlpVariable is a variable of OpenTelemetry: that of traces goes before that
// of all signals.
func otlpVariable(getenv func(string) string, name string) string {
	if v := getenv("OTEL_EXPORTER_OTLP_TRACES_" + name); v != "" {
		return v
	}
	return getenv("OTEL_EXPORTER_OTLP_" + name)
}

// newOTLPExporter is OpenTelemetry's exporter, which reads its variables, and
// how long a request of it may take.
func newOTLPExporter(getenv func(string) string) (sdktrace.SpanExporter, time.Duration, error) {
	if at := otlpVariable(getenv, "ENDPOINT"); at != "" {
		if u, err := url.Parse(at); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, 0, errors.New("the OTLP endpoint must start with http:// or https:// and name a host; see OTEL_EXPORTER_OTLP_ENDPOINT")
		}
	}
	options := []otlptracehttp.Option{
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: firstPause, MaxInterval: lastPause, MaxElapsedTime: mostRetries}),
		otlptracehttp.WithMaxResponseSize(maxAnswer),
	}
	if otlpVariable(getenv, "COMPRESSION") == "" {
		options = append(options, otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
	}
	if otlpVariable(getenv, "ENDPOINT") == "" {
		options = append(options, otlptracehttp.WithInsecure()) // its default is https at localhost
	}
	patience := defaultTimeout
	if ms, err := strconv.Atoi(otlpVariable(getenv, "TIMEOUT")); err == nil && ms > 0 {
		patience = time.Duration(ms) * time.Millisecond
	}
	e, err := otlptracehttp.New(context.Background(), options...)
	return e, patience, err
}

// delivery counts the spans that ended and those that were delivered. What lies
// between was lost: the collector did not take it, or there was more of it than
// waits to be sent.
type delivery struct {
	sdktrace.SpanExporter
	ended, delivered atomic.Int64

	mu  sync.Mutex
	why error // the last ones were not taken
}

// ExportSpans implements sdktrace.SpanExporter.
func (d *delivery) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := d.SpanExporter.ExportSpans(ctx, spans)
	if err == nil {
		d.delivered.Add(int64(len(spans)))
		return nil
	}
	err = errors.New(shortened(err.Error()))
	d.mu.Lock()
	defer d.mu.Unlock()
	d.why = err
	return err
}

// lost says how many spans were lost, and why; nil if none was.
func (d *delivery) lost() error {
	ended := d.ended.Load()
	lost := ended - d.delivered.Load()
	if lost == 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	why := "more came than could be sent, or the collector took too long"
	if d.why != nil {
		why = d.why.Error()
	}
	return fmt.Errorf("%d of %d spans were not delivered: %s", lost, ended, why)
}

// maxReason is how long a reason is that is told, in runes.
const maxReason = 300

// shortened makes a line of what may be a page of a proxy.
func shortened(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r <= ' ' || !strconv.IsPrint(r) }), " ")
	if runes := []rune(text); len(runes) > maxReason {
		text = string(runes[:maxReason-1]) + "…"
	}
	return text
}

// counter counts spans as they end.
type counter struct{ *delivery }

// OnStart implements sdktrace.SpanProcessor.
func (counter) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd implements sdktrace.SpanProcessor.
func (c counter) OnEnd(s sdktrace.ReadOnlySpan) {
	if s.SpanContext().IsSampled() {
		c.ended.Add(1)
	}
}

// Shutdown implements sdktrace.SpanProcessor.
func (counter) Shutdown(context.Context) error { return nil }

// ForceFlush implements sdktrace.SpanProcessor.
func (counter) ForceFlush(context.Context) error { return nil }
