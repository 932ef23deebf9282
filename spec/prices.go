package spec

import (
	_ "embed" // the price list
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

//go:embed prices.csv
var priceList string

// priceDate is when the prices of prices.csv were published. It is shown
// beside every sum that rests on them.
const priceDate = "2026-04-13"

// Cost is what so many tokens cost, in US dollars. cached of the input tokens
// were known to the endpoint.
func (p Price) Cost(input, cached, output float64) float64 {
	cachedInput := p.Input
	if p.CachedInput != nil {
		cachedInput = *p.CachedInput
	}
	share := p.BatchShare
	if share == 0 {
		share = 1
	}
	return share * ((input-cached)*p.Input + cached*cachedInput + output*p.Output) / 1e6
}

// Priced says whether calls to the model cost anything, as far as is known.
func (m *Model) Priced() bool {
	return m.Price != nil && (m.Price.Input > 0 || m.Price.Output > 0) && m.Provider.Type != ProviderOffline
}

// listedPrice is the price of a model that OpenAI itself serves, from the
// checked-in list; nil for any other endpoint, whose prices are its own, and
// for a model that the list does not have. A dated name has the price of its
// model.
func listedPrice(m *Model) *Price {
	if m.Provider == nil || m.Provider.Type != ProviderOpenAI {
		return nil
	}
	u, err := url.Parse(m.Provider.BaseURL)
	if err != nil || u.Hostname() != "api.openai.com" {
		return nil
	}
	id := regexp.MustCompile(`-\d{4}-\d{2}-\d{2}$`).ReplaceAllString(m.ID, "")
	for line := range strings.Lines(priceList) {
		f := strings.Split(strings.TrimSpace(line), ",")
		if f[0] != id {
			continue
		}
		p := &Price{Input: dollars(f[1]), Output: dollars(f[3]), BatchShare: 1, Listed: priceDate}
		if f[2] != "" {
			cached := dollars(f[2])
			p.CachedInput = &cached
		}
		return p
	}
	return nil
}

// dollars reads a number of the list, which a test checks.
func dollars(text string) float64 {
	n, _ := strconv.ParseFloat(text, 64)
	return n
}
