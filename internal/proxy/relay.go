package proxy

import (
	"io"
	"net"
	"time"

	"daemun/internal/http1"
	"daemun/internal/upstream"
)

// spliceMin is the rest of a body from which the kernel does the copying. That
// takes a third off our time for each octet, but the receiver gets them in
// smaller pieces: with bodies of 1 MiB on one machine, client and backend lose
// more than we win. spliceStep is how much is copied between two looks at the clock. A step
// has to be written within writeIdle, so it sets the slowest client that can be
// served: 4 KiB/s.
const (
	spliceMin  = 4 << 20
	spliceStep = 256 << 10
)

// framing is how a response body is delivered.
type framing uint8

const (
	frameNone    framing = iota // no body
	frameLength                 // as announced
	frameChunked                // in chunks
	frameClose                  // until the end of the connection
	frameStream                 // until the end of the stream
)

// relay gives the response whose head was read to the client and ends the use
// of the upstream connection.
func (x *exchange) relay(up *upstream.Conn) {
	if x.resp.Status == 101 {
		x.upgrade(up)
		return
	}
	if x.streaming && x.held.body == nil && !x.bodyRead.Load() || x.cutShort && x.held.body == nil {
		// The response is early: whatever happens now, the client connection
		// cannot be used again without knowing where its body ends (H2.12).
		x.keep = false
	}
	if x.bodiless(up) {
		return
	}
	f := x.framing()
	if x.table.Compression != nil {
		f = x.pack(f)
	}
	if x.policies != nil && x.policies.Substitution != nil {
		f = x.substitute(f)
	}
	if f == frameClose {
		x.keep = false
	}
	x.status = x.shown(x.resp.Status)
	x.out = x.appendResponseHead(x.out[:0], f)
	x.head = len(x.out)
	x.captureSent(x.out)
	x.committed = true
	if b := x.match.Route.IR.ResponseBuffering; b != nil {
		x.startAhead(up, f, b)
	}
	toClient, fromUpstream := x.relayBody(up, f)
	if x.endAhead(up) {
		x.afterRelay(f, toClient, fromUpstream)
		return
	}
	x.logStderr(up)
	sentAll := x.joinBody(up)
	x.c.use(nil)
	if toClient == nil && fromUpstream == nil && sentAll && !x.cutShort && x.resp.KeepAlive && x.respBody.Done() && x.match.Route.IR.ConnectionField != "close" && !x.asksOnce() {
		up.Release()
	} else {
		up.Discard()
	}
	x.afterRelay(f, toClient, fromUpstream)
}

// afterRelay decides what becomes of the client connection.
func (x *exchange) afterRelay(f framing, toClient, fromUpstream error) {
	switch {
	case toClient != nil, fromUpstream != nil:
		// The end is missing and must be seen to be missing (H11.9).
		x.keep, x.truncated = false, true
		if f == frameClose && x.c.tcp != nil {
			// Closed below TLS, whose goodbye would make it look complete.
			_ = x.c.tcp.SetLinger(0)
			_ = x.c.tcp.Close()
		}
	case !x.body.Done():
		x.keep, x.lingering = false, true
	}
}

func (x *exchange) framing() framing {
	switch {
	case x.resp.Body == http1.BodyNone:
		return frameNone
	case x.c.stream != nil:
		return frameStream
	case x.resp.Body == http1.BodyLength:
		return frameLength
	case x.req.Minor == 0:
		return frameClose
	}
	return frameChunked
}

// appendResponseHead appends the head for the client: the upstream's fields in
// their order, then framing and our own.
func (x *exchange) appendResponseHead(b []byte, f framing) []byte {
	if x.fields() != nil {
		contentType, _ := x.resp.Get(http1.FieldContentType)
		x.settleEdits(x.shown(x.resp.Status), contentType)
	}
	if status := x.shown(x.resp.Status); status != x.resp.Status {
		b = http1.AppendStatusLine(b, status, nil)
	} else {
		b = http1.AppendStatusLine(b, status, x.resp.Phrase)
	}
	hsts := x.hsts()
	for i := range x.resp.Fields {
		field := &x.resp.Fields[i]
		if field.ID == http1.FieldServer && x.namesBackend() {
			x.named = true
			b = http1.AppendField(b, field.Name, field.Value)
			continue
		}
		if field.Hop || ownResponseFields[field.ID] || hsts && field.ID == http1.FieldStrictTransportSecurity {
			continue
		}
		if x.packing.output != nil {
			b = x.appendPackedField(b, field)
			continue
		}
		b = x.appendResponseField(b, field)
	}
	if x.packing.varies {
		b = x.appendPacking(b)
	}
	if _, dated := x.resp.Get(http1.FieldDate); !dated { // RFC 9110 §6.6.1
		b = http1.AppendField(b, "Date", x.c.server.date.at(time.Now()))
	}
	switch {
	case f == frameChunked:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case f != frameClose && x.resp.ContentLength >= 0 && x.resp.Status != 204:
		b = http1.AppendContentLength(b, x.resp.ContentLength)
	}
	b = x.appendPolicyFields(b)
	b = x.appendOwnFields(b)
	return http1.AppendHeadEnd(b)
}

// namesBackend says that Server of the backend reaches the client.
func (x *exchange) namesBackend() bool {
	s := &x.table.Settings
	return s.ServerField && s.BackendServerField && !x.named
}

// relayBody writes the pending head and the body. The two errors tell which
// side failed.
func (x *exchange) relayBody(up *upstream.Conn, f framing) (toClient, fromUpstream error) {
	if x.packing.output != nil {
		return x.relayPacked(up)
	}
	if x.c.stream != nil {
		return x.relayStream(up, f)
	}
	if x.policies != nil && x.policies.Bandwidth != nil && f != frameNone {
		return x.relayPaced(up, f)
	}
	if f == frameLength {
		if left := x.responseLeft(); left >= 0 && left <= int64(len(up.Reader.Buffered())) {
			// All of it is here: one write, straight from where it was read to.
			body := up.Reader.Buffered()[:left]
			up.Reader.Discard(int(left))
			x.respBody.Advance(left)
			return x.flushWith(body), nil
		}
	}
	if f == frameNone {
		return x.flush(), nil
	}
	p := x.c.server.take()
	defer p.free()
	for {
		if x.ahead == nil && len(up.Reader.Buffered()) == 0 || x.ahead != nil && !x.ahead.queue.Ready() {
			// The next read may wait: give out what there is.
			if err := x.flush(); err != nil {
				return err, nil
			}
			if f != frameChunked && x.responseLeft() >= spliceMin && x.c.plain() != nil && up.TCP() != nil {
				return x.splice(up)
			}
		}
		b := p.next()
		n, err := x.readResponse(up, content(b))
		p.read(n)
		if err != nil && err != io.EOF {
			return x.flush(), err
		}
		if err := x.give(b, n, f); err != nil {
			return err, nil
		}
		if x.responseDone() {
			if f == frameChunked {
				x.out = http1.AppendLastChunk(x.out, x.responseTrailers(up))
			}
			return x.flush(), nil
		}
	}
}

// give frames n octets of a buffer of pieces and writes them, together with what is
// pending if that is little.
func (x *exchange) give(b []byte, n int, f framing) error {
	if n == 0 {
		return nil
	}
	at := http1.ChunkHeaderMax
	out := b[at : at+n]
	if f == frameChunked {
		at = http1.PutChunkHeader(b[:http1.ChunkHeaderMax], n)
		out = http1.AppendChunkEnd(b[at : http1.ChunkHeaderMax+n])
	}
	if len(x.out)+len(out) <= worthCopying {
		x.out = append(x.out, out...)
		return nil // the caller flushes before it waits
	}
	return x.flushWith(out)
}

// worthCopying is how much is copied to be written with other octets: below,
// a copy costs less than a second entry in a vector.
const worthCopying = 4 << 10

// flushWith writes what is pending for the client, and b behind it, in one
// system call.
func (x *exchange) flushWith(b []byte) error {
	if len(x.out)+len(b) <= worthCopying {
		x.out = append(x.out, b...)
		return x.flush()
	}
	pending := x.out
	x.out = x.out[:0]
	switch tcp := x.c.plain(); {
	case len(pending) == 0:
		return x.c.write(b)
	case tcp != nil:
		return x.c.writeVector(tcp, pending, b)
	}
	// TLS takes one piece of memory at a time and makes a record of each.
	p := x.c.server.pieces.Get().(*piece)
	defer x.c.server.pieces.Put(p)
	n := copy(p.b[:], pending)
	n += copy(p.b[n:], b)
	if err := x.c.write(p.b[:n]); err != nil {
		return err
	}
	return x.c.write(b[n-len(pending):])
}

// readResponse reads from the response body within the route's time.
func (x *exchange) readResponse(up *upstream.Conn, p []byte) (int, error) {
	if x.overdue() {
		return 0, errTooLong
	}
	if x.ahead != nil {
		return x.nextAhead(p)
	}
	if readable(up) { // no deadline is needed, but to find the end of it
		if n, err := x.respBody.Read(p); n > 0 || err == nil || err == io.EOF {
			return n, err
		}
	}
	now := time.Now()
	limit := x.noLater(now.Add(x.match.Route.IR.ReadTimeout.D()))
	for {
		up.ArmRead(now, limit)
		n, err := x.respBody.Read(p)
		if n > 0 || err == nil || err == io.EOF {
			return n, err
		}
		if err := x.stillWaiting(err, &limit); err != nil {
			return 0, err
		}
		now = time.Now()
	}
}

// plain returns the client's socket when the connection is nothing more.
func (c *conn) plain() *net.TCPConn {
	if tcp, ok := c.nc.(*net.TCPConn); ok {
		return tcp
	}
	return nil
}

// splice lets the kernel copy the rest of a body of known length, or one until
// close, between two sockets. Nothing is buffered or pending.
func (x *exchange) splice(up *upstream.Conn) (toClient, fromUpstream error) {
	c := x.c
	client := c.plain()
	from := io.LimitedReader{R: up.TCP()}
	limit := x.noLater(time.Now().Add(x.match.Route.IR.ReadTimeout.D()))
	for !x.respBody.Done() {
		now := time.Now()
		if x.late(now) {
			return nil, errTooLong
		}
		up.ArmRead(now, limit)
		c.armWrite(now)
		from.N = min(x.respBody.Remaining(), spliceStep)
		n, err := client.ReadFrom(&from)
		x.written += n
		x.respBody.Advance(n)
		switch {
		case err == nil && n == 0:
			return nil, io.ErrUnexpectedEOF
		case err == nil:
		case !isTimeout(err):
			return err, nil
		case !time.Now().Before(c.writeBy):
			return err, nil // what was on its way is lost
		}
		if n > 0 {
			limit = x.noLater(time.Now().Add(x.match.Route.IR.ReadTimeout.D()))
		} else if err := x.stillWaiting(err, &limit); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
