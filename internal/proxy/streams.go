package proxy

import (
	"bytes"
	"io"
	"net"
	"strings"
	"time"

	"daemun/internal/canonical"
	"daemun/internal/http1"
	"daemun/internal/http2"
	"daemun/internal/upstream"
)

// An HTTP/2 connection is a conn that serves no exchange of its own: each of
// its streams gets a conn from the pool, whose nc is the stream. Heads are
// read and built in HTTP/1 form, as for any other exchange; package http2
// turns them into field sections. What differs is here: how heads and bodies
// leave, and how an exchange ends.

// http2Source is the least first read of an HTTP/2 connection: a frame with its
// head.
const http2Source = 16<<10 + 64

// leastIdle is how long an HTTP/2 connection waits for a request even where
// connections are not to be kept: the first one has to arrive.
const leastIdle = time.Second

// speaksHTTP2 reports that the TLS handshake agreed on HTTP/2.
func (c *conn) speaksHTTP2() bool { return c.secure && c.info.TLS.NegotiatedProtocol == "h2" }

// preface is how much of HTTP/2's preface tells it from any HTTP/1 request.
var preface = []byte(http2.Preface)[:len("PRI * HTTP/2.0\r\n")]

// beginsHTTP2 reports that a head that was not understood is the preface of
// HTTP/2, with prior knowledge (RFC 9113 §3.3).
func (c *conn) beginsHTTP2() bool {
	if !c.server.cleartextHTTP2 || c.secure || c.stream != nil || c.requests.Load() > 0 || !bytes.HasPrefix(c.rd.Buffered(), preface) {
		return false
	}
	t := c.server.table.Load()
	return t == nil || !t.Settings.HTTP2Off
}

// serveHTTP2 is the connection's life when it speaks HTTP/2.
func (c *conn) serveHTTP2() {
	config := http2.Config{
		Limits: c.server.http2, Handler: streamHandler{c}, Secure: c.secure,
		Idle: 75 * time.Second, HeadTime: 60 * time.Second, WriteIdle: c.server.writeIdle,
	}
	if t := c.server.table.Load(); t != nil {
		config.Idle, config.HeadTime = max(t.Settings.KeepAlive.D(), leastIdle), t.Settings.HeaderTimeout.D()
		if t.Heads != nil {
			config.Limits.HeadBytes = t.Heads.Head
		}
		if t.Settings.HTTP2Streams > 0 {
			config.Limits.Streams = t.Settings.HTTP2Streams
		}
		// Who wants connections to stay for longer means those of HTTP/2, too.
		config.Limits.Total = max(config.Limits.Total, t.Settings.KeepAliveRequests)
	}
	c.rd.First = http2Source
	c.idles(time.Now())
	c.state.CompareAndSwap(stateActive, stateIdle) // it was waiting for the preface
	h := http2.NewServer(c.nc, &c.rd, config)
	c.http2.Store(h)
	if c.state.Load() == stateClosing || c.server.parting.Load() { // began before h was there
		h.Drain()
	}
	h.Serve()
	c.http2.Store(nil)
	c.rd.First = 0
}

// streamHandler serves the streams of a connection.
type streamHandler struct{ c *conn }

func (h streamHandler) Busy(busy bool) {
	if busy {
		h.c.state.Store(stateActive)
		return
	}
	h.c.idles(time.Now())
	h.c.state.CompareAndSwap(stateActive, stateIdle)
}

func (h streamHandler) ServeStream(st *http2.Stream) {
	s := h.c.server
	c := s.conns.Get().(*conn)
	c.beginStream(h.c, st)
	st.OnReset(c.onReset)
	c.serveRequest()
	if c.x.upgraded.up != nil {
		c.carry()
	}
	st.StopReset()
	s.counters.requests.Add(1)
	c.end()
	s.conns.Put(c)
}

// beginStream makes c ready for one stream of a connection.
func (c *conn) beginStream(of *conn, st *http2.Stream) {
	c.nc, c.stream, c.info, c.secure = st, st, of.info, of.secure
	c.shown.copy(&of.shown)
	c.serial, c.began = of.serial, of.began
	c.rd.Reset(st)
	c.readBy, c.writeBy = time.Time{}, time.Time{}
	c.state.Store(stateActive)
	c.severed.Store(false)
	c.requests.Store(0)
}

// use notes the upstream connection that is in use, nil for none. When it
// returns, nobody aborts the one before any more: it may go back to its pool.
func (c *conn) use(up *upstream.Conn) {
	if c.stream == nil {
		c.upstream.Store(up)
		return
	}
	c.cancelling.Lock()
	c.upstream.Store(up)
	c.cancelling.Unlock()
}

// cancel ends the work for a stream that was reset (H5.11).
func (c *conn) cancel() {
	c.cancelling.Lock()
	defer c.cancelling.Unlock()
	if up := c.upstream.Load(); up != nil {
		up.Abort()
	}
}

// cancelled reports that the exchange's stream was reset.
func (c *conn) cancelled() bool { return c.stream != nil && c.stream.Gone() }

// gone reports that nobody waits for the response any more.
func (c *conn) gone() bool {
	if c.stream != nil {
		return c.stream.Gone()
	}
	return c.peer.gone()
}

// arrived reports that more of the request body, or its end, can be read
// without waiting.
func (c *conn) arrived() bool {
	return len(c.rd.Buffered()) > 0 || c.stream != nil && c.stream.Ready()
}

// readStreamHead reads the head of a stream, which is complete.
func (x *exchange) readStreamHead() error {
	st := x.c.stream
	limits := x.c.server.heads()
	n, err := x.req.Parse(st.Head(), limits)
	if err == http1.ErrIncomplete && st.Refusal() != 0 {
		err = nil
	}
	if err != nil {
		return err
	}
	x.received = int64(n)
	x.noteDeadline()
	kind := http1.BodyNone
	if x.req.Body != http1.BodyNone {
		kind = http1.BodyClose // until the end of the stream, which checks the length
	}
	x.body.Reset(&x.c.rd, kind, -1, limits)
	return nil
}

// trailers are the fields behind the request body that go upstream (H2.8).
func (x *exchange) trailers() []http1.Field {
	if x.c.stream == nil {
		return x.body.Trailers()
	}
	lines := x.c.stream.Trailers()
	if lines == nil {
		return nil
	}
	fields, err := http1.ParseTrailers(lines, x.c.server.heads())
	if err != nil {
		return nil // over a limit: dropped as a whole
	}
	return fields
}

// sendHead sends a head with what belongs behind it to the client's stream.
func (x *exchange) sendHead(head, body []byte, end bool) error {
	x.written += int64(len(head) + len(body))
	return x.c.stream.WriteHead(head, body, end)
}

// relayStream is relayBody for a stream.
func (x *exchange) relayStream(up *upstream.Conn, f framing) (toClient, fromUpstream error) {
	head := x.out
	x.out = x.out[:0]
	if f == frameNone {
		return x.sendHead(head, nil, true), nil
	}
	paced := x.policies != nil && x.policies.Bandwidth != nil
	if left := x.responseLeft(); !paced && left >= 0 && left <= int64(len(up.Reader.Buffered())) {
		body := up.Reader.Buffered()[:left]
		up.Reader.Discard(int(left))
		x.respBody.Advance(left)
		return x.sendHead(head, body, true), nil
	}
	return x.pump(up, head, paced)
}

// pump copies a response body to the client's stream. The head, and trailers,
// leave with what of the body is there.
func (x *exchange) pump(up *upstream.Conn, head []byte, paced bool) (toClient, fromUpstream error) {
	st := x.c.stream
	p := x.c.server.pieces.Get().(*piece)
	defer x.c.server.pieces.Put(p)
	var begin time.Time
	if paced {
		begin = time.Now()
	}
	sent := int64(0)
	for {
		if head != nil && (paced || !x.ready(up)) { // the next read may wait
			if err := x.sendHead(head, nil, false); err != nil {
				return err, nil
			}
			head = nil
		}
		data := p.b[:pieceSize]
		if paced {
			most, err := x.allowance(begin, sent)
			if err != nil {
				return err, nil
			}
			data = data[:min(most, pieceSize)]
		}
		n, err := x.readReady(up, data)
		sent += int64(n)
		if err != nil && err != io.EOF {
			return nil, err
		}
		var trailers []http1.Field
		done := x.responseDone()
		if done {
			trailers = x.responseTrailers(up)
		}
		toClient = x.sendPart(st, part{head: head, data: data[:n], trailers: trailers, end: done})
		if head = nil; toClient != nil || done {
			return toClient, nil
		}
	}
}

// readable reports that a read of the response would not wait.
func readable(up *upstream.Conn) bool {
	return len(up.Reader.Buffered()) > 0 || up.Stream() != nil && up.Stream().Ready()
}

// readReady reads from the response body: what is there, up to its end, but at
// least one octet.
func (x *exchange) readReady(up *upstream.Conn, p []byte) (n int, err error) {
	for {
		m, err := x.readResponse(up, p[n:])
		if n += m; err != nil || x.responseDone() || n == len(p) || !x.ready(up) {
			return n, err
		}
	}
}

// part is what of a response is sent at once.
type part struct {
	head, data []byte
	trailers   []http1.Field
	end        bool
}

func (x *exchange) sendPart(st *http2.Stream, p part) error {
	if len(p.trailers) == 0 {
		if p.head != nil {
			return x.sendHead(p.head, p.data, p.end)
		}
		x.written += int64(len(p.data))
		if p.end {
			return st.WriteEnd(p.data)
		}
		_, err := st.Write(p.data)
		return err
	}
	x.location = http1.AppendTrailers(x.location[:0], p.trailers)
	x.written += int64(len(p.head) + len(p.data))
	if p.head != nil {
		return st.WriteAll(p.head, p.data, x.location)
	}
	if _, err := st.Write(p.data); err != nil {
		return err
	}
	return st.WriteTrailers(x.location)
}

// refuseMisdirected answers 421 to a request for a host that the connection's
// certificate does not cover (RFC 9113 §9.1.1): a client may use a connection
// for other hosts only as far as the certificate goes. Who connected with the
// name it now asks for, or with none, has taken the certificate as it was.
func (x *exchange) refuseMisdirected() bool {
	c := x.c
	if c.stream == nil || !c.secure || c.info.TLS.ServerName == "" {
		return false
	}
	host := string(x.host)
	if sni, ok := canonical.HostString(c.info.TLS.ServerName); ok && sni == host || covers(c.info.Names, host) {
		return false
	}
	c.server.counters.other[refusedMisdirected].Add(1)
	x.answer(421)
	return true
}

// covers reports whether one of the names of a certificate is good for host.
func covers(names []string, host string) bool {
	_, parent, _ := strings.Cut(host, ".")
	for _, n := range names {
		if strings.EqualFold(n, host) || parent != "" && strings.EqualFold(n, "*."+parent) {
			return true
		}
	}
	return false
}

var _ net.Conn = (*http2.Stream)(nil)
