package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strconv"
	"time"

	"daemun/internal/tunnel"
)

// plainHTTPAnswer is what a plain request on a TLS port gets (ingress-nginx
// §4.7).
var plainHTTPAnswer = "HTTP/1.1 400 Bad Request\r\n" +
	"Content-Type: text/html\r\n" +
	"Content-Length: " + strconv.Itoa(len(plainHTTPPage)) + "\r\n" +
	"Connection: close\r\n\r\n" + plainHTTPPage

const plainHTTPPage = "<html>\r\n" +
	"<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n" +
	"<body>\r\n" +
	"<center><h1>400 Bad Request</h1></center>\r\n" +
	"<center>The plain HTTP request was sent to HTTPS port</center>\r\n" +
	"<hr><center>daemun</center>\r\n" +
	"</body>\r\n" +
	"</html>\r\n"

// What is read of a plain request before the connection is closed; closing
// with octets unread would reset it and could take the answer away.
const (
	lingerTime  = time.Second
	lingerBytes = 64 << 10
)

// handshake ends TLS on c. It returns nil, with c closed, when that fails.
func (l *Listener) handshake(ctx context.Context, c net.Conn) (*secureConn, *tls.ConnectionState) {
	// One absolute deadline for all of it (H6.4, H6.17).
	c.SetDeadline(time.Now().Add(l.config.HandshakeTimeout))
	stop := context.AfterFunc(ctx, func() { c.Close() })
	t := &secureConn{below: &gather{Conn: &tunnel.Line{Conn: c}, pool: &l.gathers}}
	t.Conn = tls.Server(t.below, l.config.TLS.Config())
	// Not HandshakeContext: it starts a goroutine to watch the context.
	err := t.Handshake()
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		l.handshakes.failed.Add(1)
		l.reasons.fail(err)
		if plain, ok := plainHTTP(err); ok {
			l.handshakes.plainHTTP.Add(1)
			answerPlainHTTP(plain)
		}
		c.Close()
		return nil, nil
	}
	c.SetDeadline(time.Time{})
	l.handshakes.ok.Add(1)
	state := t.ConnectionState()
	l.reasons.succeed(state.Version)
	if state.DidResume {
		l.handshakes.resumed.Add(1)
	}
	return t, &state
}

// plainHTTP reports whether a handshake failed because the client speaks HTTP
// without TLS: its first octets are the letters of a method.
func plainHTTP(err error) (net.Conn, bool) {
	var bad tls.RecordHeaderError
	if !errors.As(err, &bad) || bad.Conn == nil {
		return nil, false
	}
	for _, b := range bad.RecordHeader[:3] {
		if b < 'A' || b > 'Z' {
			return nil, false
		}
	}
	return bad.Conn, true
}

func answerPlainHTTP(c net.Conn) {
	c.SetDeadline(time.Now().Add(lingerTime))
	if _, err := io.WriteString(c, plainHTTPAnswer); err != nil {
		return
	}
	if half, ok := c.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		// Whatever ends the reading, the answer is out.
		_, _ = io.CopyN(io.Discard, c, lingerBytes)
	}
}
