package echo

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2cHandler answers on the port for cleartext HTTP/2: the echo only, for
// prior knowledge and for upgrades.
func (e *httpEcho) h2cHandler(upgraded *upgradeListener) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor >= 2 {
			e.echo(w, r)
			return
		}
		if !httpguts.HeaderValuesContainsToken(r.Header["Upgrade"], "h2c") {
			http.Error(w, "this port serves HTTP/2 without TLS: by prior knowledge, or with Upgrade: h2c", http.StatusBadRequest)
			return
		}
		if len(r.Header["Http2-Settings"]) != 1 {
			e.echo(w, r) // no valid upgrade (RFC 7540 section 3.2.1), so it stays HTTP/1.1
			return
		}
		upgrade(w, r, upgraded)
	})
}

// maxUpgradeBody is the client's initial window: more could not be sent as a
// stream before the server has spoken.
const maxUpgradeBody = 65535

// upgrade turns the connection into HTTP/2 (RFC 7540 section 3.2): the request
// becomes stream 1 of a connection that the HTTP/2 server then reads as if the
// client had sent it that way.
func upgrade(w http.ResponseWriter, r *http.Request, to *upgradeListener) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxUpgradeBody))
	if err != nil {
		http.Error(w, "body too large for an upgrade", http.StatusRequestEntityTooLarge)
		return
	}
	stream, err := firstStream(r, body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return // the connection is gone
	}
	_, err = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
	if err != nil || !to.hand(&upgradedConn{Conn: conn, in: rw.Reader, stream: stream}) {
		_ = conn.Close()
	}
}

// firstStream encodes the request as the frames of stream 1.
func firstStream(r *http.Request, body []byte) ([]byte, error) {
	var fields bytes.Buffer
	encoder := hpack.NewEncoder(&fields)
	// "Sensitive" fields never enter the compression table, which must stay as
	// the client believes it to be.
	write := func(name, value string) error {
		return encoder.WriteField(hpack.HeaderField{Name: name, Value: value, Sensitive: true})
	}
	err := errors.Join(write(":method", r.Method), write(":scheme", "http"),
		write(":authority", r.Host), write(":path", r.RequestURI))
	for name, values := range r.Header {
		switch name {
		case "Connection", "Upgrade", "Http2-Settings", "Keep-Alive", "Proxy-Connection", "Te":
			continue // for this connection only
		}
		for _, v := range values {
			err = errors.Join(err, write(strings.ToLower(name), v))
		}
	}
	var frames bytes.Buffer
	framer := http2.NewFramer(&frames, nil)
	const maxSize = 16384 // SETTINGS_MAX_FRAME_SIZE is at least this
	rest := fields.Bytes()
	first := rest[:min(len(rest), maxSize)]
	rest = rest[len(first):]
	err = errors.Join(err, framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: 1, BlockFragment: first, EndStream: len(body) == 0, EndHeaders: len(rest) == 0,
	}))
	for len(rest) > 0 {
		part := rest[:min(len(rest), maxSize)]
		rest = rest[len(part):]
		err = errors.Join(err, framer.WriteContinuation(1, len(rest) == 0, part))
	}
	for len(body) > 0 {
		part := body[:min(len(body), maxSize)]
		body = body[len(part):]
		err = errors.Join(err, framer.WriteData(1, len(body) == 0, part))
	}
	return frames.Bytes(), err
}

// upgradedConn gives its reader the client's preface and SETTINGS frame, then
// stream, then what the client sends further.
type upgradedConn struct {
	net.Conn
	in     *bufio.Reader
	stream []byte
	head   io.Reader // preface, settings and stream; nil until the first Read
}

func (c *upgradedConn) Read(p []byte) (int, error) {
	if c.head == nil {
		opening, err := readOpening(c.in)
		if err != nil {
			return 0, err
		}
		c.head = bytes.NewReader(append(opening, c.stream...))
	}
	n, err := c.head.Read(p)
	if err == io.EOF {
		return c.in.Read(p)
	}
	return n, err
}

// readOpening reads what a client sends first: the preface and one SETTINGS
// frame.
func readOpening(r io.Reader) ([]byte, error) {
	const frameHead = 9
	opening := make([]byte, len(http2.ClientPreface)+frameHead)
	if _, err := io.ReadFull(r, opening); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(opening[len(http2.ClientPreface)-1:]) & 0xffffff
	if size > 16384 {
		return nil, errors.New("the first frame is too long")
	}
	settings := make([]byte, size)
	_, err := io.ReadFull(r, settings)
	return append(opening, settings...), err
}

// upgradeListener hands upgraded connections to an HTTP server.
type upgradeListener struct {
	address net.Addr
	conns   chan net.Conn
	once    sync.Once
	closed  chan struct{}
}

func newUpgradeListener() *upgradeListener {
	return &upgradeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// hand reports whether somebody took the connection.
func (l *upgradeListener) hand(c net.Conn) bool {
	select {
	case l.conns <- c:
		return true
	case <-l.closed:
		return false
	}
}

// Accept waits for an upgrade.
func (l *upgradeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (l *upgradeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is the address of the port the connections came in on.
func (l *upgradeListener) Addr() net.Addr { return l.address }
