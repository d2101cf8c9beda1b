package proxy

import (
	"bytes"
	"sync/atomic"
	"time"

	"daemun/internal/accesslog"
	"daemun/internal/http1"
	"daemun/internal/metrics"
	"daemun/internal/policy"
	"daemun/internal/table"
	"daemun/internal/upstream"
)

// exchange is one request with its response. It belongs to its connection and
// is used again for the next request, so that its buffers stay.
type exchange struct {
	c *conn

	req      http1.Request
	body     http1.BodyReader
	resp     http1.Response
	respBody http1.BodyReader

	table *table.Table
	match table.Match
	// host is canonical: a view of the request head when that is so already,
	// else of hostScratch. It must never be written to.
	host        []byte
	hostScratch [256]byte
	target      []byte // rewritten path with query; in use when rewritten
	location    []byte // scratch
	id          [32]byte
	backend     *upstream.Backend
	fallback    bool // backend is the stand-in of one without endpoints
	// policies are those of the route, nil when it has none or the request is
	// not in it (yet).
	policies *policy.Set
	// from is where the request comes from: of the connection, or what a
	// trusted peer says.
	from   origin
	origin []byte // the Origin field, with cors
	cors   bool   // the response gets the CORS fields
	// challenge is the value of WWW-Authenticate of a request that was refused.
	challenge   []byte
	edits       []*policy.Edit // of the response that is being made
	canary      bool           // backend is the canary of the route
	affinity    []byte         // the key of a new affinity cookie
	running     policy.Running // counted by the limits of the route
	counted     policy.Counted // by its zones
	place       upstream.Place // among the requests in flight of the backend
	grant       *policy.AuthAnswer
	certificate *policy.ClientVerdict // of a host with client authentication
	replacing   bool                  // an error backend was asked for the answer
	guarded     bool                  // the answer is the refusal of a guard
	known       bool                  // the client is who it says: its password was right
	comeAgain   bool                  // the answer is 503 for a reason that passes
	named       bool                  // the response has the backend's Server
	packing     packing               // of the response
	ahead       *readAhead            // of the response, nil when it goes to the client as it comes
	held        heldBody              // of the request body
	userScratch [256]byte
	inspection  policy.Inspection // nil when no rules judge the request
	traced      tracing           // zero for a request that is in no trace

	frame    *policy.Frame // of scripts; nil until one ran
	rerouted []byte        // the escaped path that a script has made
	pageType string        // of the page that a script answers with

	paged       int    // error pages that have led elsewhere
	mapped      int    // look-ups in maps
	override    int    // the status that the client gets, 0 for that of the answer
	intercepted int    // the status of a response that error pages stand in for
	internal    bool   // an error page or a rewrite has led here
	method      []byte // of the client, when an error page has changed it

	rewritten bool
	continued bool // 100 was sent
	keep      bool // the connection may carry another request
	lingering bool // the client may still be sending
	quiet     bool // asks for health: neither logged nor shown

	limits   http1.Limits  // of a response, when the route has its own
	up       []byte        // upstream head, perhaps with the prefix
	prefix   []byte        // what was read of the body before it is streamed
	waited   time.Duration // for octets of the body
	replays  int           // over HTTP/2, to a fresh connection
	deadline time.Time     // of a gRPC call, or that the route sets; zero without one
	// opening and behind are what a backend gets at once, but over HTTP/2.
	opening, behind             []byte
	prefixMemory, openingMemory http1.Memory
	prefixKept                  bool         // prefix is in the connection's buffer
	whole                       bool         // prefix is the whole body
	streaming                   bool         // a goroutine sends the body
	cutShort                    bool         // the upstream did not take the whole request
	bodyRead                    atomic.Bool  // all of the body was read from the client
	bodyEnd                     atomic.Int64 // when, in nanoseconds since start
	sendOver                    atomic.Bool  // the upstream takes no more of it
	stop                        atomic.Bool
	upgraded                    upgraded
	tried                       []*upstream.Endpoint
	trying                      *upstream.Endpoint // the one of the running attempt

	out       []byte // to the client, not yet written
	head      int    // octets of the response head
	committed bool   // a final response head was given out

	start             time.Time
	received, written int64
	status            int
	entry             accesslog.Entry
	seen              metrics.Observation
	captured          captured // of responses, for the log
	upstreamHead      int      // octets of the last response head of an upstream
	truncated         bool     // the end of the response is missing
}

// begin makes x ready for the next request.
func (x *exchange) begin() {
	x.leave()
	x.table, x.backend, x.match.Host, x.match.Route = nil, nil, nil, nil
	x.policies, x.origin, x.cors, x.challenge = nil, nil, false, x.challenge[:0]
	x.edits = x.edits[:0]
	if x.frame != nil {
		x.frame.Reset()
		x.pageType = ""
	}
	x.mapped = 0
	x.paged, x.override, x.intercepted, x.internal, x.method = 0, 0, 0, false, nil
	x.canary, x.affinity, x.grant = false, x.affinity[:0], nil
	x.comeAgain = false
	x.replacing, x.guarded, x.known, x.named, x.certificate = false, false, false, false, nil
	x.fallback, x.rewritten, x.continued, x.keep, x.lingering, x.quiet = false, false, false, false, false, false
	x.whole, x.streaming, x.cutShort, x.committed = false, false, false, false
	x.dropPrefix()
	x.tried, x.out = x.tried[:0], x.out[:0]
	x.head, x.received, x.written, x.status = 0, 0, 0, 0
	x.host, x.id[0], x.waited, x.replays = nil, 0, 0, 0
	x.deadline = time.Time{}
	x.from.begin(&x.c.shown)
	if x.traced.On || x.traced.attempts > 0 {
		x.traced = tracing{}
	}
	if x.stop.Load() { // of an earlier body, perhaps of another connection
		x.stop.Store(false)
	}
	x.entry.Attempts = x.entry.Attempts[:0]
	x.captured.reset()
	x.upstreamHead, x.truncated = 0, false
	x.seen = metrics.Observation{Connect: -1, Header: -1, Response: -1}
}

// What a connection keeps from one request to the next, idle or not (H6.15):
// buffers up to largestKept, and up to largestRare those that few requests use.
const (
	largestKept = 16 << 10
	largestRare = 2 << 10
)

// shrink drops the buffers that are too large to be kept.
func (x *exchange) shrink() {
	x.dropPrefix()
	for _, b := range [...]*[]byte{&x.up, &x.out} {
		if cap(*b) > largestKept {
			*b = nil
		}
	}
	for _, b := range [...]*[]byte{&x.target, &x.location, &x.rerouted, &x.counted.Text} {
		if cap(*b) > largestRare {
			*b = nil
		}
	}
	if len(x.req.Path) > largestRare { // its readings are as long
		x.match = table.Match{}
	}
}

// forget drops references that would keep things alive in the pool.
func (x *exchange) forget() {
	x.shrink()
	x.begin()
	x.req.Reset()
	x.resp.Reset()
	x.match.Path = nil
	clear(x.tried[:cap(x.tried)])
	clear(x.edits[:cap(x.edits)])
	attempts := x.entry.Attempts[:0]
	x.entry = accesslog.Entry{Attempts: attempts}
}

// serve runs the request whose head was read and reports whether the
// connection may carry another one.
func (x *exchange) serve() bool {
	c := x.c
	n := c.requests.Add(1)
	x.table = c.server.table.Load()
	if x.table != nil && x.table.Trust != nil {
		x.believe()
	}
	x.keep = x.req.KeepAlive && x.table != nil && n < uint64(x.table.Settings.KeepAliveRequests)
	if c.stream != nil && c.stream.Refusal() != 0 {
		x.refuse(c.stream.Refusal())
	} else {
		x.run()
	}
	if x.upgraded.up != nil {
		return false // conn.carry goes on
	}
	return x.end()
}

// end completes an exchange, as serve reports.
func (x *exchange) end() bool {
	c := x.c
	x.finish()
	x.expectAnother()
	sending := x.lingering && !x.body.Done() && x.status != 408 && c.stream == nil
	x.shrink()
	if sending {
		c.outlast()
		return false
	}
	if x.lingering || !x.keep && x.req.KeepAlive && c.peer.hasData() {
		// A client that was promised more requests than it got may have sent
		// the next one.
		c.linger()
		return false
	}
	return x.keep
}

// finish logs and counts the request.
func (x *exchange) finish() {
	x.leave()
	now := time.Now()
	x.c.finished = now
	s := x.c.server
	if s.log != nil && !x.quiet {
		x.log(now)
	}
	x.closeInspection()
	if x.traced.Sampled {
		x.recordSpans(now)
	}
	if !x.quiet && s.tap.Watched() {
		x.show(now)
	}
	if series := x.series(); series != nil {
		o := &x.seen
		o.Status, o.Method = x.status, x.ofClient()
		o.RequestBytes, o.ResponseBytes = x.received+x.body.Wire(), x.written
		o.Duration = now.Sub(x.start)
		series.Observe(o)
	}
}

// series is where the request is counted, nil if nowhere.
func (x *exchange) series() *metrics.Route {
	switch r := x.match.Route; {
	case r == nil:
		return nil
	case x.canary:
		return r.CanaryMetrics
	default:
		return r.Metrics
	}
}

var protocols = [2][]byte{[]byte("HTTP/1.0"), []byte("HTTP/1.1")}

var protocolHTTP2 = []byte("HTTP/2.0")

// hexDigits are the digits of generated request ids.
const hexDigits = "0123456789abcdef"

// longestID is the longest request id that is taken from a client (H8.5).
const longestID = 128

// requestID is the client's X-Request-ID if it is a short token, else a random
// one, the same for the whole request.
func (x *exchange) requestID() []byte {
	if id, ok := x.req.Get(http1.FieldXRequestID); ok && isToken(id) {
		return id
	}
	if x.table != nil && x.table.Settings.NoRequestID {
		return nil
	}
	if x.id[0] == 0 {
		for half := range 2 {
			n := x.c.random.Uint64()
			for i := range 16 {
				x.id[half*16+i] = hexDigits[n&15]
				n >>= 4
			}
		}
	}
	return x.id[:]
}

// appendRequestID appends the field with the id, if there is to be one.
func (x *exchange) appendRequestID(b []byte) []byte {
	if id := x.requestID(); len(id) > 0 {
		return http1.AppendField(b, "X-Request-ID", id)
	}
	return b
}

func isToken(id []byte) bool {
	if len(id) == 0 || len(id) > longestID {
		return false
	}
	for _, c := range id {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// refuse answers with a page and ends the connection.
func (x *exchange) refuse(status int) {
	x.keep, x.lingering = false, true
	if x.replaceError(status) {
		return
	}
	x.respond(status, nil, x.c.server.pages.of(status))
}

// answer answers with a page and keeps the connection when the request body
// is, or can cheaply be brought, to its end (H2.11).
func (x *exchange) answer(status int) {
	if x.replaceError(status) {
		return
	}
	x.settleBody()
	x.respond(status, nil, x.c.server.pages.of(status))
}

// redirect answers with a Location, which has to be clean (H4.10).
func (x *exchange) redirect(status int, location []byte) {
	x.settleBody()
	if !http1.ValidValue(location) {
		x.respond(500, nil, x.c.server.pages.of(500))
		return
	}
	x.respond(status, location, x.c.server.pages.of(status))
}

// settleBody reads what is left of the request body, a little of it, or
// decides to end the connection.
func (x *exchange) settleBody() {
	if x.body.Done() {
		return
	}
	waits := x.req.ExpectContinue && !x.continued && !x.c.arrived()
	if !waits && x.c.stream == nil { // a stream ends by itself
		x.c.setRead(time.Now().Add(lingerTime))
		if x.body.Drain(lingerSize) == nil {
			return
		}
	}
	x.keep, x.lingering = false, true
}

// respond writes an own answer: head, and the page unless it is nil.
func (x *exchange) respond(status int, location, page []byte) {
	c := x.c
	if status >= 400 && x.isGRPC() {
		x.respondGRPC(status)
		return
	}
	x.status, x.committed = status, true
	page = x.substituted(x.mediaType(status), page)
	x.settleEdits(status, x.mediaType(status))
	b := http1.AppendStatusLine(x.out[:0], status, nil)
	b = http1.AppendField(b, "Date", c.server.date.at(time.Now()))
	if status != 204 && status != 304 {
		switch {
		case page == nil, x.setsField("Content-Type"):
		default:
			b = http1.AppendField(b, "Content-Type", x.mediaType(status))
		}
		b = http1.AppendContentLength(b, int64(len(page)))
	}
	if location != nil {
		b = http1.AppendField(b, "Location", location)
	}
	if x.comeAgain && status == 503 {
		b = append(b, retryAfter...)
	}
	b = x.appendPolicyFields(b)
	b = x.appendOwnFields(b)
	b = http1.AppendHeadEnd(b)
	x.head = len(b)
	x.captureSent(b)
	if !bytes.Equal(x.req.Method, methodHEAD) {
		b = append(b, page...)
	}
	x.out = b
	if x.finishHead() != nil {
		x.keep, x.lingering = false, false
	}
}

// ownType is the media type of our own pages.
func ownType(status int) []byte {
	if status == 200 {
		return plainText
	}
	return htmlText
}

var plainText, htmlText = []byte("text/plain"), []byte("text/html")

// retryAfter tells clients of a backend without endpoints when to come again
// (H11.8).
const retryAfter = "Retry-After: 5\r\n"

// appendOwnFields appends what every response gets: HSTS on TLS, and the
// connection's future.
func (x *exchange) appendOwnFields(b []byte) []byte {
	if x.hsts() && !x.setsField(hstsName) {
		b = http1.AppendField(b, hstsName, x.table.HSTS)
	}
	if x.table != nil && x.table.Settings.ServerField && !x.named {
		b = append(b, "Server: daemun\r\n"...)
	}
	if x.c.server.parting.Load() { // began while the request was running
		x.keep = false
	}
	switch {
	case !x.keep:
		b = append(b, "Connection: close\r\n"...)
	case x.req.Minor == 0:
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	return b
}

const hstsName = "Strict-Transport-Security"

// hsts reports whether the response gets our Strict-Transport-Security: every
// one over TLS, errors too (§4.6).
func (x *exchange) hsts() bool {
	if x.table == nil { // refused before routing
		x.table = x.c.server.table.Load()
	}
	return x.c.secure && x.table != nil && x.table.HSTS != ""
}

// finishHead writes a whole response that is pending.
func (x *exchange) finishHead() error {
	if x.c.stream == nil {
		return x.flush()
	}
	return x.sendHead(x.out[:x.head], x.out[x.head:], true)
}

// flush writes what is pending for the client.
func (x *exchange) flush() error {
	err := x.c.write(x.out)
	x.out = x.out[:0]
	return err
}

// abandon ends a request after a panic: 500 if the client got nothing yet. The
// request is logged and counted like any other.
func (x *exchange) abandon() {
	defer func() {
		if r := recover(); r != nil { // what is broken may be needed for the answer, too
			x.c.server.counters.panics.Add(1)
		}
	}()
	if x.streaming {
		x.stopBody()
	}
	x.upgraded = upgraded{}
	up := x.c.upstream.Swap(nil)
	if !x.endAhead(up) && up != nil {
		up.Reset()
	}
	if x.trying != nil {
		x.trying.End(true)
		x.trying = nil
	}
	answered := x.committed
	if !answered {
		x.replacing = true // nobody else is asked any more
		x.refuse(500)
	}
	x.status = 500
	x.finish()
	if !answered {
		x.c.linger()
	}
}

var methodHEAD = []byte("HEAD")
