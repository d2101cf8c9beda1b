package proxy

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"net"
	"sync/atomic"
	"time"

	"daemun/internal/http1"
	"daemun/internal/tunnel"
)

// websocketGUID is the constant of RFC 6455 §1.3.
const websocketGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// tunnelAgreed checks that a 101 fits what was asked for: the protocol, and
// for websocket the accept key (H4.5).
func (x *exchange) tunnelAgreed() bool {
	if !x.wantsTunnel() || !bytes.EqualFold(x.resp.Upgrade, x.req.Upgrade) {
		return false
	}
	key, _ := x.req.Get(http1.FieldSecWebSocketKey)
	accept, _ := x.resp.Get(http1.FieldSecWebSocketAccept)
	sum := sha1.Sum(append(bytes.Clone(key), websocketGUID...))
	return string(accept) == base64.StdEncoding.EncodeToString(sum[:])
}

// openTunnel gives the pending head to the client.
func (x *exchange) openTunnel() error {
	if x.c.stream == nil {
		return x.flush()
	}
	head := x.out
	x.out = x.out[:0]
	return x.sendHead(head, nil, false)
}

// appendTunnelHead appends the head that begins a tunnel: 101, or for a stream
// 200 without what belongs to an upgrade (RFC 8441 §5).
func (x *exchange) appendTunnelHead(b []byte) []byte {
	x.settleEdits(x.resp.Status, nil)
	stream := x.c.stream != nil
	if stream {
		b = http1.AppendStatusLine(b, 200, nil)
	} else {
		b = http1.AppendStatusLine(b, 101, x.resp.Phrase)
	}
	for i := range x.resp.Fields {
		f := &x.resp.Fields[i]
		if f.Hop || ownResponseFields[f.ID] || f.ID == http1.FieldStrictTransportSecurity || stream && f.ID == http1.FieldSecWebSocketAccept {
			continue
		}
		b = x.appendResponseField(b, f)
	}
	b = x.appendPolicyFields(b)
	if x.hsts() && !x.setsField(hstsName) {
		b = http1.AppendField(b, hstsName, x.table.HSTS)
	}
	b = append(b, "Connection: upgrade\r\n"...)
	b = http1.AppendField(b, "Upgrade", x.resp.Upgrade)
	return http1.AppendHeadEnd(b)
}

// passage is an upgraded connection that has a goroutine for each direction.
type passage struct {
	client, upstream net.Conn
	idle, age        time.Duration
	start            time.Time
	last             atomic.Int64 // when octets last moved, in nanoseconds since start
	leaving          atomic.Bool  // the client shall be told to go
	ended            atomic.Bool
	server           *Server
	upstreamBy       time.Time // of the goroutine that writes to the upstream

	// Of the goroutine that writes to the client:
	frames   tunnel.Frames
	clientBy time.Time // the deadline of writes to it
	told     time.Time // when the client was told to go; zero before
}

const (
	// maxTunnelAge bounds the life of a tunnel (H4.6): clients that come back
	// find today's endpoints and policies.
	maxTunnelAge = 24 * time.Hour
	// farewell is how long a client has to answer our Close frame.
	farewell = 3 * time.Second
)

// goingAway is what a client is told at the end.
var goingAway = []byte(tunnel.GoingAway)

// leave asks the tunnel to say goodbye to its client at the next end of a
// frame. It may be called by any goroutine.
func (t *passage) leave() {
	t.leaving.Store(true)
	_ = t.upstream.SetReadDeadline(longAgo) // wakes the goroutine that writes to the client
}

// sayGoodbye tells the client to go when that is wanted and a frame may stand
// here. What the upstream still sends is dropped from then on; the client's own
// Close frame goes to the upstream, which then ends the connection.
func (t *passage) sayGoodbye() bool {
	if !t.leaving.Load() && time.Since(t.start) < t.age || !t.told.IsZero() || !t.frames.Between() {
		return true
	}
	_, ok := t.pass(t.client, goingAway)
	t.told = time.Now()
	return ok
}

// run copies both ways and returns the octets from and to the client. The
// first direction that ends makes the other one end, too.
func (t *passage) run(client, upstream *http1.Reader) (fromClient, toClient int64) {
	done := make(chan int64, 1)
	var in int64 // of the goroutine until it sends on done
	go func() {
		defer func() {
			if r := recover(); r != nil { // H6.20: it costs this tunnel only
				t.server.counters.panics.Add(1)
				t.server.logger.Error("panic in a tunnel", "panic", r)
			}
			t.end()
			done <- in
		}()
		in = t.copy(t.upstream, t.client, client)
	}()
	defer func() { // after a panic, too: the goroutine uses the connection
		t.end()
		fromClient = <-done
	}()
	return 0, t.copy(t.client, t.upstream, upstream)
}

// end makes both directions fail at once; a write that is under way has a
// moment more.
func (t *passage) end() {
	t.ended.Store(true)
	soon := time.Now().Add(lastWrite)
	for _, side := range []net.Conn{t.client, t.upstream} {
		_ = side.SetReadDeadline(longAgo)
		_ = side.SetWriteDeadline(soon)
	}
}

// manyOctets is what a full first read brings: more is likely to follow, which
// is worth a larger buffer for a while.
const manyOctets = 4 << 10

// copy passes octets on until it fails or the tunnel is idle for too long. It
// waits through rd, so that a tunnel at rest holds no buffer for it.
func (t *passage) copy(to, from net.Conn, rd *http1.Reader) (n int64) {
	if !t.armIdle(from) {
		return 0
	}
	for {
		err := rd.Wait()
		if err == nil && len(rd.Buffered()) == 1 && !t.fillRecord(from, rd) {
			return n
		}
		b := rd.Buffered()
		w, ok := t.pass(to, b)
		n += int64(w)
		rd.Discard(len(b))
		switch {
		case !ok, to == t.client && !t.sayGoodbye():
			return n
		case err == nil && len(b) >= manyOctets:
			w, ok := t.copyMany(to, from)
			if n += w; !ok {
				return n
			}
		case err == nil:
		case !isTimeout(err) || t.over() || !t.armIdle(from):
			return n
		}
	}
}

// fillRecord reads what is behind an octet that ended a wait: over TLS the rest
// of the record is in memory, and a read with a deadline in the past returns no
// more than that. It reports false when the tunnel has ended.
func (t *passage) fillRecord(from net.Conn, rd *http1.Reader) bool {
	_ = from.SetReadDeadline(longAgo)
	_, _ = rd.Fill() // an error comes again
	return t.armIdle(from)
}

// copyMany passes octets on as long as they fill its buffer or fail to come in
// time; ok is false when the tunnel is at its end.
func (t *passage) copyMany(to, from net.Conn) (n int64, ok bool) {
	p := t.server.pieces.Get().(*piece)
	defer t.server.pieces.Put(p)
	for {
		m, err := from.Read(p.b[:])
		w, ok := t.pass(to, p.b[:m])
		n += int64(w)
		if !ok || to == t.client && !t.sayGoodbye() || err != nil && !isTimeout(err) {
			return n, false
		}
		if m < len(p.b)/2 {
			return n, true
		}
	}
}

// pass writes b and notes that octets moved.
func (t *passage) pass(to net.Conn, b []byte) (n int, ok bool) {
	if len(b) == 0 {
		return 0, true
	}
	if to == t.client {
		if !t.told.IsZero() {
			return 0, true // nothing may follow our Close frame
		}
		t.frames.Pass(b)
	}
	now := time.Now()
	t.last.Store(int64(now.Sub(t.start)))
	t.armWrite(to, now)
	n, err := to.Write(b)
	return n, err == nil
}

// armWrite lets a write wait for as long as a peer may take nothing.
func (t *passage) armWrite(to net.Conn, now time.Time) {
	by := &t.upstreamBy
	if to == t.client {
		by = &t.clientBy
	}
	idle := t.server.writeIdle
	if left := by.Sub(now); left >= idle && left <= idle+slack {
		return
	}
	*by = now.Add(idle + slack)
	_ = to.SetWriteDeadline(*by)
	if t.ended.Load() { // end came before our deadline and was undone by it
		_ = to.SetWriteDeadline(now.Add(lastWrite))
	}
}

// over reports that the tunnel has waited long enough. A tunnel beyond its age
// ends even if its client could not be told.
func (t *passage) over() bool { return t.remaining() <= 0 }

// remaining is the time until the tunnel is over or has something to do.
func (t *passage) remaining() time.Duration {
	old := time.Since(t.start) - t.age
	if old < 0 {
		return min(t.idle-t.idleFor(), -old)
	}
	return min(t.idle-t.idleFor(), farewell-old)
}

func (t *passage) idleFor() time.Duration {
	return time.Since(t.start) - time.Duration(t.last.Load())
}

// armIdle lets reads wait until the tunnel would have been idle for too long.
// It reports false when the tunnel has ended; end looks the other way round, so
// one of the two notices.
func (t *passage) armIdle(c net.Conn) bool {
	err := c.SetReadDeadline(time.Now().Add(t.remaining()))
	if c == t.upstream && t.leaving.Load() && t.told.IsZero() && t.frames.Between() {
		_ = c.SetReadDeadline(longAgo) // leave came before our deadline and was undone by it
	}
	return err == nil && !t.ended.Load()
}
