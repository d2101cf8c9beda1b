package proxy

import (
	"bytes"
	"runtime/debug"
	"time"

	"daemun/internal/http1"
	"daemun/internal/tunnel"
	"daemun/internal/upstream"
)

// upgraded is what a 101 leaves to be done when all that led to it has
// returned.
type upgraded struct {
	up    *upstream.Conn // nil: nothing
	began time.Time      // of the attempt
}

// upgrade takes note of a 101.
func (x *exchange) upgrade(up *upstream.Conn) {
	x.keep = false
	x.upgraded.up = up
}

// carry is the life of an upgraded connection from its 101 on: it passes the
// 101 on and then octets both ways, until one side ends or neither sends
// anything for the route's read timeout (§5.8). A tunnel lives long, so its
// goroutine comes here with as little on its stack as it can, and may return
// while the tunnel goes on: then c.holders tells.
func (c *conn) carry() {
	defer c.containTunnel()
	x, up := &c.x, c.x.upgraded.up
	x.status, x.committed = 101, true
	if c.stream != nil {
		x.status = 200
		c.server.track(c) // to be seen by a drain
		defer c.server.untrack(c)
	}
	x.out = x.appendTunnelHead(x.out[:0])
	x.head = len(x.out)
	x.captureSent(x.out)
	in, out := int64(0), int64(0)
	if x.openTunnel() == nil {
		up.Reader.Unhold()
		x.dropPrefix()
		x.up, x.out = nil, nil // a tunnel lives long and needs none of them
		c.state.Store(stateTunnel)
		x.unbound()
		if x.handOver(up) {
			return
		}
		in, out = x.throughGoroutines(up)
		if c.stream != nil {
			_ = c.stream.WriteEnd(nil)
		}
	}
	c.use(nil)
	up.Discard()
	x.endTunnel(in, out)
}

// containTunnel is deferred by what runs for a tunnel: a panic costs no other
// (H6.20).
func (c *conn) containTunnel() {
	if r := recover(); r != nil {
		c.server.counters.panics.Add(1)
		c.server.logger.Error("panic in a tunnel", "panic", r, "stack", string(debug.Stack()))
		c.x.abandon()
	}
}

// endTunnel completes the exchange that has become a tunnel.
func (x *exchange) endTunnel(in, out int64) {
	c := x.c
	x.received += in
	x.written += out
	c.readBy, c.writeBy = time.Time{}, time.Time{}
	x.endAttempt(x.upgraded.began, failure{})
	x.upgraded = upgraded{}
	x.end()
	c.rd.Unhold()
}

// throughGoroutines has one goroutine for each direction, for tunnels in
// streams and to backends with TLS.
func (x *exchange) throughGoroutines(up *upstream.Conn) (in, out int64) {
	c := x.c
	t := &passage{client: c.nc, upstream: up.Conn, idle: x.match.Route.IR.ReadTimeout.D(), age: c.server.tunnelAge, start: time.Now(), server: c.server}
	c.passage.Store(t)
	defer c.passage.Store(nil)
	return t.run(&c.rd, &up.Reader)
}

// handOver has a loop carry the tunnel when both sides are sockets, the client's
// perhaps with TLS, and the listener lets go of the goroutine. The connection is then held
// by two, by who serves it and by the tunnel; the last one to leave ends it.
func (x *exchange) handOver(up *upstream.Conn) bool {
	c, s := x.c, x.c.server
	secure, _ := c.nc.(tunnel.Secure)
	client, backend := c.plain(), up.TCP()
	if secure != nil {
		client = c.tcp
	}
	if client == nil || backend == nil || c.info.Hold == nil {
		return false
	}
	c.holders.Store(2)
	t, ok := s.tunnels.Begin(tunnel.Pair{
		Client: client, Secure: secure, Upstream: backend, FromClient: c.rd.Buffered(), FromUpstream: up.Reader.Buffered(),
		Idle: x.match.Route.IR.ReadTimeout.D(), Age: s.tunnelAge, WriteIdle: s.writeIdle, Ended: c.tunnelEnded,
	})
	if !ok {
		c.holders.Store(0)
		return false
	}
	c.release = c.info.Hold()
	c.carried.Store(t)
	if c.severed.Load() { // before it could be cut
		t.Cut()
	}
	c.use(nil)
	up.Reader.Reset(nil)
	x.slim()
	return true
}

// slim drops what an exchange does not need while its tunnel lives; the log
// still needs the head of the request.
func (x *exchange) slim() {
	c := x.c
	x.upgraded.up = nil
	x.resp = http1.Response{Status: x.resp.Status}
	c.rd.Discard(len(c.rd.Buffered()))
	c.server.mu.Lock() // cut looks at the sockets
	c.nc, c.tcp, c.peer = nil, nil, peer{}
	c.server.mu.Unlock()
	head := bytes.Clone(c.rd.Held(int(x.received)))
	if head == nil || x.frame != nil || x.inspection != nil || x.traced.On || x.method != nil {
		return // they may have views of it
	}
	var req http1.Request
	if _, err := req.Parse(head, c.server.heads()); err != nil {
		return // by limits that are new
	}
	x.req = req
	x.host = bytes.Clone(x.host)
	x.match.Path = bytes.Clone(x.match.Path)
	x.origin = nil
	if x.table.Trust != nil {
		f := &x.from
		f.scheme, f.port, f.host, f.chain = bytes.Clone(f.scheme), bytes.Clone(f.port), bytes.Clone(f.host), bytes.Clone(f.chain)
	}
	c.rd.Reset(nil)
}

// tunnelEnded is called when both sockets are closed.
func (c *conn) tunnelEnded(*tunnel.Tunnel) {
	if c.holders.Add(-1) == 0 {
		c.endHeld()
	}
}

// endHeld ends a connection that has outlived its ServeConn.
func (c *conn) endHeld() {
	s, t, release := c.server, c.carried.Load(), c.release
	c.carried.Store(nil)
	c.release = nil
	ended := false
	defer release()
	defer func() {
		s.forget(c)
		if ended {
			c.end()
			s.conns.Put(c)
		}
	}()
	defer c.containTunnel()
	c.x.endTunnel(t.Octets())
	ended = true
}

// askToLeave has an upgraded connection say goodbye to its client.
func (c *conn) askToLeave() {
	if t := c.carried.Load(); t != nil {
		t.Leave()
	}
	if t := c.passage.Load(); t != nil {
		t.leave()
	}
}
