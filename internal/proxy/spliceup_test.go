package proxy

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"daemun/internal/ir"
)

// longHead is the head of a request whose body the kernel copies.
func longHead(size int) string {
	return "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: " + strconv.Itoa(size) + "\r\n\r\n"
}

const longUpload = spliceMin + spliceStep + 12345

// TestLongUpload checks that octets stay what they are and that both
// connections can be used again.
func TestLongUpload(t *testing.T) {
	t.Parallel()
	body := bytes.Repeat([]byte("0123456789abcdefghijklmnopqrstuvwxyz!"), longUpload/37+1)[:longUpload]
	r, s := up(t, func(_ int, c *client) {
		for {
			req, err := http.ReadRequest(c.br)
			if err != nil {
				return
			}
			got, err := io.ReadAll(req.Body)
			if err != nil || !bytes.Equal(got, body) {
				t.Errorf("%d octets came, %v", len(got), err)
			}
			c.send(ok)
		}
	}, func(_ *ir.Host, route *ir.Route) { route.MaxBody = 0 })
	c := r.dial()
	for range 3 {
		sent := sendInPieces(c.Conn, longHead(longUpload)+string(body), 100<<10)
		if resp, got := c.answer("POST"); resp.StatusCode != http.StatusOK || got != "ok" || resp.Close {
			t.Errorf("status %d, close %v, body %q", resp.StatusCode, resp.Close, got)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	}
	if n := s.conns.Load(); n != 1 {
		t.Errorf("%d connections to the backend", n)
	}
}

// TestLongUploadEndsEarly is H2.10: the backend sees that the end is missing,
// however the client ended.
func TestLongUploadEndsEarly(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(c *client){
		"closed": func(c *client) { c.Close() },
		"half closed": func(c *client) {
			_ = c.Conn.(interface{ CloseWrite() error }).CloseWrite()
		},
		"silent": func(*client) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			came, rest := make(chan struct{}), make(chan error, 1)
			size := int64(2 << 20)
			if name == "silent" {
				size = 1000 // more could take longer than it has
			}
			s := newScript(t, func(_ int, c *client) {
				_ = c.head()
				if _, err := io.CopyN(io.Discard, c.br, size); err != nil {
					t.Error(err)
				}
				close(came)
				_, err := io.ReadAll(c.br)
				rest <- err
			})
			cfg := oneRoute(func(_ *ir.Host, route *ir.Route) { route.MaxBody = 0 })
			if name == "silent" {
				cfg.Settings.BodyTimeout = ir.Duration(50 * time.Millisecond)
			}
			r := newRig(t, cfg)
			r.endpoints(s.addr())
			c := r.dial()
			c.send(longHead(longUpload) + strings.Repeat("x", int(size)))
			<-came
			end(c)
			if err := <-rest; err == nil {
				t.Error("the backend saw a clean end")
			}
			if name == "silent" {
				if resp, _ := c.answer("POST"); resp.StatusCode != http.StatusRequestTimeout {
					t.Errorf("status %d, want 408", resp.StatusCode)
				}
			}
		})
	}
}

// TestLongUploadIsAnsweredEarly is H2.12: the answer of a backend that does not
// want the rest reaches the client.
func TestLongUploadIsAnsweredEarly(t *testing.T) {
	t.Parallel()
	answered := make(chan struct{})
	r, _ := up(t, func(_ int, c *client) {
		_ = c.head()
		c.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
		<-answered
	}, func(_ *ir.Host, route *ir.Route) { route.MaxBody = 0 })
	c := r.dial()
	c.send(longHead(longUpload) + strings.Repeat("x", 1000))
	resp, body := c.answer("POST")
	close(answered)
	if resp.StatusCode != http.StatusForbidden || body != "no" || !resp.Close {
		t.Errorf("status %d, close %v, body %q", resp.StatusCode, resp.Close, body)
	}
}
