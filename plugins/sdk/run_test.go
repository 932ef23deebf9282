package sdk

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
)

// emptyStream is a run with no rows.
type emptyStream struct{ ctx context.Context }

func (s emptyStream) Context() context.Context          { return s.ctx }
func (emptyStream) Send(*pluginpb.RunResponse) error    { return nil }
func (emptyStream) Recv() (*pluginpb.RunRequest, error) { return nil, io.EOF }

// TestSinkEndsWithRun: an output whose run is called off as it ends shares
// nothing with the run any more. The race detector decides.
func TestSinkEndsWithRun(t *testing.T) {
	var busy atomic.Int64
	for range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		r := &runner{
			stream: emptyStream{ctx}, start: &pluginpb.Start{WorkDir: t.TempDir()},
			log: hclog.NewNullLogger(), busy: &busy,
		}
		err := r.sink(instance{sink: func(_ context.Context, rows *RowReader, _ *Dir) error {
			if _, err := rows.Next(); !errors.Is(err, io.EOF) {
				return err
			}
			cancel()
			return nil
		}})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the run ended with %v", err)
		}
		for busy.Load() > 0 {
			time.Sleep(time.Millisecond)
		}
	}
}
