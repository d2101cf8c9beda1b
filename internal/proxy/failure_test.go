package proxy

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"daemun/internal/ir"
)

// TestFailuresAreLogged pins what the client gets and what the access log says
// for each way in which a request can fail (§11, §5.4).
func TestFailuresAreLogged(t *testing.T) {
	t.Parallel()
	silent := func(_ int, c *client) { c.head(); c.head() }
	hangUp := func(_ int, c *client) { c.head() }
	const get = "GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n"
	for name, tt := range map[string]struct {
		upstream func(int, *client) // nil: refuses connections
		change   func(*ir.Host, *ir.Route)
		request  string
		status   int    // 0: the client does not wait
		log      string // after the request line; A is the upstream's address
	}{
		"refused":            {nil, nil, get, 502, `502 \d+ "-" "-" \d+ \S+ \[d-s-80\] \[\] A, A, A \S+, \S+, \S+ \S+, \S+, \S+ 502, 502, 502 `},
		"hangs up":           {hangUp, nil, get, 502, `502 \d+ "-" "-" \d+ \S+ \[d-s-80\] \[\] A, A, A .* 502, 502, 502 `},
		"hangs up on POST":   {hangUp, nil, "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi", 502, `502 \d+ "-" "-" \d+ \S+ \[d-s-80\] \[\] A \S+ \S+ 502 `},
		"silent":             {silent, func(_ *ir.Host, r *ir.Route) { r.ReadTimeout, r.Retry.Tries = ir.Duration(50*time.Millisecond), 2 }, get, 504, `504 .* A, A .* 504, 504 `},
		"no endpoint":        {silent, func(_ *ir.Host, r *ir.Route) { r.Backend = "d/none/80" }, get, 503, `503 \d+ "-" "-" \d+ \S+ \[d-none-80\] \[\] - - - - `},
		"client gone":        {silent, nil, get, 0, `499 0 .* A .* 499 `},
		"too large":          {silent, func(_ *ir.Host, r *ir.Route) { r.MaxBody = 1 }, "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi", 413, `413 \d+ "-" "-" \d+ \S+ \[d-s-80\] \[\] - - - - `},
		"bad head":           {silent, nil, "GET /x HTTP/1.1\r\nHost: a.test\r\nA : b\r\n\r\n", 400, `400 \d+ "-" "-" \d+ \S+ \[-\] \[\] - - - - `},
		"bad chunk":          {silent, nil, "POST /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, `400 .* \[d-s-80\] \[\] - - - - `},
		"no host":            {silent, nil, "GET /x HTTP/1.1\r\n\r\n", 400, `400 `},
		"trace":              {silent, nil, "TRACE /x HTTP/1.1\r\nHost: a.test\r\n\r\n", 405, `405 `},
		"coding":             {silent, nil, "POST /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, `501 `},
		"version":            {silent, nil, "GET /x HTTP/2.0\r\nHost: a.test\r\n\r\n", 505, ``},
		"target":             {silent, nil, "GET /" + strings.Repeat("x", 9000) + " HTTP/1.1\r\nHost: a.test\r\n\r\n", 414, ``},
		"head":               {silent, nil, "GET /x HTTP/1.1\r\nHost: a.test\r\nA: " + strings.Repeat("x", 17<<10) + "\r\n\r\n", 431, `431 `},
		"bad response":       {answering("HTTP/1.1 200 OK\r\nA : b\r\n\r\n"), nil, get, 502, `502 .* A \S+ \S+ 502 `},
		"denied":             {silent, func(_ *ir.Host, r *ir.Route) { r.Denied = 503 }, get, 503, `503 `},
		"broken off by both": {func(_ int, c *client) { c.head(); c.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf") }, nil, get, 200, `200 4 .* A 4 \S+ 200 `},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := refused(t)
			if tt.upstream != nil {
				at = newScript(t, tt.upstream).addr()
			}
			r := newLogged(t, oneRoute(tt.change))
			r.endpoints(at)
			c := r.dial()
			c.send(tt.request)
			if tt.status == 0 {
				eventually(t, "the upstream has it", func() bool { return r.upstreams.Backend(backendID).Status()[0].Active == 1 })
				c.Close()
			} else {
				checkOwnAnswer(t, c, tt.status)
				c.Close()
			}
			got := r.lines()
			want := regexp.MustCompile(`^127\.0\.0\.1 - - \[[^]]*\] "[^"]*" ` + strings.ReplaceAll(tt.log, "A", regexp.QuoteMeta(at.String())))
			if len(got) != 1 || !want.MatchString(got[0]) {
				t.Errorf("log %q\nwant %s", got, want)
			}
		})
	}
}

// checkOwnAnswer reads a response and looks at the fields that each of ours
// has.
func checkOwnAnswer(t *testing.T, c *client, status int) {
	t.Helper()
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(resp.Body) // may be broken off
	if resp.StatusCode != status {
		t.Errorf("status %d, want %d", resp.StatusCode, status)
	}
	if resp.Header.Get("Date") == "" || resp.Header.Get("Server") != "" {
		t.Errorf("fields %v", resp.Header)
	}
	if closes := status == 400 || status >= 405 && status < 500 || status == 501 || status == 505; closes != resp.Close {
		t.Errorf("Connection: close is %v", resp.Close)
	}
}

// TestHEADOnErrorPages: the length of the page, not the page.
func TestHEADOnErrorPages(t *testing.T) {
	t.Parallel()
	r, _ := up(t, answering(ok), nil)
	c := r.dial()
	c.send("HEAD / HTTP/1.1\r\nHost: b.test\r\n\r\nGET / HTTP/1.1\r\nHost: b.test\r\n\r\n")
	head, _ := c.answer("HEAD")
	full, page := c.answer("GET")
	if head.StatusCode != 404 || full.StatusCode != 404 || head.ContentLength != int64(len(page)) || len(page) == 0 {
		t.Errorf("got %d with %d, then %d with %d octets", head.StatusCode, head.ContentLength, full.StatusCode, len(page))
	}
}

// TestH2_16_POSTIsSentOnce: a request that is not idempotent reaches an
// upstream once at most, wherever the upstream fails.
func TestH2_16_POSTIsSentOnce(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"small":   "Content-Length: 2\r\n\r\nhi",
		"large":   "Content-Length: 300000\r\n\r\n" + strings.Repeat("x", 300000),
		"chunked": "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
		"empty":   "Content-Length: 0\r\n\r\n",
	} {
		for point, fail := range map[string]func(c *client, posts *atomic.Int32){
			"after the head":     func(c *client, _ *atomic.Int32) { c.head() },
			"after one octet":    func(c *client, _ *atomic.Int32) { _, _ = c.br.ReadByte() },
			"after a part of it": func(c *client, _ *atomic.Int32) { c.head(); c.send("HTTP/1.1 200 O") },
			"with a reused": func(c *client, posts *atomic.Int32) {
				if !strings.HasPrefix(c.head(), "GET") {
					return
				}
				c.send(ok)
				if b, _ := c.br.ReadByte(); b == 'P' {
					posts.Add(1)
				}
			},
			"with garbage":          func(c *client, _ *atomic.Int32) { c.head(); c.send("garbage\r\n\r\n") },
			"with 503, once":        func(c *client, _ *atomic.Int32) { c.head(); c.send("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n") },
			"with a reset, at once": func(c *client, _ *atomic.Int32) { _, _ = c.br.ReadByte(); _ = setLinger(c) },
		} {
			t.Run(name+" "+point, func(t *testing.T) {
				t.Parallel()
				var posts atomic.Int32
				r, _ := up(t, func(_ int, c *client) {
					if b, err := c.br.Peek(4); err == nil && string(b) == "POST" {
						posts.Add(1)
					}
					fail(c, &posts)
				}, func(_ *ir.Host, r *ir.Route) { r.Retry.On |= ir.RetryHTTP503 | ir.RetryInvalidHeader })
				c := r.dial()
				if point == "with a reused" {
					c.get("/")
				}
				go func() { _, _ = io.WriteString(c.Conn, "POST /x HTTP/1.1\r\nHost: a.test\r\n"+body) }()
				if resp, err := http.ReadResponse(c.br, nil); err == nil && resp.StatusCode == 200 {
					t.Errorf("status %d", resp.StatusCode)
				}
				c.Close()
				eventually(t, "all connections end", func() bool { s := r.server.Stats(); return s.Active+s.Idle == 0 })
				if n := posts.Load(); n > 1 {
					t.Errorf("the upstream got %d requests", n)
				}
			})
		}
	}
}

func setLinger(c *client) error {
	return c.Conn.(interface{ SetLinger(int) error }).SetLinger(0)
}

// TestBodyAfterStoppedBody: that an earlier body was not wanted any more says
// nothing about the next one.
func TestBodyAfterStoppedBody(t *testing.T) {
	r := newRig(t, oneRoute(func(_ *ir.Host, r *ir.Route) { r.Retry.Tries = 1 }))
	r.endpoints(newScript(t, func(n int, c *client) {
		if n > 0 {
			echo(n, c)
			return
		}
		c.head()
		_, _ = io.WriteString(c, "nonsense\r\n\r\n")
	}).addr())
	c := r.dial()
	c.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 40000\r\n\r\n" + strings.Repeat("x", 30000))
	eventually(t, "the upstream failed", func() bool { return r.upstreams.Backend(backendID).Status()[0].Failures == 1 })
	c.send(strings.Repeat("x", 10000))
	if resp, _ := c.answer("POST"); resp.StatusCode != 502 {
		t.Fatalf("status %d", resp.StatusCode)
	}
	c.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello")
	if resp, body := c.answer("POST"); resp.StatusCode != 200 || body != "hello" {
		t.Errorf("status %d, body %q", resp.StatusCode, body)
	}
}
