package conformance

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
)

// cancel cancels a run whose models do not answer and whose input does not
// end: the component's functions must end, and the plugin must serve on.
func (c *checker) cancel(p *problems, k Case) {
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	silent := k
	silent.Models = func(ctx context.Context, _ Call) (sdk.Reply, error) {
		<-ctx.Done()
		return sdk.Reply{}, ctx.Err()
	}
	if err := c.begin(ctx, cancel, silent); err != nil {
		p.add("a run that is to be cancelled: %v", err)
		return
	}
	if c.opts.Busy != nil {
		for end := time.Now().Add(patience); c.opts.Busy() > 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				p.add("%d functions of the component go on %s after the run was cancelled; they must watch for it", c.opts.Busy(), patience)
				return
			}
		}
	}
	after, err := c.do(k, nil)
	switch {
	case err != nil:
		p.add("after a run was cancelled, the next one: %v", err)
	case after.Failure != nil || len(after.Diagnostics) > 0:
		p.add("after a run was cancelled, the next one fails: %v %v", after.Failure, after.Diagnostics)
	}
}

// begin starts a run, lets it get to work and cancels it.
func (c *checker) begin(ctx context.Context, cancel func(), k Case) error {
	dir, remove, err := c.tempDir()
	if err != nil {
		return err
	}
	defer remove()
	id, stop, err := c.peer.Serve(&fakeHost{models: k.Models})
	if err != nil {
		return err
	}
	defer stop()
	r := Run{Role: k.Role, Component: k.Component, Config: k.Config, WorkDir: dir}
	stream, err := r.begin(ctx, c.peer, id)
	if err != nil {
		return err
	}
	batch := &pluginpb.TaskBatch{}
	for i, row := range k.Rows {
		batch.Tasks = append(batch.Tasks, &pluginpb.Task{Seq: uint64(i), Row: []byte(row), Split: "train"})
	}
	if err := stream.Send(&pluginpb.RunRequest{Message: &pluginpb.RunRequest_Tasks{Tasks: batch}}); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	time.Sleep(20 * time.Millisecond) // let it get to work
	cancel()
	for err == nil {
		_, err = stream.Recv()
	}
	return nil
}
