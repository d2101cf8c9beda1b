package proxy

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"daemun/internal/ir"
)

// TestHostNeverWritesIntoHeads: a canonical host is a view of the head it came
// from. The next request, with a host that needs lower-casing, must not be
// written through that view.
func TestHostNeverWritesIntoHeads(t *testing.T) {
	t.Parallel()
	r, _ := up(t, func(_ int, c *client) {
		for {
			head := c.head()
			if head == "" {
				return
			}
			target := strings.Fields(head)[1]
			c.send("HTTP/1.1 200 OK\r\nX-Target: " + target + "\r\nContent-Length: 0\r\n\r\n")
		}
	}, nil)
	c := r.dial()
	const long = "/0123456789abcdefghijklmnopqrstuvwxyz"
	for i := range 64 { // buffers come from a pool: some request gets the same one again
		host, path := "a.test", "/"
		if i%3 != 0 {
			host, path = "A.TEST", long // lies where the other head has its host
		}
		c.send("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
		resp, _ := c.answer("GET")
		if got := resp.Header.Get("X-Target"); got != path {
			t.Fatalf("Host: %s: the upstream got %q, want %q", host, got, path)
		}
	}
}

// held is a connection whose writes can be kept back, so that several TLS
// records arrive with one read.
type held struct {
	net.Conn
	holding bool
	b       bytes.Buffer
}

func (h *held) Write(p []byte) (int, error) {
	if h.holding {
		return h.b.Write(p)
	}
	return h.Conn.Write(p)
}

func (h *held) flush() {
	h.holding = false
	_, _ = h.b.WriteTo(h.Conn) // the test sees what is missing
}

// TestH2_11_PoisonedTLSConnection: a second response in the same read, but in a
// further TLS record, stays inside the TLS layer; the connection must not be
// used again.
func TestH2_11_PoisonedTLSConnection(t *testing.T) {
	t.Parallel()
	keys := httptest.NewTLSServer(nil)
	config := keys.TLS.Clone()
	keys.Close()
	r, s := up(t, func(n int, c *client) {
		h := &held{Conn: c.Conn}
		secure := tls.Server(h, config)
		c = &client{c.t, secure, bufio.NewReader(secure)}
		for c.head() != "" {
			h.holding = true
			c.send(ok)
			if n == 0 {
				c.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
			}
			h.flush()
		}
	}, func(_ *ir.Host, route *ir.Route) { route.Protocol = ir.ProtocolHTTPS })
	c := r.dial()
	for range 3 {
		if _, body := c.get("/"); body != "ok" {
			t.Fatalf("body %q", body)
		}
	}
	if n := s.conns.Load(); n != 2 {
		t.Errorf("%d upstream connections, want 2: the poisoned one, and one that is reused", n)
	}
}
