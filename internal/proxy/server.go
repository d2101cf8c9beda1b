// Package proxy carries one request from its parsed head to the finished
// response, and a client connection from its first octet to its end.
//
//	s := proxy.New(proxy.Config{Table: &table, Log: log, Logger: logger})
//	listener.Serve(ctx, s) // calls s.ServeConn for each connection
//	…
//	err := s.Shutdown(ctx)
//
// It turns requests into upstream requests and upstream responses into
// responses, after the routes of the table that is live when the head is
// complete (H11.1). What happens to a request, and in which order, is exchange.run
// in steps.go. It knows nothing of Kubernetes, sockets options or how tables are
// made.
//
// Each connection has the goroutine of its ServeConn, and with HTTP/2 one for
// each request; a request whose body is streamed has one more until the body
// ended. The octets of an upgraded connection are carried by package tunnel, or
// by one more goroutine where that cannot be. Nothing allocates for a plain
// request in steady state.
package proxy

import (
	"cmp"
	"context"
	crand "crypto/rand"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"daemun/internal/accesslog"
	"daemun/internal/http1"
	"daemun/internal/http2"
	"daemun/internal/listen"
	"daemun/internal/spool"
	"daemun/internal/table"
	"daemun/internal/tap"
	"daemun/internal/trace"
	"daemun/internal/tunnel"
)

// Config is what a Server works with.
type Config struct {
	// Table is read once per request. Before the first table is stored all
	// requests get 503. Required.
	Table *atomic.Pointer[table.Table]
	// Log receives one entry per request; nil writes none.
	Log *accesslog.Log
	// Tap is shown every finished request; nil is nobody.
	Tap *tap.Tap
	// Logger tells of panics; nil says nothing.
	Logger *slog.Logger
	// Spans takes what is recorded of requests that are in traces; nil records
	// nothing.
	Spans trace.Sink
	// Places knows where clients are; nil knows nothing.
	Places Places
	// RequestLimits and ResponseLimits bound heads and chunk lines; zero
	// values are the defaults of package http1.
	RequestLimits, ResponseLimits http1.Limits
	// HTTP2 bounds HTTP/2 connections; the zero value is the defaults of
	// package http2.
	HTTP2 http2.Limits
	// SecurePort is the port that redirects to https name where they name one;
	// 0 is 443.
	SecurePort uint16
	// Spool keeps bodies that are buffered; nil is a new one.
	Spool *spool.Pool
	// CleartextHTTP2 serves clients without TLS that begin with the preface of
	// HTTP/2 (prior knowledge).
	CleartextHTTP2 bool
}

// Server serves client connections. It is safe for concurrent use.
type Server struct {
	table   *atomic.Pointer[table.Table]
	log     *accesslog.Log
	tap     *tap.Tap
	logger  *slog.Logger
	spans   trace.Sink
	places  Places
	request http1.Limits
	backend http1.Limits
	http2   http2.Limits
	spool   *spool.Pool
	// cleartextHTTP2 is as in Config.
	cleartextHTTP2 bool
	securePort     uint16

	pages pages
	date  dateCache
	conns sync.Pool // of *conn
	// pieces are buffers for bodies and tunnels.
	pieces   sync.Pool // of *piece
	longs    sync.Pool // of *longPiece
	services sync.Pool // of *serviceCall

	began time.Time
	// Set by New, changed by tests only.
	tunnelAge time.Duration
	writeIdle time.Duration
	bodyGrace time.Duration
	headGrace time.Duration
	bodyRate  int64

	// parting: each response is the last of its connection. draining: nobody
	// is waited for that has no request, either.
	parting, draining atomic.Bool
	// refusing: memory is short, and requests are answered 503.
	refusing atomic.Bool
	// held is how many requests wait for the rate of a zone.
	held atomic.Int32

	counters counters
	mirrors  mirrors
	tunnels  *tunnel.Group

	mu    sync.Mutex // guards the following
	open  map[*conn]struct{}
	empty chan struct{} // closed when open is empty while draining; nil before
}

// New returns a server without connections.
func New(c Config) *Server {
	s := &Server{table: c.Table, log: c.Log, tap: c.Tap, logger: c.Logger, spans: c.Spans, places: c.Places, request: c.RequestLimits, backend: c.ResponseLimits, spool: c.Spool}
	if s.spool == nil {
		s.spool = spool.New(spool.Config{})
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if s.request == (http1.Limits{}) {
		s.request = http1.RequestLimits()
	}
	if s.backend == (http1.Limits{}) {
		s.backend = http1.ResponseLimits()
	}
	s.http2, s.cleartextHTTP2 = c.HTTP2, c.CleartextHTTP2
	s.securePort = cmp.Or(c.SecurePort, 443)
	if s.http2 == (http2.Limits{}) {
		s.http2 = http2.DefaultLimits()
	}
	s.tunnelAge, s.writeIdle, s.bodyGrace, s.bodyRate = maxTunnelAge, writeIdle, leastRateAfter, leastRate
	s.headGrace = slowHead
	s.pages, s.began = newPages(), time.Now()
	s.open = make(map[*conn]struct{})
	s.pieces.New = func() any { return new(piece) }
	s.longs.New = func() any { return new(longPiece) }
	s.services.New = newServiceCall
	s.tunnels = tunnel.NewGroup(tunnel.Config{Logger: s.logger, Panicked: func() { s.counters.panics.Add(1) }})
	s.conns.New = func() any {
		var seed [32]byte
		_, _ = crand.Read(seed[:]) // never fails
		c := &conn{server: s, random: rand.NewChaCha8(seed), sent: make(chan error, 1)}
		c.x.c, c.onReset = c, c.cancel
		return c
	}
	return s
}

// heads are the limits of request heads that hold now.
func (s *Server) heads() *http1.Limits {
	if t := s.table.Load(); t != nil && t.Heads != nil {
		return t.Heads
	}
	return &s.request
}

// ServeConn serves the requests of one connection and closes it.
func (s *Server) ServeConn(nc net.Conn, info listen.ConnInfo) {
	c := s.conns.Get().(*conn)
	c.begin(nc, info)
	s.mu.Lock()
	s.open[c] = struct{}{}
	s.mu.Unlock()
	c.serial = s.counters.accepted.Add(1)
	ended := false
	defer func() {
		if c.release != nil { // a tunnel
			if c.holders.Add(-1) == 0 {
				c.endHeld()
			}
			return
		}
		s.forget(c) // after a panic, too: Shutdown waits for it
		if ended {
			c.end()
			s.conns.Put(c)
		}
	}()
	c.serve()
	ended = true
}

// forget takes a connection that has ended off the list.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	delete(s.open, c)
	if s.empty != nil && len(s.open) == 0 {
		close(s.empty)
		s.empty = nil
	}
	s.mu.Unlock()
	s.counters.requests.Add(c.requests.Load())
}

// track puts a stream on the list of connections, untrack takes it off.
func (s *Server) track(c *conn) {
	s.mu.Lock()
	s.open[c] = struct{}{}
	s.mu.Unlock()
}

func (s *Server) untrack(c *conn) {
	s.mu.Lock()
	delete(s.open, c)
	s.mu.Unlock()
}

// idles notes since when the connection waits for a request.
func (c *conn) idles(now time.Time) { c.idleSince.Store(int64(now.Sub(c.server.began))) }

// ShedIdle closes the connection that has waited longest for a request, or else
// for the rest of one that comes slowly, and reports whether there was one (H6.13).
func (s *Server) ShedIdle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	var oldest *conn
	for c := range s.open {
		if c.state.Load() == stateIdle && (oldest == nil || c.idleSince.Load() < oldest.idleSince.Load()) {
			oldest = c
		}
	}
	if oldest != nil {
		return oldest.shed()
	}
	return s.shedSlow()
}

// shedSlow closes the connection whose request head has been arriving for
// longest: who sends it octet by octet must not keep others out. The lock is held.
func (s *Server) shedSlow() bool {
	var slowest *conn
	since := int64(time.Since(s.began) - s.headGrace)
	for c := range s.open {
		if slow := c.slow.Load(); slow > 0 && slow <= since {
			slowest, since = c, slow
		}
	}
	if slowest == nil || !slowest.slow.CompareAndSwap(since, gaveWay) {
		return false
	}
	slowest.cut()
	return true
}

// ShedAllIdle closes every connection that waits for a request.
func (s *Server) ShedAllIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		if c.state.Load() == stateIdle {
			c.shed()
		}
	}
}

// Refuse answers requests with 503, or no longer; health pages stay (H6.19).
func (s *Server) Refuse(on bool) { s.refusing.Store(on) }

// drained waits for the last connection and reports whether it ended before
// ctx. A little before the deadline of ctx WebSockets are told to go (H11.5).
func (s *Server) drained(ctx context.Context, done <-chan struct{}) bool {
	var late <-chan time.Time
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		timer := time.NewTimer(left - min(farewell, left/2))
		defer timer.Stop()
		late = timer.C
	}
	for {
		select {
		case <-done:
			return true
		case <-ctx.Done():
			return false
		case <-late:
			s.mu.Lock()
			for c := range s.open {
				c.askToLeave()
			}
			s.mu.Unlock()
		}
	}
}

// Part asks clients to go elsewhere and takes nothing from them: every response
// from now on is the last of its connection, says so, and an idle connection
// may still send the request that the response belongs to. So no request ever
// meets a connection that is being closed. Shutdown ends what is left.
func (s *Server) Part() {
	s.parting.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		if h := c.http2.Load(); h != nil {
			h.Drain()
		}
	}
}

// cutOff is how long forced connections have to unwind.
const cutOff = 5 * time.Second

// Shutdown closes idle connections, lets running requests finish with
// Connection: close, and closes what is left, tunnels too, when ctx ends; it
// then returns ctx's error. Connections handed to ServeConn afterwards get one
// request each.
func (s *Server) Shutdown(ctx context.Context) error {
	s.parting.Store(true)
	s.draining.Store(true)
	s.mu.Lock()
	done := s.empty
	if done == nil {
		done = make(chan struct{})
		s.empty = done
	}
	for c := range s.open {
		c.wake()
	}
	if len(s.open) == 0 {
		close(done)
		s.empty = nil
	}
	s.mu.Unlock()
	defer s.mirrors.close()
	if s.drained(ctx, done) {
		return nil
	}
	s.mu.Lock()
	for c := range s.open {
		c.cut()
	}
	s.mu.Unlock()
	late := time.NewTimer(cutOff)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
	}
	return ctx.Err()
}
