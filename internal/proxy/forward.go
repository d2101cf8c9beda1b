package proxy

import (
	"context"
	"errors"
	"io"
	"runtime"
	"time"

	"daemun/internal/accesslog"
	"daemun/internal/http1"
	"daemun/internal/ir"
	"daemun/internal/upstream"
)

// failure is why an attempt gave no usable response.
type failure struct {
	status int        // what the client gets if it was the last attempt
	on     ir.RetryOn // the condition under which another one is made, 0 for none
	sent   bool       // the upstream got something of the request
}

var (
	errClientGone = errors.New("client closed the connection")
	errTooLong    = errors.New("upstream did not answer in time")
	errInterim    = errors.New("too many interim responses")
)

const (
	maxInterim      = 8        // interim responses per request (H2.15)
	maxInterimBytes = 16 << 10 // their octets together
	// retriesPerEndpoint bounds "unlimited" tries.
	retriesPerEndpoint = 2
)

// forward sends the request upstream, to another endpoint if one fails (§5.4),
// and the response back.
func (x *exchange) forward() {
	if x.bound() {
		x.fail(504)
		return
	}
	if err := x.gather(); err != nil {
		x.fail(x.bodyStatus(err))
		return
	}
	if x.inspectBody() {
		return
	}
	x.mirror()
	if x.speaksFastCGI() {
		x.up = x.appendFastCGI(x.up[:0])
	} else {
		x.up = x.appendUpstreamHead(x.up[:0])
	}
	x.addPrefix()
	retry := x.match.Route.IR.Retry
	tries := retry.Tries
	if tries <= 0 {
		tries = max(3, retriesPerEndpoint*x.backend.Len())
	}
	for {
		ep := x.pick()
		if ep == nil {
			x.comeAgain = true
			x.fail(503)
			return
		}
		tries--
		x.tried = append(x.tried, ep)
		again := tries > 0 && (retry.Timeout == 0 || time.Since(x.start) < retry.Timeout.D()) && !x.overdue()
		f := x.attempt(ep, again)
		if f.status == 0 {
			if status := x.intercepted; status != 0 {
				x.intercepted = 0
				x.answer(status)
			}
			return
		}
		if !again || !x.mayRetry(f) {
			x.fail(f.status)
			return
		}
		x.c.server.counters.retries.Add(1)
	}
}

// mayRetry reports whether the request may be sent again after f (H2.16).
func (x *exchange) mayRetry(f failure) bool {
	on := x.match.Route.IR.Retry.On
	if f.on == 0 || on&f.on == 0 {
		return false
	}
	if !f.sent {
		return true
	}
	return x.atHand() && (x.idempotent() || on.Has(ir.RetryNonIdempotent))
}

// fail answers in place of the upstream. A client that is gone gets nothing.
func (x *exchange) fail(status int) {
	switch status {
	case 499:
		x.status, x.keep = 499, false
	case 413:
		x.c.server.counters.other[refusedBodySize].Add(1)
		x.refuse(status)
	case 408:
		x.c.server.counters.other[refusedBodyTime].Add(1)
		x.refuse(status)
	case 411:
		x.c.server.counters.other[refusedNoLength].Add(1)
		x.refuse(status)
	case 400: // counted under its reason already
		x.refuse(status)
	default:
		x.answer(status)
	}
}

// attempt makes one try at an endpoint. When it succeeds the response was
// relayed and the zero failure is returned. again says that another try would
// be possible, so that a response with a retried status need not be relayed.
func (x *exchange) attempt(ep *upstream.Endpoint, again bool) failure {
	start := time.Now()
	x.traced.attempt(start)
	ep.Begin()
	x.trying = ep
	x.entry.Attempts = append(x.entry.Attempts, accesslog.Attempt{Addr: ep.Address()})
	a := &x.entry.Attempts[len(x.entry.Attempts)-1]
	before := max(0, x.seen.Connect)
	up, err := x.connect(ep, start)
	var f failure
	if err == nil {
		a.Connected, a.ConnectTime = true, max(0, x.seen.Connect)-before
		up, f = x.converse(up, start)
	} else {
		f = dialFailure(err)
	}
	if f.status == 0 {
		if on := statusCondition(x.resp.Status); again && on != 0 && x.mayRetry(failure{on: on, sent: true}) {
			x.dropUpstream(up)
			f = failure{status: x.resp.Status, on: on, sent: true}
			a.Status = x.resp.Status
		}
	} else {
		a.Status = f.status
	}
	if f.status == 0 {
		x.seen.Header = time.Since(start)
		x.captureReceived()
		if !x.inspectResponse(up) && !x.intercepts(up) {
			x.relay(up)
		}
		if x.upgraded.up != nil {
			x.upgraded.began = start // it ends with the tunnel
			return f
		}
	}
	x.endAttempt(start, f)
	return f
}

// endAttempt completes what is known of the last attempt.
func (x *exchange) endAttempt(start time.Time, f failure) {
	ep, a := x.trying, &x.entry.Attempts[len(x.entry.Attempts)-1]
	if f.status == 0 {
		a.Status = x.resp.Status
		a.ResponseLength = x.respBody.Payload()
	}
	a.ResponseTime = time.Since(start)
	if f.status == 0 {
		x.seen.Response = a.ResponseTime
	}
	x.traced.attempted(start.Add(a.ResponseTime), a.Status)
	x.countAttempt(a, f)
	if b := x.backend.Balance(); b != nil && b.EWMA && x.resp.Status != 101 {
		ep.Took(a.ResponseTime, start.Add(a.ResponseTime))
	}
	ep.End(f.status != 0)
	x.trying = nil
}

// connect takes a pooled connection or dials.
func (x *exchange) connect(ep *upstream.Endpoint, start time.Time) (*upstream.Conn, error) {
	t := x.transport()
	if t.Multiplexed() {
		return x.connectStream(ep, start, false)
	}
	if x.asksOnce() {
		up, err := ep.Dial(context.Background(), t, x.within(x.match.Route.IR.ConnectTimeout.D()))
		x.seen.Connect = max(0, x.seen.Connect) + time.Since(start)
		return up, err
	}
	if up := ep.Idle(t); up != nil {
		if x.seen.Connect < 0 {
			x.seen.Connect = 0
		}
		return up, nil
	}
	up, err := ep.Dial(context.Background(), t, x.within(x.match.Route.IR.ConnectTimeout.D()))
	x.seen.Connect = max(0, x.seen.Connect) + time.Since(start)
	return up, err
}

func (x *exchange) transport() upstream.Transport {
	switch p := x.match.Route.IR.Protocol; {
	case p == ir.ProtocolHTTPS, p == ir.ProtocolAuto && x.c.secure:
		return upstream.TLS
	case p == ir.ProtocolGRPC, p == ir.ProtocolH2C:
		return upstream.HTTP2
	case p == ir.ProtocolFCGI:
		return upstream.FastCGI
	case p == ir.ProtocolGRPCS:
		return upstream.HTTP2TLS
	}
	return upstream.Plain
}

func dialFailure(err error) failure {
	switch {
	case errors.Is(err, upstream.ErrUnresolved):
		return failure{status: 503, on: ir.RetryError}
	case isTimeout(err), errors.Is(err, context.DeadlineExceeded):
		return failure{status: 504, on: ir.RetryTimeout}
	}
	return failure{status: 502, on: ir.RetryError}
}

// converse sends the request and reads the response head. A pooled connection
// that turns out to be stale is replaced once by a fresh one, which is no
// attempt of its own.
func (x *exchange) converse(up *upstream.Conn, start time.Time) (*upstream.Conn, failure) {
	for {
		x.c.use(up)
		x.cutShort = false
		sent, err := x.sendAndAwait(up)
		if err == nil {
			return up, failure{}
		}
		if x.c.cancelled() {
			err = errClientGone
		}
		silent := len(up.Reader.Buffered()) == 0
		bodyErr := x.dropUpstream(up)
		if status := x.bodyStatus(bodyErr); status != 0 {
			return nil, failure{status: status, sent: true}
		}
		ep := up.Endpoint()
		if up.Stream() != nil {
			if !x.streamIsStale(up, err, sent, silent) {
				return nil, x.failureOf(err, sent)
			}
			if up, err = x.connectStream(ep, start, true); err != nil {
				return nil, dialFailure(err)
			}
			continue
		}
		stale := up.Reused() && silent && x.atHand() && (x.idempotent() || !sent) && isClosed(err)
		if !stale {
			return nil, x.failureOf(err, sent)
		}
		if up, err = ep.Dial(context.Background(), x.transport(), x.within(x.match.Route.IR.ConnectTimeout.D())); err != nil {
			return nil, dialFailure(err)
		}
		x.seen.Connect = max(0, x.seen.Connect) + time.Since(start)
	}
}

// isClosed tells the end of a connection from other failures.
func isClosed(err error) bool {
	var refused *http1.Error
	return !errors.As(err, &refused) && err != errClientGone && err != errTooLong && err != errInterim && !isTimeout(err)
}

func (x *exchange) failureOf(err error, sent bool) failure {
	var refused *http1.Error
	switch {
	case err == errClientGone:
		return failure{status: 499, sent: sent}
	case err == errTooLong, isTimeout(err), x.late(time.Now()):
		return failure{status: 504, on: ir.RetryTimeout, sent: sent}
	case errors.As(err, &refused), err == errInterim:
		return failure{status: 502, on: ir.RetryInvalidHeader, sent: sent}
	}
	return failure{status: 502, on: ir.RetryError, sent: sent}
}

// statusCondition is the retry condition of an upstream's status, 0 for none.
func statusCondition(status int) ir.RetryOn {
	switch status {
	case 500:
		return ir.RetryHTTP500
	case 502:
		return ir.RetryHTTP502
	case 503:
		return ir.RetryHTTP503
	case 504:
		return ir.RetryHTTP504
	case 403:
		return ir.RetryHTTP403
	case 404:
		return ir.RetryHTTP404
	case 429:
		return ir.RetryHTTP429
	}
	return 0
}

// dropUpstream ends the use of a connection that cannot be used again, and the
// sending of the body with it; it returns how that ended.
func (x *exchange) dropUpstream(up *upstream.Conn) (bodyErr error) {
	if x.streaming {
		bodyErr = x.stopBody()
	}
	x.c.use(nil)
	x.logStderr(up)
	if bodyErr != nil || !x.atHand() {
		up.Reset()
	} else {
		up.Discard()
	}
	return bodyErr
}

// sendAndAwait writes the request and reads up to the final response head.
// sent says whether the upstream can have got anything.
func (x *exchange) sendAndAwait(up *upstream.Conn) (sent bool, err error) {
	if x.c.cancelled() { // before up could be aborted
		return false, errClientGone
	}
	if up.Stream() != nil {
		return x.askStream(up)
	}
	now := time.Now()
	up.ArmWrite(now, x.within(x.match.Route.IR.SendTimeout.D()))
	n, err := up.WriteBoth(x.opening, x.behind)
	if err != nil {
		if isTimeout(err) {
			return n > 0, err
		}
		// The answer may be there although the rest was not taken (H2.12).
		x.cutShort = true
		if herr := x.awaitHead(up, now); herr == nil {
			return true, nil
		}
		return n > 0, err
	}
	if !x.whole {
		x.startBody(up)
	}
	return true, x.awaitHead(up, now)
}

// awaitHead reads the final response head; its deadline is absolute.
func (x *exchange) awaitHead(up *upstream.Conn, now time.Time) error {
	limit := x.noLater(now.Add(x.match.Route.IR.ReadTimeout.D()))
	head := string(x.req.Method) == "HEAD"
	limits := x.responseLimits(up)
	interim, octets := 0, 0
	x.resp.Reset()
	for {
		n, err := x.resp.Parse(up.Reader.Buffered(), limits, head)
		switch {
		case err == http1.ErrIncomplete:
			if err := x.fill(up, now, &limit); err != nil {
				return err
			}
			now = time.Time{}
			continue
		case err != nil:
			return err
		}
		if x.resp.Status >= 200 || x.resp.Status == 101 {
			up.Reader.Hold(n)
			x.upstreamHead = n
			x.respBody.Reset(&up.Reader, x.resp.Body, x.resp.ContentLength, limits)
			if x.resp.Status == 101 && !x.tunnelAgreed() {
				return errInterim
			}
			return nil
		}
		interim, octets = interim+1, octets+n
		if interim > maxInterim || octets > maxInterimBytes {
			return errInterim
		}
		if err := x.relayInterim(); err != nil {
			return err
		}
		up.Reader.Discard(n)
	}
}

// relayInterim passes an interim response on, but for 100, which Daemun has
// given itself, and never to HTTP/1.0 (H2.13).
func (x *exchange) relayInterim() error {
	if x.resp.Status == 100 || x.req.Minor == 0 {
		return nil
	}
	b := http1.AppendStatusLine(x.out[:0], x.resp.Status, x.resp.Phrase)
	for i := range x.resp.Fields {
		if f := &x.resp.Fields[i]; !f.Hop && !ownResponseFields[f.ID] {
			b = http1.AppendField(b, f.Name, f.Value)
		}
	}
	x.out = http1.AppendHeadEnd(b)
	before := x.written
	if x.c.stream != nil {
		if x.c.stream.WriteHead(x.out, nil, false) != nil {
			return errClientGone
		}
		x.out = x.out[:0]
		return nil
	}
	if err := x.flush(); err != nil {
		return errClientGone
	}
	x.written = before
	return nil
}

// fill reads more from the upstream. Every second or two it looks whether the
// client is still there. now is zero when the caller does not know.
func (x *exchange) fill(up *upstream.Conn, now time.Time, limit *time.Time) error {
	for ; ; now = (time.Time{}) {
		if now.IsZero() {
			now = time.Now()
		}
		up.ArmRead(now, *limit)
		var err error
		if len(up.Reader.Buffered()) == 0 {
			letOthersRun()
			err = up.Reader.Wait() // holds no buffer meanwhile
		} else {
			_, err = up.Reader.Fill()
		}
		if err == nil {
			return nil
		}
		if err := x.stillWaiting(err, limit); err != nil {
			return err
		}
	}
}

// letOthersRun is for the moment between sending a request and reading the
// response. A read at once would find nothing, and the goroutine would be
// parked and woken through epoll. After a turn of the others the response is
// often there; without others it costs a tenth of a microsecond.
//
// It is not for the wait for the next request as well: then a busy Daemun would
// always have something to run and look at epoll every 10 ms only.
func letOthersRun() { runtime.Gosched() }

// stillWaiting judges a read that failed: nil means read again. The time of an
// upstream does not run while the request body is on its way to it: then the
// times for bodies count, and limit is moved.
func (x *exchange) stillWaiting(err error, limit *time.Time) error {
	switch now := time.Now(); {
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	case !isTimeout(err):
		return err
	case !now.Before(*limit):
		if x.streaming && !x.late(now) {
			from := now
			switch {
			case x.bodyRead.Load():
				from = x.start.Add(time.Duration(x.bodyEnd.Load()))
			case x.sendOver.Load():
				return errTooLong // nothing is on its way any more
			}
			if next := x.noLater(from.Add(x.match.Route.IR.ReadTimeout.D())); now.Before(next) {
				*limit = next
				return nil
			}
		}
		return errTooLong
	case x.c.gone():
		return errClientGone
	}
	return nil
}
