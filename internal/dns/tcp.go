package dns

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxQuery is the longest query taken over TCP. Nothing asks with more.
	maxQuery = 4096
	// maxOutstanding bounds the queries of one connection that wait for
	// upstreams; then the next one is read when one is answered.
	maxOutstanding = 16
)

type tcpListener struct {
	ln       *net.TCPListener
	local    netip.AddrPort
	counters *counters
}

// streams are the open TCP connections.
type streams struct {
	limit int

	mu     sync.Mutex
	open   map[*stream]struct{}
	from   map[netip.Addr]int
	closed bool
}

func newStreams(limit int) *streams {
	return &streams{limit: limit, open: map[*stream]struct{}{}, from: map[netip.Addr]int{}}
}

// stream is one TCP connection.
type stream struct {
	conn     *net.TCPConn
	peer     netip.Addr
	server   *Server
	counters *counters
	// last is when something was last read, in nanoseconds since the server
	// began: the clock of the wall may be set.
	last atomic.Int64
	// slots hold the queries that wait for upstreams.
	slots chan struct{}

	mu sync.Mutex // held while an answer is written
}

// add admits a connection, in the place of the one that is idle longest if
// there are too many.
func (t *streams) add(c *stream) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.from[c.peer] >= max(1, t.limit/4) {
		return false
	}
	if len(t.open) >= t.limit {
		var oldest *stream
		for o := range t.open {
			if oldest == nil || o.last.Load() < oldest.last.Load() {
				oldest = o
			}
		}
		t.forget(oldest)
		oldest.conn.Close()
	}
	t.open[c] = struct{}{}
	t.from[c.peer]++
	return true
}

func (t *streams) remove(c *stream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(c)
}

// forget takes a connection out. The caller holds mu.
func (t *streams) forget(c *stream) {
	if _, ok := t.open[c]; !ok {
		return
	}
	delete(t.open, c)
	if t.from[c.peer]--; t.from[c.peer] == 0 {
		delete(t.from, c.peer)
	}
}

func (t *streams) closeAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for c := range t.open {
		c.conn.Close()
	}
}

func (t *streams) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.open)
}

func (s *Server) startTCP(l *tcpListener) {
	s.tasks.Go(func() { s.acceptTCP(l) })
}

func (s *Server) acceptTCP(l *tcpListener) {
	for {
		conn, err := l.ln.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			if !s.pause() {
				return
			}
			continue
		}
		peer, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
		c := &stream{conn: conn, peer: peer.Addr(), server: s, counters: l.counters, slots: make(chan struct{}, maxOutstanding)}
		c.last.Store(int64(s.now().Sub(s.began)))
		if !s.streams.add(c) {
			conn.Close()
			continue
		}
		s.tasks.Go(c.serve)
	}
}

// serve answers the queries of a connection, in any order (RFC 7766 6.2.1.1),
// until the client is done or too slow.
func (c *stream) serve() {
	defer c.server.streams.remove(c)
	defer c.conn.Close()
	in := bufio.NewReaderSize(c.conn, 2048)
	var buf [maxQuery]byte
	q := &query{}
	for {
		msg, err := c.read(in, buf[:])
		if err != nil || !c.answer(q, msg) {
			return
		}
	}
}

// read returns the next query. The client has one idle time for all of it.
func (c *stream) read(in *bufio.Reader, buf []byte) ([]byte, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(c.server.config.IdleTimeout)); err != nil {
		return nil, err
	}
	var head [2]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(head[:]))
	if n < headerSize || n > len(buf) {
		return nil, errMessage
	}
	if _, err := io.ReadFull(in, buf[:n]); err != nil {
		return nil, err
	}
	c.last.Store(int64(c.server.now().Sub(c.server.began)))
	return buf[:n], nil
}

// answer answers one query, or has it answered later.
func (c *stream) answer(q *query, msg []byte) bool {
	what := answered
	err := c.write(func(buf []byte) []byte {
		var answer []byte
		answer, what = c.server.respond(c.counters, q, msg, buf, maxTCP)
		return answer
	})
	switch {
	case err != nil || what == dropped:
		return false
	case what == answered:
		return true
	}
	select {
	case c.slots <- struct{}{}:
	case <-c.server.closing.Done():
		return false
	}
	c.server.forward.ask(q, c, c.counters)
	return true
}

// deliver writes an answer that comes later, in a goroutine of its own, because
// a client may be slow to take it; slots bound their number.
func (c *stream) deliver(write func([]byte) []byte) {
	c.server.tasks.Go(func() { // called by a task, so Run still waits
		defer func() { <-c.slots }()
		if err := c.write(write); err != nil {
			c.conn.Close()
		}
	})
}

func (c *stream) address() netip.Addr { return c.peer.Unmap() }

// tcpBuffer holds the longest message and its length.
type tcpBuffer [2 + maxTCP]byte

// write sends what makes returns, unless that is nothing.
func (c *stream) write(makes func([]byte) []byte) error {
	buf, _ := c.server.buffers.Get().(*tcpBuffer)
	if buf == nil {
		buf = new(tcpBuffer)
	}
	defer c.server.buffers.Put(buf)
	msg := makes(buf[2:])
	if len(msg) == 0 {
		return nil
	}
	binary.BigEndian.PutUint16(buf[:], uint16(len(msg)))
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.conn.SetWriteDeadline(time.Now().Add(c.server.config.IdleTimeout)); err != nil {
		return err
	}
	_, err := c.conn.Write(buf[:2+len(msg)])
	return err
}
