package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"net/netip"
	"strings"
	"testing"

	"daemun/internal/ir"
)

// applied is a rig whose backend is an application of net/http/fcgi.
func applied(t *testing.T, change func(*ir.Route), h http.HandlerFunc) *rig {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = fcgi.Serve(l, h)
	}()
	t.Cleanup(func() {
		l.Close()
		<-served
	})
	r := newRig(t, oneRoute(func(_ *ir.Host, route *ir.Route) {
		route.Protocol, route.MaxBody = ir.ProtocolFCGI, 0
		if change != nil {
			change(route)
		}
	}))
	r.endpoints(l.Addr().(*net.TCPAddr).AddrPort())
	return r
}

func TestFastCGI(t *testing.T) {
	t.Parallel()
	for _, buffered := range []bool{false, true} {
		r := applied(t, func(route *ir.Route) { route.RequestBuffering = buffered }, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("X-Saw", fmt.Sprintf("%s %s %s %d %s", r.Method, r.URL, r.Header.Get("X-Custom"), len(body), r.Header.Get("X-Forwarded-For")))
			if r.URL.Path == "/missing" {
				w.WriteHeader(404)
			}
			_, _ = w.Write(body)
		})
		c := r.dial()
		for _, size := range []int{0, 3, 20 << 10, 300 << 10} {
			body := strings.Repeat("x", size)
			c.send(fmt.Sprintf("POST /p?q=1 HTTP/1.1\r\nHost: a.test\r\nX-Custom: yes\r\nX-Forwarded-For: 1.2.3.4\r\nContent-Length: %d\r\n\r\n%s", size, body))
			resp, got := c.answer("POST")
			if want := fmt.Sprintf("POST http://a.test/p?q=1 yes %d 127.0.0.1", size); resp.StatusCode != 200 || got != body || resp.Header.Get("X-Saw") != want {
				t.Errorf("%d octets: %d %q, want %q; %d octets back", size, resp.StatusCode, resp.Header.Get("X-Saw"), want, len(got))
			}
		}
		c.send("HEAD /missing HTTP/1.1\r\nHost: a.test\r\n\r\n")
		if resp, _ := c.answer("HEAD"); resp.StatusCode != 404 {
			t.Errorf("status %d", resp.StatusCode)
		}
	}
}

// TestFastCGIParams of the route go with those of the request.
func TestFastCGIParams(t *testing.T) {
	t.Parallel()
	r := applied(t, func(route *ir.Route) {
		route.FastCGI = &ir.FastCGI{Index: "index.php", Params: []ir.Field{{Name: "SCRIPT_FILENAME", Value: "/app$fastcgi_script_name"}, {Name: "SERVER_NAME", Value: "own"}}}
	}, func(w http.ResponseWriter, r *http.Request) {
		env := fcgi.ProcessEnv(r)
		_, _ = fmt.Fprint(w, env["SCRIPT_FILENAME"], " ", env["SERVER_NAME"], " ", env["DOCUMENT_URI"], " ", env["REDIRECT_STATUS"])
	})
	if _, body := r.dial().get("/shop/"); body != "/app/shop/index.php own /shop/ 200" {
		t.Errorf("%q", body)
	}
}

// TestFastCGIUser: an application hears of a user only who has proven to be that,
// not who was let in by another guard.
func TestFastCGIUser(t *testing.T) {
	t.Parallel()
	r := applied(t, func(route *ir.Route) {
		basicAuth(nil, route)
		route.Access, route.SatisfyAny = &ir.Access{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, true
	}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%q", fcgi.ProcessEnv(r)["REMOTE_USER"])
	})
	for _, tt := range []struct{ remote, fields, want string }{
		{"11.1.1.1:5", basicHeader("ann", "se:cret"), `"ann"`},
		{"10.1.1.1:5", basicHeader("ann", "a lie"), `""`},
		{"10.1.1.1:5", "", `""`},
	} {
		r.remote.Store(&tt.remote)
		c := r.dial()
		c.send("GET / HTTP/1.1\r\nHost: a.test\r\n" + tt.fields + "\r\n")
		if _, body := c.answer("GET"); body != tt.want {
			t.Errorf("%s %q: REMOTE_USER %s, want %s", tt.remote, tt.fields, body, tt.want)
		}
	}
}

// TestFastCGIAnswersThatAreNone are 502.
func TestFastCGIAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"HTTP": "HTTP/1.1 400 Bad Request\r\n\r\n", "nothing": "", "no head": "\x01\x03\x00\x01\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"bad field": "\x01\x06\x00\x01\x00\x0a\x00\x00bad name\n\n\x01\x03\x00\x01\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	} {
		r := newRig(t, oneRoute(func(_ *ir.Host, route *ir.Route) { route.Protocol = ir.ProtocolFCGI }))
		r.endpoints(newScript(t, func(_ int, c *client) {
			p := make([]byte, 16)
			if _, err := io.ReadFull(c, p); err == nil {
				_, _ = io.WriteString(c, answer)
			}
		}).addr())
		if resp, _ := r.dial().get("/"); resp.StatusCode != 502 {
			t.Errorf("%s: status %d", name, resp.StatusCode)
		}
	}
}
