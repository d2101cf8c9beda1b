package proxy

import (
	"bytes"
	"context"
	"errors"
	"time"

	"daemun/internal/http1"
	"daemun/internal/http2"
	"daemun/internal/upstream"
)

// A backend that speaks HTTP/2 is asked on a stream of a shared connection. The
// head that goes out and the one that comes back have HTTP/1 form here, too.

// connectStream takes a place on a connection to the endpoint; fresh asks for
// one that has not been used.
func (x *exchange) connectStream(ep *upstream.Endpoint, start time.Time, fresh bool) (*upstream.Conn, error) {
	up, err := ep.Stream(context.Background(), x.transport(), x.within(x.match.Route.IR.ConnectTimeout.D()), fresh)
	x.seen.Connect = max(0, x.seen.Connect)
	if up == nil || !up.Reused() {
		x.seen.Connect += time.Since(start)
	}
	return up, err
}

// maxReplays bounds how often a request is sent again that the upstream has
// not acted on.
const maxReplays = 2

// streamIsStale reports that a request may go to a fresh connection: the
// upstream has certainly not acted on it (RFC 9113 §8.7), or it is as with a
// pooled connection that turns out to be closed.
func (x *exchange) streamIsStale(up *upstream.Conn, err error, sent, silent bool) bool {
	var reset *http2.ResetError
	if !x.whole || !errors.As(err, &reset) || x.replays >= maxReplays {
		return false
	}
	x.replays++
	return reset.Unprocessed || reset.Conn && up.Reused() && silent && (x.idempotent() || !sent)
}

// askStream sends the request and reads up to the final response head.
func (x *exchange) askStream(up *upstream.Conn) (sent bool, err error) {
	now, st := time.Now(), up.Stream()
	up.ArmWrite(now, x.within(x.match.Route.IR.SendTimeout.D()))
	var trailers []http1.Field
	if x.whole && x.req.Body == http1.BodyChunked {
		trailers = x.trailers()
	}
	request := http2.Request{Head: x.up, Secure: x.transport() == upstream.HTTP2TLS, HEAD: bytes.Equal(x.req.Method, methodHEAD)}
	err = st.WriteRequest(request, x.prefix, x.whole && len(trailers) == 0)
	if err == nil && len(trailers) > 0 {
		err = st.WriteTrailers(http1.AppendTrailers(nil, trailers))
	}
	var reset *http2.ResetError
	switch {
	case err == nil:
		if !x.whole {
			x.startBody(up)
		}
	case errors.As(err, &reset):
		return !reset.Unprocessed, err
	case isTimeout(err):
		return true, err
	default:
		x.cutShort = true // the answer may be there although the rest was not wanted (H2.12)
	}
	return true, x.awaitStreamHead(up, now)
}

// endStream sends the last content of a request and its trailers.
func (x *exchange) endStream(st *http2.Stream, b []byte) error {
	trailers := x.trailers()
	if len(trailers) == 0 {
		return st.WriteEnd(b)
	}
	if _, err := st.Write(b); err != nil {
		return err
	}
	return st.WriteTrailers(http1.AppendTrailers(nil, trailers))
}

// awaitStreamHead is awaitHead for a stream.
func (x *exchange) awaitStreamHead(up *upstream.Conn, now time.Time) error {
	limit := x.noLater(now.Add(x.match.Route.IR.ReadTimeout.D()))
	limits := &x.c.server.backend
	head := bytes.Equal(x.req.Method, methodHEAD)
	for interim, octets := 0, 0; ; {
		up.ArmRead(now, limit)
		text, end, err := up.Stream().ReadHead()
		if err != nil {
			if err = x.stillWaiting(err, &limit); err != nil {
				return err
			}
			now = time.Now()
			continue
		}
		x.resp.Reset()
		if _, err := x.resp.Parse(text, limits, head); err != nil {
			return err
		}
		if x.resp.Status >= 200 {
			x.bodyOfStream(up, end)
			return nil
		}
		interim, octets = interim+1, octets+len(text)
		if interim > maxInterim || octets > maxInterimBytes {
			return errInterim
		}
		if err := x.relayInterim(); err != nil {
			return err
		}
	}
}

// bodyOfStream makes the content of the stream the response body. The stream
// checks its length.
func (x *exchange) bodyOfStream(up *upstream.Conn, ended bool) {
	kind := http1.BodyClose
	if x.resp.ContentLength == 0 && !ended && x.c.stream != nil && x.resp.Body == http1.BodyNone {
		x.resp.Body = http1.BodyClose // trailers may come all the same
	}
	if ended || x.resp.Body == http1.BodyNone {
		if ended && x.resp.Body == http1.BodyClose && x.c.stream == nil {
			x.resp.ContentLength = 0 // HTTP/1 has to be told
		}
		kind, x.resp.Body = http1.BodyNone, http1.BodyNone
	}
	x.resp.KeepAlive = true
	x.respBody.Reset(&up.Reader, kind, -1, &x.c.server.backend)
}

// responseTrailers are the fields behind the response body that may go on
// (H2.8).
func (x *exchange) responseTrailers(up *upstream.Conn) []http1.Field {
	if x.ahead != nil && x.ahead.isReleased() {
		return nil // it had none
	}
	st := up.Stream()
	if st == nil {
		return x.respBody.Trailers()
	}
	lines := st.Trailers()
	if lines == nil {
		return nil
	}
	fields, err := http1.ParseTrailers(lines, &x.c.server.backend)
	if err != nil {
		return nil
	}
	return fields
}

// isGRPC reports that the client is one of gRPC, which wants a grpc-status and
// no page.
func (x *exchange) isGRPC() bool {
	if x.c.stream == nil {
		return false
	}
	kind, _ := x.req.Get(http1.FieldContentType)
	rest, ok := bytes.CutPrefix(kind, []byte("application/grpc"))
	return ok && (len(rest) == 0 || rest[0] == '+' || rest[0] == ';')
}

// grpcStatus is the gRPC status for one of HTTP, after gRPC's own mapping; what
// it leaves as unknown is told where Daemun knows.
func (x *exchange) grpcStatus(status int) string {
	switch status {
	case 400:
		return "13" // INTERNAL
	case 401:
		return "16" // UNAUTHENTICATED
	case 403:
		return "7" // PERMISSION_DENIED
	case 404:
		return "12" // UNIMPLEMENTED
	case 413, 431:
		return "8" // RESOURCE_EXHAUSTED
	case 408:
		return "4" // DEADLINE_EXCEEDED
	case 504:
		if x.late(time.Now()) {
			return "4"
		}
		return "14"
	case 429, 502, 503:
		return "14" // UNAVAILABLE
	}
	return "2" // UNKNOWN
}

// respondGRPC answers a call in place of a backend: a response of trailers only.
func (x *exchange) respondGRPC(status int) {
	c := x.c
	x.status, x.committed = status, true
	b := http1.AppendStatusLine(x.out[:0], 200, nil)
	b = http1.AppendField(b, "Date", c.server.date.at(time.Now()))
	b = append(b, "Content-Type: application/grpc\r\n"...)
	b = http1.AppendField(b, "grpc-status", x.grpcStatus(status))
	b = http1.AppendField(b, "grpc-message", http1.StatusText(status))
	b = x.appendPolicyFields(b)
	b = x.appendOwnFields(b)
	x.out = http1.AppendHeadEnd(b)
	x.head = len(x.out)
	x.captureSent(x.out)
	_ = x.finishHead()
}

// noteDeadline reads grpc-timeout: after that the client waits no longer, and
// neither does Daemun.
func (x *exchange) noteDeadline() {
	if !x.isGRPC() {
		return
	}
	for i := range x.req.Fields {
		if f := &x.req.Fields[i]; f.ID == http1.FieldOther && string(f.Name) == "grpc-timeout" {
			if d, ok := grpcTimeout(f.Value); ok {
				x.deadline = x.start.Add(d)
			}
			return
		}
	}
}

// grpcTimeout reads one to eight digits and a unit.
func grpcTimeout(v []byte) (time.Duration, bool) {
	if len(v) < 2 || len(v) > 9 {
		return 0, false
	}
	var n time.Duration
	for _, c := range v[:len(v)-1] {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + time.Duration(c-'0')
	}
	var unit time.Duration
	switch v[len(v)-1] {
	case 'H':
		unit = time.Hour
	case 'M':
		unit = time.Minute
	case 'S':
		unit = time.Second
	case 'm':
		unit = time.Millisecond
	case 'u':
		unit = time.Microsecond
	case 'n':
		unit = time.Nanosecond
	default:
		return 0, false
	}
	const most = 24 * time.Hour // any longer is as good as none
	if n > most/unit {
		return most, true
	}
	return n * unit, true
}
