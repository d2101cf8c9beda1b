package proxy

import (
	"errors"
	"io"

	"daemun/internal/http1"
	"daemun/internal/spool"
	"daemun/internal/upstream"
)

// leastBodyMemory is what a request body may take of memory, beside the prefix,
// before it goes to a file, whatever client-body-buffer-size says.
const leastBodyMemory = 64 << 10

// heldBody is the part of a request body behind the prefix, when it was read whole
// before the upstream is contacted (proxy-request-buffering).
type heldBody struct {
	body *spool.Body // nil: there is none, or it is streamed
	at   int64       // what the running attempt has sent of it
	// measured: the body came in chunks and goes on with its length, as nginx
	// does, because its end is known.
	measured bool
}

// buffers reports whether the body is read whole first. Streams of HTTP/2
// backends are for both directions at once, so theirs are not.
func (x *exchange) buffers() bool {
	return (x.match.Route.IR.RequestBuffering || x.needsLength()) && !x.transport().Multiplexed()
}

// atHand reports that all of the body can be sent again.
func (x *exchange) atHand() bool { return x.whole || x.held.body != nil }

// chunked reports that the upstream gets the body in chunks.
func (x *exchange) chunked() bool { return x.req.Body == http1.BodyChunked && !x.held.measured }

// hold reads the rest of the body. Without a folder for files, bodies are
// streamed instead: that was said at the start.
func (x *exchange) hold() error {
	pool := x.c.server.spool
	if !pool.Usable() {
		if x.needsLength() {
			return errNoLength
		}
		return nil
	}
	b := pool.Body(max(leastBodyMemory, x.match.Route.IR.BodyMemory))
	x.held.body = b
	for !x.body.Done() {
		n, err := x.readBody(b.Next())
		if full := b.Add(n); full != nil {
			x.letGo()
			return full
		}
		if err != nil && err != io.EOF {
			x.letGo()
			return err
		}
	}
	if b.Sealed(); b.Len() == 0 { // only the end was missing
		x.letGo()
		x.whole = true
	}
	return nil
}

// measure decides how a body that came in chunks goes on: with trailers in
// chunks, too, unless the backend knows no chunks.
func (x *exchange) measure() {
	x.held.measured = x.req.Body == http1.BodyChunked && x.atHand() && (len(x.trailers()) == 0 || x.needsLength())
}

// letGo drops what is held. It may be called more than once.
func (x *exchange) letGo() {
	if x.held.body != nil {
		x.held.body.Close()
	}
	x.held = heldBody{}
}

// contentLength is the length that the upstream is told, -1 for none.
func (x *exchange) contentLength() int64 {
	switch {
	case !x.held.measured:
		return x.req.ContentLength
	case x.held.body != nil:
		return int64(len(x.prefix)) + x.held.body.Len()
	}
	return int64(len(x.prefix))
}

// nextOfBody reads what follows of the body for the upstream; done says that
// nothing comes behind it.
func (x *exchange) nextOfBody(p []byte) (n int, done bool, err error) {
	b := x.held.body
	if b == nil {
		n, err = x.readBody(p)
		if err == io.EOF {
			err = nil
		}
		return n, x.body.Done(), err
	}
	if x.stop.Load() {
		return 0, false, errStopped
	}
	n, err = b.ReadAt(p, x.held.at)
	x.held.at += int64(n)
	if err == io.EOF {
		err = nil
	}
	if err != nil {
		err = errors.Join(errSpool, err)
	}
	return n, x.held.at >= b.Len(), err
}

// responseLimits are what a response head may take (proxy-buffer-size).
func (x *exchange) responseLimits(up *upstream.Conn) *http1.Limits {
	most := int(x.match.Route.IR.ResponseHead)
	if most == 0 {
		return &x.c.server.backend
	}
	x.limits = x.c.server.backend
	x.limits.Head, x.limits.FieldLine = most, most
	up.Reader.Max = max(up.Reader.Max, most)
	return &x.limits
}
