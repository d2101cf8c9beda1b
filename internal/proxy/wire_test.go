package proxy

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"daemun/internal/ir"
)

// H1.16: the outcome does not depend on how the octets arrive.
func TestByteWise(t *testing.T) {
	t.Parallel()
	r, _ := up(t, echo, nil)
	c := r.dial()
	_ = c.Conn.(*net.TCPConn).SetNoDelay(true)
	request := "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
	for range 2 {
		for i := range len(request) {
			c.send(request[i : i+1])
		}
		if resp, body := c.answer("POST"); resp.StatusCode != 200 || body != "hello" {
			t.Fatalf("got %d %q", resp.StatusCode, body)
		}
	}
}

func TestHTTP10KeepAlive(t *testing.T) {
	t.Parallel()
	r, _ := up(t, answering(ok), nil)
	c := r.dial()
	for range 2 {
		c.send("GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n")
		if h := c.head(); !strings.Contains(h, "\r\nConnection: keep-alive\r\n") || !strings.Contains(h, "Content-Length: 2\r\n") {
			t.Fatalf("got %q", h)
		}
		c.expect("ok")
	}
}

func TestEarlyHints(t *testing.T) {
	t.Parallel()
	r, _ := up(t, answering("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"+ok), nil)
	c := r.dial()
	c.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	if h := c.head(); h != "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" {
		t.Fatalf("got %q", h)
	}
	if _, body := c.answer("GET"); body != "ok" {
		t.Errorf("body %q", body)
	}
}

func TestTrailersBothWays(t *testing.T) {
	t.Parallel()
	r, _ := up(t, func(_ int, c *client) {
		req, err := http.ReadRequest(c.br)
		if err != nil {
			return
		}
		_, _ = io.ReadAll(req.Body)
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nGot: %s%s\r\nContent-Length: 9\r\n\r\n", req.Trailer.Get("A"), req.Trailer.Get("Host"))
	}, nil)
	c := r.dial()
	c.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\nHost: evil\r\n\r\n")
	c.head()
	c.expect("1\r\nx\r\n0\r\nGot: b\r\n\r\n")
}

// A response that trickles reaches the client as it comes.
func TestStreamedResponse(t *testing.T) {
	t.Parallel()
	next := make(chan string)
	r, _ := up(t, func(_ int, c *client) {
		c.head()
		c.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
		for s := range next {
			c.send(s)
		}
	}, nil)
	c := r.dial()
	c.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	c.head()
	next <- "one"
	c.expect("3\r\none\r\n")
	next <- "two"
	c.expect("3\r\ntwo\r\n")
	close(next)
	c.expect("0\r\n\r\n")
}

// TestTLSBothSides runs a request over TLS from the client and to the
// upstream, with a body too large for one record.
func TestTLSBothSides(t *testing.T) {
	t.Parallel()
	payload := strings.Repeat("0123456789abcdef", 1<<14)
	backend := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Strict-Transport-Security", "max-age=1")
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(body)
	}))
	defer backend.Close()
	r := newRig(t, oneRoute(func(_ *ir.Host, r *ir.Route) { r.Protocol = ir.ProtocolAuto }))
	r.endpoints(backend.Listener.Addr().(*net.TCPAddr).AddrPort())
	r.tls.Store(true)
	r.wrap.Store(&tls.Config{Certificates: backend.TLS.Certificates})
	nc, err := tls.Dial("tcp", r.listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(patience))
	c := newClient(t, nc)
	for range 2 {
		c.send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n", len(payload)))
		go func() { _, _ = io.WriteString(nc, payload) }()
		resp, body := c.answer("POST")
		if resp.StatusCode != 200 || body != payload {
			t.Fatalf("status %d, %d octets", resp.StatusCode, len(body))
		}
		if got := resp.Header.Values("Strict-Transport-Security"); len(got) != 1 || got[0] == "max-age=1" {
			t.Errorf("Strict-Transport-Security %q", got)
		}
	}
}
