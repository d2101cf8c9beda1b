package daemon

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"
)

// maxPageConns bounds the connections of one of the operator's addresses: every
// Pod reaches that of a controller, and the descriptors that it took would be
// missing for traffic.
const maxPageConns = 256

// crowd closes connections of an http.Server beyond a number: the one that has
// waited longest for a request, so that a probe, which asks at once, is served
// whoever else is there; when all are being served, the one that came last.
type crowd struct {
	most int

	mu      sync.Mutex                 // guards the following
	open    map[net.Conn]*list.Element // with its place in waiting, nil while it is served
	waiting list.List                  // of net.Conn, the one that waits longest in front
}

// count is http.Server.ConnState. A connection is active once the head of a
// request has been read.
func (c *crowd) count(conn net.Conn, state http.ConnState) {
	if out := c.next(conn, state); out != nil {
		if secure, ok := out.(*tls.Conn); ok {
			out = secure.NetConn() // whose goodbye could wait
		}
		out.Close()
	}
}

// next returns the connection that is to be closed, if one is. It does not count
// from then on.
func (c *crowd) next(conn net.Conn, state http.ConnState) (out net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	place, there := c.open[conn]
	if place != nil {
		c.waiting.Remove(place)
	}
	switch {
	case state == http.StateClosed, state == http.StateHijacked:
		delete(c.open, conn)
	case state == http.StateNew && len(c.open) >= c.most:
		oldest := c.waiting.Front()
		if oldest == nil {
			return conn
		}
		out, _ = c.waiting.Remove(oldest).(net.Conn)
		delete(c.open, out)
		c.add(conn)
	case state == http.StateNew, there && state == http.StateIdle:
		c.add(conn)
	case there:
		c.open[conn] = nil
	}
	return out
}

func (c *crowd) add(conn net.Conn) {
	if c.open == nil {
		c.open = make(map[net.Conn]*list.Element)
	}
	c.open[conn] = c.waiting.PushBack(conn)
}

// bodiless waits for no body: these requests have none that anybody reads, and
// net/http would wait for its end, for ever, as long as the connection is served.
func bodiless(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now()) // every server of ours has one
		}
		next.ServeHTTP(w, r)
	})
}
