package pluginhost

import (
	"testing"

	"github.com/autosafe/autosafe/spec/schema"
)

// TestProgress hands on how far a component says that it is, made harmless.
func TestProgress(t *testing.T) {
	h := newHost(t, nil)
	run, err := h.Start(t.Context(), specOf(schema.Simulator, "tell", "{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	if err := run.Send(texts("a")); err != nil {
		t.Fatal(err)
	}
	ev, err := run.Recv()
	if err != nil || ev.Note == nil {
		t.Fatalf("it gives %+v, %v", ev, err)
	}
	if n := ev.Note; n.Text != "page \uFFFD[31m3" || n.Done != 3 || n.Total != 7 {
		t.Errorf("it says %+v", n)
	}
}
