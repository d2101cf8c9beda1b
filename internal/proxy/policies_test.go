package proxy

import (
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"daemun/internal/ir"

	"github.com/google/go-cmp/cmp"
)

// corsPolicy is the default of the annotations, for these origins.
func corsPolicy(origins ...string) *ir.CORS {
	return &ir.CORS{Origins: origins, Credentials: true, Methods: "GET, POST", Headers: "X-One", MaxAge: 60}
}

// corsFields picks the fields of CORS out of a response.
func corsFields(resp *http.Response) []string {
	var found []string
	for _, name := range []string{"Origin", "Credentials", "Methods", "Headers"} {
		if v := resp.Header.Values("Access-Control-Allow-" + name); len(v) > 0 {
			found = append(found, name+"="+strings.Join(v, "|"))
		}
	}
	if v := resp.Header.Values("Access-Control-Max-Age"); len(v) > 0 {
		found = append(found, "Max-Age="+strings.Join(v, "|"))
	}
	return found
}

// TestCORS pins §1.5 on the wire.
func TestCORS(t *testing.T) {
	t.Parallel()
	full := func(origin string) []string {
		return []string{"Origin=" + origin, "Credentials=true", "Methods=GET, POST", "Headers=X-One", "Max-Age=60"}
	}
	upstreams := []string{"Origin=https://backend.test", "Max-Age=1"}
	some := func(_ *ir.Host, r *ir.Route) { r.CORS = corsPolicy("https://*.b.test") }
	all := func(_ *ir.Host, r *ir.Route) { r.CORS = corsPolicy("*") }
	with := func(change, more func(*ir.Host, *ir.Route)) func(*ir.Host, *ir.Route) {
		return func(h *ir.Host, r *ir.Route) { change(h, r); more(h, r) }
	}
	guarded := func(_ *ir.Host, r *ir.Route) {
		r.ForceSSLRedirect, r.Access = true, &ir.Access{Deny: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}
	}
	for _, tt := range []struct {
		name           string
		change         func(*ir.Host, *ir.Route)
		method, origin string
		status         int
		fields         []string
	}{
		{"match is echoed and replaces", some, "GET", "https://X.b.test", 200, full("https://X.b.test")},
		{"no match leaves the backend's", some, "GET", "https://c.test", 200, upstreams},
		{"no origin leaves the backend's", some, "GET", "", 200, upstreams},
		{"star without origin", all, "GET", "", 200, full("*")},
		{"star with origin", all, "GET", "https://c.test", 200, full("*")},
		{"preflight", some, "OPTIONS", "https://x.b.test", 204, full("https://x.b.test")},
		{"preflight of another goes to the backend", some, "OPTIONS", "https://c.test", 200, upstreams},
		{"preflight passes all guards", with(some, guarded), "OPTIONS", "https://x.b.test", 204, full("https://x.b.test")},
		{"redirect has the fields", with(some, guarded), "GET", "https://x.b.test", 308, full("https://x.b.test")},
		{"refusal has the fields", with(some, func(_ *ir.Host, r *ir.Route) {
			r.Access = &ir.Access{Deny: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}
		}), "GET", "https://x.b.test", 403, full("https://x.b.test")},
		{"503 has the fields", with(some, func(_ *ir.Host, r *ir.Route) { r.Backend = "d/none/80" }), "GET", "https://x.b.test", 503, full("https://x.b.test")},
		{"denied route has none", with(some, func(_ *ir.Host, r *ir.Route) { r.Denied = 503 }), "OPTIONS", "https://x.b.test", 503, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, _ := up(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nAccess-Control-Allow-Origin: https://backend.test\r\naccess-control-max-age: 1\r\n\r\n"), tt.change)
			c := r.dial()
			request := tt.method + " / HTTP/1.1\r\nHost: a.test\r\n"
			if tt.origin != "" {
				request += "Origin: " + tt.origin + "\r\n"
			}
			c.send(request + "\r\n")
			resp, body := c.answer(tt.method)
			if resp.StatusCode != tt.status {
				t.Errorf("status %d, want %d", resp.StatusCode, tt.status)
			}
			if d := cmp.Diff(tt.fields, corsFields(resp)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			if tt.status == 204 && (body != "" || resp.Header.Get("Content-Length") != "0" || resp.Header.Get("Content-Type") != "") {
				t.Errorf("preflight: %v %q", resp.Header, body)
			}
			if resp2, _ := c.get("/"); resp2 == nil {
				t.Error("the connection does not go on")
			}
		})
	}
}

// TestAddressLists pins the allow and deny lists, and that they come before
// the 404 of the default backend but after the https redirect.
func TestAddressLists(t *testing.T) {
	t.Parallel()
	lists := func(allow, deny string) func(*ir.Host, *ir.Route) {
		return func(_ *ir.Host, r *ir.Route) {
			r.Access = &ir.Access{}
			if allow != "" {
				r.Access.Allow = []netip.Prefix{netip.MustParsePrefix(allow)}
			}
			if deny != "" {
				r.Access.Deny = []netip.Prefix{netip.MustParsePrefix(deny)}
			}
		}
	}
	for _, tt := range []struct {
		name           string
		change         func(*ir.Host, *ir.Route)
		remote, fields string
		status         int
	}{
		{"allowed", lists("10.0.0.0/8", ""), "10.1.1.1:5", "", 200},
		{"not allowed", lists("10.0.0.0/8", ""), "11.1.1.1:5", "", 403},
		{"denied", lists("", "10.0.0.0/8"), "10.1.1.1:5", "", 403},
		{"not denied", lists("", "10.0.0.0/8"), "11.1.1.1:5", "", 200},
		{"deny beats allow", lists("10.0.0.0/8", "10.1.0.0/16"), "10.1.1.1:5", "", 403},
		{"IPv4 in IPv6", lists("10.0.0.0/8", ""), "[::ffff:10.1.1.1]:5", "", 200},
		{"what the client says does not count", lists("10.0.0.0/8", ""), "11.1.1.1:5", "X-Forwarded-For: 10.1.1.1\r\nX-Real-IP: 10.1.1.1\r\n", 403},
		{"before the default backend", func(h *ir.Host, r *ir.Route) { lists("", "10.0.0.0/8")(h, r); r.Backend = "" }, "10.1.1.1:5", "", 403},
		{"behind a missing endpoint", func(h *ir.Host, r *ir.Route) { lists("", "10.0.0.0/8")(h, r); r.Backend = "d/none/80" }, "10.1.1.1:5", "", 503},
		{"behind the https redirect", func(h *ir.Host, r *ir.Route) { lists("", "10.0.0.0/8")(h, r); r.ForceSSLRedirect = true }, "10.1.1.1:5", "", 308},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, _ := up(t, answering(ok), tt.change)
			r.remote.Store(&tt.remote)
			c := r.dial()
			c.send("GET / HTTP/1.1\r\nHost: a.test\r\n" + tt.fields + "\r\n")
			if resp, _ := c.answer("GET"); resp.StatusCode != tt.status {
				t.Errorf("status %d, want %d", resp.StatusCode, tt.status)
			}
		})
	}
}

// TestResponseFields pins what becomes of the fields of a backend.
func TestResponseFields(t *testing.T) {
	t.Parallel()
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nx-one: backend\r\nX-Two: backend\r\nContent-Type: a/b\r\n" +
		"Location: http://old.test/x?y\r\nRefresh: 3; url=http://old.test/z\r\nSet-Cookie: a=b; Path=/one/x; Domain=.old.test\r\nSet-Cookie: c=d\r\n\r\n"
	for _, tt := range []struct {
		name   string
		change func(*ir.Host, *ir.Route)
		want   map[string]string
	}{
		{"set", func(_ *ir.Host, r *ir.Route) {
			r.ResponseFields = []ir.Field{{Name: "X-One", Value: "1"}, {Name: "X-Three", Value: "$host"}}
		}, map[string]string{"X-One": "1", "X-Two": "backend", "X-Three": "$host"}},
		{"cookies", func(_ *ir.Host, r *ir.Route) {
			r.CookieDomain, r.CookiePath = &ir.Replacement{From: "old.test", To: "new.test"}, &ir.Replacement{From: "/one/", To: "/"}
		}, map[string]string{"Set-Cookie": "a=b; Path=/x; Domain=.new.test|c=d"}},
		{
			"location", func(_ *ir.Host, r *ir.Route) {
				r.LocationPrefix = &ir.Replacement{From: "http://old.test/", To: "https://new.test/n/"}
			},
			map[string]string{"Location": "https://new.test/n/x?y", "Refresh": "3; url=https://new.test/n/z"},
		},
		{
			"location to a path becomes absolute", func(_ *ir.Host, r *ir.Route) { r.LocationPrefix = &ir.Replacement{From: "http://old.test/", To: "/n/"} },
			map[string]string{"Location": "http://a.test/n/x?y", "Refresh": "3; url=/n/z"},
		},
		{"location to a path stays with relative-redirects", func(_ *ir.Host, r *ir.Route) {
			r.LocationPrefix, r.RelativeRedirects = &ir.Replacement{From: "http://old.test/", To: "/n/"}, true
		}, map[string]string{"Location": "/n/x?y"}},
		{
			"other location", func(_ *ir.Host, r *ir.Route) { r.LocationPrefix = &ir.Replacement{From: "https://old.test/", To: "/"} },
			map[string]string{"Location": "http://old.test/x?y", "Refresh": "3; url=http://old.test/z"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, _ := up(t, answering(answer), tt.change)
			resp, _ := r.dial().get("/")
			for name, want := range tt.want {
				if got := strings.Join(resp.Header.Values(name), "|"); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

// TestResponseFieldsOnOwnAnswers pins that they are on pages and redirects, too.
func TestResponseFieldsOnOwnAnswers(t *testing.T) {
	t.Parallel()
	r := newRig(t, oneRoute(func(_ *ir.Host, r *ir.Route) {
		r.ResponseFields = []ir.Field{{Name: "Content-Type", Value: "text/x"}, {Name: "Strict-Transport-Security", Value: "mine"}, {Name: "X-One", Value: "1"}}
	}))
	r.tls.Store(true)
	resp, _ := r.dial().get("/")
	got := []string{resp.Status}
	for _, name := range []string{"Content-Type", "Strict-Transport-Security", "X-One"} {
		got = append(got, strings.Join(resp.Header.Values(name), "|"))
	}
	if d := cmp.Diff([]string{"503 Service Unavailable", "text/x", "mine", "1"}, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestRelativeRedirects(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*ir.Host, *ir.Route){
		"/new":           func(_ *ir.Host, r *ir.Route) { r.Redirect = &ir.Redirect{Code: 301, Location: "/new"} },
		"/x/?q":          func(_ *ir.Host, r *ir.Route) { r.Redirect = &ir.Redirect{Code: 301, AppendSlash: true} },
		"http://b.test/": func(_ *ir.Host, r *ir.Route) { r.Redirect = &ir.Redirect{Code: 301, Location: "http://b.test/"} },
		"https://a.test/x?q": func(_ *ir.Host, r *ir.Route) {
			r.ForceSSLRedirect = true
		},
	} {
		r := newRig(t, oneRoute(func(h *ir.Host, r *ir.Route) { change(h, r); r.RelativeRedirects = true }))
		resp, _ := r.dial().get("/x?q")
		if got := resp.Header.Get("Location"); got != want {
			t.Errorf("Location %q, want %q", got, want)
		}
	}
}

// TestConnectionField pins connection-proxy-header: the backend sees it, and
// nothing is upgraded.
func TestConnectionField(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"close", "keep-alive"} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			heads := make(chan string, 2)
			r, s := up(t, func(_ int, c *client) {
				for {
					head := c.head()
					if head == "" {
						return
					}
					heads <- head
					if _, err := io.WriteString(c, ok); err != nil {
						return
					}
				}
			}, func(_ *ir.Host, r *ir.Route) { r.ConnectionField = value })
			c := r.dial()
			for range 2 {
				c.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
				if resp, _ := c.answer("GET"); resp.StatusCode != 200 {
					t.Errorf("status %d", resp.StatusCode)
				}
				if head := <-heads; !strings.Contains(head, "\r\nConnection: "+value+"\r\n") || strings.Contains(head, "Upgrade:") {
					t.Errorf("the backend got %q", head)
				}
			}
			if got, want := s.conns.Load(), map[string]int64{"close": 2, "keep-alive": 1}[value]; got != want {
				t.Errorf("%d connections to the backend, want %d", got, want)
			}
		})
	}
}

// TestPolicyAllocs pins that the policies of this file cost no allocation.
func TestPolicyAllocs(t *testing.T) {
	cfg := oneRoute(func(_ *ir.Host, r *ir.Route) {
		r.CORS = corsPolicy("https://*.b.test")
		r.Access = &ir.Access{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
		r.ResponseFields = []ir.Field{{Name: "X-One", Value: "1"}}
		r.CookiePath = &ir.Replacement{From: "/one", To: "/"}
	})
	cfg.Settings.KeepAliveRequests = 1 << 30
	r := newRig(t, cfg)
	r.endpoints(newScript(t, lean).addr())
	noAllocs(t, r, "GET /x HTTP/1.1\r\nHost: a.test\r\nOrigin: https://x.b.test\r\n\r\n")
}

// noAllocs pins that a request does not allocate, anywhere in the process.
func noAllocs(t *testing.T, r *rig, request string) {
	t.Helper()
	c := r.dial()
	octets, buf := []byte(request), make([]byte, 16<<10)
	trip := func() {
		if _, err := c.Conn.Write(octets); err != nil {
			t.Error(err)
		}
		if _, err := c.Conn.Read(buf); err != nil {
			t.Error(err)
		}
	}
	for range 10 {
		trip()
	}
	if n := testing.AllocsPerRun(1000, trip); n > 0 && !raceDetector {
		t.Errorf("%v allocations per request", n)
	}
}
