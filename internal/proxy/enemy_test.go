package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"daemun/internal/ir"
)

// TestHostileUpstreams: whatever an upstream does, a client gets one response
// that is whole or visibly broken off, and the next client never gets anything
// of it.
func TestHostileUpstreams(t *testing.T) {
	t.Parallel()
	const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	for name, tt := range map[string]struct {
		method, response string
		status           int // 0: broken off
		body             string
		hangUp           bool // after the response
	}{
		"two responses":            {"GET", ok + evil, 200, "ok", false},
		"octets behind":            {"GET", ok + "\x00", 200, "ok", false},
		"blank line behind":        {"GET", ok + "\r\n", 200, "ok", false},
		"HEAD with a body":         {"HEAD", ok, 200, "", false},
		"204 with a body":          {"GET", "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil", 204, "", false},
		"204 chunked":              {"GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n", 204, "", false},
		"304 with a body":          {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil", 304, "", false},
		"103 with a body":          {"GET", "HTTP/1.1 103 Early Hints\r\nContent-Length: 4\r\n\r\nevil" + ok, 502, "", false},
		"endless interim":          {"HEAD", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 9), 502, "", false},
		"fat interim":              {"HEAD", "HTTP/1.1 103 Early Hints\r\nA: " + strings.Repeat("x", 17<<10) + "\r\n\r\n", 502, "", false},
		"101 unasked":              {"GET", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", 502, "", false},
		"chunk size is no number":  {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 0, "", false},
		"chunk end is missing":     {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokXX0\r\n\r\n", 0, "", false},
		"chunk size overflows":     {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\nok", 0, "", false},
		"ends within a chunk":      {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok", 0, "", true},
		"ends before the last":     {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", 0, "", true},
		"ends within a length":     {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", 0, "", true},
		"ends within the head":     {"GET", "HTTP/1.1 200 OK\r\nContent-Le", 502, "", true},
		"ends at once":             {"GET", "", 502, "", true},
		"head too long by one":     {"GET", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 64<<10-23) + "\r\n\r\n", 502, "", false},
		"too many fields":          {"GET", "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 201) + "\r\n", 502, "", false},
		"bare LF":                  {"GET", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 502, "", false},
		"CR in a value":            {"GET", "HTTP/1.1 200 OK\r\nA: b\rSet-Cookie: evil=1\r\nContent-Length: 2\r\n\r\nok", 502, "", false},
		"NUL in a value":           {"GET", "HTTP/1.1 200 OK\r\nA: \x00\r\nContent-Length: 2\r\n\r\nok", 502, "", false},
		"control in the phrase":    {"GET", "HTTP/1.1 200 O\x01K\r\nContent-Length: 2\r\n\r\nok", 502, "", false},
		"two lengths":              {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", 502, "", false},
		"length in hex":            {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok", 502, "", false},
		"chunked in HTTP/1.0":      {"GET", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 502, "", false},
		"gzip, chunked":            {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 502, "", false},
		"HTTP/2 preface":           {"GET", "\x00\x00\x00\x04\x00\x00\x00\x00\x00", 502, "", false},
		"status 099":               {"GET", "HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n", 502, "", false},
		"status 999":               {"GET", "HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\nok", 999, "ok", false},
		"trailer of framing":       {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nContent-Length: 9\r\nSet-Cookie: evil=1\r\n\r\n", 200, "ok", false},
		"field named by itself":    {"GET", "HTTP/1.1 200 OK\r\nConnection: Content-Length, X\r\nX: evil\r\nContent-Length: 2\r\n\r\nok", 200, "ok", false},
		"close and keep-alive":     {"GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nKeep-Alive: 99\r\nContent-Length: 2\r\n\r\nok", 200, "ok", false},
		"internal redirect":        {"GET", "HTTP/1.1 200 OK\r\nX-Accel-Redirect: /evil\r\nContent-Length: 2\r\n\r\nok", 200, "ok", false},
		"chunk extensions, a lot ": {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;a="+strings.Repeat("x", 200)+"\r\ny\r\n", 200) + "0\r\n\r\n", 0, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := up(t, func(n int, c *client) {
				for i := 0; ; i++ {
					if c.head() == "" {
						return
					}
					if n > 0 || i > 0 {
						c.send(ok)
						continue
					}
					_, _ = io.WriteString(c, tt.response)
					if tt.hangUp {
						return
					}
				}
			}, func(_ *ir.Host, r *ir.Route) { r.Retry.Tries = 1 })
			c := r.dial()
			c.send(tt.method + " / HTTP/1.1\r\nHost: a.test\r\n\r\n")
			checkHostile(t, c, tt.method, tt.status, tt.body)
			eventually(t, "the attempt ends", func() bool { return r.upstreams.Backend(backendID).Status()[0].Active == 0 })
			for range 3 {
				if resp, body := r.dial().get("/"); resp.StatusCode != 200 || body != "ok" {
					t.Errorf("the next client got %d %q", resp.StatusCode, body)
				}
			}
			if n := r.server.Stats().Panics; n != 0 {
				t.Errorf("%d panics", n)
			}
		})
	}
}

// checkHostile reads one response, past interim ones.
func checkHostile(t *testing.T, c *client, method string, status int, body string) {
	t.Helper()
	var resp *http.Response
	var err error
	for {
		if resp, err = http.ReadResponse(c.br, &http.Request{Method: method}); err != nil {
			t.Fatalf("read response: %v", err)
		}
		if resp.StatusCode >= 200 {
			break
		}
	}
	got, err := io.ReadAll(resp.Body)
	switch {
	case status == 0:
		if err == nil {
			t.Errorf("%d %q does not look broken off", resp.StatusCode, got)
		}
		return
	case err != nil:
		t.Errorf("read body: %v", err)
	case resp.StatusCode != status || body != "" && string(got) != body:
		t.Errorf("got %d %q, want %d %q", resp.StatusCode, got, status, body)
	}
	for _, f := range []string{"Set-Cookie", "X", "X-Accel-Redirect", "Keep-Alive"} {
		if v := resp.Header.Get(f) + resp.Trailer.Get(f); v != "" {
			t.Errorf("%s: %s reached the client", f, v)
		}
	}
	if status == 204 || status == 304 || method == "HEAD" { // nothing may follow
		c.send("GET /healthz HTTP/1.1\r\nHost: b.test\r\n\r\n")
		if resp, _ := c.answer("GET"); resp.StatusCode != 200 || resp.ContentLength != 0 {
			t.Errorf("behind it came %d", resp.StatusCode)
		}
	}
}

// TestHostileUpgrades: nothing that an upstream or a client says out of turn
// opens a tunnel, and what the client sent early is a request of its own.
func TestHostileUpgrades(t *testing.T) {
	t.Parallel()
	with := func(old, now string) string { return strings.Replace(upgradeRequest, old, now, 1) }
	for name, tt := range map[string]struct {
		request, answer string
		status          int
	}{
		"data before 101":       {upgradeRequest, "\x81\x05Hello" + upgradeAnswer, 502},
		"101 twice":             {with("websocket", "WebSocket"), "HTTP/1.1 101 A\r\n\r\n" + upgradeAnswer, 502},
		"no accept key":         {upgradeRequest, "HTTP/1.1 101 A\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", 502},
		"Upgrade not listed":    {upgradeRequest, strings.Replace(upgradeAnswer, "Connection: Upgrade", "Connection: close", 1), 502},
		"two protocols":         {with("Upgrade: websocket", "Upgrade: websocket, h2c"), upgradeAnswer, 502},
		"asked twice":           {with("Upgrade: websocket", "Upgrade: websocket\r\nUpgrade: h2c"), upgradeAnswer, 502},
		"not in Connection":     {with("Connection: Upgrade", "Connection: keep-alive"), upgradeAnswer, 502},
		"HTTP/1.0":              {with("HTTP/1.1", "HTTP/1.0"), upgradeAnswer, 502},
		"with a body":           {with("Upgrade: websocket", "Upgrade: websocket\r\nContent-Length: 3") + "abc", upgradeAnswer, 502},
		"426":                   {upgradeRequest, "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n", 426},
		"h2c prior knowledge":   {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ok, 505},
		"upgrade to tls":        {with("websocket", "TLS/1.0"), upgradeAnswer, 502},
		"settings of HTTP/2 go": {with("Upgrade: websocket", "HTTP2-Settings: x\r\nUpgrade: h2c"), ok, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			heads := make(chan string, 4)
			r, _ := up(t, func(_ int, c *client) {
				heads <- c.head()
				_, _ = io.WriteString(c, tt.answer)
				c.head()
			}, func(_ *ir.Host, r *ir.Route) { r.Retry.Tries = 1 })
			c := r.dial()
			c.send(tt.request + "GET / HTTP/1.1\r\nHost: b.test\r\n\r\n")
			resp, _ := c.answer("GET")
			if resp.StatusCode != tt.status {
				t.Errorf("status %d, want %d", resp.StatusCode, tt.status)
			}
			if n := r.server.Stats().Tunnels; n != 0 {
				t.Errorf("%d tunnels", n)
			}
			if !resp.Close {
				if resp, _ := c.answer("GET"); resp.StatusCode != 404 {
					t.Errorf("the second request got %d, want 404", resp.StatusCode)
				}
			}
			select {
			case h := <-heads:
				if strings.Contains(strings.ToLower(h), "h2c") || strings.Contains(h, "HTTP2") {
					t.Errorf("the upstream got %q", h)
				}
			default:
			}
		})
	}
}

// TestHostileFields: what a client may not say about itself does not reach the
// upstream, whatever tricks it uses; each own field arrives once.
func TestHostileFields(t *testing.T) {
	t.Parallel()
	for _, fields := range []string{
		"Connection: X-Real-IP, X-Forwarded-For, Host, Cookie, X-Request-ID, X-Forwarded-Proto",
		"Connection: close\r\nConnection: x-real-ip\r\nconnection:\tHOST",
		"X_Real_IP: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nX-Real_IP: 6.6.6.6",
		"X-Real-IP: 6.6.6.6\r\nx-real-ip: 6.6.6.6\r\nX-REAL-IP:6.6.6.6",
		"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\nX-Forwarded-Host: evil\r\nX-Scheme: https\r\nX-Forwarded-Scheme: https",
		"X-Request-ID: one\r\nX-Request-ID: two",
		"X-Request-ID: a b", "X-Request-ID:", "Proxy: http://evil/\r\nproxy: x",
		"X-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\nX-HTTP-Method-Override: DELETE",
		"X-Original-Forwarded-For: 6.6.6.6\r\nX-Original-Forwarded-Host: evil",
	} {
		t.Run(fields, func(t *testing.T) {
			t.Parallel()
			got := make(chan *http.Request, 1)
			r, _ := up(t, func(_ int, c *client) {
				if req, err := http.ReadRequest(c.br); err == nil {
					got <- req
				}
				c.send(ok)
			}, nil)
			c := r.dial()
			c.send("GET /x HTTP/1.1\r\nHost: a.test\r\nCookie: a=b\r\n" + fields + "\r\n\r\n")
			if resp, _ := c.answer("GET"); resp.StatusCode != 200 {
				t.Fatalf("status %d", resp.StatusCode)
			}
			req := <-got
			_, port, _ := net.SplitHostPort(r.listener.Addr().String())
			for name, want := range map[string]string{
				"X-Real-Ip": "127.0.0.1", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "a.test", "X-Forwarded-Port": port,
				"X-Forwarded-Proto": "http", "X-Forwarded-Scheme": "http", "X-Scheme": "http", "Cookie": "a=b",
			} {
				if v := req.Header[name]; len(v) != 1 || v[0] != want {
					t.Errorf("%s: %q, want %q once", name, v, want)
				}
			}
			if id := req.Header["X-Request-Id"]; len(id) != 1 || id[0] == "" || strings.Contains(id[0], " ") {
				t.Errorf("X-Request-ID %q", id)
			}
			if req.Host != "a.test" || req.Method != "GET" || req.RequestURI != "/x" {
				t.Errorf("got %s %s for %s", req.Method, req.RequestURI, req.Host)
			}
			for name, values := range req.Header {
				if name == "Proxy" || name == "Connection" || strings.Contains(name, "_") {
					t.Errorf("%s: %q reached the upstream", name, values)
				}
				if strings.HasPrefix(name, "X-Original-Forwarded") && strings.Contains(fields, name) {
					t.Errorf("%s: %q was believed", name, values)
				}
			}
		})
	}
}

// TestPathsReachTheUpstreamAsRead: an ambiguous path is refused when its
// readings differ in the route; else it arrives as it came, or rewritten from
// the one reading that was matched.
func TestPathsReachTheUpstreamAsRead(t *testing.T) {
	t.Parallel()
	rewritten := func(h *ir.Host, r *ir.Route) {
		h.RegexMode, r.Match, r.Path, r.Pattern = true, ir.MatchRegex, "/api/(.*)", "^/api/(.*)"
		r.Rewrite = &ir.Rewrite{Pattern: "/api/(.*)", Target: "/v1/$1"}
	}
	guarded := func(h *ir.Host, r *ir.Route) {
		admin := *r
		admin.Path, admin.Pattern, admin.Denied = "/admin", "/admin", 403
		h.Routes = append(h.Routes, &admin)
	}
	for _, tt := range []struct {
		name, path string
		change     func(*ir.Host, *ir.Route)
		want       string // target at the upstream, or a status
	}{
		{"plain", "/a//b/./c/%2e/d;x?y=//..", nil, "/a//b/./c/%2e/d;x?y=//.."},
		{"dots to a guarded path", "/x/../admin", guarded, "403"},
		{"encoded dots", "/x/%2e%2e/admin", guarded, "403"},
		{"encoded slash", "/x%2f..%2fadmin", guarded, "400"},
		{"encoded letters", "/%61dmin", guarded, "403"},
		{"double slash", "//admin", guarded, "400"},
		{"backslash", "/x\\..\\admin", guarded, "400"},
		{"parameters", "/x/..;/admin", guarded, "400"},
		{"parameters behind", "/admin;x", guarded, "400"},
		{"twice encoded", "/%2561dmin", guarded, "/%2561dmin"},
		{"above the root", "/../admin", guarded, "400"},
		{"encoded NUL", "/admin%00", guarded, "400"},
		{"rewrite", "/api/x?q=1", rewritten, "/v1/x?q=1"},
		{"rewrite, line break", "/api/x%0d%0aEvil:%201", rewritten, "/v1/x%0D"}, // "." is no line feed,
		{"rewrite, blank", "/api/x%20HTTP/1.1", rewritten, "/v1/x%20HTTP/1.1"},
		{"rewrite, query in path", "/api/x%3fadmin=1", rewritten, "/v1/x%3Fadmin=1"},
		{"rewrite, twice encoded", "/api/%252e%252e/x", rewritten, "/v1/%252e%252e/x"},
		{"rewrite, dots", "/api/a/%2e%2e/b", rewritten, "/v1/b"},
		{"rewrite, fragment", "/api/x%23y", rewritten, "/v1/x%23y"},
		{"rewrite, high octets", "/api/%ff", rewritten, "/v1/%FF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			heads := make(chan string, 1)
			r, _ := up(t, func(_ int, c *client) { heads <- c.head(); c.send(ok) }, tt.change)
			c := r.dial()
			resp, _ := c.get(tt.path)
			if len(tt.want) == 3 {
				if got := fmt.Sprint(resp.StatusCode); got != tt.want {
					t.Errorf("status %s, want %s", got, tt.want)
				}
				return
			}
			if resp.StatusCode != 200 {
				t.Fatalf("status %d", resp.StatusCode)
			}
			line, _, _ := strings.Cut(<-heads, "\r\n")
			if want := "GET " + tt.want + " HTTP/1.1"; line != want {
				t.Errorf("the upstream got %q, want %q", line, want)
			}
		})
	}
}

// TestEndlessResponseToNobody: a client that never reads costs a bounded
// amount of memory, and the upstream feels it.
func TestEndlessResponseToNobody(t *testing.T) {
	t.Parallel()
	blocked := make(chan struct{})
	r, _ := up(t, func(_ int, c *client) {
		c.head()
		c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		chunk := []byte("8000\r\n" + strings.Repeat("x", 0x8000) + "\r\n")
		for {
			_ = c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
			if _, err := c.Write(chunk); err != nil {
				close(blocked)
				return
			}
		}
	}, nil)
	c := r.dial()
	c.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	select {
	case <-blocked: // long before 100 MiB: the buffers of the kernel are full
	case <-time.After(patience):
		t.Fatal("the upstream was never held back")
	}
	c.Close()
	eventually(t, "the connection ends", func() bool { s := r.server.Stats(); return s.Active+s.Idle == 0 })
}
