package proxy

import (
	"net"
	"strings"
	"testing"

	"daemun/internal/ir"
)

// TestRedirectLocations pins Location octet by octet (ingress-nginx §1.1,
// §3.1–§3.4). PORT is the listener's.
func TestRedirectLocations(t *testing.T) {
	t.Parallel()
	force := func(_ *ir.Host, r *ir.Route) { r.ForceSSLRedirect = true }
	ssl := func(h *ir.Host, r *ir.Route) { h.TLSRedirect, r.SSLRedirect = true, true }
	www := func(h *ir.Host, _ *ir.Route) { h.RedirectTo, h.Routes = "www.a.test", nil }
	root := func(h *ir.Host, r *ir.Route) { h.AppRoot, r.ForceSSLRedirect = "/app/", true }
	fixed := func(code int, location string) func(*ir.Host, *ir.Route) {
		return func(_ *ir.Host, r *ir.Route) {
			r.Redirect, r.ForceSSLRedirect = &ir.Redirect{Code: code, Location: location}, true
		}
	}
	slash := func(_ *ir.Host, r *ir.Route) { r.Redirect = &ir.Redirect{Code: 301, AppendSlash: true} }
	relative := func(h *ir.Host, r *ir.Route) {
		slash(h, r)
		r.RelativeRedirects = true
	}
	away := func(h *ir.Host, r *ir.Route) {
		h.RegexMode, r.Match, r.Path, r.Pattern = true, ir.MatchRegex, "/original", "^/original"
		r.Rewrite = &ir.Rewrite{Pattern: "/original", Target: "https://bar.example.org/$1"}
	}
	captured := func(h *ir.Host, r *ir.Route) {
		h.RegexMode, r.Match, r.Path, r.Pattern = true, ir.MatchRegex, "/o/(.*)", "^/o/(.*)"
		r.Rewrite = &ir.Rewrite{Pattern: "/o/(.*)", Target: "http://b.test/$1"}
	}
	get := func(target string, fields ...string) string {
		return "GET " + target + " HTTP/1.1\r\n" + strings.Join(append([]string{"Host: a.test"}, fields...), "\r\n") + "\r\n\r\n"
	}
	for _, tt := range []struct {
		name     string
		change   func(*ir.Host, *ir.Route)
		request  string
		tls      bool
		status   int
		location string
	}{
		{"https root", ssl, get("/"), false, 308, "https://a.test"},
		{"https path", ssl, get("/a/b"), false, 308, "https://a.test/a/b"},
		{"https slash", ssl, get("/a/"), false, 308, "https://a.test/a"},
		{"https two slashes", ssl, get("/a//"), false, 308, "https://a.test/a/"},
		{"https query ends in slash", ssl, get("/a/?x=/"), false, 308, "https://a.test/a/?x="},
		{"https empty query", ssl, get("/a?"), false, 308, "https://a.test/a?"},
		{"https raw octets", ssl, get("/%7e;a=b?\"<>"), false, 308, "https://a.test/%7e;a=b?\"<>"},
		{"https dots", ssl, get("/x/../y"), false, 308, "https://a.test/x/../y"},
		{"https port goes", ssl, "GET /a HTTP/1.1\r\nHost: A.test:8080\r\n\r\n", false, 308, "https://A.test/a"},
		{"https forwarded ones are not believed", ssl, get("/a", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil"), false, 308, "https://a.test/a"},
		{"https absolute form", ssl, "GET http://a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n", false, 308, "https://a.test/x"},
		{"https POST", force, "POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi", false, 308, "https://a.test/a"},
		{"www", www, get("/foo"), false, 308, "http://www.a.test:PORT/foo"},
		{"www root", www, get("/"), false, 308, "http://www.a.test:PORT"},
		{"www slash", www, get("/x/"), false, 308, "http://www.a.test:PORT/x"},
		{"www query", www, get("/x/?a=b/"), false, 308, "http://www.a.test:PORT/x/?a=b"},
		{"www over TLS", www, get("/"), true, 308, "https://www.a.test:443"},
		{"app root", root, get("/"), false, 302, "http://a.test/app/"},
		{"app root over TLS", root, get("/"), true, 302, "https://a.test/app/"},
		{"app root keeps the port", root, "GET / HTTP/1.1\r\nHost: a.test:99\r\n\r\n", false, 302, "http://a.test:99/app/"},
		{"app root drops the query", root, get("/?q"), false, 302, "http://a.test/app/"},
		{"app root elsewhere", root, get("/x"), false, 308, "https://a.test/x"},
		{"permanent", fixed(301, "https://new.test/p"), get("/x?q"), false, 301, "https://new.test/p"},
		{"permanent 308", fixed(308, "https://new.test"), get("/x"), false, 308, "https://new.test"},
		{"permanent, other scheme", fixed(301, "ftp://new.test"), get("/x"), false, 301, "ftp://new.test"},
		{"permanent, path", fixed(301, "/new"), "GET /x HTTP/1.1\r\nHost: A.test:99\r\n\r\n", false, 301, "http://a.test/new"},
		{"permanent, path over TLS", fixed(301, "/new"), get("/x"), true, 301, "https://a.test/new"},
		{"permanent, no slash", fixed(301, "new"), get("/x"), false, 301, "new"},
		{"temporal", fixed(307, "http://tmp.test/?a=b"), get("/x"), false, 307, "http://tmp.test/?a=b"},
		{"line break in the object", fixed(301, "https://new.test/\r\nEvil: 1"), get("/x"), false, 500, ""},
		{"slash", slash, get("/x?q=1"), false, 301, "http://a.test/x/?q=1"},
		{"slash, port", slash, "GET /x HTTP/1.1\r\nHost: a.test:99\r\n\r\n", false, 301, "http://a.test/x/"},
		{"slash, odd path", slash, get("/%2fy/../x"), false, 301, "http://a.test/x/"},
		{"slash, relative", relative, get("/x?q=1"), false, 301, "/x/?q=1"},
		{"slash, relative, no other host", relative, get("/\\evil.test/../x"), false, 301, "/x/"},
		{"rewritten away", away, get("/original/other"), false, 302, "https://bar.example.org/"},
		{"rewritten away, query", away, get("/original?x=1"), false, 302, "https://bar.example.org/?x=1"},
		{"captured line break", captured, get("/o/a%0d%0aEvil:1"), false, 302, "http://b.test/a%0D"},
		{"captured host", captured, get("/o/@evil.test"), false, 302, "http://b.test/@evil.test"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, _ := up(t, answering(ok), tt.change)
			r.tls.Store(tt.tls)
			c := r.dial()
			c.send(tt.request)
			resp, _ := c.answer("GET")
			_, port, _ := net.SplitHostPort(r.listener.Addr().String())
			got := resp.Header.Values("Location")
			if want := strings.ReplaceAll(tt.location, "PORT", port); resp.StatusCode != tt.status || strings.Join(got, "|") != want {
				t.Errorf("got %d %q, want %d %q", resp.StatusCode, got, tt.status, want)
			}
			if resp.Header.Get("Evil") != "" {
				t.Error("a field was injected")
			}
			if tt.status != 500 && resp.Close {
				t.Error("Connection: close")
			}
		})
	}
}
