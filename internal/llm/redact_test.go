package llm

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec"
)

const oddKey = `sk-od"d/k<ey=0123456789`

// An endpoint that echoes what it was sent must not get the key into an
// error, a note or the store.
func TestEchoedSecrets(t *testing.T) {
	bodies := map[string]func(h http.Header) (int, string){
		"plain": func(h http.Header) (int, string) { return 400, h.Get("Authorization") + h.Get("X-Team") },
		"json":  func(h http.Header) (int, string) { return 400, fmt.Sprintf(`{"error":{"message":%q}}`, h) },
		"html":  func(h http.Header) (int, string) { return 500, fmt.Sprint("<pre>", h, "</pre>") },
		"401": func(h http.Header) (int, string) {
			return 401, fmt.Sprintf(`{"error":{"message":"bad key %s","code":%q}}`, strings.ReplaceAll(oddKey, `"`, `\"`), oddKey)
		},
		"split":  func(http.Header) (int, string) { return 400, oddKey[:5] + "\x00" + oddKey[5:] },
		"query":  func(http.Header) (int, string) { return 400, url.QueryEscape(oddKey) },
		"base64": func(http.Header) (int, string) { return 400, base64.StdEncoding.EncodeToString([]byte(oddKey)) },
		"content": func(h http.Header) (int, string) {
			return 200, strings.Replace(goodBody, `"fine"`, fmt.Sprintf("%q", h.Get("Authorization")), 1)
		},
		"model": func(h http.Header) (int, string) {
			return 200, strings.Replace(goodBody, `"m"`, fmt.Sprintf("%q", h.Get("Authorization")), 1)
		},
		"unfit": func(h http.Header) (int, string) { return 200, strings.Replace(goodBody, "fine", "{", 1) },
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				status, text := body(req.Header)
				w.Header().Set("Location", "http://x/"+req.Header.Get("Authorization"))
				w.WriteHeader(status)
				fmt.Fprint(w, text)
			}))
			defer server.Close()
			r := newRig(t, llmtest.Options{})
			r.model.Provider.BaseURL = server.URL
			r.model.Provider.APIKey = spec.NewSecret(oddKey)
			r.model.Provider.Headers = map[string]string{"X-Team": "team-secret-9876", "X-Short": "ab"}
			reply, err := r.complete(r.request("x"))
			all := fmt.Sprintf("%+v %v %q", reply, err, r.notes)
			for _, v := range r.store.values {
				all += string(v)
			}
			for _, secret := range []string{oddKey, "0123456789", "team-secret", url.QueryEscape(oddKey), base64.StdEncoding.EncodeToString([]byte(oddKey))} {
				if strings.Contains(all, secret) {
					t.Errorf("%q is in %s", secret, all)
				}
			}
		})
	}
}

func TestRedactor(t *testing.T) {
	r := newRedactor(&spec.Provider{
		APIKey: spec.NewSecret("test"), BaseURL: "http://u:hunter2hunter2@h/v1",
		Headers: map[string]string{"X-Api-Key": "Token abcdefghijklmnop", "HTTP-Referer": "https://example.com/our-app"},
	})
	a := Answer{Content: "a test of https://example.com/our-app\n\x1b with abcdefghijklmnop", ToolCalls: []AnswerCall{{"i", "n", `{"p":"hunter2hunter2"}`}}}
	r.answer(&a)
	if a.Content != "a test of https://example.com/our-app\n\x1b with (sensitive)" || a.ToolCalls[0].Arguments != `{"p":"(sensitive)"}` {
		t.Errorf("an answer became %+v", a)
	}
	if got := r.text("a test of https://example.com/our-app"); got != "a (sensitive) of (sensitive)" {
		t.Errorf("an error became %q", got)
	}
	prefix := newRedactor(&spec.Provider{APIKey: spec.NewSecret("abcd"), Headers: map[string]string{"X": "abcd-efgh"}})
	if got := prefix.text("abcd-efgh"); got != "(sensitive)" {
		t.Errorf("a secret that begins another left %q", got)
	}
}

func TestPlain(t *testing.T) {
	tests := map[string]string{
		"a\n\tb  c\r":            "a b c",
		"\x1b[31mred\x1b[0m":     "[31mred[0m",
		"a\u202eb\u200bc\x00":    "abc",
		"bad \xff utf-8 \u0085x": "bad \uFFFD utf-8 x",
	}
	for in, want := range tests {
		if got := plain(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	long := redactor{replacer(nil, 1), replacer(nil, 1)}.text(strings.Repeat("é", 1000))
	if utf8.RuneCountInString(long) != maxDetail || !strings.HasSuffix(long, "…") {
		t.Errorf("%d runes", utf8.RuneCountInString(long))
	}
}

// The credentials of a proxy are taken out of what is told, in the forms that an
// echo gives them.
func TestProxySecrets(t *testing.T) {
	basic := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for address, secrets := range map[string][]string{
		"http://us%40er:p%3Ass-word@proxy:8080": {"p:ss-word", "p%3Ass-word", basic("us@er:p:ss-word")},
		"http://token-0123456789@proxy:8080":    {"token-0123456789", basic("token-0123456789:")},
	} {
		r := newRedactor(&spec.Provider{Proxy: spec.NewSecret(address)})
		for _, secret := range secrets {
			if got := r.text("said " + secret + " to it"); strings.Contains(got, secret) {
				t.Errorf("%s: %q", address, got)
			}
		}
	}
}
