package contain

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// dialTimeout is how long a granted place may take to answer.
const dialTimeout = 30 * time.Second

// carrier carries the connections of a program to the places that it was
// granted. Names are looked up here, outside.
type carrier struct {
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu   sync.Mutex
	open map[io.Closer]bool // nil: closed
}

func newCarrier() *carrier {
	c := &carrier{open: map[io.Closer]bool{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// hold notes what is to be closed in the end; it closes it at once if that was.
func (c *carrier) hold(what io.Closer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		_ = what.Close()
		return false
	}
	c.open[what] = true
	return true
}

func (c *carrier) drop(what io.Closer) {
	_ = what.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, what)
}

// carry carries what comes to a listener.
func (c *carrier) carry(l net.Listener, to Target) {
	if !c.hold(l) {
		return
	}
	c.work.Go(func() {
		defer c.drop(l)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if c.hold(conn) {
				c.work.Go(func() { c.connect(conn, to, func(err error) error { return err }) })
			}
		}
	})
}

// connect carries one connection until both of its sides have ended. Opened is
// told whether the place could be reached.
func (c *carrier) connect(inner net.Conn, to Target, opened func(error) error) {
	defer c.drop(inner)
	dialer := net.Dialer{Timeout: dialTimeout}
	outer, err := dialer.DialContext(c.ctx, "tcp", net.JoinHostPort(to.Host, to.Port))
	if oerr := opened(err); err == nil && oerr != nil {
		_ = outer.Close()
		return
	}
	if err != nil || !c.hold(outer) {
		return // the program sees its connection end
	}
	defer c.drop(outer)
	var sides sync.WaitGroup
	sides.Go(func() { pour(outer, inner) })
	sides.Go(func() { pour(inner, outer) })
	sides.Wait()
}

// pour copies to the end and passes that on.
func pour(to, from net.Conn) {
	_, _ = io.Copy(to, from) // either side may break off
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// close ends all connections. It may be called twice, and of a nil carrier.
func (c *carrier) close() {
	if c == nil {
		return
	}
	c.cancel()
	c.mu.Lock()
	list := c.open
	c.open = nil
	c.mu.Unlock()
	for what := range list {
		_ = what.Close()
	}
	c.work.Wait()
}
