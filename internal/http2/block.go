package http2

import (
	"crypto/rand"
	"encoding/base64"
	"strconv"
	"strings"

	"golang.org/x/net/http2/hpack"

	"daemun/internal/http1"
)

// block is a field section on its way in. It belongs to the reading goroutine.
type block struct {
	limits *Limits
	dec    *hpack.Decoder
	secure bool
	client bool // sections are responses

	stream        uint32
	endStream     bool
	self          bool // depends on itself
	continuations int
	empty         int

	octets  int // encoded
	size    int // as RFC 7541 §4.1 counts
	fields  int
	tooMany bool   // more fields than allowed: the connection ends
	large   bool   // more octets than allowed
	bad     string // why the section is malformed (RFC 9113 §8.1.1)

	regular                                           bool // a regular field was seen
	method, scheme, authority, path, protocol, status string
	has                                               [pseudoCount]bool
	host                                              string
	hasHost                                           bool
	length                                            int64
	lines                                             []byte // "name: value" lines
	cookie                                            []byte // crumbs, joined (RFC 9113 §8.2.3)
}

const (
	pseudoMethod = iota
	pseudoScheme
	pseudoAuthority
	pseudoPath
	pseudoProtocol
	pseudoStatus
	pseudoCount
)

// begin makes b ready for a section.
func (b *block) begin(stream uint32, endStream bool) {
	*b = block{
		limits: b.limits, dec: b.dec, secure: b.secure, client: b.client, lines: b.lines[:0], cookie: b.cookie[:0],
		stream: stream, endStream: endStream, length: -1,
	}
	b.dec.SetEmitEnabled(true)
}

// add decodes a fragment.
func (b *block) add(p []byte) error {
	if b.octets += len(p); b.octets > b.limits.HeadBytes {
		return &connError{calm, "field section too long"}
	}
	if _, err := b.dec.Write(p); err != nil {
		return &connError{compressionError, err.Error()}
	}
	if b.tooMany { // nothing more is decoded for nothing (H5.10)
		return &connError{calm, "too many fields"}
	}
	return nil
}

// emit takes one decoded field.
func (b *block) emit(f hpack.HeaderField) {
	if b.fields++; b.fields > b.limits.Fields {
		b.tooMany = true
		b.dec.SetEmitEnabled(false)
		return
	}
	if b.size += len(f.Name) + len(f.Value) + 32; b.size > b.limits.HeadBytes {
		b.large = true
		b.dec.SetEmitEnabled(false)
		return
	}
	if b.bad == "" {
		b.bad = b.field(f.Name, f.Value)
	}
}

// field judges one field and keeps it (RFC 9113 §8.2, §8.3).
func (b *block) field(name, value string) string {
	if strings.HasPrefix(name, ":") {
		return b.pseudo(name, value)
	}
	b.regular = true
	if !validName(name) {
		return "field name"
	}
	if !plainValue(value) {
		return "field value"
	}
	switch name {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "http2-settings":
		return "connection-specific field"
	case "te":
		if !strings.EqualFold(value, "trailers") {
			return "te other than trailers"
		}
	case "host":
		if b.hasHost {
			return "host twice"
		}
		b.host, b.hasHost = value, true
		return ""
	case "content-length":
		return b.contentLength(value)
	case "sec-websocket-key":
		if b.has[pseudoProtocol] { // the upgrade that it becomes has its own
			return ""
		}
	case "cookie":
		if !b.client {
			if len(b.cookie) > 0 {
				b.cookie = append(b.cookie, "; "...)
			}
			b.cookie = append(b.cookie, value...)
			return ""
		}
	}
	b.lines = http1.AppendField(b.lines, name, value)
	return ""
}

func (b *block) contentLength(value string) string {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || b.length >= 0 || value[0] == '+' || value[0] == '-' || b.has[pseudoProtocol] {
		return "content-length"
	}
	b.length = n
	b.lines = http1.AppendField(b.lines, "content-length", value)
	return ""
}

func (b *block) pseudo(name, value string) string {
	if b.regular {
		return "pseudo-field after others"
	}
	var kept *string
	which := 0
	switch {
	case b.client && name == ":status":
		which, kept = pseudoStatus, &b.status
	case b.client:
		return "pseudo-field of a request"
	case name == ":method":
		which, kept = pseudoMethod, &b.method
	case name == ":scheme":
		which, kept = pseudoScheme, &b.scheme
	case name == ":authority":
		which, kept = pseudoAuthority, &b.authority
	case name == ":path":
		which, kept = pseudoPath, &b.path
	case name == ":protocol":
		which, kept = pseudoProtocol, &b.protocol
	default:
		return "unknown pseudo-field"
	}
	if b.has[which] {
		return "pseudo-field twice"
	}
	// What goes into the first line of a head must not end it.
	if !visible(value) {
		return "pseudo-field value"
	}
	b.has[which], *kept = true, value
	return ""
}

// validName accepts tokens in lower case.
func validName(name string) bool {
	for i := range len(name) {
		if c := name[i]; 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return http1.ValidName(name)
}

// plainValue refuses what RFC 9113 §8.2.1 does; other controls get their 400
// from the parser.
func plainValue(v string) bool {
	if v == "" {
		return true
	}
	for i := range len(v) {
		if c := v[i]; c == 0 || c == '\r' || c == '\n' {
			return false
		}
	}
	first, last := v[0], v[len(v)-1]
	return first != ' ' && first != '\t' && last != ' ' && last != '\t'
}

// visible reports that v has no blank and no control.
func visible(v string) bool {
	for i := range len(v) {
		if v[i] <= ' ' || v[i] == 0x7f {
			return false
		}
	}
	return true
}

// Refusals that need an answer and not a reset.
const (
	statusBadRequest     = 400
	statusHeadTooLarge   = 431
	statusNotImplemented = 501
)

// request writes the HTTP/1 head that the section means behind dst, or tells
// why it means none. A refusal is the status to answer with instead.
func (b *block) request(dst []byte) (head []byte, refusal int, bad string) {
	switch {
	case b.large:
		return dst, statusHeadTooLarge, ""
	case b.bad != "":
		return dst, 0, b.bad
	case !b.has[pseudoMethod] || b.method == "":
		return dst, 0, "no :method"
	case b.method == "CONNECT" && !b.has[pseudoProtocol]:
		return b.connect(dst)
	case b.has[pseudoProtocol] && b.method != "CONNECT":
		return dst, 0, ":protocol without CONNECT"
	case !b.has[pseudoScheme] || !b.has[pseudoPath]:
		return dst, 0, "no :scheme or :path"
	case !strings.HasPrefix(b.path, "/") && (b.path != "*" || b.method != "OPTIONS"):
		return dst, 0, ":path"
	case b.scheme != "http" && b.scheme != "https":
		return dst, 0, ":scheme"
	case b.has[pseudoAuthority] && b.hasHost && !strings.EqualFold(b.authority, b.host): // H3.4
		return dst, 0, "host differs from :authority"
	case b.endStream && b.length > 0:
		return dst, 0, "content-length without content"
	case b.secure != (b.scheme == "https"):
		return dst, statusBadRequest, ""
	case b.has[pseudoProtocol] && b.protocol != "websocket":
		return dst, statusNotImplemented, ""
	}
	return b.compose(dst), 0, ""
}

// connect is left to the parser, which refuses it (H1.13).
func (b *block) connect(dst []byte) ([]byte, int, string) {
	if b.has[pseudoScheme] || b.has[pseudoPath] || b.authority == "" {
		return dst, 0, "CONNECT with :scheme or :path, or without :authority"
	}
	dst = append(dst, "CONNECT "...)
	dst = append(dst, b.authority...)
	return append(dst, " HTTP/1.1\r\n\r\n"...), 0, ""
}

func (b *block) compose(dst []byte) []byte {
	method := b.method
	if b.has[pseudoProtocol] {
		method = "GET"
	}
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(dst, b.path...)
	dst = append(dst, " HTTP/1.1\r\n"...)
	switch {
	case b.has[pseudoAuthority]:
		dst = http1.AppendField(dst, "host", b.authority)
	case b.hasHost:
		dst = http1.AppendField(dst, "host", b.host)
	}
	dst = append(dst, b.lines...)
	if len(b.cookie) > 0 {
		dst = http1.AppendField(dst, "cookie", b.cookie)
	}
	switch {
	case b.has[pseudoProtocol]:
		dst = appendHandshake(dst)
	case !b.endStream && b.length < 0:
		dst = append(dst, "transfer-encoding: chunked\r\n"...)
	case b.endStream && b.length < 0 && (method == "POST" || method == "PUT" || method == "PATCH"):
		dst = append(dst, "content-length: 0\r\n"...)
	}
	return http1.AppendHeadEnd(dst)
}

// appendHandshake turns an extended CONNECT into the upgrade that it replaces
// (RFC 8441 §5).
func appendHandshake(dst []byte) []byte {
	var key [16]byte
	_, _ = rand.Read(key[:]) // never fails
	dst = append(dst, "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: "...)
	dst = base64.StdEncoding.AppendEncode(dst, key[:])
	return append(dst, "\r\n"...)
}

// response writes the HTTP/1 head that the section means behind dst.
func (b *block) response(dst []byte) (head []byte, status int, bad string) {
	switch {
	case b.large:
		return dst, 0, "response head too large"
	case b.bad != "":
		return dst, 0, b.bad
	case len(b.status) != 3 || strings.Trim(b.status, "0123456789") != "":
		return dst, 0, ":status"
	}
	status, _ = strconv.Atoi(b.status)
	if status < 100 || status == 101 {
		return dst, 0, ":status"
	}
	dst = http1.AppendStatusLine(dst, status, nil)
	if b.hasHost {
		dst = http1.AppendField(dst, "host", b.host)
	}
	dst = append(dst, b.lines...)
	return http1.AppendHeadEnd(dst), status, ""
}

// trailers writes trailer lines behind dst.
func (b *block) trailers(dst []byte) (lines []byte, bad string) {
	switch {
	case b.large:
		return dst, "trailers too large"
	case b.bad != "":
		return dst, b.bad
	case b.has != [pseudoCount]bool{}:
		return dst, "pseudo-field in trailers"
	}
	dst = append(dst, b.lines...)
	return http1.AppendHeadEnd(dst), ""
}
