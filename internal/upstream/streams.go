package upstream

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"sync"
	"time"

	"daemun/internal/http1"
	"daemun/internal/http2"
)

// shared is the HTTP/2 connections to an endpoint, over one transport. Requests
// are streams of the first one that has room; another is dialled when none has.
type shared struct {
	mu      sync.Mutex
	conns   []*http2.Conn
	dialing chan struct{} // closed when the dial that runs is over; nil without
	retired bool          // the endpoint has left: connections are for one request
}

// Stream opens a place for one request on an HTTP/2 connection, dialling one if
// need be; fresh asks for a connection that no request has used. Errors are
// those of Dial.
func (e *Endpoint) Stream(ctx context.Context, t Transport, timeout time.Duration, fresh bool) (*Conn, error) {
	p := &e.shared[t]
	if !fresh {
		p.mu.Lock()
		c := p.reserve(e)
		p.mu.Unlock()
		if c != nil {
			return c, nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for !fresh {
		p.mu.Lock()
		c, running := p.reserve(e), p.dialing
		if c == nil && running == nil {
			p.dialing = make(chan struct{})
			p.mu.Unlock()
			defer p.dialled()
			break
		}
		p.mu.Unlock()
		if c != nil {
			return c, nil
		}
		select {
		case <-running: // by another request: it may have room for this one
		case <-ctx.Done():
			return nil, fmt.Errorf("connect to %s: %w", e.address, ctx.Err())
		}
	}
	return e.dialShared(ctx, t, p)
}

// dialled ends the dial that others wait for.
func (p *shared) dialled() {
	p.mu.Lock()
	close(p.dialing)
	p.dialing = nil
	p.mu.Unlock()
}

// reserve takes a place on a connection there is, nil if none has one. The lock
// is held.
func (p *shared) reserve(e *Endpoint) *Conn {
	for _, hc := range p.conns {
		if st, err := hc.Reserve(); err == nil {
			return newStreamConn(e, st, true)
		}
	}
	return nil
}

// dialShared opens a connection and takes its first place.
func (e *Endpoint) dialShared(ctx context.Context, t Transport, p *shared) (*Conn, error) {
	tcp, err := e.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", e.address, err)
	}
	r := e.backend.registry
	config := r.http2Config()
	source := &http1.Reader{First: http2Read}
	if t == HTTP2TLS {
		secure := tls.Client(tcp, r.config.http2TLS)
		if err := secure.HandshakeContext(ctx); err != nil {
			tcp.Close()
			return nil, fmt.Errorf("TLS handshake with %s: %w", e.address, err)
		}
		if got := secure.ConnectionState().NegotiatedProtocol; got != "" && got != "h2" {
			secure.Close()
			return nil, fmt.Errorf("%s speaks %q over TLS, not HTTP/2", e.address, got)
		}
		source.Reset(secure)
		return e.share(http2.NewClient(secure, source, config), source, p)
	}
	source.Reset(tcp)
	return e.share(http2.NewClient(tcp, source, config), source, p)
}

// http2Read is the first read of an HTTP/2 connection: a frame with its head.
const http2Read = 16<<10 + 64

// share lets requests use a connection and runs it.
func (e *Endpoint) share(hc *http2.Conn, source *http1.Reader, p *shared) (*Conn, error) {
	st, err := hc.Reserve()
	if err != nil {
		return nil, err
	}
	p.add(hc)
	e.backend.registry.running.Go(func() {
		hc.Run()
		source.Reset(nil)
		p.drop(hc)
	})
	return newStreamConn(e, st, false), nil
}

// add makes a connection one that others may use. Those that take no stream any
// more end with their last one: a server that allows none would otherwise have
// one more with each request.
func (p *shared) add(hc *http2.Conn) {
	p.mu.Lock()
	var useless []*http2.Conn
	p.conns = slices.DeleteFunc(p.conns, func(c *http2.Conn) bool {
		if !c.TakesNothing() {
			return false
		}
		useless = append(useless, c)
		return true
	})
	if !p.retired {
		p.conns = append(p.conns, hc)
	}
	p.mu.Unlock()
	for _, c := range useless {
		c.CloseIdle()
	}
}

// drop forgets a connection that has ended.
func (p *shared) drop(hc *http2.Conn) {
	p.mu.Lock()
	p.conns = slices.DeleteFunc(p.conns, func(c *http2.Conn) bool { return c == hc })
	p.mu.Unlock()
}

// retire ends the connections when their streams have ended.
func (p *shared) retire() {
	p.mu.Lock()
	conns := p.conns
	p.conns, p.retired = nil, true
	p.mu.Unlock()
	for _, hc := range conns {
		hc.CloseIdle()
	}
}

const (
	// silence is how long a server may send nothing while requests wait before
	// it is asked by a PING, and how long it then has.
	silence = 15 * time.Second
	// writeIdle is how long it may take nothing.
	writeIdle = 60 * time.Second
)

// http2Config bounds connections to backends: their heads as those of HTTP/1
// (H6.3). A backend that makes no progress costs its request, not the
// connection.
func (r *Registry) http2Config() http2.Config {
	limits := http2.DefaultLimits()
	limits.HeadBytes, limits.Fields, limits.Continuations = 64<<10, 200, 16
	limits.StallBytes = 0
	pool := r.pool.Load()
	limits.Age = pool.Age.D()
	return http2.Config{Limits: limits, Idle: pool.Idle.D(), HeadTime: silence, WriteIdle: writeIdle}
}

// newStreamConn makes what a request uses of a stream.
func newStreamConn(e *Endpoint, st *http2.Stream, reused bool) *Conn {
	c := &Conn{Conn: st, stream: st, endpoint: e, requests: 1, reused: reused}
	c.Reader.Reset(st)
	return c
}

// Stream returns the stream when the connection is one, nil else. It is
// released with the connection.
func (c *Conn) Stream() *http2.Stream { return c.stream }

// end gives the stream back. It is reset unless both sides have ended it.
func (c *Conn) end(code http2.Code) {
	c.Reader.Reset(nil)
	c.stream.Release(code)
}
