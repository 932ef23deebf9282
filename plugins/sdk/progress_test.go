package sdk

import (
	"context"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/plugins/sdk/transport"
)

// TestProgress sends how far a component is to a host that asks for it, and
// nothing to another.
func TestProgress(t *testing.T) {
	for _, names := range [][]string{{transport.CapabilityProgress}, {"other"}, nil} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		sent := make(chan *pluginpb.RunResponse)
		s := newSender(ctx, cancel, func(m *pluginpb.RunResponse) error {
			select {
			case sent <- m:
			case <-ctx.Done():
			}
			return nil
		})
		r := &runner{start: &pluginpb.Start{Host: &pluginpb.Capabilities{Names: names}}}
		ctx = r.watched(ctx, s)
		if names == nil || names[0] != transport.CapabilityProgress {
			Progress(ctx, "reading", 1, 2)
			if len(s.notes) > 0 {
				t.Errorf("a host that shows %q was told", names)
			}
			continue
		}
		Progress(ctx, "reading", 1, 2)
		if p := (<-sent).GetProgress(); p.GetNote() != "reading" || p.GetDone() != 1 || p.GetTotal() != 2 {
			t.Errorf("it sent %v", p)
		}
		for range 100 { // nobody takes them, and it does not wait
			Progress(ctx, "reading", -1, -1)
		}
		if p := (<-sent).GetProgress(); p.GetDone() != 0 || p.GetTotal() != 0 {
			t.Errorf("it sent %v", p)
		}
	}
	Progress(t.Context(), "nobody listens", 0, 0)
}
