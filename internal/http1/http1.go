// Package http1 is the HTTP/1 wire codec: it turns octets into message heads
// and bodies and back, strictly after RFC 9112 and the rules H1.* and H2.* of
// docs/hardening.md.
//
// It knows nothing of routing, policies, upstreams or logs. Parsing works in
// place: a parsed head is a set of views into the buffer it was parsed from
// and is valid only as long as that buffer is not refilled. Nothing on the
// path of a plain request allocates. No type here is safe for concurrent use;
// each belongs to the goroutine of its connection.
package http1

import "net"

// Limits bound what is read before a message is refused (H6.1, H6.3).
type Limits struct {
	RequestLine int // octets of the request line (method, target, version); more is 414
	FieldLine   int // octets of one field line; more is 431
	Head        int // octets of the whole head; more is 431
	Fields      int // number of fields; more is 431
	Chunk       int // octets of one chunk-size line
	Trailer     int // octets of the trailer section
	Trailers    int // number of trailer fields
}

// RequestLimits and ResponseLimits return the defaults of H6.1, H2.6, H2.8 and
// H6.3.
func RequestLimits() Limits {
	return Limits{RequestLine: 8 << 10, FieldLine: 16 << 10, Head: 32 << 10, Fields: 100, Chunk: 256, Trailer: 8 << 10, Trailers: 32}
}

// ResponseLimits are the limits for heads that come from a backend.
func ResponseLimits() Limits {
	return Limits{RequestLine: 8 << 10, FieldLine: 64 << 10, Head: 64 << 10, Fields: 200, Chunk: 256, Trailer: 8 << 10, Trailers: 32}
}

// Reason says which rule refused a message, for counters and tests. Its String
// is stable: "bare-lf", "te-and-cl", …
type Reason uint8

// Error refuses a message. Status is what the client gets (400, 408, 413, 414,
// 417, 431, 501, 505); for a response it is always 502. Rule is the number in
// docs/hardening.md ("H2.4").
type Error struct {
	Status int
	Reason Reason
	Rule   string
}

// ErrIncomplete is returned by Parse when the buffer ends before the head
// does. Parsing starts anew with a longer buffer; Parse remembers how far it
// has scanned, so byte-wise delivery costs linear time.
var ErrIncomplete error

// FieldID names the fields that Daemun handles itself; they are recognised
// while parsing, without regard to case. FieldOther is everything else.
type FieldID uint8

// Field is one field line. Name keeps the sender's case; Value has no blanks
// around it.
type Field struct {
	Name, Value []byte
	ID          FieldID
}

// BodyKind is how the end of a body is found.
type BodyKind uint8

// The kinds of body.
const (
	BodyNone    BodyKind = iota // no octets follow the head
	BodyLength                  // Content-Length octets follow
	BodyChunked                 // chunks follow
	BodyClose                   // all octets until close (responses only)
)

// TargetForm is the form of a request target (RFC 9112 §3.2).
type TargetForm uint8

// The forms of a request target.
const (
	FormOrigin TargetForm = iota
	FormAbsolute
	FormAsterisk
	FormAuthority
)

// Request is a parsed request head. The zero value is ready for Parse; a
// Request is reused for every message of a connection.
type Request struct {
	Method []byte
	Target []byte // as received
	Form   TargetForm
	// Path and Query split an origin- or absolute-form target at the first
	// "?"; Query has no "?" and HasQuery tells an empty one from none.
	Path, Query []byte
	HasQuery    bool
	// Authority is the Host field or the authority of an absolute-form
	// target, checked against H3.1–H3.3 and not yet canonical; empty only for
	// HTTP/1.0 without Host.
	Authority []byte
	// Scheme is set for absolute-form targets ("http" or "https").
	Scheme []byte
	Minor  int // 0 or 1
	Fields []Field

	Body          BodyKind
	ContentLength int64 // for BodyLength
	// KeepAlive is what the client wants after this message.
	KeepAlive bool
	// ExpectContinue: the client waits for 100 (never set for HTTP/1.0).
	ExpectContinue bool
	// Upgrade is the value of the Upgrade field when Connection lists it and
	// the rules of H4.4 that concern the head hold; nil otherwise.
	Upgrade []byte
}

// Response is a parsed response head.
type Response struct {
	Minor  int
	Status int
	Phrase []byte
	Fields []Field

	Body          BodyKind
	ContentLength int64
	// KeepAlive reports whether the connection may carry another message
	// after this one ended at its framing.
	KeepAlive bool
	Upgrade   []byte
}

// Reader is a buffered reader over a connection whose buffer is taken from a
// pool at the first Fill and given back by Release, so that idle connections
// hold none.
type Reader struct {
	conn net.Conn
	buf  []byte
	r, w int
}
