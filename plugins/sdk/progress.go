package sdk

import (
	"context"
	"slices"

	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/plugins/sdk/transport"
)

// Progress shows the user how far a long piece of work is: a few words, and
// how much of how much is done, or 0 and 0. It may be called as often as one
// likes, with the context that the component's function was given: only the
// last word is shown, and only by hosts that know how. It is in no result and
// in no key.
func Progress(ctx context.Context, note string, done, total int) {
	if s, ok := ctx.Value(progressKey{}).(*sender); ok {
		s.note(&pluginpb.Progress{Note: clip(note), Done: uint64(max(done, 0)), Total: uint64(max(total, 0))})
	}
}

type progressKey struct{}

// watched lets a component tell how far it is, where the host shows that.
func (r *runner) watched(ctx context.Context, out *sender) context.Context {
	if !slices.Contains(r.start.GetHost().GetNames(), transport.CapabilityProgress) {
		return ctx
	}
	return context.WithValue(ctx, progressKey{}, out)
}
