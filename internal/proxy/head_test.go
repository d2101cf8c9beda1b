package proxy

import (
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"daemun/internal/ir"
)

func TestUpstreamHeadIsExact(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	r, _ := up(t, func(_ int, c *client) {
		got <- c.head()
		c.send(ok)
	}, nil)
	c := r.dial()
	c.send(lines("GET /one//x/../y%2Fz?a=%zz HTTP/1.1", "host: A.test:8080", "X-Request-ID: abc-1", "x-forwarded-for: 6.6.6.6", "X-Forwarded-For: 7.7.7.7",
		"X-Forwarded-Proto: https", "X-Real-IP: 6.6.6.6", "Connection: keep-alive, X-Drop", "X-Drop: 1", "Keep-Alive: 5", "Proxy: evil", "TE: gzip",
		"Accept-encoding: gzip", "cookie: a=b", "Forwarded: for=1"))
	resp, body := c.answer("GET")
	if resp.StatusCode != 200 || body != "ok" {
		t.Fatalf("got %d %q", resp.StatusCode, body)
	}
	_, port, _ := net.SplitHostPort(r.listener.Addr().String())
	want := lines("GET /one//x/../y%2Fz?a=%zz HTTP/1.1", "Host: A.test:8080", "X-Request-ID: abc-1", "X-Real-IP: 127.0.0.1", "X-Forwarded-For: 127.0.0.1",
		"X-Forwarded-Port: "+port, "X-Forwarded-Proto: http", "X-Forwarded-Scheme: http", "X-Scheme: http", "X-Forwarded-Host: A.test:8080",
		"X-Original-Forwarded-For: 6.6.6.6, 7.7.7.7", "Accept-encoding: gzip", "cookie: a=b", "Forwarded: for=1")
	if diff := cmp.Diff(want, <-got); diff != "" {
		t.Error(diff)
	}
}

func TestUpstreamHeadVariants(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		change  func(*ir.Host, *ir.Route)
		request string
		want    []string
		not     string
	}{
		{"rewrite and prefix", func(h *ir.Host, r *ir.Route) {
			h.RegexMode, r.Match, r.Path, r.Pattern = true, ir.MatchRegex, "/api(/|$)(.*)", "^/api(/|$)(.*)"
			r.Rewrite, r.ForwardedPrefix = &ir.Rewrite{Pattern: "/api(/|$)(.*)", Target: "/$2"}, "/api"
		}, "GET /api/x?q HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-Prefix: /evil\r\n\r\n", []string{"GET /x?q HTTP/1.1\r\n", "X-Forwarded-Prefix: /api\r\n"}, "/evil"},
		{
			"vhost", func(_ *ir.Host, r *ir.Route) { r.UpstreamVhost = "inner.test" }, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
			[]string{"\r\nHost: inner.test\r\n", "X-Forwarded-Host: a.test\r\n"},
			"\r\nHost: a.test",
		},
		{
			"fallback", func(_ *ir.Host, r *ir.Route) { r.Backend, r.FallbackBackend = "d/none/80", backendID }, "GET /x HTTP/1.1\r\nHost: a.test\r\nAccept: a/b\r\nx-code: 1\r\n\r\n",
			[]string{"GET /x HTTP/1.1\r\n", "X-Code: 503\r\n", "X-Format: a/b\r\n", "X-Namespace: d\r\n", "X-Ingress-Name: i\r\n", "X-Service-Name: s\r\n", "X-Service-Port: 80\r\n"},
			"x-code",
		},
		{"absolute form", nil, "GET http://a.test/y?z HTTP/1.1\r\nHost: a.test\r\n\r\n", []string{"GET /y?z HTTP/1.1\r\nHost: a.test\r\n"}, "http://"},
		{"id too long", nil, "GET / HTTP/1.1\r\nHost: a.test\r\nX-Request-ID: " + strings.Repeat("x", 129) + "\r\n\r\n", []string{"\r\nX-Request-ID: "}, "xxx"},
		{"empty body", nil, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n", []string{"\r\nContent-Length: 0\r\n\r\n"}, "chunked"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			heads := make(chan string, 1)
			r, _ := up(t, func(_ int, c *client) { heads <- c.head(); c.send(ok) }, tt.change)
			c := r.dial()
			c.send(tt.request)
			if resp, _ := c.answer("GET"); resp.StatusCode != 200 {
				t.Fatalf("status %d", resp.StatusCode)
			}
			head := <-heads
			for _, want := range tt.want {
				if !strings.Contains(head, want) {
					t.Errorf("no %q in\n%s", want, head)
				}
			}
			if strings.Contains(head, tt.not) {
				t.Errorf("%q in\n%s", tt.not, head)
			}
		})
	}
}
