// Package passthrough carries TLS connections to backends without ending their
// TLS (ssl-passthrough).
//
//	s := passthrough.New(passthrough.Config{Table: &table})
//	listener, err := listen.Listen(ctx, listen.Config{…, Passthrough: s})
//	…
//	err = s.Shutdown(ctx)
//
// It turns a server name into the backend of the host that the router has for
// it, and copies octets, by the kernel, both ways. It knows nothing of HTTP and
// of what is in the octets. A connection has the goroutine of its listener and
// one more for the way back.
package passthrough

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"daemun/internal/canonical"
	"daemun/internal/listen"
	"daemun/internal/policy"
	"daemun/internal/table"
	"daemun/internal/upstream"
)

const (
	// connectTime is for one endpoint (ingress-nginx's proxy-connect-timeout),
	// maxTries bounds how many are tried.
	connectTime = 5 * time.Second
	maxTries    = 3
	// cutOff is how long cut connections have to unwind.
	cutOff = 5 * time.Second
)

// Config is what a Server works with.
type Config struct {
	// Table is read once per connection. Required.
	Table *atomic.Pointer[table.Table]
}

// Server carries connections. It is safe for concurrent use.
type Server struct {
	table *atomic.Pointer[table.Table]

	carried, refused, failed, shed atomic.Uint64
	// leastIdle is how long a connection has been silent that gives way.
	leastIdle time.Duration

	mu sync.Mutex // guards the following
	// open are all sockets, clients those of them to clients that are carried.
	open, clients map[*net.TCPConn]struct{}
	empty         chan struct{} // closed when open is empty; nil while nobody waits
	over          bool          // all were cut, and so is who comes late
}

// Stats counts connections since the start.
type Stats struct {
	// Open counts sockets, those to backends too.
	Open int
	// Carried reached a backend, Refused were not allowed to, and for Failed
	// there was no endpoint that could be connected to.
	Carried, Refused, Failed uint64
	// Shed were silent, and gave way to others.
	Shed uint64
}

// New returns a server without connections.
func New(c Config) *Server {
	return &Server{table: c.Table, leastIdle: leastIdle, open: map[*net.TCPConn]struct{}{}, clients: map[*net.TCPConn]struct{}{}}
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{Open: len(s.open), Carried: s.carried.Load(), Refused: s.refused.Load(), Failed: s.failed.Load(), Shed: s.shed.Load()}
}

// On reports whether there may be hosts whose TLS is not ended here; otherwise
// nobody need look into handshakes.
func (s *Server) On() bool {
	t := s.table.Load()
	return t != nil && t.Settings.Passthrough
}

// Takes reports whether the host of a server name is passed through. The host
// is found as for a request (H7.3).
func (s *Server) Takes(name string) bool { return s.host(name) != nil }

func (s *Server) host(name string) *table.Host {
	host, ok := canonical.HostString(name)
	t := s.table.Load()
	if !ok || t == nil {
		return nil
	}
	if h, _ := t.HostFor([]byte(host)); h.IR.Passthrough {
		return h
	}
	return nil
}

// Serve carries one connection, whose first octets are hello, and closes it.
func (s *Server) Serve(c *net.TCPConn, name string, hello []byte, info listen.ConnInfo) {
	defer c.Close()
	h := s.host(name)
	if h == nil { // meanwhile it is served in another way: the client may come again
		return
	}
	r := h.Passthrough
	if r == nil || r.IR.Denied != 0 || s.table.Load().Block.BlocksClient(info.Remote.Addr()) ||
		r.Policies != nil && r.Policies.Access != nil && r.Policies.Access.Judge(info.Remote.Addr()) == policy.Refused {
		s.refused.Add(1)
		return
	}
	if !s.track(c) { // also while there is no backend yet: Shutdown cuts it
		return
	}
	defer s.untrack(c)
	up, end := s.connect(r.Backend)
	if up == nil {
		s.failed.Add(1)
		return
	}
	defer end()
	s.carried.Add(1)
	if !s.track(up) {
		return
	}
	defer s.untrack(up)
	if _, err := up.Write(hello); err != nil {
		return
	}
	if !s.carries(c) {
		return
	}
	carry(c, up)
}

// connect dials endpoints until one can be connected to. end gives the
// connection up.
func (s *Server) connect(b *upstream.Backend) (tcp *net.TCPConn, end func()) {
	if b == nil {
		return nil, nil
	}
	var tried []*upstream.Endpoint
	for range maxTries {
		ep := b.Pick(tried)
		if ep == nil {
			return nil, nil
		}
		tried = append(tried, ep)
		ep.Begin()
		up, err := ep.Dial(context.Background(), upstream.Plain, connectTime)
		if err == nil {
			return up.TCP(), func() { up.Discard(); ep.End(false) }
		}
		ep.End(true)
	}
	return nil, nil
}

// carry copies both ways until both ends have ended. A side that fails takes the
// other one along: half an answer must not look like a whole one.
func carry(client, backend *net.TCPConn) {
	var back sync.WaitGroup
	back.Go(func() { pass(client, backend) })
	pass(backend, client)
	back.Wait()
}

func pass(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil || to.CloseWrite() != nil {
		_ = to.SetLinger(0) // a reset: what failed did not end
		_ = from.SetLinger(0)
		to.Close()
		from.Close()
	}
}

func (s *Server) track(c *net.TCPConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.open[c] = struct{}{}
	}
	return !s.over
}

func (s *Server) untrack(c *net.TCPConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
	delete(s.clients, c)
	if len(s.open) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

// Shutdown waits for the connections that there are, and cuts those that are
// left when ctx ends, with all that come later; it then returns ctx's error.
// Its listener is closed by then.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if len(s.open) == 0 {
		s.over = s.over || ctx.Err() != nil
		s.mu.Unlock()
		return nil
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	done := s.empty
	s.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	s.over = true
	for c := range s.open {
		_ = c.SetLinger(0) // a reset: half an answer must not look whole
		c.Close()
	}
	s.mu.Unlock()
	late := time.NewTimer(cutOff)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
		return errors.Join(ctx.Err(), errors.New("connections that are passed through did not end"))
	}
	return ctx.Err()
}

var _ listen.Passthrough = (*Server)(nil)
