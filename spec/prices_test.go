package spec

import (
	"strconv"
	"strings"
	"testing"
)

func TestPriceList(t *testing.T) {
	seen := map[string]bool{}
	for line := range strings.Lines(priceList) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, ",")
		if len(f) != 4 || f[0] == "" || seen[f[0]] {
			t.Fatalf("%q is no price, or a second one", line)
		}
		seen[f[0]] = true
		for i, text := range f[1:] {
			if n, err := strconv.ParseFloat(text, 64); (err != nil || n <= 0) && (i != 1 || text != "") {
				t.Errorf("%q: %q is no price", line, text)
			}
		}
		if f[2] != "" && dollars(f[2]) >= dollars(f[1]) {
			t.Errorf("%q: known input costs no less", line)
		}
	}
	if !strings.Contains(priceList, priceDate) {
		t.Errorf("the list is not of %s", priceDate)
	}
}

func TestListedPrice(t *testing.T) {
	openAI := &Provider{Type: ProviderOpenAI, BaseURL: defaultBaseURL}
	for _, tt := range []struct {
		name     string
		id       string
		provider *Provider
		input    float64
	}{
		{"by name", "gpt-4o-mini", openAI, 0.15},
		{"dated", "gpt-4o-mini-2024-07-18", openAI, 0.15},
		{"another model of that stem", "gpt-4o-mini-audio", openAI, 0},
		{"unknown", "gpt-99", openAI, 0},
		{"comment", "#", openAI, 0},
		{"another endpoint", "gpt-4o-mini", &Provider{Type: ProviderOpenAI, BaseURL: "http://127.0.0.1:1/v1"}, 0},
		{"azure", "gpt-4o-mini", &Provider{Type: ProviderAzure, BaseURL: defaultBaseURL}, 0},
		{"offline", "gpt-4o-mini", &Provider{Type: ProviderOffline}, 0},
	} {
		got := listedPrice(&Model{ID: tt.id, Provider: tt.provider})
		switch {
		case got == nil && tt.input != 0, got != nil && got.Input != tt.input:
			t.Errorf("%s: %+v, want %v", tt.name, got, tt.input)
		case got != nil && got.Listed != priceDate:
			t.Errorf("%s: listed %q", tt.name, got.Listed)
		}
	}
}

func TestPriceCost(t *testing.T) {
	half := 0.5
	for _, tt := range []struct {
		name                  string
		price                 Price
		input, cached, output float64
		want                  float64
	}{
		{"plain", Price{Input: 1, Output: 10}, 2e6, 0, 1e6, 12},
		{"cached as input", Price{Input: 1, Output: 10}, 2e6, 1e6, 0, 2},
		{"cached", Price{Input: 1, Output: 10, CachedInput: &half}, 2e6, 1e6, 1e6, 11.5},
		{"batch", Price{Input: 1, Output: 10, BatchShare: 0.5}, 2e6, 0, 1e6, 6},
	} {
		if got := tt.price.Cost(tt.input, tt.cached, tt.output); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
