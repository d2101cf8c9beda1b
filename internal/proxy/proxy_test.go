package proxy

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"daemun/internal/ir"
)

// up starts a rig with one scripted upstream.
func up(t testing.TB, handle func(int, *client), change func(*ir.Host, *ir.Route)) (*rig, *script) {
	t.Helper()
	s := newScript(t, handle)
	r := newRig(t, oneRoute(change))
	r.endpoints(s.addr())
	return r, s
}

func TestStepsAnswer(t *testing.T) {
	t.Parallel()
	const port = "PORT"
	tests := []struct {
		name     string
		change   func(*ir.Host, *ir.Route)
		request  string
		tls      bool
		status   int
		location string
	}{
		{"proxied", nil, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", false, 200, ""},
		{"unknown host", nil, "GET / HTTP/1.1\r\nHost: b.test\r\n\r\n", false, 404, ""},
		{"health", nil, "GET /healthz HTTP/1.1\r\nHost: b.test\r\n\r\n", false, 200, ""},
		{"bad path", nil, "GET /%00 HTTP/1.1\r\nHost: a.test\r\n\r\n", false, 400, ""},
		{"asterisk", nil, "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n", false, 400, ""},
		{"no host in 1.1", nil, "GET / HTTP/1.1\r\n\r\n", false, 400, ""},
		{"trace", nil, "TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n", false, 405, ""},
		{"www", func(h *ir.Host, _ *ir.Route) { h.RedirectTo, h.Routes = "www.a.test", nil }, "GET /x/?q HTTP/1.1\r\nHost: a.test\r\n\r\n", false, 308, "http://www.a.test:" + port + "/x/?q"},
		{"www drops slash", func(h *ir.Host, _ *ir.Route) { h.RedirectTo, h.Routes = "www.a.test", nil }, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", true, 308, "https://www.a.test:443"},
		{"app root before https", func(h *ir.Host, r *ir.Route) { h.AppRoot, r.ForceSSLRedirect = "/app", true }, "GET / HTTP/1.1\r\nHost: a.test:8\r\n\r\n", false, 302, "http://a.test:8/app"},
		{"denied", func(_ *ir.Host, r *ir.Route) { r.Denied = 503 }, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", false, 503, ""},
		{"permanent before https", func(_ *ir.Host, r *ir.Route) {
			r.Redirect, r.ForceSSLRedirect = &ir.Redirect{Code: 301, Location: "/new"}, true
		}, "GET /x HTTP/1.1\r\nHost: A.test:8\r\n\r\n", false, 301, "http://a.test/new"},
		{"slash", func(_ *ir.Host, r *ir.Route) { r.Redirect = &ir.Redirect{Code: 301, AppendSlash: true} }, "GET /x?q HTTP/1.1\r\nHost: a.test\r\n\r\n", false, 301, "http://a.test/x/?q"},
		{"https", func(h *ir.Host, r *ir.Route) { h.TLSRedirect, r.SSLRedirect = true, true }, "GET /a/?x=/ HTTP/1.1\r\nHost: a.test:80\r\n\r\n", false, 308, "https://a.test/a/?x="},
		{"https root", func(_ *ir.Host, r *ir.Route) { r.ForceSSLRedirect = true }, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", false, 308, "https://a.test"},
		{"https keeps slash", func(_ *ir.Host, r *ir.Route) { r.ForceSSLRedirect, r.PreserveTrailingSlash = true, true }, "GET /x/ HTTP/1.1\r\nHost: a.test\r\n\r\n", false, 308, "https://a.test/x/"},
		{"https on https", func(_ *ir.Host, r *ir.Route) { r.ForceSSLRedirect = true }, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", true, 200, ""},
		{"large body", func(_ *ir.Host, r *ir.Route) { r.MaxBody = 4 }, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello", false, 413, ""},
		{"large chunked body", func(_ *ir.Host, r *ir.Route) { r.MaxBody = 4 }, "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", false, 413, ""},
		{"bad chunk", nil, "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false, 400, ""},
		{"rewrite away", func(_ *ir.Host, r *ir.Route) { r.Rewrite = &ir.Rewrite{Pattern: "/", Target: "https://b.test/$1"} }, "GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n", false, 302, ""},
		{"no endpoint", func(_ *ir.Host, r *ir.Route) { r.Backend = "d/none/80" }, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", false, 503, ""},
		{"fallback", func(_ *ir.Host, r *ir.Route) { r.Backend, r.FallbackBackend = "d/none/80", backendID }, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", false, 200, ""},
		{"default backend without endpoints", func(_ *ir.Host, r *ir.Route) { r.Backend, r.DefaultBackend = "d/none/80", true }, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", false, 404, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t, answering(ok))
			r := newRig(t, oneRoute(tt.change))
			r.tls.Store(tt.tls)
			r.endpoints(s.addr())
			c := r.dial()
			c.send(tt.request)
			resp, body := c.answer("GET")
			if resp.StatusCode != tt.status {
				t.Errorf("status %d %q, want %d", resp.StatusCode, body, tt.status)
			}
			_, p, _ := net.SplitHostPort(r.listener.Addr().String())
			if want := strings.ReplaceAll(tt.location, port, p); want != "" && resp.Header.Get("Location") != want {
				t.Errorf("location %q, want %q", resp.Header.Get("Location"), want)
			}
			if hsts := resp.Header.Get("Strict-Transport-Security"); (hsts != "") != tt.tls {
				t.Errorf("Strict-Transport-Security %q on TLS %v", hsts, tt.tls)
			}
			if resp.Header.Get("Server") != "" {
				t.Error("a Server field was sent")
			}
		})
	}
}

func TestResponseFraming(t *testing.T) {
	t.Parallel()
	const gone = "gone"
	tests := []struct {
		name, response, request, want string
		closes                        bool
	}{
		{"length", ok, "GET / HTTP/1.1", "ok", false},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "GET / HTTP/1.1", "ok", false},
		{"until close", "HTTP/1.0 200 OK\r\n\r\nok", "GET / HTTP/1.1", "ok", false},
		{"chunked to 1.0", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "GET / HTTP/1.0", "ok", true},
		{"length to 1.0", ok, "GET / HTTP/1.0", "ok", true},
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "HEAD / HTTP/1.1", "", false},
		{"204", "HTTP/1.1 204 No Content\r\n\r\n", "GET / HTTP/1.1", "", false},
		{"304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "GET / HTTP/1.1", "", false},
		{"empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "GET / HTTP/1.1", "", false},
		{"interim", "HTTP/1.1 100 Continue\r\n\r\n" + ok, "GET / HTTP/1.1", "ok", false},
		{"both framings", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok", "GET / HTTP/1.1", "502", false},
		{"folded", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 2\r\n\r\nok", "GET / HTTP/1.1", "502", false},
		{"101 not asked for", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", "GET / HTTP/1.1", "502", false},
		{"too many interim", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 9) + ok, "GET / HTTP/1.0", "502", true},
		{"large head", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 70000) + "\r\n\r\n", "GET / HTTP/1.1", "502", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, _ := up(t, func(_ int, c *client) {
				for c.head() != "" {
					_, _ = io.WriteString(c, tt.response)
					if !strings.Contains(tt.response, "Content-Length: 2") {
						return // ends what has no other end
					}
				}
			}, nil)
			c := r.dial()
			c.send(tt.request + "\r\nHost: a.test\r\n\r\n")
			resp, body := c.answer(strings.Fields(tt.request)[0])
			switch {
			case len(tt.want) == 3:
				if resp.Status[:3] != tt.want {
					t.Errorf("status %s, want %s", resp.Status, tt.want)
				}
			case body != tt.want:
				t.Errorf("body %q, want %q", body, tt.want)
			}
			if tt.closes {
				if left := c.rest(); left != "" {
					t.Errorf("%s: %q after the response", gone, left)
				}
				return
			}
			if resp.Close {
				t.Error("Connection: close")
			}
		})
	}
}

func TestKeepAlivePipeliningAndPool(t *testing.T) {
	t.Parallel()
	r, s := up(t, echo, nil)
	c := r.dial()
	const n = 50
	c.send(strings.Repeat("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello"+"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", n))
	for range n {
		if _, body := c.answer("POST"); body != "hello" {
			t.Fatalf("body %q", body)
		}
		if _, body := c.answer("GET"); body != "" {
			t.Fatalf("body %q", body)
		}
	}
	if got := s.conns.Load(); got != 1 {
		t.Errorf("%d upstream connections, want 1", got)
	}
	// The response is out before its connection is back in the pool.
	eventually(t, "the pool is at its baseline", func() bool {
		st := r.upstreams.Backend(backendID).Status()
		return len(st) == 1 && st[0].Idle == 1 && st[0].Active == 0 && st[0].Requests == 2*n
	})
	if got := r.server.Stats(); got.Requests != 2*n || got.Accepted != 1 {
		t.Errorf("stats %+v", got)
	}
}

func TestKeepAliveRequestsEnds(t *testing.T) {
	t.Parallel()
	s := newScript(t, answering(ok))
	cfg := oneRoute(nil)
	cfg.Settings.KeepAliveRequests = 2
	r := newRig(t, cfg)
	r.endpoints(s.addr())
	c := r.dial()
	if resp, _ := c.get("/"); resp.Close {
		t.Error("closed after the first request")
	}
	if resp, _ := c.get("/"); !resp.Close {
		t.Error("not closed after the second request")
	}
	c.rest()
}

func TestBodiesBothWays(t *testing.T) {
	t.Parallel()
	payload := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	tests := map[string]string{
		"length":  "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1048576\r\n\r\n" + payload,
		"chunked": "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n80000\r\n" + payload[:0x80000] + "\r\n80000\r\n" + payload[0x80000:] + "\r\n0\r\n\r\n",
	}
	for name, request := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, s := up(t, echo, nil)
			c := r.dial()
			for range 3 {
				go func() { _, _ = io.WriteString(c, request) }()
				if resp, body := c.answer("POST"); resp.StatusCode != 200 || body != payload {
					t.Fatalf("status %d, %d octets", resp.StatusCode, len(body))
				}
			}
			if n := s.conns.Load(); n != 1 {
				t.Errorf("%d upstream connections, want 1", n)
			}
		})
	}
}

// TestLargeResponse covers both ways a body is copied: by us and, from
// spliceMin on, by the kernel; the connections carry on after each.
func TestLargeResponse(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1 << 20, spliceMin - 1, 2*spliceMin + 12345} {
		payload := strings.Repeat("0123456789abcdef", size/16+1)[:size]
		r, s := up(t, answering(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, payload)), nil)
		c := r.dial()
		for range 3 {
			if resp, body := c.get("/"); resp.StatusCode != 200 || body != payload {
				t.Fatalf("status %d, %d of %d octets", resp.StatusCode, len(body), size)
			}
		}
		if n := s.conns.Load(); n != 1 {
			t.Errorf("%d octets: %d upstream connections, want 1", size, n)
		}
	}
}

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	r, _ := up(t, echo, nil)
	c := r.dial()
	c.send("POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	if h := c.head(); h != "HTTP/1.1 100 Continue\r\n\r\n" {
		t.Fatalf("got %q", h)
	}
	c.send("hello")
	if _, body := c.answer("POST"); body != "hello" {
		t.Errorf("body %q", body)
	}
	c.send("POST / HTTP/1.1\r\nHost: b.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	if resp, _ := c.answer("POST"); resp.StatusCode != 404 || !resp.Close {
		t.Errorf("status %d, close %v; want 404 and close", resp.StatusCode, resp.Close)
	}
}

// H2.12: the answer comes although the body was not sent, and both
// connections end.
func TestEarlyResponse(t *testing.T) {
	t.Parallel()
	r, _ := up(t, answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"), nil)
	c := r.dial()
	c.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\nfirst")
	resp, body := c.answer("POST")
	if resp.StatusCode != 403 || body != "no" || !resp.Close {
		t.Errorf("got %d %q close %v", resp.StatusCode, body, resp.Close)
	}
	c.rest()
	if st := r.upstreams.Backend(backendID).Status(); st[0].Idle != 0 {
		t.Error("the upstream connection was pooled")
	}
}

// refused returns an address that refuses connections: its port is taken for
// the time of the test, but nobody listens there.
func refused(t *testing.T) netip.AddrPort {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	at := sa.(*syscall.SockaddrInet4)
	return netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port))
}

func TestRetries(t *testing.T) {
	t.Parallel()
	hangUp := func(_ int, c *client) { c.head() }
	tests := []struct {
		name         string
		first        func(int, *client) // nil: refuses connections
		retry        ir.Retry
		method, body string
		status       int
	}{
		{"refused", nil, ir.Retry{On: ir.RetryError, Tries: 3}, "GET", "", 200},
		{"refused POST", nil, ir.Retry{On: ir.RetryError, Tries: 3}, "POST", "hello", 200},
		{"one try", nil, ir.Retry{On: ir.RetryError, Tries: 1}, "GET", "", 502},
		{"off", nil, ir.Retry{Tries: 3}, "GET", "", 502},
		{"hangs up", hangUp, ir.Retry{On: ir.RetryError, Tries: 3}, "GET", "", 200},
		{"hangs up on POST", hangUp, ir.Retry{On: ir.RetryError, Tries: 3}, "POST", "hello", 502},
		{"hangs up on POST, allowed", hangUp, ir.Retry{On: ir.RetryError | ir.RetryNonIdempotent, Tries: 3}, "POST", "hello", 200},
		{"503", answering("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"), ir.Retry{On: ir.RetryHTTP503, Tries: 0}, "GET", "", 200},
		{"503 not listed", answering("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"), ir.Retry{On: ir.RetryHTTP502, Tries: 3}, "GET", "", 503},
		{"invalid head", answering("nonsense\r\n\r\n"), ir.Retry{On: ir.RetryInvalidHeader, Tries: 3}, "GET", "", 200},
		{"invalid head not listed", answering("nonsense\r\n\r\n"), ir.Retry{On: ir.RetryError, Tries: 3}, "GET", "", 502},
		{"silent", func(_ int, c *client) { c.head(); c.head() }, ir.Retry{On: ir.RetryTimeout, Tries: 3}, "GET", "", 200},
		{"silent, no retry", func(_ int, c *client) { c.head(); c.head() }, ir.Retry{On: ir.RetryError, Tries: 3}, "GET", "", 504},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			second := newScript(t, echo)
			r := newRig(t, oneRoute(func(_ *ir.Host, r *ir.Route) {
				r.Retry, r.ReadTimeout = tt.retry, ir.Duration(200*time.Millisecond)
			}))
			first := refused(t)
			if tt.first != nil {
				first = newScript(t, tt.first).addr()
			}
			r.endpoints(first, second.addr())
			c := r.dial()
			request := tt.method + " / HTTP/1.1\r\nHost: a.test\r\n"
			if tt.body != "" {
				request += "Content-Length: 5\r\n"
			}
			c.send(request + "\r\n" + tt.body)
			resp, body := c.answer(tt.method)
			if resp.StatusCode != tt.status {
				t.Fatalf("status %d, want %d", resp.StatusCode, tt.status)
			}
			if tt.status == 200 && body != tt.body {
				t.Errorf("body %q, want %q", body, tt.body)
			}
		})
	}
}

// A pooled connection that the upstream closes while the request is on its way
// is replaced, and that is no attempt of its own.
func TestStaleConnection(t *testing.T) {
	t.Parallel()
	r, s := up(t, func(n int, c *client) {
		c.head()
		c.send(ok)
		if n == 0 {
			c.head() // takes a second request and hangs up
			return
		}
		c.head()
	}, func(_ *ir.Host, r *ir.Route) { r.Retry.Tries = 1 })
	c := r.dial()
	for i := range 2 {
		if resp, _ := c.get("/"); resp.StatusCode != 200 {
			t.Fatalf("request %d: status %d", i, resp.StatusCode)
		}
	}
	if n := s.conns.Load(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

// H2.11: octets that come while a connection is idle never answer the next
// request.
func TestPoisonedConnection(t *testing.T) {
	t.Parallel()
	sent := make(chan struct{})
	r, _ := up(t, func(n int, c *client) {
		c.head()
		c.send(ok)
		if n == 0 {
			c.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
			close(sent)
		}
		c.head()
	}, nil)
	c := r.dial()
	c.get("/")
	<-sent
	if _, body := c.get("/"); body != "ok" {
		t.Errorf("body %q", body)
	}
}

func TestUpstreamAbort(t *testing.T) {
	t.Parallel()
	for name, response := range map[string]string{
		"length":  "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
		"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := up(t, func(_ int, c *client) { c.head(); c.send(response) }, nil)
			c := r.dial()
			c.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
			got := c.rest()
			if !strings.Contains(got, "half") || strings.HasSuffix(got, "\r\n0\r\n\r\n") || strings.Contains(got, "<html>") {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestClientAbortClosesUpstream(t *testing.T) {
	t.Parallel()
	got, ended := make(chan struct{}), make(chan struct{})
	r, _ := up(t, func(_ int, c *client) {
		c.head()
		close(got)
		c.head()
		close(ended)
	}, nil)
	c := r.dial()
	c.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	<-got
	c.Close()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("the upstream connection stays open")
	}
}

// H2.10: a body that ends early is never completed towards the upstream.
func TestBodyEndsEarly(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]string{
		"length":  "Content-Length: 100000\r\n\r\nfirst",
		"chunked": "Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			head, rest := make(chan string, 1), make(chan error, 1)
			r, _ := up(t, func(_ int, c *client) {
				head <- c.head()
				_, err := io.ReadAll(c.br)
				rest <- err
			}, nil)
			c := r.dial()
			c.send("POST / HTTP/1.1\r\nHost: a.test\r\n" + request)
			<-head
			c.Close()
			if err := <-rest; err == nil {
				t.Error("the upstream saw a clean end")
			}
		})
	}
}
