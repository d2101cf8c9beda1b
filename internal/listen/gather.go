package listen

import (
	"crypto/tls"
	"net"
	"sync"
)

const (
	// record is the most that one record of TLS carries.
	record = 16 << 10
	// gatherSize is what leaves at once: four records with their overhead.
	gatherSize = 4 * (record + 64)
	// shortRecords is up to where crypto/tls makes short records on a new
	// connection, the first of them with firstRecord octets at least.
	shortRecords = 128 << 10
	firstRecord  = 1 << 10
)

// secureConn is a connection whose TLS ends here. crypto/tls writes each record
// by itself; those of one Write leave together, with one system call for four
// in place of four, and the client wakes up once.
type secureConn struct {
	*tls.Conn
	below   *gather
	written int // octets, up to shortRecords
}

// Write is as that of tls.Conn, which one goroutine calls at a time.
func (s *secureConn) Write(b []byte) (int, error) {
	least := record
	if s.written < shortRecords {
		least = firstRecord
		s.written += len(b)
	}
	if len(b) <= least { // one record
		return s.Conn.Write(b)
	}
	s.below.begin()
	n, err := s.Conn.Write(b)
	sent, lost := s.below.end()
	if lost != nil {
		err = lost
	}
	if err != nil {
		n = min(n, sent) // what was gathered may not have left
	}
	return n, err
}

// gather is the socket below a tls.Conn.
type gather struct {
	net.Conn
	pool *sync.Pool // of *[gatherSize]byte

	// mu guards the following. crypto/tls writes records one after the other,
	// but a goroutine that reads may write some, too.
	mu   sync.Mutex
	out  *[gatherSize]byte // nil: records are not gathered
	n    int               // octets of it
	sent int               // octets that left since begin
	lost error             // once octets have not left, nothing may follow them
}

// begin gathers what is written until end.
func (g *gather) begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.out, g.n, g.sent = g.pool.Get().(*[gatherSize]byte), 0, 0
}

// end sends the rest.
func (g *gather) end() (sent int, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.flush()
	g.pool.Put(g.out)
	g.out = nil
	return g.sent, g.lost
}

// flush sends what was gathered. The lock is held.
func (g *gather) flush() {
	if g.n == 0 || g.lost != nil {
		return
	}
	var n int
	n, g.lost = g.Conn.Write(g.out[:g.n])
	g.sent += n
	g.n = 0
}

// Write takes one or more records.
func (g *gather) Write(b []byte) (int, error) {
	g.mu.Lock()
	if g.out == nil && g.lost == nil {
		g.mu.Unlock()
		return g.Conn.Write(b)
	}
	defer g.mu.Unlock()
	if g.n+len(b) > gatherSize {
		g.flush()
	}
	switch {
	case g.lost != nil:
		return 0, g.lost
	case len(b) > gatherSize:
		var n int
		n, g.lost = g.Conn.Write(b)
		g.sent += n
		return n, g.lost
	}
	g.n += copy(g.out[g.n:], b)
	return len(b), nil
}

// NetConn returns what is below.
func (g *gather) NetConn() net.Conn { return g.Conn }

// CloseWrite sends the end.
func (g *gather) CloseWrite() error {
	if half, ok := g.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
