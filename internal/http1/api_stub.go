package http1

import (
	"errors"
	"net"
)

// Reset makes r ready for another message and drops all views into the buffer. Parse does it itself after a finished message.
func (r *Request) Reset() { panic("unimplemented") }

// Parse reads a request head from the front of b, in place. n is the number of octets consumed, including one CRLF in front of
// the request line (H1.3). err is nil, ErrIncomplete, or an *Error.
func (r *Request) Parse(b []byte, lim *Limits) (n int, err error) { panic("unimplemented") }

// Get returns the value of the first field with this id. Host, Content-Length are unique; for list fields go through Fields.
func (r *Request) Get(id FieldID) ([]byte, bool) { panic("unimplemented") }

// Reset makes r ready for another message.
func (r *Response) Reset() { panic("unimplemented") }

// Parse reads a response head; forHEAD says that the request's method was HEAD.
func (r *Response) Parse(b []byte, lim *Limits, forHEAD bool) (n int, err error) {
	panic("unimplemented")
}

// Get returns the value of the first field with this id.
func (r *Response) Get(id FieldID) ([]byte, bool) { panic("unimplemented") }

type section struct{}

// Reason says which rule refused a message, for counters and tests. Its String
// is stable: "bare-lf", "te-and-cl", …
type Reason uint8

// Error refuses a message. Status is what the client gets (400, 405, 414, 417, 431, 501, 505); for a response it is always 502.
type Error struct {
	Status int
	Reason Reason
	Rule   string
}

// Error implements error.
func (e *Error) Error() string { panic("unimplemented") }

// FieldID names the fields that Daemun handles itself.
type FieldID uint8

// The fields.
const (
	FieldOther FieldID = iota
	FieldHost
	FieldConnection
	FieldKeepAlive
	FieldProxyConnection
	FieldTE
	FieldTrailer
	FieldTransferEncoding
	FieldContentLength
	FieldUpgrade
	FieldExpect
	FieldProxyAuthenticate
	FieldProxyAuthorization
	FieldHTTP2Settings
	FieldProxy
	FieldXForwardedFor
	FieldXForwardedHost
	FieldXForwardedPort
	FieldXForwardedProto
	FieldXForwardedScheme
	FieldXForwardedPrefix
	FieldXScheme
	FieldXRealIP
	FieldXRequestID
	FieldXOriginalForwardedFor
	FieldXOriginalForwardedHost
	FieldForwarded
	FieldAuthorization
	FieldCookie
	FieldUserAgent
	FieldReferer
	FieldServer
	FieldDate
	FieldLocation
	FieldStrictTransportSecurity
	FieldSecWebSocketKey
	FieldSecWebSocketAccept
	FieldContentType
	FieldXAccelRedirect
	FieldXAccelBuffering
	FieldXAccelLimitRate
	FieldXAccelExpires
	FieldXAccelCharset
)

// ErrBufferFull is returned by Fill when the buffer is at its largest and holds no free octet.
var ErrBufferFull = errors.New("http1: buffer full")

// Reader is a buffered reader over a connection whose buffer is taken from a
// pool when octets arrive and given back by Release, so that idle connections
// hold none.
type Reader struct {
	// Max is the largest buffer in octets; 0 means 64 KiB.
	Max int

	conn net.Conn
	buf  []byte
	r, w int
}

// Reset makes r read from conn, giving back any buffer.
func (r *Reader) Reset(conn net.Conn) { panic("unimplemented") }

// Wait blocks until at least one octet is buffered; holds no buffer while it waits. Subject to the read deadline.
func (r *Reader) Wait() error { panic("unimplemented") }

// Buffered returns the unread octets in place.
func (r *Reader) Buffered() []byte { panic("unimplemented") }

// Fill does one Read into free space, growing the buffer when full.
func (r *Reader) Fill() (int, error) { panic("unimplemented") }

// Discard drops the first n octets of Buffered.
func (r *Reader) Discard(n int) { panic("unimplemented") }

// Hold drops the first n octets of Buffered but leaves them in place, untouched, until Unhold.
func (r *Reader) Hold(n int) { panic("unimplemented") }

// Unhold ends Hold.
func (r *Reader) Unhold() { panic("unimplemented") }

// Release gives an empty buffer back to the pool; a buffer with unread or held octets is kept.
func (r *Reader) Release() { panic("unimplemented") }

// Read takes buffered octets first, else reads from the connection straight into p.
func (r *Reader) Read(p []byte) (int, error) { panic("unimplemented") }

// BodyReader reads the body of one message.
type BodyReader struct{}

// Reset starts the body of a message.
func (b *BodyReader) Reset(r *Reader, kind BodyKind, length int64, lim *Limits) {
	panic("unimplemented")
}

// Read returns decoded payload; io.EOF at the end, io.ErrUnexpectedEOF when the connection ended early, *Error for malformed chunks.
func (b *BodyReader) Read(p []byte) (int, error) { panic("unimplemented") }

// Done reports that the body was read to its end.
func (b *BodyReader) Done() bool { panic("unimplemented") }

// Trailers returns trailer fields that may be forwarded (H2.8); valid until the next Fill.
func (b *BodyReader) Trailers() []Field { panic("unimplemented") }

// Remaining is the number of octets left of a BodyLength body; -1 if unknown.
func (b *BodyReader) Remaining() int64 { panic("unimplemented") }

// Advance records that n octets of a BodyLength or BodyClose body were taken straight from the connection (splice).
func (b *BodyReader) Advance(n int64) { panic("unimplemented") }

// Payload is the number of decoded octets so far; Wire the number of octets of the connection.
func (b *BodyReader) Payload() int64 { panic("unimplemented") }

// Wire see Payload.
func (b *BodyReader) Wire() int64 { panic("unimplemented") }

// ErrDrainLimit: the body is longer than Drain may read.
var ErrDrainLimit = errors.New("http1: body too long to drain")

// Drain reads and drops the rest of the body, at most limit octets of the connection (H2.11).
func (b *BodyReader) Drain(limit int64) error { panic("unimplemented") }

// AppendRequestLine appends "METHOD TARGET HTTP/1.minor CRLF".
func AppendRequestLine(dst, method, target []byte, minor int) []byte { panic("unimplemented") }

// AppendStatusLine appends "HTTP/1.1 STATUS PHRASE CRLF"; a nil phrase is StatusText.
func AppendStatusLine(dst []byte, status int, phrase []byte) []byte { panic("unimplemented") }

// AppendField appends one field line; name and value must be valid (ValidName, ValidValue).
func AppendField[N, V ~string | ~[]byte](dst []byte, name N, value V) []byte {
	panic("unimplemented")
}

// AppendCheckedField appends the field unless its name or value is not valid (H4.10).
func AppendCheckedField[N, V ~string | ~[]byte](dst []byte, name N, value V) ([]byte, bool) {
	panic("unimplemented")
}

// AppendContentLength appends a Content-Length field.
func AppendContentLength(dst []byte, n int64) []byte { panic("unimplemented") }

// ChunkHeaderMax is the largest size of a chunk header: 16 digits and CRLF.
const ChunkHeaderMax = 18

// AppendChunkHeader appends the size line of a chunk of n > 0 octets. The chunk's data and CRLF follow.
func AppendChunkHeader(dst []byte, n int) []byte { panic("unimplemented") }

// PutChunkHeader writes the size line of a chunk so that it ends at len(b) (at least ChunkHeaderMax) and returns where it begins: data can be read
// behind reserved room and sent in one write.
func PutChunkHeader(b []byte, n int) int { panic("unimplemented") }

// AppendLastChunk appends the last chunk, trailers and the final CRLF.
func AppendLastChunk(dst []byte, trailers []Field) []byte { panic("unimplemented") }

// ValidName, ValidValue and ValidTarget tell whether something may be emitted (H4.10).
func ValidName[T ~string | ~[]byte](name T) bool { panic("unimplemented") }

// ValidValue see ValidName.
func ValidValue[T ~string | ~[]byte](value T) bool { panic("unimplemented") }

// ValidTarget see ValidName.
func ValidTarget[T ~string | ~[]byte](target T) bool { panic("unimplemented") }

// StatusText is the reason phrase, "" if unknown.
func StatusText(status int) string { panic("unimplemented") }
