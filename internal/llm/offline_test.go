package llm

import (
	"testing"

	"github.com/autosafe/autosafe/internal/llm/offline"
	"github.com/autosafe/autosafe/spec"
)

// TestOfflineIdentity holds the identity that the language gives the offline
// provider, which row keys rest on, to the version of the offline model.
func TestOfflineIdentity(t *testing.T) {
	p := &spec.Provider{Type: spec.ProviderOffline, Seed: 7}
	if want := "offline/" + offline.Version + " seed=7"; p.Identity() != want {
		t.Errorf("identity is %q, want %q: rows made by another version of the offline model would be taken for its own", p.Identity(), want)
	}
}
