package control

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Running is a build that can be steered.
type Running struct {
	Status   Status // when it was found, or after the last request
	path     string
	patience time.Duration // for an answer
}

// Find gives the user's running builds that have called a model, in order of
// process. A build answers at once, unless it is suspended; those that do not
// in the time given, now or later, are counted.
func Find(ctx context.Context, dir string, patience time.Duration) (list []*Running, silent int, err error) {
	paths, err := sockets(dir)
	if err != nil {
		return nil, 0, err
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, path := range paths {
		wg.Go(func() {
			r := &Running{path: path, patience: patience}
			err := r.ask(ctx, http.MethodGet, "status", nil)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				list = append(list, r)
			case errors.Is(err, context.DeadlineExceeded):
				silent++
			}
		})
	}
	wg.Wait()
	slices.SortFunc(list, func(a, b *Running) int { return cmp.Compare(a.Status.PID, b.Status.PID) })
	return list, silent, nil
}

// Pause begins no further call.
func (r *Running) Pause(ctx context.Context) error {
	return r.ask(ctx, http.MethodPost, "pause", struct{}{})
}

// Resume goes on after Pause.
func (r *Running) Resume(ctx context.Context) error {
	return r.ask(ctx, http.MethodPost, "resume", struct{}{})
}

// Limit holds a model to so many calls at a time; 0 is what the recipe says.
func (r *Running) Limit(ctx context.Context, model string, n int) error {
	return r.ask(ctx, http.MethodPost, "limit", LimitRequest{model, n})
}

// Stop ends the build.
func (r *Running) Stop(ctx context.Context, now bool) error {
	return r.ask(ctx, http.MethodPost, "stop", StopRequest{now})
}

// maxStatus bounds an answer, in bytes.
const maxStatus = 16 << 20

// ask sends a request and takes the status that it answers with.
func (r *Running) ask(ctx context.Context, method, what string, body any) error {
	ctx, cancel := context.WithTimeout(ctx, r.patience)
	defer cancel()
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://build/v1/"+what, bytes.NewReader(b))
	if err != nil {
		return err
	}
	t := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", r.path)
	}}
	defer t.CloseIdleConnections()
	resp, err := t.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("the build does not answer: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxStatus))
	if err != nil {
		return fmt.Errorf("the build's answer was cut off: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var p problem
		if json.Unmarshal(text, &p) != nil || p.Error == "" {
			p.Error = "the build answered " + resp.Status
		}
		return errors.New(p.Error)
	}
	var s Status
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("the build's answer cannot be read: %w", err)
	}
	r.Status = s
	return nil
}
