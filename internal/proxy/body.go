package proxy

import (
	"errors"
	"io"
	"time"

	"daemun/internal/http1"
	"daemun/internal/ir"
	"daemun/internal/spool"
	"daemun/internal/upstream"
)

const (
	// smallBody is the size up to which a body of known length is read before
	// the upstream is contacted: it then leaves with the head in one write,
	// needs no goroutine, and can be replayed.
	smallBody = 16 << 10
	// replayMax is the longest body that is kept to be replayed (H2.16).
	replayMax = 64 << 10
)

// What ends a request body before its time; the status for each is in
// bodyStatus. The rest are errors of http1 and of the connection.
var (
	errBodyTooLarge = errors.New("request body too large")
	errBodyTime     = errors.New("request body timed out")
	errStopped      = errors.New("request body not wanted any more")
	errUpstream     = errors.New("upstream does not take the request body")
	errNoLength     = errors.New("request body without a length that the upstream needs")
	errSpool        = errors.New("request body cannot be read back")
)

// bodyStatus is the answer to a client whose body went wrong, 0 when it was
// not the client's doing, 499 when it is gone. What http1 refuses is counted
// here, where its reason is known.
func (x *exchange) bodyStatus(err error) int {
	var refused *http1.Error
	switch {
	case err == nil, err == errStopped, err == errUpstream:
		return 0
	case err == errBodyTooLarge:
		return 413
	case err == errBodyTime:
		return 408
	case err == errLate:
		return 504
	case err == errNoLength:
		return 411
	case errors.As(err, &refused):
		x.c.server.counters.refusals[refused.Reason].Add(1)
		return refused.Status
	case errors.Is(err, spool.ErrFull), errors.Is(err, errSpool):
		return 500
	}
	return 499
}

// readBody reads from the request body within the idle time for bodies; a
// body over the limit is an error. With nil for p it keeps the octets in place.
func (x *exchange) readBody(p []byte) (int, error) {
	c := x.c
	for {
		var now, limit time.Time // of a read that may wait
		waits := !c.arrived()
		if waits {
			now = time.Now()
			if x.late(now) {
				return 0, errLate
			}
			limit = x.noLater(now.Add(x.table.Settings.BodyTimeout.D()))
			c.armRead(limit)
		}
		if x.stop.Load() {
			return 0, errStopped
		}
		n, err := x.takeBody(p)
		if waits && x.trickles(time.Since(now)) {
			return 0, errBodyTime
		}
		if most := x.match.Route.IR.MaxBody; most > 0 && x.body.Payload() > most {
			return 0, errBodyTooLarge
		}
		switch {
		case n > 0:
			return n, nil
		case err == nil:
		case !isTimeout(err):
			return 0, err
		case x.stop.Load():
			return 0, errStopped
		case x.overdue():
			return 0, errLate
		case waits && !time.Now().Before(limit):
			return 0, errBodyTime
		default: // the drain moved the deadline, or what had arrived was not enough
			c.readBy = time.Time{}
		}
	}
}

func (x *exchange) takeBody(p []byte) (int, error) {
	if p == nil {
		return x.body.Keep()
	}
	return x.body.Read(p)
}

// A client may be silent for as long as the idle time for bodies, but when it
// has been waited for longer than leastRateAfter in all, it must have sent
// leastRate octets for each second of that (H6.7). Time in which the upstream
// did not take the body does not count. Calls of gRPC have the idle time alone:
// a stream sends a little now and then for as long as it is there.
const (
	leastRateAfter = 10 * time.Second
	leastRate      = 240
)

// trickles adds to the time that the client was waited for and reports whether
// the body comes too slowly.
func (x *exchange) trickles(waited time.Duration) bool {
	if p := x.match.Route.IR.Protocol; p == ir.ProtocolGRPC || p == ir.ProtocolGRPCS {
		return false
	}
	x.waited += waited
	s := x.c.server
	return x.waited > s.bodyGrace && !x.body.Done() && x.body.Payload() < int64(x.waited.Seconds()*float64(s.bodyRate))
}

// gather reads the part of the body that is worth reading before an upstream
// is chosen: all of a small one, else what has arrived already.
func (x *exchange) gather() error {
	if x.body.Done() || x.method != nil {
		x.whole = true
		return nil
	}
	if err := x.sendContinue(); err != nil {
		return err
	}
	small := x.req.Body == http1.BodyLength && x.req.ContentLength <= smallBody
	buffers := x.buffers()
	most := replayMax
	if buffers && x.req.ContentLength > replayMax {
		most = 0 // it goes to the spool at once
	}
	for !x.body.Done() && (small || x.mirrorsBody() || x.inspectsBody() || x.c.arrived() && len(x.prefix) < most) {
		n, err := x.readBody(x.nextOfPrefix())
		x.prefix = x.prefix[:len(x.prefix)+n]
		if err != nil && err != io.EOF {
			return err
		}
	}
	x.whole = x.body.Done()
	if !buffers {
		return nil
	}
	if !x.whole {
		if err := x.hold(); err != nil {
			return err
		}
	}
	x.measure()
	return nil
}

var continueHead = []byte("HTTP/1.1 100 Continue\r\n\r\n")

// sendContinue answers Expect: 100-continue, which is not passed on (H2.13).
func (x *exchange) sendContinue() error {
	if !x.req.ExpectContinue || x.c.arrived() {
		return nil
	}
	x.continued = true
	if x.c.stream != nil {
		return x.c.stream.WriteHead(continueHead, nil, false)
	}
	if err := x.c.write(continueHead); err != nil {
		return err
	}
	x.written = 0 // not of the response
	return nil
}

// appendPrefix appends what was read of the body in the framing of the
// upstream request.
func (x *exchange) appendPrefix(b []byte) []byte {
	if x.speaksFastCGI() {
		return x.appendStdin(b)
	}
	if !x.chunked() {
		return append(b, x.prefix...)
	}
	if len(x.prefix) > 0 {
		b = http1.AppendChunkHeader(b, len(x.prefix))
		b = append(b, x.prefix...)
		b = http1.AppendChunkEnd(b)
	}
	if x.whole {
		b = http1.AppendLastChunk(b, x.trailers())
	}
	return b
}

// startBody sends the rest of the body, from the client or as it is held, from a
// goroutine of its own, so that the response is seen whenever it comes. joinBody or stopBody must follow.
func (x *exchange) startBody(up *upstream.Conn) {
	x.streaming = true
	x.held.at = 0
	x.bodyRead.Store(false)
	x.sendOver.Store(false)
	x.stop.Store(false)
	go func() {
		err := errors.New("panic while sending a body")
		defer func() {
			if r := recover(); r != nil {
				x.c.server.counters.panics.Add(1)
				x.c.server.logger.Error("panic while sending a body", "panic", r)
				up.Abort()
			}
			x.c.sent <- err
		}()
		if err = x.sendBody(up); err != nil && err != errUpstream {
			up.AbortReset() // never completed towards the backend (H2.10)
		}
	}()
}

// sendBody copies the rest of the body to the upstream.
func (x *exchange) sendBody(up *upstream.Conn) error {
	p := x.c.server.take()
	defer p.free()
	records := x.speaksFastCGI()
	chunked := x.chunked() && up.Stream() == nil && !records
	timeout := x.match.Route.IR.SendTimeout.D()
	for {
		if x.splicesBody(up) {
			if err := x.spliceBody(up); err != nil {
				return err
			}
		}
		b := p.next()
		n, done, err := x.nextOfBody(content(b))
		if err != nil {
			return err
		}
		if !records { // which are as long as a piece at most
			p.read(n)
		}
		out := content(b)[:n]
		if chunked && n > 0 {
			at := http1.PutChunkHeader(b[:http1.ChunkHeaderMax], n)
			out = http1.AppendChunkEnd(b[at : http1.ChunkHeaderMax+n])
		}
		if done {
			x.bodyEnd.Store(int64(time.Since(x.start)))
			x.bodyRead.Store(true)
			if chunked {
				out = http1.AppendLastChunk(out, x.trailers())
			}
		}
		if records {
			out = frameStdin(b, n, done)
		}
		up.ArmWrite(time.Now(), x.within(timeout))
		if x.stop.Load() { // stopBody came before our deadline and was undone by it
			return errStopped
		}
		if err := x.sendPiece(up, out, done); err != nil {
			x.sendOver.Store(true)
			return errUpstream
		}
		if done {
			return nil
		}
	}
}

// sendPiece gives a piece of the body to the upstream; end says that it is the
// last one.
func (x *exchange) sendPiece(up *upstream.Conn, b []byte, end bool) error {
	if end && up.Stream() != nil {
		return x.endStream(up.Stream(), b)
	}
	_, err := up.Write(b)
	return err
}

// longAgo makes reads and writes fail at once.
var longAgo = time.Unix(1, 0)

// stopBody ends the goroutine that sends the body and returns how it ended.
func (x *exchange) stopBody() error {
	x.stop.Store(true)
	_ = x.c.nc.SetReadDeadline(longAgo)
	if up := x.c.upstream.Load(); up != nil {
		_ = up.SetWriteDeadline(longAgo)
	}
	err := <-x.c.sent
	x.streaming = false
	x.c.readBy = time.Time{}
	return err
}

// lastWrite is how long the last octets of a body may take that the upstream
// has already answered.
const lastWrite = time.Second

// joinBody ends the sending of the body after the response came to its end and
// reports whether the upstream got all of it.
func (x *exchange) joinBody(up *upstream.Conn) bool {
	if !x.streaming {
		return true
	}
	if !x.bodyRead.Load() {
		_ = x.stopBody()
		return false
	}
	_ = up.SetWriteDeadline(time.Now().Add(lastWrite))
	err := <-x.c.sent
	up.ForgetDeadlines()
	x.streaming = false
	return err == nil
}
