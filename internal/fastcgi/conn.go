package fastcgi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
)

const (
	// maxHead bounds the head of an answer, maxStderr what is kept of the
	// standard error of one request.
	maxHead    = 64 << 10
	maxStderr  = 4 << 10
	bufferSize = 8 << 10
)

// Errors of an answer that is not FastCGI's, or no response.
var (
	errRecord   = errors.New("fastcgi: malformed record")
	errHead     = errors.New("fastcgi: the answer has no complete head")
	errRejected = errors.New("fastcgi: the application does not take the request")
)

// Conn is a connection that is written to in records and read from as one
// response in HTTP/1 form. Its end is io.EOF when the application has ended the
// request properly, io.ErrUnexpectedEOF when the connection ended before.
// After a timeout reading may go on.
type Conn struct {
	net.Conn

	in   []byte // what was read and not yet looked at
	buf  [bufferSize]byte
	kind byte // of the record that is being read
	left int  // octets of its content
	pad  int  // octets behind it

	head   []byte // of the answer, until it is complete
	begun  bool   // it is
	out    []byte // octets for the reader
	stderr []byte
	err    error // final
}

// NewConn makes a Conn of a connection that nothing was read from.
func NewConn(c net.Conn) *Conn { return &Conn{Conn: c} }

// Stderr is what the application wrote to its standard error, or the beginning
// of it.
func (c *Conn) Stderr() []byte { return c.stderr }

// Read gives octets of the response.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if len(c.out) > 0 {
			n := copy(p, c.out)
			c.out = c.out[n:]
			return n, nil
		}
		if c.err != nil {
			return 0, c.err
		}
		n, err := c.step(p)
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// step looks at what was read, or reads more. It may give octets of the body
// straight to p.
func (c *Conn) step(p []byte) (int, error) {
	switch {
	case c.left > 0 && len(c.in) > 0:
		n := min(c.left, len(c.in))
		content := c.in[:n]
		if c.begun && c.kind == typeStdout {
			n = copy(p, content)
			c.take(n)
			return n, nil
		}
		c.take(n)
		return 0, c.content(content)
	case c.left == 0 && c.pad > 0 && len(c.in) > 0:
		n := min(c.pad, len(c.in))
		c.in, c.pad = c.in[n:], c.pad-n
		return 0, nil
	case c.left == 0 && c.pad == 0 && len(c.in) >= HeaderSize:
		return 0, c.header()
	}
	return 0, c.fill()
}

func (c *Conn) take(n int) { c.in, c.left = c.in[n:], c.left-n }

// fill reads once.
func (c *Conn) fill() error {
	n := copy(c.buf[:], c.in) // at most a part of a header
	m, err := c.Conn.Read(c.buf[n:])
	c.in = c.buf[:n+m]
	if m > 0 {
		return nil
	}
	if err == io.EOF {
		return c.fail(io.ErrUnexpectedEOF)
	}
	return err
}

func (c *Conn) fail(err error) error {
	c.err = err
	return err
}

// header reads the header of a record, and all of an end.
func (c *Conn) header() error {
	h := c.in[:HeaderSize]
	if h[0] != version {
		return c.fail(errRecord)
	}
	n := int(h[4])<<8 | int(h[5])
	if h[1] == typeEnd {
		if n != 8 {
			return c.fail(errRecord)
		}
		if len(c.in) < HeaderSize+n {
			return c.fill()
		}
		return c.end(c.in[HeaderSize+4])
	}
	c.kind, c.left, c.pad = h[1], n, int(h[6])
	c.in = c.in[HeaderSize:]
	return nil
}

// end is the end of the request, with the status of the protocol: 0 is good.
func (c *Conn) end(status byte) error {
	switch {
	case status != 0:
		return c.fail(fmt.Errorf("%w (%d)", errRejected, status))
	case !c.begun:
		return c.fail(errHead)
	}
	return c.fail(io.EOF)
}

// content takes what is no part of the body.
func (c *Conn) content(b []byte) error {
	switch c.kind {
	case typeStderr:
		c.stderr = append(c.stderr, b[:min(len(b), maxStderr-len(c.stderr))]...)
	case typeStdout:
		c.head = append(c.head, b...)
		end, body := headEnd(c.head)
		switch {
		case end >= 0:
			c.out = append(appendHead(nil, c.head[:end]), c.head[body:]...)
			c.begun, c.head = true, nil
		case len(c.head) > maxHead:
			return c.fail(errHead)
		}
	}
	return nil
}

// headEnd finds the empty line: where it begins, and where the body does.
func headEnd(b []byte) (end, body int) {
	for at := 0; ; {
		n := bytes.IndexByte(b[at:], '\n')
		if n < 0 {
			return -1, 0
		}
		if line := b[at : at+n]; len(line) == 0 || len(line) == 1 && line[0] == '\r' {
			return at, at + n + 1
		}
		at += n + 1
	}
}

// appendHead turns the head of CGI into one of HTTP/1 (RFC 3875 §6): lines may
// end in a bare LF, the status is a field. Fields about connections mean nothing
// here: the end of the answer is that of the request.
func appendHead(dst, head []byte) []byte {
	status, located := []byte(nil), false
	for line := range bytes.Lines(head) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("status")):
			status = bytes.TrimSpace(value)
		case bytes.EqualFold(name, []byte("location")):
			located = true
		}
	}
	switch {
	case len(status) > 0:
	case located:
		status = []byte("302 Found")
	default:
		status = []byte("200 OK")
	}
	dst = append(append(append(dst, "HTTP/1.1 "...), status...), "\r\n"...)
	for line := range bytes.Lines(head) {
		name, _, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("status")) || bytes.EqualFold(name, []byte("connection")) || bytes.EqualFold(name, []byte("transfer-encoding")) {
			continue
		}
		dst = append(append(dst, bytes.TrimRight(line, "\r\n")...), "\r\n"...)
	}
	return append(dst, "Connection: close\r\n\r\n"...)
}
