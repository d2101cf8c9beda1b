package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"daemun/internal/fastcgi"
	"daemun/internal/ir"
)

// ErrUnresolved is in the chain of Dial's error when the name of an
// ExternalName endpoint has no usable address (§2.5: 503).
var ErrUnresolved = errors.New("name does not resolve")

// ErrRefused is in the chain of Dial's error when the dial filter refused the
// address (H10.2).
var ErrRefused = errors.New("address refused by the dial filter")

// Transport is how an endpoint is spoken to.
type Transport uint8

// The transports.
const (
	Plain Transport = iota
	TLS
	// FastCGI connections take records and give one response in HTTP/1 form.
	FastCGI
	// HTTP2 is cleartext with prior knowledge, HTTP2TLS is HTTP/2 over TLS.
	// With them requests are streams of shared connections: see Stream.
	HTTP2
	HTTP2TLS
	transports
)

// Multiplexed reports that requests share connections.
func (t Transport) Multiplexed() bool { return t >= HTTP2 }

// Endpoint is one address of a backend with its pool. It is safe for
// concurrent use and stays usable after it left its backend.
type Endpoint struct {
	backend *Backend
	spec    ir.Endpoint
	address string
	hash    uint64 // of the address
	key     string // of persistent affinity
	took    ewma

	active             atomic.Int64
	requests, failures atomic.Uint64

	mu      sync.Mutex          // guards the following
	idle    [transports][]*Conn // the last one is the youngest
	retired bool                // left its backend: nothing is pooled any more

	shared [transports]shared // of HTTP/2
}

func newEndpoint(b *Backend, spec ir.Endpoint) *Endpoint {
	e := &Endpoint{backend: b, spec: spec, address: spec.Addr.String()}
	if spec.Host != "" {
		e.address = net.JoinHostPort(spec.Host, strconv.Itoa(int(spec.Port)))
	}
	e.hash = Hash([]byte(e.address))
	e.key = keyOf("endpoint", string(b.id)+" "+e.address)
	return e
}

// Address is "address:port" (or "name:port") for people.
func (e *Endpoint) Address() string { return e.address }

// Begin counts an attempt, End its end.
func (e *Endpoint) Begin() {
	e.active.Add(1)
	e.requests.Add(1)
}

// End counts the end of an attempt; failed when no usable response came.
func (e *Endpoint) End(failed bool) {
	e.active.Add(-1)
	if failed {
		e.failures.Add(1)
	}
}

// Idle takes the youngest pooled connection that is still good: not closed by
// the peer, and without an octet that came while it was idle (H2.11). It
// returns nil when there is none.
func (e *Endpoint) Idle(t Transport) *Conn {
	for {
		e.mu.Lock()
		pool := e.idle[t]
		n := len(pool)
		if n == 0 {
			e.mu.Unlock()
			return nil
		}
		c := pool[n-1]
		pool[n-1] = nil
		e.idle[t] = pool[:n-1]
		e.mu.Unlock()
		e.backend.idle.Add(-1)
		if c.quiet() {
			c.requests++
			c.reused = true
			return c
		}
		c.close()
	}
}

// put pools a connection and reports whether it did.
func (e *Endpoint) put(c *Conn) bool {
	r := e.backend.registry
	most := r.pool.Load().Connections
	idle := int(e.backend.idle.Add(1))
	if idle > most && (most <= 0 || idle > most+surplusMost) {
		e.backend.idle.Add(-1)
		return false
	}
	e.mu.Lock()
	if e.retired {
		e.mu.Unlock()
		e.backend.idle.Add(-1)
		return false
	}
	e.idle[c.transport] = append(e.idle[c.transport], c)
	e.mu.Unlock()
	if !e.backend.watched.Load() {
		e.backend.watched.Store(true)
		r.watchIdle()
	}
	if idle > most {
		r.trimSoon()
	}
	return true
}

// retire closes the pool for good.
func (e *Endpoint) retire() {
	e.mu.Lock()
	e.retired = true
	idle := e.idle
	e.idle = [transports][]*Conn{}
	e.mu.Unlock()
	for t := range e.shared {
		e.shared[t].retire()
	}
	for _, pool := range idle {
		for _, c := range pool {
			e.backend.idle.Add(-1)
			c.close()
		}
	}
}

// sweep closes idle connections that are past their time or dead and returns
// how many are left.
func (e *Endpoint) sweep(now time.Time) (rest int) {
	var dead []*Conn
	limit := e.backend.registry.pool.Load().Idle.D()
	e.mu.Lock()
	for t, pool := range e.idle {
		kept := pool[:0]
		for _, c := range pool {
			if now.Sub(c.idleSince) < limit && c.quiet() {
				kept = append(kept, c)
			} else {
				dead = append(dead, c)
			}
		}
		clear(pool[len(kept):])
		e.idle[t] = kept
		rest += len(kept)
	}
	e.mu.Unlock()
	for _, c := range dead {
		e.backend.idle.Add(-1)
		c.close()
	}
	return rest
}

func (e *Endpoint) idleCount() (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, pool := range e.idle {
		n += len(pool)
	}
	return n
}

// Dial opens a fresh connection; timeout covers the name, the connection and
// the TLS handshake. The error is a net.Error with Timeout when that was the
// reason, or wraps ErrUnresolved or ErrRefused.
func (e *Endpoint) Dial(ctx context.Context, t Transport, timeout time.Duration) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tcp, err := e.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", e.address, err)
	}
	var conn net.Conn = tcp
	if t == TLS {
		config := e.backend.registry.config.TLS
		if own := e.backend.tls.Load(); own != nil {
			config = own
		}
		secure := tls.Client(tcp, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			tcp.Close()
			return nil, fmt.Errorf("TLS handshake with %s: %w", e.address, err)
		}
		conn = secure
	}
	if t == FastCGI {
		conn = fastcgi.NewConn(tcp)
	}
	return newConn(e, conn, tcp, t)
}

func (e *Endpoint) connect(ctx context.Context) (*net.TCPConn, error) {
	past := &e.backend.registry.past
	tcp, err := e.open(ctx)
	if err != nil {
		past.dialFailures.Add(1)
		return nil, err
	}
	past.dials.Add(1)
	return tcp, nil
}

func (e *Endpoint) open(ctx context.Context) (*net.TCPConn, error) {
	if e.spec.Host == "" {
		return e.dialAddr(ctx, e.spec.Addr)
	}
	addrs, err := e.resolve(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		var tcp *net.TCPConn
		if tcp, err = e.dialAddr(ctx, netip.AddrPortFrom(a, e.spec.Port)); err == nil {
			return tcp, nil
		}
	}
	return nil, err
}

// resolve returns the addresses of the Service that has the name, or the IPv4
// addresses of the name, or else the IPv6 ones.
func (e *Endpoint) resolve(ctx context.Context) ([]netip.Addr, error) {
	c := &e.backend.registry.config
	if c.Services != nil {
		if found := c.Services(e.spec.Host); len(found) > 0 {
			return found, nil
		}
	}
	for _, network := range []string{"ip4", "ip6"} {
		if network == "ip6" && e.backend.registry.ipv4Names.Load() {
			break
		}
		found, err := c.Resolver.LookupNetIP(ctx, network, e.spec.Host)
		if err != nil {
			continue
		}
		usable := found[:0:0]
		for _, a := range found {
			if a = a.Unmap(); c.AllowLoopbackNames || !a.IsLoopback() && !a.IsUnspecified() {
				usable = append(usable, a)
			}
		}
		if len(usable) > 0 {
			return usable, nil
		}
	}
	return nil, ErrUnresolved
}

func (e *Endpoint) dialAddr(ctx context.Context, a netip.AddrPort) (*net.TCPConn, error) {
	if filter := e.backend.registry.config.DialFilter; filter != nil {
		if err := filter(a); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrRefused, err)
		}
	}
	// Dialer.DialTCP would bind the socket first, to any address: the kernel then
	// looks for a port that nobody has, where connect finds one that is free
	// towards this address.
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", a.String())
	if err != nil {
		return nil, err
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		conn.Close()
		return nil, fmt.Errorf("connection to %s is no TCP socket", a)
	}
	return tcp, nil
}
