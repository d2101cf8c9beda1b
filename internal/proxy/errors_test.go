package proxy

import (
	"io"
	"net/netip"
	"strings"
	"testing"

	"daemun/internal/ir"
)

const sorryID ir.BackendID = "d/sorry/80"

// TestErrorBackend pins §11.3: what is replaced, what the error backend learns,
// and that its answer is the client's.
func TestErrorBackend(t *testing.T) {
	t.Parallel()
	const (
		sorry    = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Sorry: yes\r\nServer: s\r\n\r\nsorry"
		notFound = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nX-Backend: yes\r\n\r\ngone"
		refusing = "HTTP/1.1 200 X\r\nContent-Length: 5\r\n\r\nsorry"
	)
	denyAll := func(_ *ir.Host, r *ir.Route) {
		r.Access = &ir.Access{Deny: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}
	}
	for _, tt := range []struct {
		name            string
		change          func(*ir.Host, *ir.Route)
		backend, errors string
		request         string
		status          int
		body            string
	}{
		{"of the backend", nil, notFound, sorry, "GET /x?y HTTP/1.1\r\nHost: a.test\r\nAccept: text/x\r\n\r\n", 200, "sorry"},
		{"of the backend with a body sent", nil, notFound, sorry, "POST /x?y HTTP/1.1\r\nHost: a.test\r\nAccept: text/x\r\nContent-Length: 2\r\n\r\nhi", 200, "sorry"},
		{"its own status stays", nil, notFound, strings.Replace(sorry, "200 OK", "410 Gone", 1), "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", 410, "sorry"},
		{"not listed", nil, strings.Replace(notFound, "404", "418", 1), sorry, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", 418, "gone"},
		{"only own ones", func(_ *ir.Host, r *ir.Route) { r.Errors.OwnOnly = true }, notFound, sorry, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", 404, "gone"},
		{"made by us", func(_ *ir.Host, r *ir.Route) { r.Errors.OwnOnly, r.Backend = true, "d/none/80" }, "", sorry, "GET /x?y HTTP/1.1\r\nHost: a.test\r\nAccept: text/x\r\n\r\n", 200, "sorry"},
		{"too large a body", func(_ *ir.Host, r *ir.Route) { r.MaxBody = 1 }, "", sorry, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi", 200, "sorry"},
		{"a guard keeps its status", denyAll, "", refusing, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", 403, "sorry"},
		{"a password keeps its status", basicAuth, "", refusing, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", 401, "sorry"},
		{"error backend fails", nil, notFound, "SSH-2.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", 404, "404 Not Found"},
		{"error backend says too much", nil, notFound, "HTTP/1.1 200 X\r\nContent-Length: 2000000\r\n\r\n" + strings.Repeat("x", 2000000), "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", 404, "404 Not Found"},
		{"HEAD", nil, "HTTP/1.1 404 X\r\nContent-Length: 4\r\n\r\n", "HTTP/1.1 200 X\r\nContent-Length: 5\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n", 200, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			heads := make(chan string, 4)
			sorry := newScript(t, func(_ int, c *client) {
				for head := c.head(); head != ""; head = c.head() {
					heads <- head
					if _, err := io.WriteString(c, tt.errors); err != nil {
						return
					}
				}
			})
			r, _ := up(t, func(_ int, c *client) {
				head := c.head()
				if strings.HasPrefix(head, "POST") {
					_, _ = io.CopyN(io.Discard, c.br, 2)
				}
				_, _ = io.WriteString(c, tt.backend)
			}, func(h *ir.Host, r *ir.Route) {
				r.Errors = &ir.Errors{Statuses: []int{401, 403, 404, 413, 503}, Backend: sorryID}
				if tt.change != nil {
					tt.change(h, r)
				}
			})
			r.upstreams.Update(ir.EndpointSet{Backend: sorryID, Endpoints: []ir.Endpoint{{Addr: sorry.addr()}}})
			c := r.dial()
			c.send(tt.request)
			method, _, _ := strings.Cut(tt.request, " ")
			resp, body := c.answer(method)
			if resp.StatusCode != tt.status || !strings.Contains(body, tt.body) {
				t.Errorf("%d %.60q, want %d %q", resp.StatusCode, body, tt.status, tt.body)
			}
			if tt.status == 401 && resp.Header.Get("WWW-Authenticate") == "" {
				t.Error("no challenge")
			}
			if !strings.Contains(tt.request, "text/x") {
				return
			}
			if resp.Header.Get("X-Sorry") != "yes" || resp.Header.Get("X-Backend") != "" || resp.Header.Get("Server") != "" {
				t.Errorf("fields %v", resp.Header)
			}
			head := <-heads
			code := "404"
			if tt.backend == "" {
				code = "503"
			}
			for _, want := range []string{
				"Host: a.test", "X-Code: " + code, "X-Format: text/x", "X-Original-URI: /x?y", "X-Namespace: d", "X-Ingress-Name: i",
				"X-Service-Name: s", "X-Service-Port: 80", "X-Forwarded-For: 127.0.0.1",
			} {
				if !hasField(head, want) {
					t.Errorf("no %q in %q", want, head)
				}
			}
			if !strings.HasPrefix(head, method+" / HTTP/1.1\r\n") || strings.Count(head, "X-Request-ID") != 1 {
				t.Errorf("the error backend got %q", head)
			}
		})
	}
}

// TestErrorBackendIsToldTheTruth: about the certificate and the trace it hears
// what other backends hear, not what the client says.
func TestErrorBackendIsToldTheTruth(t *testing.T) {
	t.Parallel()
	heads := make(chan string, 1)
	sorry := newScript(t, func(_ int, c *client) {
		heads <- c.head()
		c.send(ok)
	})
	cfg := traced(func(p *ir.Trace, _ *ir.Tracing) { p.Trust = false })
	host := cfg.Hosts[1]
	host.ClientAuth = &ir.ClientAuth{Mode: ir.ClientOptional}
	host.Routes[0].Backend, host.Routes[0].Errors = "", &ir.Errors{Statuses: []int{404}, Backend: sorryID}
	r := newRig(t, cfg)
	r.upstreams.Update(ir.EndpointSet{Backend: sorryID, Endpoints: []ir.Endpoint{{Addr: sorry.addr()}}})
	c := r.dial()
	c.send("GET / HTTP/1.1\r\nHost: a.test\r\nSSL-Client-Verify: SUCCESS\r\nssl-client-cert: x\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nX-Own: 1\r\n\r\n")
	c.answer("GET")
	head := <-heads
	if !hasField(head, "ssl-client-verify: NONE") || !hasField(head, "X-Own: 1") || strings.Contains(head, "SUCCESS") || strings.Contains(head, "ssl-client-cert") || strings.Contains(head, "0af7651916cd43dd") {
		t.Errorf("%q", head)
	}
}
