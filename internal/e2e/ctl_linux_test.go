package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// open counts a model's requests at an endpoint that are in its hands, and the
// most that were since it was last told to forget.
type open struct {
	mu        sync.Mutex
	now, most int
}

func (o *open) add(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now += n
	o.most = max(o.most, o.now)
}

func (o *open) forget() (most int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	most, o.most = o.most, o.now
	return most
}

// TestSteered pauses a build with its calls in flight, holds one of its models
// to fewer calls, and lets it go on: the endpoint sees that it is obeyed, and
// what comes of the build is what would have come of it.
func TestSteered(t *testing.T) {
	t.Parallel()
	sound := stubborn(t, start(t, llmtest.Options{Identity: firstAsked}), "")
	sound.mustBuild()
	var critic open
	begun, goOn := make(chan struct{}), make(chan struct{})
	n := 0
	server := start(t, llmtest.Options{Identity: firstAsked, Reply: func(r llmtest.Request) (llmtest.Reply, bool) {
		if r.Model == "critic" {
			critic.add(1)
			defer critic.add(-1)
			critic.mu.Lock()
			if n++; n == 1 {
				close(begun)
			}
			critic.mu.Unlock()
			<-goOn
		}
		return llmtest.Reply{}, false
	}})
	release := sync.OnceFunc(func() { close(goOn) })
	t.Cleanup(release)
	p := sound.at(t, server)
	run := filepath.Join(filepath.Dir(p.cache), "run")
	if err := os.Mkdir(run, 0o700); err != nil {
		t.Fatal(err)
	}
	p.env = append(p.env, "XDG_RUNTIME_DIR="+run)
	build := p.command("build", "-json", p.dir)
	var out bytes.Buffer
	build.Stdout, build.Stderr = &out, &out
	if err := build.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- build.Wait() }()
	t.Cleanup(func() { _ = build.Process.Kill() })
	select {
	case <-begun:
	case err := <-ended:
		t.Fatalf("%v\n%s", err, tail(out.String()))
	}
	ctl := func(args ...string) {
		t.Helper()
		if r := p.run(append([]string{"ctl"}, args...)...); r.code != 0 {
			t.Fatalf("ctl %v: exit %d\n%s", args, r.code, r.stderr)
		}
	}
	ctl("pause")
	ctl("limit", "critic", "2")
	release()
	// Whatever is in flight is answered, and nothing else is asked.
	inFlight := regexp.MustCompile(`"in_flight":[1-9][0-9]*,"waiting"`)
	eventually(t, "what was in flight is not answered", func() bool {
		r := p.run("ctl", "status", "-json")
		return r.code == 0 && !inFlight.MatchString(r.stdout)
	})
	asked := server.Calls()
	ctl("status")
	critic.forget()
	if now := server.Calls(); now != asked || asked >= 2*faultRows {
		t.Errorf("%d requests when it was paused, %d later", asked, now)
	}
	ctl("resume")
	if err := <-ended; err != nil {
		t.Fatalf("%v\n%s", err, tail(out.String()))
	}
	if most := critic.forget(); most < 1 || most > 2 {
		t.Errorf("%d requests for the model at a time, held to 2", most)
	}
	wantNothingLeft(t, p)
	sameFiles(t, p.dist(), sound.dist())
}
