package proxy

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"daemun/internal/http1"
	"daemun/internal/ir"
	"daemun/internal/upstream"
	"daemun/internal/variable"
)

// named is an upstream that says who it is.
func named(t testing.TB, name string) *script {
	return newScript(t, answering(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(name), name)))
}

const canaryID ir.BackendID = "d/canary/80"

// balanced is a rig with three endpoints, "0" to "2", and the canary "c".
func balanced(t testing.TB, b *ir.Balance, change func(*ir.Host, *ir.Route)) *rig {
	t.Helper()
	cfg := oneRoute(change)
	cfg.Settings.KeepAliveRequests = 1 << 30
	r := newRig(t, cfg)
	var set []*script
	for i := range 3 {
		set = append(set, named(t, fmt.Sprint(i)))
	}
	r.endpoints(set[0].addr(), set[1].addr(), set[2].addr())
	r.upstreams.Configure(&ir.Backend{ID: backendID, Balance: b})
	r.upstreams.Update(ir.EndpointSet{Backend: canaryID, Endpoints: []ir.Endpoint{{Addr: named(t, "c").addr()}}})
	return r
}

// ask sends a GET with fields and returns who answered, and the response.
func (c *client) ask(target, fields string) (string, *http.Response) {
	c.t.Helper()
	c.send("GET " + target + " HTTP/1.1\r\nHost: a.test\r\n" + fields + "\r\n")
	resp, body := c.answer("GET")
	return body, resp
}

func affinity(change func(*ir.Affinity)) *ir.Balance {
	a := &ir.Affinity{Name: "INGRESSCOOKIE"}
	if change != nil {
		change(a)
	}
	return &ir.Balance{Affinity: a}
}

func setsAffinity(_ *ir.Host, r *ir.Route) { r.SetsAffinity = true }

// jar is the name and value of the first cookie of a response.
func jar(resp *http.Response) string {
	if cookies := resp.Cookies(); len(cookies) > 0 {
		return cookies[0].Name + "=" + cookies[0].Value
	}
	return ""
}

// TestAffinity pins §6.2 for both modes: the first answer brings a cookie, the
// cookie brings the client back, and is not set again.
func TestAffinity(t *testing.T) {
	t.Parallel()
	for _, persistent := range []bool{false, true} {
		t.Run(fmt.Sprint("persistent ", persistent), func(t *testing.T) {
			t.Parallel()
			r := balanced(t, affinity(func(a *ir.Affinity) { a.Persistent = persistent }), setsAffinity)
			c := r.dial()
			seen := map[string]bool{}
			for range 30 {
				who, resp := c.ask("/", "")
				cookie := jar(resp)
				if key, side, ok := strings.Cut(strings.TrimPrefix(cookie, "INGRESSCOOKIE="), "|"); !ok || len(key) != 32 || len(side) != 32 {
					t.Fatalf("cookie %q", cookie)
				}
				seen[who] = true
				for range 3 {
					again, resp := c.ask("/", "Cookie: x=y; "+cookie+"\r\n")
					if again != who || jar(resp) != "" {
						t.Errorf("%s comes to %s, cookie %q", who, again, jar(resp))
					}
				}
			}
			if len(seen) != 3 {
				t.Errorf("clients came to %v only", seen)
			}
			// A key that names nothing: it is a key like any other, or replaced.
			_, resp := c.ask("/", "Cookie: INGRESSCOOKIE=garbage\r\n")
			if replaced := jar(resp) != ""; replaced != persistent {
				t.Errorf("garbage is replaced: %v", replaced)
			}
			// A route without affinity honours the cookie and gives none.
			r.config = oneRoute(nil)
			r.publish()
			if _, resp := c.ask("/", ""); jar(resp) != "" {
				t.Errorf("another route gives %q", jar(resp))
			}
		})
	}
}

// TestAffinityCookie pins the attributes octet by octet.
func TestAffinityCookie(t *testing.T) {
	t.Parallel()
	number := func(n int64) *int64 { return &n }
	const ios12 = "User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 12_1 like Mac OS X)\r\n"
	for _, tt := range []struct {
		name   string
		change func(*ir.Affinity)
		tls    bool
		fields string
		want   string // behind the value
	}{
		{"defaults", nil, false, "", "; Path=/; HttpOnly"},
		{"TLS", nil, true, "", "; Path=/; Secure; HttpOnly"},
		{"secure without TLS", func(a *ir.Affinity) { a.Secure = true }, false, "", "; Path=/; Secure; HttpOnly"},
		{"all", func(a *ir.Affinity) {
			a.MaxAge, a.Domain, a.Path, a.SameSite = number(60), "a.test", "/p", "Lax"
		}, false, "", "; Max-Age=60; Domain=a.test; Path=/p; HttpOnly; SameSite=Lax"},
		{"none", func(a *ir.Affinity) { a.SameSite = "None" }, false, ios12, "; Path=/; HttpOnly; SameSite=None"},
		{"none for those who misread it", func(a *ir.Affinity) { a.SameSite, a.ConditionalNone = "None", true }, false, ios12, "; Path=/; HttpOnly"},
		{"none for the others", func(a *ir.Affinity) { a.SameSite, a.ConditionalNone = "None", true }, false, "", "; Path=/; HttpOnly; SameSite=None"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := balanced(t, affinity(tt.change), setsAffinity)
			r.tls.Store(tt.tls)
			_, resp := r.dial().ask("/", tt.fields)
			_, got, _ := strings.Cut(resp.Header.Get("Set-Cookie"), ";")
			if ";"+got != tt.want {
				t.Errorf("got %q, want %q", ";"+got, tt.want)
			}
		})
	}
	r := balanced(t, affinity(func(a *ir.Affinity) { a.Expires = number(3600) }), setsAffinity)
	if _, resp := r.dial().ask("/", ""); resp.Cookies()[0].Expires.IsZero() {
		t.Errorf("no Expires in %q", resp.Header.Get("Set-Cookie"))
	}
}

// TestAffinityFailure: a client keeps the endpoint that fails, or with
// change-on-failure gets another one and a new cookie.
func TestAffinityFailure(t *testing.T) {
	t.Parallel()
	for _, persistent := range []bool{false, true} {
		for _, change := range []bool{false, true} {
			t.Run(fmt.Sprint("persistent ", persistent, " change ", change), func(t *testing.T) {
				t.Parallel()
				good := named(t, "good")
				bad := newScript(t, func(_ int, c *client) { c.head() }) // closes without an answer
				r := newRig(t, oneRoute(setsAffinity))
				r.upstreams.Configure(&ir.Backend{ID: backendID, Balance: affinity(func(a *ir.Affinity) { a.Persistent, a.ChangeOnFailure = persistent, change })})
				r.endpoints(bad.addr())
				_, resp := r.dial().ask("/", "")
				cookie := jar(resp)
				if resp.StatusCode != 502 || cookie == "" {
					t.Fatalf("%d, cookie %q", resp.StatusCode, cookie)
				}
				r.endpoints(bad.addr(), good.addr())
				if !persistent { // find a key of the bad endpoint
					i := 0
					for r.upstreams.Backend(backendID).PickHash(upstream.Hash([]byte(fmt.Sprint(i))), nil).Address() != bad.addr().String() {
						i++
					}
					cookie = fmt.Sprint("INGRESSCOOKIE=", i)
				}
				who, resp := r.dial().ask("/", "Cookie: "+cookie+"\r\n")
				if change && (who != "good" || jar(resp) == "" || jar(resp) == cookie) {
					t.Errorf("%d from %q, cookie %q", resp.StatusCode, who, jar(resp))
				}
				if !change && (resp.StatusCode != 502 || jar(resp) != "") {
					t.Errorf("%d from %q, cookie %q", resp.StatusCode, who, jar(resp))
				}
			})
		}
	}
}

// TestAffinityOfNewClientFailure: a client without a cookie is given an endpoint, and
// keeps it when that fails.
func TestAffinityOfNewClientFailure(t *testing.T) {
	t.Parallel()
	good := named(t, "good")
	bad := newScript(t, func(_ int, c *client) { c.head() }) // closes without an answer
	cfg := oneRoute(setsAffinity)
	cfg.Settings.KeepAliveRequests = 1 << 30
	r := newRig(t, cfg)
	r.upstreams.Configure(&ir.Backend{ID: backendID, Balance: affinity(nil)})
	r.endpoints(bad.addr(), good.addr())
	c := r.dial()
	failed := 0
	for range 60 { // keys are random: each has either endpoint with the same chance
		who, resp := c.ask("/", "")
		switch cookie := jar(resp); {
		case cookie == "":
			t.Fatalf("%d without a cookie", resp.StatusCode)
		case resp.StatusCode == 502:
			failed++
		case who != "good":
			t.Errorf("%d from %q", resp.StatusCode, who)
		}
	}
	if failed == 0 {
		t.Error("all have come to the endpoint that works")
	}
}

// TestHashBy: equal values of the text come to the same endpoint, or to a part
// of them; another one when that fails.
func TestHashBy(t *testing.T) {
	t.Parallel()
	r := balanced(t, &ir.Balance{HashBy: "$arg_k$http_x_key"}, nil)
	c := r.dial()
	seen := map[string]bool{}
	for i := range 40 {
		target := fmt.Sprintf("/p%d?k=%d", i, i)
		who, _ := c.ask(target, "")
		seen[who] = true
		for range 3 {
			if again, _ := c.ask(target, ""); again != who {
				t.Errorf("%s comes to %s and %s", target, who, again)
			}
			if again, _ := c.ask("/other", fmt.Sprintf("X-Key: %d\r\n", i)); again != who {
				t.Errorf("%s by the field comes to %s and %s", target, who, again)
			}
		}
	}
	if len(seen) != 3 {
		t.Errorf("requests came to %v only", seen)
	}
	r = balanced(t, &ir.Balance{HashBy: "$uri", Subset: 2}, nil)
	c, seen = r.dial(), map[string]bool{}
	for range 60 {
		who, _ := c.ask("/x", "")
		seen[who] = true
	}
	if len(seen) != 2 {
		t.Errorf("a subset of two is %v", seen)
	}
}

// canaryRoute has a canary; the main backend may have affinity.
func canaryRoute(change func(*ir.Canary)) func(*ir.Host, *ir.Route) {
	return func(_ *ir.Host, r *ir.Route) {
		r.SetsAffinity = true
		r.Canary = &ir.Canary{Backend: canaryID, Total: 100}
		change(r.Canary)
	}
}

// TestCanaryRules pins the order of §6.3 on the wire.
func TestCanaryRules(t *testing.T) {
	t.Parallel()
	header := func(c *ir.Canary) { c.Header, c.Cookie = "X-Canary", "canary" }
	value := func(c *ir.Canary) { header(c); c.HeaderValue = "yes" }
	for _, tt := range []struct {
		name   string
		change func(*ir.Canary)
		fields string
		canary bool
	}{
		{"nothing", header, "", false},
		{"always", header, "x-canary: always\r\n", true},
		{"never beats the cookie", header, "X-Canary: never\r\nCookie: canary=always\r\n", false},
		{"another value falls through", header, "X-Canary: ALWAYS\r\nCookie: canary=always\r\n", true},
		{"cookie", header, "Cookie: a=b; Canary=always\r\n", true},
		{"cookie never beats weight", func(c *ir.Canary) { header(c); c.Weight = 100 }, "Cookie: canary=never\r\n", false},
		{"weight", func(c *ir.Canary) { header(c); c.Weight = 100 }, "", true},
		{"value", value, "X-Canary: yes\r\n", true},
		{"with a value always means nothing", value, "X-Canary: always\r\n", false},
		{"value mismatch falls through", value, "X-Canary: no\r\nCookie: canary=always\r\n", true},
		{"pattern", func(c *ir.Canary) { header(c); c.HeaderPattern = "^a.c$" }, "X-Canary: abc\r\n", true},
		{"pattern mismatch falls through", func(c *ir.Canary) { header(c); c.HeaderPattern, c.Weight = "^a.c$", 100 }, "X-Canary: never\r\n", true},
		{"pattern beside a value means nothing", func(c *ir.Canary) { value(c); c.HeaderPattern = "^a.c$" }, "X-Canary: abc\r\n", false},
		{"bad pattern is main", func(c *ir.Canary) { header(c); c.HeaderPattern, c.Weight = "(", 100 }, "X-Canary: abc\r\n", false},
		{"bad pattern without the field", func(c *ir.Canary) { header(c); c.HeaderPattern, c.Weight = "(", 100 }, "", true},
		{"no endpoints", func(c *ir.Canary) { c.Backend, c.Weight = "d/none/80", 100 }, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := balanced(t, nil, canaryRoute(tt.change))
			if who, _ := r.dial().ask("/", tt.fields); (who == "c") != tt.canary {
				t.Errorf("%q answers", who)
			}
		})
	}
}

func TestCanaryWeight(t *testing.T) {
	t.Parallel()
	r := balanced(t, nil, canaryRoute(func(c *ir.Canary) { c.Weight, c.Total = 250, 1000 }))
	c := r.dial()
	n := 0
	for range 2000 {
		if who, _ := c.ask("/", ""); who == "c" {
			n++
		}
	}
	if n < 350 || n > 650 { // 500 ± 7.7 standard deviations
		t.Errorf("%d of 2000", n)
	}
}

// TestCanaryMainWithoutEndpoints: a canary is nothing without its main.
func TestCanaryMainWithoutEndpoints(t *testing.T) {
	t.Parallel()
	r := balanced(t, nil, canaryRoute(func(c *ir.Canary) { c.Header = "X-C" }))
	r.endpoints()
	if _, resp := r.dial().ask("/", "X-C: always\r\n"); resp.StatusCode != 503 {
		t.Errorf("%d", resp.StatusCode)
	}
}

// TestCanaryAffinity: the cookie says which side a client is on, and counts
// before all rules; legacy lets it speak for the main side only.
func TestCanaryAffinity(t *testing.T) {
	t.Parallel()
	sticky := balanced(t, affinity(nil), canaryRoute(func(c *ir.Canary) { c.Header = "X-C" }))
	c := sticky.dial()
	who, resp := c.ask("/", "X-C: always\r\n")
	toCanary := jar(resp)
	if who != "c" || toCanary == "" {
		t.Fatalf("%q, cookie %q", who, toCanary)
	}
	if who, _ := c.ask("/", "Cookie: "+toCanary+"\r\nX-C: never\r\n"); who != "c" {
		t.Errorf("a client of the canary comes to %q", who)
	}
	_, resp = c.ask("/", "")
	toMain := jar(resp)
	if who, _ := c.ask("/", "Cookie: "+toMain+"\r\nX-C: always\r\n"); who == "c" {
		t.Error("a client of the main side comes to the canary")
	}
	if who, _ := c.ask("/", "Cookie: INGRESSCOOKIE=key-only\r\nX-C: always\r\n"); who != "c" {
		t.Errorf("a cookie without a side leads to %q", who)
	}

	legacy := balanced(t, affinity(nil), canaryRoute(func(c *ir.Canary) { c.Header, c.Legacy = "X-C", true }))
	c = legacy.dial()
	if who, resp := c.ask("/", "X-C: always\r\n"); who != "c" || jar(resp) != "" {
		t.Errorf("legacy: %q, cookie %q", who, jar(resp))
	}
	if who, _ := c.ask("/", "Cookie: "+toCanary+"\r\nX-C: never\r\n"); who == "c" {
		t.Error("legacy: the cookie leads to the canary")
	}
	if who, _ := c.ask("/", "Cookie: "+toMain+"\r\nX-C: always\r\n"); who == "c" {
		t.Error("legacy: a client of the main side comes to the canary")
	}
}

// TestCanaryHasNoAffinityOfItsOwn: clients of the canary stick by the cookie of the
// main backend or not at all, whatever the Service of the canary has elsewhere.
func TestCanaryHasNoAffinityOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, legacy := range []bool{false, true} {
		r := balanced(t, nil, canaryRoute(func(c *ir.Canary) { c.Header, c.Legacy = "X-C", legacy }))
		other := named(t, "d")
		r.upstreams.Update(ir.EndpointSet{Backend: canaryID, Endpoints: []ir.Endpoint{{Addr: named(t, "c").addr()}, {Addr: other.addr()}}})
		r.upstreams.Configure(&ir.Backend{ID: canaryID, Balance: affinity(nil)})
		c, seen := r.dial(), map[string]bool{}
		for range 4 {
			who, resp := c.ask("/", "X-C: always\r\nCookie: INGRESSCOOKIE=key\r\n")
			if seen[who] = true; jar(resp) != "" {
				t.Errorf("cookie %q", jar(resp))
			}
		}
		if !seen["c"] || !seen["d"] || len(seen) != 2 {
			t.Errorf("legacy %v: came to %v", legacy, seen)
		}
	}
}

// TestBalanceAllocs pins that hashes, affinity and canaries do not allocate.
func TestBalanceAllocs(t *testing.T) {
	for name, b := range map[string]*ir.Balance{
		"hash": {HashBy: "$request_uri$remote_addr"}, "ewma": {EWMA: true}, "sticky": affinity(nil),
	} {
		t.Run(name, func(t *testing.T) {
			cfg := oneRoute(canaryRoute(func(c *ir.Canary) { c.Header, c.Cookie, c.Weight = "X-C", "c", 50 }))
			cfg.Settings.KeepAliveRequests = 1 << 30
			r := newRig(t, cfg)
			r.endpoints(newScript(t, lean).addr())
			r.upstreams.Configure(&ir.Backend{ID: backendID, Balance: b})
			r.upstreams.Update(ir.EndpointSet{Backend: canaryID, Endpoints: []ir.Endpoint{{Addr: newScript(t, lean).addr()}}})
			noAllocs(t, r, "GET /x HTTP/1.1\r\nHost: a.test\r\nCookie: a=b; INGRESSCOOKIE=x\r\n\r\n")
		})
	}
}

// TestVariables reads variables from a request.
func TestVariables(t *testing.T) {
	t.Parallel()
	r, _ := up(t, answering(ok), func(_ *ir.Host, r *ir.Route) { r.Path = "/p" })
	x := &r.server.conns.New().(*conn).x
	x.c.info.Remote, x.c.info.Local = netip.MustParseAddrPort("192.0.2.1:99"), netip.MustParseAddrPort("192.0.2.2:80")
	x.c.info.Peer = netip.MustParseAddrPort("10.0.0.9:99")
	x.c.info.Proxied.Source, x.c.info.Proxied.Destination = x.c.info.Remote, x.c.info.Local
	x.c.shown.ofConnection(&x.c.info)
	x.begin()
	lim := http1.RequestLimits()
	if _, err := x.req.Parse([]byte("POST /a%20b/../c?q=1&Z=2 HTTP/1.1\r\nHost: A.test:8080\r\nX-Some-Id: seven\r\nCookie: a=b; C=d\r\n"+
		"X-Request-ID: id1\r\nContent-Type: t/x\r\nContent-Length: 3\r\n"+basicHeader("ann", "x")+"\r\n"), &lim); err != nil {
		t.Fatal(err)
	}
	x.table = r.tables.Load()
	if x.refuseBadHostOrPath() {
		t.Fatal("no route")
	}
	for text, want := range map[string]string{
		"$host": "a.test", "$http_host": "A.test:8080", "$scheme": "http", "$request_method": "POST",
		"$request_uri": "/a%20b/../c?q=1&Z=2", "$escaped_request_uri": "%2Fa%2520b%2F..%2Fc%3Fq%3D1%26Z%3D2", "$uri": "/c",
		"$args": "q=1&Z=2", "$is_args": "?", "$remote_addr": "192.0.2.1", "$remote_port": "99", "$remote_user": "ann",
		"$server_name": "a.test", "$server_port": "80", "$server_protocol": "HTTP/1.1", "$request_id": "id1",
		"$namespace/$ingress_name": "d/i", "$service_name:$service_port": "s:80", "$location_path": "/p", "$proxy_upstream_name": "d-s-80",
		"$realip_remote_addr": "10.0.0.9", "$pass_access_scheme": "http", "$best_http_host": "A.test:8080",
		"$proxy_protocol_addr:$proxy_protocol_port": "192.0.2.1:99", "$proxy_protocol_server_addr:$proxy_protocol_server_port": "192.0.2.2:80",
		"$content_type": "t/x", "$content_length": "3", "$http_x_some_id": "seven", "$cookie_c": "d", "$arg_z": "2", "$arg_none$http_none$cookie_none": "",
	} {
		v, err := variable.Parse(text)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := string(v.Append(nil, x)); got != want {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
	}
}
