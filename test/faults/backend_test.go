package faults

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// backend does what the path of a request asks it to.
type backend struct {
	port int
	// open are its connections, waiting those that hang in a request.
	open, waiting atomic.Int64
	// leave is closed when the test ends: nothing hangs any longer.
	leave chan struct{}
	// For the test of clocks: requests to the service of auth-url and of
	// probes; those held until release is closed; tickets of TLS.
	asked, probed, holding atomic.Int64
	release                chan struct{}
	tickets                tls.ClientSessionCache
}

func newBackend(t *testing.T) *backend {
	t.Helper()
	b := &backend{leave: make(chan struct{}), release: make(chan struct{}), tickets: tls.NewLRUClientSessionCache(0)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.port = l.Addr().(*net.TCPAddr).Port
	s := &http.Server{Handler: b, ReadHeaderTimeout: time.Minute, ConnState: b.count}
	done := make(chan struct{})
	go func() { // ends with the listener
		defer close(done)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		close(b.leave)
		_ = s.Close()
		<-done
	})
	return b
}

func (b *backend) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		b.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		b.open.Add(-1)
	}
}

// raw are answers that no HTTP library would give; then the connection ends.
var raw = map[string]string{
	"/half-head":       "HTTP/1.1 200 OK\r\nContent-Le",
	"/half-body":       "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
	"/half-chunk":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf",
	"/both-framings":   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
	"/two-lengths":     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
	"/bad-chunk":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
	"/endless-head":    "HTTP/1.1 200 OK\r\nX-Long: " + strings.Repeat("x", 100<<10) + "\r\n\r\n",
	"/endless-interim": strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 20),
	"/no-http":         "SSH-2.0-OpenSSH_9.9\r\n",
	"/second-answer":   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
	"/early-then-gone": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nearly",
}

// ServeHTTP implements http.Handler.
func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if text, ok := raw[r.URL.Path]; ok {
		b.takeOver(w, func(c net.Conn) { _, _ = io.WriteString(c, text) })
		return
	}
	switch r.URL.Path {
	case "/never":
		b.hang(r)
	case "/stall":
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "begin")
		_ = http.NewResponseController(w).Flush()
		b.hang(r)
	case "/auth":
		b.asked.Add(1)
	case "/probe":
		b.probed.Add(1)
	case "/hold":
		b.holding.Add(1)
		defer b.holding.Add(-1)
		select {
		case <-b.release:
		case <-r.Context().Done():
		}
	case "/ws":
		b.takeOver(w, func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
			_, _ = io.Copy(c, c)
		})
	case "/reset":
		b.takeOver(w, func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) })
	case "/bytes":
		n, _ := strconv.Atoi(r.URL.RawQuery)
		w.Header().Set("Content-Length", strconv.Itoa(n))
		piece := make([]byte, 32<<10)
		for n > 0 {
			m, err := w.Write(piece[:min(n, len(piece))])
			if n -= m; err != nil {
				return
			}
		}
	default:
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			return
		}
		fmt.Fprintf(w, "took %d", n)
	}
}

// hang waits until Daemun goes away, or the test ends.
func (b *backend) hang(r *http.Request) {
	b.waiting.Add(1)
	defer b.waiting.Add(-1)
	select {
	case <-r.Context().Done():
	case <-b.leave:
	}
}

func (b *backend) takeOver(w http.ResponseWriter, f func(net.Conn)) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	f(c)
}
