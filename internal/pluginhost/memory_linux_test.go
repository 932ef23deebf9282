//go:build !race

package pluginhost

import (
	"testing"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/spec/schema"
)

// A row that takes all the memory that it can get fails alone. With the race
// detector, which takes terabytes of addresses, nothing is bounded.
func TestMemory(t *testing.T) {
	h := newHost(t, func(o *Options) { o.PluginMemory = 1 << 30 })
	ref := install(t, t.TempDir(), "hostile")
	out := runAll(t, h, engine.RunSpec{Address: "test", Plugin: ref, Role: schema.Simulator, Component: "try"}, texts("hog", "read /dev/null", "hog"))
	if out.err != nil || len(out.results) != 3 {
		t.Fatalf("%+v", out)
	}
	for seq, deadly := range []bool{true, false, true} {
		r := out.results[uint64(seq)]
		if deadly != (r.Err != nil && r.Err.Code == "plugin_crashed") {
			t.Errorf("row %d: %+v, %v", seq, r, r.Err)
		}
	}
}
