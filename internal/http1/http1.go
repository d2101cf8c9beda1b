// Package http1 is the HTTP/1 wire codec: it turns octets into message heads
// and bodies and back, strictly after RFC 9112 and the rules H1.* and H2.* of
// docs/hardening.md.
//
// A server reads a request like this:
//
//	rd.Reset(conn)
//	for {
//		if err := rd.Wait(); err != nil { … }       // idle: holds no buffer
//		n, err := req.Read(&rd, &limits)            // *Error: answer its Status, close
//		rd.Hold(n)                                  // req stays valid …
//		body.Reset(&rd, req.Body, req.ContentLength, &limits)
//		…
//		rd.Unhold()                                 // … until here
//	}
//
// It knows nothing of routing, policies, upstreams or logs. Parsing works in
// place: a parsed head is a set of views into the buffer it was parsed from
// and is valid only as long as that buffer is not refilled (see Reader.Hold).
// Nothing on the path of a plain request allocates. No type here is safe for
// concurrent use; each belongs to the goroutine of its connection.
package http1

import "errors"

// Limits bound what is read before a message is refused (H6.1, H6.3), and hold
// the two settings of the grammar that an operator may choose.
type Limits struct {
	RequestLine int // octets of the request or status line without its CRLF; more is 414
	FieldLine   int // octets of one field line without its CRLF; more is 431
	Head        int // octets of the whole head with all line ends; more is 431
	Fields      int // number of field lines, dropped ones too; more is 431
	Chunk       int // octets of one chunk-size line without its CRLF
	Trailer     int // octets of the trailer section with all line ends
	Trailers    int // number of trailer field lines, dropped ones too

	// Underscores is what happens to names with an underscore (H1.10).
	Underscores Underscores
	// HighTarget lets octets from 0x80 pass in a request target (H1.11).
	HighTarget bool
	// FromBackend makes every refusal of a body a 502 (H2.14).
	FromBackend bool
}

// Underscores is the treatment of field names with an underscore (H1.10).
type Underscores uint8

// The treatments of field names with an underscore.
const (
	UnderscoresDrop   Underscores = iota // the field is left out of Fields
	UnderscoresReject                    // the message is refused
	UnderscoresKeep                      // the field is like any other
)

// RequestLimits are the limits for heads that come from a client: the defaults
// of H6.1, H2.6 and H2.8.
func RequestLimits() Limits {
	return Limits{RequestLine: 8 << 10, FieldLine: 16 << 10, Head: 32 << 10, Fields: 100, Chunk: 256, Trailer: 8 << 10, Trailers: 32}
}

// ResponseLimits are the limits for heads that come from a backend (H6.3).
// Names with underscores pass: a backend may send what it likes to clients.
func ResponseLimits() Limits {
	return Limits{
		RequestLine: 8 << 10, FieldLine: 64 << 10, Head: 64 << 10, Fields: 200, Chunk: 256, Trailer: 8 << 10, Trailers: 32,
		Underscores: UnderscoresKeep, FromBackend: true,
	}
}

// ErrIncomplete is returned by Parse when the buffer ends before the head
// does and no rule is broken so far. Call Parse again with a buffer that holds
// the same octets and more; Parse remembers how far it has scanned, so
// byte-wise delivery costs linear time.
var ErrIncomplete = errors.New("http1: the head is not complete")

// Field is one field line. Name keeps the sender's case; Value has no blanks
// around it and may be empty.
type Field struct {
	Name, Value []byte
	ID          FieldID
	// Hop is set for fields that end at this hop (H4.1): Connection,
	// Keep-Alive, Proxy-Connection, TE, Trailer, Transfer-Encoding, Upgrade,
	// Proxy-Authenticate, Proxy-Authorization, HTTP2-Settings, and those that
	// Connection names, except the ones of H4.2.
	Hop bool
}

// BodyKind is how the end of a body is found.
type BodyKind uint8

// The kinds of body.
const (
	BodyNone    BodyKind = iota // no octets follow the head
	BodyLength                  // Content-Length octets follow, at least one
	BodyChunked                 // chunks follow
	BodyClose                   // all octets until close (responses only)
)

// TargetForm is the form of a request target (RFC 9112 §3.2).
type TargetForm uint8

// The forms of a request target.
const (
	FormOrigin TargetForm = iota
	FormAbsolute
	FormAsterisk  // only with OPTIONS
	FormAuthority // only with CONNECT, which is always refused (H1.13)
)

// Request is a parsed request head. The zero value is ready for Parse; a
// Request is reused for every message of a connection. After Parse refused a
// message, Method and Target hold what was read of them, for the log.
type Request struct {
	Method []byte
	Target []byte // as received
	Form   TargetForm
	// Path and Query split an origin- or absolute-form target at the first
	// "?"; Query has no "?" and HasQuery tells an empty one from none. Path is
	// never empty: "/" for an absolute-form target without one.
	Path, Query []byte
	HasQuery    bool
	// Authority is the Host field or the authority of an absolute-form
	// target, checked against H3.1–H3.3 and not yet canonical; empty only for
	// HTTP/1.0 without Host.
	Authority []byte
	// Scheme is set for absolute-form targets ("http" or "https", lower case).
	Scheme []byte
	Minor  int // 0 or 1
	Fields []Field

	Body BodyKind
	// ContentLength is the value of Content-Length, -1 without one. A length
	// of 0 goes with BodyNone.
	ContentLength int64
	// KeepAlive is what the client wants after this message.
	KeepAlive bool
	// ExpectContinue: the client waits for 100 before it sends the body
	// (never set for HTTP/1.0 or without a body).
	ExpectContinue bool
	// Upgrade is the value of the Upgrade field when it is one protocol other
	// than h2c, Connection lists it, the version is 1.1 and there is no body
	// (H4.4); nil otherwise. Whether it is one that may pass ("websocket", or
	// what a route lists) is for the caller to compare, without regard to case.
	// What the client asked in any case is Get(FieldUpgrade).
	Upgrade []byte

	parser section
}

// Response is a parsed response head. The zero value is ready for Parse.
type Response struct {
	Minor  int
	Status int // 100–999
	Phrase []byte
	Fields []Field

	Body BodyKind
	// ContentLength is the value of Content-Length, -1 without one. It is
	// also set when there is no body because of the method or status.
	ContentLength int64
	// KeepAlive reports whether the connection may carry another message
	// after this one ended at its framing.
	KeepAlive bool
	// Upgrade is the value of the Upgrade field of a 101 whose Connection
	// lists it; nil otherwise.
	Upgrade []byte

	parser section
}
