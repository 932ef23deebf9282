package telemetry

import (
	"bytes"
	"context"
	"errors"
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
		b, err := io.ReadAll(r.Body)
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

// What the variables of OpenTelemetry say of where spans go.
func TestOTLPVariables(t *testing.T) {
	const p = "OTEL_EXPORTER_OTLP_"
	for _, tt := range []struct {
		env  map[string]string
		url  string // "": refused
		auth string
		wait time.Duration
	}{
		{nil, "http://localhost:4318/v1/traces", "", 10 * time.Second},
		{map[string]string{p + "ENDPOINT": "https://c:1/otlp/"}, "https://c:1/otlp/v1/traces", "", 10 * time.Second},
		{map[string]string{p + "ENDPOINT": "http://a", p + "TRACES_ENDPOINT": "http://b/x", p + "TIMEOUT": "250"}, "http://b/x", "", 250 * time.Millisecond},
		{map[string]string{p + "HEADERS": "a=1, authorization=Bearer%20k ,odd", p + "TRACES_TIMEOUT": "1", p + "TIMEOUT": "9"}, "http://localhost:4318/v1/traces", "Bearer k", time.Millisecond},
		{map[string]string{p + "HEADERS": "authorization=x", p + "TRACES_HEADERS": "authorization=y", p + "TIMEOUT": "soon"}, "http://localhost:4318/v1/traces", "y", 10 * time.Second},
		{map[string]string{p + "ENDPOINT": "localhost:4318"}, "", "", 0},
		{map[string]string{p + "ENDPOINT": "unix:///x"}, "", "", 0},
	} {
		e, err := newOTLPExporter(func(name string) string { return tt.env[name] })
		if (err == nil) != (tt.url != "") || err == nil && (e.url != tt.url || e.headers["authorization"] != tt.auth || e.client.Timeout != tt.wait) {
			t.Errorf("%v: %+v, %v", tt.env, e, err)
		}
	}
}

// A collector that refuses is told of with its status.
func TestRefusingCollector(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	e, err := newOTLPExporter(func(string) string { return server.URL })
	if err != nil {
		t.Fatal(err)
	}
	if err := e.ExportSpans(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("got %v", err)
	}
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
	if err == nil && told == 0 {
		t.Error("nobody was told")
	}
}
