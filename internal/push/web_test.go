package push

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestRedirectedToken has an endpoint send requests on, to itself and to another
// port of the same machine. The token goes to the endpoint alone.
func TestRedirectedToken(t *testing.T) {
	var seen []string
	note := func(where string, r *http.Request) {
		said := where
		for _, name := range []string{"Authorization", "X-Amz-Security-Token"} {
			if r.Header.Get(name) != "" {
				said += " " + name
			}
		}
		seen = append(seen, said)
	}
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { note("other", r) }))
	defer other.Close()
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		note("endpoint", r)
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, other.URL+"/x", http.StatusTemporaryRedirect)
		case "/within":
			http.Redirect(w, r, "/x", http.StatusTemporaryRedirect)
		}
	}))
	defer endpoint.Close()
	w := newWeb(&Options{Wait: time.Millisecond}, "hf_secret", func() {})
	for _, tt := range []struct{ path, want string }{
		{"/away", "endpoint Authorization X-Amz-Security-Token, other"},
		{"/within", "endpoint Authorization X-Amz-Security-Token, endpoint Authorization X-Amz-Security-Token"},
	} {
		seen = nil
		_, err := w.do(t.Context(), request{
			method: http.MethodGet, url: endpoint.URL + tt.path, what: "trying", token: true,
			header: map[string]string{"X-Amz-Security-Token": "session"},
		})
		if got := strings.Join(seen, ", "); err != nil || got != tt.want {
			t.Errorf("%s: %s (%v), want %s", tt.path, got, err, tt.want)
		}
	}
}
