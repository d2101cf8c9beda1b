package proxy

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"daemun/internal/ir"
)

const authID ir.BackendID = "d/auth/80"

// asked is a route that asks a service, and what both sides got.
type asked struct {
	*rig
	toService, toBackend chan string
}

// newAsked starts a rig whose service answers with octets for each head.
func newAsked(t testing.TB, service func(head string) string, change func(*ir.ExternalAuth, *ir.Route)) *asked {
	t.Helper()
	a := &asked{toService: make(chan string, 20), toBackend: make(chan string, 20)}
	serve := func(got chan string, answer func(string) string) *script {
		return newScript(t, func(_ int, c *client) {
			for head := c.head(); head != ""; head = c.head() {
				got <- head
				if _, err := io.WriteString(c, answer(head)); err != nil {
					return
				}
			}
		})
	}
	backend := serve(a.toBackend, func(string) string { return ok })
	auth := serve(a.toService, service)
	a.rig = newRig(t, oneRoute(func(_ *ir.Host, r *ir.Route) {
		r.ExternalAuth = &ir.ExternalAuth{
			Backend: authID, Host: "auth.test", Target: "/check?u=$request_uri", SignInParam: "rd", Redirect: "$request_uri",
		}
		if change != nil {
			change(r.ExternalAuth, r)
		}
	}))
	a.endpoints(backend.addr())
	a.upstreams.Update(ir.EndpointSet{Backend: authID, Endpoints: []ir.Endpoint{{Addr: auth.addr()}}})
	return a
}

func always(octets string) func(string) string { return func(string) string { return octets } }

func hasField(head, line string) bool { return strings.Contains(head, "\r\n"+line+"\r\n") }

// TestServiceRequest pins what the service is told (§1.4.1).
func TestServiceRequest(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"", "POST"} {
		a := newAsked(t, always(ok), func(e *ir.ExternalAuth, _ *ir.Route) {
			e.Method, e.SetHeaders = method, []ir.Field{{Name: "X-Tenant", Value: "t-$host"}}
		})
		c := a.dial()
		c.send("PUT /x?y=1 HTTP/1.1\r\nHost: a.test:80\r\nCookie: s=1\r\nAuthorization: Bearer z\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 9.9.9.9\r\n" +
			"X-Original-URL: https://evil/\r\nx-original-uri: /evil\r\nX-Tenant: evil\r\nContent-Length: 2\r\n\r\nhi")
		if resp, _ := c.answer("PUT"); resp.StatusCode != 200 {
			t.Fatal(resp.Status)
		}
		head := <-a.toService
		line := "GET /check?u=/x?y=1 HTTP/1.1\r\n"
		if method != "" {
			line = strings.Replace(line, "GET", method, 1)
		}
		if !strings.HasPrefix(head, line) {
			t.Errorf("request line of %q", head)
		}
		for _, want := range []string{
			"Host: auth.test", "X-Original-URL: http://a.test:80/x?y=1", "X-Original-Method: PUT", "X-Sent-From: nginx-ingress-controller",
			"X-Real-IP: 127.0.0.1", "X-Forwarded-For: 127.0.0.1", "X-Auth-Request-Redirect: /x?y=1", "X-Tenant: t-a.test", "Cookie: s=1", "Authorization: Bearer z",
		} {
			if !hasField(head, want) {
				t.Errorf("no %q in %q", want, head)
			}
		}
		for _, never := range []string{"evil", "Content-Length", "X-Forwarded-Proto", "9.9.9.9"} {
			if strings.Contains(head, never) {
				t.Errorf("%q in %q", never, head)
			}
		}
		if got := hasField(head, "X-Original-URI: /x?y=1") && hasField(head, "X-Scheme: http"); got != (method != "") {
			t.Errorf("method %q: X-Original-URI %v", method, got)
		}
		if head := <-a.toBackend; !strings.HasPrefix(head, "PUT /x?y=1 ") {
			t.Errorf("the backend got %q", head)
		}
	}
}

// TestServiceVerdicts pins what each answer comes to.
func TestServiceVerdicts(t *testing.T) {
	t.Parallel()
	status := func(code string) string {
		return "HTTP/1.1 " + code + " X\r\nContent-Length: 9\r\nWWW-Authenticate: Bearer realm=x\r\n\r\nits words"
	}
	for answer, want := range map[string]int{
		status("200"): 200, "HTTP/1.1 204 X\r\n\r\n": 200, status("299"): 200, status("401"): 401, status("403"): 403,
		status("302"): 500, status("404"): 500, status("500"): 500, "HTTP/1.1 200": 500, "SSH-2.0\r\n\r\n": 500,
	} {
		a := newAsked(t, always(answer), func(_ *ir.ExternalAuth, r *ir.Route) { r.ReadTimeout = ir.Duration(300 * time.Millisecond) })
		c := a.dial()
		resp, body := c.get("/")
		if resp.StatusCode != want {
			t.Errorf("%q comes to %d, want %d", answer, resp.StatusCode, want)
		}
		if got := resp.Header.Get("WWW-Authenticate"); (got == "Bearer realm=x") != (want == 401) {
			t.Errorf("%q: challenge %q", answer, got)
		}
		if strings.Contains(body, "its words") || resp.Close != (want == 500) {
			t.Errorf("%q: %q, close %v", answer, body, resp.Close)
		}
		if got := len(a.toBackend); got != map[bool]int{true: 1, false: 0}[want == 200] {
			t.Errorf("%q: the backend got %d requests", answer, got)
		}
	}
	none := newAsked(t, always(ok), nil)
	none.upstreams.Update(ir.EndpointSet{Backend: authID})
	if resp, _ := none.dial().get("/"); resp.StatusCode != 500 {
		t.Errorf("a service without endpoints: %d", resp.StatusCode)
	}
}

// TestSignIn pins the redirect of a 401 octet by octet.
func TestSignIn(t *testing.T) {
	t.Parallel()
	const refusal = "HTTP/1.1 401 X\r\nContent-Length: 0\r\nSet-Cookie: csrf=1\r\n\r\n"
	for _, tt := range []struct{ signIn, target, want string }{
		{"https://login.test/start", "/?a=b", "https://login.test/start?rd=http://a.test:8%2F%3Fa%3Db"},
		{"https://$host/start?x=y", "/", "https://a.test/start?x=y&rd=http://a.test:8%2F"},
		{"https://login.test/?rd=$escaped_request_uri", "/q", "https://login.test/?rd=%2Fq"},
	} {
		a := newAsked(t, always(refusal), func(e *ir.ExternalAuth, r *ir.Route) {
			e.SignIn = tt.signIn
			r.CORS = corsPolicy("*")
		})
		c := a.dial()
		c.send("GET " + tt.target + " HTTP/1.1\r\nHost: a.test:8\r\n\r\n")
		resp, _ := c.answer("GET")
		if resp.StatusCode != 302 || resp.Header.Get("Location") != tt.want {
			t.Errorf("%d to %q, want %q", resp.StatusCode, resp.Header.Get("Location"), tt.want)
		}
		if resp.Header.Get("Set-Cookie") != "csrf=1" || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("fields %v", resp.Header)
		}
	}
	forbidden := newAsked(t, always(strings.Replace(refusal, "401", "403", 1)), func(e *ir.ExternalAuth, _ *ir.Route) { e.SignIn = "https://login.test/" })
	if resp, _ := forbidden.dial().get("/"); resp.StatusCode != 403 {
		t.Errorf("403 becomes %d", resp.StatusCode)
	}
	basic := newAsked(t, always(ok), func(e *ir.ExternalAuth, r *ir.Route) { e.SignIn = "https://login.test/"; basicAuth(nil, r) })
	if resp, _ := basic.dial().get("/"); resp.StatusCode != 302 || resp.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("a 401 of basic authentication: %d %v", resp.StatusCode, resp.Header)
	}
}

// TestServiceFields: what the service says replaces what the client says, also
// when it says nothing; its cookies go to the client.
func TestServiceFields(t *testing.T) {
	t.Parallel()
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-User: ann\r\nX-Group: a\r\nx-group: b\r\nSet-Cookie: s=1\r\nSet-Cookie: t=2\r\n\r\n"
	for _, alwaysSet := range []bool{false, true} {
		a := newAsked(t, always(answer), func(e *ir.ExternalAuth, _ *ir.Route) {
			e.ResponseHeaders, e.AlwaysSetCookie = []string{"X-User", "X-Group", "X-Mail"}, alwaysSet
		})
		c := a.dial()
		c.send("GET / HTTP/1.1\r\nHost: a.test\r\nx-user: evil\r\nX-Mail: evil\r\nX-Other: mine\r\n\r\n")
		resp, _ := c.answer("GET")
		head := <-a.toBackend
		if !hasField(head, "X-User: ann") || !hasField(head, "X-Group: a, b") || !hasField(head, "X-Other: mine") || strings.Contains(head, "evil") {
			t.Errorf("the backend got %q", head)
		}
		if got := strings.Join(resp.Header.Values("Set-Cookie"), "|"); got != "s=1|t=2" {
			t.Errorf("cookies %q", got)
		}
		a.endpoints() // 503, before the service is asked
		a.upstreams.Update(ir.EndpointSet{Backend: authID})
		resp, _ = c.get("/")
		if resp.Header.Get("Set-Cookie") != "" {
			t.Error("cookies of another request")
		}
	}
	errors := newAsked(t, always(answer), func(e *ir.ExternalAuth, r *ir.Route) { r.MaxBody = 1 })
	c := errors.dial()
	c.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi")
	if resp, _ := c.answer("POST"); resp.StatusCode != 413 || resp.Header.Get("Set-Cookie") != "" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
}

// TestServiceCache: answers are kept by key, status and time.
func TestServiceCache(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	a := newAsked(t, func(head string) string {
		n.Add(1)
		switch {
		case strings.Contains(head, "s=bad"):
			return "HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n"
		case strings.Contains(head, "s=new"):
			return "HTTP/1.1 200 X\r\nContent-Length: 0\r\nSet-Cookie: s=2\r\n\r\n"
		case strings.Contains(head, "s=private"):
			return "HTTP/1.1 200 X\r\nContent-Length: 0\r\nCache-Control: No-Store\r\n\r\n"
		}
		return "HTTP/1.1 200 X\r\nContent-Length: 0\r\nX-User: ann\r\n\r\n"
	}, func(e *ir.ExternalAuth, _ *ir.Route) {
		e.CacheKey, e.ResponseHeaders = "$cookie_s", []string{"X-User"}
		e.CacheFor = []ir.CacheFor{{Statuses: []int{200, 401}, For: ir.Duration(time.Hour)}}
	})
	for _, tt := range []struct {
		cookie string
		asks   int64
	}{{"s=1", 1}, {"s=2", 1}, {"s=bad", 3}, {"s=new", 3}, {"s=private", 3}} {
		before := n.Load()
		for range 3 {
			c := a.dial()
			c.send("GET /x HTTP/1.1\r\nHost: a.test\r\nCookie: " + tt.cookie + "\r\n\r\n")
			c.answer("GET")
		}
		if got := n.Load() - before; got != tt.asks {
			t.Errorf("%s: asked %d times, want %d", tt.cookie, got, tt.asks)
		}
	}
	for range 3 + 3 + 6 {
		if head := <-a.toBackend; strings.Contains(head, "s=1") && !hasField(head, "X-User: ann") {
			t.Errorf("a kept answer gives %q", head)
		}
	}
}

// TestOwnHostService: $host in the URL is the route of the host itself, without
// its guards.
func TestOwnHostService(t *testing.T) {
	t.Parallel()
	a := newAsked(t, always(ok), func(e *ir.ExternalAuth, _ *ir.Route) {
		e.Backend, e.Host, e.OwnHost, e.Target = "", "", true, "/oauth2/auth"
	})
	host := a.config.Hosts[1]
	service := *host.Routes[0]
	service.Path, service.Pattern, service.Backend, service.ExternalAuth = "/oauth2", "/oauth2", authID, nil
	host.Routes = append([]*ir.Route{&service}, host.Routes...)
	a.tables.Store(nil)
	a.publish()
	c := a.dial()
	c.send("GET /x HTTP/1.1\r\nHost: A.test:9\r\n\r\n")
	if resp, _ := c.answer("GET"); resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	if head := <-a.toService; !strings.HasPrefix(head, "GET /oauth2/auth HTTP/1.1\r\n") || !hasField(head, "Host: A.test") {
		t.Errorf("the service got %q", head)
	}
}

// TestSatisfyAnyService: one of password and service is enough.
func TestSatisfyAnyService(t *testing.T) {
	t.Parallel()
	for service, want := range map[string]int{ok: 200, "HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n": 403} {
		a := newAsked(t, always(service), func(_ *ir.ExternalAuth, r *ir.Route) {
			basicAuth(nil, r)
			r.SatisfyAny = true
		})
		c := a.dial()
		c.send("GET / HTTP/1.1\r\nHost: a.test\r\n" + basicHeader("ann", "se:cret") + "\r\n")
		if resp, _ := c.answer("GET"); resp.StatusCode != 200 {
			t.Errorf("with the password: %d", resp.StatusCode)
		}
		if resp, _ := c.get("/"); resp.StatusCode != want {
			t.Errorf("with the service only: %d, want %d", resp.StatusCode, want)
		}
	}
}

// TestStaleServiceConnection: a pooled connection that was closed meanwhile is
// replaced.
func TestStaleServiceConnection(t *testing.T) {
	t.Parallel()
	once := newScript(t, func(_ int, c *client) {
		if c.head() != "" {
			_, _ = io.WriteString(c, ok)
			c.head() // the next request, which is not answered
		}
	})
	a := newAsked(t, always(ok), nil)
	a.upstreams.Update(ir.EndpointSet{Backend: authID, Endpoints: []ir.Endpoint{{Addr: once.addr()}}})
	c := a.dial()
	for i := range 3 {
		if resp, _ := c.get("/"); resp.StatusCode != 200 {
			t.Errorf("request %d: %s", i, resp.Status)
		}
	}
}

// TestMirror pins what a copy is, and that nothing waits for it.
func TestMirror(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		body   bool
		send   string
		head   string
		octets string
		none   bool
	}{
		{"GET", true, "GET /x?y HTTP/1.1\r\nHost: a.test\r\nX-One: 1\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n", "GET /copy/x?y HTTP/1.1\r\n", "", false},
		{"body", true, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello", "POST /copy/ HTTP/1.1\r\n", "hello", false},
		{"chunked body", true, "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "POST /copy/ HTTP/1.1\r\n", "hello", false},
		{"large body", true, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 200000\r\n\r\n" + strings.Repeat("x", 200000), "POST /copy/ HTTP/1.1\r\n", strings.Repeat("x", 200000), false},
		{"body that is not wanted", false, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello", "POST /copy/ HTTP/1.1\r\n", "", false},
		{"body that is too long", true, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1100000\r\n\r\n" + strings.Repeat("x", 1100000), "", "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			type copied struct {
				head string
				req  *http.Request
				body string
			}
			got := make(chan copied, 1)
			mirror := newScript(t, func(_ int, c *client) {
				req, err := http.ReadRequest(c.br)
				if err != nil {
					return
				}
				body, _ := io.ReadAll(req.Body)
				got <- copied{req.Method + " " + req.RequestURI + " " + req.Proto + "\r\n", req, string(body)}
				c.head() // never answers
			})
			r, _ := up(t, echo, func(_ *ir.Host, r *ir.Route) {
				r.MaxBody = 0
				r.Mirror = &ir.Mirror{Backend: "d/mirror/80", Host: "copy.test", Target: "/copy$request_uri", Body: tt.body}
			})
			r.upstreams.Update(ir.EndpointSet{Backend: "d/mirror/80", Endpoints: []ir.Endpoint{{Addr: mirror.addr()}}})
			c := r.dial()
			c.send(tt.send)
			if resp, _ := c.answer("GET"); resp.StatusCode != 200 {
				t.Fatal(resp.Status)
			}
			if tt.none {
				if len(got) > 0 {
					t.Error("it was copied")
				}
				return
			}
			cp := <-got
			if cp.head != tt.head || cp.req.Host != "copy.test" || cp.body != tt.octets {
				t.Errorf("copy %q, Host %q, %d octets", cp.head, cp.req.Host, len(cp.body))
			}
			if tt.name == "GET" && (cp.req.Header.Get("X-One") != "1" || cp.req.Header.Get("X-Forwarded-For") != "9.9.9.9") {
				t.Errorf("fields %v", cp.req.Header)
			}
		})
	}
}

// TestMirrorWithoutAnybody: a copy that nobody takes costs the request nothing.
func TestMirrorWithoutAnybody(t *testing.T) {
	t.Parallel()
	r, _ := up(t, answering(ok), func(_ *ir.Host, r *ir.Route) {
		r.Mirror = &ir.Mirror{Backend: "d/none/80", Host: "copy.test", Target: "no path", Body: true}
	})
	if resp, _ := r.dial().get("/"); resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
	if got := r.server.Stats().Unmirrored; got != 1 {
		t.Errorf("%d copies were dropped", got)
	}
}
