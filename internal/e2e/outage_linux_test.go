package e2e

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// gateway stands before an endpoint and can go down.
type gateway struct {
	t        testing.TB
	listener *net.TCPListener
	to       string // the endpoint

	mu      sync.Mutex
	isDown  bool
	conns   map[net.Conn]struct{}
	dropped int // connections while down
	until   int // it comes back after so many; 0: when up is called
}

// newGateway starts a gateway before a server. Close it before the server.
func newGateway(t testing.TB, server *llmtest.Server) *gateway {
	t.Helper()
	listener := listenFixed(t)
	to, _, _ := strings.Cut(strings.TrimPrefix(server.URL(), "http://"), "/")
	g := &gateway{
		t: t, listener: listener, to: to, conns: map[net.Conn]struct{}{},
	}
	var serving sync.WaitGroup
	serving.Go(g.serve)
	t.Cleanup(func() {
		_ = g.listener.Close()
		g.hangUp()
		serving.Wait()
	})
	return g
}

// listenFixed listens on a port that was asked for by its number: the system
// takes any other back as soon as nobody listens there.
func listenFixed(t testing.TB) *net.TCPListener {
	t.Helper()
	for range 100 { // somebody else may be given the number first
		free, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = free.Close()
		if l, err := net.Listen("tcp", free.Addr().String()); err == nil {
			return l.(*net.TCPListener)
		}
	}
	t.Fatal("no port stays free")
	return nil
}

func (g *gateway) url() string { return "http://" + g.listener.Addr().String() + "/v1" }

func (g *gateway) serve() {
	var joined sync.WaitGroup
	defer joined.Wait()
	for {
		// A socket that stopped listening tells nobody that it does again.
		_ = g.listener.SetDeadline(time.Now().Add(20 * time.Millisecond))
		conn, err := g.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // it does not listen, or nobody came
			time.Sleep(time.Millisecond)
			continue
		}
		if g.drop(conn) {
			continue
		}
		joined.Go(func() { g.join(conn) })
	}
}

// drop hangs up on who comes while the gateway is down.
func (g *gateway) drop(conn net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.isDown {
		g.conns[conn] = struct{}{}
		return false
	}
	g.dropped++
	g.isDown = g.dropped < g.until
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
	return true
}

// join hands everything on, both ways.
func (g *gateway) join(client net.Conn) {
	defer func() {
		g.mu.Lock()
		delete(g.conns, client)
		g.mu.Unlock()
		_ = client.Close()
	}()
	server, err := net.Dial("tcp", g.to)
	if err != nil {
		return
	}
	defer server.Close()
	var up sync.WaitGroup
	up.Go(func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	})
	_, _ = io.Copy(client, server)
	_ = client.Close()
	up.Wait()
}

// hangUp breaks all connections.
func (g *gateway) hangUp() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for conn := range g.conns {
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
}

// downFor hangs up on everybody, and on the next n who come.
func (g *gateway) downFor(n int) {
	g.mu.Lock()
	g.isDown, g.until = true, n
	g.mu.Unlock()
	g.hangUp()
}

// down hangs up on everybody and refuses connections, as a machine does on
// which the server is not running. The port stays its own.
func (g *gateway) down() {
	g.onSocket(func(fd int) error { return syscall.Shutdown(fd, syscall.SHUT_RDWR) })
	g.hangUp()
}

// up takes connections again.
func (g *gateway) up() {
	g.onSocket(func(fd int) error { return syscall.Listen(fd, 128) })
}

func (g *gateway) onSocket(do func(fd int) error) {
	raw, err := g.listener.SyscallConn()
	if err == nil {
		if cerr := raw.Control(func(fd uintptr) { err = do(int(fd)) }); cerr != nil {
			err = cerr
		}
	}
	if err != nil {
		g.t.Error(err)
	}
}

// behind starts an endpoint that does something to the gateway before it at
// its n-th request.
func behind(t testing.TB, n int, do func(*gateway)) (*llmtest.Server, *gateway) {
	t.Helper()
	var g *gateway
	ready := make(chan struct{})
	server := start(t, llmtest.Options{Identity: firstAsked, Reply: func(r llmtest.Request) (llmtest.Reply, bool) {
		<-ready
		if r.N == n {
			do(g)
		}
		return llmtest.Reply{}, false
	}})
	g = newGateway(t, server)
	close(ready)
	return server, g
}

// TestOutage takes an endpoint down in the middle of a build, for as long as
// it takes to be tried a number of times. The build waits for it, finishes
// every row and gives what it would have given.
func TestOutage(t *testing.T) {
	t.Parallel()
	sound := stubborn(t, start(t, llmtest.Options{Identity: firstAsked}), "")
	sound.mustBuild()
	for _, tries := range []int{1, 7, 12} {
		server, g := behind(t, 60, func(g *gateway) { g.downFor(tries) })
		p := sound.at(t, server)
		p.env = append(p.env, "OPENAI_BASE_URL="+g.url())
		got := p.mustBuild().sum
		g.mu.Lock()
		dropped, down := g.dropped, g.isDown
		g.mu.Unlock()
		if dropped != tries || down {
			t.Errorf("%d connections were dropped, want %d", dropped, tries)
		}
		// What was on its way when the connections broke is asked again.
		if asked := server.Calls(); got.Calls.Made != 2*faultRows || got.Calls.Failed != 0 || asked > 2*faultRows+16 {
			t.Errorf("%d calls were made and %d lost, in %d requests", got.Calls.Made, got.Calls.Failed, asked)
		}
		wantNothingLeft(t, p)
		sameFiles(t, p.dist(), sound.dist())
	}
}

// TestOutageEndsTheBuild takes an endpoint down for longer than the recipe
// allows. The build ends and says why; the next one goes on where it was.
func TestOutageEndsTheBuild(t *testing.T) {
	t.Parallel()
	sound := stubborn(t, start(t, llmtest.Options{Identity: firstAsked}), `  outage   = "1s"`)
	sound.mustBuild()
	server, g := behind(t, 60, (*gateway).down)
	p := sound.at(t, server)
	p.env = append(p.env, "OPENAI_BASE_URL="+g.url())
	first := p.build()
	if first.code != 1 || !strings.Contains(first.stdout, "does not answer") {
		t.Errorf("exit %d:\n%s", first.code, tail(first.stdout))
	}
	wantNothingLeft(t, p)
	before := server.Calls()
	g.up()
	second := p.mustBuild()
	if made := first.sum.Calls.Made + second.sum.Calls.Made; made != 2*faultRows || second.sum.Calls.Made != int64(server.Calls()-before) {
		t.Errorf("%d calls were made, then %d in %d requests; want %d in all", first.sum.Calls.Made, second.sum.Calls.Made, server.Calls()-before, 2*faultRows)
	}
	sameFiles(t, p.dist(), sound.dist())
}

// TestReplicas gives a model two endpoints, one of which is dead from the
// start, or dies in the middle and stays dead: the other does the work, and
// what comes of it is what one endpoint alone would have given.
func TestReplicas(t *testing.T) {
	t.Parallel()
	sound := stubborn(t, start(t, llmtest.Options{Identity: firstAsked}), `  identity = "pool"`)
	sound.mustBuild()
	for _, tt := range []struct {
		name string
		at   int // request at which the other dies; 0: it never lived
	}{{"dead from the start", 0}, {"dies", 20}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dying, g := behind(t, tt.at, (*gateway).down)
			if tt.at == 0 {
				g.down()
			}
			p := sound.at(t, start(t, llmtest.Options{Identity: firstAsked}))
			p.env = append(p.env, "OTHER_BASE_URL="+g.url())
			p.edit(recipe, "model \"critic\"", `provider "openai" "other" {
  base_url = env("OTHER_BASE_URL")
  api_key  = env("OPENAI_API_KEY")
  retries  = 50
  identity = "pool"
  limits {
    concurrency = 8
  }
}

model "critic"`)
			p.write(recipe, strings.ReplaceAll(p.read(recipe), "= provider.openai.main", "= [provider.openai.main, provider.openai.other]"))
			got := p.mustBuild().sum
			if st := got.step(t, "judge.rubric.clarity"); st.RowsOut != faultRows || st.RowsFailed != 0 {
				t.Errorf("%d rows, %d failed: %v", st.RowsOut, st.RowsFailed, st.Failed)
			}
			// What was on its way as it died is asked of the other.
			asked := p.server.Calls() + dying.Calls()
			if got.Calls.Made != 2*faultRows || got.Calls.Failed != 0 || asked < 2*faultRows || asked > 2*faultRows+16 {
				t.Errorf("%d calls made, %d failed; %d requests to one endpoint, %d to the other", got.Calls.Made, got.Calls.Failed, p.server.Calls(), dying.Calls())
			}
			wantNothingLeft(t, p)
			sameFiles(t, p.dist(), sound.dist())
			p.write(recipe, sound.read(recipe)) // one endpoint alone, with the same answers
			if again := p.mustBuild().sum; again.Calls.Made != 0 {
				t.Errorf("another endpoint of that identity makes %d calls again", again.Calls.Made)
			}
		})
	}
}
