package llm

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// failRow is a line of the table in docs/models-and-endpoints.md.
type failRow struct {
	what, code, requests, passing, ends string
}

// failTable reads the table below the heading "When a call fails".
func failTable(t *testing.T) []failRow {
	t.Helper()
	text, err := os.ReadFile("../../docs/models-and-endpoints.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## When a call fails\n")
	if !ok {
		t.Fatal("the section is gone")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var rows []failRow
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 5 || strings.Contains(line, "---") || strings.Contains(line, "| failure |") {
			continue
		}
		for i := range cells {
			cells[i] = strings.ReplaceAll(strings.TrimSpace(cells[i]), "`", "")
		}
		rows = append(rows, failRow{cells[0], cells[1], cells[2], cells[3], cells[4]})
	}
	return rows
}

// failure cases by the table's first column: each fault must come to what the
// line says.
func failCases(r *rig) map[string][]llmtest.Fault {
	status := func(codes ...int) (faults []llmtest.Fault) {
		for _, c := range codes {
			faults = append(faults, llmtest.Fault{Status: c})
		}
		return faults
	}
	says := func(status int, message, code string) llmtest.Fault {
		return llmtest.Fault{Status: status, Body: fmt.Sprintf(`{"error":{"message":%q,"code":%q}}`, message, code)}
	}
	choice := func(message, finish string) llmtest.Fault {
		return llmtest.Fault{Body: fmt.Sprintf(`{"choices":[{"message":%s,"finish_reason":%q}]}`, message, finish)}
	}
	return map[string][]llmtest.Fault{
		"connection closed before an answer":       {{Reset: true}},
		"no answer within timeout":                 {r.hangs()},
		"an answer that breaks off":                {{Cut: true}},
		"an answer that is no JSON, or half of it": {{Body: "<html>"}, {}, {Body: goodBody[:len(goodBody)-20]}},
		"an answer without choices":                {{Body: `{"choices":[]}`}, {Body: "null"}},
		"an answer without a finish_reason":        {{Body: strings.Replace(goodBody, `"stop"`, "null", 1)}},
		"an answer above 32 MiB":                   {{Body: strings.Repeat("x", maxReply+1)}},
		"a redirect to another host, or that changes the method": {
			{Status: 302, Header: map[string]string{"Location": "/v1/other"}},
			{Status: 307, Header: map[string]string{"Location": "http://elsewhere.example/"}},
		},
		"400, 422 and other 4xx":                     append(status(400, 422, 418), llmtest.Fault{Body: `{"error":{"message":"no such thing","code":400}}`}),
		"400 or 413 about the length of the request": {says(400, "maximum context length is 8192 tokens", "context_length_exceeded"), {Status: 413}},
		"400 or 403 by a content filter":             {says(400, "filtered", "content_filter"), says(403, "your input was flagged", "")},
		"401, 403":                                   status(401, 403),
		"402, or 429 that the credit is used up":     {{Status: 402}, says(429, "You exceeded your quota", "insufficient_quota")},
		"404":                                        status(404),
		"408, 409, 425":                              status(408, 409, 425),
		"429":                                        status(429),
		"500, 502, 504 and other 5xx":                append(status(500, 502, 504, 501), llmtest.Fault{Body: `{"error":{"message":"upstream is down","code":502}}`}),
		"503, 529":                                   status(503, 529),
		"finish_reason length":                       {choice(`{"content":"{\"reason\":\"x"}`, "length")},
		"finish_reason content_filter":               {choice(`{"content":""}`, "content_filter")},
		"a refusal by the model":                     {choice(`{"content":null,"refusal":"I cannot help."}`, "stop")},
		"a reply that does not fit the schema":       {choice(`{"content":"{\"reason\":1,\"label\":\"safe\"}"}`, "stop")},
		"a reply without JSON":                       {choice(`{"content":"well"}`, "stop")},
	}
}

// Each line of the documented table is true, and there is no failure that it
// leaves out.
func TestFailTable(t *testing.T) {
	rows := failTable(t)
	if len(rows) < 25 {
		t.Fatalf("the table has %d lines", len(rows))
	}
	done := map[string]bool{}
	for _, row := range rows {
		done[row.what] = true
		t.Run(row.what, func(t *testing.T) {
			r := newRig(t, llmtest.Options{})
			if reach, ok := unreachable(row.what); ok {
				reach(t, row)
				return
			}
			faults := failCases(r)[row.what]
			if len(faults) == 0 {
				t.Fatal("no case for this line")
			}
			for _, fault := range faults {
				r := newRig(t, llmtest.Options{})
				if fault.Hang {
					fault = r.hangs()
				}
				r.server.Reset(fault)
				checkFail(t, r, row)
				if got := r.server.Calls(); got != wantRequests(r, row) {
					t.Errorf("%d requests, want %s", got, row.requests)
				}
			}
		})
	}
	for what := range failCases(newRig(t, llmtest.Options{})) {
		if !done[what] {
			t.Errorf("the table has no line for: %s", what)
		}
	}
}

func wantRequests(r *rig, row failRow) int {
	switch row.requests {
	case "retries + 1":
		return r.model.Provider.Retries + 1
	case "reply_retries + 1":
		return r.model.ReplyRetries + 1
	}
	return 1
}

// checkFail makes one call and holds the failure to the line.
func checkFail(t *testing.T, r *rig, row failRow) {
	t.Helper()
	req := r.request("x")
	req.Schema = verdictSchema
	e := r.mustFail(req)
	wantEnd := row.ends == "yes" || strings.HasPrefix(row.ends, "if nothing ever")
	if !slices.Contains([]string{"yes", "no"}, row.passing) || !wantEnd && row.ends != "no" {
		t.Fatalf("the line cannot be read: %+v", row)
	}
	if string(e.Code) != row.code || e.Transient != (row.passing == "yes") || e.Fatal != wantEnd {
		t.Errorf("code %s, transient %v, fatal %v, want %+v: %s", e.Code, e.Transient, e.Fatal, row, e.Summary)
	}
}

// unreachable are the lines about endpoints that cannot be spoken to.
func unreachable(what string) (func(t *testing.T, row failRow), bool) {
	counted := func(set func(t *testing.T, r *rig) (dials func() int)) func(*testing.T, failRow) {
		return func(t *testing.T, row failRow) {
			r := newRig(t, llmtest.Options{})
			dials := set(t, r)
			checkFail(t, r, row)
			if got := int(r.tally.Retried.Load()) + 1; got != wantRequests(r, row) || dials() != got {
				t.Errorf("%d requests, %d attempts to connect, want %s", got, dials(), row.requests)
			}
		}
	}
	// refuse fails each attempt to connect as the network would.
	refuse := func(err error) func(*testing.T, *rig) func() int {
		return func(_ *testing.T, r *rig) func() int {
			n := 0
			r.connect(Options{Store: r.store, Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				n++
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
			})})
			return func() int { return n }
		}
	}
	server := func(start func(http.Handler) *httptest.Server, scheme string) func(*testing.T, *rig) func() int {
		return func(t *testing.T, r *rig) func() int {
			s := start(http.NotFoundHandler())
			t.Cleanup(s.Close)
			s.Config.ErrorLog = nil
			r.model.Provider.BaseURL = scheme + strings.TrimPrefix(strings.TrimPrefix(s.URL, "https"), "http")
			return func() int { return int(r.tally.Retried.Load()) + 1 }
		}
	}
	f, ok := map[string]func(*testing.T, *rig) func() int{
		"connection refused":                refuse(errors.New("connect: connection refused")),
		"the name of the host is not known": refuse(&net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}),
		"plain HTTP where TLS was expected": server(httptest.NewServer, "https"),
		"a certificate that is not valid":   server(httptest.NewTLSServer, "https"),
	}[what]
	return counted(f), ok
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
