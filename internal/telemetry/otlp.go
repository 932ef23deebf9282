package telemetry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/protobuf/encoding/protowire"
)

// otlpExporter sends spans by OTLP over HTTP, in protobuf. OpenTelemetry's own
// exporter would add a quarter of a millisecond to every start of autosafe, and
// 2 MB to the program; of the protocol, little is needed.
type otlpExporter struct {
	url     string
	headers map[string]string
	client  *http.Client
}

// defaultEndpoint is where collectors listen, by OpenTelemetry's convention.
const defaultEndpoint = "http://localhost:4318"

// defaultTimeout is how long a delivery may take, by the same convention.
const defaultTimeout = 10 * time.Second

// newOTLPExporter reads where spans go from OpenTelemetry's variables.
func newOTLPExporter(getenv func(string) string) (*otlpExporter, error) {
	first := func(name string) string { // that of traces goes before that of all signals
		if v := getenv("OTEL_EXPORTER_OTLP_TRACES_" + name); v != "" {
			return v
		}
		return getenv("OTEL_EXPORTER_OTLP_" + name)
	}
	e := &otlpExporter{url: getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), headers: map[string]string{}, client: &http.Client{Timeout: defaultTimeout}}
	if e.url == "" {
		base := getenv("OTEL_EXPORTER_OTLP_ENDPOINT")
		if base == "" {
			base = defaultEndpoint
		}
		e.url = strings.TrimRight(base, "/") + "/v1/traces"
	}
	u, err := url.Parse(e.url)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("the OTLP endpoint must start with http:// or https:// and name a host; see OTEL_EXPORTER_OTLP_ENDPOINT")
	}
	for _, pair := range strings.Split(first("HEADERS"), ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if value, err = url.PathUnescape(strings.TrimSpace(value)); ok && err == nil {
			e.headers[strings.TrimSpace(name)] = value
		}
	}
	if ms, err := strconv.Atoi(first("TIMEOUT")); err == nil && ms > 0 {
		e.client.Timeout = time.Duration(ms) * time.Millisecond
	}
	// A transport of its own, so that nothing of it is left over.
	if t, ok := http.DefaultTransport.(*http.Transport); ok {
		e.client.Transport = t.Clone()
	}
	return e, nil
}

// ExportSpans implements sdktrace.SpanExporter.
func (e *otlpExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(encodeSpans(spans)))
	if err != nil {
		return fmt.Errorf("sending spans: %w", err)
	}
	for name, value := range e.headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	resp, err := e.client.Do(req)
	if err != nil {
		return fmt.Errorf("sending spans: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // so that the connection can be used again
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("sending spans: the collector answered %s", resp.Status)
	}
	return nil
}

// Shutdown implements sdktrace.SpanExporter.
func (e *otlpExporter) Shutdown(context.Context) error {
	e.client.CloseIdleConnections()
	return nil
}

// The messages of opentelemetry/proto/collector/trace/v1 and below, with the
// numbers of their fields.

// encodeSpans is an ExportTraceServiceRequest. All spans are of one resource
// and one scope here.
func encodeSpans(spans []sdktrace.ReadOnlySpan) []byte {
	if len(spans) == 0 {
		return nil
	}
	var scope, list message
	scope.text(1, spans[0].InstrumentationScope().Name)
	list.sub(1, scope)
	for _, s := range spans {
		list.sub(2, encodeSpan(s))
	}
	var all, out message
	all.sub(1, encodeResource(spans[0].Resource()))
	all.sub(2, list)
	out.sub(1, all)
	return out
}

func encodeResource(r *resource.Resource) message {
	var m message
	for _, a := range r.Attributes() {
		m.sub(1, encodeAttribute(a))
	}
	return m
}

func encodeSpan(s sdktrace.ReadOnlySpan) message {
	var m message
	id, span := s.SpanContext().TraceID(), s.SpanContext().SpanID()
	m.bytes(1, id[:])
	m.bytes(2, span[:])
	if s.Parent().SpanID().IsValid() {
		parent := s.Parent().SpanID()
		m.bytes(4, parent[:])
	}
	m.text(5, s.Name())
	m.number(6, uint64(s.SpanKind()))
	m.fixed(7, uint64(s.StartTime().UnixNano()))
	m.fixed(8, uint64(s.EndTime().UnixNano()))
	for _, a := range s.Attributes() {
		m.sub(9, encodeAttribute(a))
	}
	var status message
	if s.Status().Description != "" {
		status.text(2, s.Status().Description)
	}
	switch s.Status().Code {
	case codes.Ok:
		status.number(3, 1)
	case codes.Error:
		status.number(3, 2)
	}
	m.sub(15, status)
	return m
}

func encodeAttribute(a attribute.KeyValue) message {
	var m message
	m.text(1, string(a.Key))
	m.sub(2, encodeValue(a.Value))
	return m
}

// encodeValue is an AnyValue.
func encodeValue(v attribute.Value) message {
	var m message
	switch v.Type() {
	case attribute.BOOL:
		n := uint64(0)
		if v.AsBool() {
			n = 1
		}
		m.number(2, n)
	case attribute.INT64:
		m.number(3, uint64(v.AsInt64()))
	case attribute.FLOAT64:
		m.fixed(4, math.Float64bits(v.AsFloat64()))
	case attribute.STRINGSLICE:
		var list message
		for _, s := range v.AsStringSlice() {
			list.sub(1, encodeValue(attribute.StringValue(s)))
		}
		m.sub(5, list)
	case attribute.STRING:
		m.text(1, v.AsString())
	default: // of no attribute that is made here
		m.text(1, v.String())
	}
	return m
}

// message is a protobuf message that is being written.
type message []byte

func (m *message) bytes(field protowire.Number, b []byte) {
	*m = protowire.AppendBytes(protowire.AppendTag(*m, field, protowire.BytesType), b)
}

// text writes a string, which protobuf wants in UTF-8.
func (m *message) text(field protowire.Number, s string) {
	m.bytes(field, []byte(strings.ToValidUTF8(s, "\uFFFD")))
}

func (m *message) sub(field protowire.Number, sub message) { m.bytes(field, sub) }

func (m *message) number(field protowire.Number, n uint64) {
	*m = protowire.AppendVarint(protowire.AppendTag(*m, field, protowire.VarintType), n)
}

func (m *message) fixed(field protowire.Number, n uint64) {
	*m = protowire.AppendFixed64(protowire.AppendTag(*m, field, protowire.Fixed64Type), n)
}
