package telemetry

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/spec"
)

// secret stands wherever a secret, a prompt or a reply could be.
const secret = "hush-hush"

func request(step string) llm.Request {
	zero := 0.0
	return llm.Request{
		Model: &spec.Model{Name: "judge", ID: "m-1", Temperature: &zero, MaxTokens: 50, Provider: &spec.Provider{
			Type: spec.ProviderOpenAI, Name: "main", BaseURL: "https://user:" + secret + "@example.com:8443/v1?k=" + secret,
			APIKey: spec.NewSecret(secret), Headers: map[string]string{"X-Key": secret},
		}},
		Step: step, Purpose: "rubric", Messages: []llm.Message{{Role: "user", Content: secret}}, Schema: []byte(`{"title":"` + secret + `"}`),
	}
}

// course is a build with a step and four calls, the last of them cached.
func course(t *testing.T, tr *Traces) {
	t.Helper()
	next := &answers{}
	client := tr.Client(next)
	call := func(step string, reply llm.Reply, err error) {
		next.reply, next.err = reply, err
		_, _ = client.Complete(t.Context(), request(step), &llm.Tally{})
	}
	tr.Event(engine.Event{Started: &engine.StepStarted{Address: "judge.rubric.r"}})
	tr.Event(engine.Event{Started: &engine.StepStarted{Address: "judge.rubric.cut"}})
	usage := llm.Usage{InputTokens: 30, OutputTokens: 4, CachedInputTokens: 20}
	call("judge.rubric.r", llm.Reply{Content: secret, Model: "m-1-x", FinishReason: "stop", Usage: usage, Calls: []string{"k"}}, nil)
	call("judge.rubric.r", llm.Reply{}, &llm.Error{Code: llm.CodeRateLimited, Summary: secret, Detail: secret})
	call("elsewhere", llm.Reply{}, errors.New(secret))
	call("judge.rubric.r", llm.Reply{Content: secret, Cached: true}, nil)
	tr.Event(engine.Event{Finished: &engine.StepSummary{Address: "judge.rubric.r", RowsIn: 3, RowsOut: 2, Calls: engine.CallCounts{Made: 2, CostUSD: 0.5}}})
	tr.Event(engine.Event{Finished: &engine.StepSummary{Address: "threat_source.jsonl.hit", Status: engine.StatusHit}})
}

func TestTraces(t *testing.T) {
	exporter := tracetest.NewInMemoryExporter()
	kept := &keeper{InMemoryExporter: exporter}
	tr, err := StartTraces(TraceOptions{Version: "1.2.3", Recipe: "recipe", Exporter: kept})
	if err != nil {
		t.Fatal(err)
	}
	course(t, tr)
	if err := tr.End(true); err != nil {
		t.Fatal(err)
	}
	spans := map[string]tracetest.SpanStub{}
	for _, s := range kept.spans {
		name := s.Name
		if s.Status.Description != "" && strings.HasPrefix(name, "chat") {
			name += " " + s.Status.Description
		}
		spans[name] = s
	}
	parents := map[string]string{
		"build recipe": "", "step judge.rubric.r": "build recipe", "step judge.rubric.cut": "build recipe",
		"chat m-1": "step judge.rubric.r", "chat m-1 rate_limited": "step judge.rubric.r", "chat m-1 error": "build recipe",
	}
	if len(kept.spans) != len(parents) {
		t.Errorf("%d spans, want %d", len(kept.spans), len(parents))
	}
	for name, parent := range parents {
		s, ok := spans[name]
		if !ok || parent != "" && s.Parent.SpanID() != spans[parent].SpanContext.SpanID() {
			t.Errorf("%s: there %v, its parent is not %s", name, ok, parent)
		}
		if failed := s.Status.Code == codes.Error; failed != slices.Contains([]string{"build recipe", "step judge.rubric.cut", "chat m-1 rate_limited", "chat m-1 error"}, name) {
			t.Errorf("%s failed: %v", name, failed)
		}
	}
	chat := spans["chat m-1"]
	got := map[attribute.Key]string{}
	for _, a := range chat.Attributes {
		got[a.Key] = a.Value.String()
	}
	for k, want := range map[attribute.Key]string{
		"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "m-1", "gen_ai.response.model": "m-1-x",
		"gen_ai.usage.input_tokens": "30", "gen_ai.usage.output_tokens": "4", "gen_ai.usage.cache_read.input_tokens": "20",
		"gen_ai.response.finish_reasons": `["stop"]`, "gen_ai.request.temperature": "0", "gen_ai.request.max_tokens": "50", "gen_ai.output.type": "json",
		"server.address": "example.com", "server.port": "8443", "autosafe.step": "judge.rubric.r", "autosafe.model": "judge", "autosafe.purpose": "rubric",
	} {
		if got[k] != want {
			t.Errorf("%s is %q, want %q", k, got[k], want)
		}
	}
	if chat.SpanKind != trace.SpanKindClient {
		t.Errorf("kind %s", chat.SpanKind)
	}
	for _, s := range kept.spans {
		for _, a := range append(s.Attributes, s.Resource.Attributes()...) {
			if strings.Contains(a.Value.String(), secret) {
				t.Errorf("%s: %s holds a secret", s.Name, a.Key)
			}
		}
		if strings.Contains(s.Name+s.Status.Description, secret) || len(s.Events) > 0 {
			t.Errorf("%s holds a secret", s.Name)
		}
	}
}

// keeper keeps spans past the exporter's end.
type keeper struct {
	*tracetest.InMemoryExporter
	spans tracetest.SpanStubs
}

func (k *keeper) Shutdown(ctx context.Context) error {
	k.spans = k.GetSpans()
	return k.InMemoryExporter.Shutdown(ctx)
}

// Spans come to a collector over OTLP, where the variables say.
func TestCollector(t *testing.T) {
	var mu sync.Mutex
	var names []string
	var raw strings.Builder
	spans := map[string]*tracepb.Span{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := body(r)
		var req collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(b, &req)
		}
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("X-Team") != "blue" {
			t.Errorf("%s: %v", r.URL, err)
		}
		mu.Lock()
		defer mu.Unlock()
		raw.Write(b)
		for _, rs := range req.GetResourceSpans() {
			if text := rs.GetResource().String(); !strings.Contains(text, "service.name") || !strings.Contains(text, "1.2.3") || len(rs.GetResource().ProtoReflect().GetUnknown()) > 0 {
				t.Errorf("resource %s", text)
			}
			for _, ss := range rs.GetScopeSpans() {
				if ss.GetScope().GetName() != "github.com/autosafe/autosafe" {
					t.Errorf("scope %s", ss.GetScope())
				}
				for _, s := range ss.GetSpans() {
					names = append(names, s.GetName())
					spans[s.GetName()+s.GetStatus().GetMessage()] = s
				}
			}
		}
	}))
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=blue")
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "180000") // which bounds a hang
	tr, err := StartTraces(TraceOptions{Version: "1.2.3", Recipe: "recipe", Lost: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	course(t, tr)
	if err := tr.End(false); err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	if want := []string{"build recipe", "chat m-1", "chat m-1", "chat m-1", "step judge.rubric.cut", "step judge.rubric.r"}; !slices.Equal(names, want) {
		t.Errorf("spans %q, want %q", names, want)
	}
	if strings.Contains(raw.String(), secret) {
		t.Error("a secret was sent")
	}
	build, step, chat := spans["build recipe"], spans["step judge.rubric.r"], spans["chat m-1"]
	if len(build.GetTraceId()) != 16 || len(build.GetSpanId()) != 8 || len(build.GetParentSpanId()) != 0 || build.GetStatus().GetCode() != tracepb.Status_STATUS_CODE_UNSET {
		t.Errorf("build %s", build)
	}
	if !bytes.Equal(step.GetParentSpanId(), build.GetSpanId()) || !bytes.Equal(chat.GetParentSpanId(), step.GetSpanId()) || !bytes.Equal(chat.GetTraceId(), build.GetTraceId()) {
		t.Error("spans have other parents")
	}
	if chat.GetKind() != tracepb.Span_SPAN_KIND_CLIENT || chat.GetStartTimeUnixNano() == 0 || chat.GetEndTimeUnixNano() < chat.GetStartTimeUnixNano() {
		t.Errorf("chat %s", chat)
	}
	if s := spans["chat m-1rate_limited"].GetStatus(); s.GetCode() != tracepb.Status_STATUS_CODE_ERROR {
		t.Errorf("status %s", s)
	}
	values := map[string]*commonpb.AnyValue{}
	for _, a := range append(chat.GetAttributes(), step.GetAttributes()...) {
		values[a.GetKey()] = a.GetValue()
	}
	if values["gen_ai.request.model"].GetStringValue() != "m-1" || values["gen_ai.usage.input_tokens"].GetIntValue() != 30 || values["autosafe.cost_usd"].GetDoubleValue() != 0.5 ||
		values["gen_ai.response.finish_reasons"].GetArrayValue().GetValues()[0].GetStringValue() != "stop" {
		t.Errorf("attributes %v", values)
	}
}

// body is what a request to a collector says, which is compressed.
func body(r *http.Request) ([]byte, error) {
	if r.Header.Get("Content-Encoding") != "gzip" {
		return nil, errors.New("it is not compressed")
	}
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// bench is a collector that gives these answers, and then the last for ever.
type bench struct {
	answers []answer
	mu      sync.Mutex
	got     []*http.Request
	told    []string
}

type answer struct {
	status int
	header map[string]string
	body   string
}

func (b *bench) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.answers[min(len(b.got), len(b.answers)-1)]
	b.got = append(b.got, r)
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

// build has a build of six spans told of to the collector.
func (b *bench) build(t *testing.T) error {
	t.Helper()
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "180000") // which bounds a hang
	tr, err := StartTraces(TraceOptions{Version: "1", Recipe: "r", Lost: func(err error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.told = append(b.told, err.Error())
	}})
	if err != nil {
		t.Fatal(err)
	}
	course(t, tr)
	return tr.End(false)
}

// What the variables of OpenTelemetry say of where spans go, and how.
func TestOTLPVariables(t *testing.T) {
	const p = "OTEL_EXPORTER_OTLP_"
	for _, tt := range []struct {
		env              map[string]string // %: the collector
		path, auth, zips string
	}{
		{map[string]string{p + "ENDPOINT": "%/otlp/"}, "/otlp/v1/traces", "", "gzip"},
		{map[string]string{p + "ENDPOINT": "http://nosuch.invalid", p + "TRACES_ENDPOINT": "%/x"}, "/x", "", "gzip"},
		{map[string]string{p + "ENDPOINT": "%", p + "HEADERS": "a=1, authorization=Bearer%20k"}, "/v1/traces", "Bearer k", "gzip"},
		{map[string]string{p + "ENDPOINT": "%", p + "HEADERS": "authorization=x", p + "TRACES_HEADERS": "authorization=y"}, "/v1/traces", "y", "gzip"},
		{map[string]string{p + "ENDPOINT": "%", p + "COMPRESSION": "none"}, "/v1/traces", "", ""},
	} {
		t.Run(fmt.Sprint(tt.env), func(t *testing.T) {
			b := &bench{answers: []answer{{status: 200}}}
			server := httptest.NewServer(b)
			defer server.Close()
			for name, value := range tt.env {
				t.Setenv(name, strings.ReplaceAll(value, "%/", server.URL+"/"))
				if value == "%" {
					t.Setenv(name, server.URL)
				}
			}
			if err := b.build(t); err != nil {
				t.Fatal(err)
			}
			if r := b.got[0]; r.URL.Path != tt.path || r.Header.Get("Authorization") != tt.auth || r.Header.Get("Content-Encoding") != tt.zips {
				t.Errorf("%s, headers %v", r.URL, r.Header)
			}
		})
	}
	for _, at := range []string{"localhost:4318", "unix:///x", "http://", "::"} {
		t.Setenv(p+"ENDPOINT", at)
		if _, err := StartTraces(TraceOptions{}); err == nil || !strings.Contains(err.Error(), "must start with http://") {
			t.Errorf("%s: %v", at, err)
		}
	}
}

// How long a request may take, and the last spans.
func TestOTLPTimeout(t *testing.T) {
	const p = "OTEL_EXPORTER_OTLP_"
	for _, tt := range []struct {
		env  map[string]string
		want time.Duration
	}{
		{nil, 10 * time.Second},
		{map[string]string{p + "TIMEOUT": "250"}, 250 * time.Millisecond},
		{map[string]string{p + "TRACES_TIMEOUT": "1", p + "TIMEOUT": "9"}, time.Millisecond},
		{map[string]string{p + "TIMEOUT": "soon"}, 10 * time.Second},
	} {
		if _, got, err := newOTLPExporter(func(name string) string { return tt.env[name] }); err != nil || got != tt.want {
			t.Errorf("%v: %v, %v", tt.env, got, err)
		}
	}
}

// A collector that has no room for now is asked again, and nothing is lost.
func TestBusyCollector(t *testing.T) {
	b := &bench{answers: []answer{{status: 503}, {status: 429, header: map[string]string{"Retry-After": "1"}}, {status: 502}, {status: 200}}}
	server := httptest.NewServer(b)
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	if err := b.build(t); err != nil || len(b.told) > 0 || len(b.got) != 4 {
		t.Errorf("%v, told %q, after %d requests", err, b.told, len(b.got))
	}
}

// A collector that refuses is told of with its status, and asked no more; what
// it says is one short line.
func TestRefusingCollector(t *testing.T) {
	b := &bench{answers: []answer{{status: 404, body: "<html>\n\x1b[31m" + strings.Repeat("no such page\n", 1000)}}}
	server := httptest.NewServer(b)
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	err := b.build(t)
	if err == nil || !strings.HasPrefix(err.Error(), "6 of 6 spans were not delivered: ") || !strings.Contains(err.Error(), "404") || len(b.got) != 1 {
		t.Errorf("got %v after %d requests", err, len(b.got))
	}
	if err != nil && (len([]rune(err.Error())) > maxReason+50 || strings.ContainsAny(err.Error(), "\n\x1b")) {
		t.Errorf("told as %q", err)
	}
	if len(b.told) != 1 || !strings.Contains(b.told[0], "404") {
		t.Errorf("told %q", b.told)
	}
}

// A collector that does not answer holds the build up for as long as is said,
// and what is lost is told.
func TestHangingCollector(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "50")
	tr, err := StartTraces(TraceOptions{Version: "1", Recipe: "r"})
	if err != nil {
		t.Fatal(err)
	}
	course(t, tr)
	if err := tr.End(false); err == nil || !strings.HasPrefix(err.Error(), "6 of 6 spans were not delivered: ") {
		t.Errorf("got %v", err)
	}
}

// What comes faster than it can be sent is lost, counted, and holds nothing up.
func TestTooManySpans(t *testing.T) {
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")
	release := make(chan struct{})
	slow := &gate{keeper: keeper{InMemoryExporter: tracetest.NewInMemoryExporter()}, open: release}
	tr, err := StartTraces(TraceOptions{Version: "1", Recipe: "r", Exporter: slow})
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		course(t, tr)
	}
	close(release)
	err = tr.End(false)
	left := 402 - len(slow.spans)
	if want := fmt.Sprintf("%d of 402 spans were not delivered: more came than could be sent", left); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// gate lets nothing through until it is opened.
type gate struct {
	keeper
	open chan struct{}
}

func (g *gate) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	<-g.open
	return g.keeper.ExportSpans(ctx, spans)
}

// A collector that is not there loses spans, is told, and holds nothing up.
func TestNoCollector(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	var mu sync.Mutex
	told := 0
	tr, err := StartTraces(TraceOptions{Version: "1", Recipe: "r", Lost: func(error) {
		mu.Lock()
		defer mu.Unlock()
		told++
	}})
	if err != nil {
		t.Fatal(err)
	}
	course(t, tr)
	err = tr.End(false)
	mu.Lock()
	defer mu.Unlock()
	if err == nil || told != 1 || !strings.HasPrefix(err.Error(), "6 of 6 spans were not delivered: ") {
		t.Errorf("%v; told %d times", err, told)
	}
}
